//! What a policy does in an event, rule by rule, and why it does nothing else.
//!
//! ```text
//! steps of a test ── bench, meaning ──▶ what was told ── why ──▶ explanation
//! ```
//!
//! The last event of the steps is explained; those before it are only raised.

mod done;
mod explanation;
mod trace;
mod why;

use tcpc_lang::hir::{Program, Role, Rule, RuleId, RuleKind, Step};
use tcpc_lang::show::{show, show_ip};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::builtin::draw;
use tcpc_stdlib::event::Event;
use tcpc_stdlib::kernel::is_mapped;
use tcpc_stdlib::unit::{Type, Unit, jiffies_to_nanos};

use crate::meaning::Meaning;
use crate::meaning::observe::Effect;
use crate::scenario::Bench;
use crate::written::Written;
pub use done::Done;
pub use explanation::{Cause, EventExplained, Explanation, ReplyExplained, RuleExplained, RuleOutcome};
use trace::{Surroundings, Told, Tracer};

/// Does the steps, and explains the last event or segment of them.
///
/// # Errors
/// In words: a step cannot be done, or there is nothing to explain.
pub fn explain(program: &Program, source: &SourceFile, steps: &[Step]) -> Result<Explanation, String> {
    let last = steps.iter().rposition(is_event).ok_or("no event is raised")?;
    let first_try = explain_on(FIRST_COOKIE, program, source, steps, last);
    let asked = first_try.as_ref().is_ok_and(|explanation| !explanation.events.is_empty());
    let share = steps.get(last).and_then(|step| share_of(step, program)).filter(|_| !asked);
    let Some(share) = share else { return first_try };
    // Of connections that the policy leaves alone there is little to be said.
    let Some(cookie) = (FIRST_COOKIE..COOKIES).find(|cookie| u64::from(draw(*cookie)) < share) else {
        return first_try;
    };
    match explain_on(cookie, program, source, steps, last) {
        Ok(explanation) => Ok(Explanation { drawn: Some(show(Type::Percent, share)), ..explanation }),
        Err(_) => first_try,
    }
}

/// The cookie of a test's first connection.
const FIRST_COOKIE: u64 = 1;
/// So many connections are looked through for one that a sample draws.
const COOKIES: u64 = 1 << 20;

/// The share of the connections that a policy asks for the events of a step on, if it is not on all.
fn share_of(step: &Step, program: &Program) -> Option<u64> {
    let is_for = |rule: &&Rule| match (step, rule.kind) {
        (Step::Fire { event, .. }, _) => rule.events.iter().any(|one| one.name == event.name),
        (Step::Transmit { segment, .. }, RuleKind::Send(id)) => {
            program.sends.get(id.index()).is_some_and(|send| send.segments.contains(segment))
        }
        _ => false,
    };
    let shares: Option<Vec<u64>> = program.rules.iter().filter(is_for).map(|rule| rule.sample).collect();
    shares?.into_iter().max()
}

/// The same on the connection with this cookie, which decides what samples draw.
fn explain_on(
    cookie: u64,
    program: &Program,
    source: &SourceFile,
    steps: &[Step],
    last: usize,
) -> Result<Explanation, String> {
    let tracer = Tracer::new(program, source);
    let mut bench = Bench::new(program, Meaning::observed(program, source, tracer));
    bench.world.sock.cookie = cookie;
    let mut before = Vec::new();
    for step in steps.get(..last).unwrap_or_default() {
        match step {
            Step::Connection { name, steps } => {
                let left = bench.connect(name);
                steps.iter().try_for_each(|step| bench.step(step))?;
                bench.connect(&left);
                let events = steps.iter().filter(|step| is_event(step)).map(name_of);
                before.extend(events.map(|event| format!("{event} on the {name}")));
            }
            _ => bench.step(step)?,
        }
        before.extend(is_event(step).then(|| name_of(step)));
    }
    let step = steps.get(last).ok_or("no event is raised")?;
    if let Step::Fire { event, .. } = step
        && event.flag != 0
        && event.flag & bench.world.sock.raw("bpf_sock_ops_cb_flags") as u32 == 0
    {
        return Err(not_asked_for(program, event));
    }
    bench.engine.observer.begin();
    bench.step(step)?;
    let sock = &bench.world.sock;
    let surroundings = Surroundings {
        local: sock.local_ip(),
        remote: sock.remote_ip(),
        role: sock.current_role(),
        kernel: bench.world.kernel.version,
    };
    let end = |address, port| match is_mapped(address) {
        true => format!("{}:{port}", show_ip(address)),
        false => format!("[{}]:{port}", show_ip(address)),
    };
    let told = std::mem::take(&mut bench.engine.observer.told);
    let events = told.chunk_by(|_, next| !matches!(next, Told::Event(_)));
    let around = Around { program, source, surroundings: &surroundings, world: &bench.world };
    Ok(Explanation {
        step: name_of(step),
        role: show(Type::Role, u64::from(surroundings.role == Role::Server)),
        local: end(surroundings.local, sock.local_port),
        remote: end(surroundings.remote, sock.remote_port),
        drawn: None,
        before,
        events: events.filter_map(|told| around.event(told)).collect(),
    })
}

