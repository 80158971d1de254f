//! The untyped tree: what was written, with a span on every node, names not yet resolved.
//!
//! ```text
//! Policy → Item → Rule { Head, Body } → Stmt → Expr
//! ```

mod expr;
mod item;
mod rule;
mod test;

pub use expr::{BinaryOp, Expr, ExprKind, Place, Quantity};
pub use item::{
    Cell, Const, Experiment, ExperimentPart, Flow, Header, Key, Let, ModuleName, MutableSet, Param, Record,
    Set, Table, Use,
};
pub use rule::{Body, ChangeOp, Head, Reply, Rule, Stmt};
pub use test::{Given, Step, Test};

use crate::source::Span;

/// A name where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its text.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Its items, in order.
    pub items: Vec<Item>,
}

/// A declaration at the top level.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `const NAME = EXPR`
    Const(Const),
    /// `let NAME = EXPR` or `let NAME(PARAMS) = EXPR`
    Let(Let),
    /// `set NAME = { ELEMENTS }` or `set NAME from "FILE"`
    Set(Set),
    /// `use MODULE` or `include MODULE`
    Use(Use),
    /// `param NAME: TYPE = EXPR in LOW..HIGH`
    Param(Box<Param>),
    /// `mutable set NAME: TYPE max N`
    MutableSet(Box<MutableSet>),
    /// `option NAME = KIND { FIELDS }`
    Header(Box<Header>),
    /// `flow { CELLS }`
    Flow(Flow),
    /// `table NAME by KEYS max INT { CELLS }`
    Table(Box<Table>),
    /// `event NAME { FIELDS }`
    Record(Record),
    /// `experiment NAME by KEYS { PARTS }`
    Experiment(Box<Experiment>),
    /// `[NAME:] HEAD [sample PERCENT] [when EXPR] BODY`
    Rule(Box<Rule>),
    /// `test "NAME" { STEPS }`
    Test(Test),
    /// Something that could not be parsed; the error was reported.
    Error(Span),
}

impl Item {
    /// Its place.
    pub fn span(&self) -> Span {
        match self {
            Item::Const(item) => item.span,
            Item::Let(item) => item.span,
            Item::Set(item) => item.span,
            Item::Use(item) => item.span,
            Item::Param(item) => item.span,
            Item::MutableSet(item) => item.span,
            Item::Header(item) => item.span,
            Item::Flow(item) => item.span,
            Item::Table(item) => item.span,
            Item::Record(item) => item.span,
            Item::Experiment(item) => item.span,
            Item::Rule(item) => item.span,
            Item::Test(item) => item.span,
            Item::Error(span) => *span,
        }
    }
}
