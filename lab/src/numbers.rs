//! What a policy counted and keeps, as numbers with names: what is compared between the kernel and its model.

use std::collections::BTreeMap;

use tcpc_lang::hir::{Program, Value};
use tcpc_lang::show::show_ip;
use tcpc_runtime::kept::{Kept, Rows};

/// Names and numbers.
pub type Numbers = BTreeMap<String, u64>;

/// What rules count as they run: what each event adds to is the same whatever came before.
pub fn counted(kept: &Kept, program: &Program) -> Numbers {
    let mut numbers = Numbers::new();
    let mut put = |name: String, number: u64| {
        numbers.insert(name, number);
    };
    for (rule, hits) in program.rules.iter().zip(&kept.hits) {
        put(format!("rule {}", rule.name), *hits);
    }
    for (counter, rows) in program.counters.iter().zip(&kept.counters).filter(|(one, _)| one.key.is_none()) {
        put(format!("counter {}", counter.name), rows.cell(&[], 0).unwrap_or(0));
    }
    for (histogram, buckets) in program.histograms.iter().zip(&kept.histograms) {
        for (bucket, number) in buckets.iter().enumerate().filter(|(_, number)| **number != 0) {
            put(format!("observed {} in bucket {bucket}", histogram.name), *number);
        }
    }
    for (assignment, errors) in program.assignments.iter().zip(&kept.refused) {
        for (errno, number) in errors {
            put(format!("`{}` refused with {errno}", assignment.option.name), *number);
        }
    }
    for (at, errors) in kept.unsent.iter().enumerate() {
        for (errno, number) in errors {
            put(format!("header option {at} refused with {errno}"), *number);
        }
    }
    for (experiment, arms) in program.experiments.iter().zip(&kept.experiments) {
        for (at, arm) in arms.iter().enumerate() {
            put(format!("experiment {} opened in arm {at}", experiment.name), arm.opened);
        }
    }
    numbers
}

/// What stays in maps: tables and counters with a key.
pub fn rows(kept: &Kept, program: &Program) -> Numbers {
    let mut numbers = Numbers::new();
    for (table, rows) in program.tables.iter().zip(&kept.tables) {
        put_rows(&mut numbers, &table.name, rows);
    }
    for (counter, rows) in program.counters.iter().zip(&kept.counters).filter(|(one, _)| one.key.is_some()) {
        put_rows(&mut numbers, &counter.name, rows);
    }
    numbers
}

fn put_rows(numbers: &mut Numbers, name: &str, rows: &Rows) {
    for (key, cells) in &rows.rows {
        let key: Vec<String> = key.iter().map(shown).collect();
        for (at, cell) in cells.iter().enumerate() {
            numbers.insert(format!("{name}[{}] cell {at}", key.join(", ")), *cell);
        }
    }
    numbers.insert(format!("{name} without room"), rows.full);
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Ip(address) => show_ip(*address),
        Value::Name(name) => name.clone(),
    }
}

/// What was added since.
pub fn since(before: &Numbers, after: &Numbers) -> Numbers {
    let more = |(name, number): (&String, &u64)| {
        let added = number.wrapping_sub(before.get(name).copied().unwrap_or(0));
        (added != 0).then(|| (name.clone(), added))
    };
    after.iter().filter_map(more).collect()
}

/// What is not the same: name, the one number, the other.
pub fn differing(kernel: &Numbers, model: &Numbers) -> Vec<(String, u64, u64)> {
    let mut names: Vec<&String> = kernel.keys().chain(model.keys()).collect();
    names.sort();
    names.dedup();
    let number = |numbers: &Numbers, name: &String| numbers.get(name).copied().unwrap_or(0);
    let both = names.into_iter().map(|name| (name.clone(), number(kernel, name), number(model, name)));
    both.filter(|(_, kernel, model)| kernel != model).collect()
}
