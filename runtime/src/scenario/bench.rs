//! The state of one test: a kernel, its sockets, the program's data, and what the last event did.

mod cells;
mod measured;
mod refused;
mod segments;
mod steer;
mod world;

use std::collections::BTreeMap;

use tcpc_compiler::object::ObjectFile;
use tcpc_lang::hir::{Given, Program, RuleId, Value};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::enable::{EnablingOption, enabling_call, enabling_option};
use tcpc_stdlib::event::Event;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::kernel::{KernelVersion, RETURN_OK};
use tcpc_stdlib::manifest::{FeatureInfo, Manifest};
use tcpc_stdlib::option::option;
use tcpc_stdlib::unit::{Unit, jiffies, jiffies_to_nanos};

use crate::mock::kernel::Failure;
use crate::mock::{self, MockSock, options};
use crate::report::Refused;
use crate::vm::{Image, STEPS_MAX};

/// A test's state.
pub struct Bench<'a> {
    /// The policy.
    pub program: &'a Program,
    /// What the last event did.
    pub last: Last,
    object: &'a ObjectFile,
    image: &'a Image,
    source: &'a SourceFile,
    manifest: Manifest,
    world: mock::World,
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
    args: [u32; 4],
}

impl Last {
    /// What it was, as a test writes it.
    pub fn name(&self) -> Option<String> {
        let segment = self.segment.map(|segment| format!("transmit {}", segment.name));
        segment.or_else(|| self.event.map(|event| event.name.to_string()))
    }
}

impl<'a> Bench<'a> {
    /// A new kernel with one socket.
    pub fn new(
        object: &'a ObjectFile,
        image: &'a Image,
        program: &'a Program,
        source: &'a SourceFile,
    ) -> Bench<'a> {
        let world = mock::World { memory: image.memory(), ..mock::World::default() };
        let mut bench = Bench {
            program,
            last: Last::default(),
            object,
            image,
            source,
            manifest: object.manifest.clone().unwrap_or_default(),
            world,
            connection: String::new(),
            others: BTreeMap::new(),
            listener: None,
        };
        bench.fill_sets();
        bench
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
            Given::Param(param, value) => self.set_param(*param, *value)?,
            Given::Has(set, elements) => self.add_elements(*set, elements)?,
            Given::SynTos(tos) => sock.syn_tos = Some(*tos),
        }
        Ok(())
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
        self.resolve_constants();
        let before = self.hits();
        self.last = Last { event: Some(event), args, ..Last::default() };
        self.world.begin_for(event, args, sent);
        let outcome = self.image.run(&mut self.world, STEPS_MAX).map_err(|error| error.to_string())?;
        self.world.end();
        if self.world.memory.locked.is_some() {
            return Err("the program ended with a lock held".into());
        }
        if outcome.ret != RETURN_OK as u64 {
            return Err(format!(
                "the program returned {}, which cancels the answers of every program on the cgroup",
                outcome.ret
            ));
        }
        self.last.rules = self.rules_since(&before);
        self.last.refused = self.refused(&outcome);
        Ok(())
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
        ids.map(|id| self.hits_of(RuleId(id))).collect()
    }

    fn hits_of(&self, rule: RuleId) -> Option<u64> {
        self.number(self.manifest.rules.get(rule.index())?.hits.as_deref()?)
    }

    fn rules_since(&self, before: &[Option<u64>]) -> Option<Vec<String>> {
        let after = self.hits();
        if after.iter().all(Option::is_none) && !after.is_empty() {
            return None;
        }
        let ran = self.program.rules.iter().zip(before.iter().zip(&after)).filter(|(_, (b, a))| a > b);
        Some(ran.map(|(rule, _)| rule.name.clone()).collect())
    }

    /// Gives the constants that depend on the kernel their values, as a loader does.
    fn resolve_constants(&mut self) {
        let hz = self.world.kernel.hz;
        let ticks = |nanos| jiffies(nanos, hz).min(i32::MAX as u64) as u32;
        let constants = self.manifest.jiffies.iter().map(|row| (row.symbol.clone(), ticks(row.nanos)));
        let version = self.world.kernel.version;
        let has =
            |info: &FeatureInfo| KernelVersion::parse(&info.kernel).is_some_and(|since| since <= version);
        let features = self.manifest.features.iter().map(|info| (info.symbol.clone(), has(info).into()));
        let hz_itself = self.manifest.hz_symbol.clone().map(|name| (name, hz));
        let constants: Vec<_> = constants.chain(features).chain(hz_itself).collect();
        for (symbol, number) in constants {
            if let Some(place) = self
                .place(&symbol)
                .and_then(|(section, at)| self.world.memory.data.get_mut(section)?.bytes.get_mut(at..at + 4))
            {
                place.copy_from_slice(&number.to_le_bytes());
            }
        }
    }

    /// A symbol's section and offset.
    fn place(&self, symbol: &str) -> Option<(usize, usize)> {
        self.object.data.iter().enumerate().find_map(|(index, section)| {
            let (_, offset, _) = section.symbols.iter().find(|(name, ..)| name == symbol)?;
            Some((index, *offset as usize))
        })
    }

    /// A 64-bit number of the program's data.
    fn number(&self, symbol: &str) -> Option<u64> {
        let (section, at) = self.place(symbol)?;
        let bytes = self.world.memory.data.get(section)?.bytes.get(at..at + 8)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
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
