//! What is known of a number: its range, and which of its bits have which value.
//!
//! The known bits are the kernel's `tnum` (`kernel/bpf/tnum.c`): a bit in `mask` is unknown, any other
//! is as in `value`. Every operation is sound: the result covers all that could come out.

use crate::bpf::{AluOp, JmpOp};

/// A set of 64-bit numbers: those within the range that also agree with the known bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
    value: u64,
    mask: u64,
}

const U32_MAX: u64 = u32::MAX as u64;

impl Scalar {
    /// Any number.
    pub const UNKNOWN: Scalar = Scalar { min: 0, max: u64::MAX, value: 0, mask: u64::MAX };

    /// One number.
    pub const fn constant(number: u64) -> Scalar {
        Scalar { min: number, max: number, value: number, mask: 0 }
    }

    /// Any number of so many bytes.
    pub fn of_bytes(bytes: u8) -> Scalar {
        match bytes {
            8.. => Scalar::UNKNOWN,
            bytes => Scalar::range(0, (1 << (8 * u32::from(bytes))) - 1),
        }
    }

    /// Any number between two; their order does not matter.
    pub fn range(a: u64, b: u64) -> Scalar {
        let (min, max) = (a.min(b), a.max(b));
        let unknown = match (min ^ max).leading_zeros() {
            0 => u64::MAX,
            zeros => (1 << (64 - zeros)) - 1,
        };
        Scalar { min, max, value: min & !unknown, mask: unknown }
    }

    /// The number, if it is only one.
    pub fn known(self) -> Option<u64> {
        (self.min == self.max).then_some(self.min)
    }

    /// Whether every number of the set is a multiple of a power of two.
    pub fn is_multiple_of(self, power: u64) -> bool {
        (self.value | self.mask) & (power - 1) == 0
    }

    /// The bits that may be 1 in some number of the set.
    pub fn possible_bits(self) -> u64 {
        self.value | self.mask
    }

    /// The numbers of either set, and perhaps more.
    pub fn join(self, other: Scalar) -> Scalar {
        let mask = self.mask | other.mask | (self.value ^ other.value);
        let (min, max) = (self.min.min(other.min), self.max.max(other.max));
        Scalar { min, max, value: self.value & !mask, mask }.tightened().unwrap_or(Scalar::UNKNOWN)
    }

    /// The numbers of both sets; none if there are no such.
    fn meet(self, other: Scalar) -> Option<Scalar> {
        let mask = self.mask & other.mask;
        if (self.value ^ other.value) & !self.mask & !other.mask != 0 {
            return None;
        }
        let value = (self.value | other.value) & !mask;
        Scalar { min: self.min.max(other.min), max: self.max.min(other.max), value, mask }.tightened()
    }

    fn with_range(self, min: u64, max: u64) -> Option<Scalar> {
        if min > max { None } else { self.meet(Scalar::range(min, max)) }
    }

    fn of_bits(value: u64, mask: u64) -> Scalar {
        let value = value & !mask;
        Scalar { min: value, max: value | mask, value, mask }
    }

    /// Lets range and bits learn from each other.
    fn tightened(self) -> Option<Scalar> {
        let min = self.min.max(self.value);
        let max = self.max.min(self.value | self.mask);
        if min > max {
            return None;
        }
        let range = Scalar::range(min, max);
        let mask = self.mask & range.mask;
        let value = (self.value | range.value) & !mask;
        Some(Scalar { min, max, value, mask })
    }

    /// The lower 32 bits, the upper ones cleared.
    pub fn low32(self) -> Scalar {
        if self.max <= U32_MAX {
            return self;
        }
        Scalar::of_bits(self.value & U32_MAX, self.mask & U32_MAX)
    }

