//! One test on its way: the attached policy, its connections, and what the recorder saw of them.

mod drive;
mod given;
mod kept;
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tcpc_compiler::object::ObjectFile;
use tcpc_lang::hir::{Expr, Given, Program, RuleId, Value};
use tcpc_lang::show::show_value;
use tcpc_lang::source::SourceFile;
use tcpc_loader::observe::{Section, Silence};
use tcpc_loader::{LoaderError, Policy, find_one};
use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::{Availability, Field};
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::manifest::{COUNTER_SECTION, Manifest};
use tcpc_stdlib::option::{self, INITIAL_CONGESTION, SockOption};

use crate::cgroups::Cgroups;
use crate::ends::Ends;
use crate::host::Host;
use crate::plan::Plan;
use crate::reads;
use crate::recorder::{Recorder, Seen};
use crate::replay::{Difference, Origin};
use crate::run::Skip;
use crate::twin::{Modelled, Twin};

/// How long an event is waited for after what raises it was done: it is raised before a system call returns, or at
/// once by the other end's.
const SOON: Duration = Duration::from_millis(500);

/// A connection of the test.
struct Connection {
    plan: Plan,
    ends: Ends,
    stage: Stage,
    /// The cookies that its sockets have or had.
    cookies: Vec<u64>,
    /// Fields as the test gave them last.
    fields: Vec<(&'static Field, Value)>,
    /// Options as the test gave them last.
    options: Vec<(&'static SockOption, Value)>,
    /// What the SYN is marked with.
    service: Option<u8>,
}

impl Connection {
    fn origin(&self, program: &Program) -> Origin {
        let headers = self.plan.headers.iter();
        let headers =
            headers.filter_map(|(id, values)| Some(program.headers.get(id.index())?.encode(values)));
        Origin { role: self.plan.role, service: self.service, headers: headers.collect() }
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    New,
    Listening,
    Established,
    Closing,
    Closed,
}

/// The state of one test.
pub struct Bench<'a> {
    /// The policy.
    pub program: &'a Program,
    /// Its text.
    pub source: &'a SourceFile,
    /// The running kernel.
    pub host: &'a Host,
    policy_model: Modelled<'a>,
    object: &'a ObjectFile,
    manifest: Manifest,
    // The recorder goes before the policy and the cgroups.
    recorder: Recorder,
    policy: Policy,
    cgroups: Cgroups,
    connections: BTreeMap<String, Connection>,
    current: String,
    log: Vec<Seen>,
    /// Whether the test fired each event of the log.
    taken: Vec<bool>,
    /// The counters, of the events only that the test fired.
    counted: Vec<u8>,
    /// The last event that the test fired.
    last: Option<usize>,
    /// The last segment that the test sent.
    segment: Option<&'static Segment>,
    /// What the test did to the policy's data, on which connection, and before which event of the log.
    operations: Vec<(usize, Given, u64)>,
    /// While segments are to be lost.
    silence: Option<Silence>,
    /// The records that the policy gave so far.
    records: Vec<Vec<u8>>,
    /// Why something that an expectation asked for is not known.
    unknown: Option<String>,
}

impl<'a> Bench<'a> {
    /// Attaches the policy to a cgroup of its own, between the two programs of the recorder.
    ///
    /// # Errors
    /// The host refuses.
    pub fn new(
        host: &'a Host,
        object_bytes: &[u8],
        modelled: Modelled<'a>,
        plans: BTreeMap<String, Plan>,
    ) -> Result<Bench<'a>, LoaderError> {
        let Modelled { program, source, object, .. } = modelled;
        let cgroups = Cgroups::make()?;
        let (recorder, attached) = Recorder::around(object_bytes, &cgroups, host.version)?;
        let policy = find_one(Some(&attached.name), Some(&cgroups.end))?;
        let counters = Section::open(&attached.pins, COUNTER_SECTION)?.map_or(0, |section| section.size);
        let connection = |plan| Connection {
            plan,
            ends: Ends::default(),
            stage: Stage::New,
            cookies: Vec::new(),
            fields: Vec::new(),
            // That of the host may be another.
            options: first_congestion(host).into_iter().collect(),
            service: None,
        };
        Ok(Bench {
            program,
            source,
            host,
            policy_model: modelled,
            object,
            manifest: object.manifest.clone().unwrap_or_default(),
            recorder,
            policy,
            cgroups,
            connections: plans.into_iter().map(|(name, plan)| (name, connection(plan))).collect(),
            current: String::new(),
            log: Vec::new(),
            taken: Vec::new(),
            counted: vec![0; counters],
            last: None,
            segment: None,
            operations: Vec::new(),
            silence: None,
            records: Vec::new(),
            unknown: None,
        })
    }

    /// Turns to another connection; gives the name of the one left.
    pub fn connect(&mut self, name: &str) -> String {
        std::mem::replace(&mut self.current, name.to_owned())
    }

    /// What the last step was, as a test writes it.
    pub fn last_name(&self) -> Option<String> {
        let segment = self.segment.map(|segment| format!("transmit {}", segment.name));
        segment.or_else(|| Some(self.log.get(self.last?)?.event.name.to_owned()))
    }

    /// The last event that the test fired.
    fn last(&self) -> Option<&Seen> {
        self.log.get(self.last?)
    }

    /// The rules that ran in the last event that the test fired.
    pub fn last_rules(&self) -> Option<Vec<String>> {
        self.rules_in(self.last?)
    }

    /// The events that the kernel raised, unasked, and in which rules of the policy ran: they may have changed what
    /// later ones do.
    pub fn unasked(&self) -> Option<String> {
        let ran = |(at, _): (usize, &bool)| Some((at, self.rules_in(at)?.into_iter().next()?));
        let (at, rule) = self.taken.iter().enumerate().filter(|(_, taken)| !**taken).find_map(ran)?;
        Some(format!("the kernel also raises `{}`, in which `{rule}` runs", self.log.get(at)?.event.name))
    }

    /// Whether what an expectation reads was given otherwise than the last event found it.
    ///
    /// # Errors
    /// It was.
    pub fn check_expected(&self, expr: &Expr) -> Result<(), Skip> {
        let (Some(seen), Some(connection)) = (self.last(), self.connections.get(&self.current)) else {
            return Ok(());
        };
        let read = reads::fields_of(expr);
        for (field, value) in connection.fields.iter().filter(|(field, _)| read.contains(field.kernel)) {
            require(field, &seen.before.field(field), value)?;
        }
        Ok(())
    }

    /// A congestion control that the policy names, or that an expectation finds where nothing was set, and that is not
    /// there.
    pub fn lacking(&self, expr: &Expr) -> Option<String> {
        let named = self.manifest.congestion.iter().map(|one| one.name.as_str());
        let first = reads::reads_option(expr, "congestion").then_some(INITIAL_CONGESTION);
        let lacking = named.chain(first).find(|name| !self.host.has_congestion(name))?;
        Some(format!("the congestion control `{lacking}` is not there"))
    }

    /// What the model of the kernel does otherwise with the events that were seen.
    ///
    /// # Errors
    /// In words: the model cannot run the program.
    pub fn replay(&mut self) -> Result<Vec<Difference>, String> {
        self.collect().map_err(|skip| skip.reason)?;
        if !reads::is_repeatable(self.program) {
            return Ok(Vec::new());
        }
        let mut twin = Twin::new(&self.policy_model, self.host);
        let mut found = Vec::new();
        for (at, seen) in self.log.iter().enumerate() {
            for (_, given, cookie) in self.operations.iter().filter(|(when, ..)| *when == at) {
                twin.give(given, *cookie)?;
            }
            let owner = self.connections.values().find(|one| one.cookies.contains(&seen.before.cookie));
            let Some(owner) = owner else { continue };
            found.extend(twin.event(seen, &owner.origin(self.program))?);
        }
        Ok(found)
    }

    /// Takes what the recorder has.
    fn collect(&mut self) -> Result<(), Skip> {
        let seen = self.recorder.take().map_err(|error| Skip::new(error.to_string()))?;
        self.keep(seen);
        Ok(())
    }

    fn keep(&mut self, seen: Vec<Seen>) {
        self.taken.resize(self.log.len() + seen.len(), false);
        self.log.extend(seen);
    }

    /// Waits until an event of the connection at hand is there, if it comes soon.
    fn find_within(&mut self, time: Duration, wanted: impl Fn(&Seen) -> bool) -> Result<Option<usize>, Skip> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(at) = self.find(&wanted)? {
                return Ok(Some(at));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            let seen = self.recorder.wait(deadline).map_err(|error| Skip::new(error.to_string()))?;
            self.keep(seen);
        }
    }

