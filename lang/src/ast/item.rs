//! Declarations: what stands at the top level of a file beside rules and tests.

use super::{Expr, Name, Rule};
use crate::source::Span;

/// `const NAME = EXPR`.
#[derive(Clone, Debug, PartialEq)]
pub struct Const {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Expr,
    /// The whole item.
    pub span: Span,
}

/// `let NAME = EXPR`, or a function when there are parameters (`let f() = …` has an empty list).
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Option<Vec<Name>>,
    /// Its value or body.
    pub value: Expr,
    /// The whole item.
    pub span: Span,
}

/// `set NAME = { ELEMENTS }` or `set NAME from "FILE"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its name.
    pub name: Name,
    /// Its elements: literals, names of constants, ranges.
    pub elements: Vec<Expr>,
    /// The file that they stand in.
    pub from: Option<Name>,
    /// The whole item.
    pub span: Span,
}

/// `use MODULE [as NAME]`, `use MODULE { NAMES }`, `include MODULE [as NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// Whether its rules join the policy here.
    pub include: bool,
    /// The module, and where it is named: that is what its file is found by.
    pub module: ModuleName,
    /// Place of the module's name.
    pub place: Span,
    /// What it is called here.
    pub alias: Option<Name>,
    /// The names that it brings in.
    pub names: Option<Vec<Name>>,
    /// The whole item.
    pub span: Span,
}

impl Use {
    /// The module in a sentence.
    pub fn shown(&self) -> String {
        format!("`{}`", self.module)
    }
}

/// A module, as a policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleName {
    /// `std::dc`
    Std(String),
    /// `"./nets.tcp"`
    File(String),
}

impl ModuleName {
    /// What its names have in front: the last part, without the ending of a file.
    pub fn stem(&self) -> &str {
        match self {
            ModuleName::Std(name) => name.rsplit("::").next().unwrap_or(name),
            ModuleName::File(path) => {
                let file = path.rsplit('/').next().unwrap_or(path);
                file.strip_suffix(".tcp").unwrap_or(file)
            }
        }
    }
}

impl std::fmt::Display for ModuleName {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            ModuleName::Std(name) => f.write_str(name),
            ModuleName::File(path) => write!(f, "\"{path}\""),
        }
    }
}

/// `param NAME[: TYPE] = EXPR [in LOW..HIGH]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Option<Name>,
    /// What it starts with.
    pub value: Expr,
    /// What it can be: a range, or something that was meant to be one.
    pub range: Option<Expr>,
    /// The whole item.
    pub span: Span,
}

/// `mutable set NAME: TYPE max N [= { ELEMENTS }]` or `mutable set NAME: TYPE max N from "FILE"`.
#[derive(Clone, Debug, PartialEq)]
pub struct MutableSet {
    /// Its name.
    pub name: Name,
    /// The type of its elements.
    pub element: Name,
    /// `max N`: the word, or one that was meant to be it, and the number.
    pub limit: Option<(Name, Expr)>,
    /// What is in it at the start.
    pub elements: Vec<Expr>,
    /// The file that they stand in.
    pub from: Option<Name>,
    /// The whole item.
    pub span: Span,
}

/// `option NAME = kind 28 { FIELDS }`, `option NAME = experimental 0xCC01 { FIELDS }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its name.
    pub name: Name,
    /// `kind` or `experimental`, or a word that was meant to be one of these.
    pub word: Name,
    /// The number after it, and its place.
    pub number: (u64, Span),
    /// `id 0xCC01`: the word, the number and its place.
    pub id: Option<(Name, (u64, Span))>,
    /// Names and types of its fields.
    pub fields: Vec<(Name, Name)>,
    /// The whole item.
    pub span: Span,
}

/// `flow { CELLS }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// What is kept for each connection.
    pub cells: Vec<Cell>,
    /// The whole item.
    pub span: Span,
}

/// `table NAME by KEYS max INT [lru] [per_cpu] { CELLS }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// The parts of a key.
    pub keys: Vec<Key>,
    /// `max 65536`, `lru`, `per_cpu`, or words that were meant to be one of these.
    pub clauses: Vec<(Name, Option<(u64, Span)>)>,
    /// What a row holds.
    pub cells: Vec<Cell>,
    /// The whole item.
    pub span: Span,
}

/// A part of a table's key: `port`, `remote_ip/(24, 48)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// A type, or a field or an option of that type.
    pub name: Name,
    /// The bits of an IPv4 and of an IPv6 address that count; the second is missing in `remote_ip/24`.
    pub cut: Option<(u64, Option<u64>, Span)>,
}

/// `NAME: TYPE [= EXPR]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its name.
    pub name: Name,
    /// The name of its type.
    pub ty: Name,
    /// What it starts with.
    pub default: Option<Expr>,
}

/// `event NAME { FIELDS }`: a kind of records.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its name.
    pub name: Name,
    /// Names and types of its fields.
    pub fields: Vec<(Name, Name)>,
    /// The whole item.
    pub span: Span,
}

/// `experiment NAME by KEYS { PARTS }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its name.
    pub name: Name,
    /// What decides about the arm; nothing for `by connection`.
    pub keys: Vec<Key>,
    /// The place of the keys.
    pub by: Span,
    /// What is in the braces, in order.
    pub parts: Vec<ExperimentPart>,
    /// The whole item.
    pub span: Span,
}

/// A part of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub enum ExperimentPart {
    /// `arm NAME { RULES }`
    Arm(Name, Vec<Rule>),
    /// `split 90/10`, and its place.
    Split(Vec<u64>, Span),
    /// `measure NAME [= EXPR], …`
    Measure(Vec<(Name, Option<Expr>)>),
}