    /// The result of an operation on 64 bits, or on 32 with the upper half cleared.
    ///
    /// Nothing is said where the kernel says nothing: of quotients, remainders, negations, and shifts by
    /// distances that are not constant (`adjust_scalar_min_max_vals` in `kernel/bpf/verifier.c`).
    pub fn alu(self, wide: bool, op: AluOp, other: Scalar) -> Scalar {
        let (a, b) = if wide { (self, other) } else { (self.low32(), other.low32()) };
        let shifts = matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh);
        let width = if wide { 64 } else { 32 };
        if matches!(op, AluOp::Div | AluOp::Mod | AluOp::Neg)
            || (shifts && b.known().is_none_or(|distance| distance >= width))
        {
            return Scalar::UNKNOWN;
        }
        match op {
            _ if wide => a.alu64(op, b),
            AluOp::Arsh if a.max > i32::MAX as u64 => Scalar::of_bytes(4),
            op => a.alu64(op, b).low32(),
        }
    }

    fn alu64(self, op: AluOp, other: Scalar) -> Scalar {
        let (a, b) = (self, other);
        match op {
            AluOp::Mov => b,
            AluOp::Add => a.plus(b),
            AluOp::Sub => a.minus(b),
            AluOp::Mul => match (a.known(), b.known()) {
                (Some(a), Some(b)) => Scalar::constant(a.wrapping_mul(b)),
                _ if a.max <= U32_MAX && b.max <= U32_MAX => Scalar::range(a.min * b.min, a.max * b.max),
                _ => Scalar::UNKNOWN,
            },
            AluOp::And => {
                let value = a.value & b.value;
                let bits = Scalar::of_bits(value, (a.value | a.mask) & (b.value | b.mask) & !value);
                bits.with_range(0, a.max.min(b.max)).unwrap_or(bits)
            }
            AluOp::Or => {
                let value = a.value | b.value;
                let bits = Scalar::of_bits(value, (a.mask | b.mask) & !value);
                bits.with_range(a.min.max(b.min), u64::MAX).unwrap_or(bits)
            }
            AluOp::Xor => Scalar::of_bits(a.value ^ b.value, a.mask | b.mask),
            AluOp::Lsh => b.known().map_or(Scalar::UNKNOWN, |by| a.shifted_left(by as u32)),
            AluOp::Arsh if a.max > i64::MAX as u64 => Scalar::UNKNOWN,
            AluOp::Rsh | AluOp::Arsh => b.known().map_or(Scalar::UNKNOWN, |by| a.shifted_right(by as u32)),
            AluOp::Div | AluOp::Mod | AluOp::Neg => Scalar::UNKNOWN,
        }
    }

    fn plus(self, other: Scalar) -> Scalar {
        let (a, b) = (self, other);
        let value = a.value.wrapping_add(b.value);
        let all = a.mask.wrapping_add(b.mask).wrapping_add(value);
        let bits = Scalar::of_bits(value, (all ^ value) | a.mask | b.mask);
        match a.max.checked_add(b.max) {
            Some(max) => bits.with_range(a.min + b.min, max).unwrap_or(bits),
            None => bits,
        }
    }

    fn minus(self, other: Scalar) -> Scalar {
        let (a, b) = (self, other);
        let value = a.value.wrapping_sub(b.value);
        let (high, low) = (value.wrapping_add(a.mask), value.wrapping_sub(b.mask));
        let bits = Scalar::of_bits(value, (high ^ low) | a.mask | b.mask);
        match a.min.checked_sub(b.max) {
            Some(min) => bits.with_range(min, a.max - b.min).unwrap_or(bits),
            None => bits,
        }
    }

    fn shifted_right(self, by: u32) -> Scalar {
        Scalar { min: self.min >> by, max: self.max >> by, value: self.value >> by, mask: self.mask >> by }
    }

    fn shifted_left(self, by: u32) -> Scalar {
        let bits = Scalar::of_bits(self.value << by, self.mask << by);
        match self.max.leading_zeros() >= by {
            true => bits.with_range(self.min << by, self.max << by).unwrap_or(bits),
            false => bits,
        }
    }
}

/// What kernels since 5.10 conclude of [`assume`]: only compares with constants tell something, inequality
/// nothing, and equality is only ruled out between constants.
pub fn assume_as_kernel(
    wide: bool,
    op: JmpOp,
    holds: bool,
    a: Scalar,
    b: Scalar,
) -> Option<(Scalar, Scalar)> {
    let assumed = assume(wide, op, holds, a, b);
    let equality = matches!(op, JmpOp::Eq | JmpOp::Ne);
    let equal = (op == JmpOp::Eq) == holds;
    match (a.known(), b.known()) {
        (Some(_), Some(_)) => assumed,
        (None, None) => Some((a, b)),
        _ if equality && equal => Some(assumed.unwrap_or((a, b))),
        _ if equality => Some((a, b)),
        _ => assumed,
    }
}

