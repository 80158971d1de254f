//! Tests: what happens on connections, and what is expected then.

use super::{Expr, Name, Place};
use crate::source::Span;

/// `test "NAME" { STEPS }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// The place of the name.
    pub name_span: Span,
    /// What happens.
    pub steps: Vec<Step>,
    /// The whole item.
    pub span: Span,
}

/// A step of a test.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `given SETTING {, SETTING}`
    Given(Vec<Given>),
    /// `fire EVENT [{ ARG = EXPR, … }] [expect EXPR]`
    Fire {
        /// The event.
        event: Name,
        /// Its arguments.
        args: Vec<(Name, Expr)>,
        /// What must hold after it.
        expect: Option<Expr>,
        /// The whole step.
        span: Span,
    },
    /// `transmit SEGMENT [expect EXPR]`
    Transmit {
        /// The segment.
        segment: Name,
        /// What must hold after it.
        expect: Option<Expr>,
        /// The whole step.
        span: Span,
    },
    /// `advance EXPR`
    Advance(Expr),
    /// `expect EXPR`
    Expect(Expr),
    /// `connection NAME { STEPS }`
    Connection {
        /// Its name.
        name: Name,
        /// What happens on it.
        steps: Vec<Step>,
        /// The whole step.
        span: Span,
    },
    /// Something that could not be parsed; the error was reported.
    Error(Span),
}

/// One setting of `given`.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// `NAME = EXPR`
    Value {
        /// A field, an option, `role`, `local`, `remote`, `hz`, `kernel`, `wmem_max`, `rmem_max`.
        name: Name,
        /// The value.
        value: Expr,
        /// `port EXPR` after `local = …` and `remote = …`.
        port: Option<Expr>,
        /// The whole setting.
        span: Span,
    },
    /// `NAME ["VALUE"] fails ERRNO`
    Fails {
        /// The option.
        name: Name,
        /// Only this value of it.
        value: Option<Expr>,
        /// The error number's name.
        errno: Name,
        /// The whole setting.
        span: Span,
    },
    /// `OPTION { FIELD = EXPR … }`: the peer's segments carry it.
    Header {
        /// The header option.
        name: Name,
        /// Its fields.
        fields: Vec<(Name, Expr)>,
        /// The whole setting.
        span: Span,
    },
    /// `flow.NAME = EXPR`, `TABLE[KEYS].NAME = EXPR`
    Cell {
        /// What is set.
        place: Place,
        /// To what.
        value: Expr,
        /// The whole setting.
        span: Span,
    },
    /// `NAME has ELEMENT`, `NAME has { ELEMENTS }`
    Has {
        /// The set.
        name: Name,
        /// Its elements, beside those that it starts with.
        elements: Vec<Expr>,
        /// The whole setting.
        span: Span,
    },
    /// `kernel = 5.10`
    Kernel {
        /// Series, such as `(5, 10)`.
        version: (u16, u16),
        /// The whole setting.
        span: Span,
    },
}
