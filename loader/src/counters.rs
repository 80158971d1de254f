//! Reading the counters of an attached policy.

use std::os::fd::AsFd;
use std::path::Path;

use tcpc_stdlib::manifest::state::HISTOGRAM_BUCKETS;
use tcpc_stdlib::manifest::{AssignmentInfo, COUNTER_SECTION, FAILURE_SLOTS, Manifest, Place};

use crate::error::LoaderError;
use crate::image::Symbol;
use crate::maps;
use crate::record::Record;
use crate::rows::{Keyed, rows};
use crate::sys;

/// Everything that a policy has counted. The numbers are read in one go, the counters with a key after them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// How often each rule ran, in the order of the source.
    pub rules: Vec<RuleHits>,
    /// The policy's own counters without a key: name and value.
    pub named: Vec<(String, u64)>,
    /// The policy's own counters with a key.
    pub keyed: Vec<Keyed>,
    /// Histograms.
    pub histograms: Vec<Histogram>,
    /// Kinds of records, and how many of each found no room.
    pub lost: Vec<(String, u64)>,
    /// Socket options and header options that the kernel did not take: those that it refused at least once.
    pub failures: Vec<Failure>,
}

/// How often a rule ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHits {
    /// The rule's name.
    pub rule: String,
    /// Its events.
    pub events: Vec<String>,
    /// Where it stands.
    pub place: Place,
    /// Times; `None` if they are not counted.
    pub hits: Option<u64>,
}

/// A histogram, and what it counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Its name.
    pub name: String,
    /// The type of its values in the language.
    pub ty: String,
    /// [`HISTOGRAM_BUCKETS`] numbers.
    pub buckets: Vec<u64>,
}

/// How often an assignment, or the sending of a header option, failed in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule's name.
    pub rule: String,
    /// The option, as the policy names it.
    pub option: String,
    /// Whether it is a header option that was not sent.
    pub header: bool,
    /// The value if it is constant, as the policy writes it.
    pub value: Option<String>,
    /// Where it stands.
    pub place: Place,
    /// The error number; 0 stands for those that have no slot of their own.
    pub errno: u32,
    /// Times.
    pub count: u64,
}

/// The counters of the policy whose pins are in this directory.
///
/// # Errors
/// The pins cannot be read or do not fit together.
pub fn counters(pins: &Path) -> Result<Counters, LoaderError> {
    let record = Record::read(pins)?;
    let data = Data::read(pins, &record.symbols)?;
    let manifest = &record.manifest;
    let mut found = Counters::default();
    for rule in &manifest.rules {
        let hits = rule.hits.as_deref().map(|symbol| data.number(symbol)).transpose()?;
        let (name, events) = (rule.name.clone(), rule.events.clone());
        found.rules.push(RuleHits { rule: name, events, place: rule.place.clone(), hits });
    }
    for counter in &manifest.counters {
        let name = counter.name.clone();
        match &counter.key {
            None => found.named.push((name, data.number(&counter.symbol)?)),
            Some(key) => {
                let full = counter.full.as_deref().map(|symbol| data.number(symbol)).transpose()?;
                let (key, rows, full) = (key.clone(), rows(pins, counter)?, full.unwrap_or(0));
                found.keyed.push(Keyed { name, key, rows, full });
            }
        }
    }
    for histogram in &manifest.state.histograms {
        let buckets = data.numbers(&histogram.symbol, HISTOGRAM_BUCKETS as usize)?;
        let (name, ty) = (histogram.name.clone(), histogram.ty.clone());
        found.histograms.push(Histogram { name, ty, buckets });
    }
    for record in &manifest.state.records {
        found.lost.push((record.name.clone(), data.number(&record.lost)?));
    }
    for assignment in &manifest.assignments {
        found.failures.extend(failures(manifest, assignment, &data)?);
    }
    Ok(found)
}

fn failures(
    manifest: &Manifest,
    assignment: &AssignmentInfo,
    data: &Data<'_>,
) -> Result<Vec<Failure>, LoaderError> {
    let Some(symbol) = &assignment.failures else { return Ok(Vec::new()) };
    let rule = manifest.rules.get(assignment.rule as usize).map_or("", |rule| &rule.name);
    let counts = data.numbers(symbol, FAILURE_SLOTS)?;
    let failure = |(errno, count)| Failure {
        rule: rule.into(),
        option: assignment.option.clone(),
        header: assignment.header,
        value: assignment.value.clone(),
        place: assignment.place.clone(),
        errno,
        count,
    };
    Ok((0..).zip(counts).filter(|(_, count)| *count != 0).map(failure).collect())
}

/// The bytes of the section of counters, and where its numbers are.
pub(crate) struct Data<'a> {
    pins: &'a Path,
    symbols: &'a [Symbol],
    bytes: Vec<u8>,
}

impl<'a> Data<'a> {
    pub(crate) fn read(pins: &'a Path, symbols: &'a [Symbol]) -> Result<Data<'a>, LoaderError> {
        // A policy that counts nothing has no such section.
        if !symbols.iter().any(|symbol| symbol.section == COUNTER_SECTION) {
            return Ok(Data { pins, symbols, bytes: Vec::new() });
        }
        let bad = |reason: String| LoaderError::BadRecord { path: pins.into(), reason };
        let map = maps::open(pins, COUNTER_SECTION, maps::ARRAYS)?;
        let mut bytes = vec![0; map.value_size];
        sys::read_element(map.data.fd().as_fd(), 0, &mut bytes).map_err(|error| bad(error.to_string()))?;
        Ok(Data { pins, symbols, bytes })
    }

    /// The 64-bit number of a symbol.
    pub(crate) fn number(&self, symbol: &str) -> Result<u64, LoaderError> {
        Ok(self.numbers(symbol, 1)?[0])
    }

    /// The first `count` 64-bit numbers of a symbol.
    pub(crate) fn numbers(&self, symbol: &str, count: usize) -> Result<Vec<u64>, LoaderError> {
        let found = self.symbols.iter().find(|one| one.name == symbol && one.section == COUNTER_SECTION);
        found
            .and_then(|one| self.bytes.get(one.offset as usize..)?.get(..count * 8))
            .map(|bytes| bytes.as_chunks().0.iter().map(|chunk| u64::from_ne_bytes(*chunk)).collect())
            .ok_or_else(|| LoaderError::BadRecord {
                path: self.pins.into(),
                reason: format!("there is no counter `{symbol}`"),
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_read_where_the_symbol_says_and_never_outside() {
        let symbol = |name: &str, offset| Symbol {
            name: name.into(),
            section: COUNTER_SECTION.into(),
            offset,
            size: 8,
        };
        let symbols = [symbol("a", 0), symbol("b", 8), symbol("far", u64::MAX)];
        let bytes = [1u64.to_ne_bytes(), 2u64.to_ne_bytes()].concat();
        let data = Data { pins: Path::new("/p"), symbols: &symbols, bytes };
        assert_eq!(data.numbers("b", 1).unwrap(), [2]);
        assert_eq!(data.numbers("a", 2).unwrap(), [1, 2]);
        for (name, count) in [("b", 2), ("far", 1), ("none", 1)] {
            assert!(matches!(data.numbers(name, count), Err(LoaderError::BadRecord { .. })));
        }
    }
}
