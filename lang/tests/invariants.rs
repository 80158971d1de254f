//! What `hir` says of a valid program holds for all that the checker lets pass.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_lang::analyze;
use tcpc_lang::hir::*;
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::unit::Type;

const SAMPLES: &[&str] = &[
    include_str!("typed/datacenter.tcp"),
    include_str!("typed/expressions.tcp"),
    include_str!("typed/kernel_has.tcp"),
    include_str!("typed/measures.tcp"),
    include_str!("typed/experiment.tcp"),
    include_str!("typed/statements.tcp"),
    include_str!("typed/params.tcp"),
    include_str!("typed/tests.tcp"),
];

fn expr(program: &Program, node: &Expr) {
    let is_bool = |node: &Expr| assert_eq!(node.ty, Type::Bool, "{node:?}");
    match &node.kind {
        ExprKind::Const(Value::Number(_)) => assert!(!matches!(node.ty, Type::Ip | Type::Name), "{node:?}"),
        ExprKind::Const(Value::Ip(_)) => assert_eq!(node.ty, Type::Ip),
        ExprKind::Const(Value::Name(_)) => assert_eq!(node.ty, Type::Name),
        ExprKind::Local(id) => {
            assert!(!matches!(program.locals[id.index()].ty, Type::Prefix | Type::Name | Type::Role));
        }
        ExprKind::Let(id, value, body) => {
            assert_eq!(program.locals[id.index()].ty, value.ty, "{node:?}");
            expr(program, value);
            expr(program, body);
            assert_eq!(node.ty, body.ty, "{node:?}");
        }
        ExprKind::InArm(id, arm, keys) => {
            is_bool(node);
            let experiment = &program.experiments[id.index()];
            assert!(usize::from(*arm) < experiment.arms.len());
            assert_eq!(experiment.arms.first().unwrap().low, 0);
            assert_eq!(experiment.arms.last().unwrap().high, 1 << 32);
            assert!(experiment.arms.windows(2).all(|pair| pair[0].high == pair[1].low));
            assert_eq!(keys.len(), experiment.keys.len());
            for (key, part) in keys.iter().zip(&experiment.keys) {
                assert_eq!(key.ty, part.ty);
                expr(program, key);
            }
        }
        ExprKind::Not(operand) => {
            is_bool(node);
            is_bool(operand);
            expr(program, operand);
        }
        ExprKind::And(left, right) | ExprKind::Or(left, right) => {
            [node, left, right].into_iter().for_each(is_bool);
            expr(program, left);
            expr(program, right);
        }
        ExprKind::Compare(op, left, right) => {
            is_bool(node);
            assert_eq!(left.ty, right.ty, "{node:?}");
            if matches!(left.ty, Type::Ip | Type::Name) {
                assert!(matches!(op, CompareOp::Eq | CompareOp::Ne), "{node:?}");
            }
            assert!(left.ty != Type::Name || matches!(right.kind, ExprKind::Const(_)), "{node:?}");
            expr(program, left);
            expr(program, right);
        }
        ExprKind::Arith(_, left, right) => {
            for side in [node, left, right] {
                let scalar =
                    [Type::Int, Type::Packets, Type::Duration, Type::Size, Type::Rate, Type::Percent];
                assert!(scalar.contains(&side.ty), "{node:?}");
            }
            expr(program, left);
            expr(program, right);
        }
        ExprKind::If(condition, then, otherwise) => {
            is_bool(condition);
            assert_eq!(then.ty, otherwise.ty, "{node:?}");
            [condition, then, otherwise].into_iter().for_each(|part| expr(program, part));
        }
        ExprKind::Call(id, args) => {
            let count = match id {
                BuiltinId::Min | BuiltinId::Max => 2..3,
                BuiltinId::Clamp => 3..4,
                BuiltinId::Sample => 1..2,
                BuiltinId::Hash => 1..usize::MAX,
                BuiltinId::Now | BuiltinId::Random | BuiltinId::SynTos => 0..1,
                other => panic!("{other:?} has a node of its own"),
            };
            assert!(count.contains(&args.len()), "{node:?}");
            if matches!(id, BuiltinId::Min | BuiltinId::Max | BuiltinId::Clamp) {
                assert!(args.iter().all(|arg| arg.ty == node.ty), "{node:?}");
            }
            args.iter().for_each(|arg| expr(program, arg));
        }
        ExprKind::SamePrefix { v4, v6 } => {
            is_bool(node);
            assert!(v4.is_none_or(|bits| bits <= 32) && v6.is_none_or(|bits| bits <= 128));
        }
        ExprKind::In(element, id) => {
            is_bool(node);
            let set = &program.sets[id.index()];
            let plain = set.element == Type::Int && matches!(element.ty, Type::Port | Type::Packets);
            assert!(set.element == element.ty || plain || set.ranges.is_empty(), "{node:?} {set:?}");
            expr(program, element);
        }
        ExprKind::InMutable(element, id) => {
            is_bool(node);
            let ports = program.mutable_sets[id.index()].element == Type::Port;
            let fits =
                if ports { matches!(element.ty, Type::Port | Type::Int) } else { element.ty == Type::Ip };
            assert!(fits, "{node:?}");
            expr(program, element);
        }
        ExprKind::Param(id, range) => {
            let param = &program.params[id.index()];
            assert_eq!(param.range, *range);
            assert!((range.0..=range.1).contains(&param.default), "{param:?}");
        }
        ExprKind::Option(_)
        | ExprKind::Field(_)
        | ExprKind::Arg(..)
        | ExprKind::IsRole(_)
        | ExprKind::Sampled(_) => {}
        ExprKind::KernelHas(_) | ExprKind::IsSegment(_) | ExprKind::Received(_) => is_bool(node),
        ExprKind::HeaderField(id, field) => {
            assert_eq!(node.ty, Type::Int);
            assert!(usize::from(*field) < program.headers[id.index()].fields.len());
        }
        ExprKind::Cell(at, cell) => {
            let cells = row(program, at);
            assert_eq!(cells[usize::from(*cell)].ty, node.ty);
        }
        ExprKind::Reply(event) => assert_eq!(event.reply.unwrap().ty, node.ty),
        ExprKind::HasReply => is_bool(node),
        ExprKind::Counter(id) => assert_eq!(program.counters[id.index()].key, None),
        ExprKind::Observed(id) => assert!(id.index() < program.histograms.len()),
        ExprKind::Emitted(id) => assert!(id.index() < program.records.len()),
        ExprKind::RecordField(id, field) => {
            assert_eq!(program.records[id.index()].fields[usize::from(*field)].ty, node.ty);
        }
        ExprKind::RuleHits(id) => assert!(id.index() < program.rules.len()),
    }
}

