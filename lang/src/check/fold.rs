//! Expressions built so that everything constant becomes a constant.
//!
//! The builders here take operands of the right types; what the types allow is decided in `ops`.

use crate::hir::{ArithOp, CompareOp, Expr, ExprKind, LocalId, Value};
use crate::source::Span;
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::unit::Type;

/// Why constant arithmetic has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldError {
    /// It does not fit into 64 bits.
    Overflow,
    /// It divides by zero.
    ZeroDivisor,
}

/// A constant scalar.
pub fn number(value: u64, ty: Type, span: Span) -> Expr {
    Expr { kind: ExprKind::Const(Value::Number(value)), ty, span }
}

/// `true` or `false`.
pub fn boolean(value: bool, span: Span) -> Expr {
    number(u64::from(value), Type::Bool, span)
}

/// An expression of type bool.
pub fn test(kind: ExprKind, span: Span) -> Expr {
    Expr { kind, ty: Type::Bool, span }
}

/// The value of a constant.
pub fn constant(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        ExprKind::Const(value) => Some(value),
        _ => None,
    }
}

/// The value of a constant scalar.
pub fn constant_number(expr: &Expr) -> Option<u64> {
    match constant(expr) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    }
}

/// The value of a constant bool.
pub fn constant_bool(expr: &Expr) -> Option<bool> {
    constant_number(expr).filter(|_| expr.ty == Type::Bool).map(|number| number != 0)
}

/// `left op right`.
pub fn arith(op: ArithOp, left: Expr, right: Expr, ty: Type, span: Span) -> Result<Expr, FoldError> {
    let divides = matches!(op, ArithOp::Div | ArithOp::Rem);
    if divides && constant_number(&right) == Some(0) {
        return Err(FoldError::ZeroDivisor);
    }
    match (constant_number(&left), constant_number(&right)) {
        (Some(a), Some(b)) => Ok(number(compute(op, a, b).ok_or(FoldError::Overflow)?, ty, span)),
        _ => Ok(Expr { kind: ExprKind::Arith(op, Box::new(left), Box::new(right)), ty, span }),
    }
}

/// The meaning of the operators; `None` where a result would wrap.
fn compute(op: ArithOp, a: u64, b: u64) -> Option<u64> {
    let shift = u32::try_from(b).unwrap_or(u32::MAX);
    match op {
        ArithOp::Add => a.checked_add(b),
        ArithOp::Sub => Some(a.saturating_sub(b)),
        ArithOp::Mul => a.checked_mul(b),
        ArithOp::Div => a.checked_div(b),
        ArithOp::Rem => a.checked_rem(b),
        ArithOp::And => Some(a & b),
        ArithOp::Or => Some(a | b),
        ArithOp::Xor => Some(a ^ b),
        ArithOp::Shl if a == 0 => Some(0),
        ArithOp::Shl => (shift <= a.leading_zeros()).then(|| a << shift),
        ArithOp::Shr => Some(a.checked_shr(shift).unwrap_or(0)),
    }
}

/// `left op right`, as a bool.
pub fn compare(op: CompareOp, left: Expr, right: Expr, span: Span) -> Expr {
    let folded = match (constant(&left), constant(&right)) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => Some(holds(op, a, b)),
        (Some(a), Some(b)) if op == CompareOp::Eq => Some(a == b),
        (Some(a), Some(b)) if op == CompareOp::Ne => Some(a != b),
        _ => None,
    };
    match folded {
        Some(value) => boolean(value, span),
        None => test(ExprKind::Compare(op, Box::new(left), Box::new(right)), span),
    }
}

/// Whether `a op b`.
pub fn holds<T: Ord>(op: CompareOp, a: T, b: T) -> bool {
    match op {
        CompareOp::Eq => a == b,
        CompareOp::Ne => a != b,
        CompareOp::Lt => a < b,
        CompareOp::Le => a <= b,
        CompareOp::Gt => a > b,
        CompareOp::Ge => a >= b,
    }
}

/// `not operand`; two cancel out, and a comparison is turned round.
pub fn not(operand: Expr, span: Span) -> Expr {
    if let Some(value) = constant_bool(&operand) {
        return boolean(!value, span);
    }
    match operand.kind {
        ExprKind::Not(inner) => Expr { span, ..*inner },
        ExprKind::Compare(op, left, right) => test(ExprKind::Compare(opposite(op), left, right), span),
        kind => test(ExprKind::Not(Box::new(test(kind, operand.span))), span),
    }
}

fn opposite(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::Ne,
        CompareOp::Ne => CompareOp::Eq,
        CompareOp::Lt => CompareOp::Ge,
        CompareOp::Le => CompareOp::Gt,
        CompareOp::Gt => CompareOp::Le,
        CompareOp::Ge => CompareOp::Lt,
    }
}