/// What is left of two numbers once a compare of them is known to hold or not to hold; none if that cannot be.
///
/// A compare that says nothing about the range leaves both as they are.
pub fn assume(wide: bool, op: JmpOp, holds: bool, a: Scalar, b: Scalar) -> Option<(Scalar, Scalar)> {
    let small = a.max <= U32_MAX && b.max <= U32_MAX;
    if !wide && !small {
        return Some((a, b));
    }
    let op = match (holds, op.negated()) {
        (true, _) => op,
        (false, Some(negated)) => negated,
        (false, None) => return assume_disjoint(a, b),
    };
    let signed_max = if wide { i64::MAX as u64 } else { i32::MAX as u64 };
    let positive = a.max <= signed_max && b.max <= signed_max;
    match op {
        JmpOp::Eq => a.meet(b).map(|both| (both, both)),
        JmpOp::Ne => Some((without(a, b)?, without(b, a)?)),
        JmpOp::Gt => above(a, b),
        JmpOp::Ge => at_least(a, b),
        JmpOp::Lt => above(b, a).map(|(b, a)| (a, b)),
        JmpOp::Le => at_least(b, a).map(|(b, a)| (a, b)),
        JmpOp::Set => (a.possible_bits() & b.possible_bits() != 0).then_some((a, b)),
        JmpOp::Sgt | JmpOp::Sge | JmpOp::Slt | JmpOp::Sle if !positive => Some((a, b)),
        JmpOp::Sgt => above(a, b),
        JmpOp::Sge => at_least(a, b),
        JmpOp::Slt => above(b, a).map(|(b, a)| (a, b)),
        JmpOp::Sle => at_least(b, a).map(|(b, a)| (a, b)),
    }
}

/// `a > b`.
fn above(a: Scalar, b: Scalar) -> Option<(Scalar, Scalar)> {
    let low = b.min.checked_add(1)?;
    let high = a.max.checked_sub(1)?;
    Some((a.with_range(low, u64::MAX)?, b.with_range(0, high)?))
}

/// `a >= b`.
fn at_least(a: Scalar, b: Scalar) -> Option<(Scalar, Scalar)> {
    Some((a.with_range(b.min, u64::MAX)?, b.with_range(0, a.max)?))
}

/// `a`, if it is not `b`.
fn without(a: Scalar, b: Scalar) -> Option<Scalar> {
    match b.known() {
        Some(b) if a.min == b && a.max == b => None,
        Some(b) if a.min == b => a.with_range(b + 1, a.max),
        Some(b) if a.max == b => a.with_range(a.min, b - 1),
        _ => Some(a),
    }
}

