//! What statements can do something to, and what may read otherwise after them.

use std::collections::BTreeSet;

use tcpc_lang::hir::{Program, Stmt, StmtKind};

use crate::diff::effect::{CELL, COUNTER, HISTOGRAM, RECORDS, REPLY, option_channel};
use crate::scene::{Scene, World, topic};

/// Something is changed. Where the same was done before, it reads the same.
pub(super) fn change(world: &mut World, scene: &mut Scene<'_>, topic: String, what: &str) {
    let before = scene.epoch.of(&topic);
    // Zero is the time at which the event begins.
    let time = world.node(format!("after {before}: {what}")) + 1;
    scene.epoch.change(topic, time);
}

/// What may read otherwise after statements.
pub(super) fn changed(program: &Program, stmts: &[Stmt]) -> BTreeSet<String> {
    let mut topics = BTreeSet::new();
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::Assign(ids) => {
                let row = ids.first().and_then(|id| program.assignments.get(id.index()));
                topics.extend(topic::changed_by_option(row.map_or("", |row| row.option.name)));
            }
            StmtKind::SetField(..) => topics.extend(topic::changed_by_field()),
            StmtKind::Change { row, cell, .. } => drop(topics.insert(topic::of_cell(program, row, *cell))),
            StmtKind::If(_, then, otherwise) => {
                topics.extend(changed(program, then));
                topics.extend(changed(program, otherwise));
            }
            _ => {}
        }
    }
    topics
}

/// What the statements of a rule may do something to.
pub(super) fn touched<'p>(mut scene: Scene<'p>, world: &mut World, stmts: &'p [Stmt]) -> BTreeSet<String> {
    let program = scene.program;
    let of = |name: Option<&String>| name.cloned().unwrap_or_default();
    let mut channels = BTreeSet::new();
    for stmt in stmts {
        let channel = match &stmt.kind {
            StmtKind::Assign(ids) => {
                let row = ids.first().and_then(|id| program.assignments.get(id.index()));
                option_channel(row.map_or("", |row| row.option.name))
            }
            StmtKind::SetField(field, _) => option_channel(field.name),
            StmtKind::Change { row, cell, .. } => format!("{CELL}{}", scene.row_key(world, row, *cell)),
            StmtKind::Count(id, _) => {
                format!("{COUNTER}{}", of(program.counters.get(id.index()).map(|one| &one.name)))
            }
            StmtKind::Observe(id, _) => {
                format!("{HISTOGRAM}{}", of(program.histograms.get(id.index()).map(|one| &one.name)))
            }
            StmtKind::Emit(..) => RECORDS.to_owned(),
            StmtKind::Send(_) => "header options".to_owned(),
            StmtKind::Open(id, _) | StmtKind::Outcome(id, ..) => {
                format!("experiment {}", of(program.experiments.get(id.index()).map(|one| &one.name)))
            }
            StmtKind::Reply(_) => REPLY.to_owned(),
            StmtKind::If(_, then, otherwise) => {
                channels.extend(touched(scene.clone(), world, then));
                channels.extend(touched(scene.clone(), world, otherwise));
                continue;
            }
            StmtKind::Let(local, value) => {
                scene.bind(world, *local, value);
                continue;
            }
            StmtKind::Stop => continue,
        };
        channels.insert(channel);
    }
    channels
}
