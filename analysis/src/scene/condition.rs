//! When a condition holds: what it is made of is asked in its turn.

use tcpc_lang::hir::{CompareOp, Expr, ExprKind, Role, Value};
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::header::SEGMENTS;
use tcpc_stdlib::unit::Type;

use super::{Scene, World};
use crate::formula::{Formula, LeafId, Node, agree, all, any, choose, constant, is_in, not};
use crate::leaf::{Kind, LOCAL, Leaf, MemberOf, REMOTE, mapped};
use crate::ranges::Ranges;

/// A boolean name that stands for more than this is a value of its own.
const MOST_NODES: usize = 4000;

impl<'p> Scene<'p> {
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
                if *role == Role::Client { client } else { not(&client) }
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
    fn end(&self, expr: &Expr) -> Option<LeafId> {
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
}

/// Whether a number is below a share of 2^32.
fn below(world: &World, leaf: LeafId, share: u64) -> Formula {
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
