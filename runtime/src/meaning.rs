//! The meaning of a policy, said directly: its typed tree is run on the model of the kernel.
//!
//! ```text
//! event ─▶ what the socket asks for ─▶ rules in order: condition ─▶ statements ─▶ effects on the world
//! ```
//!
//! This is what the compiled bytes are compared with. It takes no short cuts, knows nothing of instructions, maps and
//! addresses, and shares nothing with the compiler but the catalogue; the model of the kernel is the same for both.

mod ask;
mod effects;
pub mod observe;
mod rows;
mod scene;

use std::collections::BTreeMap;

use tcpc_lang::hir::{
    CounterId, HistogramId, MutableSetId, ParamId, Program, RecordId, RuleId, Stmt, TableId, Value,
};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::manifest::state::{HISTOGRAM_BUCKETS, OUTCOME_NUMBERS, RING_BYTES};

use crate::eval::Evaluator;
use crate::kept::{ArmKept, Kept, Rows};
use crate::mock::World;
use crate::mock::ring::Ring;
use crate::scenario::engine::{Engine, Ran};
use observe::Observer;
use scene::Scene;

/// The typed tree of a policy, with what the policy keeps.
pub struct Meaning<'a, O = ()> {
    program: &'a Program,
    source: &'a SourceFile,
    state: State,
    /// Is told what happens.
    pub observer: O,
}

/// What a policy keeps, and what decides how much of it there can be.
#[derive(Clone)]
struct State {
    kept: Kept,
    /// The room for records: nobody reads any.
    ring: Option<Ring>,
    /// When each row of a table that forgets was used last.
    used: BTreeMap<(TableId, Vec<Value>), u64>,
}

impl<'a> Meaning<'a> {
    /// A policy that has not run yet.
    pub fn new(program: &'a Program, source: &'a SourceFile) -> Meaning<'a> {
        Meaning::observed(program, source, ())
    }
}

impl<'a, O: Observer> Meaning<'a, O> {
    /// The same, with somebody who is told what happens.
    pub fn observed(program: &'a Program, source: &'a SourceFile, observer: O) -> Meaning<'a, O> {
        Meaning { program, source, state: State::new(program), observer }
    }
}

impl State {
    fn new(program: &Program) -> State {
        let arm = |metrics: usize| ArmKept {
            opened: 0,
            outcomes: vec![vec![0; OUTCOME_NUMBERS as usize]; metrics],
        };
        State {
            kept: Kept {
                hits: vec![0; program.rules.len()],
                counters: vec![Rows::default(); program.counters.len()],
                flows: Rows::default(),
                tables: vec![Rows::default(); program.tables.len()],
                histograms: vec![vec![0; HISTOGRAM_BUCKETS as usize]; program.histograms.len()],
                records: Vec::new(),
                lost: vec![0; program.records.len()],
                refused: vec![BTreeMap::new(); program.assignments.len()],
                unsent: vec![BTreeMap::new(); program.sends.len()],
                experiments: program
                    .experiments
                    .iter()
                    .map(|experiment| vec![arm(experiment.metrics.len()); experiment.arms.len()])
                    .collect(),
                params: program.params.iter().map(|param| param.default).collect(),
                sets: program.mutable_sets.iter().map(|set| set.elements.iter().copied().collect()).collect(),
            },
            ring: Ring::new(RING_BYTES),
            used: BTreeMap::new(),
        }
    }
}

/// Runs the rules of the event that the world is in.
fn run<O: Observer>(
    program: &Program,
    source: &SourceFile,
    state: &mut State,
    world: &mut World,
    observer: &mut O,
) -> Result<Ran, String> {
    let Some(event) = world.sock.event() else { return Err("no event was raised".into()) };
    observer.event(event);
    let mut scene = Scene { program, source, event, world, state, observer, ran: Ran::default() };
    scene.ask();
    let mut evaluator = Evaluator::new(program, &mut scene);
    for (index, rule) in (0..).zip(&program.rules) {
        if !rule.events.contains(&event) {
            continue;
        }
        let runs = match &rule.condition {
            Some(condition) => evaluator.condition(condition)?,
            None => true,
        };
        evaluator.world().observer.rule(RuleId(index), runs);
        if !runs {
            continue;
        }
        evaluator.world().hit(RuleId(index), rule);
        if block(&mut evaluator, &rule.body)? == Flow::Ends {
            break;
        }
    }
    Ok(scene.ran)
}

/// Whether the event goes on after something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoesOn,
    Ends,
}

/// Statements in order. Changes of one row that follow one another are one look-up: there is room for all or for none.
fn block<O: Observer>(evaluator: &mut Evaluator<'_, Scene<'_, O>>, stmts: &[Stmt]) -> Result<Flow, String> {
    for stmts in stmts.chunk_by(Stmt::changes_row_of) {
        if effects::perform(evaluator, stmts)? == Flow::Ends {
            return Ok(Flow::Ends);
        }
    }
    Ok(Flow::GoesOn)
}

impl<O: Observer> Engine for Meaning<'_, O> {
    fn begin(&mut self) -> World {
        World::default()
    }

    fn run(&mut self, world: &mut World) -> Result<Ran, String> {
        run(self.program, self.source, &mut self.state, world, &mut self.observer)
    }

    fn rehearse(&self, world: &mut World) -> bool {
        run(self.program, self.source, &mut self.state.clone(), world, &mut ()).is_ok()
    }

    fn hits(&self, _: &World, rule: RuleId) -> Option<u64> {
        self.state.kept.hits.get(rule.index()).copied()
    }

    fn counter(&self, _: &World, counter: CounterId) -> Option<u64> {
        Some(self.state.kept.counters.get(counter.index())?.cell(&[], 0).unwrap_or(0))
    }

    fn observed(&self, _: &World, histogram: HistogramId) -> Option<u64> {
        Some(self.state.kept.histograms.get(histogram.index())?.iter().sum())
    }

    fn records(&self, _: &World, record: RecordId) -> Option<Vec<Vec<Value>>> {
        let ours = self.state.kept.records.iter().filter(|one| one.kind == record);
        Some(ours.map(|record| record.values.clone()).collect())
    }

    fn cell(
        &self,
        world: &World,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
    ) -> Result<Option<u64>, String> {
        Ok(self.state.cell(world.sock.cookie, table, key, cell))
    }

    fn give_cell(
        &mut self,
        world: &mut World,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
        value: u64,
    ) -> Result<(), String> {
        let row = self.state.row(self.program, world.sock.cookie, table, key);
        let cell = row.ok_or("the table is full")?.get_mut(usize::from(cell));
        *cell.ok_or("no such cell")? = value;
        Ok(())
    }

    fn param(&self, _: &World, param: ParamId) -> Option<u64> {
        self.state.kept.params.get(param.index()).copied()
    }

    fn set_param(&mut self, _: &mut World, param: ParamId, value: u64) -> Option<()> {
        *self.state.kept.params.get_mut(param.index())? = value;
        Some(())
    }

    fn elements(&self, _: &World, set: MutableSetId) -> Option<Vec<(u128, u8)>> {
        Some(self.state.kept.sets.get(set.index())?.iter().copied().collect())
    }

    fn add_elements(&mut self, _: &mut World, set: MutableSetId, elements: &[(u128, u8)]) -> Option<()> {
        self.state.kept.sets.get_mut(set.index())?.extend(elements);
        Some(())
    }

    fn kept(&self, _: &World) -> Kept {
        self.state.kept.clone()
    }
}