/// The cells of a row, whose key fits.
fn row<'p>(program: &'p Program, row: &Row) -> &'p [Cell] {
    let Row::Table(id, keys) = row else { return &program.flow.as_ref().unwrap().cells };
    let table = &program.tables[id.index()];
    assert_eq!(keys.len(), table.keys.len());
    for (key, part) in keys.iter().zip(&table.keys) {
        assert_eq!(key.ty, part.ty);
        expr(program, key);
    }
    &table.cells
}

fn block(program: &Program, rule: &Rule, id: RuleId, statements: &[Stmt]) {
    for statement in statements {
        match &statement.kind {
            StmtKind::Assign(ids) => {
                assert!(!ids.is_empty());
                for (index, assignment) in ids.iter().map(|id| &program.assignments[id.index()]).enumerate() {
                    assert_eq!(assignment.rule, id);
                    assert_eq!(assignment.has_fallback, index + 1 < ids.len());
                    assert_eq!(assignment.value.ty, assignment.option.ty);
                    expr(program, &assignment.value);
                    if let ExprKind::Const(Value::Number(value)) = assignment.value.kind {
                        let scale = assignment.option.unit.scale().unwrap();
                        assert!(value.is_multiple_of(scale), "{assignment:?}");
                        let raw = i64::try_from(value / scale).unwrap();
                        assert!((assignment.option.min..=assignment.option.max).contains(&raw));
                    }
                }
            }
            StmtKind::Open(id, arm) => {
                assert!(usize::from(*arm) < program.experiments[id.index()].arms.len());
            }
            StmtKind::Outcome(id, arm, values) => {
                let experiment = &program.experiments[id.index()];
                assert!(usize::from(*arm) < experiment.arms.len());
                assert_eq!(values.len(), experiment.metrics.len());
                values.iter().for_each(|value| expr(program, value));
            }
            StmtKind::Send(id) => {
                program.sends[id.index()].values.iter().for_each(|value| expr(program, value))
            }
            StmtKind::SetField(field, value) => {
                assert!(field.writable && field.unit.scale() == Some(1));
                assert_eq!(value.ty, field.ty);
                expr(program, value);
            }
            StmtKind::Change { row: at, cell, op, value } => {
                let cell = &row(program, at)[usize::from(*cell)];
                assert_eq!(cell.ty, value.ty);
                if let Row::Table(id, _) = at {
                    let table = &program.tables[id.index()];
                    assert!(!table.per_cpu || *op == ChangeOp::Add);
                    assert!(table.locked || *op != ChangeOp::Sub);
                }
                expr(program, value);
            }
            StmtKind::Count(id, key) => {
                assert_eq!(program.counters[id.index()].key, key.as_ref().map(|key| key.ty));
                key.iter().for_each(|key| expr(program, key));
            }
            StmtKind::Observe(id, value) => {
                assert_eq!(program.histograms[id.index()].ty, value.ty);
                expr(program, value);
            }
            StmtKind::Emit(id, values) => {
                let fields = program.records[id.index()].fields.iter();
                assert!(fields.map(|field| field.ty).eq(values.iter().map(|value| value.ty)));
                values.iter().for_each(|value| expr(program, value));
            }
            StmtKind::Let(id, value) => {
                assert_eq!(program.locals[id.index()].ty, value.ty);
                expr(program, value);
            }
            StmtKind::If(condition, then, otherwise) => {
                assert_eq!(condition.ty, Type::Bool);
                expr(program, condition);
                block(program, rule, id, then);
                block(program, rule, id, otherwise);
            }
            StmtKind::Stop => {}
            StmtKind::Reply(ReplyValue::Typed(value)) => {
                assert!(rule.events.iter().all(|event| event.reply.unwrap().ty == value.ty));
                expr(program, value);
            }
            StmtKind::Reply(ReplyValue::Raw(value)) => {
                assert!(rule.events.iter().all(|event| event.reply.unwrap().ty == Type::Duration));
                assert_eq!(value.ty, Type::Int);
                expr(program, value);
            }
        }
    }
}

