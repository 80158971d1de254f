//! Experiments: arms, and what is measured of their connections.

use tcpc_stdlib::builtin::{HASH_FACTOR, HASH_START};
use tcpc_stdlib::manifest::state::MetricUnit;

use super::Key;
use crate::source::Span;

/// An experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// What decides about the arm, as it was written.
    pub key: String,
    /// Its keys; none if each connection is drawn by itself.
    pub keys: Vec<Key>,
    /// Its arms.
    pub arms: Vec<Arm>,
    /// What is measured.
    pub metrics: Vec<Metric>,
    /// The place of its name.
    pub span: Span,
}

/// An arm: the connections whose number is from `low` up to, but not, `high`, of 2^32.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// The first number.
    pub low: u64,
    /// The number after the last.
    pub high: u64,
}

/// Something that is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What its numbers count in.
    pub unit: MetricUnit,
}

impl Experiment {
    /// What the hash of its keys begins with, so that experiments over the same keys draw independently.
    pub fn seed(&self) -> u64 {
        self.name.bytes().fold(HASH_START, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(HASH_FACTOR))
    }
}
