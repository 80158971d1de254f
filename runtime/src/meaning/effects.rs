//! What statements do.

use tcpc_lang::hir::{
    AssignId, ChangeOp, CounterId, ExperimentId, Expr, HistogramId, RecordId, ReplyValue, Row, SendId, Stmt,
    StmtKind, Value,
};
use tcpc_lang::source::Span;
use tcpc_stdlib::event::Reply;
use tcpc_stdlib::kernel::{CONGESTION_NAME_MAX, TIMEOUT_INIT_MAX_SECONDS, errno_number};
use tcpc_stdlib::manifest::state::{HISTOGRAM_BUCKETS, OUTCOME_MAX, bucket};
use tcpc_stdlib::manifest::{COUNTER_ROWS, FAILURE_SLOTS};
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::{NANOS_PER_SECOND, Unit, jiffies};

use super::observe::{Effect, Observer};
use super::scene::Scene;
use super::{Flow, block};
use crate::eval::Evaluator;
use crate::kept::GivenRecord;
use crate::mock::{Errno, options};

type Eval<'e, 's, O> = Evaluator<'e, Scene<'s, O>>;

/// One statement, or several that change one row.
pub(super) fn perform<O: Observer>(eval: &mut Eval<O>, stmts: &[Stmt]) -> Result<Flow, String> {
    let Some(stmt) = stmts.first() else { return Ok(Flow::GoesOn) };
    match &stmt.kind {
        StmtKind::Assign(alternatives) => assign(eval, alternatives)?,
        StmtKind::SetField(field, value) => {
            let number = eval.number(value)?;
            let scene = eval.world();
            scene.world.write_field(field, number as u32);
            scene.tell(Effect::Wrote(field, number, stmt.span));
        }
        StmtKind::Send(id) => send(eval, *id)?,
        StmtKind::Change { row, .. } => change(eval, row, stmts)?,
        StmtKind::Open(experiment, arm) => open(eval.world(), *experiment, *arm),
        StmtKind::Outcome(experiment, arm, values) => {
            let values = numbers(eval, values)?;
            measure(eval.world(), *experiment, *arm, values);
        }
        StmtKind::Count(counter, key) => {
            let key = key.iter().map(|key| eval.value(key)).collect::<Result<Vec<_>, _>>()?;
            count(eval.world(), *counter, key, stmt.span);
        }
        StmtKind::Observe(histogram, value) => {
            let value = eval.number(value)?;
            observe(eval.world(), *histogram, value, stmt.span);
        }
        StmtKind::Emit(record, values) => {
            let values = values.iter().map(|value| eval.value(value)).collect::<Result<_, _>>()?;
            emit(eval.world(), *record, values, stmt.span);
        }
        StmtKind::Let(local, value) => {
            let value = eval.value(value)?;
            eval.bind(*local, value);
        }
        StmtKind::If(condition, then, otherwise) => {
            let holds = eval.condition(condition)?;
            eval.world().observer.branch(stmt, holds);
            return block(eval, if holds { then } else { otherwise });
        }
        StmtKind::Stop => {
            eval.world().tell(Effect::Stopped(stmt.span));
            return Ok(Flow::Ends);
        }
        StmtKind::Reply(value) => {
            reply(eval, value, stmt.span)?;
            return Ok(Flow::Ends);
        }
    }
    Ok(Flow::GoesOn)
}

fn numbers<O: Observer>(eval: &mut Eval<O>, exprs: &[Expr]) -> Result<Vec<u64>, String> {
    exprs.iter().map(|expr| eval.number(expr)).collect()
}

/// The first value that the kernel takes stays; every refusal is counted.
fn assign<O: Observer>(eval: &mut Eval<O>, alternatives: &[AssignId]) -> Result<(), String> {
    let program = eval.world().program;
    for &id in alternatives {
        let assignment = program.assignments.get(id.index()).ok_or("an assignment that is not there")?;
        let value = eval.value(&assignment.value)?;
        let scene = eval.world();
        let bytes = bytes_of(assignment.option, &value);
        let result = options::set(&scene.world.kernel, &mut scene.world.sock, assignment.option, &bytes);
        let shown = options::shown(assignment.option, &bytes).unwrap_or(value);
        scene.tell(Effect::Set(id, shown.clone(), result));
        let Err(errno) = result else { return Ok(()) };
        scene.refuse_option(assignment.option, &shown, errno, Some(assignment.span));
        if let Some(refused) = scene.state.kept.refused.get_mut(id.index()) {
            *refused.entry(slot(errno)).or_default() += 1;
        }
    }
    Ok(())
}

