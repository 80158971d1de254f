//! Expressions.

use tcpc_stdlib::unit::{Type, Unit};

use super::access::{excludes_full_socket, implies_full_socket};
use super::names::wrong_use;
use super::types::{CONDITION, Wanted, retype};
use super::{Checker, Place, Term, fold};
use crate::ast::{BinaryOp, Expr as Ast, ExprKind as AstKind, Quantity};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Value};
use crate::source::Span;

/// How deep expressions can be nested, `let`s put in.
const MAX_DEPTH: usize = 160;
/// How many nodes one use of a `let` or function can put in.
const MAX_INLINED: usize = 20_000;

impl<'a> Checker<'a> {
    /// The meaning of an expression.
    pub(super) fn term(&mut self, expr: &'a Ast) -> Option<Term> {
        if !self.inlining.is_empty() {
            self.inlined += 1;
        }
        if self.depth >= MAX_DEPTH || self.inlined > MAX_INLINED {
            let what = if self.depth >= MAX_DEPTH { "too deep" } else { "too large" };
            let span = self.inlining.first().map_or(expr.span, |(_, used)| *used);
            return self.fail(
                Diagnostic::new(Code::TooComplex, format!("this expression is {what}"), span, what)
                    .help("split it into several rules"),
            );
        }
        self.depth += 1;
        let term = self.term_inner(expr);
        self.depth -= 1;
        term
    }

    fn term_inner(&mut self, expr: &'a Ast) -> Option<Term> {
        let span = expr.span;
        let constant = |value: u64, ty| Some(Term::Value(fold::number(value, ty, span)));
        match &expr.kind {
            AstKind::Int(value) => constant(*value, Type::Int),
            AstKind::Quantity(quantity, value) => constant(*value, quantity_type(*quantity)),
            AstKind::Bool(value) => constant((*value).into(), Type::Bool),
            AstKind::Str(text) => {
                let kind = ExprKind::Const(Value::Name(text.clone()));
                Some(Term::Value(Expr { kind, ty: Type::Name, span }))
            }
            AstKind::Ip(address) => {
                if let Some(ambiguous) = self.reads_as_address(span) {
                    return self.fail(ambiguous);
                }
                let kind = ExprKind::Const(Value::Ip(*address));
                Some(Term::Value(Expr { kind, ty: Type::Ip, span }))
            }
            AstKind::Prefix(address, length) => Some(Term::Prefix(*address, *length, span)),
            AstKind::Name(name) => self.name(name, span),
            AstKind::Member(object, field) if object.text == "flow" => {
                self.flow_cell(object.span, field, span).map(Term::Value)
            }
            AstKind::Member(object, field) if self.is_record(object) => {
                self.record_member(object, field, span).map(Term::Value)
            }
            AstKind::Member(object, field) => self.header_member(object, field, span),
            AstKind::Cell(place) => self.table_cell(place).map(Term::Value),
            AstKind::Call(name, args) => self.call(name, args, span),
            AstKind::Not(operand) => {
                let operand = self.condition(operand)?;
                Some(Term::Value(fold::not(operand, span)))
            }
            AstKind::Binary(BinaryOp::And, ..) => self.junction(expr, true).map(Term::Value),
            AstKind::Binary(BinaryOp::Or, ..) => self.junction(expr, false).map(Term::Value),
            AstKind::Binary(..) => self.operations(expr),
            AstKind::In(element, members) => self.membership(element, members, span).map(Term::Value),
            AstKind::If(condition, then, otherwise) => self.choice(condition, then, otherwise, span),
            AstKind::Range(..) => self.fail(misplaced("a range", span)),
            AstKind::List(_) => self.fail(misplaced("a list", span)),
            AstKind::Counter(name) => self.counter_value(name, span).map(Term::Value),
            AstKind::Observed(name) => self.observed(name, span).map(Term::Value),
            AstKind::Emitted(name) => self.emitted(name, span).map(Term::Value),
            AstKind::Rule(name) => self.rule_hits(name, span).map(Term::Value),
            AstKind::KernelHas { reading, name } => self.kernel_has(*reading, name, span).map(Term::Value),
            AstKind::Default => {
                self.only_in_tests("`default`", span)?;
                Some(Term::Default(span))
            }
            AstKind::Error => None,
        }
    }

    /// An expression that has a value of its own.
    pub(super) fn value(&mut self, expr: &'a Ast) -> Option<Expr> {
        let term = self.term(expr)?;
        self.as_value(term)
    }

