//! The typed tree: names are resolved to catalogue rows and ids, functions are inlined, constants are
//! values, and every node has a type. What is here is valid: the stages after this one have no errors
//! of their own.
//!
//! Numbers are in the canonical unit of their type (see [`tcpc_stdlib::unit::Type`]): durations in
//! nanoseconds, sizes in bytes, rates in bytes per second, percentages in 2^-32. Ports are in host
//! order. Addresses are 128 bits in network reading order, IPv4 as `::ffff:a.b.c.d`.

mod experiment;
mod expr;
mod header;
mod measure;
mod print;
mod requirement;
mod rule;
mod state;
mod steer;
mod test;
mod walk;

pub use crate::ast::ChangeOp;
pub use experiment::{Arm, Experiment, Metric};
pub use expr::{ArithOp, CompareOp, Expr, ExprKind, Role, Value};
pub use header::{HeaderField, HeaderOption, Send};
pub use measure::{Counter, Histogram, Record, RecordField};
pub use requirement::{Reliance, Requirement};
pub use rule::{Assignment, ReplyValue, Rule, RuleKind, Stmt, StmtKind};
pub use state::{Cell, Flow, Key, Row, Table};
pub use steer::{MutableSet, Param};
pub use test::{Given, Step, Test};

use tcpc_stdlib::unit::Type;

use crate::source::Span;

macro_rules! id {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            /// The index into the program's vector.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
id!(RuleId, "Index into [`Program::rules`].");
id!(CounterId, "Index into [`Program::counters`].");
id!(SetId, "Index into [`Program::sets`].");
id!(LocalId, "Index into [`Program::locals`]: a `let` in a block or a parameter of an inlined function.");
id!(AssignId, "Index into [`Program::assignments`].");
id!(HeaderId, "Index into [`Program::headers`].");
id!(TableId, "Index into [`Program::tables`].");
id!(SendId, "Index into [`Program::sends`].");
id!(HistogramId, "Index into [`Program::histograms`].");
id!(RecordId, "Index into [`Program::records`].");
id!(ParamId, "Index into [`Program::params`].");
id!(MutableSetId, "Index into [`Program::mutable_sets`].");
id!(ExperimentId, "Index into [`Program::experiments`].");

/// A checked policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Rules in the order of the source. Rules of one event run in this order.
    pub rules: Vec<Rule>,
    /// Counters.
    pub counters: Vec<Counter>,
    /// Sets.
    pub sets: Vec<Set>,
    /// Parameters.
    pub params: Vec<Param>,
    /// Sets that can be changed while the policy runs.
    pub mutable_sets: Vec<MutableSet>,
    /// Local names.
    pub locals: Vec<Local>,
    /// Values assigned to socket options, one row for each fall-back.
    pub assignments: Vec<Assignment>,
    /// TCP header options.
    pub headers: Vec<HeaderOption>,
    /// Where they are put into outgoing segments.
    pub sends: Vec<Send>,
    /// What is kept for each connection.
    pub flow: Option<Flow>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Histograms.
    pub histograms: Vec<Histogram>,
    /// Kinds of records.
    pub records: Vec<Record>,
    /// Experiments.
    pub experiments: Vec<Experiment>,
    /// Tests.
    pub tests: Vec<Test>,
    /// Constructs that need a kernel above the floor, one row for each place.
    pub requirements: Vec<Requirement>,
    /// What stands behind `kernel has` without being asked for itself, by its first place.
    pub reliances: Vec<Reliance>,
}

/// A set of addresses, ports or other numbers, as disjoint ascending ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its name; `{…}` written in place has none.
    pub name: Option<String>,
    /// Type of what it can hold: `Ip` for addresses and prefixes, `Port`, `Int`, `Packets`, …. A named
    /// set of plain numbers is `Int` and is also asked for ports and packets.
    pub element: Type,
    /// Both ends included, sorted, neither overlapping nor adjacent.
    pub ranges: Vec<(u128, u128)>,
    /// Its place.
    pub span: Span,
}

/// A local name.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    /// Its name.
    pub name: String,
    /// Its type; never `Prefix` or `Name`.
    pub ty: Type,
}