/// All of the operands (`all`), or any of them, as a tree of logarithmic depth.
///
/// Operands that do not matter are dropped; one that decides ends the list. None at all is `true`
/// for all, `false` for any.
pub fn junction(all: bool, operands: Vec<Expr>, span: Span) -> Expr {
    let mut kept = Vec::with_capacity(operands.len());
    for operand in operands {
        match constant_bool(&operand) {
            Some(value) if value == all => {}
            // What stands before it has no effects that could be missed.
            Some(value) => return boolean(value, span),
            None => kept.push(operand),
        }
    }
    balance(all, kept, span)
}

fn balance(all: bool, mut operands: Vec<Expr>, span: Span) -> Expr {
    if operands.len() < 2 {
        return match operands.pop() {
            Some(only) => only,
            None => boolean(all, span),
        };
    }
    let second_half = operands.split_off(operands.len().div_ceil(2));
    let left = Box::new(balance(all, operands, span));
    let right = Box::new(balance(all, second_half, span));
    let span = left.span.to(right.span);
    test(if all { ExprKind::And(left, right) } else { ExprKind::Or(left, right) }, span)
}

/// `if condition then a else b`; both have one type.
pub fn choose(condition: Expr, then: Expr, otherwise: Expr, span: Span) -> Expr {
    match constant_bool(&condition) {
        Some(true) => then,
        Some(false) => otherwise,
        None => {
            let ty = then.ty;
            let kind = ExprKind::If(Box::new(condition), Box::new(then), Box::new(otherwise));
            Expr { kind, ty, span }
        }
    }
}

/// `body` with a name for `value`.
pub fn bind(local: LocalId, value: Expr, body: Expr, span: Span) -> Expr {
    if constant(&body).is_some() {
        return body;
    }
    let ty = body.ty;
    Expr { kind: ExprKind::Let(local, Box::new(value), Box::new(body)), ty, span }
}

/// `min`, `max` or `clamp` of operands of one type.
pub fn extremum(id: BuiltinId, args: Vec<Expr>, ty: Type, span: Span) -> Expr {
    let numbers: Option<Vec<u64>> = args.iter().map(constant_number).collect();
    let folded = match (id, numbers.as_deref()) {
        (BuiltinId::Min, Some([a, b])) => Some(*a.min(b)),
        (BuiltinId::Max, Some([a, b])) => Some(*a.max(b)),
        (BuiltinId::Clamp, Some([x, low, high])) => Some(*x.max(low).min(high)),
        _ => None,
    };
    match folded {
        Some(value) => number(value, ty, span),
        None => Expr { kind: ExprKind::Call(id, args), ty, span },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn int(value: u64) -> Expr {
        number(value, Type::Int, Span::default())
    }

    fn folded(op: ArithOp, a: u64, b: u64) -> Result<u64, FoldError> {
        arith(op, int(a), int(b), Type::Int, Span::default()).map(|expr| constant_number(&expr).unwrap())
    }

    #[test]
    fn subtraction_stops_at_zero_and_overflow_is_an_error() {
        assert_eq!(folded(ArithOp::Sub, 3, 5), Ok(0));
        assert_eq!(folded(ArithOp::Add, u64::MAX, 1), Err(FoldError::Overflow));
        assert_eq!(folded(ArithOp::Mul, 1 << 40, 1 << 24), Err(FoldError::Overflow));
        assert_eq!(folded(ArithOp::Div, 1, 0), Err(FoldError::ZeroDivisor));
    }

    #[test]
    fn shifts_that_lose_bits_overflow_to_the_left_only() {
        assert_eq!(folded(ArithOp::Shl, 1, 63), Ok(1 << 63));
        assert_eq!(folded(ArithOp::Shl, 2, 63), Err(FoldError::Overflow));
        assert_eq!(folded(ArithOp::Shl, 0, 1000), Ok(0));
        assert_eq!(folded(ArithOp::Shr, 8, 64), Ok(0));
    }

    #[test]
    fn a_long_disjunction_is_shallow() {
        let leaf = || test(ExprKind::HasReply, Span::default());
        let tree = junction(false, (0..1024).map(|_| leaf()).collect(), Span::default());
        fn depth(expr: &Expr) -> usize {
            match &expr.kind {
                ExprKind::Or(a, b) => 1 + depth(a).max(depth(b)),
                _ => 0,
            }
        }
        assert_eq!(depth(&tree), 10);
    }

    #[test]
    fn one_false_decides_a_conjunction() {
        let unknown = test(ExprKind::HasReply, Span::default());
        let both = junction(true, vec![unknown, boolean(false, Span::default())], Span::default());
        assert_eq!(constant_bool(&both), Some(false));
    }
}
