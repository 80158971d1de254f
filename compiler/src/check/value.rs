//! What a register or a slot of the frame holds.

use tcpc_stdlib::field::Struct;

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
    /// A structure of the kernel, whose members can be read.
    Struct(Struct),
    /// A pointer or NULL: to be compared with 0 before anything else.
    Maybe {
        /// What it points to if it is not NULL.
        to: Target,
        /// Where it came from: of one origin all are NULL or none is, and they are checked together.
        origin: Origin,
    },
    /// The kernel's own context, which kernel functions take.
    KernelContext,
    /// A kernel pointer that generated code has no use for.
    Opaque,
}

/// What a pointer that may be NULL points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The beginning of a value of the map with this index.
    MapValue(usize),
    /// A structure of the kernel.
    Struct(Struct),
}

/// What made a pointer that may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The instruction at this slot.
    Slot(usize),
    /// Paths that met at a slot, of which some knew more of this place, and of those that held the same on each path.
    Join(usize, Place),
}

/// A register, or with a number above all registers' a slot of the frame.
pub type Place = usize;

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
            Value::Struct(_) => "a structure of the kernel",
            Value::Maybe { to: Target::MapValue(_), .. } => {
                "the result of a look-up that is not checked for NULL"
            }
            Value::Maybe { to: Target::Struct(_), .. } => "a kernel pointer that is not checked for NULL",
            Value::KernelContext => "the kernel's own context",
            Value::Opaque => "a kernel pointer",
        }
    }

    /// What it points to, if it is not NULL: for what a compare with 0 can have made a pointer of.
    fn target(self) -> Option<Target> {
        match self {
            Value::Maybe { to, .. } => Some(to),
            Value::Struct(of) => Some(Target::Struct(of)),
            Value::Memory(Pointer { region: Region::MapValue(map), fixed: 0, variable }) => {
                (variable.known() == Some(0)).then_some(Target::MapValue(map))
            }
            _ => None,
        }
    }

    /// What paths meet with of which one knows a pointer, and the other knows it to be NULL, or does not know
    /// one from the other.
    ///
    /// On each path the kernel knows no less, so that it decides or refines the same compare.
    fn join_pointers(self, other: Value, origin: impl Fn() -> Origin) -> Option<Value> {
        let is_null = |value| matches!(value, Value::Scalar(scalar) if scalar.known() == Some(0));
        let to = match (self.target(), other.target()) {
            (Some(a), Some(b)) if a == b => a,
            (Some(to), None) if is_null(other) => to,
            (None, Some(to)) if is_null(self) => to,
            _ => return None,
        };
        Some(Value::Maybe { to, origin: origin() })
    }

    /// What holds after two paths meet, of a place of this origin. A number that differs becomes a range.
    pub fn join(
        self,
        other: Value,
        origin: impl Fn() -> Origin,
        numbers: impl Fn(Value) -> Option<Scalar>,
    ) -> Value {
        match (self, other) {
            (a, b) if a == b => a,
            (Value::Nothing, _) | (_, Value::Nothing) => Value::Nothing,
            (Value::Memory(a), Value::Memory(b)) if a.region == b.region => Value::Memory(a.join(b)),
            (a, b) => match (numbers(a), numbers(b)) {
                (Some(a), Some(b)) => Value::Scalar(a.join(b)),
                _ => self.join_pointers(other, origin).unwrap_or(Value::Mixed),
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
