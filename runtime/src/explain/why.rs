//! Which parts of a condition decided, and what they mean.
//!
//! The least false part of `a and b` is in the operand that is false; of `a or b` it is in both. Where something holds it
//! is the other way round, so that `not` only turns the question.

use tcpc_lang::hir::{Expr, ExprKind, Role, Value};
use tcpc_lang::show::{show, show_ip, show_value};
use tcpc_lang::source::Span;
use tcpc_stdlib::unit::Type;

use super::{Around, Cause};
use crate::report::Actual;
use crate::scenario::leaf_name;

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
pub fn found(condition: &Expr, holds: bool, known: Known) -> Vec<Found> {
    let was = |expr: &Expr| known(expr) == Some(Value::Number(1));
    match &condition.kind {
        ExprKind::Not(inner) => found(inner, !holds, known),
        ExprKind::And(left, right) | ExprKind::Or(left, right) => {
            let decides_alone = matches!(condition.kind, ExprKind::And(..)) != holds;
            match decides_alone {
                true if was(left) == holds => found(left, holds, known),
                true => found(right, holds, known),
                false => [left, right].into_iter().flat_map(|part| found(part, holds, known)).collect(),
            }
        }
        ExprKind::If(choice, then, otherwise) => {
            let chosen = if was(choice) { then } else { otherwise };
            let mut parts = found(choice, was(choice), known);
            parts.extend(found(chosen, holds, known));
            parts
        }
        ExprKind::Let(_, _, body) => found(body, holds, known),
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
        let part = self.text(&found.expr);
        Cause {
            meaning: self.meaning(&found.expr).filter(|meaning| *meaning != part),
            part,
            place: self.source.place(found.expr.span.start),
            holds: found.holds,
            values,
        }
    }

    /// A part as it is written, on one line. What the head of a rule adds to its condition is not written as such.
    fn text(&self, expr: &Expr) -> String {
        let is_head = self.program.rules.iter().any(|rule| rule.head == expr.span);
        match &expr.kind {
            ExprKind::Sampled(share) if is_head => format!("sample {}", show(Type::Percent, *share)),
            ExprKind::Received(id) if is_head => {
                let header = self.program.headers.get(id.index());
                format!("receive {}", header.map_or("", |header| &header.name))
            }
            ExprKind::IsSegment(segments) if is_head => {
                let names: Vec<&str> = segments.iter().map(|segment| segment.name).collect();
                format!("on {}", names.join(", "))
            }
            ExprKind::InArm(id, arm, _) => {
                let experiment = self.program.experiments.get(id.index());
                let arm = experiment.and_then(|experiment| experiment.arms.get(usize::from(*arm)));
                let names = [experiment.map(|one| one.name.as_str()), arm.map(|arm| arm.name.as_str())];
                format!("experiment {} arm {}", names[0].unwrap_or(""), names[1].unwrap_or(""))
            }
            _ => self.written(expr.span),
        }
    }

    /// What a name in the place of a condition stands for.
    fn meaning(&self, expr: &Expr) -> Option<String> {
        Some(match &expr.kind {
            ExprKind::SamePrefix { v4, v6 } => match (v4, v6) {
                (Some(v4), Some(v6)) if v4 != v6 => format!("same_prefix(v4: {v4}, v6: {v6})"),
                (Some(bits), _) | (None, Some(bits)) => format!("same_prefix({bits})"),
                (None, None) => return None,
            },
            // A name was put in for the whole: its parts stand where it is defined.
            _ if !self.is_name(expr.span) => return None,
            ExprKind::Compare(op, left, right) => {
                format!("{} {} {}", self.written(left.span), op.text(), self.written(right.span))
            }
            ExprKind::In(element, set) => {
                let set = self.program.sets.get(set.index())?;
                let name = set.name.clone().unwrap_or_else(|| self.written(set.span));
                format!("{} in {name}", self.written(element.span))
            }
            ExprKind::InMutable(element, set) => {
                let set = self.program.mutable_sets.get(set.index())?;
                format!("{} in {}", self.written(element.span), set.name)
            }
            _ => return None,
        })
    }

    fn is_name(&self, span: Span) -> bool {
        self.source.slice(span).chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':')
    }

    /// A place's text on one line.
    pub(super) fn written(&self, span: Span) -> String {
        self.source.slice(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
