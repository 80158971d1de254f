//! An experiment's arms side by side.

use serde_json::{Value, json};
use tcpc_stdlib::manifest::state::{ExperimentInfo, MetricUnit};

use super::statistics::{CONFIDENCE, Difference, ENOUGH, Sample, difference};

/// The share of the measurements below each quantile that is shown.
pub const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")];

/// Everything that is said of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// What decides about the arm.
    pub key: String,
    /// Name, share in percent, and connections that were established, of each arm.
    pub arms: Vec<(String, f64, u64)>,
    /// Its metrics.
    pub metrics: Vec<Metric>,
}

/// One metric of all arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What its numbers count in.
    pub unit: MetricUnit,
    /// One row for each arm.
    pub rows: Vec<Row>,
}

/// One metric of one arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Connections that ended.
    pub count: u64,
    /// Their mean.
    pub mean: Option<f64>,
    /// Of [`QUANTILES`].
    pub quantiles: [Option<f64>; 3],
    /// To the first arm; `None` for that one, and if too little is known.
    pub difference: Option<Difference>,
}

impl Report {
    /// Reads the numbers of an experiment: connections established of each arm, and for each arm and metric what a program
    /// keeps of it. `None` if they do not fit the description.
    pub fn new(info: &ExperimentInfo, opened: &[u64], outcomes: &[Vec<Vec<u64>>]) -> Option<Report> {
        let arms =
            info.arms.iter().zip(opened).map(|(arm, opened)| {
                (arm.name.clone(), arm.share as f64 / (1u64 << 32) as f64 * 100.0, *opened)
            });
        let mut metrics = Vec::new();
        for (index, metric) in info.metrics.iter().enumerate() {
            let samples: Option<Vec<Sample>> =
                outcomes.iter().map(|arm| Sample::new(arm.get(index)?)).collect();
            metrics.push(Metric { name: metric.name.clone(), unit: metric.unit, rows: rows(&samples?) });
        }
        Some(Report { name: info.name.clone(), key: info.key.clone(), arms: arms.collect(), metrics })
    }

    /// Arms with too few connections to compare them.
    pub fn too_few(&self) -> Vec<(&str, u64)> {
        let counts = self.metrics.first().map_or(&[][..], |metric| &metric.rows);
        let arms = self.arms.iter().zip(counts);
        arms.filter(|(_, row)| row.count < ENOUGH)
            .map(|((name, ..), row)| (name.as_str(), row.count))
            .collect()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let metrics = self.metrics.iter().map(|metric| {
            let rows = self.arms.iter().zip(&metric.rows).map(|((arm, ..), row)| {
                json!({
                    "arm": arm,
                    "connections": row.count,
                    "mean": row.mean,
                    "p50": row.quantiles[0],
                    "p90": row.quantiles[1],
                    "p99": row.quantiles[2],
                    "difference": row.difference.map(|found| {
                        json!({ "estimate": found.estimate, "low": found.low, "high": found.high })
                    }),
                })
            });
            json!({ "name": metric.name, "unit": metric.unit, "arms": rows.collect::<Vec<_>>() })
        });
        let arms = self
            .arms
            .iter()
            .map(|(name, share, opened)| json!({ "name": name, "share": share, "opened": opened }));
        json!({
            "name": self.name,
            "key": self.key,
            "confidence": CONFIDENCE,
            "enough": self.too_few().is_empty(),
            "arms": arms.collect::<Vec<_>>(),
            "metrics": metrics.collect::<Vec<_>>(),
        })
    }
}

fn rows(samples: &[Sample]) -> Vec<Row> {
    let base = samples.first();
    let row = |(index, sample): (usize, &Sample)| Row {
        count: sample.count,
        mean: sample.mean(),
        quantiles: QUANTILES.map(|(share, _)| sample.quantile(share)),
        difference: base.filter(|_| index > 0).and_then(|base| difference(base, sample)),
    };
    samples.iter().enumerate().map(row).collect()
}

/// For people.
pub fn text(report: &Report) -> String {
    let mut lines = vec![format!("experiment {} by {}", report.name, report.key)];
    for (name, share, opened) in &report.arms {
        lines.push(format!("  {name}: {} of the connections, {opened} established", percent(*share)));
    }
    let base = report.arms.first().map_or("", |(name, ..)| name);
    for metric in &report.metrics {
        let mut table = vec![["", "ended", "mean", "p50", "p90", "p99"].map(str::to_owned).to_vec()];
        table[0][0] = metric.name.clone();
        table[0].push(format!("against {base} ({:.0}% interval)", CONFIDENCE * 100.0));
        for ((name, ..), row) in report.arms.iter().zip(&metric.rows) {
            let number =
                |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| show(metric.unit, value));
            let mut cells = vec![format!("  {name}"), row.count.to_string(), number(row.mean)];
            cells.extend(row.quantiles.map(number));
            cells.push(row.difference.map_or_else(String::new, |found| against(metric.unit, found)));
            table.push(cells);
        }
        lines.push(String::new());
        lines.extend(columns(&table));
    }
    for (arm, count) in report.too_few() {
        lines.push(String::new());
        lines.push(format!(
            "too little to compare: {count} connections of `{arm}` have ended, {ENOUGH} are needed"
        ));
    }
    lines.join("\n")
}

