//! What happens while a policy's meaning is worked out, for those who explain or measure it.

use tcpc_lang::hir::{
    AssignId, CounterId, ExperimentId, Expr, HistogramId, RecordId, RuleId, SendId, Stmt, TableId, Value,
};
use tcpc_lang::source::Span;
use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::option::SockOption;

use crate::mock::Errno;

/// Is told what happens, in the order in which it does. `()` listens to nothing.
pub trait Observer {
    /// An event was raised.
    fn event(&mut self, _event: &'static Event) {}
    /// A rule of the event was tried, and runs if its condition held; one without a condition always does. Its parts
    /// were told before. Rules behind the end of the event are not tried.
    fn rule(&mut self, _rule: RuleId, _runs: bool) {}
    /// An expression was evaluated; its parts were told before. Operands that were not asked for are not evaluated.
    fn value(&mut self, _expr: &Expr, _value: &Value) {}
    /// An `if` went one way.
    fn branch(&mut self, _stmt: &Stmt, _holds: bool) {}
    /// Something was done.
    fn effect(&mut self, _effect: &Effect) {}
}

impl Observer for () {}

impl<O: Observer> Observer for &mut O {
    fn event(&mut self, event: &'static Event) {
        (**self).event(event);
    }
    fn rule(&mut self, rule: RuleId, runs: bool) {
        (**self).rule(rule, runs);
    }
    fn value(&mut self, expr: &Expr, value: &Value) {
        (**self).value(expr, value);
    }
    fn branch(&mut self, stmt: &Stmt, holds: bool) {
        (**self).branch(stmt, holds);
    }
    fn effect(&mut self, effect: &Effect) {
        (**self).effect(effect);
    }
}

/// Something that a policy did. Numbers are in the canonical units of their types.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Before the rules: the socket asks for events by these callback flags beside those it has.
    AskedFor(u32),
    /// Before the rules: a socket option that an event needs was set to a raw number.
    Enabled(&'static SockOption, u64, Result<(), Errno>),
    /// Before the rules: the send that begins is stamped.
    Stamped,
    /// An answer, in the kernel's unit; it ended the event.
    Replied(u32, Span),
    /// The event was ended without an answer.
    Stopped(Span),
    /// A socket option was set to this, or refused it.
    Set(AssignId, Value, Result<(), Errno>),
    /// A field of the socket was written.
    Wrote(&'static Field, u64, Span),
    /// Room for a header option was reserved, in bytes, or was not to be had.
    Reserved(SendId, u8, Result<(), Errno>),
    /// A header option was written into the segment, or did not fit.
    Sent(SendId, Vec<u8>, Result<(), Errno>),
    /// A cell of a row of a table, or of the connection, was changed.
    Changed {
        /// The table; none if it is the connection's own.
        table: Option<TableId>,
        /// The row's key, addresses cut.
        key: Vec<Value>,
        /// The cell.
        cell: u8,
        /// What it held, and what it holds now.
        change: (u64, u64),
        /// The statement.
        span: Span,
    },
    /// There was no room for a row.
    NoRoom(Option<TableId>, Vec<Value>, Span),
    /// Something was counted, or there was no room for its key.
    Counted(CounterId, Vec<Value>, bool, Span),
    /// A value was put into a histogram.
    Observed(HistogramId, u64, Span),
    /// A record was given to user space, or was lost.
    Emitted(RecordId, Vec<Value>, bool, Span),
    /// A connection of an arm was counted.
    Opened(ExperimentId, u8),
    /// What was measured of a connection of an arm, a number for each metric, was kept.
    Measured(ExperimentId, u8, Vec<u64>),
}
