//! What a statement does to one side.

use tcpc_lang::hir::{ReplyValue, Stmt, StmtKind, Value};
use tcpc_stdlib::unit::Type;

use super::touched::change;
use super::{Open, Run};
use crate::diff::effect::{CELL, COUNTER, Deed, Effect, HISTOGRAM, RECORDS, REPLY, Val, option_channel};
use crate::scene::{World, topic};

impl<'p> Run<'_, 'p> {
    pub(super) fn statement(&mut self, world: &mut World, side: usize, stmt: &'p Stmt) -> Result<(), Open> {
        let program = self.sides[side].scene.program;
        let of = |name: Option<&String>| name.cloned().unwrap_or_default();
        match &stmt.kind {
            StmtKind::Assign(ids) => {
                let rows: Vec<_> = ids.iter().filter_map(|id| program.assignments.get(id.index())).collect();
                let Some(first) = rows.first() else { return Ok(()) };
                let values = self.values(world, side, rows.iter().map(|row| &row.value))?;
                let may_fail = first.option.ty == Type::Name
                    || first
                        .option
                        .set_since
                        .is_none_or(|since| since > tcpc_stdlib::kernel::KernelVersion::FLOOR)
                    || values.iter().any(|value| matches!(value, Val::Text(_)));
                let deed = Deed::Set(first.option.name.to_owned(), values, may_fail);
                let topics = topic::changed_by_option(first.option.name);
                self.kernel_effect(world, side, option_channel(first.option.name), deed, topics);
            }
            StmtKind::SetField(field, value) => {
                let value = self.value(world, side, value)?;
                let deed = Deed::Set(field.name.to_owned(), vec![value], false);
                self.kernel_effect(world, side, option_channel(field.name), deed, topic::changed_by_field());
            }
            StmtKind::Change { row, cell, op, value } => {
                let value = self.value(world, side, value)?;
                let state = &mut self.sides[side];
                let channel = format!("{CELL}{}", state.scene.row_key(world, row, *cell));
                let deed = Deed::Changed(*op, value);
                let topic = topic::of_cell(program, row, *cell);
                // What it makes of the cell depends on what that holds.
                state.scene.cell(world, &topic, row, *cell);
                change(world, &mut state.scene, topic, &format!("{channel} {deed:?}"));
                state.effects.push(Effect { channel, deed });
            }
            StmtKind::Count(id, key) => {
                let values = self.values(world, side, key)?;
                let name = of(program.counters.get(id.index()).map(|one| &one.name));
                self.effect(side, format!("{COUNTER}{name}"), Deed::Happened(String::new(), values));
            }
            StmtKind::Observe(id, value) => {
                let values = self.values(world, side, [value])?;
                let name = of(program.histograms.get(id.index()).map(|one| &one.name));
                self.effect(side, format!("{HISTOGRAM}{name}"), Deed::Happened(String::new(), values));
            }
            StmtKind::Emit(id, values) => {
                let values = self.values(world, side, values)?;
                let name = of(program.records.get(id.index()).map(|one| &one.name));
                self.effect(side, RECORDS.to_owned(), Deed::Happened(name, values));
            }
            StmtKind::Send(id) => {
                let Some(send) = program.sends.get(id.index()) else { return Ok(()) };
                let values = self.values(world, side, &send.values)?;
                let name = of(program.headers.get(send.header.index()).map(|one| &one.name));
                self.effect(side, "header options".to_owned(), Deed::Happened(name, values));
            }
            StmtKind::Open(id, arm) => {
                let name = of(program.experiments.get(id.index()).map(|one| &one.name));
                self.effect(
                    side,
                    format!("experiment {name}"),
                    Deed::Happened(format!("opened {arm}"), Vec::new()),
                );
            }
            StmtKind::Outcome(id, arm, values) => {
                let values = self.values(world, side, values)?;
                let experiment = program.experiments.get(id.index());
                let metrics = experiment.map_or(String::new(), |one| {
                    one.metrics.iter().map(|metric| format!(" {} {:?}", metric.name, metric.unit)).collect()
                });
                let name = of(experiment.map(|one| &one.name));
                let deed = Deed::Happened(format!("measured {arm}{metrics}"), values);
                self.effect(side, format!("experiment {name}"), deed);
            }
            StmtKind::Let(local, value) => self.sides[side].scene.bind(world, *local, value),
            StmtKind::If(condition, then, otherwise) => {
                let condition = self.sides[side].scene.formula(world, condition);
                let taken = if self.decide(condition)? { then } else { otherwise };
                self.block(world, side, taken)?;
            }
            StmtKind::Stop => self.sides[side].ended = true,
            StmtKind::Reply(reply) => {
                let (word, value) = match reply {
                    ReplyValue::Typed(value) => ("", value),
                    ReplyValue::Raw(value) => ("raw", value),
                };
                let value = self.value(world, side, value)?;
                // No answer and one that says so are the same.
                let is_default = world.event.reply.is_some_and(|reply| reply.ty == Type::Bool)
                    && value == Val::Known(Value::Number(0));
                if !is_default {
                    self.effect(side, REPLY.to_owned(), Deed::Set(word.to_owned(), vec![value], false));
                }
                self.sides[side].ended = true;
            }
        }
        Ok(())
    }

    fn effect(&mut self, side: usize, channel: String, deed: Deed) {
        self.sides[side].effects.push(Effect { channel, deed });
    }

    /// Something after which options and fields may read otherwise. To set something again to the same changes nothing.
    fn kernel_effect(
        &mut self,
        world: &mut World,
        side: usize,
        channel: String,
        deed: Deed,
        topics: Vec<String>,
    ) {
        let state = &mut self.sides[side];
        let last = state.effects.iter().rev().find(|effect| effect.channel == channel);
        if last.is_some_and(|last| last.deed == deed) {
            return;
        }
        let what = format!("{channel} {deed:?}");
        topics.into_iter().for_each(|topic| change(world, &mut state.scene, topic, &what));
        state.effects.push(Effect { channel, deed });
    }
}
