//! What a policy counted, for programs. `docs/counting.md` describes this document.

use serde_json::{Map, Value, json};
use tcpc_loader::{Failure, Key};
use tcpc_stdlib::kernel::errno_name;
use tcpc_stdlib::manifest::state::bucket_bounds;

use super::Reading;
use super::rates::{Number, Rates};
use crate::values;

/// One policy. Rates are there with `--watch` only.
pub fn policy(reading: &Reading, top: usize, rates: &Rates) -> Value {
    let Reading { policy, counters, .. } = reading;
    let rules = counters.rules.iter().enumerate().map(|(index, rule)| {
        let mut row = object(json!({
            "name": rule.rule, "events": rule.events, "line": rule.place.line, "file": rule.place.file, "hits": rule.hits,
        }));
        rate(&mut row, rule.hits.and_then(|hits| rates.of(Number::Rule(index), hits)));
        Value::Object(row)
    });
    let named = counters.named.iter().enumerate().map(|(index, (name, value))| {
        let mut row = object(json!({ "name": name, "value": value }));
        rate(&mut row, rates.of(Number::Counter(index), *value));
        Value::Object(row)
    });
    let keyed = counters.keyed.iter().enumerate().map(|(index, keyed)| {
        let shown = keyed.rows.iter().take(values::at_most(top)).map(|(key, value)| {
            let mut row = object(json!({ "key": key_value(&keyed.key, *key), "value": value }));
            rate(&mut row, rates.of(Number::Row(index, *key), *value));
            Value::Object(row)
        });
        json!({
            "name": keyed.name,
            "type": keyed.key,
            "keys": keyed.rows.len(),
            "rows": shown.collect::<Vec<_>>(),
            "full": keyed.full,
        })
    });
    let histograms = counters.histograms.iter().enumerate().map(|(index, histogram)| {
        let count = histogram.buckets.iter().sum();
        let buckets = (0..).zip(&histogram.buckets).filter(|(_, count)| **count > 0).map(|(bucket, count)| {
            let (least, most) = bucket_bounds(bucket);
            json!({ "least": least, "most": most, "count": count })
        });
        let mut row = object(json!({
            "name": histogram.name, "type": histogram.ty, "count": count, "buckets": buckets.collect::<Vec<_>>(),
        }));
        rate(&mut row, rates.of(Number::Histogram(index), count));
        Value::Object(row)
    });
    let records = counters.lost.iter().enumerate().map(|(index, (name, lost))| {
        let mut row = object(json!({ "name": name, "lost": lost }));
        rate(&mut row, rates.of(Number::Lost(index), *lost));
        Value::Object(row)
    });
    let failed = |header: bool| -> Vec<Value> {
        let of = counters.failures.iter().filter(|failure| failure.header == header);
        of.map(|failure| failure_row(failure, rates)).collect()
    };
    json!({
        "name": policy.name,
        "cgroup": policy.cgroup,
        "alive": policy.alive,
        "attached_at": policy.record.attached_at,
        "counted": policy.record.manifest.stats,
        "rules": rules.collect::<Vec<_>>(),
        "refused": failed(false),
        "unsent": failed(true),
        "counters": named.collect::<Vec<_>>(),
        "keyed": keyed.collect::<Vec<_>>(),
        "histograms": histograms.collect::<Vec<_>>(),
        "records": records.collect::<Vec<_>>(),
    })
}

fn failure_row(failure: &Failure, rates: &Rates) -> Value {
    let mut row = object(json!({
        "rule": failure.rule,
        "option": failure.option,
        "value": failure.value,
        "line": failure.place.line,
        "file": failure.place.file,
        "errno": failure.errno,
        "error": errno_name(failure.errno),
        "count": failure.count,
    }));
    rate(&mut row, rates.of(Number::failure(failure), failure.count));
    Value::Object(row)
}

/// Numbers without a unit as numbers, everything else as a policy writes it.
fn key_value(ty: &str, key: Key) -> Value {
    match key {
        Key::Number(number) if matches!(ty, "int" | "packets" | "port") => number.into(),
        Key::Number(number) if ty == "bool" => (number != 0).into(),
        _ => values::key(ty, key).into(),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn rate(row: &mut Map<String, Value>, rate: Option<f64>) {
    if let Some(rate) = rate {
        row.insert("per_second".into(), ((rate * 100.0).round() / 100.0).into());
    }
}
