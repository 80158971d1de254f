//! Statements and blocks.

use tcpc_stdlib::unit::Type;

use super::access::{excludes_full_socket, implies_full_socket};
use super::declare::duplicate;
use super::expr::name_in_motion;
use super::family::FamilyOf;
use super::field::writable_field;
use super::kernel::is_of_the_kernel;
use super::rule::ends_event;
use super::{Checker, LocalName, Term, fold};
use crate::ast::{Expr as Ast, Name, Stmt as AstStmt};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Counter, CounterId, Expr, ExprKind, Stmt, StmtKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// A block, and whether it always ends the event.
    pub(super) fn block(&mut self, statements: &'a [AstStmt]) -> (Vec<Stmt>, bool) {
        let outer_names = self.scope.locals.len();
        let (outer_socket, outer_family) = (self.scope.full_socket, self.scope.family);
        let outer_kernel = self.scope.kernel.clone();
        let mut checked = Vec::with_capacity(statements.len());
        // Assignments of this block that nothing between them and a next one can tell apart.
        let mut assigned: Vec<(&'a str, Span)> = Vec::new();
        let mut ends = false;
        for statement in statements {
            if ends {
                let span = stmt_span(statement);
                self.report(
                    Diagnostic::new(Code::UnreachableCode, "this is never reached", span, "never runs")
                        .note("`stop` and `->` end the event for this and all later rules"),
                );
                break;
            }
            match statement {
                AstStmt::Assign { target, .. } => self.warn_if_lost(target, &mut assigned),
                AstStmt::If { .. } => assigned.clear(),
                _ => {}
            }
            if let Some((kind, ended)) = self.statement(statement) {
                ends = ended;
                checked.push(Stmt { kind, span: stmt_span(statement) });
            } else {
                ends = matches!(statement, AstStmt::Reply(_) | AstStmt::Stop(_));
            }
        }
        self.leave_names(outer_names);
        self.scope.full_socket = outer_socket;
        self.scope.family = outer_family;
        self.scope.kernel = outer_kernel;
        (checked, ends)
    }

    /// A statement, and whether it always ends the event. `None` if nothing is left to do.
    fn statement(&mut self, statement: &'a AstStmt) -> Option<(StmtKind, bool)> {
        match statement {
            AstStmt::Assign { target, alternatives, .. } => {
                let kind = match writable_field(&target.text) {
                    Some(field) => self.set_field(field, target, alternatives),
                    None => self.assign(target, alternatives).map(StmtKind::Assign),
                };
                self.flush_server_reads();
                Some((kind?, false))
            }
            AstStmt::Change { place, op, value, .. } => {
                let changed = self.change(place, *op, value);
                self.flush_server_reads();
                Some((changed?, false))
            }
            AstStmt::Count { name, by, span } => {
                let counted = self.count(name, by.as_ref(), *span);
                self.flush_server_reads();
                Some((counted?, false))
            }
            AstStmt::Observe { name, value, span } => {
                let observed = self.observe(name, value, *span);
                self.flush_server_reads();
                Some((observed?, false))
            }
            AstStmt::Emit { name, fields, span } => {
                let emitted = self.emit(name, fields, *span);
                self.flush_server_reads();
                Some((emitted?, false))
            }
            AstStmt::Let { name, value, .. } => Some((self.local(name, value)?, false)),
            AstStmt::If { condition, then, otherwise, .. } => self.branch(condition, then, otherwise),
            AstStmt::Stop(_) => Some((StmtKind::Stop, true)),
            AstStmt::Reply(reply) => {
                let kind = self.reply(reply)?;
                let ends = ends_event(&kind);
                Some((kind, ends))
            }
            // Both were reported when they were parsed.
            AstStmt::Unsupported(_) | AstStmt::Error(_) => None,
        }
    }

    fn branch(
        &mut self,
        condition: &'a Ast,
        then: &'a [AstStmt],
        otherwise: &'a [AstStmt],
    ) -> Option<(StmtKind, bool)> {
        let condition = self.test(condition);
        let outer = self.scope.full_socket;
        let holds = condition.as_ref().is_some_and(implies_full_socket);
        let fails = condition.as_ref().is_some_and(excludes_full_socket);
        let family =
            condition.as_ref().map(|test| FamilyOf::condition(test, &self.program.sets)).unwrap_or_default();
        let outer_family = self.scope.family;
        self.scope.full_socket = outer || holds;
        self.scope.family = family.holds.or(outer_family);
        let outer_kernel = self.enter(condition.as_ref(), true);
        let (then, then_ends) = self.block(then);
        self.scope.full_socket = outer || fails;
        self.scope.family = family.fails.or(outer_family);
        self.scope.kernel = outer_kernel.clone();
        self.enter(condition.as_ref(), false);
        let (otherwise, otherwise_ends) = self.block(otherwise);
        // What comes next runs only if a branch came to its end.
        self.scope.full_socket = outer || (then_ends && fails) || (otherwise_ends && holds);
        let after = if then_ends { family.fails } else { None };
        self.scope.family = after.or(family.holds.filter(|_| otherwise_ends)).or(outer_family);
        self.scope.kernel = outer_kernel;
        if then_ends {
            self.enter(condition.as_ref(), false);
        }
        if otherwise_ends {
            self.enter(condition.as_ref(), true);
        }
        Some((StmtKind::If(condition?, then, otherwise), then_ends && otherwise_ends))
    }

    /// `let NAME = EXPR`. A constant needs no place of its own, be it one only when the policy is loaded.
    fn local(&mut self, name: &'a Name, value: &'a Ast) -> Option<StmtKind> {
        let hides = self.reject_reserved(name);
        let earlier = self.scope.locals.iter().find(|local| local.name == name.text).map(|local| local.span);
        let earlier = earlier.or_else(|| self.globals.get(&name.text).map(|global| global.name.span));
        if let Some(earlier) = earlier {
            self.report(duplicate(&name.text, name.span, earlier));
        }
        let is_again = earlier.is_some();
        let term = self.term(value);
        self.flush_server_reads();
        let (meaning, statement) = match term {
            Some(Term::Value(value)) if fold::constant(&value).is_some() || is_of_the_kernel(&value) => {
                (Some(Term::Value(value)), None)
            }
            Some(Term::Value(value)) if value.ty == Type::Name => {
                self.report(
                    name_in_motion(value.span).note("read the option where its name is compared instead"),
                );
                (None, None)
            }
            Some(Term::Value(value)) => {
                let id = self.new_local(&name.text, value.ty);
                let local = Expr { kind: ExprKind::Local(id), ty: value.ty, span: name.span };
                (Some(Term::Value(local)), Some(StmtKind::Let(id, value)))
            }
            other => (other, None),
        };
        if hides {
            return statement;
        }
        self.scope.locals.push(LocalName {
            name: name.text.clone(),
            span: name.span,
            meaning,
            used: is_again,
        });
        statement
    }

    /// Forgets the names of a block; warns about those that nobody used.
    fn leave_names(&mut self, keep: usize) {
        for local in self.scope.locals.split_off(keep) {
            if !local.used {
                self.report(
                    Diagnostic::new(
                        Code::UnusedName,
                        format!("`{}` is never used", local.name),
                        local.span,
                        "not used in this block",
                    )
                    .help("remove it"),
                );
            }
        }
    }

    /// `count NAME [by EXPR]`.
    fn count(&mut self, name: &'a Name, by: Option<&'a Ast>, span: Span) -> Option<StmtKind> {
        let key = match by {
            Some(by) => Some(self.value(by)?),
            None => None,
        };
        if let Some(key) = &key
            && key.ty == Type::Name
        {
            return self.fail(
                Diagnostic::new(
                    Code::CounterKey,
                    "a counter cannot be kept by a name",
                    key.span,
                    "this is a name",
                )
                .help("count under a condition: `if congestion == \"cubic\" { count cubic_flows }`"),
            );
        }
        let ty = key.as_ref().map(|key| key.ty);
        let public = self.public_name(&name.text, name.span);
        let id = match self.counters.get(&public).copied() {
            Some(id) => {
                let counter = &self.program.counters[id.index()];
                let (declared, first) = (counter.key, counter.span);
                if declared != ty {
                    return self.fail(
                        Diagnostic::new(
                            Code::CounterKey,
                            format!(
                                "the counter `{}` is kept {} here, and {} elsewhere",
                                name.text,
                                by_what(ty),
                                by_what(declared)
                            ),
                            span,
                            format!("{} here", by_what(ty)),
                        )
                        .label(first, format!("{} here", by_what(declared)))
                        .help("use two counters"),
                    );
                }
                id
            }
            None => {
                let id = CounterId(self.program.counters.len() as u32);
                self.program.counters.push(Counter { name: public.clone(), key: ty, span: name.span });
                self.counters.insert(public, id);
                id
            }
        };
        Some(StmtKind::Count(id, key))
    }

    fn warn_if_lost(&mut self, target: &'a Name, assigned: &mut Vec<(&'a str, Span)>) {
        if let Some(earlier) = assigned.iter_mut().find(|(name, _)| *name == target.text) {
            let lost = std::mem::replace(&mut earlier.1, target.span);
            self.report(
                Diagnostic::new(
                    Code::LostAssignment,
                    format!("this assignment of `{}` is undone by the next one", target.text),
                    lost,
                    "this value is lost",
                )
                .label(target.span, "assigned again here")
                .help(format!("to try one value after the other, write `{} = A or B`", target.text)),
            );
        } else {
            assigned.push((&target.text, target.span));
        }
    }
}

fn by_what(key: Option<Type>) -> String {
    match key {
        None => "without a key".to_string(),
        Some(ty) => format!("by {}", super::words::a(ty)),
    }
}

fn stmt_span(statement: &AstStmt) -> Span {
    match statement {
        AstStmt::Assign { span, .. }
        | AstStmt::Change { span, .. }
        | AstStmt::Count { span, .. }
        | AstStmt::Observe { span, .. }
        | AstStmt::Emit { span, .. }
        | AstStmt::Let { span, .. }
        | AstStmt::If { span, .. }
        | AstStmt::Stop(span)
        | AstStmt::Error(span) => *span,
        AstStmt::Reply(reply) => reply.span,
        AstStmt::Unsupported(name) => name.span,
    }
}
