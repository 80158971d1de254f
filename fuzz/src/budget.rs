//! How long a run goes on: so many minutes, or so many trials.

use std::time::{Duration, Instant};

/// What the command line says of the length of a run. Without a word it is one minute.
#[derive(clap::Args, Clone, Debug)]
pub struct Budget {
    /// Go on for so many minutes
    #[arg(long, value_name = "N", default_value_t = 1.0, conflicts_with = "count")]
    minutes: f64,
    /// Go on for so many trials instead
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Where the random numbers begin: the same seed gives the same trials
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Budget {
    /// So many trials.
    pub fn of(count: u64, seed: u64) -> Budget {
        Budget { minutes: 0.0, count: Some(count), seed }
    }

    /// A run that begins now.
    pub fn start(&self) -> Run {
        let end = match self.count {
            Some(count) => End::Count(count),
            // A time that cannot be is none.
            None => End::After(Duration::try_from_secs_f64(self.minutes * 60.0).unwrap_or_default()),
        };
        Run { end, began: Instant::now(), done: 0 }
    }

    /// What is left of it after so many seconds and trials; nothing if it is used up.
    pub fn left(&self, seconds: f64, trials: u64) -> Option<Budget> {
        let left = match self.count {
            Some(count) => Budget { count: count.checked_sub(trials), ..self.clone() },
            None => Budget { minutes: self.minutes - seconds / 60.0, ..self.clone() },
        };
        let is_left = match self.count {
            Some(_) => left.count.is_some_and(|count| count > 0),
            None => left.minutes > 0.0,
        };
        is_left.then_some(left)
    }

    /// The same with other random numbers.
    pub fn after(&self, runs: u64) -> Budget {
        Budget { seed: self.seed.wrapping_add(runs << 32), ..self.clone() }
    }

    /// The command line that says it.
    pub fn arguments(&self) -> Vec<String> {
        let length = match self.count {
            Some(count) => format!("--count={count}"),
            None => format!("--minutes={}", self.minutes),
        };
        vec![length, format!("--seed={}", self.seed)]
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Count(u64),
    After(Duration),
}

/// A run on its way; as an iterator it gives the numbers of its trials.
#[derive(Clone, Debug)]
pub struct Run {
    end: End,
    began: Instant,
    done: u64,
}

impl Run {
    /// Trials begun so far.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Seconds since its beginning.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

impl Iterator for Run {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let goes_on = match self.end {
            End::Count(count) => self.done < count,
            End::After(duration) => self.began.elapsed() < duration,
        };
        goes_on.then(|| {
            self.done += 1;
            self.done - 1
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_run_of_a_count_has_so_many_trials() {
        let mut run = Budget::of(3, 1).start();
        assert_eq!(run.by_ref().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(run.done(), 3);
    }

    #[test]
    fn a_budget_is_used_up() {
        let budget = Budget::of(10, 1);
        assert_eq!(budget.left(1e9, 4).unwrap().arguments(), ["--count=6", "--seed=1"]);
        assert!(budget.left(0.0, 10).is_none() && budget.left(0.0, 11).is_none());
        let minutes = Budget { minutes: 2.0, count: None, seed: 7 };
        assert_eq!(minutes.left(60.0, 99).unwrap().arguments(), ["--minutes=1", "--seed=7"]);
        assert!(minutes.left(120.0, 0).is_none());
    }
}
