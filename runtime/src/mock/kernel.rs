//! The kernel's own state: what is the same for all its sockets.

use tcpc_lang::hir::Value;
use tcpc_stdlib::kernel::{BUFFER_MAX_DEFAULT, CALLBACK_FLAGS, KernelVersion, TCP_RMEM_MAX_DEFAULT};
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::NANOS_PER_SECOND;

use crate::random::split_mix_64;

/// A kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct MockKernel {
    /// Its version: events, options and helpers that came later are not there.
    pub version: KernelVersion,
    /// Ticks per second.
    pub hz: u32,
    /// `net.core.wmem_max`, in bytes.
    pub wmem_max: u64,
    /// `net.core.rmem_max`, in bytes.
    pub rmem_max: u64,
    /// `net.ipv4.tcp_rmem[2]`, in bytes.
    pub tcp_rmem_max: u64,
    /// Nanoseconds since boot.
    pub now: u64,
    /// Options whose setting fails.
    pub failures: Vec<Failure>,
    /// Numbers that every other draw is one of: where a policy compares, all numbers are not alike. None as a rule.
    pub often: Vec<u32>,
    random: u64,
}

/// A socket option whose setting fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The option.
    pub option: &'static SockOption,
    /// Only this value of it.
    pub value: Option<Value>,
    /// The error number.
    pub errno: u32,
}

impl Default for MockKernel {
    /// The newest kernel, with HZ 1000, an hour after boot.
    fn default() -> MockKernel {
        MockKernel {
            version: KernelVersion::NEWEST,
            hz: 1000,
            wmem_max: BUFFER_MAX_DEFAULT,
            rmem_max: BUFFER_MAX_DEFAULT,
            tcp_rmem_max: TCP_RMEM_MAX_DEFAULT,
            now: 3_600 * NANOS_PER_SECOND,
            failures: Vec::new(),
            often: Vec::new(),
            random: 0,
        }
    }
}

impl MockKernel {
    /// The next of the same random numbers in every run.
    pub fn random(&mut self) -> u32 {
        let number = split_mix_64(&mut self.random);
        let drawn = (number >> 32) as u32;
        match number.checked_rem(2 * self.often.len() as u64).and_then(|at| self.often.get(at as usize)) {
            Some(often) => *often,
            None => drawn,
        }
    }

    /// Ticks since boot.
    pub fn jiffies(&self) -> u64 {
        (u128::from(self.now) * u128::from(self.hz) / u128::from(NANOS_PER_SECOND)) as u64
    }

    /// The callback flags that it knows.
    pub fn callback_flags(&self) -> u32 {
        let known = CALLBACK_FLAGS.iter().filter(|flag| flag.since <= self.version);
        known.fold(0, |flags, flag| flags | flag.value)
    }

    /// The error number that setting this option to this value was made to fail with.
    pub fn failure(&self, option: &SockOption, value: &Value) -> Option<u32> {
        let applies = |failure: &&Failure| {
            failure.option.name == option.name && failure.value.as_ref().is_none_or(|only| only == value)
        };
        self.failures.iter().rev().find(applies).map(|failure| failure.errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcpc_stdlib::kernel::v;

    #[test]
    fn randomness_is_the_same_in_every_run() {
        let (mut one, mut other) = (MockKernel::default(), MockKernel::default());
        let numbers = [one.random(), one.random(), one.random()];
        assert_eq!(numbers, [other.random(), other.random(), other.random()]);
        assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2]);
    }

    #[test]
    fn some_numbers_can_be_drawn_often() {
        let mut kernel = MockKernel { often: vec![7, 8], ..MockKernel::default() };
        let drawn: Vec<u32> = (0..400).map(|_| kernel.random()).collect();
        let count = |wanted| drawn.iter().filter(|number| **number == wanted).count();
        assert!(count(7) > 50 && count(8) > 50 && count(7) + count(8) < 300, "{} {}", count(7), count(8));
    }

    #[test]
    fn callback_flags_came_over_time() {
        let flags = |version| MockKernel { version, ..MockKernel::default() }.callback_flags();
        assert_eq!(flags(v(4, 16)), 0x07);
        assert_eq!(flags(v(5, 3)), 0x0f);
        assert_eq!(flags(v(5, 10)), 0x7f);
    }

    #[test]
    fn jiffies_follow_the_clock() {
        let kernel = MockKernel { hz: 250, now: 10 * NANOS_PER_SECOND, ..MockKernel::default() };
        assert_eq!(kernel.jiffies(), 2_500);
    }
}
