//! Which parts of a condition decided, and what they mean.
//!
//! The least false part of `a and b` is in the operand that is false; of `a or b` it is in both. Where something holds it
//! is the other way round, so that `not` only turns the question.

use tcpc_lang::hir::{Expr, ExprKind, Role, Value};
use tcpc_lang::show::{show, show_ip, show_value};
use tcpc_stdlib::unit::Type;

use super::{Around, Cause};
use crate::report::Actual;
use crate::scenario::leaf_name;
use crate::written::Written;

/// A part that decided, with the values of the names in it.
#[derive(Clone, Debug)]
pub struct Found {
    expr: Expr,
    holds: bool,
    leaves: Vec<(Expr, Value)>,
}

/// The value of an expression, if it was evaluated.
type Known<'k> = &'k dyn Fn(&Expr) -> Option<Value>;

/// The least parts that make a condition what it is.
pub fn found(condition: &Expr, holds: bool, known: Known, written: Written) -> Vec<Found> {
    let found = |part: &Expr, holds| found(part, holds, known, written);
    let was = |expr: &Expr| known(expr) == Some(Value::Number(1));
    match &condition.kind {
        ExprKind::Not(inner) => found(inner, !holds),
        ExprKind::And(left, right) | ExprKind::Or(left, right) if !written.is_one(condition) => {
            let decides_alone = matches!(condition.kind, ExprKind::And(..)) != holds;
            match decides_alone {
                true if was(left) == holds => found(left, holds),
                true => found(right, holds),
                false => [left, right].into_iter().flat_map(|part| found(part, holds)).collect(),
            }
        }
        ExprKind::If(choice, then, otherwise) => {
            let chosen = if was(choice) { then } else { otherwise };
            let mut parts = found(choice, was(choice));
            parts.extend(found(chosen, holds));
            parts
        }
        ExprKind::Let(_, _, body) => found(body, holds),
        _ => {
            let mut leaves = Vec::new();
            collect(condition, known, &mut leaves);
            vec![Found { expr: condition.clone(), holds, leaves }]
        }
    }
}

/// The names in a part, with what was found for them.
fn collect(expr: &Expr, known: Known, leaves: &mut Vec<(Expr, Value)>) {
    let children = expr.children();
    let is_name = match &expr.kind {
        ExprKind::Const(_) => return,
        ExprKind::Call(..) | ExprKind::InArm(..) => children.is_empty(),
        ExprKind::Cell(..) => true,
        _ => children.is_empty(),
    };
    if !is_name {
        return children.into_iter().for_each(|child| collect(child, known, leaves));
    }
    leaves.extend(known(expr).map(|value| (expr.clone(), value)));
}

impl Around<'_> {
    /// What was found, for people.
    pub(super) fn causes(&self, found: &[Found]) -> Vec<Cause> {
        found.iter().map(|found| self.cause(found)).collect()
    }

    fn cause(&self, found: &Found) -> Cause {
        let mut values: Vec<Actual> = Vec::new();
        let mut add = |name: String, value: String| {
            if !values.iter().any(|known| known.name == name) {
                values.push(Actual { name, value });
            }
        };
        let surroundings = self.surroundings;
        match &found.expr.kind {
            ExprKind::SamePrefix { .. } => {
                add("local_ip".into(), show_ip(surroundings.local));
                add("remote_ip".into(), show_ip(surroundings.remote));
            }
            ExprKind::IsRole(_) => {
                add("role".into(), show(Type::Role, u64::from(surroundings.role == Role::Server)));
            }
            ExprKind::KernelHas(_) => add("kernel".into(), surroundings.kernel.to_string()),
            _ => {}
        }
        for (leaf, value) in &found.leaves {
            // A part that is one name says its value itself.
            if leaf.ty != Type::Bool || *leaf != found.expr {
                let value = show_value(leaf.ty, value);
                let unit = if leaf.ty == Type::Packets { " packets" } else { "" };
                add(leaf_name(leaf, self.program, self.source), value + unit);
            }
        }
        Cause {
            part: self.written().part(&found.expr),
            meaning: self.written().meaning(&found.expr),
            place: self.source.place(found.expr.span.start),
            holds: found.holds,
            values,
        }
    }
}
