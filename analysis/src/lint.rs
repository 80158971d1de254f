//! Lints: rules that never run, that repeat or undo one another, and parts of conditions that decide nothing.
//!
//! Each is shown by what the [solver](crate::solve) says of the conditions in every event of the rule, facts of the event
//! included. What it cannot show within a budget of steps stays unsaid.

mod line;
mod pairs;
mod parts;
mod rules;

use std::collections::{HashMap, HashSet};

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::{Program, RuleId};
use tcpc_lang::source::{SourceFile, Span};
use tcpc_stdlib::event::{EVENTS, Event};

use crate::formula::Formula;
use crate::scene::World;
use crate::solve::{Answer, Solver};
use crate::witness;
use line::Line;

/// Steps for all lints of a policy: about a second of an ordinary machine.
const ALL_WORK: u64 = 20_000_000;
/// Steps for one question.
const MOST_WORK: u64 = 200_000;
/// Steps for an example.
const EXAMPLE_WORK: u64 = 20_000;

/// So many findings are enough for one run.
const MOST_FINDINGS: usize = 100;

/// What is suspicious in a policy without errors. `found` is what the checker has told: it is not told again.
pub fn lint(program: &Program, source: &SourceFile, found: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut linter = Linter::new(program, source, found);
    for event in EVENTS.iter().filter(|event| event.supported) {
        linter.event(event);
    }
    linter.finish()
}

/// What is known of one rule, in all its events.
#[derive(Debug, Default)]
struct Verdicts {
    /// In how many events it was looked at.
    seen: usize,
    /// In how many it never runs, and one reason.
    idle: usize,
    reason: Option<Diagnostic>,
    /// In how many it does nothing that another one does not do, and one reason.
    repeats: usize,
    repeated: Option<Diagnostic>,
    /// The same of each of its assignments: in how many events a later rule undoes it.
    lost: HashMap<(u32, u32), (usize, Diagnostic)>,
}

struct Linter<'p> {
    program: &'p Program,
    source: &'p SourceFile,
    work: u64,
    /// Places of which the checker has said the same.
    told: HashSet<(Code, u32)>,
    verdicts: HashMap<RuleId, Verdicts>,
    parts: parts::Parts,
    findings: Vec<Diagnostic>,
}

impl<'p> Linter<'p> {
    fn new(program: &'p Program, source: &'p SourceFile, found: &[Diagnostic]) -> Linter<'p> {
        let place = |found: &Diagnostic| Some((found.code, found.primary.as_ref()?.span.start));
        Linter {
            program,
            source,
            work: ALL_WORK,
            told: found.iter().filter_map(place).collect(),
            verdicts: HashMap::new(),
            parts: parts::Parts::default(),
            findings: Vec::new(),
        }
    }

    /// Looks at the rules of one event.
    fn event(&mut self, event: &'static Event) {
        if !self.program.rules.iter().any(|rule| rule.events.contains(&event)) {
            return;
        }
        let mut world = World::new(event);
        let (lines, questions) = line::lines(self.program, self.source, &mut world);
        let mut solver = Solver::new(&world.leaves, self.work);
        for line in &lines {
            self.verdicts.entry(line.id).or_default().seen += 1;
        }
        let idle = self.idle(&world, &mut solver, &lines);
        self.pairs(&world, &mut solver, &lines, &idle);
        self.work = solver.work;
        self.look_at_parts(&mut world, questions);
    }

    fn finish(mut self) -> Vec<Diagnostic> {
        let mut verdicts: Vec<(RuleId, Verdicts)> = self.verdicts.drain().collect();
        verdicts.sort_by_key(|(id, _)| *id);
        for (_, verdict) in verdicts {
            if verdict.idle == verdict.seen {
                self.findings.extend(verdict.reason);
            } else if verdict.repeats == verdict.seen {
                self.findings.extend(verdict.repeated);
            } else {
                let lost = verdict.lost.into_values().filter(|(events, _)| *events == verdict.seen);
                self.findings.extend(lost.map(|(_, finding)| finding));
            }
        }
        let silent: Vec<Span> =
            self.findings.iter().filter_map(|found| Some(found.primary.as_ref()?.span)).collect();
        let parts = std::mem::take(&mut self.parts);
        self.findings.extend(parts.findings(self.source, &silent));
        let (told, source) = (&self.told, self.source);
        self.findings.retain(|found| {
            let place = found.primary.as_ref().map_or(0, |label| label.span.start);
            // What can never hold by itself is said once.
            let said = found.code == Code::ImpossibleRule && told.contains(&(Code::ConstantTest, place));
            // Nobody can change the standard library.
            !said && !told.contains(&(found.code, place)) && !is_of_the_library(source, place)
        });
        self.findings
            .sort_by_key(|found| found.primary.as_ref().map(|label| (label.span.start, label.span.end)));
        if self.findings.len() > MOST_FINDINGS {
            let more = self.findings.split_off(MOST_FINDINGS).len();
            let last = self.findings.pop();
            let note = format!("{more} more findings of this kind show once these are mended");
            self.findings.extend(last.map(|last| last.note(note)));
        }
        self.findings
    }
}

fn is_of_the_library(source: &SourceFile, place: u32) -> bool {
    source.file(source.file_at(place)).path.starts_with("std/")
}

/// Whether these can never hold together, given the facts of the event.
fn never(world: &World, solver: &mut Solver<'_>, conditions: &[&Formula]) -> bool {
    let facts = world.facts.iter().chain(conditions.iter().copied()).cloned();
    solver.solve(facts, MOST_WORK).is_never()
}

/// Whether these certainly can.
fn possible(world: &World, solver: &mut Solver<'_>, conditions: &[&Formula]) -> bool {
    let facts = world.facts.iter().chain(conditions.iter().copied()).cloned();
    matches!(solver.solve(facts, MOST_WORK), Answer::With(_))
}

/// A connection for which these hold, in words.
fn example(world: &World, solver: &mut Solver<'_>, conditions: &[&Formula]) -> Option<String> {
    let facts: Vec<Formula> = world.facts.iter().chain(conditions.iter().copied()).cloned().collect();
    let found = witness::find(world, solver, &facts, EXAMPLE_WORK)?;
    Some(found.show(world))
}

/// Adds the connection to a finding.
fn with_example(finding: Diagnostic, example: Option<String>, what: &str) -> Diagnostic {
    match example {
        Some(flow) => finding.note(format!("for example `{flow}`: {what}")),
        None => finding,
    }
}

/// As many of the conditions as it takes for them never to hold together: their indices.
fn culprits(
    world: &World,
    solver: &mut Solver<'_>,
    fixed: &[&Formula],
    conditions: &[&Formula],
) -> Vec<usize> {
    const MOST: usize = 64;
    for (at, condition) in conditions.iter().enumerate().take(MOST) {
        let alone: Vec<&Formula> = fixed.iter().copied().chain([*condition]).collect();
        if never(world, solver, &alone) {
            return vec![at];
        }
    }
    let mut kept: Vec<usize> = (0..conditions.len()).collect();
    for at in 0..conditions.len().min(MOST) {
        let without: Vec<usize> = kept.iter().copied().filter(|&other| other != at).collect();
        let rest: Vec<&Formula> =
            fixed.iter().copied().chain(without.iter().map(|&at| conditions[at])).collect();
        if never(world, solver, &rest) {
            kept = without;
        }
    }
    kept
}

/// The line of a rule, in the order in which they are tried.
fn earlier<'l, 'p>(lines: &'l [Line<'p>], at: usize) -> &'l [Line<'p>] {
    lines.get(..at).unwrap_or(&[])
}
