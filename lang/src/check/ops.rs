//! Operators and comparisons: which types can be compared, and what a comparison means.

use tcpc_stdlib::unit::Type;

use super::types::mismatch;
use super::{Checker, Term, access, fold, range, words};
use crate::ast::{BinaryOp, Expr as Ast, ExprKind as AstKind};
use crate::diag::{Code, Diagnostic};
use crate::hir::{ArithOp, CompareOp, Expr, ExprKind, Role};
use crate::show::show;
use crate::source::Span;

/// An operator with two operands.
enum Op {
    Compare(CompareOp),
    Arith(ArithOp),
}

impl<'a> Checker<'a> {
    /// A chain of operators, walked without recursion along its left side.
    pub(super) fn operations(&mut self, expr: &'a Ast) -> Option<Term> {
        const MAX_CHAIN: usize = 160;
        let mut chain = Vec::new();
        let mut innermost = expr;
        while let AstKind::Binary(op, left, right) = &innermost.kind
            && let Some(op) = operator(*op)
        {
            chain.push((op, right, innermost.span));
            innermost = left;
        }
        if chain.len() > MAX_CHAIN {
            return self.fail(Diagnostic::new(
                Code::TooComplex,
                format!("more than {MAX_CHAIN} operators in one expression"),
                expr.span,
                "too large",
            ));
        }
        let mut left = self.term(innermost);
        for (op, right, span) in chain.into_iter().rev() {
            if let (Some(Term::Experiment(id, _)), Op::Compare(op @ (CompareOp::Eq | CompareOp::Ne))) =
                (&left, &op)
            {
                left = self.arm_test(*id, *op, right, span).map(Term::Value);
                continue;
            }
            let names = matches!(&left, Some(Term::Value(value)) if value.ty == Type::Name);
            let right = match names {
                true => self.reject_bare_name(right).and_then(|()| self.term(right)),
                false => self.term(right),
            };
            left = match (left, right) {
                (Some(left), Some(right)) => self.operation(&op, left, right, span),
                _ => None,
            };
        }
        left
    }

    fn operation(&mut self, op: &Op, left: Term, right: Term, span: Span) -> Option<Term> {
        let value = match op {
            Op::Compare(op) => self.comparison(*op, left, right, span),
            Op::Arith(op) => {
                let left = self.as_value(left);
                let right = self.as_value(right);
                self.arithmetic(*op, left?, right?, span)
            }
        };
        value.map(Term::Value)
    }

    /// `left op right`, where names such as `port` and `role` have their meaning.
    pub(super) fn comparison(&mut self, op: CompareOp, left: Term, right: Term, span: Span) -> Option<Expr> {
        match (left, right) {
            (Term::Role(_), Term::End(role, _)) | (Term::End(role, _), Term::Role(_)) => {
                self.compare_role(op, role, span)
            }
            (Term::Value(reply), Term::Default(_)) | (Term::Default(_), Term::Value(reply))
                if matches!(reply.kind, ExprKind::Reply(_))
                    && matches!(op, CompareOp::Eq | CompareOp::Ne) =>
            {
                let answered = fold::test(ExprKind::HasReply, span);
                Some(if op == CompareOp::Eq { fold::not(answered, span) } else { answered })
            }
            (Term::Default(at), other) | (other, Term::Default(at)) => {
                let other = other.span();
                self.fail(
                    Diagnostic::new(
                        Code::WrongUseOfName,
                        "`default` can only be compared with `reply`",
                        at,
                        "not a value",
                    )
                    .label(other, "this is not `reply`"),
                )
            }
            (Term::EitherPort(at), other) => self.compare_ports(op, at, other, span),
            (other, Term::EitherPort(at)) => self.compare_ports(mirrored(op), at, other, span),
            (Term::Value(left), Term::Value(right)) => self.compare(op, left, right, span),
            (left, right) => {
                self.fail(mismatch(left.ty(), right.ty(), left.span(), right.span(), "compared"))
            }
        }
    }

    fn compare_role(&mut self, op: CompareOp, role: Role, span: Span) -> Option<Expr> {
        let other = if role == Role::Client { Role::Server } else { Role::Client };
        match op {
            CompareOp::Eq => Some(self.is_role(role, span)),
            CompareOp::Ne => Some(self.is_role(other, span)),
            _ => self.fail(unordered(Type::Role, span)),
        }
    }

    /// `port op other`: of one of the ports, or for `!=` of both.
    fn compare_ports(&mut self, op: CompareOp, at: Span, other: Term, span: Span) -> Option<Expr> {
        let other = self.as_value(other)?;
        let (local, remote) = access::both_ports(at)?;
        let local = self.compare(op, local, other.clone(), span)?;
        let remote = self.compare(op, remote, other, span)?;
        Some(fold::junction(op == CompareOp::Ne, vec![local, remote], span))
    }

