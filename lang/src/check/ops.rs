//! Operators: which types they take, and what type they make.

use tcpc_stdlib::unit::Type;

use super::expr::name_in_motion;
use super::fold::{self, FoldError};
use super::types::{has_unit, mismatch, retype};
use super::{Checker, Term, access, range, words};
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

    /// `left op right` of two quantities.
    fn arithmetic(&mut self, op: ArithOp, left: Expr, right: Expr, span: Span) -> Option<Expr> {
        // Ports are numbers as soon as something is computed from them.
        let plain = |expr: Expr| if expr.ty == Type::Port { retype(expr, Type::Int) } else { expr };
        let (left, right) = (plain(left), plain(right));
        if left.ty == Type::Name || right.ty == Type::Name {
            return self.fail(name_in_motion(span));
        }
        match op {
            ArithOp::Add | ArithOp::Sub => {
                let doing = if op == ArithOp::Add { "added" } else { "subtracted" };
                let (left, right, ty) = self.unify_quantities(op, left, right, doing, span)?;
                self.finish(op, left, right, ty, span)
            }
            ArithOp::Mul => self.product(left, right, span),
            ArithOp::Div | ArithOp::Rem => self.quotient(op, left, right, span),
            ArithOp::And | ArithOp::Or | ArithOp::Xor | ArithOp::Shl | ArithOp::Shr => {
                for side in [&left, &right] {
                    if !is_count(side.ty) {
                        return self.fail(no_operator(op, side, span));
                    }
                }
                self.finish(op, left, right, Type::Int, span)
            }
        }
    }

    fn unify_quantities(
        &mut self,
        op: ArithOp,
        left: Expr,
        right: Expr,
        doing: &str,
        span: Span,
    ) -> Option<(Expr, Expr, Type)> {
        for side in [&left, &right] {
            if !is_count(side.ty) && !has_unit(side.ty) {
                return self.fail(no_operator(op, side, span));
            }
        }
        self.unify(left, right, doing)
    }

    fn product(&mut self, left: Expr, right: Expr, span: Span) -> Option<Expr> {
        let ty = match (left.ty, right.ty) {
            (Type::Percent, b) if is_count(b) || (has_unit(b) && b != Type::Percent) => {
                return self.share_of(right, left, span);
            }
            (a, Type::Percent) if is_count(a) || (has_unit(a) && a != Type::Percent) => {
                return self.share_of(left, right, span);
            }
            (a, b) if has_unit(a) && is_count(b) => a,
            (a, b) if is_count(a) && has_unit(b) => b,
            (Type::Int, Type::Int) => Type::Int,
            (a, b) if is_count(a) && is_count(b) => Type::Packets,
            (a, b) if has_unit(a) && has_unit(b) => {
                return self.fail(
                    Diagnostic::new(
                        Code::OperatorType,
                        format!("{} times {} has no unit in this language", words::a(a), words::a(b)),
                        span,
                        "cannot be multiplied",
                    )
                    .help("multiply with a plain number"),
                );
            }
            (a, _) => {
                let wrong = if is_count(a) || has_unit(a) { &right } else { &left };
                return self.fail(no_operator(ArithOp::Mul, wrong, span));
            }
        };
        self.finish(ArithOp::Mul, left, right, ty, span)
    }

    /// `quantity * 50%`: a multiplication and a division by small numbers, which do not overflow.
    fn share_of(&mut self, quantity: Expr, share: Expr, span: Span) -> Option<Expr> {
        const MILLION: u64 = 1_000_000;
        let Some(share) = fold::constant_number(&share) else {
            return self.fail(super::names::not_constant(share.span));
        };
        let millionths = (u128::from(share) * u128::from(MILLION) + (1 << 31)) >> 32;
        let millionths = u64::try_from(millionths).unwrap_or(u64::MAX);
        let divisor = gcd(millionths, MILLION).max(1);
        let ty = quantity.ty;
        let constant = |value| fold::number(value, Type::Int, span);
        let times = self.finish(ArithOp::Mul, quantity, constant(millionths / divisor), ty, span)?;
        match MILLION / divisor {
            1 => Some(times),
            denominator => self.finish(ArithOp::Div, times, constant(denominator), ty, span),
        }
    }

    fn quotient(&mut self, op: ArithOp, left: Expr, right: Expr, span: Span) -> Option<Expr> {
        let rest = op == ArithOp::Rem;
        let ty = match (left.ty, right.ty) {
            (a, b) if a == b && has_unit(a) => {
                if rest {
                    a
                } else {
                    Type::Int
                }
            }
            (a, b) if has_unit(a) && is_count(b) && !rest => a,
            (Type::Packets, Type::Int) => Type::Packets,
            (Type::Packets, Type::Packets) if rest => Type::Packets,
            (a, b) if is_count(a) && is_count(b) => Type::Int,
            (a, b) => {
                let wrong = [(a, &left), (b, &right)];
                let wrong = wrong.iter().find(|(ty, _)| !is_count(*ty) && !has_unit(*ty));
                return match wrong {
                    Some((_, side)) => self.fail(no_operator(op, side, span)),
                    None => self.fail(mismatch(a, b, left.span, right.span, "divided")),
                };
            }
        };
        if fold::constant(&right).is_none() && range::of(&right).0 == 0 {
            let text = self.source.slice(right.span).to_string();
            let result = if rest { "the left side" } else { "0" };
            self.report(
                Diagnostic::new(
                    Code::ZeroDivisor,
                    format!("`{text}` can be zero, and then the result is {result}"),
                    right.span,
                    "can be zero",
                )
                .help(format!("`max({text}, {})` cannot", one(right.ty))),
            );
        }
        self.finish(op, left, right, ty, span)
    }

    fn finish(&mut self, op: ArithOp, left: Expr, right: Expr, ty: Type, span: Span) -> Option<Expr> {
        let divisor = right.span;
        match fold::arith(op, left, right, ty, span) {
            Ok(expr) => Some(expr),
            Err(FoldError::Overflow) => self.fail(Diagnostic::new(
                Code::ConstantOverflow,
                "this constant does not fit into 64 bits",
                span,
                "too large",
            )),
            Err(FoldError::ZeroDivisor) => {
                self.fail(Diagnostic::new(Code::DivisionByZero, "division by zero", divisor, "this is zero"))
            }
        }
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

/// Whether numbers of a type are plain counts.
fn is_count(ty: Type) -> bool {
    matches!(ty, Type::Int | Type::Packets)
}

fn one(ty: Type) -> &'static str {
    match ty {
        Type::Duration => "1us",
        Type::Size => "1B",
        Type::Rate => "1Kbps",
        _ => "1",
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
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

fn no_operator(op: ArithOp, side: &Expr, span: Span) -> Diagnostic {
    let op = op.text();
    let diagnostic = Diagnostic::new(
        Code::OperatorType,
        format!("`{op}` cannot be used with {}", words::a(side.ty)),
        span,
        "",
    )
    .label(side.span, format!("this is {}", words::a(side.ty)));
    match (op, &side.kind) {
        ("|" | "&", ExprKind::Compare(..)) => diagnostic.help("conditions are joined by `and` and `or`"),
        _ => diagnostic,
    }
}
