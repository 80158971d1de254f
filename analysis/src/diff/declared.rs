//! What two policies declare under one name.

use tcpc_lang::hir::{MutableSet, Param, Program};
use tcpc_lang::show::show;

use super::Side;
use crate::scene::Scene;

/// A policy before its first rule. Parameters and sets that both policies declare alike can be anything; all others are
/// what they start with.
pub fn scene<'p>(side: Side<'p>, sides: [Side<'p>; 2]) -> Scene<'p> {
    let mut scene = Scene::new(side.program, side.source);
    for param in &side.program.params {
        let alike = |other: &Side<'_>| {
            let other = other.program.params.iter().find(|other| other.name == param.name);
            other.is_some_and(|other| is_same_param(param, other))
        };
        if !sides.iter().all(alike) {
            scene.fix_param(&param.name, param.default);
        }
    }
    for set in &side.program.mutable_sets {
        let alike = |other: &Side<'_>| {
            let other = other.program.mutable_sets.iter().find(|other| other.name == set.name);
            other.is_some_and(|other| is_same_set(set, other))
        };
        if !sides.iter().all(alike) {
            scene.fix_set(&set.name);
        }
    }
    scene
}

fn is_same_param(one: &Param, other: &Param) -> bool {
    (one.ty, one.default, one.range) == (other.ty, other.default, other.range)
}

fn is_same_set(one: &MutableSet, other: &MutableSet) -> bool {
    one.element == other.element && one.elements == other.elements && one.max == other.max
}

/// What both declare, and not alike: each in words, with what it is in the old and in the new policy.
pub fn declarations(old: Side<'_>, new: Side<'_>) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let (old, new) = (old.program, new.program);
    for one in &old.params {
        let Some(other) = new.params.iter().find(|other| other.name == one.name) else { continue };
        if !is_same_param(one, other) {
            found.push((format!("the parameter `{}`", one.name), param(one), param(other)));
        }
    }
    for one in &old.mutable_sets {
        let Some(other) = new.mutable_sets.iter().find(|other| other.name == one.name) else { continue };
        if !is_same_set(one, other) {
            found.push((format!("the set `{}`", one.name), set(one), set(other)));
        }
    }
    let (mut before, mut after) = (shapes(old), shapes(new));
    before.retain(|(name, shape)| after.iter().any(|(other, theirs)| other == name && theirs != shape));
    for (name, shape) in before {
        if let Some(at) = after.iter().position(|(other, _)| *other == name) {
            let (name, theirs) = after.swap_remove(at);
            found.push((name, shape, theirs));
        }
    }
    found
}

fn param(param: &Param) -> String {
    let (low, high) = param.range;
    let (default, low, high) = (show(param.ty, param.default), show(param.ty, low), show(param.ty, high));
    format!("a {} that starts with {default}, from {low} to {high}", param.ty)
}

fn set(set: &MutableSet) -> String {
    let elements: Vec<String> = set
        .elements
        .iter()
        .map(|&(address, length)| tcpc_lang::show::show_element(set.element, address, length))
        .collect();
    let first = if elements.is_empty() { "nothing".to_owned() } else { elements.join(", ") };
    format!("of {}, at most {}, with {first}", set.element, set.max)
}

/// The shapes of what is kept, measured and sent, by their names.
fn shapes(program: &Program) -> Vec<(String, String)> {
    let mut shapes = Vec::new();
    // A cell that only one of them has shows where it is used.
    let cell = |row: &str, cell: &tcpc_lang::hir::Cell| {
        (format!("`{row}.{}`", cell.name), format!("{} = {}", cell.ty, show(cell.ty, cell.default)))
    };
    for table in &program.tables {
        let keys: Vec<String> = table
            .keys
            .iter()
            .map(|key| match key.cut {
                Some((v4, v6)) => format!("{}/({v4}, {v6})", key.ty),
                None => key.ty.to_string(),
            })
            .collect();
        let words = [(" lru", table.lru), (" per_cpu", table.per_cpu)];
        let words: String = words.iter().filter(|(_, holds)| *holds).map(|(word, _)| *word).collect();
        let shape = format!("by {} max {}{words}", keys.join(", "), table.max);
        shapes.extend(table.cells.iter().map(|one| cell(&table.name, one)));
        shapes.push((format!("the table `{}`", table.name), shape));
    }
    for header in &program.headers {
        let fields: Vec<String> =
            header.fields.iter().map(|field| format!("{}: u{}", field.name, field.bits)).collect();
        let id = header.exid.map_or(String::new(), |id| format!(" id {id:#06x}"));
        let shape = format!("kind {}{id} {{ {} }}", header.kind, fields.join(", "));
        shapes.push((format!("the header option `{}`", header.name), shape));
    }
    for record in &program.records {
        let fields: Vec<String> =
            record.fields.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
        shapes.push((format!("the event `{}`", record.name), format!("{{ {} }}", fields.join(", "))));
    }
    for histogram in &program.histograms {
        shapes.push((format!("the histogram `{}`", histogram.name), format!("of {}", histogram.ty)));
    }
    for experiment in &program.experiments {
        let arms: Vec<String> =
            experiment.arms.iter().map(|arm| format!("{} {}..{}", arm.name, arm.low, arm.high)).collect();
        let shape = format!("by {} {{ {} }}", experiment.key, arms.join(", "));
        shapes.push((format!("the experiment `{}`", experiment.name), shape));
    }
    if let Some(flow) = &program.flow {
        shapes.extend(flow.cells.iter().map(|one| cell("flow", one)));
    }
    shapes
}
