//! Which events a program may be running for: learnt from compares of `op` with constants.

use tcpc_stdlib::event::{Event, event_by_number};

use super::scalar::{Scalar, assume};
use crate::bpf::JmpOp;

/// A set of values of `op`. Bit 63 stands for all values from 63 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events(u64);

/// The bit that stands for all the values that have no bit of their own.
const REST: u32 = 63;

impl Events {
    /// Every event, known or not.
    pub const ALL: Events = Events(u64::MAX);

    /// The events of either set.
    pub fn join(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }

    /// Those for which a compare of `op` with a number holds, or does not hold; none if there are none.
    pub fn assume(self, wide: bool, op: JmpOp, holds: bool, number: Scalar) -> Option<Events> {
        let left = self.bits().filter(|&bit| assume(wide, op, holds, range(bit), number).is_some());
        let left = left.fold(0, |left, bit| left | 1 << bit);
        (left != 0).then_some(Events(left))
    }

    /// What `op` can be as a number.
    pub fn scalar(self) -> Scalar {
        self.bits().map(range).reduce(Scalar::join).unwrap_or(Scalar::of_bytes(4))
    }

    /// The events in the set that are known; values that no known kernel raises give `None`.
    pub fn iter(self) -> impl Iterator<Item = Option<&'static Event>> {
        self.bits().map(event_by_number)
    }

    fn bits(self) -> impl Iterator<Item = u32> {
        (0..=REST).filter(move |bit| self.0 >> bit & 1 == 1)
    }
}

fn range(bit: u32) -> Scalar {
    match bit {
        REST => Scalar::range(u64::from(REST), u64::from(u32::MAX)),
        number => Scalar::constant(u64::from(number)),
    }
}