    /// `left op right` of two values.
    pub(super) fn compare(&mut self, op: CompareOp, left: Expr, right: Expr, span: Span) -> Option<Expr> {
        let (left, right, ty) = self.unify(left, right, "compared")?;
        let equality = matches!(op, CompareOp::Eq | CompareOp::Ne);
        if !equality && (matches!(ty, Type::Bool | Type::Ip | Type::Name | Type::State | Type::Family)) {
            return self.fail(unordered(ty, span));
        }
        if ty == Type::Name {
            return self.compare_names(op, left, right, span);
        }
        let known = fold::constant(&left).is_some() && fold::constant(&right).is_some();
        if !known && ty != Type::Ip {
            self.warn_if_decided(op, &left, &right, span);
        }
        Some(fold::compare(op, left, right, span))
    }

    /// Names are compared with a constant, which goes to the right.
    fn compare_names(&mut self, op: CompareOp, left: Expr, right: Expr, span: Span) -> Option<Expr> {
        match (fold::constant(&left), fold::constant(&right)) {
            (Some(_), None) => Some(fold::compare(op, right, left, span)),
            (None, None) => self.fail(
                Diagnostic::new(
                    Code::OperatorType,
                    "a name can only be compared with a constant",
                    span,
                    "neither side is a constant",
                )
                .help("compare each with a name in quotes: `congestion == \"cubic\"`"),
            ),
            _ => Some(fold::compare(op, left, right, span)),
        }
    }

    /// Warns when the values that both sides can have leave one answer.
    fn warn_if_decided(&mut self, op: CompareOp, left: &Expr, right: &Expr, span: Span) {
        let (a, b) = (range::of(left), range::of(right));
        let Some(answer) = decided(op, a, b) else { return };
        let always = if answer { "always" } else { "never" };
        let mut warning = Diagnostic::new(
            Code::ConstantTest,
            format!("this comparison {always} holds"),
            span,
            format!("{always} holds"),
        );
        for (side, (low, high)) in [(left, a), (right, b)] {
            if fold::constant(side).is_none() && (low, high) != (0, u64::MAX) {
                let text = self.source.slice(side.span);
                let (low, high) = (show(side.ty, low), show(side.ty, high));
                warning = warning.note(format!("`{text}` is {low} to {high}"));
            }
        }
        self.report(warning);
    }
}

/// The checked operator of a written one; `and` and `or` are none.
fn operator(op: BinaryOp) -> Option<Op> {
    Some(match op {
        BinaryOp::And | BinaryOp::Or => return None,
        BinaryOp::Eq => Op::Compare(CompareOp::Eq),
        BinaryOp::Ne => Op::Compare(CompareOp::Ne),
        BinaryOp::Lt => Op::Compare(CompareOp::Lt),
        BinaryOp::Le => Op::Compare(CompareOp::Le),
        BinaryOp::Gt => Op::Compare(CompareOp::Gt),
        BinaryOp::Ge => Op::Compare(CompareOp::Ge),
        BinaryOp::BitOr => Op::Arith(ArithOp::Or),
        BinaryOp::BitXor => Op::Arith(ArithOp::Xor),
        BinaryOp::BitAnd => Op::Arith(ArithOp::And),
        BinaryOp::Shl => Op::Arith(ArithOp::Shl),
        BinaryOp::Shr => Op::Arith(ArithOp::Shr),
        BinaryOp::Add => Op::Arith(ArithOp::Add),
        BinaryOp::Sub => Op::Arith(ArithOp::Sub),
        BinaryOp::Mul => Op::Arith(ArithOp::Mul),
        BinaryOp::Div => Op::Arith(ArithOp::Div),
        BinaryOp::Rem => Op::Arith(ArithOp::Rem),
    })
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

/// The answer of a comparison, if the ranges of both sides leave one.
fn decided(op: CompareOp, a: range::Range, b: range::Range) -> Option<bool> {
    match op {
        CompareOp::Lt if a.1 < b.0 => Some(true),
        CompareOp::Lt if a.0 >= b.1 => Some(false),
        CompareOp::Le if a.1 <= b.0 => Some(true),
        CompareOp::Le if a.0 > b.1 => Some(false),
        CompareOp::Gt | CompareOp::Ge => decided(mirrored(op), b, a),
        CompareOp::Eq if a.1 < b.0 || b.1 < a.0 => Some(false),
        CompareOp::Ne if a.1 < b.0 || b.1 < a.0 => Some(true),
        _ => None,
    }
}

fn unordered(ty: Type, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::OperatorType,
        format!("{} is not larger or smaller than another", words::a(ty)),
        span,
        "has no order",
    )
    .help("compare it with `==` or `!=`")
}
