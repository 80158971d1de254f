//! The state of one test: a kernel, its sockets, the program's data, and what the last event did.

mod segments;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use tcpc_lang::hir::{Expr, ExprKind, Given, Key, MutableSetId, Program, Row, RuleId, Step, TableId, Value};
use tcpc_stdlib::enable::{EnablingOption, enabling_call, enabling_option};
use tcpc_stdlib::event::Event;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::option::option;
use tcpc_stdlib::unit::{Unit, jiffies_to_nanos};

use super::engine::Engine;
use crate::kept::Kept;
use crate::mock::kernel::Failure;
use crate::mock::{self, MockSock, options};
use crate::report::Refused;

/// A test's state, whatever runs the policy.
pub struct Bench<'a, E> {
    /// The policy.
    pub program: &'a Program,
    /// What the last event did.
    pub last: Last,
    /// What runs the policy.
    pub engine: E,
    /// The kernel and the socket at hand.
    pub world: mock::World,
    /// The name of the connection at hand; empty for the one that needs no name.
    connection: String,
    /// The sockets of the other connections.
    others: BTreeMap<String, MockSock>,
    /// The last socket that began to listen, as that left it.
    listener: Option<MockSock>,
}

/// What the last event did, or the last segment that was sent.
#[derive(Debug, Default)]
pub struct Last {
    /// The event, of a segment the last one.
    pub event: Option<&'static Event>,
    /// The segment.
    pub segment: Option<&'static Segment>,
    /// The rules that ran, if they are counted.
    pub rules: Option<Vec<String>>,
    /// What the kernel refused.
    pub refused: Vec<Refused>,
    /// The answer, in the kernel's unit.
    pub reply: Option<u32>,
    args: [u32; 4],
}

impl Last {
    /// What it was, as a test writes it.
    pub fn name(&self) -> Option<String> {
        let segment = self.segment.map(|segment| format!("transmit {}", segment.name));
        segment.or_else(|| self.event.map(|event| event.name.to_string()))
    }
}

