//! What rules did, as a policy would write it.

use serde::Serialize;
use tcpc_lang::hir::{HeaderOption, Key, Record, TableId, Value};
use tcpc_lang::show::{show, show_value};
use tcpc_lang::source::Span;
use tcpc_stdlib::event::{EVENTS, Event};
use tcpc_stdlib::manifest::Place;
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Type;

use super::trace::Told;
use super::{Around, Cause};
use crate::meaning::observe::Effect;
use crate::mock::{Errno, options};

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Done {
    /// What: `sndbuf = 150KB`, `count web`, `if backoff > 2`.
    pub what: String,
    /// What came of it, where that says more: `flow.rtos` was 1 and is 2.
    pub result: Option<String>,
    /// The name of the error, where the kernel refused.
    pub errno: Option<String>,
    /// Where it is written.
    pub place: Option<Place>,
    /// Of an `if`: what decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Cause>,
}

impl Done {
    fn new(what: impl Into<String>) -> Done {
        Done { what: what.into(), result: None, errno: None, place: None, because: Vec::new() }
    }

    fn result(mut self, result: impl Into<String>) -> Done {
        self.result = Some(result.into());
        self
    }

    fn or_refused(mut self, result: Result<(), Errno>) -> Done {
        self.errno = result.err().map(str::to_owned);
        self
    }
}

impl Around<'_> {
    /// What was told to be done.
    pub(super) fn done(&self, event: &Event, told: &[Told]) -> Vec<Done> {
        let done = told.iter().filter_map(|told| match told {
            Told::Branch(span, holds, why) => {
                let way = if *holds { "true" } else { "false" };
                let done = Done::new(format!("if {}", self.written().span(*span))).result(way);
                let done = Done { because: self.causes(why), ..done };
                Some(self.at(done, *span))
            }
            Told::Effect(effect) => self.effect(event, effect),
            Told::Event(_) | Told::Rule(..) => None,
        });
        done.collect()
    }

    fn at(&self, done: Done, span: Span) -> Done {
        Done { place: Some(self.source.place(span.start)), ..done }
    }

    fn effect(&self, event: &Event, effect: &Effect) -> Option<Done> {
        let program = self.program;
        Some(match effect {
            Effect::AskedFor(flags) => {
                let asked = EVENTS.iter().filter(|event| event.flag & flags != 0);
                let names: Vec<&str> = asked.map(|event| event.name).collect();
                Done::new(format!("ask for {}", names.join(", ")))
            }
            Effect::Enabled(option, raw, result) => {
                Done::new(format!("{} = {raw}", option.name)).or_refused(*result)
            }
            Effect::Stamped => Done::new("ask for the time stamps of this send"),
            Effect::Replied(raw, span) => {
                let reply = self.reply(event, Some(*raw))?;
                let value = reply.value.unwrap_or_default();
                self.at(Done::new(format!("reply {value}")), *span)
            }
            Effect::Stopped(span) => {
                // `-> default` ends the event as `stop` does.
                let stops = self.written().span(*span) == "stop";
                self.at(Done::new(if stops { "stop" } else { "reply default" }), *span)
            }
            Effect::Set(id, value, result) => {
                let assignment = program.assignments.get(id.index())?;
                let written = show_value(assignment.option.ty, value);
                let done = Done::new(format!("{} = {written}", assignment.option.name));
                let done = Done { result: self.set_to(assignment.option, value, *result), ..done };
                self.at(done.or_refused(*result), assignment.span)
            }
            Effect::Wrote(field, number, span) => {
                self.at(Done::new(format!("{} = {}", field.name, show(field.ty, *number))), *span)
            }
            Effect::Reserved(id, bytes, result) => {
                let send = program.sends.get(id.index())?;
                let header = program.headers.get(send.header.index())?;
                let done = Done::new(format!("reserve {bytes} bytes for {}", header.name));
                self.at(done.or_refused(*result), send.span)
            }
            Effect::Sent(id, bytes, result) => {
                let send = program.sends.get(id.index())?;
                let header = program.headers.get(send.header.index())?;
                let done = Done::new(format!("send {}{}", header.name, fields(header, bytes)));
                self.at(done.or_refused(*result), send.span)
            }
            Effect::Changed { table, key, cell, change: (before, after), span } => {
                let (row, cells) = self.row(*table, key)?;
                let cell = cells.get(usize::from(*cell))?;
                let [before, after] = [before, after].map(|number| show(cell.ty, *number));
                let result = format!("was {before}, is {after}");
                self.at(Done::new(format!("{row}.{}", cell.name)).result(result), *span)
            }
            Effect::NoRoom(table, key, span) => {
                let (row, _) = self.row(*table, key)?;
                self.at(Done::new(row).result("no room for the row"), *span)
            }
            Effect::Counted(id, key, room, span) => {
                let counter = program.counters.get(id.index())?;
                let by = match (counter.key, key.first()) {
                    (Some(ty), Some(key)) => format!(" by {}", show_value(ty, key)),
                    _ => String::new(),
                };
                let done = Done::new(format!("count {}{by}", counter.name));
                let done = if *room { done } else { done.result("no room for the key") };
                self.at(done, *span)
            }
            Effect::Observed(id, value, span) => {
                let histogram = program.histograms.get(id.index())?;
                let value = show(histogram.ty, *value);
                self.at(Done::new(format!("observe {} = {value}", histogram.name)), *span)
            }
            Effect::Emitted(id, values, room, span) => {
                let record = program.records.get(id.index())?;
                let done = Done::new(format!("emit {}", emitted(record, values)));
                self.at(if *room { done } else { done.result("no room for the record") }, *span)
            }
            Effect::Opened(id, arm) => {
                let experiment = program.experiments.get(id.index())?;
                let arm = experiment.arms.get(usize::from(*arm))?;
                Done::new(format!("count a connection of {} in {}", arm.name, experiment.name))
            }
            Effect::Measured(id, arm, values) => {
                let experiment = program.experiments.get(id.index())?;
                let arm = experiment.arms.get(usize::from(*arm))?;
                let metrics = experiment.metrics.iter().zip(values);
                let metrics: Vec<String> =
                    metrics.map(|(metric, value)| format!("{} {value}", metric.name)).collect();
                let what = format!("measure a connection of {} in {}", arm.name, experiment.name);
                Done::new(what).result(metrics.join(", "))
            }
        })
    }

    /// What an option is after the event, where that is not what it was set to.
    fn set_to(
        &self,
        option: &'static SockOption,
        value: &Value,
        result: Result<(), Errno>,
    ) -> Option<String> {
        result.ok()?;
        let now = options::value(&self.world.sock, option);
        (now != *value && option.get_since.is_some())
            .then(|| format!("it is {} then", show_value(option.ty, &now)))
    }

    /// A row as a policy writes it, and its cells.
    fn row(&self, table: Option<TableId>, key: &[Value]) -> Option<(String, &[tcpc_lang::hir::Cell])> {
        let Some(id) = table else { return Some(("flow".into(), &self.program.flow.as_ref()?.cells)) };
        let table = self.program.tables.get(id.index())?;
        let parts: Vec<String> = table.keys.iter().zip(key).map(|(key, value)| part(key, value)).collect();
        Some((format!("{}[{}]", table.name, parts.join(", ")), &table.cells))
    }
}

