//! Expressions of the typed tree as formulas over the values of one event.
//!
//! What is asked of one value and constants becomes a range of that value, through sums, products and the like where
//! that is exact; two addresses are compared by their first bits; everything else is a value of its own, told apart by
//! its text. Two texts are the same value only if nothing between them can have changed it: what rules can change has
//! the time of the last change in its key, and what is drawn anew at each use is new at each use.

mod key;
mod leaf;
mod number;
pub mod topic;

pub use number::is_condition;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use tcpc_lang::hir::{CompareOp, Expr, ExprKind, LocalId, Program, Value};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::{FIELDS, Field, field};
use tcpc_stdlib::header::SEGMENTS;
use tcpc_stdlib::unit::Type;

use crate::formula::{Formula, Node, agree, all, any, choose, constant, is_in, not};
use crate::leaf::{Kind, LOCAL, Leaf, Leaves, MemberOf, REMOTE, mapped};
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
        // The catalogue has both; its own tests show it.
        let named = |name| field(name).unwrap_or(&FIELDS[0]);
        let leaves = Leaves::new(named("local_ip"), named("remote_ip"), event.has_remote);
        World { event, leaves, facts: Vec::new(), nodes: HashMap::new() }
    }

    /// The number of a text.
    pub fn node(&mut self, text: String) -> u32 {
        let next = self.nodes.len() as u32;
        *self.nodes.entry(text).or_insert(next)
    }

    /// Whether a value is one of these, which are in its type's canonical unit.
    fn within(&self, leaf: crate::formula::LeafId, values: &Ranges) -> Formula {
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

/// A boolean name that stands for more than this is a value of its own.
const MOST_NODES: usize = 4000;

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

    /// When a condition holds.
    pub fn formula(&mut self, world: &mut World, expr: &'p Expr) -> Formula {
        match &expr.kind {
            ExprKind::Not(inner) => not(&self.formula(world, inner)),
            ExprKind::And(left, right) => all([self.formula(world, left), self.formula(world, right)]),
            ExprKind::Or(left, right) => any([self.formula(world, left), self.formula(world, right)]),
            ExprKind::If(condition, then, otherwise) => {
                let condition = self.formula(world, condition);
                let then = self.formula(world, then);
                choose(&condition, then, self.formula(world, otherwise))
            }
            ExprKind::Let(local, value, body) => {
                self.bind(world, *local, value);
                self.formula(world, body)
            }
            ExprKind::Local(local) => match self.locals.get(local).cloned() {
                Some(bound) if !bound.drawn => {
                    let formula = self.at(bound.epoch, |scene| scene.formula(world, bound.value));
                    if nodes(&formula, MOST_NODES) < MOST_NODES { formula } else { self.flag(world, expr) }
                }
                _ => self.flag(world, expr),
            },
            ExprKind::Compare(op, left, right) => self.compare(world, *op, left, right),
            ExprKind::SamePrefix { v4, v6 } => same_prefix(*v4, *v6),
            ExprKind::In(element, set) => {
                let ranges = self.program.sets.get(set.index()).map_or(&[][..], |set| &set.ranges);
                let ranges = Ranges::of(ranges.iter().copied());
                self.holds_in(world, element, &ranges)
            }
            ExprKind::InMutable(element, set) => self.in_mutable(world, element, set.index()),
            ExprKind::IsRole(role) => {
                let client = self.client(world);
                if *role == tcpc_lang::hir::Role::Client { client } else { not(&client) }
            }
            ExprKind::Sampled(share) => {
                let leaf = self.word(world, "draw", Kind::Draw, 32, true);
                below(world, leaf, *share)
            }
            ExprKind::KernelHas(feature) if feature.is_everywhere() => constant(true),
            ExprKind::KernelHas(feature) => {
                let key = format!("kernel {}", feature.written());
                let leaf = self.word(world, &key, Kind::Kernel(*feature), 1, true);
                world.within(leaf, &Ranges::one(1))
            }
            ExprKind::IsSegment(segments) => {
                let domain = Ranges::span(0, SEGMENTS.len() as u128);
                let row = Leaf { kind: Kind::Segment, domain, scale: 1, ty: Type::Int, is_free: true };
                let leaf = world.leaves.add("segment".into(), row);
                let at = |name: &str| SEGMENTS.iter().position(|segment| segment.name == name);
                let ours = segments.iter().filter_map(|segment| at(segment.name));
                world.within(leaf, &Ranges::of(ours.map(|at| (at as u128, at as u128))))
            }
            ExprKind::Received(header) => self.received(world, header.index()),
            ExprKind::InArm(id, arm, keys) => self.in_arm(world, id.index(), *arm, keys),
            ExprKind::Call(BuiltinId::Sample, args) => {
                let share = args.first().map(|share| &share.kind);
                match share {
                    Some(ExprKind::Const(Value::Number(share))) => {
                        let leaf = self.drawn(world, "sample", 32);
                        below(world, leaf, *share)
                    }
                    _ => {
                        let leaf = self.drawn(world, "sample", 1);
                        world.within(leaf, &Ranges::one(1))
                    }
                }
            }
            ExprKind::Const(Value::Number(number)) => constant(*number != 0),
            _ => self.holds_in(world, expr, &Ranges::span(1, u64::MAX.into())),
        }
    }

    /// `left op right`.
    fn compare(&mut self, world: &mut World, op: CompareOp, left: &'p Expr, right: &'p Expr) -> Formula {
        if let Some(number) = self.constant(world, right) {
            return self.holds_in(world, left, &satisfying(op, number));
        }
        if let Some(number) = self.constant(world, left) {
            return self.holds_in(world, right, &satisfying(mirrored(op), number));
        }
        if left.ty == Type::Bool {
            let (left, right) = (self.formula(world, left), self.formula(world, right));
            let equal = choose(&left, right.clone(), not(&right));
            return if op == CompareOp::Ne { not(&equal) } else { equal };
        }
        if let ExprKind::If(condition, then, otherwise) = &left.kind {
            let condition = self.formula(world, condition);
            let then = self.compare(world, op, then, right);
            return choose(&condition, then, self.compare(world, op, otherwise, right));
        }
        if let ExprKind::If(condition, then, otherwise) = &right.kind {
            let condition = self.formula(world, condition);
            let then = self.compare(world, op, left, then);
            return choose(&condition, then, self.compare(world, op, left, otherwise));
        }
        let ends = [self.end(left), self.end(right)];
        if world.event.has_remote
            && (ends == [Some(LOCAL), Some(REMOTE)] || ends == [Some(REMOTE), Some(LOCAL)])
        {
            let equal = agree(128);
            return if op == CompareOp::Ne { not(&equal) } else { equal };
        }
        self.relation(world, op, left, right)
    }

    /// Which of the two addresses an expression is.
    fn end(&self, expr: &Expr) -> Option<crate::formula::LeafId> {
        match &expr.kind {
            ExprKind::Field(field) if field.name == "local_ip" => Some(LOCAL),
            ExprKind::Field(field) if field.name == "remote_ip" => Some(REMOTE),
            ExprKind::Local(local) => self.end(self.locals.get(local)?.value),
            _ => None,
        }
    }

    /// A comparison of two values that are both not known: they are less, equal or greater.
    fn relation(&mut self, world: &mut World, op: CompareOp, left: &'p Expr, right: &'p Expr) -> Formula {
        let (a, b) = (self.key(world, left), self.key(world, right));
        let (op, a, b) = if a <= b { (op, a, b) } else { (mirrored(op), b, a) };
        let holds: &[u128] = match op {
            CompareOp::Lt => &[0],
            CompareOp::Le => &[0, 1],
            CompareOp::Eq => &[1],
            CompareOp::Ne => &[0, 2],
            CompareOp::Ge => &[1, 2],
            CompareOp::Gt => &[2],
        };
        let domain = if a == b { Ranges::one(1) } else { Ranges::span(0, 2) };
        let text = format!("how `{}` compares with `{}`", self.text(left), self.text(right));
        let row = Leaf { kind: Kind::Other(text), domain, scale: 1, ty: Type::Int, is_free: false };
        let leaf = world.leaves.add(format!("compare {a} {b}"), row);
        world.within(leaf, &Ranges::of(holds.iter().map(|&value| (value, value))))
    }

    /// A condition as a value of its own.
    fn flag(&mut self, world: &mut World, expr: &'p Expr) -> Formula {
        let key = self.key(world, expr);
        let kind = Kind::Other(format!("whether `{}`", self.text(expr)));
        let leaf = self.word(world, &format!("flag {key}"), kind, 1, false);
        world.within(leaf, &Ranges::one(1))
    }

    fn in_mutable(&mut self, world: &mut World, element: &'p Expr, set: usize) -> Formula {
        let Some(set) = self.program.mutable_sets.get(set) else { return constant(false) };
        if self.settled.contains(&set.name) {
            let first = set.elements.iter().map(|&(address, length)| {
                let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
                (Ranges::span(address, address | host), length)
            });
            let held: Vec<Formula> = first
                .map(|(range, length)| {
                    let is_short = length < tcpc_stdlib::kernel::MAPPED_BITS;
                    let range = if is_short { range.without(&mapped()) } else { range };
                    self.holds_in(world, element, &range)
                })
                .collect();
            return any(held);
        }
        let key = self.key(world, element);
        let part = self.key_part(world, element);
        // Whoever can change the set can put in what he likes.
        let is_free = part.is_some();
        let text = self.text(element).to_owned();
        let kind = Kind::Member(MemberOf { set: set.name.clone(), text, element: part });
        let leaf = self.word(world, &format!("in {} {key}", set.name), kind, 1, is_free);
        world.within(leaf, &Ranges::one(1))
    }

    fn in_arm(&mut self, world: &mut World, id: usize, arm: u8, keys: &'p [Expr]) -> Formula {
        let Some(experiment) = self.program.experiments.get(id) else { return constant(false) };
        let Some(arm) = experiment.arms.get(usize::from(arm)) else { return constant(false) };
        let parts: Vec<String> = keys.iter().map(|key| self.key(world, key).to_string()).collect();
        let key = format!("arm {} {:?} {}", experiment.name, experiment.keys, parts.join(" "));
        let leaf = self.word(world, &key, Kind::Arm(experiment.name.clone()), 32, keys.is_empty());
        match arm.high.checked_sub(1) {
            Some(last) => world.within(leaf, &Ranges::span(arm.low.into(), last.into())),
            None => constant(false),
        }
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

/// Whether a number is below a share of 2^32.
fn below(world: &World, leaf: crate::formula::LeafId, share: u64) -> Formula {
    match share.checked_sub(1) {
        Some(last) => world.within(leaf, &Ranges::span(0, last.into())),
        None => constant(false),
    }
}

/// Both ends are of one family and agree in their first bits.
fn same_prefix(v4: Option<u8>, v6: Option<u8>) -> Formula {
    let families = [(v4, true, tcpc_stdlib::kernel::MAPPED_BITS), (v6, false, 0)];
    any(families.into_iter().filter_map(|(bits, is_v4, before)| {
        let of_family = |leaf| {
            let mapped = is_in(leaf, mapped());
            if is_v4 { mapped } else { not(&mapped) }
        };
        Some(all([of_family(LOCAL), of_family(REMOTE), agree(before + bits?)]))
    }))
}

/// The values that compare so with a number.
fn satisfying(op: CompareOp, number: u128) -> Ranges {
    let below = number.checked_sub(1).map_or(Ranges::none(), |last| Ranges::span(0, last));
    let above = number.checked_add(1).map_or(Ranges::none(), |first| Ranges::span(first, u128::MAX));
    match op {
        CompareOp::Eq => Ranges::one(number),
        CompareOp::Ne => Ranges::span(0, u128::MAX).without(&Ranges::one(number)),
        CompareOp::Lt => below,
        CompareOp::Le => Ranges::span(0, number),
        CompareOp::Gt => above,
        CompareOp::Ge => Ranges::span(number, u128::MAX),
    }
}

/// The operator that says the same with the sides exchanged.
fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
        CompareOp::Eq | CompareOp::Ne => op,
    }
}

/// How many nodes a formula has, counted up to a number.
fn nodes(formula: &Formula, most: usize) -> usize {
    match &**formula {
        Node::All(parts) | Node::Any(parts) => {
            let mut count = 1;
            for part in parts {
                if count >= most {
                    break;
                }
                count += nodes(part, most - count);
            }
            count
        }
        _ => 1,
    }
}

/// The field that a policy calls so; the catalogue has those that are asked for here.
fn catalogued(name: &str) -> &'static Field {
    field(name).unwrap_or(&FIELDS[0])
}
