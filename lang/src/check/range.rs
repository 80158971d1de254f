//! What values an expression can have: enough to know a divisor that is never zero and a comparison
//! whose answer is clear.

use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::unit::{Type, Unit};

use crate::hir::{ArithOp, Expr, ExprKind, LocalId, Value};

/// The smallest and the largest value, both included.
pub type Range = (u64, u64);

const ALL: Range = (0, u64::MAX);

/// The values of a scalar expression, in its canonical unit.
pub fn of(expr: &Expr) -> Range {
    of_where(expr, &|_| ALL)
}

/// The same where something is known of local names.
pub fn of_where(expr: &Expr, local: &dyn Fn(LocalId) -> Range) -> Range {
    let of = |expr: &Expr| of_where(expr, local);
    match &expr.kind {
        ExprKind::Local(id) => local(*id),
        ExprKind::Const(Value::Number(number)) => (*number, *number),
        ExprKind::Param(_, range) => *range,
        ExprKind::Field(field) => raw(field.size, field.ty, field.unit),
        ExprKind::Arg(_, arg) => raw(4, arg.ty, arg.unit),
        ExprKind::Arith(op, left, right) => arith(*op, of(left), of(right)),
        ExprKind::If(_, then, otherwise) => join(of(then), of(otherwise)),
        ExprKind::Let(_, _, body) => of(body),
        ExprKind::Call(id, args) => call(*id, args, &of),
        _ if expr.ty == Type::Bool => (0, 1),
        _ => ALL,
    }
}

fn raw(size: u8, ty: Type, unit: Unit) -> Range {
    let widest = if size == 8 { u64::MAX } else { u64::from(u32::MAX) };
    match (ty, unit.scale()) {
        (Type::Bool, _) => (0, 1),
        (Type::Port, _) => (0, u64::from(u16::MAX)),
        (_, Some(scale)) => (0, widest.saturating_mul(scale)),
        (_, None) => ALL,
    }
}

fn arith(op: ArithOp, left: Range, right: Range) -> Range {
    let exact = |low: Option<u64>, high: Option<u64>| low.zip(high).unwrap_or(ALL);
    match op {
        ArithOp::Add => exact(left.0.checked_add(right.0), left.1.checked_add(right.1)),
        ArithOp::Mul => exact(left.0.checked_mul(right.0), left.1.checked_mul(right.1)),
        ArithOp::Sub => (left.0.saturating_sub(right.1), left.1.saturating_sub(right.0)),
        ArithOp::Div if right.0 > 0 => (left.0 / right.1, left.1 / right.0),
        ArithOp::Rem if right.0 > 0 => (0, left.1.min(right.1 - 1)),
        ArithOp::Div | ArithOp::Rem => (0, left.1),
        ArithOp::And => (0, left.1.min(right.1)),
        ArithOp::Or => (left.0.max(right.0), u64::MAX),
        ArithOp::Shr => (0, left.1),
        ArithOp::Xor | ArithOp::Shl => ALL,
    }
}

fn call(id: BuiltinId, args: &[Expr], of: &dyn Fn(&Expr) -> Range) -> Range {
    match (id, args) {
        (BuiltinId::Min, [a, b]) => {
            let (a, b) = (of(a), of(b));
            (a.0.min(b.0), a.1.min(b.1))
        }
        (BuiltinId::Max, [a, b]) => {
            let (a, b) = (of(a), of(b));
            (a.0.max(b.0), a.1.max(b.1))
        }
        (BuiltinId::Clamp, [x, low, high]) => {
            let (x, low, high) = (of(x), of(low), of(high));
            (x.0.max(low.0).min(high.0), x.1.max(low.1).min(high.1))
        }
        (BuiltinId::Random | BuiltinId::Hash, _) => (0, u64::from(u32::MAX)),
        (BuiltinId::SynTos, _) => (0, u64::from(u8::MAX)),
        _ => ALL,
    }
}

fn join(a: Range, b: Range) -> Range {
    (a.0.min(b.0), a.1.max(b.1))
}
