//! The untyped tree: what was written, with a span on every node, names not yet resolved.
//!
//! ```text
//! Policy → Item → Rule { Head, Body } → Stmt → Expr
//! ```

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
