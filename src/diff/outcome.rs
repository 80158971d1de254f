//! What a policy does on a connection: its meaning, run on the model of the kernel.

use std::collections::BTreeMap;

use serde::Serialize;
use tcpc_analysis::diff::Side;
use tcpc_analysis::formula::LeafId;
use tcpc_analysis::leaf::{CellOf, KeyPart, Kind, LOCAL, MemberOf, REMOTE};
use tcpc_analysis::scene::World as Asked;
use tcpc_analysis::witness::{DRAWN, Witness};
use tcpc_lang::hir::{Cell, Given, Key, MutableSet, MutableSetId, Program, Role, Value};
use tcpc_lang::show::{show, show_value};
use tcpc_runtime::kept::Rows;
use tcpc_runtime::meaning::Meaning;
use tcpc_runtime::meaning::observe::{Effect, Observer};
use tcpc_runtime::mock::options;
use tcpc_runtime::scenario::{Bench, Engine};
use tcpc_stdlib::builtin::draw;
use tcpc_stdlib::event::{Event, EventRole};
use tcpc_stdlib::header::{SEGMENTS, Segment};
use tcpc_stdlib::kernel::{KernelVersion, tcp_state};
use tcpc_stdlib::option::OPTIONS;
use tcpc_stdlib::unit::{Type, Unit, jiffies, jiffies_to_nanos};

/// What a policy does in an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The rules that ran.
    pub rules: Vec<String>,
    /// What can be seen of it: the answer, options, fields, counters and all else that is kept, by its name.
    pub values: BTreeMap<String, String>,
}

impl Outcome {
    /// The names of what another outcome does not have, or has otherwise.
    pub fn differing(&self, other: &Outcome) -> Vec<String> {
        let names = self.values.keys().chain(other.values.keys());
        let mut names: Vec<String> =
            names.filter(|name| self.values.get(*name) != other.values.get(*name)).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Keeps what the model of the kernel does not show.
#[derive(Debug, Default)]
pub struct Watch {
    values: BTreeMap<String, String>,
    headers: Vec<(usize, String)>,
}

impl Observer for Watch {
    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Wrote(field, number, _) => {
                self.values.insert(field.name.to_owned(), show(field.ty, *number));
            }
            Effect::Reserved(id, bytes, _) => {
                self.headers.push((id.index(), format!("room for {bytes} bytes")))
            }
            Effect::Sent(id, bytes, _) => {
                let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                self.headers.push((id.index(), bytes));
            }
            _ => {}
        }
    }
}

/// Runs a policy on a connection, on a kernel with so many ticks per second.
///
/// # Errors
/// In words: the model of the kernel cannot be made like that.
pub fn run(side: Side<'_>, asked: &Asked, flow: &Witness, hz: u32) -> Result<Outcome, String> {
    let program = side.program;
    let mut bench = Bench::new(program, Meaning::observed(program, side.source, Watch::default()));
    let mut setting = Setting { program, asked, flow, args: [0; 4], segment: None };
    bench.give(&Given::Hz(hz))?;
    for leaf in asked.leaves.ids() {
        if let Some(value) = flow.value(leaf) {
            setting.set(&mut bench, leaf, value)?;
        }
    }
    let (args, segment) = (setting.args, setting.segment);
    raise(&mut bench, asked.event, args, segment)
}

