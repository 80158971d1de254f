//! A record as a line of text or of JSON.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use tcpc_loader::{Emitted, Key};
use tcpc_stdlib::manifest::state::RecordInfo;

use crate::values;

/// What a percentage is counted in.
const WHOLE: f64 = 4_294_967_296.0;

/// Adds a record, and the end of its line.
pub fn push(text: &mut String, record: &Emitted, records: &[RecordInfo], json: bool) {
    let Some(info) = records.get(record.event) else { return };
    let fields = info.cells.iter().zip(&record.fields);
    let time = wall_clock(record.time);
    // Writing to a string cannot fail.
    let _ = if json {
        let fields: Map<String, Value> =
            fields.map(|(cell, value)| (cell.name.clone(), document(&cell.ty, *value))).collect();
        writeln!(text, "{}", json!({ "time": time, "event": info.name, "fields": fields }))
    } else {
        let fields: String =
            fields.map(|(cell, value)| format!(" {}={}", cell.name, values::key(&cell.ty, *value))).collect();
        writeln!(text, "{time} {}{fields}", info.name)
    };
}

/// Quantities as numbers in their canonical unit, shares as parts of 1; what is no quantity as a policy writes it.
fn document(ty: &str, value: Key) -> Value {
    match (ty, value) {
        ("bool", Key::Number(number)) => (number != 0).into(),
        ("percent", Key::Number(number)) => (number as f64 / WHOLE).into(),
        ("int" | "packets" | "port" | "duration" | "size" | "rate", Key::Number(number)) => number.into(),
        _ => values::key(ty, value).into(),
    }
}

/// Nanoseconds since 1970 as `2026-11-22T08:21:43.123456Z`.
fn wall_clock(nanos: u64) -> String {
    let (seconds, micros) = (nanos / 1_000_000_000, nanos / 1_000 % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that a leap day is the last; 400 years have 146097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(wall_clock(seconds * 1_000_000_000), text);
        }
        assert_eq!(wall_clock(1_123_456_789), "1970-01-01T00:00:01.123456Z");
    }
}
