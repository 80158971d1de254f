//! Rules and their statements.

use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::option::SockOption;

use super::{
    AssignId, ChangeOp, CounterId, ExperimentId, Expr, HeaderId, HistogramId, LocalId, RecordId, Row, RuleId,
    SendId,
};
use crate::source::Span;

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its label, or events and line: `timeout_init@7`, `active_established,passive_established@9`.
    pub name: String,
    /// How it was written.
    pub kind: RuleKind,
    /// Its events, groups spelt out, each once.
    pub events: Vec<&'static Event>,
    /// The share of connections that it is for, in 2^-32; all if `None`. The condition tests it too.
    pub sample: Option<u64>,
    /// When it runs; always if `None`. Type bool.
    pub condition: Option<Expr>,
    /// What it does.
    pub body: Vec<Stmt>,
    /// The whole rule.
    pub span: Span,
    /// The place of its label or of `on EVENTS`.
    pub head: Span,
}

/// How a rule was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// `on EVENTS`.
    On,
    /// `receive OPTION`: in every event in which a segment that came in is at hand. The condition asks for the option too.
    Receive(HeaderId),
    /// `send OPTION on SEGMENTS`: where room is reserved for options, and where they are written. It is counted where
    /// they are written.
    Send(SendId),
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// Try these in order until the kernel takes one.
    Assign(Vec<AssignId>),
    /// Write a field of the context, which is writable; of the type of the field, which counts in plain numbers. The kernel
    /// takes the lowest 32 bits.
    SetField(&'static Field, Expr),
    /// Reserve room for a TCP header option, or write it, as the event asks.
    Send(SendId),
    /// Change a cell of a row, which is made if it is not there.
    Change {
        /// The row.
        row: Row,
        /// The index of the cell.
        cell: u8,
        /// How.
        op: ChangeOp,
        /// By what; of the cell's type.
        value: Expr,
    },
    /// Count a connection of an arm of an experiment that is established.
    Open(ExperimentId, u8),
    /// Keep what was measured of a connection of an arm: a number for each metric, in its unit.
    Outcome(ExperimentId, u8, Vec<Expr>),
    /// Add one to a counter, or to the row of its key.
    Count(CounterId, Option<Expr>),
    /// Put a value into a histogram.
    Observe(HistogramId, Expr),
    /// Give a record to user space: one value for each field, of its type.
    Emit(RecordId, Vec<Expr>),
    /// Evaluate once and name.
    Let(LocalId, Expr),
    /// Condition, then, otherwise.
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// End the event without an answer.
    Stop,
    /// Answer and end the event. `-> default` is [`StmtKind::Stop`].
    Reply(ReplyValue),
}

/// An answer to the kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplyValue {
    /// Of the reply's type.
    Typed(Expr),
    /// A bare integer: the kernel's raw unit.
    Raw(Expr),
}

/// A value assigned to a socket option.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The rule it stands in.
    pub rule: RuleId,
    /// The option.
    pub option: &'static SockOption,
    /// Type is the option's. A constant is within the option's range.
    pub value: Expr,
    /// Whether another one is tried when the kernel refuses this one.
    pub has_fallback: bool,
    /// The place of the value.
    pub span: Span,
}
