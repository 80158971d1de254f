//! The names in an expectation that did not hold, with what was found for each.

use tcpc_lang::hir::{Expr, ExprKind, Program, Role};
use tcpc_lang::show::{show, show_value};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::unit::Type;

use super::bench::Bench;
use super::engine::Engine;
use crate::eval::{Evaluator, World};
use crate::report::Actual;

/// Each name once, in the order of the text.
pub fn actual<E: Engine>(expr: &Expr, bench: &mut Bench<'_, E>, source: &SourceFile) -> Vec<Actual> {
    let mut leaves = Vec::new();
    collect(expr, &mut leaves);
    let mut actual: Vec<Actual> = Vec::new();
    for leaf in leaves {
        let name = name(leaf, bench.program, source);
        if actual.iter().all(|known| known.name != name) {
            actual.push(Actual { name, value: value(leaf, bench) });
        }
    }
    actual
}

fn collect<'a>(expr: &'a Expr, leaves: &mut Vec<&'a Expr>) {
    match &expr.kind {
        ExprKind::Const(_) | ExprKind::Local(_) => {}
        ExprKind::Not(operand) | ExprKind::In(operand, _) | ExprKind::InMutable(operand, _) => {
            collect(operand, leaves)
        }
        ExprKind::Let(_, left, right)
        | ExprKind::And(left, right)
        | ExprKind::Or(left, right)
        | ExprKind::Compare(_, left, right)
        | ExprKind::Arith(_, left, right) => {
            collect(left, leaves);
            collect(right, leaves);
        }
        ExprKind::If(condition, then, otherwise) => {
            for part in [condition, then, otherwise] {
                collect(part, leaves);
            }
        }
        ExprKind::Call(_, args) if !args.is_empty() => args.iter().for_each(|arg| collect(arg, leaves)),
        _ => leaves.push(expr),
    }
}

/// A name as a policy writes it, where it stands in the text or in what is put in for another name.
pub fn name(leaf: &Expr, program: &Program, source: &SourceFile) -> String {
    match &leaf.kind {
        ExprKind::Field(field) => field.name.to_string(),
        ExprKind::Option(option) => option.name.to_string(),
        ExprKind::Arg(_, arg) => arg.name.to_string(),
        ExprKind::Reply(_) | ExprKind::HasReply => "reply".to_string(),
        ExprKind::IsRole(_) => "role".to_string(),
        ExprKind::Counter(id) => {
            let counter = program.counters.get(id.index());
            format!("counter {}", counter.map_or("", |counter| &counter.name))
        }
        ExprKind::RuleHits(id) => {
            let rule = program.rules.get(id.index());
            format!("rule {}", rule.map_or("", |rule| &rule.name))
        }
        _ => source.slice(leaf.span).to_string(),
    }
}

fn value<E: Engine>(leaf: &Expr, bench: &mut Bench<'_, E>) -> String {
    let unanswered = matches!(leaf.kind, ExprKind::Reply(_) | ExprKind::HasReply) && !bench.has_reply();
    match leaf.kind {
        _ if unanswered => return "default: no rule answered".to_string(),
        ExprKind::HasReply => return "given by a rule".to_string(),
        ExprKind::IsRole(_) => return show(Type::Role, u64::from(bench.role() == Role::Server)),
        _ => {}
    }
    let program = bench.program;
    match Evaluator::new(program, bench).value(leaf) {
        Ok(value) if leaf.ty == Type::Packets => format!("{} packets", show_value(leaf.ty, &value)),
        Ok(value) => show_value(leaf.ty, &value),
        Err(why) => format!("not known: {why}"),
    }
}
