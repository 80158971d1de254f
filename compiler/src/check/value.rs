//! What a register or a slot of the frame holds.

use super::scalar::Scalar;
use crate::bpf::AluOp;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not written on every path.
    Nothing,
    /// Written on every path, but with things of different kinds: may be moved, not used.
    Mixed,
    /// A number.
    Scalar(Scalar),
    /// The number of the event, as the context shows it.
    Event,
    /// The context.
    Context,
    /// The end of the frame plus a number, which is 0 or less.
    Frame(i64),
    /// A map, by index.
    Map(usize),
    /// Memory that can be read, with an offset.
    Memory(Pointer),
    /// The result of the look-up at slot `call` in a map: a value or NULL.
    Lookup {
        /// Index of the map.
        map: usize,
        /// Slot of the call: look-ups of one call are checked for NULL together.
        call: usize,
    },
    /// A kernel pointer that generated code has no use for.
    Opaque,
}

/// A pointer into a region: `fixed + variable` bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The memory.
    pub region: Region,
    /// The part of the offset that is a constant; may be negative.
    pub fixed: i64,
    /// The part that is not.
    pub variable: Scalar,
}

/// Memory with a known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// A value of the map with this index.
    MapValue(usize),
    /// The data section with this index.
    Data(usize),
}

/// The largest offset that the kernel lets pointers have (`BPF_MAX_VAR_OFF`).
pub const OFFSET_MAX: u64 = 1 << 29;

impl Value {
    /// A number.
    pub fn constant(number: u64) -> Value {
        Value::Scalar(Scalar::constant(number))
    }

    /// A pointer with a constant offset.
    pub fn memory(region: Region, fixed: i64) -> Value {
        Value::Memory(Pointer { region, fixed, variable: Scalar::constant(0) })
    }

    /// Whether this is a number.
    pub fn is_number(self) -> bool {
        matches!(self, Value::Scalar(_) | Value::Event)
    }

    /// What it is, as an error message says it.
    pub fn kind(self) -> &'static str {
        match self {
            Value::Nothing => "not written on every path",
            Value::Mixed => "of different kinds on different paths",
            Value::Scalar(_) | Value::Event => "a number",
            Value::Context => "the context",
            Value::Frame(_) => "an address in the frame",
            Value::Map(_) => "a map",
            Value::Memory(_) => "an address",
            Value::Lookup { .. } => "the result of a look-up that is not checked for NULL",
            Value::Opaque => "a kernel pointer",
        }
    }

    /// What holds after two paths meet. A number that differs becomes a range.
    pub fn join(self, other: Value, numbers: impl Fn(Value) -> Option<Scalar>) -> Value {
        match (self, other) {
            (a, b) if a == b => a,
            (Value::Nothing, _) | (_, Value::Nothing) => Value::Nothing,
            (Value::Memory(a), Value::Memory(b)) if a.region == b.region => Value::Memory(a.join(b)),
            (a, b) => match (numbers(a), numbers(b)) {
                (Some(a), Some(b)) => Value::Scalar(a.join(b)),
                _ => Value::Mixed,
            },
        }
    }
}

impl Pointer {
    fn join(self, other: Pointer) -> Pointer {
        let fixed = self.fixed.min(other.fixed);
        let shifted = |pointer: Pointer| {
            let more = Scalar::constant(pointer.fixed.abs_diff(fixed));
            pointer.variable.alu(true, AluOp::Add, more)
        };
        Pointer { fixed, variable: shifted(self).join(shifted(other)), ..self }
    }

    /// The pointer so many bytes on; none if it would be further away than the kernel allows.
    pub fn moved(self, op: AluOp, by: Scalar) -> Option<Pointer> {
        let moved = match (op, by.known()) {
            (AluOp::Add, Some(by)) => Pointer { fixed: self.fixed.checked_add(by as i64)?, ..self },
            (AluOp::Sub, Some(by)) => Pointer { fixed: self.fixed.checked_sub(by as i64)?, ..self },
            (AluOp::Add, None) => {
                // Checked before the sum, which would wrap.
                if by.max >= OFFSET_MAX {
                    return None;
                }
                Pointer { variable: self.variable.alu(true, AluOp::Add, by), ..self }
            }
            _ => return None,
        };
        let near = moved.fixed.unsigned_abs() < OFFSET_MAX && moved.variable.max < OFFSET_MAX;
        near.then_some(moved)
    }

    /// Smallest and largest offset of an access at `off`.
    pub fn bounds(self, off: i64) -> (i64, i64) {
        let base = self.fixed + off;
        (base + self.variable.min as i64, base + self.variable.max as i64)
    }

    /// Whether every access at `off` is aligned to a power of two.
    pub fn is_aligned(self, off: i64, power: u64) -> bool {
        (self.fixed + off).rem_euclid(power as i64) == 0 && self.variable.is_multiple_of(power)
    }
}
