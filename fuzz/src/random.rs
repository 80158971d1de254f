//! Random choices that are the same in every run.

use tcpc_runtime::random::split_mix_64;

/// A source of numbers; the number in it is its whole state.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn number(&mut self) -> u64 {
        split_mix_64(&mut self.0)
    }

    /// Any number of 128 bits.
    pub fn wide(&mut self) -> u128 {
        u128::from(self.number()) << 64 | u128::from(self.number())
    }

    /// Below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// An index below `end`; 0 if that is 0.
    pub fn index(&mut self, end: usize) -> usize {
        self.below(end as u64) as usize
    }

    /// True once in so many times on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of several; there must be one.
    pub fn one_of<'t, T>(&mut self, choices: &'t [T]) -> &'t T {
        &choices[self.index(choices.len())]
    }

    /// A copy of one of several; there must be one.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// A source of its own, for a part that must not depend on how many numbers another part takes.
    pub fn split(&mut self) -> Random {
        Random(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_in_every_run() {
        let numbers = |seed| {
            let mut random = Random(seed);
            [random.number(), random.number(), random.number()]
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn below_nothing_is_nothing() {
        assert_eq!(Random(1).below(0), 0);
        assert!((0..100).all(|seed| Random(seed).below(3) < 3));
    }
}
