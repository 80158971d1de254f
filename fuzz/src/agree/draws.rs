//! What is drawn at random where a policy compares it: chance alone would hardly meet an edge.

use tcpc_lang::hir::{Expr, ExprKind, Program, Value};
use tcpc_stdlib::builtin::BuiltinId;

/// The numbers that draws are compared with, and those before them.
pub fn compared_with(program: &Program) -> Vec<u32> {
    let mut shares: Vec<u64> = Vec::new();
    for rule in &program.rules {
        shares.extend(rule.sample);
        rule.any(program, &mut |expr| {
            match &expr.kind {
                ExprKind::Sampled(share) => shares.push(*share),
                ExprKind::Call(BuiltinId::Sample, args) => shares.extend(args.iter().filter_map(constant)),
                _ => {}
            }
            false
        });
    }
    let arms = program.experiments.iter().flat_map(|experiment| &experiment.arms);
    shares.extend(arms.flat_map(|arm| [arm.low, arm.high]));
    let beside = shares.iter().flat_map(|share| [*share, share.saturating_sub(1)]);
    beside.filter_map(|share| u32::try_from(share).ok()).collect()
}

fn constant(expr: &Expr) -> Option<u64> {
    match expr.kind {
        ExprKind::Const(Value::Number(number)) => Some(number),
        _ => None,
    }
}
