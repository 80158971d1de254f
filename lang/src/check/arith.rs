//! Arithmetic: which quantities add, scale and divide, and what comes out.

use tcpc_stdlib::unit::Type;

use super::expr::name_in_motion;
use super::fold::{self, FoldError};
use super::types::{has_unit, mismatch, retype};
use super::{Checker, range, words};
use crate::diag::{Code, Diagnostic};
use crate::hir::{ArithOp, Expr, ExprKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `left op right` of two quantities.
    pub(super) fn arithmetic(&mut self, op: ArithOp, left: Expr, right: Expr, span: Span) -> Option<Expr> {
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
            return self.fail(self.unknown_yet(&share, share.span));
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
        _ if matches!(side.ty, Type::Ip | Type::Prefix) => {
            diagnostic.help("addresses are compared with `==` and looked up with `in`")
        }
        _ => diagnostic,
    }
}
