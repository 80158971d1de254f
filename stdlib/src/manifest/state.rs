//! What an object says of the things that its policy remembers, measures, reports and is steered by.
//!
//! Layouts, the same for all of them. A *cell* is one value of a type of the language: an address is its 16 bytes in
//! network order (IPv4 as `::ffff:a.b.c.d`), any other value a 64-bit number in the machine's order, in the canonical
//! unit of its type (nanoseconds, bytes, bytes per second, 2^-32; `bool` is 0 or 1; states and families are the
//! kernel's numbers). Cells stand one after another without gaps, in the order of the source; offsets say where.

use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::kernel::{MAPPED_BITS, MAPPED_FIRST};

/// Bytes of a cell that is a number.
pub const NUMBER_BYTES: u32 = 8;
/// Bytes of a cell that is an address.
pub const ADDRESS_BYTES: u32 = 16;
/// Buckets of a histogram, each a 64-bit number: bucket 0 counts the value 0, bucket n the values from 2^(n-1) to
/// 2^n - 1 in the canonical unit; the last one also all above.
pub const HISTOGRAM_BUCKETS: u32 = 64;
/// Bytes before the cells of a record: the number of its declaration (32 bits), 32 bits that are 0, and the time in
/// nanoseconds since boot (64 bits).
pub const RECORD_HEADER: u32 = 16;
/// Bytes of a record at most: it is made on the program's stack, beside what else stands there.
pub const RECORD_BYTES_MAX: u32 = 256;
/// Name of the map that records go into; no counter has it.
pub const RING_NAME: &str = "tcpc_records";
/// Bytes of that ring buffer: a power of two, and whole pages on every architecture.
pub const RING_BYTES: u32 = 256 << 10;
/// The section of the globals that a policy starts with and an operator can change.
pub const VARIABLE_SECTION: &str = ".data";

/// The bucket of a histogram that counts a value.
pub const fn bucket(value: u64) -> u32 {
    let bits = u64::BITS - value.leading_zeros();
    if bits < HISTOGRAM_BUCKETS { bits } else { HISTOGRAM_BUCKETS - 1 }
}

/// The least and the greatest value that a bucket counts.
pub const fn bucket_bounds(bucket: u32) -> (u64, u64) {
    match bucket {
        0 => (0, 0),
        _ if bucket >= HISTOGRAM_BUCKETS - 1 => (1 << (HISTOGRAM_BUCKETS - 2), u64::MAX),
        _ => (1 << (bucket - 1), (1 << bucket) - 1),
    }
}

/// Everything of this kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateInfo {
    /// What is kept for each connection.
    #[serde(default)]
    pub flow: Option<FlowInfo>,
    /// Tables.
    #[serde(default)]
    pub tables: Vec<TableInfo>,
    /// Parameters.
    #[serde(default)]
    pub params: Vec<ParamInfo>,
    /// Sets that can be changed.
    #[serde(default)]
    pub sets: Vec<MutableSetInfo>,
    /// Histograms.
    #[serde(default)]
    pub histograms: Vec<HistogramInfo>,
    /// Kinds of records, by their number.
    #[serde(default)]
    pub records: Vec<RecordInfo>,
    /// Experiments.
    #[serde(default)]
    pub experiments: Vec<ExperimentInfo>,
    /// Name of the ring buffer that records go into.
    #[serde(default)]
    pub ring: Option<String>,
}

/// One cell of a row, of a connection's memory or of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellInfo {
    /// Its name in the policy.
    pub name: String,
    /// Its type in the language.
    #[serde(rename = "type")]
    pub ty: String,
    /// Its first byte.
    pub offset: u32,
    /// The number that it starts with; 0 for an address.
    #[serde(default)]
    pub default: u64,
}

