//! The rules of two policies in one event, those that both have side by side.

use std::collections::BTreeSet;

use tcpc_lang::hir::{ExprKind, Program, ReplyValue, Rule, Stmt, StmtKind};

use super::Side;
use crate::scene::{Scene, World, topic};

/// One or two rules that are tried at the same time.
#[derive(Debug)]
pub struct Step<'p> {
    /// The rule of the old and of the new policy.
    pub rules: [Option<&'p Rule>; 2],
    /// Whether both have it, word for word.
    pub is_common: bool,
    /// Whether it ends the event when it runs.
    pub ends: Ends,
    /// What it reads that rules before it can have changed: see [`crate::scene::topic`].
    pub reads: BTreeSet<String>,
    /// The number of its text.
    pub text: u32,
}

/// Whether a rule that runs ends the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It does not.
    Never,
    /// It does.
    Always,
    /// That depends.
    Sometimes,
}

/// The steps of an event, and whether all of them are common.
pub fn steps<'p>(world: &mut World, sides: [Side<'p>; 2], scenes: &[Scene<'p>; 2]) -> (Vec<Step<'p>>, bool) {
    let event = world.event;
    let mut rules: [Vec<(&'p Rule, u32)>; 2] = [Vec::new(), Vec::new()];
    for (at, side) in sides.iter().enumerate() {
        for rule in side.program.rules.iter().filter(|rule| rule.events.contains(&event)) {
            let mut scene = scenes[at].clone();
            let text = text(world, &mut scene, rule);
            rules[at].push((rule, text));
        }
    }
    let [old, new] = rules;
    let mut steps = Vec::new();
    let (mut i, mut j) = (0, 0);
    for (a, b) in common(&old, &new) {
        gap(&mut steps, &old[i..a], &new[j..b]);
        let reads = reads(sides[0].program, old[a].0);
        steps.push(Step {
            rules: [Some(old[a].0), Some(new[b].0)],
            is_common: true,
            ends: ends(&old[a].0.body),
            reads,
            text: old[a].1,
        });
        (i, j) = (a + 1, b + 1);
    }
    gap(&mut steps, &old[i..], &new[j..]);
    let is_same = steps.iter().all(|step| step.is_common);
    (steps, is_same)
}

/// Rules that only one policy has, between two that both have: the first next to the first, so that what they draw is
/// taken for one draw.
fn gap<'p>(steps: &mut Vec<Step<'p>>, old: &[(&'p Rule, u32)], new: &[(&'p Rule, u32)]) {
    for at in 0..old.len().max(new.len()) {
        let rules = [old.get(at), new.get(at)].map(|rule| rule.map(|(rule, _)| *rule));
        steps.push(Step { rules, is_common: false, ends: Ends::Sometimes, reads: BTreeSet::new(), text: 0 });
    }
}

/// The longest common subsequence of two lists of rules: pairs of indices.
fn common(old: &[(&Rule, u32)], new: &[(&Rule, u32)]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    let mut longest = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i * width + j] = if old[i].1 == new[j].1 {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if old[i].1 == new[j].1 {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// Whether statements end the event.
fn ends(stmts: &[Stmt]) -> Ends {
    let mut can = false;
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::Stop | StmtKind::Reply(_) => return if can { Ends::Sometimes } else { Ends::Always },
            StmtKind::If(_, then, otherwise) => {
                can |= ends(then) != Ends::Never || ends(otherwise) != Ends::Never;
            }
            _ => {}
        }
    }
    if can { Ends::Sometimes } else { Ends::Never }
}

/// What a rule reads that rules before it can have changed.
fn reads(program: &Program, rule: &Rule) -> BTreeSet<String> {
    let mut topics = BTreeSet::new();
    rule.any(program, &mut |part| {
        match &part.kind {
            ExprKind::Option(option) => drop(topics.insert(topic::read_with(option))),
            ExprKind::Cell(row, cell) => drop(topics.insert(topic::of_cell(program, row, *cell))),
            ExprKind::Field(field) => topics.extend(topic::of_field(field)),
            _ => {}
        }
        false
    });
    topics
}

/// The number of a rule's text.
fn text<'p>(world: &mut World, scene: &mut Scene<'p>, rule: &'p Rule) -> u32 {
    let condition = rule.condition.as_ref().map(|condition| scene.key(world, condition));
    let body = block(world, scene, &rule.body);
    world.node(format!("rule {condition:?} {body}"))
}

fn block<'p>(world: &mut World, scene: &mut Scene<'p>, stmts: &'p [Stmt]) -> String {
    let mut text = String::new();
    for stmt in stmts {
        text.push_str(&statement(world, scene, stmt));
        text.push(';');
    }
    text
}

fn statement<'p>(world: &mut World, scene: &mut Scene<'p>, stmt: &'p Stmt) -> String {
    let program = scene.program;
    let name = |name: Option<&String>| name.cloned().unwrap_or_default();
    match &stmt.kind {
        StmtKind::Assign(ids) => {
            let rows: Vec<_> = ids.iter().filter_map(|id| program.assignments.get(id.index())).collect();
            let option = rows.first().map_or("", |row| row.option.name);
            let values: Vec<u32> = rows.iter().map(|row| scene.key(world, &row.value)).collect();
            format!("{option} = {values:?}")
        }
        StmtKind::SetField(field, value) => format!("{} = {}", field.name, scene.key(world, value)),
        StmtKind::Send(id) => {
            let Some(send) = program.sends.get(id.index()) else { return String::new() };
            let header = program.headers.get(send.header.index());
            let values: Vec<u32> = send.values.iter().map(|value| scene.key(world, value)).collect();
            format!("send {} {values:?}", name(header.map(|header| &header.name)))
        }
        StmtKind::Change { row, cell, op, value } => {
            let row = scene.row_key(world, row, *cell);
            format!("{row} {} {}", op.text(), scene.key(world, value))
        }
        StmtKind::Open(id, arm) => {
            format!("open {} {arm}", name(program.experiments.get(id.index()).map(|one| &one.name)))
        }
        StmtKind::Outcome(id, arm, values) => {
            let values: Vec<u32> = values.iter().map(|value| scene.key(world, value)).collect();
            let experiment = program.experiments.get(id.index());
            format!("outcome {} {arm} {values:?}", name(experiment.map(|one| &one.name)))
        }
        StmtKind::Count(id, key) => {
            let key = key.as_ref().map(|key| scene.key(world, key));
            format!("count {} {key:?}", name(program.counters.get(id.index()).map(|one| &one.name)))
        }
        StmtKind::Observe(id, value) => {
            let value = scene.key(world, value);
            format!("observe {} {value}", name(program.histograms.get(id.index()).map(|one| &one.name)))
        }
        StmtKind::Emit(id, values) => {
            let values: Vec<u32> = values.iter().map(|value| scene.key(world, value)).collect();
            format!("emit {} {values:?}", name(program.records.get(id.index()).map(|one| &one.name)))
        }
        StmtKind::Let(local, value) => {
            scene.bind(world, *local, value);
            String::new()
        }
        StmtKind::If(condition, then, otherwise) => {
            let condition = scene.key(world, condition);
            let then = block(world, scene, then);
            format!("if {condition} {{{then}}} else {{{}}}", block(world, scene, otherwise))
        }
        StmtKind::Stop => "stop".to_owned(),
        StmtKind::Reply(ReplyValue::Typed(value)) => format!("reply {}", scene.key(world, value)),
        StmtKind::Reply(ReplyValue::Raw(value)) => format!("raw reply {}", scene.key(world, value)),
    }
}