    /// The first event of the connection at hand that the test did not fire yet.
    fn find(&mut self, wanted: impl Fn(&Seen) -> bool) -> Result<Option<usize>, Skip> {
        self.collect()?;
        let Some(connection) = self.connections.get(&self.current) else { return Ok(None) };
        let of_ours = |seen: &Seen| connection.cookies.contains(&seen.before.cookie);
        let fits = |at: &usize| !self.taken[*at] && of_ours(&self.log[*at]) && wanted(&self.log[*at]);
        Ok((0..self.log.len()).find(fits))
    }

    /// The test fired this event.
    fn take(&mut self, at: usize) -> Result<(), Skip> {
        self.taken[at] = true;
        self.last = Some(at);
        self.segment = None;
        let before = self.counters_before(at);
        if let Some(after) = self.log.get(at).and_then(|seen| seen.after.counters.as_ref()) {
            let words = self.counted.as_chunks_mut::<8>().0.iter_mut();
            for (counted, (before, after)) in words.zip(before.as_chunks().0.iter().zip(after.as_chunks().0))
            {
                let more = u64::from_le_bytes(*after).wrapping_sub(u64::from_le_bytes(*before));
                *counted = u64::from_le_bytes(*counted).wrapping_add(more).to_le_bytes();
            }
        }
        self.check_given(at)
    }