/// A difference with its interval, and whether it is one at all.
fn against(unit: MetricUnit, found: Difference) -> String {
    let verdict = if found.is_clear() { "" } else { ", not clear" };
    let [estimate, low, high] = [found.estimate, found.low, found.high].map(|value| signed(unit, value));
    format!("{estimate} ({low} to {high}){verdict}")
}

fn signed(unit: MetricUnit, value: f64) -> String {
    format!("{}{}", if value < 0.0 { "-" } else { "+" }, show(unit, value.abs()))
}

/// A value with three digits and a unit that suits it.
pub fn show(unit: MetricUnit, value: f64) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let (size, name) =
            steps.iter().find(|(size, _)| value >= *size).or(steps.last()).copied().unwrap_or((1.0, ""));
        format!("{}{name}", digits(value / size))
    };
    match unit {
        MetricUnit::Microseconds => scaled(&[(1e6, "s"), (1e3, "ms"), (1.0, "us")]),
        MetricUnit::Milliseconds => scaled(&[(3.6e6, "h"), (6e4, "min"), (1e3, "s"), (1.0, "ms")]),
        MetricUnit::Bytes => scaled(&[(1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "B")]),
        MetricUnit::Millionths => percent(value / 1e4),
        MetricUnit::Plain => digits(value),
    }
}

fn percent(value: f64) -> String {
    format!("{}%", digits(value))
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let decimals = match value {
        0.0 => 0,
        value => (2 - value.log10().floor() as i32).clamp(0, 4) as usize,
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Rows with their columns under one another; all but the first and the last are flush right.
fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..count)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            column if column + 1 == count => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use tcpc_stdlib::manifest::state::{ArmInfo, MetricInfo, OUTCOME_NUMBERS};

    /// A report of two arms; the second arm's values are the first one's plus `more`.
    pub fn example(connections: u64, more: u64) -> Report {
        let numbers = |offset: u64| {
            let mut numbers = vec![0u64; OUTCOME_NUMBERS as usize];
            for index in 0..connections {
                let value = 20_000 + index * 100 + offset;
                numbers[0] += 1;
                numbers[1] += value;
                numbers[2] += (value * value) & 0xffff_ffff;
                numbers[3] += (value * value) >> 32;
                numbers[4 + (64 - value.leading_zeros()) as usize] += 1;
            }
            numbers
        };
        let arm = |name: &str| ArmInfo {
            name: name.into(),
            share: 1 << 31,
            opened: String::new(),
            outcomes: vec![String::new()],
        };
        let info = ExperimentInfo {
            name: "window".into(),
            key: "remote_ip/(24, 48)".into(),
            metrics: vec![MetricInfo { name: "srtt".into(), unit: MetricUnit::Microseconds }],
            arms: vec![arm("ten"), arm("forty")],
            line: 1,
        };
        Report::new(&info, &[connections + 1, connections], &[vec![numbers(0)], vec![numbers(more)]]).unwrap()
    }

    #[test]
    fn arms_stand_side_by_side() {
        let shown = text(&example(100, 50_000));
        assert_eq!(
            shown,
            "experiment window by remote_ip/(24, 48)\n  \
               ten: 50% of the connections, 101 established\n  \
               forty: 50% of the connections, 100 established\n\n\
             srtt     ended    mean     p50     p90     p99  against ten (95% interval)\n  \
               ten      100  24.9ms  24.6ms  31.1ms  32.6ms\n  \
               forty    100    75ms  98.3ms   125ms   130ms  +50ms (+49.2ms to +50.8ms)"
        );
    }

    #[test]
    fn what_is_not_known_is_said() {
        let few = text(&example(12, 0));
        assert!(
            few.contains("too little to compare: 12 connections of `ten` have ended, 30 are needed"),
            "{few}"
        );
        assert!(
            text(&example(50, 0)).contains("+0us (-609us to +609us), not clear")
                || text(&example(50, 0)).contains("not clear")
        );
        assert!(
            text(&example(0, 0)).contains("  ten        0     -    -    -    -"),
            "{}",
            text(&example(0, 0))
        );
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        let shown = [
            show(MetricUnit::Microseconds, 1_234.5),
            show(MetricUnit::Milliseconds, 90_000.0),
            show(MetricUnit::Bytes, 1_500_000.0),
            show(MetricUnit::Millionths, 1_234.0),
            show(MetricUnit::Plain, 0.0),
            show(MetricUnit::Plain, 41.0),
            show(MetricUnit::Plain, 12_345.0),
        ];
        assert_eq!(shown, ["1.23ms", "1.5min", "1.5MB", "0.123%", "0", "41", "12345"]);
    }

    #[test]
    fn programs_get_the_same_numbers() {
        let json = example(100, 50_000).json();
        assert_eq!(json["enough"], true);
        assert_eq!(json["metrics"][0]["arms"][1]["connections"], 100);
        assert_eq!(json["metrics"][0]["arms"][1]["difference"]["estimate"], 50_000.0);
        assert_eq!(json["metrics"][0]["arms"][0]["difference"], Value::Null);
    }
}
