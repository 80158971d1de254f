//! The typed tree: names are resolved to catalogue rows and ids, functions are inlined, constants are
//! values, and every node has a type. What is here is valid: the stages after this one have no errors
//! of their own.
//!
//! Numbers are in the canonical unit of their type (see [`tcpc_stdlib::unit::Type`]): durations in
//! nanoseconds, sizes in bytes, rates in bytes per second, percentages in 2^-32. Ports are in host
//! order. Addresses are 128 bits in network reading order, IPv4 as `::ffff:a.b.c.d`.

mod experiment;
mod header;
mod measure;
mod print;
mod state;
mod steer;
mod walk;

pub use state::{Cell, Flow, Key, Row, Table};

pub use experiment::{Arm, Experiment, Metric};
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::{Arg, Event};
use tcpc_stdlib::feature::{Feature, FeatureKind};
use tcpc_stdlib::field::Field;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Type;

pub use crate::ast::ChangeOp;
use crate::source::Span;

pub use measure::{Histogram, Record, RecordField};
pub use steer::{MutableSet, Param};

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

/// A construct behind `kernel has FEATURE` that is no newer than the feature: the answer stands for both, as a
/// distribution's kernel can have one without the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliance {
    /// What is asked for.
    pub asked: Feature,
    /// What is used.
    pub needed: Requirement,
}

/// A construct that needs a certain kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// The construct as the policy names it.
    pub construct: String,
    /// What kind of thing it is.
    pub kind: FeatureKind,
    /// First kernel that has it.
    pub since: KernelVersion,
    /// Its place.
    pub span: Span,
}

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

/// A counter, declared by its first `count`.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// The type of its key: a scalar type or `Ip`.
    pub key: Option<Type>,
    /// The place of its first use.
    pub span: Span,
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

/// A TCP header option: kind, length, for experiments an identifier, then the fields, everything in network order.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderOption {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: u8,
    /// The identifier of an experiment.
    pub exid: Option<u16>,
    /// Its fields, in the order of the wire; they fill whole bytes.
    pub fields: Vec<HeaderField>,
    /// The place of its name.
    pub span: Span,
}

/// A number in a TCP header option.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderField {
    /// Its name; `_` is one that is always 0.
    pub name: String,
    /// How many bits it has, 1 to 64.
    pub bits: u8,
    /// Its first bit, the most significant one, counted from the beginning of the option.
    pub at: u16,
    /// The place of its name.
    pub span: Span,
}

/// A rule that puts a TCP header option into outgoing segments. Its rule has the events `hdr_opt_len`, in which
/// room is reserved, and `write_hdr_opt`.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// The rule.
    pub rule: RuleId,
    /// The option.
    pub header: HeaderId,
    /// The segments; the rule's condition tests for them too.
    pub segments: Vec<&'static Segment>,
    /// One value for each field.
    pub values: Vec<Expr>,
    /// The whole rule.
    pub span: Span,
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
    /// ([`MODE_SEGMENT_SIZE`](tcpc_stdlib::header::MODE_SEGMENT_SIZE)) it is `established`.
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

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that connects.
    Client,
    /// The end that listens or accepts.
    Server,
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

/// A test.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// The place of its name.
    pub span: Span,
}

/// A step of a test. `given` values and arguments are constants.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Set up the socket, the peer, or the kernel.
    Given(Given),
    /// Raise an event on the socket; an expectation that belongs to it follows as its own step.
    Fire {
        /// The event.
        event: &'static Event,
        /// Raw words of `args`, in the kernel's units.
        args: [u32; 4],
        /// Its place.
        span: Span,
    },
    /// Send a segment: raise `hdr_opt_len`, and `write_hdr_opt` if room was reserved.
    Transmit {
        /// The segment.
        segment: &'static Segment,
        /// Its place.
        span: Span,
    },
    /// Let the clock run, in nanoseconds.
    Advance(u64),
    /// An expression of type bool that must hold.
    Expect(Expr),
    /// Steps on another connection; counters are shared, the socket is its own. A name met again is
    /// the same connection.
    Connection {
        /// Its name.
        name: String,
        /// What happens on it.
        steps: Vec<Step>,
    },
}

/// A setting of `given`.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// A field of the context, in its type's canonical unit.
    Field(&'static Field, Value),
    /// The value that a socket option has before the event, as it would be assigned.
    Option(&'static SockOption, Value),
    /// Which end the connection is seen from.
    Role(Role),
    /// Ticks per second of the mock kernel (1000 if not given).
    Hz(u32),
    /// The mock kernel's version: options and events newer than it fail or cannot be fired.
    Kernel(KernelVersion),
    /// Setting this option (to this value) fails with this error number.
    Fails(&'static SockOption, Option<Value>, u32),
    /// `net.core.wmem_max`, in bytes.
    WmemMax(u64),
    /// `net.core.rmem_max`, in bytes.
    RmemMax(u64),
    /// The service class of the SYN that the listener saved.
    SynTos(u8),
    /// A cell of a row holds this. The key's parts are constants.
    Cell(Row, u8, u64),
    /// The peer's segments, its SYN included, carry a TCP header option from now on, with these fields.
    Header(HeaderId, Vec<u64>),
    /// An operator has set a parameter to this.
    Param(ParamId, u64),
    /// An operator has added these elements, as [`MutableSet::elements`] has them.
    Has(MutableSetId, Vec<(u128, u8)>),
}
