//! Untyped tree to typed tree: names, types, units, and what each event allows.
//!
//! ```text
//! declare ──▶ sets ──▶ rule ──▶ stmt ──▶ assign, reply ──▶ tests ──▶ unused names
//!                        └───────┴──▶ expr ──▶ names, ops, call, access
//! ```
//!
//! A function that returns `None` has reported why; whatever needs its result stays silent.
//! `let`s are checked anew at each use, in the events of the rule that uses them.

mod access;
mod arith;
mod assign;
mod call;
mod cell;
mod declare;
mod experiment;
mod expr;
mod family;
mod field;
mod fold;
mod given;
mod header;
mod kernel;
mod measure;
mod members;
mod mutable;
mod names;
mod ops;
mod param;
pub mod range;
mod reply;
mod rule;
mod send;
mod sets;
mod stmt;
mod suggest;
mod table;
mod test;
mod types;
mod uses;
pub(crate) mod words;

use std::collections::{HashMap, HashSet};

use tcpc_stdlib::event::Event;

use crate::ast;
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, CounterId, ExperimentId, HistogramId, Program, Role, RuleId};
use crate::source::{FileId, SourceFile, Span};

use declare::Globals;
use experiment::InArm;
use kernel::Kernels;
use send::Sent;
pub use suggest::closest;
use table::FlowOf;

/// Checks a policy. The program is complete only if no diagnostic is an error.
pub fn check(mut policy: ast::Policy, source: &SourceFile) -> (Program, Vec<Diagnostic>) {
    let (program, diagnostics, idle) = check_all(&policy, source);
    if idle.is_empty() {
        return (program, diagnostics);
    }
    // Tables and the like of which only the module knows would take room for nothing.
    policy.items.retain(|item| !idle.contains(&item.span()));
    let (program, diagnostics, _) = check_all(&policy, source);
    (program, diagnostics)
}

/// The same, and the places of declarations that only take room.
fn check_all(policy: &ast::Policy, source: &SourceFile) -> (Program, Vec<Diagnostic>, Vec<Span>) {
    let mut checker = Checker::new(source);
    checker.declare(policy);
    checker.sets();
    checker.headers(policy);
    checker.state(policy);
    checker.records(policy);
    checker.rules(policy);
    checker.warn_if_syn_is_not_saved();
    checker.warn_if_there_are_no_rules(policy);
    checker.tests(policy);
    checker.unused();
    checker.unused_modules();
    let idle = checker.idle(policy);
    (checker.program, checker.diagnostics, idle)
}

impl Checker<'_> {
    /// A policy that does nothing was hardly meant so. Where an item could not be read it may have been a rule.
    fn warn_if_there_are_no_rules(&mut self, policy: &ast::Policy) {
        let could_be = |item: &ast::Item| {
            matches!(item, ast::Item::Rule(_) | ast::Item::Experiment(_) | ast::Item::Error(_))
        };
        // A module for others can have tests of its own.
        let tested = policy.items.iter().any(|item| matches!(item, ast::Item::Test(_)));
        if policy.items.is_empty() || tested || policy.items.iter().any(could_be) {
            return;
        }
        let end = self.source.text().trim_end().len();
        self.diagnostics.push(
            Diagnostic::new(Code::NoRules, "the policy has no rule", Span::new(end, end), "nothing happens")
                .help("say what to do in an event, `on timeout_init -> 10ms`; a module for others can do without"),
        );
    }
}

/// What an expression turns out to be.
#[derive(Clone, Debug)]
enum Term {
    /// Something with a value of its own.
    Value(hir::Expr),
    /// An address prefix: only on the right of `in` and in sets.
    Prefix(u128, u8, Span),
    /// `port`, either end's: only next to a comparison or `in`.
    EitherPort(Span),
    /// `role`: only next to `==` and `!=`.
    Role(Span),
    /// `client`, `server`.
    End(Role, Span),
    /// `default`: only next to `reply`, in a test.
    Default(Span),
    /// An experiment: only next to `==` and `!=`.
    Experiment(ExperimentId, Span),
}

/// Where an expression stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Where the value must be known while compiling.
    Constant,
    /// In a `let` that nobody uses: no event is known.
    Unused,
    /// In a rule.
    Rule,
    /// In a test, after this event.
    Test(Option<&'static Event>),
}

