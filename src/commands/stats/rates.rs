//! How fast numbers grow.

use std::collections::HashMap;

use tcpc_loader::{Counters, Key};
use tcpc_stdlib::manifest::Place;

use super::Reading;

/// A number of a policy: where it stands in [`Counters`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Number {
    /// Hits of a rule.
    Rule(usize),
    /// A counter without a key.
    Counter(usize),
    /// A row of a counter with a key.
    Row(usize, Key),
    /// The values of a histogram.
    Histogram(usize),
    /// Records of a kind that found no room.
    Lost(usize),
    /// What a counter with a key had no room for.
    Full(usize),
    /// Refusals of one option at one line with one error number.
    Failure(Place, bool, u32),
}

/// What each number was before, and how long ago.
pub struct Rates {
    before: Option<(HashMap<Number, u64>, f64)>,
}

impl Rates {
    /// Where numbers are read once, nothing is known of their growth.
    pub fn none() -> Rates {
        Rates { before: None }
    }

    /// From one reading to the next of the same attachment.
    pub fn between(before: Option<&Reading>, now: &Reading) -> Rates {
        let before = before.map(|before| {
            let seconds = now.at.duration_since(before.at).as_secs_f64();
            (numbers(&before.counters), seconds.max(f64::MIN_POSITIVE))
        });
        Rates { before }
    }

    /// What was added to a number each second. A number that was not there before was 0.
    pub fn of(&self, number: Number, now: u64) -> Option<f64> {
        let (before, seconds) = self.before.as_ref()?;
        let grown = now.saturating_sub(before.get(&number).copied().unwrap_or(0));
        Some(grown as f64 / seconds)
    }
}

fn numbers(counters: &Counters) -> HashMap<Number, u64> {
    let mut numbers = HashMap::new();
    for (index, rule) in counters.rules.iter().enumerate() {
        numbers.extend(rule.hits.map(|hits| (Number::Rule(index), hits)));
    }
    for (index, (_, value)) in counters.named.iter().enumerate() {
        numbers.insert(Number::Counter(index), *value);
    }
    for (index, keyed) in counters.keyed.iter().enumerate() {
        numbers.extend(keyed.rows.iter().map(|(key, value)| (Number::Row(index, *key), *value)));
        numbers.insert(Number::Full(index), keyed.full);
    }
    for (index, histogram) in counters.histograms.iter().enumerate() {
        numbers.insert(Number::Histogram(index), histogram.buckets.iter().sum());
    }
    for (index, (_, lost)) in counters.lost.iter().enumerate() {
        numbers.insert(Number::Lost(index), *lost);
    }
    for failure in &counters.failures {
        numbers.insert(Number::failure(failure), failure.count);
    }
    numbers
}

impl Number {
    /// The number of a failure.
    pub fn failure(failure: &tcpc_loader::Failure) -> Number {
        Number::Failure(failure.place.clone(), failure.header, failure.errno)
    }
}
