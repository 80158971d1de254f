//! What can be covered: the points of a policy's typed tree, by where they lie in it.

use std::collections::HashMap;

use tcpc_lang::hir::{Expr, ExprKind, Program, ReplyValue, Rule, Stmt, StmtKind};
use tcpc_lang::source::Span;

use crate::written::Written;

/// The points of a policy.
#[derive(Default)]
pub struct Points {
    /// Whole conditions: where, and the rule if it is one's.
    pub branches: Vec<(Span, Option<String>)>,
    /// Parts of conditions.
    pub conditions: Vec<(Span, String)>,
    /// The branch that the value of an expression decides.
    pub branch_of: HashMap<*const Expr, usize>,
    /// The part that an expression is. Several are one where a name is used in several places.
    pub condition_of: HashMap<*const Expr, usize>,
    known: HashMap<(Span, String), usize>,
}

impl Points {
    /// Those of a policy's rules.
    pub fn new(program: &Program, written: Written) -> Points {
        let mut points = Points::default();
        for rule in program.rules.iter().filter(|rule| !is_made(rule)) {
            if let Some(condition) = &rule.condition {
                // What the head of a rule says is no condition that somebody wrote.
                if condition_is_written(condition, written) {
                    points.branch(condition, Some(rule.name.clone()));
                }
                points.expr(condition, true, written);
            }
            points.block(program, &rule.body, written);
        }
        points
    }

    fn branch(&mut self, condition: &Expr, rule: Option<String>) {
        self.branch_of.insert(condition, self.branches.len());
        self.branches.push((condition.span, rule));
    }

    fn block(&mut self, program: &Program, stmts: &[Stmt], written: Written) {
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::If(condition, then, otherwise) => {
                    if !is_constant(condition) {
                        self.branch(condition, None);
                    }
                    self.expr(condition, true, written);
                    self.block(program, then, written);
                    self.block(program, otherwise, written);
                }
                _ => values(program, stmt).into_iter().for_each(|value| self.expr(value, false, written)),
            }
        }
    }

    /// The points in an expression, which decides something or is only a value.
    fn expr(&mut self, expr: &Expr, decides: bool, written: Written) {
        match &expr.kind {
            ExprKind::And(left, right) | ExprKind::Or(left, right) if !written.is_one(expr) => {
                self.expr(left, decides, written);
                self.expr(right, decides, written);
            }
            ExprKind::Not(inner) => self.expr(inner, decides, written),
            ExprKind::Let(_, value, body) => {
                self.expr(value, decides && value.ty == expr.ty, written);
                self.expr(body, decides, written);
            }
            ExprKind::If(condition, then, otherwise) => {
                if !is_constant(condition) {
                    self.branch(condition, None);
                }
                self.expr(condition, true, written);
                self.expr(then, decides, written);
                self.expr(otherwise, decides, written);
            }
            _ => {
                let is_part = decides && !is_constant(expr) && !matches!(expr.kind, ExprKind::Local(_));
                if is_part && !written.is_of_head(expr) {
                    self.condition(expr, written);
                }
                expr.children().into_iter().for_each(|child| self.expr(child, false, written));
            }
        }
    }

    fn condition(&mut self, expr: &Expr, written: Written) {
        let key = (expr.span, written.meaning(expr).unwrap_or_default());
        let next = self.conditions.len();
        let index = *self.known.entry(key).or_insert(next);
        if index == next {
            self.conditions.push((expr.span, written.part(expr)));
        }
        self.condition_of.insert(expr, index);
    }
}

/// Whether a rule was made for an experiment, and not written.
pub fn is_made(rule: &Rule) -> bool {
    fn has_outcome(stmts: &[Stmt]) -> bool {
        stmts.iter().any(|stmt| match &stmt.kind {
            StmtKind::Open(..) | StmtKind::Outcome(..) => true,
            StmtKind::If(_, then, otherwise) => has_outcome(then) || has_outcome(otherwise),
            _ => false,
        })
    }
    has_outcome(&rule.body)
}

fn is_constant(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Const(_))
}

/// Whether some part of a condition is more than the head of its rule says.
fn condition_is_written(condition: &Expr, written: Written) -> bool {
    match &condition.kind {
        ExprKind::And(left, right) => {
            condition_is_written(left, written) || condition_is_written(right, written)
        }
        _ => !is_constant(condition) && !written.is_of_head(condition),
    }
}

/// The expressions of a statement that is no `if`.
fn values<'p>(program: &'p Program, stmt: &'p Stmt) -> Vec<&'p Expr> {
    match &stmt.kind {
        StmtKind::Assign(ids) => {
            ids.iter().filter_map(|id| program.assignments.get(id.index())).map(|one| &one.value).collect()
        }
        StmtKind::Send(id) => program.sends.get(id.index()).iter().flat_map(|send| &send.values).collect(),
        StmtKind::Change { row, value, .. } => row.keys().iter().chain([value]).collect(),
        StmtKind::SetField(_, value) | StmtKind::Observe(_, value) | StmtKind::Let(_, value) => vec![value],
        StmtKind::Outcome(_, _, values) | StmtKind::Emit(_, values) => values.iter().collect(),
        StmtKind::Count(_, key) => key.iter().collect(),
        StmtKind::Reply(ReplyValue::Typed(value) | ReplyValue::Raw(value)) => vec![value],
        StmtKind::Open(..) | StmtKind::Stop | StmtKind::If(..) => Vec::new(),
    }
}
