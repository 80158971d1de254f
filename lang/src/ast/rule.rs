//! Rules: when one is asked, and the statements that it runs.

use super::{Expr, Name, Place};
use crate::source::Span;

/// `[NAME:] HEAD [sample PERCENT] [when EXPR] BODY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its label.
    pub label: Option<Name>,
    /// When it is asked.
    pub head: Head,
    /// `sample PERCENT`.
    pub sample: Option<Expr>,
    /// Its condition.
    pub condition: Option<Expr>,
    /// What it does.
    pub body: Body,
    /// From the label or the head to the end of the body.
    pub span: Span,
}

/// When a rule is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Head {
    /// `on EVENTS`, group names included.
    On(Vec<Name>),
    /// `receive OPTION [on SEGMENTS]`
    Receive(Name, Vec<Name>),
    /// `send OPTION on SEGMENTS`
    Send(Name, Vec<Name>),
}

impl Head {
    /// The names in it.
    pub fn names(&self) -> Vec<&Name> {
        match self {
            Head::On(names) => names.iter().collect(),
            Head::Receive(name, segments) | Head::Send(name, segments) => {
                std::iter::once(name).chain(segments).collect()
            }
        }
    }
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `-> REPLY`
    Reply(Reply),
    /// `{ STATEMENTS }`
    Block(Vec<Stmt>),
    /// `{ FIELD = EXPR … }` after `send`.
    Fields(Vec<(Name, Expr)>),
}

/// `-> EXPR` or `-> default`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The answer; `None` for `default`.
    pub value: Option<Expr>,
    /// From the arrow on.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// `NAME = EXPR {or EXPR}`: at the top of an assignment `or` separates fall-backs.
    Assign {
        /// The option.
        target: Name,
        /// The values, to be tried in order.
        alternatives: Vec<Expr>,
        /// The whole statement.
        span: Span,
    },
    /// `flow.NAME = EXPR`, `TABLE[KEYS].NAME += EXPR`
    Change {
        /// What is changed.
        place: Place,
        /// How.
        op: ChangeOp,
        /// By what.
        value: Expr,
        /// The whole statement.
        span: Span,
    },
    /// `count NAME [by EXPR]`
    Count {
        /// The counter.
        name: Name,
        /// The key.
        by: Option<Expr>,
        /// The whole statement.
        span: Span,
    },
    /// `observe NAME = EXPR`
    Observe {
        /// The histogram.
        name: Name,
        /// The value.
        value: Expr,
        /// The whole statement.
        span: Span,
    },
    /// `emit NAME { FIELD = EXPR … }`
    Emit {
        /// The kind of records.
        name: Name,
        /// Its fields.
        fields: Vec<(Name, Expr)>,
        /// The whole statement.
        span: Span,
    },
    /// `let NAME = EXPR`
    Let {
        /// The name.
        name: Name,
        /// The value.
        value: Expr,
        /// The whole statement.
        span: Span,
    },
    /// `if COND { … } [else { … }]`; `else if` is an `If` alone in `otherwise`.
    If {
        /// The condition.
        condition: Expr,
        /// If it holds.
        then: Vec<Stmt>,
        /// If it does not.
        otherwise: Vec<Stmt>,
        /// The whole statement.
        span: Span,
    },
    /// `stop`
    Stop(Span),
    /// `-> REPLY`
    Reply(Reply),
    /// A statement that this version does not compile yet; the text is its keyword.
    Unsupported(Name),
    /// Something that could not be parsed; the error was reported.
    Error(Span),
}

/// How a statement changes a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeOp {
    /// `=`
    Set,
    /// `+=`
    Add,
    /// `-=`
    Sub,
}

impl ChangeOp {
    /// The operator as it is written.
    pub const fn text(self) -> &'static str {
        match self {
            ChangeOp::Set => "=",
            ChangeOp::Add => "+=",
            ChangeOp::Sub => "-=",
        }
    }
}
