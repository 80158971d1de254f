//! Expressions of the typed tree as formulas over the values of one event.
//!
//! What is asked of one value and constants becomes a range of that value, through sums, products and the like where
//! that is exact; two addresses are compared by their first bits; everything else is a value of its own, told apart by
//! its text. Two texts are the same value only if nothing between them can have changed it: what rules can change has
//! the time of the last change in its key, and what is drawn anew at each use is new at each use.

mod condition;
mod key;
mod leaf;
mod number;
pub mod topic;

pub use number::is_condition;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use tcpc_lang::hir::{Expr, ExprKind, LocalId, Program};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::{FIELDS, Field, field};

use crate::formula::{Formula, LeafId, constant, is_in};
use crate::leaf::Leaves;
use crate::ranges::Ranges;

/// The values of one event, for one policy or for two that are compared.
#[derive(Debug)]
pub struct World {
    /// The event.
    pub event: &'static Event,
    /// The values.
    pub leaves: Leaves,
    /// What holds of them in every connection.
    pub facts: Vec<Formula>,
    /// Texts of expressions, each by a number.
    nodes: HashMap<String, u32>,
}

impl World {
    /// With nothing but the addresses.
    pub fn new(event: &'static Event) -> World {
        let leaves = Leaves::new(catalogued("local_ip"), catalogued("remote_ip"), event.has_remote);
        World { event, leaves, facts: Vec::new(), nodes: HashMap::new() }
    }

    /// The number of a text.
    pub fn node(&mut self, text: String) -> u32 {
        let next = self.nodes.len() as u32;
        *self.nodes.entry(text).or_insert(next)
    }

    /// Whether a value is one of these, which are in its type's canonical unit.
    fn within(&self, leaf: LeafId, values: &Ranges) -> Formula {
        let row = self.leaves.get(leaf);
        let raw = values.divided(row.scale.into());
        if row.domain.is_in(&raw) {
            return constant(true);
        }
        if row.domain.misses(&raw) {
            return constant(false);
        }
        is_in(leaf, raw)
    }
}

/// When things were last changed: what is read at another time is another value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch(Rc<BTreeMap<String, u32>>);

impl Epoch {
    /// When this was last changed; 0 if it is as it was before the first rule.
    pub fn of(&self, topic: &str) -> u32 {
        self.0.get(topic).copied().unwrap_or(0)
    }

    /// It is changed.
    pub fn change(&mut self, topic: String, time: u32) {
        Rc::make_mut(&mut self.0).insert(topic, time);
    }
}

/// A local name's value.
#[derive(Clone, Debug)]
struct Bound<'p> {
    value: &'p Expr,
    /// The number of its text.
    key: u32,
    /// When it was taken.
    epoch: Epoch,
    /// Whether it must not be evaluated again.
    drawn: bool,
}

/// Where an expression stands in a policy.
#[derive(Clone, Debug)]
pub struct Scene<'p> {
    /// The policy.
    pub program: &'p Program,
    source: &'p SourceFile,
    locals: HashMap<LocalId, Bound<'p>>,
    /// The time.
    pub epoch: Epoch,
    /// How many numbers were drawn so far.
    draws: u32,
    /// Parameters that are taken for what they start with.
    fixed: HashMap<String, u64>,
    /// Sets that are taken for what they start with.
    settled: Vec<String>,
}

impl<'p> Scene<'p> {
    /// Before the first rule.
    pub fn new(program: &'p Program, source: &'p SourceFile) -> Scene<'p> {
        Scene {
            program,
            source,
            locals: HashMap::new(),
            epoch: Epoch::default(),
            draws: 0,
            fixed: HashMap::new(),
            settled: Vec::new(),
        }
    }

    /// Takes a parameter for what it starts with.
    pub fn fix_param(&mut self, name: &str, value: u64) {
        self.fixed.insert(name.to_owned(), value);
    }

    /// Takes a set that can be changed for what it starts with.
    pub fn fix_set(&mut self, name: &str) {
        self.settled.push(name.to_owned());
    }

    /// Gives a local name its value.
    pub fn bind(&mut self, world: &mut World, local: LocalId, value: &'p Expr) {
        let drawn = value.any(&mut |part| is_drawn(part) || self.is_drawn_local(part));
        let key = self.key(world, value);
        self.locals.insert(local, Bound { value, key, epoch: self.epoch.clone(), drawn });
    }

    fn is_drawn_local(&self, part: &Expr) -> bool {
        matches!(&part.kind, ExprKind::Local(id) if self.locals.get(id).is_some_and(|bound| bound.drawn))
    }

    /// The value of a name, and when it was taken; `None` for what must not be evaluated again, and for what is no name.
    pub fn follow(&self, expr: &Expr) -> Option<(&'p Expr, Epoch)> {
        let ExprKind::Local(local) = &expr.kind else { return None };
        let bound = self.locals.get(local).filter(|bound| !bound.drawn)?;
        Some((bound.value, bound.epoch.clone()))
    }

    /// From now on numbers are drawn as if so many had been drawn before.
    pub fn begin_draws(&mut self, drawn: u32) {
        self.draws = drawn;
    }

    /// Runs `work` at the time when a name was bound.
    fn at<T>(&mut self, epoch: Epoch, work: impl FnOnce(&mut Self) -> T) -> T {
        let now = std::mem::replace(&mut self.epoch, epoch);
        let result = work(self);
        self.epoch = now;
        result
    }

    /// An expression as it is written.
    fn text(&self, expr: &Expr) -> &'p str {
        self.source.slice(expr.span)
    }
}

/// Whether an expression is another value each time.
fn is_drawn(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Call(BuiltinId::Random | BuiltinId::Sample | BuiltinId::Now, _))
}

/// The field that a policy calls so; the catalogue has those that are asked for here, as its own tests show.
fn catalogued(name: &str) -> &'static Field {
    field(name).unwrap_or(&FIELDS[0])
}