/// The memory of each connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowInfo {
    /// Name of its map, of the kind `BPF_MAP_TYPE_SK_STORAGE`.
    pub map: String,
    /// Its cells.
    pub cells: Vec<CellInfo>,
    /// Symbol of the 64-bit number in [`COUNTER_SECTION`](super::COUNTER_SECTION) that counts changes that were not
    /// kept for lack of memory.
    pub full: String,
    /// Line of the policy.
    pub line: u32,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableInfo {
    /// Its name in the policy.
    pub name: String,
    /// Name of its map.
    pub map: String,
    /// The parts of a key.
    pub keys: Vec<KeyInfo>,
    /// The cells of a row.
    pub cells: Vec<CellInfo>,
    /// Rows at most.
    pub max: u32,
    /// Whether the row that was used least recently makes room for a new one.
    pub lru: bool,
    /// Whether each CPU has a row of its own: what a table says is their sum.
    pub per_cpu: bool,
    /// Symbol of the 64-bit number in [`COUNTER_SECTION`](super::COUNTER_SECTION) that counts rows for which there was no room.
    pub full: String,
    /// Line of the policy.
    pub line: u32,
}

/// A part of a key: a cell, whose address may be cut to a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// What it was declared by: a field, an option or a type.
    #[serde(default)]
    pub name: String,
    /// Its type in the language.
    #[serde(rename = "type")]
    pub ty: String,
    /// Bits that count of an IPv4 and of an IPv6 address; the others are 0.
    #[serde(default)]
    pub cut: Option<(u8, u8)>,
    /// Its first byte.
    pub offset: u32,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamInfo {
    /// Its name in the policy.
    pub name: String,
    /// Symbol of a 64-bit number in [`VARIABLE_SECTION`].
    pub symbol: String,
    /// Its type in the language.
    #[serde(rename = "type")]
    pub ty: String,
    /// What it starts with.
    pub default: u64,
    /// The least and the most that it can be.
    pub range: (u64, u64),
    /// Line of the policy.
    pub line: u32,
}

/// A set that can be changed while the policy runs.
///
/// There are two maps, of which the program asks one: all elements are replaced at once by filling the other and
/// changing the selector. An element's value is one byte, which is 1. `::/0` means all of IPv6, and IPv4 is not part of it
/// although it is `::ffff:0:0/96`: in a map of prefixes that one always is, with the value 0 unless it is an element
/// (`0.0.0.0/0`). A key is that of
/// `struct bpf_lpm_trie_key` with 16 bytes of address for prefixes, 16 bytes for addresses, 4 bytes in the machine's
/// order for ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutableSetInfo {
    /// Its name in the policy.
    pub name: String,
    /// `prefix`, `ip` or `port`.
    pub element: String,
    /// Elements at most.
    pub max: u32,
    /// Names of its maps.
    pub maps: [String; 2],
    /// Symbol of the 64-bit number in [`VARIABLE_SECTION`] that says which of them is asked: 0 or 1.
    pub selector: String,
    /// What it starts with: both halves of an address and a length counted in 128 bits; a port with the length 128.
    #[serde(default)]
    pub elements: Vec<([u64; 2], u8)>,
    /// Line of the policy.
    pub line: u32,
}

impl MutableSetInfo {
    /// What stands in every map of prefixes: IPv4 as a whole.
    pub const ALL_IPV4: (u128, u8) = (MAPPED_FIRST, MAPPED_BITS);

    /// Whether its elements are prefixes.
    pub fn has_prefixes(&self) -> bool {
        self.element == "prefix"
    }

    /// The key of an element: an address and a length counted in 128 bits, or a port.
    pub fn key(&self, (address, length): (u128, u8)) -> Vec<u8> {
        match self.element.as_str() {
            "prefix" => [&u32::from(length).to_ne_bytes()[..], &address.to_be_bytes()[..]].concat(),
            "ip" => address.to_be_bytes().to_vec(),
            _ => (address as u32).to_ne_bytes().to_vec(),
        }
    }