/// `a & b == 0`.
fn assume_disjoint(a: Scalar, b: Scalar) -> Option<(Scalar, Scalar)> {
    match b.known() {
        Some(bits) => Some((a.meet(Scalar::of_bits(0, !bits))?, b)),
        None => Some((a, b)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use proptest::prelude::*;

    use super::*;

    impl Scalar {
        fn contains(self, number: u64) -> bool {
            (self.min..=self.max).contains(&number) && number & !self.mask == self.value
        }
    }

    /// What the machine does (`___bpf_prog_run` in `kernel/bpf/core.c`).
    fn run(wide: bool, op: AluOp, a: u64, b: u64) -> u64 {
        if !wide {
            let (a, b) = (a as u32, b as u32);
            return u64::from(match op {
                AluOp::Add => a.wrapping_add(b),
                AluOp::Sub => a.wrapping_sub(b),
                AluOp::Mul => a.wrapping_mul(b),
                AluOp::Div => a.checked_div(b).unwrap_or(0),
                AluOp::Mod => a.checked_rem(b).unwrap_or(a),
                AluOp::Or => a | b,
                AluOp::And => a & b,
                AluOp::Xor => a ^ b,
                AluOp::Lsh => a.wrapping_shl(b),
                AluOp::Rsh => a.wrapping_shr(b),
                AluOp::Arsh => (a as i32).wrapping_shr(b) as u32,
                AluOp::Neg => a.wrapping_neg(),
                AluOp::Mov => b,
            });
        }
        match op {
            AluOp::Add => a.wrapping_add(b),
            AluOp::Sub => a.wrapping_sub(b),
            AluOp::Mul => a.wrapping_mul(b),
            AluOp::Div => a.checked_div(b).unwrap_or(0),
            AluOp::Mod => a.checked_rem(b).unwrap_or(a),
            AluOp::Or => a | b,
            AluOp::And => a & b,
            AluOp::Xor => a ^ b,
            AluOp::Lsh => a.wrapping_shl(b as u32),
            AluOp::Rsh => a.wrapping_shr(b as u32),
            AluOp::Arsh => (a as i64).wrapping_shr(b as u32) as u64,
            AluOp::Neg => a.wrapping_neg(),
            AluOp::Mov => b,
        }
    }

    fn compare(wide: bool, op: JmpOp, a: u64, b: u64) -> bool {
        let (a, b) = if wide { (a, b) } else { (a << 32, b << 32) };
        let (signed_a, signed_b) = (a as i64, b as i64);
        match op {
            JmpOp::Eq => a == b,
            JmpOp::Ne => a != b,
            JmpOp::Gt => a > b,
            JmpOp::Ge => a >= b,
            JmpOp::Lt => a < b,
            JmpOp::Le => a <= b,
            JmpOp::Set => a & b != 0,
            JmpOp::Sgt => signed_a > signed_b,
            JmpOp::Sge => signed_a >= signed_b,
            JmpOp::Slt => signed_a < signed_b,
            JmpOp::Sle => signed_a <= signed_b,
        }
    }

    /// A set and one of its numbers.
    fn set() -> impl Strategy<Value = (Scalar, u64)> {
        let number = || {
            prop_oneof![
                0u64..70,
                any::<u64>(),
                any::<u32>().prop_map(u64::from),
                (0u32..64).prop_map(|bit| 1 << bit),
                (0u64..5).prop_map(|n| n.wrapping_neg()),
            ]
        };
        (number(), number(), 0u8..4).prop_map(|(a, b, kind)| match kind {
            0 => (Scalar::constant(a), a),
            1 => (Scalar::constant(a).join(Scalar::constant(b)), b),
            2 => (Scalar::range(a, b), a),
            _ => (Scalar::of_bits(a, b), a & !b),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn results_cover_what_the_machine_computes(
            (a, x) in set(), (b, y) in set(), wide: bool, op in prop::sample::select(AluOp::ALL),
        ) {
            prop_assert!(a.contains(x) && b.contains(y));
            let result = a.alu(wide, op, b);
            prop_assert!(result.contains(run(wide, op, x, y)), "{a:?} {op:?} {b:?} = {result:?}");
        }

        #[test]
        fn compares_keep_the_numbers_that_they_hold_for(
            (a, x) in set(), (b, y) in set(), wide: bool, op in prop::sample::select(JmpOp::ALL),
        ) {
            let holds = compare(wide, op, x, y);
            let (left, right) = assume(wide, op, holds, a, b).expect("it can be");
            prop_assert!(left.contains(x) && right.contains(y), "{a:?} {op:?} {b:?}: {left:?} {right:?}");
        }

        #[test]
        fn joins_cover_both_sets((a, x) in set(), (b, y) in set()) {
            prop_assert!(a.join(b).contains(x) && a.join(b).contains(y));
        }
    }

    #[test]
    fn masks_and_shifts_bound_an_index() {
        let index = Scalar::UNKNOWN.alu(true, AluOp::And, Scalar::constant(7));
        let offset = index.alu(true, AluOp::Lsh, Scalar::constant(4));
        assert_eq!((offset.min, offset.max), (0, 112));
        assert!(offset.is_multiple_of(16));
        assert!(!offset.is_multiple_of(32));
    }

    #[test]
    fn compares_that_cannot_hold_say_so() {
        let (small, five) = (Scalar::range(0, 4), Scalar::constant(5));
        assert_eq!(assume(true, JmpOp::Ge, true, small, five), None);
        assert_eq!(assume(true, JmpOp::Eq, true, small, five), None);
        let (left, _) = assume(true, JmpOp::Lt, true, Scalar::UNKNOWN, five).unwrap();
        assert_eq!((left.min, left.max), (0, 4));
    }
}
