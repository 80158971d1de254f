//! What a policy keeps, as values of the language: the same whoever runs the policy.

use std::collections::{BTreeMap, BTreeSet};

use tcpc_lang::hir::{RecordId, Value};

/// All that a policy counted, remembered, measured and reported, and what it is steered by. Every vector is indexed like
/// its namesake of the [`Program`](tcpc_lang::hir::Program).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// How often each rule's condition held.
    pub hits: Vec<u64>,
    /// Counters: one cell a row, under no key or under one part.
    pub counters: Vec<Rows>,
    /// What is kept for each connection, by its socket cookie.
    pub flows: Rows,
    /// Tables.
    pub tables: Vec<Rows>,
    /// The buckets of each histogram.
    pub histograms: Vec<Vec<u64>>,
    /// Records that were given to user space, the oldest first.
    pub records: Vec<GivenRecord>,
    /// Records of each kind for which there was no room.
    pub lost: Vec<u64>,
    /// How often each assignment was refused, by error number; a number that is not kept by itself is 0.
    pub refused: Vec<BTreeMap<u32, u64>>,
    /// How often the kernel did not take each header option, likewise.
    pub unsent: Vec<BTreeMap<u32, u64>>,
    /// The arms of each experiment.
    pub experiments: Vec<Vec<ArmKept>>,
    /// What each parameter is set to, in its type's canonical unit.
    pub params: Vec<u64>,
    /// What is in each set that can be changed, as
    /// [`MutableSet::elements`](tcpc_lang::hir::MutableSet::elements) has it.
    pub sets: Vec<BTreeSet<(u128, u8)>>,
}

/// Rows by key, and how often there was no room for one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The cells of each row; addresses in keys are cut.
    pub rows: BTreeMap<Vec<Value>, Vec<u64>>,
    /// Changes that found no room.
    pub full: u64,
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenRecord {
    /// Its kind.
    pub kind: RecordId,
    /// Nanoseconds since boot.
    pub time: u64,
    /// Its fields.
    pub values: Vec<Value>,
}

/// What is kept of an arm of an experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmKept {
    /// Connections that were established.
    pub opened: u64,
    /// For each metric the numbers that
    /// [`OUTCOME_NUMBERS`](tcpc_stdlib::manifest::state::OUTCOME_NUMBERS) describes.
    pub outcomes: Vec<Vec<u64>>,
}

impl Rows {
    /// Adds to the only cell of a counter.
    pub fn count(&mut self, key: Vec<Value>, number: u64) {
        if let Some(cell) = self.rows.entry(key).or_insert_with(|| vec![0]).first_mut() {
            *cell = cell.wrapping_add(number);
        }
    }

    /// A cell of a row, if the row is there.
    pub fn cell(&self, key: &[Value], cell: u8) -> Option<u64> {
        self.rows.get(key)?.get(usize::from(cell)).copied()
    }
}
