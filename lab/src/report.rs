//! What a run on the kernel found: data that can be written as JSON, and its text.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use tcpc_runtime::report::{Failure, Status, TestResult};

use crate::replay::Difference;

/// The tests of one policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The policy's file.
    pub file: String,
    /// Its tests that were run, in order.
    pub tests: Vec<TestReport>,
    /// How many were left out by the filter.
    pub filtered: usize,
}

/// One test, in the model and in the kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestReport {
    /// Its name.
    pub name: String,
    /// The line of its name.
    pub line: u32,
    /// What both say together.
    pub verdict: Verdict,
    /// How it ended in the model.
    pub model: Status,
    /// How it ended in the kernel.
    pub kernel: Outcome,
    /// What the model does otherwise with the events that the kernel raised.
    pub differences: Vec<Difference>,
    /// How long it took in the kernel.
    #[serde(skip)]
    pub took: Duration,
}

/// What the model and the kernel say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It passes in both.
    Passed,
    /// It fails in the model, and the kernel does not say otherwise.
    Failed,
    /// It passes in the model, and cannot be set up in the kernel.
    Skipped,
    /// The model and the kernel say different things.
    Disagrees,
}

/// How a test ended in the kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// It was run to its end, or to the first expectation that does not hold.
    Ran(Status),
    /// It cannot be set up here.
    Skipped {
        /// Why.
        #[serde(rename = "skipped")]
        reason: String,
        /// The line of the step that cannot be had, if it is one.
        line: Option<u32>,
    },
}

impl TestReport {
    /// From what both said.
    pub fn new(
        model: TestResult,
        kernel: Outcome,
        differences: Vec<Difference>,
        took: Duration,
    ) -> TestReport {
        let verdict = match (&model.status, &kernel) {
            _ if !differences.is_empty() => Verdict::Disagrees,
            (Status::Passed, Outcome::Ran(Status::Passed)) => Verdict::Passed,
            (Status::Passed, Outcome::Skipped { .. }) => Verdict::Skipped,
            // A test that cannot go on says nothing that the kernel could contradict.
            (Status::Passed, Outcome::Ran(_)) | (Status::Failed(_), Outcome::Ran(Status::Passed)) => {
                Verdict::Disagrees
            }
            _ => Verdict::Failed,
        };
        let TestResult { name, line, status: model } = model;
        TestReport { name, line, verdict, model, kernel, differences, took }
    }
}

impl Report {
    /// How many tests ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.tests.iter().filter(|test| test.verdict == verdict).count()
    }

    /// Whether nothing failed and nothing disagrees.
    pub fn is_fine(&self) -> bool {
        self.count(Verdict::Failed) + self.count(Verdict::Disagrees) == 0
    }
}

/// The reports of several policies as one text; `unbuilt` policies have no report, as they could not be built.
pub fn render_all(reports: &[Report], unbuilt: usize, kernel: &str) -> String {
    let tests = || reports.iter().flat_map(|report| report.tests.iter().map(move |test| (report, test)));
    let mut text = String::new();
    let count = tests().count();
    let what = if count == 1 { "test" } else { "tests" };
    line(&mut text, format_args!("running {count} {what} on Linux {kernel}"));
    for (report, test) in tests() {
        let end = match (&test.verdict, &test.kernel) {
            (Verdict::Passed, _) => "ok".to_owned(),
            (Verdict::Skipped, kernel) => format!("skipped: {}", kernel.reason()),
            (Verdict::Disagrees, _) => "DISAGREES".to_owned(),
            _ => "FAILED".to_owned(),
        };
        line(&mut text, format_args!("test {}: \"{}\" ... {end}", report.file, test.name));
    }
    let wrong: Vec<_> =
        tests().filter(|(_, test)| matches!(test.verdict, Verdict::Failed | Verdict::Disagrees)).collect();
    if !wrong.is_empty() {
        text.push_str("\nfailures:\n");
        for (report, test) in &wrong {
            line(&mut text, format_args!("\n---- {}: \"{}\" ----", report.file, test.name));
            text.push_str(&render_details(report, test));
        }
    }
    let sum = |verdict| reports.iter().map(|report| report.count(verdict)).sum::<usize>();
    let filtered: usize = reports.iter().map(|report| report.filtered).sum();
    let verdict = if wrong.is_empty() && unbuilt == 0 { "ok" } else { "FAILED" };
    line(
        &mut text,
        format_args!(
            "\ntest result: {verdict}. {} passed; {} failed; {} disagree; {} skipped; {filtered} filtered out",
            sum(Verdict::Passed),
            sum(Verdict::Failed),
            sum(Verdict::Disagrees),
            sum(Verdict::Skipped)
        ),
    );
    if unbuilt > 0 {
        let what = if unbuilt == 1 { "policy" } else { "policies" };
        line(&mut text, format_args!("{unbuilt} {what} could not be built: see above"));
    }
    text
}

/// What both said of a test, and what the model does otherwise.
pub fn render_details(report: &Report, test: &TestReport) -> String {
    let mut text = String::new();
    for (who, status) in [("model", Some(&test.model)), ("kernel", test.kernel.status())] {
        let said = match status {
            Some(Status::Passed) => "passes".to_owned(),
            Some(Status::Errored { message, .. }) => format!("cannot go on: {message}"),
            Some(Status::Failed(failure)) => found(report, failure),
            None => "is not asked".to_owned(),
        };
        line(&mut text, format_args!("in the {who}: {said}"));
    }
    for difference in &test.differences {
        let Difference { event, what, kernel, model, by } = difference;
        line(
            &mut text,
            format_args!(
                "    in `{event}`: `{what}` is {kernel} in the kernel and {model} in the model (its {by})"
            ),
        );
    }
    text
}

fn found(report: &Report, failure: &Failure) -> String {
    let found: Vec<String> =
        failure.actual.iter().map(|one| format!("`{}` was {}", one.name, one.value)).collect();
    let Failure { expectation, line, column, .. } = failure;
    format!("{}:{line}:{column}: expected `{expectation}`, {}", report.file, found.join(", "))
}

impl Outcome {
    /// Why it was not run, with the line of the step that cannot be had; empty if it was.
    pub fn reason(&self) -> String {
        match self {
            Outcome::Skipped { reason, line: Some(line) } => format!("line {line}: {reason}"),
            Outcome::Skipped { reason, line: None } => reason.clone(),
            Outcome::Ran(_) => String::new(),
        }
    }

    /// How it ended, if it was run.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Outcome::Ran(status) => Some(status),
            Outcome::Skipped { .. } => None,
        }
    }
}

/// Writing to a string cannot fail.
fn line(text: &mut String, args: std::fmt::Arguments) {
    let _ = writeln!(text, "{args}");
}