/// Raises an event on a connection that was made ready, and says what the policy did. The kernel would not raise it on
/// every connection; here it always does.
///
/// # Errors
/// In words: the policy did not end well.
pub fn raise(
    bench: &mut Bench<'_, Meaning<'_, Watch>>,
    event: &'static Event,
    args: [u32; 4],
    segment: Option<&'static Segment>,
) -> Result<Outcome, String> {
    let (program, hz) = (bench.program, bench.world.kernel.hz);
    bench.world.begin_for(event, args, segment);
    // What the compiler keeps for itself is no part of the policy.
    let options = || OPTIONS.iter().filter(|option| option.reserved.is_none());
    let before: Vec<String> = options().map(|option| shown(bench, option)).collect();
    let kept_before = bench.kept();
    let ran = bench.engine.run(&mut bench.world)?;
    bench.world.end();

    let mut values = std::mem::take(&mut bench.engine.observer.values);
    for (id, what) in std::mem::take(&mut bench.engine.observer.headers) {
        let header = program.sends.get(id).and_then(|send| program.headers.get(send.header.index()));
        let name = header.map_or("", |header| &header.name);
        values.entry(format!("header option {name}")).or_insert(what);
    }
    if let (Some(raw), Some(reply)) = (ran.reply, event.reply) {
        let canonical = match reply.unit {
            Unit::Jiffies => jiffies_to_nanos(raw.into(), hz),
            unit => u64::from(raw).wrapping_mul(unit.scale().unwrap_or(1)),
        };
        let unit = if reply.ty == Type::Packets { " packets" } else { "" };
        // Zero asks for the default, as no answer does.
        if raw != 0 {
            values.insert("reply".to_owned(), format!("{}{unit}", show(reply.ty, canonical)));
        }
    }
    for (option, before) in options().zip(before) {
        let now = shown(bench, option);
        if now != before {
            values.insert(option.name.to_owned(), now);
        }
    }
    let kept = bench.kept();
    Kept { program, values: &mut values }.add(&kept, &kept_before);
    let rules = program.rules.iter().zip(kept.hits.iter().zip(&kept_before.hits));
    let rules = rules.filter(|(_, (now, before))| now > before).map(|(rule, _)| rule.name.clone());
    Ok(Outcome { rules: rules.collect(), values })
}

fn shown<O: Observer>(
    bench: &Bench<'_, Meaning<'_, O>>,
    option: &'static tcpc_stdlib::option::SockOption,
) -> String {
    show_value(option.ty, &options::value(&bench.world.sock, option))
}

/// Makes the model of the kernel like a connection.
struct Setting<'s> {
    program: &'s Program,
    asked: &'s Asked,
    flow: &'s Witness,
    args: [u32; 4],
    segment: Option<&'static Segment>,
}