    fn counters_before(&self, at: usize) -> Vec<u8> {
        let before = at.checked_sub(1).and_then(|at| self.log.get(at)?.after.counters.clone());
        before.unwrap_or_else(|| vec![0; self.counted.len()])
    }

    fn rules_in(&self, at: usize) -> Option<Vec<String>> {
        let (before, after) = (self.counters_before(at), self.log.get(at)?.after.counters.as_ref()?);
        let ran = |id: u32| {
            let hits = |bytes: &[u8]| self.hits_in(bytes, RuleId(id));
            hits(after)?
                .gt(&hits(&before)?)
                .then(|| self.program.rules.get(id as usize).map(|rule| rule.name.clone()))?
        };
        Some((0..self.program.rules.len() as u32).filter_map(ran).collect())
    }

    fn hits_in(&self, counters: &[u8], rule: RuleId) -> Option<u64> {
        self.number_in(counters, self.manifest.rules.get(rule.index())?.hits.as_deref()?)
    }

    /// A number of the policy's counters.
    fn number_in(&self, counters: &[u8], symbol: &str) -> Option<u64> {
        let at = self.offset(symbol)?;
        counters.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn offset(&self, symbol: &str) -> Option<usize> {
        let section = self.object.data.iter().find(|section| section.name == COUNTER_SECTION)?;
        section.symbols.iter().find(|(name, ..)| name == symbol).map(|(_, at, _)| *at as usize)
    }

    /// What the test gave must be what the policy found.
    fn check_given(&self, at: usize) -> Result<(), Skip> {
        let (Some(seen), Some(connection)) = (self.log.get(at), self.connections.get(&self.current)) else {
            return Ok(());
        };
        let read = reads::fields_in(self.program, seen.event);
        for (field, value) in connection.fields.iter().filter(|(field, _)| read.contains(field.kernel)) {
            let found = seen.before.field(field);
            if is_shown(field, seen.event, seen.before.is_full()) {
                require(field, &found, value)?;
            }
        }
        for (option, value) in &connection.options {
            let found = seen.before.option(option);
            if let Some(found) = found.filter(|found| found != value) {
                let (found, value) = (show_value(option.ty, &found), show_value(option.ty, value));
                return Err(Skip::new(format!(
                    "`{}` is {found} in `{}`, and the test gives {value}",
                    option.name, seen.event.name
                )));
            }
        }
        Ok(())
    }
}

/// With which congestion control a connection of the model begins, where the host has it.
fn first_congestion(host: &Host) -> Option<(&'static SockOption, Value)> {
    let option = option::option("congestion").filter(|_| host.has_congestion(INITIAL_CONGESTION))?;
    Some((option, Value::Name(INITIAL_CONGESTION.to_owned())))
}

fn require(field: &Field, found: &Value, given: &Value) -> Result<(), Skip> {
    if found == given {
        return Ok(());
    }
    let (found, given) = (show_value(field.ty, found), show_value(field.ty, given));
    Err(Skip::new(format!("`{}` is {found} on a real connection, and the test gives {given}", field.name)))
}

fn is_shown(field: &Field, event: &Event, full: bool) -> bool {
    match field.availability(event) {
        Availability::Yes => true,
        Availability::ClientOnly => full,
        Availability::Zero | Availability::Foreign | Availability::Dangerous => false,
    }
}