    /// A term as a value.
    pub(super) fn as_value(&mut self, term: Term) -> Option<Expr> {
        let (what, help) = match &term {
            Term::Value(expr) => return Some(expr.clone()),
            Term::Prefix(..) => ("a prefix", "ask whether an address is in it, with `in`".to_string()),
            Term::EitherPort(_) => (
                "`port`",
                "it stands for either end's port: compare it, as in `port == 443`, or name an end: \
                 `local_port`, `remote_port`"
                    .to_string(),
            ),
            Term::Role(_) => ("`role`", "compare it: `role == client`".to_string()),
            Term::End(..) => ("a role", "compare it: `role == client`".to_string()),
            Term::Experiment(..) => {
                ("an experiment", "compare it with an arm: `EXPERIMENT == ARM`".to_string())
            }
            Term::Default(_) => ("`default`", "compare it: `reply == default`".to_string()),
        };
        self.fail(wrong_use(format!("{what} has no value of its own"), term.span(), help))
    }

    /// An expression of type bool.
    pub(super) fn condition(&mut self, expr: &'a Ast) -> Option<Expr> {
        let value = self.value(expr)?;
        self.coerce(value, &Wanted { ty: Type::Bool, unit: Unit::Bool, who: CONDITION })
    }

    /// A constant of a type.
    pub(super) fn constant(&mut self, expr: &'a Ast, wanted: &Wanted) -> Option<Value> {
        let value = self.value(expr)?;
        let value = self.coerce(value, wanted)?;
        match fold::constant(&value) {
            Some(constant) => Some(constant.clone()),
            None => self.fail(self.unknown_yet(&value, expr.span)),
        }
    }

    /// A whole `and` or `or` chain. What one part of an `and` says of the socket holds for the others.
    fn junction(&mut self, expr: &'a Ast, all: bool) -> Option<Expr> {
        let held_back = self.server_reads.len();
        let wanted = if all { BinaryOp::And } else { BinaryOp::Or };
        let mut parts = Vec::new();
        let mut rest = vec![expr];
        while let Some(next) = rest.pop() {
            match &next.kind {
                AstKind::Binary(op, left, right) if *op == wanted => rest.extend([&**right, &**left]),
                _ => parts.push(next),
            }
        }
        // Every part is checked, so that each reports what is wrong with it. Those behind `kernel has` are for such
        // kernels only.
        let outer = self.scope.kernel.clone();
        let check = |part| {
            let part = self.condition(part);
            self.enter(part.as_ref(), all);
            part
        };
        let checked: Vec<Option<Expr>> = parts.into_iter().map(check).collect();
        self.scope.kernel = outer;
        let operands: Vec<Expr> = checked.into_iter().collect::<Option<_>>()?;
        let decides = if all { implies_full_socket } else { excludes_full_socket };
        if operands.iter().any(decides) {
            self.server_reads.truncate(held_back);
        }
        Some(fold::junction(all, operands, expr.span))
    }

    /// `if C then A else B`.
    fn choice(&mut self, condition: &'a Ast, then: &'a Ast, otherwise: &'a Ast, span: Span) -> Option<Term> {
        let condition = self.condition(condition);
        let held_back = self.server_reads.len();
        let outer = self.enter(condition.as_ref(), true);
        let then = self.value(then);
        self.scope.kernel = outer;
        if condition.as_ref().is_some_and(implies_full_socket) {
            self.server_reads.truncate(held_back);
        }
        let held_back = self.server_reads.len();
        let outer = self.enter(condition.as_ref(), false);
        let otherwise = self.value(otherwise);
        self.scope.kernel = outer;
        if condition.as_ref().is_some_and(excludes_full_socket) {
            self.server_reads.truncate(held_back);
        }
        let (then, otherwise, ty) = self.unify(then?, otherwise?, "combined")?;
        if ty == Type::Name {
            return self.fail(name_in_motion(span));
        }
        Some(Term::Value(retype(fold::choose(condition?, then, otherwise, span), ty)))
    }

    /// Expressions that only a test can have.
    pub(super) fn only_in_tests(&mut self, what: &str, span: Span) -> Option<()> {
        match self.scope.place {
            Place::Test(_) => Some(()),
            _ => self.fail(
                Diagnostic::new(
                    Code::OnlyInTests,
                    format!("{what} can only be asked for in a test"),
                    span,
                    "not in a rule",
                )
                .help("`expect` is the place for it"),
            ),
        }
    }
}

/// The type of a literal with a unit.
fn quantity_type(quantity: Quantity) -> Type {
    match quantity {
        Quantity::Duration => Type::Duration,
        Quantity::Size => Type::Size,
        Quantity::Rate => Type::Rate,
        Quantity::Percent => Type::Percent,
    }
}

/// Names are compared and assigned, not computed.
pub fn name_in_motion(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::OperatorType,
        "names of the kernel can be compared and assigned, but not computed",
        span,
        "this computes a name",
    )
    .help("put the choice around the assignment: `if … { congestion = \"dctcp\" } else { … }`")
}

fn misplaced(what: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::WrongUseOfName,
        format!("{what} has no value of its own"),
        span,
        "only on the right of `in` and in sets",
    )
}
