//! When a number or an address is one of some values: the question is handed through to what it is made of.

use tcpc_lang::check::range;
use tcpc_lang::hir::{ArithOp, Expr, ExprKind, LocalId, Value};
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::unit::Type;

use super::{Scene, World};
use crate::formula::{Formula, all, any, choose, constant};
use crate::leaf::{Kind, Leaf};
use crate::ranges::Ranges;

/// A value with no more choices than this is tried with each of them.
const MOST_TRIED: u64 = 4096;
/// A question for more ranges than this is not split up.
const MOST_PARTS: usize = 64;

impl<'p> Scene<'p> {
    /// When the value of an expression is one of these, which are in its type's canonical unit.
    pub fn holds_in(&mut self, world: &mut World, expr: &'p Expr, values: &Ranges) -> Formula {
        match &expr.kind {
            ExprKind::Const(_) => match self.constant(world, expr) {
                Some(number) => constant(values.has(number)),
                None => constant(false),
            },
            ExprKind::Local(local) => match self.locals.get(local).cloned() {
                Some(bound) if !bound.drawn => {
                    self.at(bound.epoch, |scene| scene.holds_in(world, bound.value, values))
                }
                _ => self.whole(world, expr, values),
            },
            ExprKind::Let(local, value, body) => {
                self.bind(world, *local, value);
                self.holds_in(world, body, values)
            }
            ExprKind::If(condition, then, otherwise) => {
                let condition = self.formula(world, condition);
                let then = self.holds_in(world, then, values);
                choose(&condition, then, self.holds_in(world, otherwise, values))
            }
            ExprKind::Field(field) => match self.told(world, field) {
                Some(cases) => {
                    any(cases.into_iter().filter(|(number, _)| values.has(*number)).map(|(_, if_so)| if_so))
                }
                None => self.read(world, expr, values),
            },
            ExprKind::Arith(op, left, right) => self.arith_in(world, expr, *op, (left, right), values),
            ExprKind::Call(BuiltinId::Min, args) if values.parts().len() <= MOST_PARTS => {
                self.extremum_in(world, args, values, true)
            }
            ExprKind::Call(BuiltinId::Max, args) if values.parts().len() <= MOST_PARTS => {
                self.extremum_in(world, args, values, false)
            }
            ExprKind::Call(BuiltinId::Clamp, args) => match args.as_slice() {
                [x, low, high] => self.clamp_in(world, expr, [x, low, high], values),
                _ => self.whole(world, expr, values),
            },
            _ if expr.ty == Type::Bool && is_condition(expr) => {
                let holds = self.formula(world, expr);
                choose(&holds, constant(values.has(1)), constant(values.has(0)))
            }
            _ => self.read(world, expr, values),
        }
    }

    /// A constant, as a number.
    pub(super) fn constant(&mut self, world: &mut World, expr: &Expr) -> Option<u128> {
        match &expr.kind {
            ExprKind::Const(Value::Number(number)) => Some((*number).into()),
            ExprKind::Const(Value::Ip(address)) => Some(*address),
            ExprKind::Const(Value::Name(name)) => Some(world.leaves.name(name)),
            _ => None,
        }
    }

    fn read(&mut self, world: &mut World, expr: &'p Expr, values: &Ranges) -> Formula {
        match self.leaf(world, expr) {
            Some(leaf) => world.within(leaf, values),
            None => self.whole(world, expr, values),
        }
    }

    /// The expression as a value of its own.
    fn whole(&mut self, world: &mut World, expr: &'p Expr, values: &Ranges) -> Formula {
        let key = self.key(world, expr);
        let (low, high) = self.range(expr);
        let domain = match expr.ty {
            Type::Ip => Ranges::span(0, u128::MAX),
            _ => Ranges::span(low.into(), high.into()),
        };
        let kind = Kind::Other(format!("`{}`", self.text(expr)));
        let row = Leaf { kind, domain, scale: 1, ty: expr.ty, is_free: false };
        let leaf = world.leaves.add(format!("whole {key}"), row);
        world.within(leaf, values)
    }

