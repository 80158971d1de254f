//! How two policies differ: in no connection, or in this one.
//!
//! Both are run side by side on values that are not known. Wherever a condition is asked, the search goes both ways, as far
//! as the [solver](crate::solve) finds them possible; at the end of each way it compares what the two have done. Rules that
//! both have are not looked into unless what they do would hide a difference. So it is exact for what the solver is exact
//! for; where the policies differ only by what is computed in another way, a connection has to be tried.

mod align;
mod declared;
mod effect;
mod run;

use std::collections::BTreeSet;

use tcpc_lang::hir::Program;
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::event::{EVENTS, Event};

use crate::formula::{Formula, constant, not};
use crate::scene::{Scene, World};
use crate::solve::{Answer, Solver};
use crate::witness::{self, Witness};
use align::Step;
use run::{End, Run};

/// Steps of the solver for one event: a few seconds at most.
const ALL_WORK: u64 = 60_000_000;
/// Steps for one question.
const MOST_WORK: u64 = 400_000;
/// So many ways through an event are followed.
const MOST_WAYS: usize = 20_000;
/// So often connections are tried where it is not certain that they differ.
const MOST_TRIED: usize = 50;

/// A policy.
#[derive(Clone, Copy, Debug)]
pub struct Side<'p> {
    /// Its typed tree, without errors.
    pub program: &'p Program,
    /// Its text.
    pub source: &'p SourceFile,
}

/// What was found out of one event.
#[derive(Debug)]
pub enum Verdict {
    /// Both do the same on every connection.
    Equivalent,
    /// On this connection they do not.
    Different(Box<Difference>),
    /// No connection was found on which they differ, of so many that were tried; that there is none was not shown.
    NotKnown(usize),
}

/// A connection on which two policies differ.
#[derive(Debug)]
pub struct Difference {
    /// What the connection's values are of.
    pub world: World,
    /// The connection.
    pub flow: Witness,
    /// What differs: `reply`, `mark`, `counter web`.
    pub what: Vec<String>,
}

/// What came of running both policies on a connection.
#[derive(Debug)]
pub enum Tried {
    /// They did the same, on this and on so many others like it.
    Same(usize),
    /// They did not on this one, which may be another one.
    Differs(Witness),
    /// It cannot be run.
    Impossible,
}

/// Runs both policies on a connection.
pub type Try<'t> = dyn FnMut(&World, &Witness) -> Tried + 't;

/// The events in which one of the policies has rules.
pub fn events<'p>(old: Side<'p>, new: Side<'p>) -> impl Iterator<Item = &'static Event> {
    let has = move |side: Side<'p>, event: &Event| {
        side.program.rules.iter().any(|rule| rule.events.contains(&event))
    };
    EVENTS.iter().filter(move |event| event.supported && (has(old, event) || has(new, event)))
}

pub use declared::declarations;

/// Compares what two policies do in an event.
pub fn compare(old: Side<'_>, new: Side<'_>, event: &'static Event, try_it: &mut Try<'_>) -> Verdict {
    let mut world = World::new(event);
    let scenes = [old, new].map(|side| declared::scene(side, [old, new]));
    let (steps, is_same) = align::steps(&mut world, [old, new], &scenes);
    if is_same {
        return Verdict::Equivalent;
    }
    Search { steps, scenes, world, work: ALL_WORK, tried: 0, rounds: 0, is_sure: true }.search(try_it)
}

struct Search<'p> {
    steps: Vec<Step<'p>>,
    scenes: [Scene<'p>; 2],
    world: World,
    work: u64,
    /// Connections that were tried.
    tried: usize,
    /// How often some were.
    rounds: usize,
    /// Whether every way was followed to its end.
    is_sure: bool,
}

/// A way through the event: what is known to hold, which common rules are looked into, which way each condition went.
#[derive(Clone, Default)]
struct Way {
    known: Vec<Formula>,
    opened: BTreeSet<usize>,
    answers: Vec<bool>,
}