/// A name is padded with zeros. A number is rounded up to the kernel's unit; one that is above the option's range is held
/// at its upper end.
fn bytes_of(option: &SockOption, value: &Value) -> Vec<u8> {
    match value {
        Value::Name(name) => {
            let mut bytes = name.clone().into_bytes();
            bytes.resize(CONGESTION_NAME_MAX, 0);
            bytes
        }
        Value::Number(number) => {
            let max = u64::try_from(option.max).unwrap_or(u64::MAX);
            (raw(*number, option.unit, max) as u32).to_le_bytes().to_vec()
        }
        Value::Ip(_) => Vec::new(),
    }
}

/// A number in the kernel's unit, rounded up and at most `max`.
fn raw(canonical: u64, unit: Unit, max: u64) -> u64 {
    canonical.div_ceil(unit.scale().unwrap_or(1)).min(max)
}

/// Where a refusal is counted.
fn slot(errno: Errno) -> u32 {
    errno_number(errno).filter(|number| (*number as usize) < FAILURE_SLOTS).unwrap_or(0)
}

fn send<O: Observer>(eval: &mut Eval<O>, id: SendId) -> Result<(), String> {
    let program = eval.world().program;
    let send = program.sends.get(id.index()).ok_or("a header option that is not sent")?;
    let header = program.headers.get(send.header.index()).ok_or("a header option that is not there")?;
    let result = if eval.world().event.name == "hdr_opt_len" {
        let scene = eval.world();
        let result = scene.world.reserve(header.length().into(), 0);
        scene.tell(Effect::Reserved(id, header.length(), result));
        result
    } else {
        let mut values = numbers(eval, &send.values)?;
        for (value, field) in values.iter_mut().zip(&header.fields) {
            *value = (*value).min(u64::MAX >> (64 - u32::from(field.bits)));
        }
        let bytes = header.encode(&values);
        let scene = eval.world();
        let result = scene.world.store(&bytes, 0);
        scene.tell(Effect::Sent(id, bytes, result));
        result
    };
    if let Err(errno) = result {
        let scene = eval.world();
        scene.refuse(format!("send {}", header.name), String::new(), errno, Some(send.span));
        if let Some(unsent) = scene.state.kept.unsent.get_mut(id.index()) {
            *unsent.entry(slot(errno)).or_default() += 1;
        }
    }
    Ok(())
}

/// Changes of one row: there is room for all of them, or for none, which is counted once.
fn change<O: Observer>(eval: &mut Eval<O>, row: &Row, stmts: &[Stmt]) -> Result<(), String> {
    let program = eval.world().program;
    let (table, key) = match row {
        Row::Flow => (None, Vec::new()),
        Row::Table(id, parts) => {
            let table = program.tables.get(id.index()).ok_or("a table that is not there")?;
            (Some(*id), eval.key(parts, &table.keys)?)
        }
    };
    let span = stmts.first().map(|stmt| stmt.span).unwrap_or_default();
    let scene = eval.world();
    let cookie = scene.world.sock.cookie;
    if scene.state.row(program, cookie, table, &key).is_none() {
        scene.state.count_full(table);
        scene.tell(Effect::NoRoom(table, key, span));
        return Ok(());
    }
    scene.state.touch(program, table, &key);
    for stmt in stmts {
        let StmtKind::Change { cell, op, value, .. } = &stmt.kind else { continue };
        let value = eval.number(value)?;
        let scene = eval.world();
        let row = scene.state.row(program, cookie, table, &key);
        let Some(place) = row.and_then(|row| row.get_mut(usize::from(*cell))) else { continue };
        let before = *place;
        *place = match op {
            ChangeOp::Set => value,
            ChangeOp::Add => before.wrapping_add(value),
            ChangeOp::Sub => before.saturating_sub(value),
        };
        let change = (before, *place);
        scene.tell(Effect::Changed { table, key: key.clone(), cell: *cell, change, span: stmt.span });
    }
    Ok(())
}

