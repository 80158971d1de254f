//! Sets of numbers as ascending ranges: what a value can still be.

use std::sync::Arc;

/// Numbers of up to 128 bits: disjoint ranges in ascending order, both ends included, no two adjacent. A copy costs
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ranges(Arc<[(u128, u128)]>);

impl Ranges {
    /// No number.
    pub fn none() -> Ranges {
        Ranges(Arc::new([]))
    }

    /// From one number to another; none if the first is the larger one.
    pub fn span(low: u128, high: u128) -> Ranges {
        if low <= high { Ranges(Arc::new([(low, high)])) } else { Ranges::none() }
    }

    /// One number.
    pub fn one(number: u128) -> Ranges {
        Ranges::span(number, number)
    }

    /// The union of ranges in any order.
    pub fn of(ranges: impl IntoIterator<Item = (u128, u128)>) -> Ranges {
        let mut ranges: Vec<(u128, u128)> = ranges.into_iter().filter(|(low, high)| low <= high).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Ranges(merged.into())
    }

    /// The ranges.
    pub fn parts(&self) -> &[(u128, u128)] {
        &self.0
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest and the largest number.
    pub fn bounds(&self) -> Option<(u128, u128)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }

    /// Whether a number is among them.
    pub fn has(&self, number: u128) -> bool {
        let after = self.0.partition_point(|&(low, _)| low <= number);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, high)| number <= high)
    }

    /// The ranges that reach into `low..=high`.
    fn within(&self, low: u128, high: u128) -> &[(u128, u128)] {
        let first = self.0.partition_point(|range| range.1 < low);
        let last = self.0.partition_point(|range| range.0 <= high);
        self.0.get(first..last).unwrap_or(&[])
    }

    /// The numbers that are in both.
    pub fn and(&self, other: &Ranges) -> Ranges {
        let (few, many) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        let mut both = Vec::new();
        for &(low, high) in few.parts() {
            both.extend(many.within(low, high).iter().map(|range| (range.0.max(low), range.1.min(high))));
        }
        Ranges(both.into())
    }

    /// The numbers that are in this one and not in the other.
    pub fn without(&self, other: &Ranges) -> Ranges {
        let mut rest = Vec::new();
        for &(low, high) in self.parts() {
            let mut from = Some(low);
            for &(taken, until) in other.within(low, high) {
                let Some(start) = from else { break };
                if start < taken {
                    rest.push((start, taken - 1));
                }
                from = until.checked_add(1).filter(|next| *next <= high);
            }
            rest.extend(from.map(|start| (start, high)));
        }
        Ranges(rest.into())
    }

    /// Whether no number is in both.
    pub fn misses(&self, other: &Ranges) -> bool {
        let (few, many) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        few.parts().iter().all(|&(low, high)| many.within(low, high).is_empty())
    }

    /// Whether each of these numbers is in the other one.
    pub fn is_in(&self, other: &Ranges) -> bool {
        let holds = |&(low, high): &(u128, u128)| matches!(other.within(low, high), [(first, last)] if *first <= low && high <= *last);
        self.parts().iter().all(holds)
    }

    /// The numbers that `number * scale` of these is, rounded inwards: those that `scale` times is one of these.
    pub fn divided(&self, scale: u128) -> Ranges {
        if scale == 1 {
            return self.clone();
        }
        Ranges::of(self.parts().iter().map(|&(low, high)| (low.div_ceil(scale), high / scale)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges() -> impl Strategy<Value = Ranges> {
        prop::collection::vec((0u128..60, 0u128..60), 0..6).prop_map(Ranges::of)
    }

    fn members(ranges: &Ranges) -> Vec<u128> {
        (0..70).filter(|&number| ranges.has(number)).collect()
    }

    proptest! {
        #[test]
        fn they_are_sets_of_numbers(a in ranges(), b in ranges(), scale in 1u128..5) {
            for number in 0..70 {
                prop_assert_eq!(a.and(&b).has(number), a.has(number) && b.has(number));
                prop_assert_eq!(a.without(&b).has(number), a.has(number) && !b.has(number));
                prop_assert_eq!(a.divided(scale).has(number), a.has(number * scale));
            }
            prop_assert_eq!(a.misses(&b), members(&a.and(&b)).is_empty());
            prop_assert_eq!(a.is_in(&b), members(&a.without(&b)).is_empty());
            prop_assert_eq!(Ranges::of(a.parts().iter().copied()), a.clone());
            prop_assert_eq!(Ranges::of(a.without(&b).parts().iter().copied()), a.without(&b));
        }
    }

    #[test]
    fn the_largest_number_has_no_next_one() {
        let all = Ranges::span(0, u128::MAX);
        assert_eq!(all.without(&Ranges::span(7, u128::MAX)), Ranges::span(0, 6));
        assert_eq!(all.without(&all), Ranges::none());
        assert_eq!(Ranges::of([(u128::MAX, u128::MAX), (0, u128::MAX - 1)]), all);
    }
}
