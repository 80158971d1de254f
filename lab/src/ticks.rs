//! Durations that the kernel counts in ticks, in expectations: a test that says nothing of ticks is written for 1000 a
//! second, where milliseconds are whole. Elsewhere what it says is compared as a loader rounds it.

use tcpc_lang::hir::{Expr, ExprKind, Value};
use tcpc_stdlib::option::Readback;
use tcpc_stdlib::unit::{Unit, jiffies, jiffies_to_nanos};

/// The expectation, with the constants that are compared with an answer or an option in ticks rounded up to whole ticks.
pub fn rounded(expr: &Expr, hz: u32) -> Expr {
    let both = |left: &Expr, right: &Expr| (Box::new(rounded(left, hz)), Box::new(rounded(right, hz)));
    let kind = match &expr.kind {
        ExprKind::Not(operand) => ExprKind::Not(Box::new(rounded(operand, hz))),
        ExprKind::And(left, right) => {
            let (left, right) = both(left, right);
            ExprKind::And(left, right)
        }
        ExprKind::Or(left, right) => {
            let (left, right) = both(left, right);
            ExprKind::Or(left, right)
        }
        ExprKind::Compare(op, left, right) => {
            let (left, right) = match (in_ticks(left), in_ticks(right)) {
                (true, false) => (left.clone(), Box::new(constant(right, hz))),
                (false, true) => (Box::new(constant(left, hz)), right.clone()),
                _ => (left.clone(), right.clone()),
            };
            ExprKind::Compare(*op, left, right)
        }
        other => other.clone(),
    };
    Expr { kind, ..expr.clone() }
}

fn in_ticks(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Option(option) => option.readback == Readback::Jiffies,
        ExprKind::Reply(event) => event.reply.is_some_and(|reply| reply.unit == Unit::Jiffies),
        _ => false,
    }
}

fn constant(expr: &Expr, hz: u32) -> Expr {
    match &expr.kind {
        ExprKind::Const(Value::Number(nanos)) => {
            let number = jiffies_to_nanos(jiffies(*nanos, hz), hz);
            Expr { kind: ExprKind::Const(Value::Number(number)), ..expr.clone() }
        }
        _ => expr.clone(),
    }
}