impl<'a, E: Engine> Bench<'a, E> {
    /// A new kernel with one socket.
    pub fn new(program: &'a Program, mut engine: E) -> Bench<'a, E> {
        Bench {
            program,
            last: Last::default(),
            world: engine.begin(),
            engine,
            connection: String::new(),
            others: BTreeMap::new(),
            listener: None,
        }
    }

    /// All that the policy keeps.
    pub fn kept(&self) -> Kept {
        self.engine.kept(&self.world)
    }

    /// Does a step of a test that is no expectation and no other connection.
    ///
    /// # Errors
    /// In words: the step cannot be done.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Given(given) => self.give(given),
            Step::Fire { event, args, .. } => self.fire(event, *args),
            Step::Transmit { segment, .. } => self.transmit(segment),
            Step::Advance(nanos) => {
                self.advance(*nanos);
                Ok(())
            }
            Step::Expect(_) | Step::Connection { .. } => Ok(()),
        }
    }

    /// Sets up the socket or the kernel.
    ///
    /// # Errors
    /// In words: the value cannot be had.
    pub fn give(&mut self, given: &Given) -> Result<(), String> {
        let (kernel, sock) = (&mut self.world.kernel, &mut self.world.sock);
        match given {
            Given::Cell(row, cell, value) => self.give_cell(row, *cell, *value)?,
            Given::Field(field, value) => sock.give(field, value)?,
            Given::Option(option, value) => options::give(kernel, sock, option, value)?,
            Given::Role(role) => sock.role = *role,
            Given::Hz(0) => return Err("a kernel has at least one tick per second".into()),
            Given::Hz(hz) => kernel.hz = *hz,
            Given::Kernel(version) => kernel.version = *version,
            Given::Fails(option, value, errno) => {
                kernel.failures.push(Failure { option, value: value.clone(), errno: *errno });
            }
            Given::WmemMax(bytes) => kernel.wmem_max = *bytes,
            Given::RmemMax(bytes) => kernel.rmem_max = *bytes,
            Given::Header(id, values) => {
                let header = self.program.headers.get(id.index()).ok_or("no such header option")?;
                sock.give_header(&header.encode(values))?;
            }
            Given::Param(param, value) => self
                .engine
                .set_param(&mut self.world, *param, *value)
                .ok_or("the object has no such parameter")?,
            Given::Has(set, elements) => self.add_elements(*set, elements)?,
            Given::SynTos(tos) => sock.syn_tos = Some(*tos),
        }
        Ok(())
    }

    /// Adds elements to a set: all of them, or none where there is no room, as `tcpc set add` does.
    fn add_elements(&mut self, set: MutableSetId, elements: &[(u128, u8)]) -> Result<(), String> {
        let missing = "the object has no such set";
        let (declared, kept) = (
            self.program.mutable_sets.get(set.index()).ok_or(missing)?,
            self.engine.elements(&self.world, set).ok_or(missing)?,
        );
        let all: BTreeSet<&(u128, u8)> = kept.iter().chain(elements).collect();
        if all.len() > declared.max as usize {
            return Err(format!(
                "`{}` has room for {} elements, not {}",
                declared.name,
                declared.max,
                all.len()
            ));
        }
        self.engine.add_elements(&mut self.world, set, elements).ok_or_else(|| missing.to_string())
    }

    /// Raises an event on the connection at hand.
    ///
    /// # Errors
    /// In words: this kernel does not raise it, or the program did not end well.
    pub fn fire(&mut self, event: &'static Event, args: [u32; 4]) -> Result<(), String> {
        let version = self.world.kernel.version;
        if event.since > version {
            return Err(format!(
                "kernels before {} do not raise `{}`, and this one is {version}",
                event.since, event.name
            ));
        }
        self.adopt(event, None);
        self.require_enabled(event)?;
        self.run(event, args, None)?;
        if event.name == "tcp_listen" {
            self.listener = Some(self.world.sock.clone());
        }
        Ok(())
    }

    /// Runs the program for an event, on a segment that is sent if there is one.
    fn run(
        &mut self,
        event: &'static Event,
        args: [u32; 4],
        sent: Option<&'static Segment>,
    ) -> Result<(), String> {
        let before = self.hits();
        self.last = Last { event: Some(event), args, ..Last::default() };
        self.world.begin_for(event, args, sent);
        let ran = self.engine.run(&mut self.world)?;
        self.world.end();
        self.last.reply = ran.reply;
        self.last.rules = self.rules_since(&before);
        self.last.refused = ran.refused;
        Ok(())
    }

    /// Sets a cell of a row.
    fn give_cell(&mut self, row: &Row, cell: u8, value: u64) -> Result<(), String> {
        let (table, key) = match row {
            Row::Flow => (None, Vec::new()),
            Row::Table(id, parts) => (Some(*id), self.constant_key(*id, parts)?),
        };
        self.engine.give_cell(&mut self.world, table, &key, cell, value)
    }

    fn constant_key(&self, id: TableId, parts: &[Expr]) -> Result<Vec<Value>, String> {
        let table = self.program.tables.get(id.index()).ok_or("no such table")?;
        let part = |(part, key): (&Expr, &Key)| match &part.kind {
            ExprKind::Const(Value::Ip(address)) => Ok(Value::Ip(key.cut(*address))),
            ExprKind::Const(value) => Ok(value.clone()),
            _ => Err("a key that is no constant".to_string()),
        };
        parts.iter().zip(&table.keys).map(part).collect()
    }

    /// Whether the kernel raises an event on the connection at hand: for some a socket needs a callback flag.
    fn is_enabled(&self, event: &Event) -> bool {
        let flags = self.world.sock.raw("bpf_sock_ops_cb_flags") as u32;
        event.flag == 0 || flags & event.flag != 0
    }

    fn require_enabled(&self, event: &Event) -> Result<(), String> {
        if self.is_enabled(event) {
            return self.require_prerequisites(event);
        }
        Err(not_asked_for(event))
    }

    /// It raises others only on connections with a socket option, and of these some only for sends that were
    /// asked about.
    fn require_prerequisites(&self, event: &Event) -> Result<(), String> {
        let has = |row: &EnablingOption| {
            let value = option(row.option).map(|option| options::value(&self.world.sock, option));
            value == Some(Value::Number(row.value))
        };
        if enabling_option(event.name).is_some_and(|row| !has(row)) {
            return Err(not_asked_for(event));
        }
        match enabling_call(event.name) {
            Some(row) if !self.world.sock.stamped => Err(format!(
                "the kernel raises `{}` only for sends that were asked about: fire `{}` first, and with \
                 `sample` the connection must be drawn",
                event.name, row.within
            )),
            _ => Ok(()),
        }
    }

    /// Lets the clock run.
    pub fn advance(&mut self, nanos: u64) {
        self.world.kernel.now = self.world.kernel.now.saturating_add(nanos);
    }

    /// Turns to another connection, which is new if it was not met before; gives the name of the one left.
    pub fn connect(&mut self, name: &str) -> String {
        // Its own and the ones before it.
        let cookie = self.others.len() as u64 + 2;
        let fresh = || MockSock::new(cookie);
        let entered = self.others.remove(name).unwrap_or_else(fresh);
        let left = std::mem::replace(&mut self.connection, name.to_string());
        self.others.insert(left.clone(), std::mem::replace(&mut self.world.sock, entered));
        left
    }

    /// How often each rule ran since the test began; `None` where that is not counted.
    pub fn hits(&self) -> Vec<Option<u64>> {
        let ids = 0..self.program.rules.len() as u32;
        ids.map(|id| self.engine.hits(&self.world, RuleId(id))).collect()
    }

    fn rules_since(&self, before: &[Option<u64>]) -> Option<Vec<String>> {
        let after = self.hits();
        if after.iter().all(Option::is_none) && !after.is_empty() {
            return None;
        }
        let ran = self.program.rules.iter().zip(before.iter().zip(&after)).filter(|(_, (b, a))| a > b);
        Some(ran.map(|(rule, _)| rule.name.clone()).collect())
    }

    /// A raw number of the kernel's in its canonical unit.
    fn canonical(&self, raw: u64, unit: Unit) -> u64 {
        match unit.scale() {
            Some(scale) => raw.wrapping_mul(scale),
            None => jiffies_to_nanos(raw, self.world.kernel.hz),
        }
    }
}

/// Why an event is not raised.
fn not_asked_for(event: &Event) -> String {
    let enabling: Vec<String> = event.enabled_in.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "the kernel raises `{}` only where the policy asked for it: fire {} first, and with `sample` the \
         connection must be drawn",
        event.name,
        enabling.join(" or ")
    )
}