impl Setting<'_> {
    fn set<E: Engine>(&mut self, bench: &mut Bench<'_, E>, leaf: LeafId, raw: u128) -> Result<(), String> {
        let program = self.program;
        let row = self.asked.leaves.get(leaf);
        let number = (raw as u64).wrapping_mul(row.scale);
        let fits_all = row.domain.bounds().is_some_and(|(low, high)| low == high);
        match &row.kind {
            Kind::Field(field) if row.ty == Type::Ip => bench.give(&Given::Field(field, Value::Ip(raw))),
            Kind::Field(field) if field.name == "state" && self.asked.event.role == EventRole::BySynSent => {
                let is_client = tcp_state("SYN_SENT").map(u128::from) == Some(raw);
                bench.give(&Given::Role(if is_client { Role::Client } else { Role::Server }))
            }
            // It follows from the event.
            Kind::Field(field) if field.name == "is_fullsock" || fits_all => Ok(()),
            Kind::Field(field) => bench.give(&Given::Field(field, Value::Number(number))),
            Kind::Arg(index, arg) => {
                let raw = match arg.unit {
                    Unit::Jiffies => jiffies(number, bench.world.kernel.hz),
                    _ => raw as u64,
                };
                if let Some(place) = self.args.get_mut(usize::from(*index)) {
                    *place = u32::try_from(raw).map_err(|_| "an argument that does not fit")?;
                }
                Ok(())
            }
            Kind::Option(option) if row.ty == Type::Name => {
                let name = self.asked.leaves.named(raw).unwrap_or("another");
                bench.give(&Given::Option(option, Value::Name(name.to_owned())))
            }
            Kind::Option(option) => bench.give(&Given::Option(option, Value::Number(number))),
            Kind::Param(name, _) => match program.params.iter().position(|param| param.name == *name) {
                Some(at) => bench.give(&Given::Param(tcpc_lang::hir::ParamId(at as u32), number)),
                None => Ok(()),
            },
            Kind::Cell(cell) => self.set_cell(bench, cell, number),
            Kind::Role => bench.give(&Given::Role(if raw == 0 { Role::Client } else { Role::Server })),
            Kind::SynTos => bench.give(&Given::SynTos(raw as u8)),
            Kind::Draw => {
                let cookie = DRAWN.into_iter().find(|&cookie| u128::from(draw(cookie)) == raw);
                bench.world.sock.cookie = cookie.ok_or("a draw that is too rare")?;
                Ok(())
            }
            Kind::Segment => {
                self.segment = SEGMENTS.get(raw as usize);
                Ok(())
            }
            Kind::Received(name) if raw != 0 => self.receive(bench, name),
            Kind::Kernel(feature) if raw == 0 => bench.give(&Given::Kernel(before(feature.since))),
            Kind::Member(member) => self.set_member(bench, member, raw == 1),
            // These are given with others, or cannot be given: then the connection is only like it.
            Kind::Received(_) | Kind::HeaderField(..) | Kind::Kernel(_) | Kind::Later(_) | Kind::Other(_) => {
                Ok(())
            }
            Kind::Arm(_) => Err("an arm is not chosen".into()),
        }
    }

    /// An operator has put it in, or has not.
    fn set_member<E: Engine>(
        &self,
        bench: &mut Bench<'_, E>,
        member: &MemberOf,
        is_in: bool,
    ) -> Result<(), String> {
        let sets = &self.program.mutable_sets;
        let Some((at, set)) = sets.iter().enumerate().find(|(_, set)| set.name == member.set) else {
            return Ok(());
        };
        let plain = Key { name: String::new(), ty: Type::Ip, cut: None };
        let element = member.element.ok_or("an element that is computed")?;
        let element = match self.key_part(element, &plain)? {
            Value::Ip(address) => address,
            Value::Number(number) => number.into(),
            Value::Name(_) => return Err("an element that is a name".into()),
        };
        match (is_in, MutableSet::holds(&set.elements, element)) {
            (true, false) => bench.give(&Given::Has(MutableSetId(at as u32), vec![(element, 128)])),
            (false, true) => Err("it is in the set from the beginning".into()),
            _ => Ok(()),
        }
    }

    fn set_cell<E: Engine>(
        &self,
        bench: &mut Bench<'_, E>,
        cell: &CellOf,
        number: u64,
    ) -> Result<(), String> {
        let program = self.program;
        let at = |cells: &[Cell]| cells.iter().position(|one| one.name == cell.cell);
        let Some(name) = &cell.table else {
            let Some(at) = program.flow.as_ref().and_then(|flow| at(&flow.cells)) else { return Ok(()) };
            return bench.engine.give_cell(&mut bench.world, None, &[], at as u8, number);
        };
        let Some((id, table)) = program.tables.iter().enumerate().find(|(_, table)| table.name == *name)
        else {
            return Ok(());
        };
        let Some(at) = at(&table.cells) else { return Ok(()) };
        let key = cell.key.as_ref().ok_or("a key that is computed")?;
        let parts = key.iter().zip(&table.keys).map(|(part, shape)| self.key_part(*part, shape));
        let key: Result<Vec<Value>, String> = parts.collect();
        let id = tcpc_lang::hir::TableId(id as u32);
        bench.engine.give_cell(&mut bench.world, Some(id), &key?, at as u8, number)
    }

    fn key_part(&self, part: KeyPart, shape: &Key) -> Result<Value, String> {
        Ok(match part {
            KeyPart::Number(number) => Value::Number(number),
            KeyPart::Ip(address) => Value::Ip(shape.cut(address)),
            KeyPart::Leaf(leaf) => {
                let row = self.asked.leaves.get(leaf);
                let plain = match &row.kind {
                    Kind::Field(field) if field.name == "local_port" => Some(40_000),
                    Kind::Field(field) if field.name == "remote_port" => Some(443),
                    _ => None,
                };
                let raw = self.flow.value(leaf).or(plain).ok_or("a key that is not known")?;
                match [LOCAL, REMOTE].contains(&leaf) {
                    true => Value::Ip(shape.cut(raw)),
                    false => Value::Number((raw as u64).wrapping_mul(row.scale)),
                }
            }
        })
    }

    /// The peer's segments carry an option.
    fn receive<E: Engine>(&self, bench: &mut Bench<'_, E>, name: &str) -> Result<(), String> {
        let Some(at) = self.program.headers.iter().position(|header| header.name == name) else {
            return Ok(());
        };
        let value = |field: &str| {
            let asked = self.asked.leaves.find(&format!("header {name} {field}"));
            asked.and_then(|leaf| self.flow.value(leaf)).unwrap_or(0) as u64
        };
        let fields = &self.program.headers[at].fields;
        let values = fields.iter().map(|field| value(&field.name)).collect();
        bench.give(&Given::Header(tcpc_lang::hir::HeaderId(at as u32), values))
    }
}

