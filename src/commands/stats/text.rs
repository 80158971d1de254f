//! What a policy counted, for people.

use tcpc_loader::{Failure, Histogram, Key};
use tcpc_stdlib::kernel::ERRNOS;
use tcpc_stdlib::manifest::state::bucket_bounds;

use super::Reading;
use super::rates::{Number, Rates};
use crate::values;

/// Characters of the longest bar.
const BAR: usize = 40;

/// Columns of a table: names to the left, numbers to the right.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<Cell>>,
}

struct Cell {
    text: String,
    is_number: bool,
}

/// One policy: a head line, and a section for everything that there is something to say of.
pub fn policy(reading: &Reading, top: usize, rates: &Rates) -> String {
    let Reading { policy, counters, .. } = reading;
    let note = if policy.alive { "" } else { " (removed)" };
    let mut text = format!("{} on {}{note}\n", policy.name, policy.cgroup.display());

    let mut rules = Table::default();
    for (index, rule) in counters.rules.iter().enumerate() {
        let mut row = vec![name(&rule.rule), name(rule.events.join(", ")), name(rule.place.to_string())];
        row.extend(numbers(rule.hits, rule.hits.and_then(|hits| rates.of(Number::Rule(index), hits))));
        rules.rows.push(row);
    }
    let counted = if policy.record.manifest.stats { "" } else { " (not counted: built with --no-stats)" };
    section(&mut text, &format!("rules{counted}"), rules);

    section(&mut text, "refused options", failures(&counters.failures, false, rates));
    section(&mut text, "header options not sent", failures(&counters.failures, true, rates));

    let mut named = Table::default();
    for (index, (counter, value)) in counters.named.iter().enumerate() {
        let mut row = vec![name(counter)];
        row.extend(numbers(Some(*value), rates.of(Number::Counter(index), *value)));
        named.rows.push(row);
    }
    section(&mut text, "counters", named);

    for (index, keyed) in counters.keyed.iter().enumerate() {
        let mut rows = Table::default();
        for (key, value) in keyed.rows.iter().take(values::at_most(top)) {
            rows.rows.push(key_row(&keyed.key, *key, *value, rates.of(Number::Row(index, *key), *value)));
        }
        let keys = keyed.rows.len();
        let of = match rows.rows.len() {
            shown if shown < keys => format!("the first {shown} of "),
            _ => String::new(),
        };
        let mut head = format!("{} by {}: {of}{keys} {}", keyed.name, keyed.key, plural(keys, "key"));
        if keyed.full > 0 {
            head += &format!(", {} not counted for lack of room", keyed.full);
        }
        section_with(&mut text, &head, rows);
    }
    for (index, histogram) in counters.histograms.iter().enumerate() {
        let total: u64 = histogram.buckets.iter().sum();
        let rate = rates.of(Number::Histogram(index), total).map(|rate| format!(", {rate:+.1}/s"));
        let values = if total == 1 { "value" } else { "values" };
        let head = format!("{}: {total} {values}{}", histogram.name, rate.unwrap_or_default());
        section_with(&mut text, &head, buckets(histogram));
    }
    let mut lost = Table::default();
    for (index, (record, count)) in counters.lost.iter().enumerate().filter(|(_, (_, count))| *count > 0) {
        let mut row = vec![name(record)];
        row.extend(numbers(Some(*count), rates.of(Number::Lost(index), *count)));
        lost.rows.push(row);
    }
    section(&mut text, "records lost, as nobody read the others in time", lost);
    text
}

/// A bar for each bucket from the first to the last that is not empty.
fn buckets(histogram: &Histogram) -> Table {
    let mut table = Table::default();
    let most = histogram.buckets.iter().max().copied().unwrap_or(0);
    let filled = |count: &u64| *count > 0;
    let first = histogram.buckets.iter().position(filled).unwrap_or(0);
    let end = histogram.buckets.iter().rposition(filled).map_or(0, |last| last + 1);
    for (index, count) in (0..).zip(&histogram.buckets).skip(first).take(end - first) {
        let (least, most_of) = bucket_bounds(index);
        let bounds = values::bounds(&histogram.ty, least, most_of);
        table.rows.push(vec![
            Cell { text: bounds, is_number: true },
            name(format!("{} {count}", bar(*count, most)).trim_start()),
        ]);
    }
    table
}

/// As long as the count's share of the greatest; never empty for what is not 0.
fn bar(count: u64, most: u64) -> String {
    let length = (u128::from(count) * BAR as u128).div_ceil(u128::from(most.max(1)));
    "▇".repeat(length as usize)
}

fn key_row(ty: &str, key: Key, value: u64, rate: Option<f64>) -> Vec<Cell> {
    let mut row = vec![name(values::key(ty, key))];
    row.extend(numbers(Some(value), rate));
    row
}

fn failures(failures: &[Failure], header: bool, rates: &Rates) -> Table {
    let mut table = Table::default();
    for failure in failures.iter().filter(|failure| failure.header == header) {
        let errno = ERRNOS.iter().find(|errno| errno.number == failure.errno);
        let error = match (errno, failure.errno) {
            (Some(errno), _) => errno.name.to_owned(),
            (None, 0) => "other".to_owned(),
            (None, number) => format!("errno {number}"),
        };
        let option = match &failure.value {
            Some(value) => format!("{} = {value}", failure.option),
            None => failure.option.clone(),
        };
        let mut row = vec![name(&failure.rule), name(option), name(failure.place.to_string()), name(error)];
        row.extend(numbers(Some(failure.count), rates.of(Number::failure(failure), failure.count)));
        row.push(name(errno.map_or("", |errno| errno.meaning)));
        table.rows.push(row);
    }
    table
}

fn name(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), is_number: false }
}

/// A count, and what was added a second where that is known.
fn numbers(value: Option<u64>, rate: Option<f64>) -> Vec<Cell> {
    let number = |text: String| Cell { text, is_number: true };
    let mut cells = vec![number(value.map_or_else(|| "-".to_owned(), |value| value.to_string()))];
    cells.extend(rate.map(|rate| number(format!("{rate:+.1}/s"))));
    cells
}

fn plural(count: usize, what: &str) -> String {
    format!("{what}{}", if count == 1 { "" } else { "s" })
}

/// Nothing is said of what is empty.
fn section(text: &mut String, head: &str, table: Table) {
    if !table.rows.is_empty() {
        section_with(text, head, table);
    }
}

fn section_with(text: &mut String, head: &str, table: Table) {
    text.push_str(&format!("  {head}\n"));
    let width = |column: usize| {
        table.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max()
    };
    let widths: Vec<usize> = (0..).map_while(width).collect();
    for row in &table.rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| match cell.is_number {
            true => format!("{:>width$}", cell.text),
            false => format!("{:width$}", cell.text),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(&format!("    {}\n", line.trim_end()));
    }
}