/// What can be used where the checker is.
struct Scope {
    place: Place,
    /// The events of the rule.
    events: Vec<&'static Event>,
    /// Whether a condition around it makes sure that there is a full socket.
    full_socket: bool,
    /// Whether the rule waits for a header option.
    receives: bool,
    /// Whether the rule sends an option from a full socket: nothing came in before.
    sends_from_full_socket: bool,
    /// In a test: whether the last step sent a segment.
    transmitted: bool,
    /// The address family that a condition around it makes sure of.
    family: Option<u32>,
    /// What the conditions around it make sure of the kernel.
    kernel: Kernels,
    /// The rule.
    rule: RuleId,
    /// Names of blocks and parameters, the innermost last.
    locals: Vec<LocalName>,
}

/// A name of a block, or a parameter.
struct LocalName {
    name: String,
    span: Span,
    /// `None` if its value is wrong.
    meaning: Option<Term>,
    used: bool,
}

struct Checker<'a> {
    source: &'a SourceFile,
    globals: Globals<'a>,
    labels: HashMap<String, RuleId>,
    counters: HashMap<String, CounterId>,
    histograms: HashMap<String, HistogramId>,
    scope: Scope,
    /// The names that are being worked out, outermost first, with the place of their use.
    inlining: Vec<(&'a ast::Name, Span)>,
    /// How deep the expression at hand is, inlined ones included.
    depth: usize,
    /// Nodes inlined by the outermost use at hand.
    inlined: usize,
    /// The first use of `syn_tos` in a rule.
    syn_tos: Option<Span>,
    /// The arm whose rules are checked.
    arm: Option<InArm<'a>>,
    /// The experiments, in the order of the source.
    experiments: Vec<&'a ast::Experiment>,
    /// The rules that send header options, so far.
    sends: Vec<Sent>,
    /// Warnings about reads that only the server cannot do, until it is clear that it might.
    server_reads: Vec<Diagnostic>,
    /// What each file keeps for connections.
    flows: HashMap<FileId, FlowOf>,
    program: Program,
    diagnostics: Vec<Diagnostic>,
    reported: HashSet<(Code, Option<Span>, String)>,
    required: HashSet<(String, Span)>,
}

impl<'a> Checker<'a> {
    fn new(source: &'a SourceFile) -> Checker<'a> {
        Checker {
            source,
            globals: Globals::new(source.files().len()),
            labels: HashMap::new(),
            counters: HashMap::new(),
            histograms: HashMap::new(),
            scope: Scope::new(Place::Constant),
            inlining: Vec::new(),
            depth: 0,
            inlined: 0,
            syn_tos: None,
            arm: None,
            experiments: Vec::new(),
            sends: Vec::new(),
            server_reads: Vec::new(),
            flows: HashMap::new(),
            program: Program::default(),
            diagnostics: Vec::new(),
            reported: HashSet::new(),
            required: HashSet::new(),
        }
    }

    /// Keeps a diagnostic, unless the same was found by an earlier use of the same `let`.
    fn report(&mut self, mut diagnostic: Diagnostic) {
        let place = diagnostic.primary.as_ref().map(|label| label.span);
        if !self.reported.insert((diagnostic.code, place, diagnostic.message.clone())) {
            return;
        }
        if let (Some(&(name, used)), Some(place)) = (self.inlining.first(), place)
            && (place.end <= used.start || used.end <= place.start)
        {
            diagnostic = diagnostic.label(used, format!("`{}` is used here", name.text));
        }
        self.diagnostics.push(diagnostic);
    }

    /// Reports a problem at a place; for the end of a function that has no result then.
    fn fail<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.report(diagnostic);
        None
    }

    /// Runs `work` in another scope.
    fn within<T>(&mut self, scope: Scope, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.scope, scope);
        let result = work(self);
        self.scope = outer;
        result
    }

    /// Runs `work` with names meaning what they mean in the file of a place.
    fn in_file_of<T>(&mut self, place: Span, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.globals.enter(self.source.file_at(place.start));
        let result = work(self);
        self.globals.enter(outer);
        result
    }

    /// What a name that a file gives is called in the policy: in a module it has the module's in front.
    fn public_name(&self, name: &str, place: Span) -> String {
        match self.source.file(self.source.file_at(place.start)).module.as_str() {
            "" => name.to_owned(),
            module => format!("{module}::{name}"),
        }
    }

    /// Turns the warnings that were held back into diagnostics.
    fn flush_server_reads(&mut self) {
        for warning in std::mem::take(&mut self.server_reads) {
            self.report(warning);
        }
    }
}

impl Scope {
    fn new(place: Place) -> Scope {
        Scope {
            place,
            events: Vec::new(),
            full_socket: false,
            receives: false,
            sends_from_full_socket: false,
            transmitted: false,
            family: None,
            kernel: Kernels::default(),
            rule: RuleId(0),
            locals: Vec::new(),
        }
    }
}
