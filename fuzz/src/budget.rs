//! How long a run goes on: so many minutes, or so many trials.

use std::time::{Duration, Instant};

/// What the command line says of the length of a run. Without a word it is one minute.
#[derive(clap::Args, Clone, Debug)]
pub struct Budget {
    /// Go on for so many minutes
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "count")]
    minutes: u64,
    /// Go on for so many trials instead
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Where the random numbers begin: the same seed gives the same run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Budget {
    /// So many trials.
    pub fn of(count: u64, seed: u64) -> Budget {
        Budget { minutes: 0, count: Some(count), seed }
    }

    /// A run that begins now.
    pub fn start(&self) -> Run {
        let end = match self.count {
            Some(count) => End::Count(count),
            None => End::After(Duration::from_secs(self.minutes.saturating_mul(60))),
        };
        Run { end, began: Instant::now(), done: 0 }
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
    use super::*;

    #[test]
    fn a_run_of_a_count_has_so_many_trials() {
        let mut run = Budget::of(3, 1).start();
        assert_eq!(run.by_ref().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(run.done(), 3);
    }
}