/// A part of a key; an address with the bits that count.
fn part(key: &Key, value: &Value) -> String {
    let shown = show_value(key.ty, value);
    match (key.cut, value) {
        (Some((v4, _)), Value::Ip(address)) if tcpc_stdlib::kernel::is_mapped(*address) => {
            format!("{shown}/{v4}")
        }
        (Some((_, v6)), Value::Ip(_)) => format!("{shown}/{v6}"),
        _ => shown,
    }
}

/// The fields of a header option that was written.
fn fields(header: &HeaderOption, bytes: &[u8]) -> String {
    let values = header.decode(bytes).unwrap_or_default();
    let named = header.fields.iter().zip(values).filter(|(field, _)| field.name != "_");
    let named: Vec<String> = named.map(|(field, value)| format!("{} = {value}", field.name)).collect();
    if named.is_empty() { String::new() } else { format!(" {{ {} }}", named.join(", ")) }
}

fn emitted(record: &Record, values: &[Value]) -> String {
    let fields = record.fields.iter().zip(values);
    let fields: Vec<String> = fields
        .map(|(field, value)| {
            let unit = if field.ty == Type::Packets { " packets" } else { "" };
            format!("{} = {}{unit}", field.name, show_value(field.ty, value))
        })
        .collect();
    format!("{} {{ {} }}", record.name, fields.join(", "))
}
