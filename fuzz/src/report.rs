//! The page that says what was tried and found: made from the summaries of runs, and from the list of what was mended.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use crate::trial::Summary;

/// The list of what was found and mended.
const FOUND: &str = include_str!("../found.json");

/// A mistake that a run found, and that is mended.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    /// Which property it broke.
    pub by: String,
    /// Where the mistake was.
    pub place: String,
    /// What was wrong.
    pub what: String,
    /// The file of this repository that tries it again; none if a test says it in words.
    #[serde(default)]
    pub regression: Option<String>,
}

/// What one file of a folder of summaries says.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Run {
    Trials(Summary),
    Inputs(Inputs),
    Mutants(Mutants),
}

/// A run of `fuzz inputs`.
#[derive(Clone, Debug, Deserialize)]
struct Inputs {
    target: String,
    executions: u64,
    seconds: f64,
    findings: Vec<serde::de::IgnoredAny>,
}

/// What became of mutants of the compiler, as `cargo mutants` counts them, and what was found out about those missed.
#[derive(Clone, Debug, Default, Deserialize)]
struct Mutants {
    caught: u64,
    timeout: u64,
    unviable: u64,
    missed: Vec<Missed>,
}

/// A mutant that no property noticed.
#[derive(Clone, Debug, Deserialize)]
struct Missed {
    mutant: String,
    why: String,
    /// Whether it is no mistake: the program does the same.
    #[serde(default)]
    equivalent: bool,
}

/// How a property is said in the page.
struct Row {
    name: &'static str,
    says: &'static str,
    command: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        name: "agree",
        says: "the compiled bytes, interpreted, do what the typed tree means: reply, socket options, fields, calls refused, hits, counters, memory, tables, histograms, records, header options, experiments, after every step",
        command: "agree --count 100000",
    },
    Row {
        name: "load",
        says: "the running kernel's verifier takes the program",
        command: "load --count 20000",
    },
    Row {
        name: "churn",
        says: "attached for real, policies leave on connections what the interpreter says",
        command: "churn --count 500",
    },
];

/// Everything that a list says was found and mended.
///
/// # Errors
/// In words: the list cannot be read.
pub fn found() -> Result<Vec<Found>, String> {
    serde_json::from_str(FOUND).map_err(|error| error.to_string())
}

/// The page, from the texts of summaries by file name.
///
/// # Errors
/// In words: a file is no summary.
pub fn page(files: &BTreeMap<String, String>) -> Result<String, String> {
    let mut runs = Vec::new();
    for (name, text) in files {
        runs.push(serde_json::from_str::<Run>(text).map_err(|error| format!("{name}: {error}"))?);
    }
    let mut page = String::from(HEAD);
    trials(&runs, &mut page);
    inputs(&runs, &mut page);
    mutants(&runs, &mut page);
    mended(&found()?, &mut page);
    Ok(page)
}

const HEAD: &str = "\
<!-- Written by `cargo run --release -p tcpc-fuzz -- report fuzz/runs`; what it says is kept in that folder and in fuzz/found.json. -->

# What was tried

What `tcpc test` says is what the kernel does, and what the checker takes the verifier takes: both are tried on policies that
nobody wrote. A generator makes well-typed policies over the whole language, whatever the catalogue has at the place where
it is legal, each with a sequence of events on several connections: addresses of both families, both ends, options that fail, header
options of the peer, older kernels, parameters and sets that change meanwhile. What breaks a property is cut down and
becomes a file that every test run tries again.

";

fn trials(runs: &[Run], page: &mut String) {
    page.push_str(
        "## Generated policies\n\n| Property | Policies | Looked at | Left |\n| --- | --- | --- | --- |\n",
    );
    for row in ROWS {
        let of: Vec<&Summary> = runs
            .iter()
            .filter_map(|run| match run {
                Run::Trials(summary) if summary.name == row.name => Some(summary),
                _ => None,
            })
            .collect();
        if of.is_empty() {
            continue;
        }
        let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
        for (what, count) in of.iter().flat_map(|summary| &summary.tally) {
            *tally.entry(what).or_default() += count;
        }
        let looked: Vec<String> =
            tally.iter().map(|(what, count)| format!("{} {what}", grouped(*count))).collect();
        let programs = grouped(of.iter().map(|summary| summary.programs).sum());
        let left: usize = of.iter().map(|summary| summary.findings.len()).sum();
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| {} | {programs} | {} | {left} |", row.says, looked.join(", "));
    }
    page.push('\n');
    left(runs, page);
    let all = runs.iter().filter_map(|run| match run {
        Run::Trials(summary) => Some((summary.programs, summary.refused)),
        _ => None,
    });
    let (programs, refused) = all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    if programs > 0 {
        let share = programs as f64 * 100.0 / (programs + refused) as f64;
        let _ =
            writeln!(page, "The checker took {share:.0}% of what was generated; the rest was made anew.\n");
    }
    page.push_str("To try more:\n\n```sh\n");
    for row in ROWS {
        let _ = writeln!(page, "cargo run --release -p tcpc-fuzz -- {}", row.command);
    }
    page.push_str("```\n\n");
}

fn inputs(runs: &[Run], page: &mut String) {
    let mut targets: BTreeMap<&str, (u64, f64, usize)> = BTreeMap::new();
    for run in runs {
        if let Run::Inputs(run) = run {
            let sum = targets.entry(&run.target).or_default();
            *sum = (sum.0 + run.executions, sum.1 + run.seconds, sum.2 + run.findings.len());
        }
    }
    if targets.is_empty() {
        return;
    }
    page.push_str("## Hostile inputs\n\nNever a panic, a hang or unbounded memory.\n\n| Input | Tried | Minutes | Left |\n| --- | --- | --- | --- |\n");
    for (target, (executions, seconds, left)) in targets {
        let _ = writeln!(page, "| {target} | {} | {:.0} | {left} |", grouped(executions), seconds / 60.0);
    }
    page.push('\n');
}