/// Why the kernel does not raise an event on this connection, in which others came before it.
fn not_asked_for(program: &Program, event: &Event) -> String {
    let is_for = |rule: &Rule| rule.events.iter().any(|one| one.name == event.name);
    match program.rules.iter().any(is_for) {
        true => "the policy did not ask for it in the events before".into(),
        false => "the policy has no rule for it, so it does not ask for it".into(),
    }
}

fn is_event(step: &Step) -> bool {
    matches!(step, Step::Fire { .. } | Step::Transmit { .. })
}

fn name_of(step: &Step) -> String {
    match step {
        Step::Fire { event, .. } => event.name.to_owned(),
        Step::Transmit { segment, .. } => format!("transmit {}", segment.name),
        _ => String::new(),
    }
}

/// What an event is explained with.
struct Around<'a> {
    program: &'a Program,
    source: &'a SourceFile,
    surroundings: &'a Surroundings,
    /// After the event.
    world: &'a crate::mock::World,
}

impl Around<'_> {
    fn written(&self) -> Written<'_> {
        Written { program: self.program, source: self.source }
    }

    /// What was told from the beginning of an event to its end.
    fn event(&self, told: &[Told]) -> Option<EventExplained> {
        let (Told::Event(event), told) = told.split_first()? else { return None };
        let before = told.iter().position(|told| matches!(told, Told::Rule(..))).unwrap_or(told.len());
        let (first, told) = told.split_at(before);
        let mut raw = None;
        let mut ended: Option<(RuleId, bool)> = None;
        let mut tried: Vec<(RuleId, RuleOutcome)> = Vec::new();
        for told in told.chunk_by(|_, next| !matches!(next, Told::Rule(..))) {
            let Some((Told::Rule(id, runs, why), told)) = told.split_first() else { continue };
            for effect in told.iter().filter_map(Told::effect) {
                match effect {
                    Effect::Replied(number, _) => (raw, ended) = (Some(*number), Some((*id, true))),
                    Effect::Stopped(_) => ended = Some((*id, false)),
                    _ => {}
                }
            }
            let outcome = match runs {
                true => RuleOutcome::Fired { done: self.done(event, told) },
                false => RuleOutcome::NotFired { because: self.causes(why) },
            };
            tried.push((*id, outcome));
        }
        let rules =
            (0..).map(RuleId).zip(&self.program.rules).filter(|(_, rule)| rule.events.contains(event));
        let rules = rules.filter_map(|(id, rule)| {
            let known = tried.iter().find(|(other, _)| *other == id).map(|(_, outcome)| outcome.clone());
            let hidden = || {
                let (after, answered) = ended?;
                let after = self.program.rules.get(after.index())?.name.clone();
                Some(RuleOutcome::NotReached { after, answered })
            };
            let outcome = known.or_else(hidden)?;
            Some(RuleExplained {
                name: rule.name.clone(),
                place: self.source.place(rule.head.start),
                outcome,
            })
        });
        Some(EventExplained {
            event: event.name.to_owned(),
            first: self.done(event, first),
            rules: rules.collect(),
            reply: self.reply(event, raw),
        })
    }

    fn reply(&self, event: &Event, raw: Option<u32>) -> Option<ReplyExplained> {
        let reply = event.reply?;
        let hz = self.world.kernel.hz;
        let shown = |raw: u32| {
            let number = u64::from(raw);
            let canonical = match reply.unit.scale() {
                Some(scale) => number * scale,
                None => jiffies_to_nanos(number, hz),
            };
            let value = show(reply.ty, canonical);
            if reply.ty == Type::Packets { format!("{value} packets") } else { value }
        };
        let counts = match reply.unit {
            Unit::Jiffies => format!("jiffies at HZ={hz}"),
            unit => unit.name().to_owned(),
        };
        Some(ReplyExplained {
            value: raw.map(shown),
            raw: raw.map(|raw| (raw, counts)),
            default: reply.default.to_owned(),
        })
    }
}
