//! What an object says of itself: the JSON document in its section [`SECTION`].
//!
//! Map and constant layouts are in the object's BTF; this holds what BTF cannot say and what the
//! commands on an attached policy need. Readers accept a newer minor `format` and ignore
//! what they do not know.

mod place;
pub mod state;

use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::feature::FeatureKind;
pub use place::Place;

/// The ELF section that holds the manifest.
pub const SECTION: &str = ".tcpc";
/// The version of this document that this code writes and the highest it reads.
pub const FORMAT: u32 = 1;
/// Bytes of a program's or a map's name that the kernel keeps (`BPF_OBJ_NAME_LEN` with its NUL is 16).
pub const PROGRAM_NAME_MAX: usize = 15;
/// Bytes of a policy's name.
pub const POLICY_NAME_MAX: usize = 64;
/// The section of zero-initialised globals that holds the counters.
pub const COUNTER_SECTION: &str = ".bss";
/// Counters of one assignment: [`FAILURE_SLOTS`] 64-bit numbers, indexed by error number; the first
/// counts those above the last index.
pub const FAILURE_SLOTS: usize = 128;
/// Rows of a counter with a key.
pub const COUNTER_ROWS: u32 = 65_536;

/// Everything that an object says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this document.
    pub format: u32,
    /// Version of the compiler that wrote it.
    pub compiler: String,
    /// The policy's name: its file name without the ending, letters, digits and `_` only.
    pub policy: String,
    /// The source file's name, without folders.
    pub source: String,
    /// HZ that the constants in the object stand for.
    pub hz: u32,
    /// Oldest kernel that it runs on, as `5.10`.
    pub kernel: String,
    /// Everything that asks for a kernel above the floor.
    #[serde(alias = "kernel_because")]
    pub needs: Vec<Requirement>,
    /// Whether rule hits and failures are counted.
    pub stats: bool,
    /// The events in which the program does something, in the order of their numbers.
    pub events: Vec<String>,
    /// The rules, in the order of the source.
    pub rules: Vec<RuleInfo>,
    /// Counters that the policy declares.
    pub counters: Vec<CounterInfo>,
    /// Assignments whose failures are counted.
    pub assignments: Vec<AssignmentInfo>,
    /// Constants that depend on HZ.
    pub jiffies: Vec<JiffiesInfo>,
    /// Name of the 32-bit constant that holds HZ itself, if the program reads it.
    pub hz_symbol: Option<String>,
    /// Constants that say what the kernel has.
    #[serde(default)]
    pub features: Vec<FeatureInfo>,
    /// Congestion controls that the policy names.
    pub congestion: Vec<CongestionUse>,
    /// Buffer sizes that the policy sets: option name and bytes.
    pub buffers: Vec<BufferUse>,
    /// What it remembers, measures, reports and is steered by.
    #[serde(default)]
    pub state: state::StateInfo,
}

/// A construct that needs a kernel newer than the floor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The construct, as the policy names it.
    pub construct: String,
    /// What kind of thing it is.
    #[serde(default)]
    pub kind: FeatureKind,
    /// First kernel that has it.
    pub kernel: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleInfo {
    /// Its label, or event and line (`timeout_init@7`).
    pub name: String,
    /// Its events.
    pub events: Vec<String>,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Symbol of its hit counter in [`COUNTER_SECTION`] (a 64-bit number), if hits are counted.
    pub hits: Option<String>,
}

/// One `count` of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterInfo {
    /// Its name in the policy.
    pub name: String,
    /// Symbol of a 64-bit number in [`COUNTER_SECTION`], or the name of a hash map if there is a key.
    pub symbol: String,
    /// The key's type in the language, for `count NAME by KEY`.
    pub key: Option<String>,
    /// Symbol of the 64-bit number in [`COUNTER_SECTION`] that counts what found no room for its key.
    #[serde(default)]
    pub full: Option<String>,
}

/// One assignment to a socket option, or one sending of a header option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentInfo {
    /// Index into the rules.
    pub rule: u32,
    /// The option, as the policy names it.
    pub option: String,
    /// Whether it is a header option that is sent.
    #[serde(default)]
    pub header: bool,
    /// The value if it is constant, as the policy writes it.
    pub value: Option<String>,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Symbol of an array of [`FAILURE_SLOTS`] 64-bit numbers in [`COUNTER_SECTION`], if counted.
    pub failures: Option<String>,
}

/// A constant in `.rodata` that a loader sets for the running kernel's HZ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JiffiesInfo {
    /// Symbol of a 32-bit number.
    pub symbol: String,
    /// The time span that the policy asks for, in nanoseconds.
    pub nanos: u64,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
}

/// A constant in `.rodata` that a loader sets to 1 if the running kernel has something; it is 0 in the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureInfo {
    /// Symbol of a 32-bit number.
    pub symbol: String,
    /// What is asked for, as the policy names it.
    pub name: String,
    /// What kind of thing it is.
    pub kind: FeatureKind,
    /// First version that has it, as `6.15`.
    pub kernel: String,
    /// What the policy uses where the kernel has it, and asks for no further: the constant stands for all of it.
    #[serde(default)]
    pub relies_on: Vec<Requirement>,
}

/// A congestion control that the policy names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CongestionUse {
    /// Its name.
    pub name: String,
    /// Whether another one is named as a fall-back after it.
    pub has_fallback: bool,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
}

/// A buffer size that the policy sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferUse {
    /// `sndbuf` or `rcvbuf`.
    pub option: String,
    /// Bytes.
    pub bytes: u64,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
}