fn steps(program: &Program, list: &[Step]) {
    for step in list {
        match step {
            Step::Expect(expect) => {
                assert_eq!(expect.ty, Type::Bool);
                expr(program, expect);
            }
            Step::Connection { steps: inner, .. } => steps(program, inner),
            Step::Given(_) | Step::Fire { .. } | Step::Transmit { .. } | Step::Advance(_) => {}
        }
    }
}

fn program(program: &Program) {
    for set in &program.sets {
        assert!(set.ranges.iter().all(|(low, high)| low <= high), "{set:?}");
        assert!(set.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{set:?}");
    }
    for (index, rule) in program.rules.iter().enumerate() {
        assert!(!rule.events.is_empty());
        if let Some(condition) = &rule.condition {
            assert_eq!(condition.ty, Type::Bool);
            expr(program, condition);
        }
        block(program, rule, RuleId(index as u32), &rule.body);
    }
    program.tests.iter().for_each(|test| steps(program, &test.steps));
}

#[test]
fn valid_programs_keep_the_invariants() {
    // xorshift64: the same texts in every run.
    let mut state = 0xbeef_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let mut valid = 0;
    for round in 0..1500 {
        let mut words: Vec<&str> = SAMPLES[round % SAMPLES.len()].split(' ').collect();
        for _ in 0..round % 3 {
            let (at, from) = (below(words.len()), below(words.len()));
            words[at] = words[from];
        }
        let analysis = analyze(&SourceFile::new("invariants.tcp", words.join(" ")));
        if analysis.is_valid() {
            valid += 1;
            program(&analysis.program);
        }
    }
    assert!(valid > 500, "only {valid} of the texts were valid");
}
