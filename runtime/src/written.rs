//! Parts of a policy's conditions as its text has them, on one line.

use tcpc_lang::hir::{Expr, ExprKind, Program};
use tcpc_lang::show::{show, show_value};
use tcpc_lang::source::{SourceFile, Span};
use tcpc_stdlib::unit::Type;

use crate::scenario::leaf_name;

/// A policy and its text.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    /// The policy.
    pub program: &'a Program,
    /// Its text.
    pub source: &'a SourceFile,
}

impl Written<'_> {
    /// A place's text.
    pub fn span(&self, span: Span) -> String {
        self.source.slice(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether something is no part of a condition that somebody wrote: the head of its rule says it.
    pub fn is_of_head(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::InArm(..) => true,
            ExprKind::Sampled(_) | ExprKind::Received(_) | ExprKind::IsSegment(_) => {
                self.program.rules.iter().any(|rule| rule.head == expr.span)
            }
            _ => false,
        }
    }

    /// Whether a part stands for what is written in one place, though it is made of two: `port == 443`.
    pub fn is_one(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                let parts = [left, right];
                parts.iter().all(|part| part.span == expr.span && !self.is_of_head(part))
            }
            _ => false,
        }
    }

    /// A part of a condition.
    pub fn part(&self, expr: &Expr) -> String {
        let is_of_head = self.is_of_head(expr);
        match &expr.kind {
            ExprKind::Sampled(share) if is_of_head => format!("sample {}", show(Type::Percent, *share)),
            ExprKind::Received(id) if is_of_head => {
                let header = self.program.headers.get(id.index());
                format!("receive {}", header.map_or("", |header| &header.name))
            }
            ExprKind::IsSegment(segments) if is_of_head => {
                let names: Vec<&str> = segments.iter().map(|segment| segment.name).collect();
                format!("on {}", names.join(", "))
            }
            ExprKind::InArm(id, arm, _) => {
                let experiment = self.program.experiments.get(id.index());
                let arm = experiment.and_then(|experiment| experiment.arms.get(usize::from(*arm)));
                let names = [experiment.map(|one| one.name.as_str()), arm.map(|arm| arm.name.as_str())];
                format!("experiment {} arm {}", names[0].unwrap_or(""), names[1].unwrap_or(""))
            }
            _ => self.span(expr.span),
        }
    }

    /// What a name in the place of a part stands for; `None` if the part says it itself.
    pub fn meaning(&self, expr: &Expr) -> Option<String> {
        let meaning = match &expr.kind {
            ExprKind::SamePrefix { v4, v6 } => match (v4, v6) {
                (Some(v4), Some(v6)) if v4 != v6 => format!("same_prefix(v4: {v4}, v6: {v6})"),
                (Some(bits), _) | (None, Some(bits)) => format!("same_prefix({bits})"),
                (None, None) => return None,
            },
            // A name was put in for the whole: its parts stand where it is defined.
            _ if !self.is_name(expr.span) => return None,
            ExprKind::Compare(op, left, right) => {
                format!("{} {} {}", self.operand(left, expr), op.text(), self.operand(right, expr))
            }
            ExprKind::In(element, set) => {
                let set = self.program.sets.get(set.index())?;
                let name = set.name.clone().unwrap_or_else(|| self.span(set.span));
                format!("{} in {name}", self.span(element.span))
            }
            ExprKind::InMutable(element, set) => {
                let set = self.program.mutable_sets.get(set.index())?;
                format!("{} in {}", self.span(element.span), set.name)
            }
            _ => return None,
        };
        (meaning != self.part(expr)).then_some(meaning)
    }

    /// An operand of a part; what was made of the same place as the part has no text of its own.
    fn operand(&self, operand: &Expr, part: &Expr) -> String {
        match &operand.kind {
            _ if operand.span != part.span => self.span(operand.span),
            ExprKind::Const(value) => show_value(operand.ty, value),
            _ => leaf_name(operand, self.program, self.source),
        }
    }

    fn is_name(&self, span: Span) -> bool {
        self.source.slice(span).chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':')
    }
}
