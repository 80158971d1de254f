//! What a policy looks at: that alone must be as a test gives it.

use std::collections::BTreeSet;

use tcpc_lang::hir::{Expr, ExprKind, Program};
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::Event;

/// The kernel names of the fields that the rules of an event read.
pub fn fields_in(program: &Program, event: &Event) -> BTreeSet<&'static str> {
    let mut fields = BTreeSet::new();
    for rule in &program.rules {
        if rule.events.iter().any(|one| one.number == event.number) {
            rule.any(program, &mut |expr| keep(expr, &mut fields));
        }
    }
    fields
}

/// The kernel names of the fields that an expression reads.
pub fn fields_of(expr: &Expr) -> BTreeSet<&'static str> {
    let mut fields = BTreeSet::new();
    expr.any(&mut |expr| keep(expr, &mut fields));
    fields
}

fn keep(expr: &Expr, fields: &mut BTreeSet<&'static str>) -> bool {
    if let ExprKind::Field(field) = &expr.kind {
        fields.insert(field.kernel);
    }
    false
}

/// Whether an expression reads a socket option.
pub fn reads_option(expr: &Expr, name: &str) -> bool {
    expr.any(&mut |expr| matches!(&expr.kind, ExprKind::Option(option) if option.name == name))
}

/// Fields that change while a program runs: a segment is counted when it comes in, also while the socket is at work on
/// another processor (`tcp_segs_in` in `tcp_v4_rcv`, which comes before `sock_owned_by_user`).
pub const COUNTED_ON_ARRIVAL: &[&str] = &["segs_in", "data_segs_in"];

/// Whether what the policy does depends on what is not the same twice: random numbers, the clock, and what comes in
/// meanwhile.
pub fn is_repeatable(program: &Program) -> bool {
    let changes = |expr: &Expr| match &expr.kind {
        ExprKind::Call(id, _) => matches!(id, BuiltinId::Random | BuiltinId::Sample | BuiltinId::Now),
        ExprKind::Field(field) => COUNTED_ON_ARRIVAL.contains(&field.kernel),
        _ => false,
    };
    !program.rules.iter().any(|rule| rule.any(program, &mut |expr| changes(expr)))
}