impl<'p> Search<'p> {
    fn search(mut self, try_it: &mut Try<'_>) -> Verdict {
        let mut open = vec![Way::default()];
        let mut ways = 0;
        while let Some(way) = open.pop() {
            ways += 1;
            if ways > MOST_WAYS || self.work == 0 || self.rounds > MOST_TRIED {
                self.is_sure = false;
                break;
            }
            let run = Run::new(&self.steps, self.scenes.clone(), &way.opened, &way.answers);
            let (end, path) = run.run(&mut self.world);
            let known: Vec<Formula> = way.known.iter().cloned().chain(path).collect();
            match end {
                End::Asks(condition) => {
                    for (answer, holds) in [(false, not(&condition)), (true, condition)] {
                        if !self.solve(&known, &holds).is_never() {
                            let mut next = way.clone();
                            next.answers.push(answer);
                            open.push(next);
                        }
                    }
                }
                End::Same => {}
                End::Hidden { step, when, what } => {
                    // Most often there is a connection for which none of these rules runs.
                    if let Some(flow) = self.likely(&known, &when, try_it) {
                        let what = vec![what];
                        return Verdict::Different(Box::new(Difference { world: self.world, flow, what }));
                    }
                    let mut opened = way.opened;
                    opened.insert(step);
                    open.push(Way { known, opened, answers: Vec::new() });
                }
                End::Differ { when, what, is_exact } => {
                    if let Some(flow) = self.differs(&known, &when, is_exact, try_it) {
                        return Verdict::Different(Box::new(Difference { world: self.world, flow, what }));
                    }
                }
            }
        }
        if self.is_sure { Verdict::Equivalent } else { Verdict::NotKnown(self.tried) }
    }

    fn solve(&mut self, known: &[Formula], more: &Formula) -> Answer {
        let mut solver = Solver::new(&self.world.leaves, self.work);
        let asked = self.world.facts.iter().chain(known).chain([more]).cloned();
        let answer = solver.solve(asked, MOST_WORK);
        self.work = solver.work;
        answer
    }

    /// A connection on which running both shows a difference, if the first one that comes to mind does.
    fn likely(&mut self, known: &[Formula], when: &Formula, try_it: &mut Try<'_>) -> Option<Witness> {
        let asked: Vec<Formula> = self.world.facts.iter().chain(known).chain([when]).cloned().collect();
        let mut solver = Solver::new(&self.world.leaves, self.work);
        let found = witness::find(&self.world, &mut solver, &asked, MOST_WORK);
        self.work = solver.work;
        match try_it(&self.world, &found?) {
            Tried::Differs(flow) => Some(flow),
            Tried::Same(_) | Tried::Impossible => None,
        }
    }

    /// A connection of this way on which the two differ.
    fn differs(
        &mut self,
        known: &[Formula],
        when: &Formula,
        is_exact: bool,
        try_it: &mut Try<'_>,
    ) -> Option<Witness> {
        if self.solve(known, when).is_never() {
            return None;
        }
        let asked: Vec<Formula> = self.world.facts.iter().chain(known).chain([when]).cloned().collect();
        // Where it is only likely, several are tried.
        let mut avoid = constant(true);
        for _ in 0..if is_exact { 1 } else { 4 } {
            let mut conditions = asked.clone();
            conditions.push(avoid.clone());
            let mut solver = Solver::new(&self.world.leaves, self.work);
            let found = witness::find(&self.world, &mut solver, &conditions, MOST_WORK);
            self.work = solver.work;
            let Some(mut flow) = found else { break };
            flow.is_exact &= is_exact;
            match try_it(&self.world, &flow) {
                Tried::Differs(flow) => return Some(flow),
                Tried::Impossible if flow.is_exact => return Some(flow),
                Tried::Impossible => {}
                Tried::Same(number) => self.tried += number,
            }
            self.rounds += 1;
            avoid = crate::formula::all([avoid, another(&self.world, &flow)]);
        }
        self.is_sure = false;
        None
    }
}

/// Another connection than this one, in all values that it needs not have.
fn another(world: &World, flow: &Witness) -> Formula {
    use crate::leaf::{LOCAL, REMOTE};
    let other = flow.values.iter().filter(|(leaf, _)| ![LOCAL, REMOTE].contains(leaf));
    let other = other
        .filter(|(leaf, _)| world.leaves.get(**leaf).domain.bounds().is_some_and(|(low, high)| low < high));
    crate::formula::any(
        other.map(|(&leaf, &value)| not(&crate::formula::is_in(leaf, crate::ranges::Ranges::one(value)))),
    )
}
