//! How two policies differ, with what both do on a connection on which they do.

mod outcome;
mod sample;

use serde::Serialize;
use tcpc_analysis::diff::{Difference, Side, Tried, Verdict, compare, declarations, events};
use tcpc_analysis::scene::World;
use tcpc_analysis::witness::Witness;
use tcpc_stdlib::event::Event;

pub use outcome::{Outcome, Watch, raise};

/// How two policies differ.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// What both declare, and not alike.
    pub declarations: Vec<Declaration>,
    /// Each event in which one of them has rules.
    pub events: Vec<EventCompared>,
}

/// What both declare, and not alike.
#[derive(Debug, Serialize)]
pub struct Declaration {
    /// What it is: ``the parameter `syn_rto` ``.
    pub what: String,
    /// What the old policy says of it.
    pub old: String,
    /// What the new one says.
    pub new: String,
}

/// How two policies differ in an event.
#[derive(Debug, Serialize)]
pub struct EventCompared {
    /// The event.
    pub event: &'static str,
    /// What was found out.
    #[serde(flatten)]
    pub found: Found,
}

/// What was found out of an event.
#[derive(Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Found {
    /// Both do the same on every connection.
    Equivalent,
    /// On this connection they do not.
    Different {
        /// The connection, in words.
        flow: String,
        /// In what they differ.
        what: Vec<String>,
        /// What the old policy does on it; nothing if it cannot be run here.
        old: Option<Outcome>,
        /// What the new one does.
        new: Option<Outcome>,
    },
    /// No connection was found on which they differ, which does not say that there is none.
    NotKnown {
        /// On so many.
        tried: usize,
    },
}

impl Comparison {
    /// Whether a difference was found.
    pub fn differs(&self) -> bool {
        let different = |event: &EventCompared| matches!(event.found, Found::Different { .. });
        !self.declarations.is_empty() || self.events.iter().any(different)
    }

    /// Whether it was shown that there is none.
    pub fn is_equivalent(&self) -> bool {
        let same = |event: &EventCompared| matches!(event.found, Found::Equivalent);
        self.declarations.is_empty() && self.events.iter().all(same)
    }
}

/// Compares two policies in all events, or in one.
pub fn policies(old: Side<'_>, new: Side<'_>, only: Option<&'static Event>) -> Comparison {
    let declarations = declarations(old, new).into_iter();
    let declarations = declarations.map(|(what, old, new)| Declaration { what, old, new }).collect();
    let asked = events(old, new).filter(|event| only.is_none_or(|only| only == *event));
    let events = asked.map(|event| EventCompared { event: event.name, found: in_event(old, new, event) });
    Comparison { declarations, events: events.collect() }
}

fn in_event(old: Side<'_>, new: Side<'_>, event: &'static Event) -> Found {
    match compare(old, new, event, &mut |world, flow| try_it(old, new, world, flow)) {
        Verdict::Equivalent => Found::Equivalent,
        Verdict::NotKnown(tried) => Found::NotKnown { tried },
        Verdict::Different(difference) => {
            let Difference { world, flow, what } = *difference;
            let run = both(old, new, &world, &flow);
            let what = match &run {
                Some((old, new)) if old.values != new.values => old.differing(new),
                _ => what,
            };
            let (old, new) = run.map_or((None, None), |(old, new)| (Some(old), Some(new)));
            Found::Different { flow: flow.show(&world), what, old, new }
        }
    }
}

/// What both do on a connection, on a kernel where that differs if there is one.
fn both(old: Side<'_>, new: Side<'_>, world: &World, flow: &Witness) -> Option<(Outcome, Outcome)> {
    let mut last = None;
    // Times that are the same number of ticks at one HZ need not be that at another.
    for hz in [1000, 250] {
        let run = |side| outcome::run(side, world, flow, hz).ok();
        let (before, after) = (run(old)?, run(new)?);
        let differs = before.values != after.values;
        last = Some((before, after));
        if differs {
            break;
        }
    }
    last
}

/// Runs both on a connection; where it is not certain that there is such a one, on others like it, too.
fn try_it(old: Side<'_>, new: Side<'_>, world: &World, flow: &Witness) -> Tried {
    let differs = |flow: &Witness| both(old, new, world, flow).map(|(old, new)| old.values != new.values);
    match differs(flow) {
        None => return Tried::Impossible,
        Some(true) => return Tried::Differs(sample::without_guesses(world, flow.clone())),
        Some(false) if flow.is_exact => return Tried::Same(1),
        Some(false) => {}
    }
    let mut tried = 1;
    for other in sample::like(world, flow) {
        tried += 1;
        if differs(&other) == Some(true) {
            return Tried::Differs(sample::plainest(world, flow, other, &mut |flow| {
                differs(flow) == Some(true)
            }));
        }
    }
    Tried::Same(tried)
}
