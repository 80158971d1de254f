//! Expressions.

use super::Name;
use crate::source::Span;

/// An expression and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `10`, `0x20`, `1_000`
    Int(u64),
    /// A number with a unit, in the type's canonical unit (nanoseconds, bytes, bytes per second, 2^-32).
    Quantity(Quantity, u64),
    /// `"dctcp"`
    Str(String),
    /// `true`, `false`
    Bool(bool),
    /// `10.0.0.1`, `2401:db00::1`; IPv4 as `::ffff:a.b.c.d`
    Ip(u128),
    /// `10.0.0.0/8`: the address, and the length counted in 128 bits (an IPv4 /n is 96 + n).
    Prefix(u128, u8),
    /// Any other name: a field, an option, a constant, `client`, `ESTABLISHED`, …
    Name(String),
    /// `NAME.NAME`: a field of a header option, a cell of `flow`, or a field of a record in a test.
    Member(Name, Name),
    /// `TABLE[KEYS].NAME`
    Cell(Box<Place>),
    /// `NAME(ARGS)`, with argument names where they were given.
    Call(Name, Vec<(Option<Name>, Expr)>),
    /// `not A`
    Not(Box<Expr>),
    /// `A and B`, `A + B`, `A == B`, …
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `A in B`: B is a prefix, a range, a name, or a braced list.
    In(Box<Expr>, Box<Expr>),
    /// `LOW..HIGH`, both included; only on the right of `in` and in sets.
    Range(Box<Expr>, Box<Expr>),
    /// `{ A, B }` on the right of `in`.
    List(Vec<Expr>),
    /// `if C then A else B`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `counter NAME` in a test.
    Counter(Name),
    /// `observed NAME` in a test.
    Observed(Name),
    /// `emitted NAME` in a test.
    Emitted(Name),
    /// `rule NAME` in a test; the name may be of the form `timeout_init@7`.
    Rule(Name),
    /// `kernel has NAME`, `kernel has reading NAME`
    KernelHas {
        /// Whether the option is to be read.
        reading: bool,
        /// What is asked for.
        name: Name,
    },
    /// `default` on the right of `reply ==` in a test.
    Default,
    /// Something that could not be parsed; the error was reported.
    Error,
}

/// A cell where it is used: `flow.NAME`, `TABLE[KEYS].NAME`.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// `flow`, or the table.
    pub object: Name,
    /// The key; `None` for `flow`.
    pub keys: Option<Vec<Expr>>,
    /// The cell, which must not be left out.
    pub cell: Option<Name>,
    /// All of it.
    pub span: Span,
}

/// What a number with a unit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Nanoseconds.
    Duration,
    /// Bytes.
    Size,
    /// Bytes per second.
    Rate,
    /// 2^32 is 100%.
    Percent,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
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
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}
