//! What is known before an instruction: registers, frame, and the events it may run for.

use std::rc::Rc;

use tcpc_stdlib::kernel::STACK_SIZE;

use super::events::Events;
use super::scalar::Scalar;
use super::value::{Origin, Region, Target, Value};
use crate::bpf::op::FRAME;

/// Bytes of one slot of the frame.
const SLOT: usize = 8;
/// All bytes of a slot.
const FULL: u8 = 0xff;

/// What is known at one place of a program.
#[derive(Clone, Debug)]
pub struct State {
    /// r0 to r10.
    pub registers: [Value; FRAME as usize + 1],
    /// The events that the program may be running for.
    pub events: Events,
    /// The lock that is held.
    pub lock: Lock,
    /// Shared between states until one of them writes.
    frame: Rc<[Slot; STACK_SIZE / SLOT]>,
}

/// Which lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// None.
    Free,
    /// That of a value of the map with this index.
    Held(usize),
    /// Another one on another path.
    Unclear,
}

/// Eight bytes of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Numbers; a bit for each byte that is written.
    Bytes(u8),
    /// One value that was stored whole.
    Whole(Value),
}

impl State {
    /// What the kernel enters a program with.
    pub fn entry() -> State {
        let mut registers = [Value::Nothing; FRAME as usize + 1];
        registers[1] = Value::Context;
        registers[usize::from(FRAME)] = Value::Frame(0);
        let lock = Lock::Free;
        State { registers, events: Events::ALL, lock, frame: Rc::new([Slot::Bytes(0); STACK_SIZE / SLOT]) }
    }

    /// What is known of a value if it is a number.
    pub fn number(&self, value: Value) -> Option<Scalar> {
        match value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Event => Some(self.events.scalar()),
            _ => None,
        }
    }

    /// What holds after two paths meet at a slot.
    pub fn join(self, other: &State, slot: usize) -> State {
        let numbers = |value| match (self.number(value), other.number(value)) {
            (Some(a), Some(b)) => Some(a.join(b)),
            _ => None,
        };
        // Places that held one value on this path and one on the other hold one still.
        let origin = |mine: Value, theirs: Value| {
            let is_it = |pair: (Option<Value>, Option<Value>)| pair == (Some(mine), Some(theirs));
            Origin::Join(slot, self.places().zip(other.places()).position(is_it).unwrap_or(0))
        };
        let mut registers = self.registers;
        for (mine, theirs) in registers.iter_mut().zip(other.registers) {
            let before = *mine;
            *mine = before.join(theirs, || origin(before, theirs), numbers);
        }
        let mut frame = self.frame.clone();
        if !Rc::ptr_eq(&frame, &other.frame) && frame != other.frame {
            for (mine, theirs) in Rc::make_mut(&mut frame).iter_mut().zip(other.frame.iter()) {
                *mine = mine.join(*theirs, origin, numbers);
            }
        }
        let lock = if self.lock == other.lock { self.lock } else { Lock::Unclear };
        State { registers, frame, lock, events: self.events.join(other.events) }
    }

    /// What every place holds: the registers, then the slots of the frame that hold one value.
    fn places(&self) -> impl Iterator<Item = Option<Value>> {
        let slots = self.frame.iter().map(|slot| match slot {
            Slot::Whole(value) => Some(*value),
            Slot::Bytes(_) => None,
        });
        self.registers.iter().copied().map(Some).chain(slots)
    }

    /// Replaces every pointer of this origin by what it points to, or by NULL.
    pub fn settle(&mut self, origin: Origin, found: bool) {
        let settled = |value: &mut Value| match *value {
            Value::Maybe { to, origin: of } if of == origin => {
                *value = match (found, to) {
                    (true, Target::MapValue(map)) => Value::memory(Region::MapValue(map), 0),
                    (true, Target::Struct(of)) => Value::Struct(of),
                    (false, _) => Value::constant(0),
                };
            }
            _ => {}
        };
        self.registers.iter_mut().for_each(settled);
        let spilled =
            |slot: &Slot| matches!(slot, Slot::Whole(Value::Maybe { origin: of, .. }) if *of == origin);
        if self.frame.iter().any(spilled) {
            for slot in Rc::make_mut(&mut self.frame) {
                if let Slot::Whole(value) = slot {
                    settled(value);
                }
            }
        }
    }

    /// Writes so many bytes of the frame; the access is known to be within it and aligned.
    pub fn store(&mut self, at: usize, bytes: usize, value: Value) {
        let Some(slot) = Rc::make_mut(&mut self.frame).get_mut(at / SLOT) else { return };
        *slot = match bytes {
            SLOT => Slot::Whole(value),
            _ => Slot::Bytes(slot.written() | part(at, bytes)),
        };
    }

    /// A helper writes numbers over at most so many bytes of the frame; all of the first `least` are
    /// written then, and no address is left in any.
    pub fn fill(&mut self, at: usize, most: usize, least: usize) {
        for (index, byte) in (at..at + most).enumerate() {
            let Some(slot) = Rc::make_mut(&mut self.frame).get_mut(byte / SLOT) else { return };
            let written = if index < least { part(byte, 1) } else { 0 };
            *slot = Slot::Bytes(slot.written() | written);
        }
    }

    /// Reads so many bytes of the frame; none if they are not all written, or are a part of an address.
    pub fn load(&self, at: usize, bytes: usize) -> Option<Value> {
        match *self.frame.get(at / SLOT)? {
            Slot::Whole(value) if bytes == SLOT => Some(value),
            slot => {
                let part = part(at, bytes);
                (slot.written() & part == part).then(|| Value::Scalar(Scalar::of_bytes(bytes as u8)))
            }
        }
    }

    /// Whether so many bytes of the frame are written, with numbers.
    pub fn is_written(&self, at: usize, bytes: usize) -> bool {
        (at..at + bytes).all(|at| self.load(at, 1).is_some())
    }
}

impl Slot {
    /// The bytes that can be read as numbers.
    fn written(self) -> u8 {
        match self {
            Slot::Bytes(written) => written,
            Slot::Whole(value) if value.is_number() => FULL,
            Slot::Whole(_) => 0,
        }
    }

    fn join(
        self,
        other: Slot,
        origin: impl Fn(Value, Value) -> Origin,
        numbers: impl Fn(Value) -> Option<Scalar>,
    ) -> Slot {
        match (self, other) {
            (Slot::Whole(a), Slot::Whole(b)) => match a.join(b, || origin(a, b), numbers) {
                Value::Nothing => Slot::Bytes(0),
                value => Slot::Whole(value),
            },
            (a, b) => Slot::Bytes(a.written() & b.written()),
        }
    }
}

/// The bits of these bytes in their slot.
fn part(at: usize, bytes: usize) -> u8 {
    (((1u32 << bytes) - 1) << (at % SLOT)) as u8
}