fn count<O: Observer>(scene: &mut Scene<'_, O>, id: CounterId, key: Vec<Value>, span: Span) {
    let Some(rows) = scene.state.kept.counters.get_mut(id.index()) else { return };
    let room = rows.rows.contains_key(&key) || rows.rows.len() < COUNTER_ROWS as usize;
    match room {
        true => rows.count(key.clone(), 1),
        false => rows.full += 1,
    }
    scene.tell(Effect::Counted(id, key, room, span));
}

fn observe<O: Observer>(scene: &mut Scene<'_, O>, id: HistogramId, value: u64, span: Span) {
    let histogram = scene.state.kept.histograms.get_mut(id.index());
    if let Some(count) = histogram.and_then(|buckets| buckets.get_mut(bucket(value) as usize)) {
        *count += 1;
    }
    scene.tell(Effect::Observed(id, value, span));
}

fn emit<O: Observer>(scene: &mut Scene<'_, O>, id: RecordId, values: Vec<Value>, span: Span) {
    let size = scene.program.records.get(id.index()).map_or(0, |record| record.size());
    let ring = scene.state.ring.as_mut();
    let room = ring.is_some_and(|ring| ring.output(vec![0; size as usize], 0).is_ok());
    let kept = &mut scene.state.kept;
    if room {
        kept.records.push(GivenRecord { kind: id, time: scene.world.kernel.now, values: values.clone() });
    } else if let Some(lost) = kept.lost.get_mut(id.index()) {
        *lost += 1;
    }
    scene.tell(Effect::Emitted(id, values, room, span));
}

fn open<O: Observer>(scene: &mut Scene<'_, O>, id: ExperimentId, arm: u8) {
    let arms = scene.state.kept.experiments.get_mut(id.index());
    if let Some(kept) = arms.and_then(|arms| arms.get_mut(usize::from(arm))) {
        kept.opened += 1;
    }
    scene.tell(Effect::Opened(id, arm));
}

/// Of each measurement: how many, the sum, the sums of both halves of the squares, and a bucket.
fn measure<O: Observer>(scene: &mut Scene<'_, O>, id: ExperimentId, arm: u8, values: Vec<u64>) {
    let arms = scene.state.kept.experiments.get_mut(id.index());
    if let Some(kept) = arms.and_then(|arms| arms.get_mut(usize::from(arm))) {
        for (numbers, value) in kept.outcomes.iter_mut().zip(&values) {
            let value = (*value).min(OUTCOME_MAX);
            let square = value * value;
            let sums = [1, value, square & u64::from(u32::MAX), square >> 32];
            let buckets = (0..HISTOGRAM_BUCKETS).map(|index| u64::from(index == bucket(value)));
            for (number, more) in numbers.iter_mut().zip(sums.into_iter().chain(buckets)) {
                *number = number.wrapping_add(more);
            }
        }
    }
    scene.tell(Effect::Measured(id, arm, values));
}

fn reply<O: Observer>(eval: &mut Eval<O>, value: &ReplyValue, span: Span) -> Result<(), String> {
    let reply = eval.world().event.reply.ok_or("an answer to an event that takes none")?;
    let raw = match value {
        ReplyValue::Raw(expr) => eval.number(expr)?.min(reply.max),
        ReplyValue::Typed(expr) => {
            let canonical = eval.number(expr)?;
            answer(canonical, &reply, eval.world().world.kernel.hz)
        }
    };
    let scene = eval.world();
    scene.ran.reply = Some(raw as u32);
    scene.tell(Effect::Replied(raw as u32, span));
    Ok(())
}

/// An answer in the kernel's unit: rounded up, at most what the kernel can read. A time in ticks is never 0.
fn answer(canonical: u64, reply: &Reply, hz: u32) -> u64 {
    match reply.unit {
        Unit::Jiffies => {
            jiffies(canonical.min(TIMEOUT_INIT_MAX_SECONDS * NANOS_PER_SECOND), hz).clamp(1, reply.max)
        }
        unit => raw(canonical, unit, reply.max),
    }
}
