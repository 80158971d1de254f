//! Expressions and their values.

use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::{Arg, Event};
use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Type;

use super::{
    CounterId, ExperimentId, HeaderId, HistogramId, LocalId, MutableSetId, ParamId, RecordId, Row, RuleId,
    SetId,
};
use crate::source::Span;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type. Where a number of packets or a port is used as a plain number, or a plain number as
    /// one of these, it is the type of the use: the values are the same.
    pub ty: Type,
    /// Its place.
    pub span: Span,
}

/// The kinds of expressions. `A op B` have operands of the types that the language reference allows.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Const(Value),
    /// A field, converted to its type's canonical unit. `Ip` for `local_ip` and `remote_ip`.
    Field(&'static Field),
    /// An argument of the event: its index, its row.
    Arg(u8, &'static Arg),
    /// The value of a socket option, as it would be assigned (a doubled buffer is halved again).
    Option(&'static SockOption),
    /// A local name.
    Local(LocalId),
    /// Bind, then evaluate the body: an inlined function's parameter.
    Let(LocalId, Box<Expr>, Box<Expr>),
    /// Logical not.
    Not(Box<Expr>),
    /// Both; the right side is not evaluated if the left is false.
    And(Box<Expr>, Box<Expr>),
    /// Either; the right side is not evaluated if the left is true.
    Or(Box<Expr>, Box<Expr>),
    /// Comparison of two values of one type. `Ip` and `Name` know only `Eq` and `Ne`; a `Name` is
    /// compared with a constant on the right.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// Arithmetic on 64-bit unsigned numbers.
    Arith(ArithOp, Box<Expr>, Box<Expr>),
    /// Condition, then, else.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `min`, `max` (two arguments), `clamp` (three), `now`, `random`, `sample` (one constant percent),
    /// `hash` (one or more), `syn_tos`.
    Call(BuiltinId, Vec<Expr>),
    /// Both ends are of one family and agree in their first bits; `None` is false for that family.
    SamePrefix {
        /// Bits for IPv4, 0 to 32.
        v4: Option<u8>,
        /// Bits for IPv6, 0 to 128.
        v6: Option<u8>,
    },
    /// An element is in a set.
    In(Box<Expr>, SetId),
    /// An address or a port is in a set that can be changed.
    InMutable(Box<Expr>, MutableSetId),
    /// A parameter, with the least and the most that it can be. It is the same throughout one event.
    Param(ParamId, (u64, u64)),
    /// Which end this is; the events of the rule allow to tell.
    IsRole(Role),
    /// Whether this connection is among a share of all, in 2^-32: drawn once for each connection, and the
    /// same in all its events.
    Sampled(u64),
    /// Whether the kernel has something: decided when the program is loaded, and never before.
    KernelHas(Feature),
    /// Whether the segment that goes out is one of these. Where the kernel computes the segment size
    /// ([`MODE_SEGMENT_SIZE`](tcpc_stdlib::header::MODE_SEGMENT_SIZE)) it is any that carries data.
    IsSegment(Vec<&'static Segment>),
    /// Whether the segment that came in has a TCP header option, of the length that is declared. In `passive_established`
    /// the SYN is looked at first, in the events of a SYN-ACK only the SYN. In a test, after a segment was sent:
    /// whether that one has it.
    Received(HeaderId),
    /// A field of a TCP header option, by its index; 0 if [`ExprKind::Received`] does not hold.
    HeaderField(HeaderId, u8),
    /// A cell of a row, by its index; what it starts with if the row is not there.
    Cell(Row, u8),
    /// Whether this connection is in an arm of an experiment. The last part is one value for each key; without keys the
    /// socket's cookie decides.
    InArm(ExperimentId, u8, Vec<Expr>),
    /// Tests only: the answer of the last event, in the reply's canonical unit.
    Reply(&'static Event),
    /// Tests only: whether there was an answer.
    HasReply,
    /// Tests only: how often a counter without a key was counted.
    Counter(CounterId),
    /// Tests only: how many values a histogram holds.
    Observed(HistogramId),
    /// Tests only: how many records of a kind there are.
    Emitted(RecordId),
    /// Tests only: a field of the last record of a kind, by its index.
    RecordField(RecordId, u8),
    /// Tests only: how often a rule's condition held since the test began.
    RuleHits(RuleId),
}

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A scalar, in the canonical unit; bool as 0 or 1, a state or a family as the kernel's number.
    Number(u64),
    /// An address.
    Ip(u128),
    /// A name of the kernel's.
    Name(String),
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that connects.
    Client,
    /// The end that listens or accepts.
    Server,
}

/// Comparisons, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl CompareOp {
    /// The operator as it is written.
    pub const fn text(self) -> &'static str {
        match self {
            CompareOp::Eq => "==",
            CompareOp::Ne => "!=",
            CompareOp::Lt => "<",
            CompareOp::Le => "<=",
            CompareOp::Gt => ">",
            CompareOp::Ge => ">=",
        }
    }
}

/// Arithmetic on 64-bit unsigned numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithOp {
    /// Wraps.
    Add,
    /// Stops at zero.
    Sub,
    /// Wraps.
    Mul,
    /// By zero gives zero.
    Div,
    /// By zero gives the left side.
    Rem,
    /// Bits in both.
    And,
    /// Bits in either.
    Or,
    /// Bits in one.
    Xor,
    /// Left by the right side; 64 and more give zero.
    Shl,
    /// Right by the right side; 64 and more give zero.
    Shr,
}

impl ArithOp {
    /// The operator as it is written.
    pub const fn text(self) -> &'static str {
        match self {
            ArithOp::Add => "+",
            ArithOp::Sub => "-",
            ArithOp::Mul => "*",
            ArithOp::Div => "/",
            ArithOp::Rem => "%",
            ArithOp::And => "&",
            ArithOp::Or => "|",
            ArithOp::Xor => "^",
            ArithOp::Shl => "<<",
            ArithOp::Shr => ">>",
        }
    }
}