    /// The element of a key.
    pub fn element_of(&self, key: &[u8]) -> Option<(u128, u8)> {
        match self.element.as_str() {
            "prefix" => {
                let (length, address) = key.split_first_chunk()?;
                let length = u8::try_from(u32::from_ne_bytes(*length)).ok()?;
                Some((u128::from_be_bytes(address.try_into().ok()?), length))
            }
            "ip" => Some((u128::from_be_bytes(key.try_into().ok()?), 128)),
            _ => Some((u32::from_ne_bytes(key.try_into().ok()?).into(), 128)),
        }
    }

    /// What it starts with.
    pub fn first_elements(&self) -> impl Iterator<Item = (u128, u8)> {
        self.elements.iter().map(|&([high, low], length)| (u128::from(high) << 64 | u128::from(low), length))
    }
}

/// A histogram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistogramInfo {
    /// Its name in the policy.
    pub name: String,
    /// Symbol of an array of [`HISTOGRAM_BUCKETS`] 64-bit numbers in [`COUNTER_SECTION`](super::COUNTER_SECTION).
    pub symbol: String,
    /// Type of its values in the language.
    #[serde(rename = "type")]
    pub ty: String,
    /// Line of the policy.
    pub line: u32,
}

/// A kind of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordInfo {
    /// Its name in the policy.
    pub name: String,
    /// Its cells; offsets count from the beginning of the record, its header included.
    pub cells: Vec<CellInfo>,
    /// Bytes of a record, its header included.
    pub size: u32,
    /// Symbol of the 64-bit number in [`COUNTER_SECTION`](super::COUNTER_SECTION) that counts records for which there was no room.
    pub lost: String,
    /// Line of the policy.
    pub line: u32,
}

/// Numbers of one outcome of one arm of an experiment, each of 64 bits: connections, the sum of what was measured, the
/// sums of the lower and of the upper 32 bits of its squares, then the buckets of a histogram.
pub const OUTCOME_NUMBERS: u32 = 4 + HISTOGRAM_BUCKETS;
/// The most that is taken for one measurement: its square has 64 bits.
pub const OUTCOME_MAX: u64 = u32::MAX as u64;

/// An experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExperimentInfo {
    /// Its name in the policy.
    pub name: String,
    /// What decides about the arm, as the policy writes it.
    pub key: String,
    /// What is measured of each connection when it ends.
    pub metrics: Vec<MetricInfo>,
    /// Its arms; the first is the one that the others are compared with.
    pub arms: Vec<ArmInfo>,
    /// Line of the policy.
    pub line: u32,
}

/// Something that an experiment measures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricInfo {
    /// Its name in the policy.
    pub name: String,
    /// What it is counted in.
    pub unit: MetricUnit,
}

/// What a measurement is counted in: coarser than the canonical units, so that sums of squares fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricUnit {
    /// Times of round trips.
    Microseconds,
    /// Times of connections.
    Milliseconds,
    /// Amounts of data.
    Bytes,
    /// Shares of a whole.
    Millionths,
    /// Anything else.
    Plain,
}

/// An arm of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmInfo {
    /// Its name in the policy.
    pub name: String,
    /// Its share of the connections, in 2^-32.
    pub share: u64,
    /// Symbol of the 64-bit number in [`COUNTER_SECTION`](super::COUNTER_SECTION) that counts its connections that were
    /// established.
    pub opened: String,
    /// For each metric the symbol of an array of [`OUTCOME_NUMBERS`] there.
    pub outcomes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_within_the_bounds_of_its_bucket_and_of_no_other() {
        for value in [0, 1, 2, 3, 4, 1000, u64::from(u32::MAX), 1 << 32, (1 << 62) - 1, 1 << 62, u64::MAX] {
            let holding: Vec<u32> = (0..HISTOGRAM_BUCKETS)
                .filter(|index| {
                    let (least, most) = bucket_bounds(*index);
                    least <= value && value <= most
                })
                .collect();
            assert_eq!(holding, [bucket(value)], "{value}");
        }
    }
}
