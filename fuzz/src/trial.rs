//! Tries a property on one generated policy after the other, on several threads, and cuts down what breaks it.
//!
//! A trial is known by the seed and its number: it is the same whoever runs it, and whatever ran before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::generate::{Made, checked, policy};
use crate::random::Random;
use crate::shrink::shrink;

/// A policy for which a property does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What kind of thing went wrong; shrinking keeps to it.
    pub kind: &'static str,
    /// What went wrong, for people.
    pub what: String,
}

impl Broken {
    /// Something of a kind.
    pub fn new(kind: &'static str, what: impl Into<String>) -> Broken {
        Broken { kind, what: what.into() }
    }
}

/// What was looked at, by name: events raised, instructions run, and so on.
pub type Tally = Vec<(&'static str, u64)>;

/// A property of a policy: what was looked at, or how it is broken.
pub type Property<'p> = dyn Fn(&Made) -> Result<Tally, Broken> + Sync + 'p;

/// A run, for the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// What was tried.
    pub name: String,
    /// Where the random numbers began.
    pub seed: u64,
    /// Policies that were tried.
    pub programs: u64,
    /// Policies that were generated, and which the checker refused.
    pub refused: u64,
    /// What was looked at.
    pub tally: std::collections::BTreeMap<String, u64>,
    /// How long it lasted.
    pub seconds: f64,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A policy that breaks a property, cut down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The number of its trial.
    pub trial: u64,
    /// What kind of thing went wrong.
    pub kind: String,
    /// What went wrong.
    pub what: String,
    /// The policy.
    pub policy: String,
}

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'n> {
    /// What is tried, for the report.
    pub name: &'n str,
    /// Trials at once.
    pub threads: usize,
    /// The first trial.
    pub from: u64,
    /// The run ends after so many findings: most are one mistake.
    pub findings: usize,
    /// How many policies may be tried to cut a finding down.
    pub cuts: usize,
}

/// Tries a property as long as the budget says; `told` hears of each finding at once.
pub fn run(plan: Plan, budget: &Budget, property: &Property, told: &(dyn Fn(&Finding) + Sync)) -> Summary {
    let began = Instant::now();
    let trials = Mutex::new(budget.start());
    let summary = Mutex::new(Summary { name: plan.name.into(), seed: budget.seed, ..Summary::default() });
    let work = || {
        loop {
            let found = summary.lock().map_or(0, |summary| summary.findings.len());
            let Some(trial) = trials.lock().ok().and_then(|mut trials| trials.next()) else { return };
            if found >= plan.findings {
                return;
            }
            let (refused, outcome) = one(budget.seed, plan.from + trial, plan.cuts, property);
            if let Err(finding) = &outcome {
                told(finding);
            }
            let Ok(mut summary) = summary.lock() else { return };
            summary.programs += 1;
            summary.refused += refused;
            match outcome {
                Ok(tally) => {
                    tally
                        .iter()
                        .for_each(|(name, count)| *summary.tally.entry((*name).into()).or_default() += count);
                }
                Err(finding) => summary.findings.push(finding),
            }
        }
    };
    std::thread::scope(|scope| {
        (1..plan.threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let mut summary = summary.into_inner().unwrap_or_default();
    summary.seconds = began.elapsed().as_secs_f64();
    summary
}

/// One trial: how many policies the checker refused on the way, and what came of the one that it took.
fn one(seed: u64, trial: u64, cuts: usize, property: &Property) -> (u64, Result<Tally, Finding>) {
    let mut random = Random(Random(seed).number().wrapping_add(trial));
    let (made, refused) = policy(&mut random.split());
    let broken = match guarded(property, &made) {
        Ok(tally) => return (refused, Ok(tally)),
        Err(broken) => broken,
    };
    let mut last = broken.clone();
    let small = shrink(made.tree, cuts, |tree| {
        let Some(made) = checked(tree.clone()) else { return false };
        match guarded(property, &made) {
            Err(still) if still.kind == broken.kind => {
                last = still;
                true
            }
            _ => false,
        }
    });
    let finding = Finding { trial, kind: last.kind.into(), what: last.what, policy: small.to_string() };
    (refused, Err(finding))
}

/// A panic is a finding like any other.
fn guarded(property: &Property, made: &Made) -> Result<Tally, Broken> {
    catch_unwind(AssertUnwindSafe(|| property(made))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
        Err(Broken::new("panic", text.unwrap_or_default()))
    })
}