/// What was found and not mended yet; a run that is kept names the file of the policy.
fn left(runs: &[Run], page: &mut String) {
    let findings = runs.iter().flat_map(|run| match run {
        Run::Trials(summary) => summary.findings.as_slice(),
        _ => &[],
    });
    let lines: String =
        findings.map(|one| format!("- `{}`: {}: {}\n", one.policy, one.kind, one.what)).collect();
    if !lines.is_empty() {
        let _ = writeln!(page, "Not mended yet:\n\n{lines}");
    }
}

fn mutants(runs: &[Run], page: &mut String) {
    let of = runs.iter().filter_map(|run| match run {
        Run::Mutants(mutants) => Some(mutants),
        _ => None,
    });
    let mut all = Mutants::default();
    for one in of {
        all.caught += one.caught;
        all.timeout += one.timeout;
        all.unviable += one.unviable;
        all.missed.extend(one.missed.iter().cloned());
    }
    let noticed = all.caught + all.timeout;
    if noticed == 0 {
        return;
    }
    let equivalent = all.missed.iter().filter(|missed| missed.equivalent).count() as u64;
    let wrong = noticed + all.missed.len() as u64 - equivalent;
    let _ = writeln!(
        page,
        "## Broken compilers\n\nThe compiler was broken on purpose in {} places, one after the other, where it lowers, improves and lays out \
         programs. {} of these compilers were caught by the properties above alone ({:.1}%); {} more do the same as the \
         right one.\n",
        grouped(wrong),
        grouped(noticed),
        noticed as f64 * 100.0 / wrong as f64,
        equivalent
    );
    let (same, wrong): (Vec<&Missed>, Vec<&Missed>) = all.missed.iter().partition(|missed| missed.equivalent);
    if !wrong.is_empty() {
        page.push_str("| Not noticed | Why |\n| --- | --- |\n");
        for missed in wrong {
            let _ = writeln!(page, "| `{}` | {} |", missed.mutant.replace('|', "\\|"), missed.why);
        }
        page.push('\n');
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    same.iter().for_each(|missed| *reasons.entry(&missed.why).or_default() += 1);
    if !reasons.is_empty() {
        page.push_str("| Why it does the same | Places |\n| --- | --- |\n");
        for (why, count) in reasons {
            let _ = writeln!(page, "| {why} | {count} |");
        }
        page.push('\n');
    }
}

fn mended(found: &[Found], page: &mut String) {
    page.push_str("## What was found and mended\n\n| Found by | Where | What was wrong | Tried again by |\n| --- | --- | --- | --- |\n");
    for one in found {
        let again = one.regression.as_ref().map_or_else(String::new, |file| format!("`{file}`"));
        let _ = writeln!(page, "| {} | {} | {} | {again} |", one.by, one.place, one.what);
    }
}

/// A number in groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn numbers_are_added_and_grouped() {
        let run = |programs: u64| {
            format!(
                r#"{{"name":"agree","seed":1,"programs":{programs},"refused":0,"tally":{{"events raised":7}},"seconds":1.0,"findings":[]}}"#
            )
        };
        let files = [("a".to_string(), run(60_000)), ("b".to_string(), run(40_001))].into();
        let page = page(&files).unwrap();
        assert!(page.contains("| 100 001 | 14 events raised | 0 |"), "{page}");
        assert!(super::page(&[("c".to_string(), "{}".to_string())].into()).is_err());
    }

    #[test]
    fn what_is_left_is_named() {
        let run = r#"{"name":"load","seed":1,"programs":9,"refused":0,"tally":{},"seconds":1.0,
            "findings":[{"trial":3,"kind":"refused","what":"too large","policy":"fuzz/open/a.tcp"}]}"#;
        let page = page(&[("load".to_string(), run.to_string())].into()).unwrap();
        assert!(page.contains("Not mended yet:\n\n- `fuzz/open/a.tcp`: refused: too large\n"), "{page}");
    }

    #[test]
    fn mutants_that_do_the_same_are_not_counted() {
        let run = r#"{"caught":17,"timeout":1,"unviable":5,"missed":[
            {"mutant":"a.rs:1: x","why":"only slower","equivalent":true},
            {"mutant":"a.rs:2: y","why":"only slower","equivalent":true},
            {"mutant":"a.rs:3: | with &","why":"not generated"},{"mutant":"a.rs:4: z","why":"not generated"}]}"#;
        let page = page(&[("mutants".to_string(), run.to_string())].into()).unwrap();
        assert!(page.contains("in 20 places"), "{page}");
        assert!(
            page.contains("18 of these compilers were caught by the properties above alone (90.0%)"),
            "{page}"
        );
        assert!(page.contains("| `a.rs:3: \\| with &` | not generated |"), "{page}");
        assert!(page.contains("| only slower | 2 |"), "{page}");
    }

    #[test]
    fn every_regression_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for one in found().unwrap() {
            assert!(one.regression.as_ref().is_none_or(|file| root.join(file).is_file()), "{one:?}");
        }
    }

    /// The page is what its sources say.
    #[test]
    fn the_page_is_up_to_date() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = fs::read_dir(root.join("runs")).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: std::path::PathBuf| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())
        };
        let page = page(&files.map(read).collect()).unwrap();
        let written = fs::read_to_string(root.join("../docs/trust.md")).unwrap();
        assert!(page == written, "run `cargo run -p tcpc-fuzz -- report fuzz/runs`");
    }
}
