//! What an expression, a statement and a rule are made of.

use super::{Expr, ExprKind, Program, ReplyValue, Row, Rule, Stmt, StmtKind};
use crate::source::Span;

impl Expr {
    /// The expressions that it is made of.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Let(_, a, b)
            | ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::Compare(_, a, b)
            | ExprKind::Arith(_, a, b) => vec![a, b],
            ExprKind::Not(a) | ExprKind::In(a, _) | ExprKind::InMutable(a, _) => vec![a],
            ExprKind::If(a, b, c) => vec![a, b, c],
            ExprKind::Cell(row, _) => row.keys().iter().collect(),
            ExprKind::Call(_, args) | ExprKind::InArm(_, _, args) => args.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The same, to be changed.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match &mut self.kind {
            ExprKind::Let(_, a, b)
            | ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::Compare(_, a, b)
            | ExprKind::Arith(_, a, b) => vec![a, b],
            ExprKind::Not(a) | ExprKind::In(a, _) | ExprKind::InMutable(a, _) => vec![a],
            ExprKind::If(a, b, c) => vec![a, b, c],
            ExprKind::Call(_, args) => args.iter_mut().collect(),
            ExprKind::Cell(Row::Table(_, keys), _) => keys.iter_mut().collect(),
            _ => Vec::new(),
        }
    }

    /// A copy that does not say where it stands: equal copies mean the same.
    pub fn without_places(&self) -> Expr {
        fn erase(expr: &mut Expr) {
            expr.span = Span::default();
            expr.children_mut().into_iter().for_each(erase);
        }
        let mut copy = self.clone();
        erase(&mut copy);
        copy
    }

    /// Whether this holds for it or for an expression in it.
    pub fn any(&self, holds: &mut impl FnMut(&Expr) -> bool) -> bool {
        holds(self) || self.children().into_iter().any(|child| child.any(holds))
    }
}

impl Stmt {
    /// Whether this holds for an expression in it.
    pub fn any(&self, program: &Program, holds: &mut impl FnMut(&Expr) -> bool) -> bool {
        match &self.kind {
            StmtKind::Assign(ids) => ids
                .iter()
                .filter_map(|id| program.assignments.get(id.index()))
                .any(|assignment| assignment.value.any(holds)),
            StmtKind::Send(id) => {
                let values = program.sends.get(id.index()).map_or(&[][..], |send| &send.values);
                values.iter().any(|value| value.any(holds))
            }
            StmtKind::SetField(_, value) | StmtKind::Let(_, value) | StmtKind::Observe(_, value) => {
                value.any(holds)
            }
            StmtKind::Emit(_, values) => values.iter().any(|value| value.any(holds)),
            StmtKind::Change { row, value, .. } => {
                row.keys().iter().any(|key| key.any(holds)) || value.any(holds)
            }
            StmtKind::Count(_, key) => key.as_ref().is_some_and(|key| key.any(holds)),
            StmtKind::If(condition, then, otherwise) => {
                condition.any(holds) || then.iter().chain(otherwise).any(|stmt| stmt.any(program, holds))
            }
            StmtKind::Reply(ReplyValue::Typed(value) | ReplyValue::Raw(value)) => value.any(holds),
            StmtKind::Outcome(_, _, values) => values.iter().any(|value| value.any(holds)),
            StmtKind::Stop | StmtKind::Open(..) => false,
        }
    }
}

impl Rule {
    /// Whether this holds for an expression in it.
    pub fn any(&self, program: &Program, holds: &mut impl FnMut(&Expr) -> bool) -> bool {
        self.condition.as_ref().is_some_and(|condition| condition.any(holds))
            || self.body.iter().any(|stmt| stmt.any(program, holds))
    }

    /// Whether it looks at TCP header options that came in.
    pub fn mentions_received(&self, program: &Program) -> bool {
        let mut received =
            |expr: &Expr| matches!(expr.kind, ExprKind::Received(_) | ExprKind::HeaderField(..));
        self.any(program, &mut received)
    }
}
