//! The names in an expectation that did not hold, with what was found for each in the kernel.

use tcpc_lang::hir::{Expr, ExprKind};
use tcpc_lang::show::show_value;
use tcpc_runtime::eval::{Evaluator, World};
use tcpc_runtime::report::Actual;
use tcpc_stdlib::unit::Type;

use crate::bench::Bench;

/// Each name once, in the order of the text.
pub fn actual(expr: &Expr, bench: &mut Bench<'_>) -> Vec<Actual> {
    let mut actual: Vec<Actual> = Vec::new();
    let mut leaves = Vec::new();
    collect(expr, &mut leaves);
    for leaf in leaves {
        let name = bench.source.slice(leaf.span).to_owned();
        if actual.iter().all(|known| known.name != name) {
            let value = value(leaf, bench);
            actual.push(Actual { name, value });
        }
    }
    actual
}

fn collect<'a>(expr: &'a Expr, leaves: &mut Vec<&'a Expr>) {
    match &expr.kind {
        ExprKind::Const(_) | ExprKind::Local(_) => {}
        ExprKind::Not(operand) => collect(operand, leaves),
        ExprKind::And(left, right)
        | ExprKind::Or(left, right)
        | ExprKind::Compare(_, left, right)
        | ExprKind::Arith(_, left, right) => {
            collect(left, leaves);
            collect(right, leaves);
        }
        _ => leaves.push(expr),
    }
}

fn value(leaf: &Expr, bench: &mut Bench<'_>) -> String {
    let is_reply = matches!(leaf.kind, ExprKind::Reply(_) | ExprKind::HasReply);
    if is_reply && !bench.has_reply() {
        return "default: no rule answered".to_owned();
    }
    let program = bench.program;
    match Evaluator::new(program, bench).value(leaf) {
        Ok(value) if leaf.ty == Type::Packets => format!("{} packets", show_value(leaf.ty, &value)),
        Ok(value) => show_value(leaf.ty, &value),
        Err(why) => format!("not known: {why}"),
    }
}
