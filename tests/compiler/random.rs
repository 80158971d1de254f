//! Random choices that are the same in every run.

use tcpc_runtime::random::split_mix_64;

pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        split_mix_64(&mut self.0)
    }

    pub fn wide(&mut self) -> u128 {
        u128::from(self.number()) << 64 | u128::from(self.number())
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}