    /// What a number can be.
    fn range(&self, expr: &Expr) -> range::Range {
        fn of(scene: &Scene<'_>, local: LocalId, depth: u32) -> range::Range {
            match scene.locals.get(&local).filter(|_| depth < 8) {
                Some(bound) => range::of_where(bound.value, &|local| of(scene, local, depth + 1)),
                None => (0, u64::MAX),
            }
        }
        range::of_where(expr, &|local| of(self, local, 0))
    }

    /// `min` and `max` of two.
    fn extremum_in(&mut self, world: &mut World, args: &'p [Expr], values: &Ranges, is_min: bool) -> Formula {
        let [one, other] = args else { return constant(false) };
        let cases: Vec<Formula> = values
            .parts()
            .iter()
            .map(|&(low, high)| {
                let (least, most) = (Ranges::span(low, u128::MAX), Ranges::span(0, high));
                let (both, either) = if is_min { (least, most) } else { (most, least) };
                all([
                    self.holds_in(world, one, &both),
                    self.holds_in(world, other, &both),
                    any([self.holds_in(world, one, &either), self.holds_in(world, other, &either)]),
                ])
            })
            .collect();
        any(cases)
    }

    /// `clamp` between constants, which is `max(min(x, high), low)`.
    fn clamp_in(
        &mut self,
        world: &mut World,
        expr: &'p Expr,
        args: [&'p Expr; 3],
        values: &Ranges,
    ) -> Formula {
        let (Some(low), Some(high)) = (self.constant(world, args[1]), self.constant(world, args[2])) else {
            return self.whole(world, expr, values);
        };
        let held = |x: u128| x.min(high).max(low);
        // Between the bounds it is the value itself; below and above it is a bound.
        let mut inside = Ranges::none();
        if low < high {
            inside = values.and(&Ranges::span(low, high));
        }
        let mut parts: Vec<(u128, u128)> = inside.parts().to_vec();
        if values.has(held(0)) {
            parts.push((0, low.min(high)));
        }
        if values.has(held(u128::MAX)) {
            parts.push((low.max(high), u128::MAX));
        }
        if low >= high && values.has(low) {
            parts.push((0, u128::MAX));
        }
        self.holds_in(world, args[0], &Ranges::of(parts))
    }

    fn arith_in(
        &mut self,
        world: &mut World,
        expr: &'p Expr,
        op: ArithOp,
        (left, right): (&'p Expr, &'p Expr),
        values: &Ranges,
    ) -> Formula {
        let number = |scene: &mut Self, world: &mut World, side: &Expr| {
            scene.constant(world, side).and_then(|number| u64::try_from(number).ok())
        };
        let turns = [ArithOp::Add, ArithOp::Mul, ArithOp::And, ArithOp::Or, ArithOp::Xor];
        let (known, unknown, is_right) = match (number(self, world, left), number(self, world, right)) {
            (_, Some(known)) => (known, left, true),
            (Some(known), None) => (known, right, turns.contains(&op)),
            (None, None) => return self.whole(world, expr, values),
        };
        let range = self.range(unknown);
        let values = values.and(&Ranges::span(0, u64::MAX.into()));
        let before =
            if is_right { backwards(op, known, range, &values) } else { minuend(op, known, &values) };
        match before.or_else(|| tried(op, known, is_right, range, &values)) {
            Some(before) => self.holds_in(world, unknown, &before),
            None => self.whole(world, expr, &values),
        }
    }
}

/// The numbers that `op known` makes one of these; `None` where that is not a few ranges.
fn backwards(op: ArithOp, known: u64, range: range::Range, values: &Ranges) -> Option<Ranges> {
    let (c, most) = (u128::from(known), u128::from(u64::MAX));
    let each = |of: &dyn Fn(u128, u128) -> (u128, u128)| {
        Some(Ranges::of(values.parts().iter().map(|&(low, high)| of(low, high))))
    };
    let times = |factor: u128| match factor {
        0 => Some(if values.has(0) { Ranges::span(0, most) } else { Ranges::none() }),
        _ if u128::from(range.1) * factor <= most => Some(values.divided(factor)),
        _ => None,
    };
    let over = |divisor: u128| each(&|low, high| (low * divisor, high * divisor + divisor - 1));
    match op {
        ArithOp::Add => {
            // Wraps: what is taken away from a small number is a large one.
            let wrapped = |number: u128| (number + most + 1 - c) % (most + 1);
            let parts = values.parts().iter().flat_map(|&(low, high)| {
                let (from, to) = (wrapped(low), wrapped(high));
                if high - low == most {
                    vec![(0, most)]
                } else if from <= to {
                    vec![(from, to)]
                } else {
                    vec![(from, most), (0, to)]
                }
            });
            Some(Ranges::of(parts))
        }
        ArithOp::Sub => each(&|low, high| (if low == 0 { 0 } else { low + c }, high + c)),
        ArithOp::Mul => times(c),
        ArithOp::Shl if known < 64 => times(1 << known),
        ArithOp::Div if known > 0 => over(c),
        ArithOp::Shr if known < 64 => over(1 << known),
        ArithOp::Shl | ArithOp::Shr => times(0),
        _ => None,
    }
}

/// The numbers that `known -` makes one of these.
fn minuend(op: ArithOp, known: u64, values: &Ranges) -> Option<Ranges> {
    let c = u128::from(known);
    let parts = values.parts().iter().filter_map(|&(low, high)| {
        let most = if low == 0 { Some(u64::MAX.into()) } else { c.checked_sub(low) };
        Some((c.saturating_sub(high), most?))
    });
    (op == ArithOp::Sub).then(|| Ranges::of(parts))
}

/// The numbers of a small range with which the result is one of these.
fn tried(op: ArithOp, known: u64, is_right: bool, range: range::Range, values: &Ranges) -> Option<Ranges> {
    if range.1 - range.0 >= MOST_TRIED {
        return None;
    }
    let result = |number| if is_right { compute(op, number, known) } else { compute(op, known, number) };
    let fits = (range.0..=range.1).filter(|&number| values.has(result(number).into()));
    Some(Ranges::of(fits.map(|number| (number.into(), number.into()))))
}

/// The meaning of the operators, as [`ArithOp`] says.
fn compute(op: ArithOp, a: u64, b: u64) -> u64 {
    let shift = u32::try_from(b).unwrap_or(u32::MAX);
    match op {
        ArithOp::Add => a.wrapping_add(b),
        ArithOp::Sub => a.saturating_sub(b),
        ArithOp::Mul => a.wrapping_mul(b),
        ArithOp::Div => a.checked_div(b).unwrap_or(0),
        ArithOp::Rem => a.checked_rem(b).unwrap_or(a),
        ArithOp::And => a & b,
        ArithOp::Or => a | b,
        ArithOp::Xor => a ^ b,
        ArithOp::Shl => a.checked_shl(shift).unwrap_or(0),
        ArithOp::Shr => a.checked_shr(shift).unwrap_or(0),
    }
}

/// Whether an expression is a condition and no value that is read.
pub fn is_condition(expr: &Expr) -> bool {
    !matches!(
        expr.kind,
        ExprKind::Field(_)
            | ExprKind::Arg(..)
            | ExprKind::Option(_)
            | ExprKind::Param(..)
            | ExprKind::Cell(..)
            | ExprKind::HeaderField(..)
            | ExprKind::Call(BuiltinId::Min | BuiltinId::Max | BuiltinId::Clamp | BuiltinId::Hash, _)
    )
}
