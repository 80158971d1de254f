//! What is told while an event is worked out, kept until it is explained.

use std::collections::HashMap;

use tcpc_lang::hir::{Expr, Program, Role, RuleId, Stmt, StmtKind, Value};
use tcpc_lang::source::{SourceFile, Span};
use tcpc_stdlib::event::Event;
use tcpc_stdlib::kernel::KernelVersion;

use super::why::{self, Found};
use crate::meaning::observe::{Effect, Observer};
use crate::written::Written;

/// Something that was told.
#[derive(Clone, Debug)]
pub enum Told {
    /// An event began.
    Event(&'static Event),
    /// A rule was tried; if it did not run, what decided that.
    Rule(RuleId, bool, Vec<Found>),
    /// An `if` went one way, and what decided that.
    Branch(Span, bool, Vec<Found>),
    /// Something was done.
    Effect(Effect),
}

impl Told {
    /// What was done.
    pub fn effect(&self) -> Option<&Effect> {
        match self {
            Told::Effect(effect) => Some(effect),
            _ => None,
        }
    }
}

/// What is the same throughout an event, and is no value of an expression.
pub struct Surroundings {
    /// The connection's own address.
    pub local: u128,
    /// The peer's.
    pub remote: u128,
    /// The end.
    pub role: Role,
    /// The kernel.
    pub kernel: KernelVersion,
}

/// Listens to the meaning of a policy.
pub struct Tracer<'a> {
    written: Written<'a>,
    /// The last value of each expression, by where it lies in the program.
    values: HashMap<*const Expr, Value>,
    /// What was told, in order.
    pub told: Vec<Told>,
}

impl<'a> Tracer<'a> {
    /// Nothing was told yet.
    pub fn new(program: &'a Program, source: &'a SourceFile) -> Tracer<'a> {
        Tracer { written: Written { program, source }, values: HashMap::new(), told: Vec::new() }
    }

    /// Forgets what was told.
    pub fn begin(&mut self) {
        self.values.clear();
        self.told.clear();
    }

    fn why(&self, condition: &Expr, holds: bool) -> Vec<Found> {
        let value = |expr: &Expr| self.values.get(&std::ptr::from_ref(expr)).cloned();
        why::found(condition, holds, &value, self.written)
    }
}

impl Observer for Tracer<'_> {
    fn event(&mut self, event: &'static Event) {
        self.told.push(Told::Event(event));
    }

    fn rule(&mut self, rule: RuleId, runs: bool) {
        let condition = self.written.program.rules.get(rule.index()).and_then(|rule| rule.condition.as_ref());
        let why = condition.filter(|_| !runs).map(|condition| self.why(condition, false));
        self.told.push(Told::Rule(rule, runs, why.unwrap_or_default()));
    }

    fn value(&mut self, expr: &Expr, value: &Value) {
        self.values.insert(expr, value.clone());
    }

    fn branch(&mut self, stmt: &Stmt, holds: bool) {
        let StmtKind::If(condition, ..) = &stmt.kind else { return };
        self.told.push(Told::Branch(condition.span, holds, self.why(condition, holds)));
    }

    fn effect(&mut self, effect: &Effect) {
        self.told.push(Told::Effect(effect.clone()));
    }
}