/// A kernel that does not have what came with this one.
fn before(since: KernelVersion) -> KernelVersion {
    match since.minor.checked_sub(1) {
        Some(minor) => KernelVersion { minor, ..since },
        // The last one of the series before, as far as the numbers of kernels go.
        None => KernelVersion { major: since.major - 1, minor: u16::from(u8::MAX) },
    }
}

/// What a policy keeps, by names.
struct Kept<'k> {
    program: &'k Program,
    values: &'k mut BTreeMap<String, String>,
}

impl Kept<'_> {
    fn add(&mut self, now: &tcpc_runtime::kept::Kept, before: &tcpc_runtime::kept::Kept) {
        let program = self.program;
        for (counter, (now, before)) in program.counters.iter().zip(now.counters.iter().zip(&before.counters))
        {
            let name = format!("counter {}", counter.name);
            let shapes: Vec<Key> =
                counter.key.map(|ty| Key { name: String::new(), ty, cut: None }).into_iter().collect();
            self.rows(&name, &shapes, &[(String::new(), Type::Int)], now, before);
        }
        let cells = |cells: &[Cell]| -> Vec<(String, Type)> {
            cells.iter().map(|cell| (format!(".{}", cell.name), cell.ty)).collect()
        };
        if let Some(flow) = &program.flow {
            self.rows("flow", &[], &cells(&flow.cells), &now.flows, &before.flows);
        }
        for (table, (now, before)) in program.tables.iter().zip(now.tables.iter().zip(&before.tables)) {
            self.rows(&table.name, &table.keys, &cells(&table.cells), now, before);
        }
        for (histogram, buckets) in program.histograms.iter().zip(&now.histograms) {
            for (at, count) in buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
                let low = if at == 0 { 0 } else { 1u64 << (at - 1) };
                let name = format!("histogram {} from {}", histogram.name, show(histogram.ty, low));
                self.values.insert(name, count.to_string());
            }
        }
        for (at, record) in now.records.iter().enumerate() {
            let Some(kind) = program.records.get(record.kind.index()) else { continue };
            let fields = kind.fields.iter().zip(&record.values);
            let fields: Vec<String> = fields
                .map(|(field, value)| format!("{} = {}", field.name, show_value(field.ty, value)))
                .collect();
            self.values
                .insert(format!("record {}", at + 1), format!("{} {{ {} }}", kind.name, fields.join(", ")));
        }
        for (experiment, arms) in program.experiments.iter().zip(&now.experiments) {
            for (arm, kept) in experiment.arms.iter().zip(arms) {
                let measured = kept.outcomes.iter().flatten().any(|number| *number != 0);
                if kept.opened > 0 || measured {
                    let what = format!("{} opened, {:?}", kept.opened, kept.outcomes);
                    self.values.insert(format!("experiment {} {}", experiment.name, arm.name), what);
                }
            }
        }
    }

    fn rows(&mut self, name: &str, keys: &[Key], cells: &[(String, Type)], now: &Rows, before: &Rows) {
        for (key, row) in now.rows.iter().filter(|(key, row)| before.rows.get(*key) != Some(*row)) {
            // What is kept of the connection has its socket as a key.
            let parts = key.iter().zip(keys).map(|(part, key)| show_value(key.ty, part));
            let parts: Vec<String> = parts.collect();
            let place = if parts.is_empty() { String::new() } else { format!("[{}]", parts.join(", ")) };
            for ((cell, ty), number) in cells.iter().zip(row) {
                self.values.insert(format!("{name}{place}{cell}"), show(*ty, *number));
            }
        }
    }
}
