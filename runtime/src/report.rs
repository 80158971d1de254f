//! What a run of tests found: data that can be written as JSON, and its text as `cargo test` would put it.

use std::fmt::Write;

use serde::Serialize;
use tcpc_stdlib::kernel::{ERRNOS, errno_number};
use tcpc_stdlib::manifest::Place;

/// The tests of one policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The policy's file.
    pub file: String,
    /// Its tests that were run, in order.
    pub tests: Vec<TestResult>,
    /// How many were left out by the filter.
    pub filtered: usize,
    /// The policy's rules, and how often they ran in all tests.
    pub rules: Vec<RuleReach>,
    /// Where the program did not do what the policy means, which is looked for while coverage is measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disagreements: Vec<Disagreement>,
}

/// A step in which the program did something else than the policy means.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    /// The test.
    pub test: String,
    /// The line of the step; of a setting that of the test.
    pub line: u32,
    /// What the program did.
    pub what: String,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// The line of its name.
    pub line: u32,
    /// How it ended.
    #[serde(flatten)]
    pub status: Status,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// All that it expects holds.
    Passed,
    /// The first expectation that does not hold.
    Failed(Failure),
    /// It could not be run to its end.
    Errored {
        /// Why.
        message: String,
        /// The line of the step.
        line: Option<u32>,
    },
}

/// An expectation that does not hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Failure {
    /// Its text.
    pub expectation: String,
    /// Its line.
    pub line: u32,
    /// Its column.
    pub column: u32,
    /// What was found for each name in it.
    pub actual: Vec<Actual>,
    /// The event raised before it, or the segment sent.
    pub event: Option<String>,
    /// The rules that ran in that event; `None` if the object does not count them.
    pub rules: Option<Vec<String>>,
    /// What the kernel refused in it.
    pub refused: Vec<Refused>,
}

/// What was found for a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Actual {
    /// The name as the policy writes it.
    pub name: String,
    /// Its value as a policy would write it.
    pub value: String,
}

/// An assignment, or the sending of a header option, that the kernel refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refused {
    /// The option; `send OPTION` of a header option.
    pub option: String,
    /// The value; empty of a header option.
    pub value: String,
    /// The error's name.
    pub errno: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Option<Place>,
}

/// A rule and how often it ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleReach {
    /// Its name.
    pub name: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// How often its condition held; `None` if the object does not count.
    pub hits: Option<u64>,
}

impl Report {
    /// How many tests passed.
    pub fn passed(&self) -> usize {
        self.tests.iter().filter(|test| test.status == Status::Passed).count()
    }

    /// Whether the filter left none of its tests.
    pub fn is_filtered_out(&self) -> bool {
        self.tests.is_empty() && self.filtered > 0
    }

    /// How many did not.
    pub fn failed(&self) -> usize {
        self.tests.len() - self.passed()
    }
}

/// The report of one policy as text.
pub fn render(report: &Report) -> String {
    render_all(std::slice::from_ref(report), 0)
}

/// The reports of several policies as one text: a line for each test, then what failed, then the sum.
/// `unbuilt` policies have no report, as they could not be built.
pub fn render_all(reports: &[Report], unbuilt: usize) -> String {
    let tests = || reports.iter().flat_map(|report| report.tests.iter().map(move |test| (report, test)));
    let failed: Vec<_> = tests().filter(|(_, test)| test.status != Status::Passed).collect();
    let mut text = String::new();
    let count = tests().count();
    line(&mut text, format_args!("running {count} {}", if count == 1 { "test" } else { "tests" }));
    for report in reports.iter().filter(|report| report.is_filtered_out()) {
        let all = if report.filtered == 1 {
            "its test is".into()
        } else {
            format!("all {} tests are", report.filtered)
        };
        line(&mut text, format_args!("{}: {all} filtered out", report.file));
    }
    for (report, test) in tests() {
        let end = if test.status == Status::Passed { "ok" } else { "FAILED" };
        line(&mut text, format_args!("test {} ... {end}", full_name(report, test)));
    }
    if !failed.is_empty() {
        text.push_str("\nfailures:\n");
        for (report, test) in &failed {
            line(&mut text, format_args!("\n---- {} ----", full_name(report, test)));
            render_status(&mut text, report, test);
        }
        text.push_str("\nfailures:\n");
        for (report, test) in &failed {
            line(&mut text, format_args!("    {}", full_name(report, test)));
        }
    }
    let verdict = if failed.is_empty() && unbuilt == 0 { "ok" } else { "FAILED" };
    let filtered: usize = reports.iter().map(|report| report.filtered).sum();
    let passed = count - failed.len();
    line(
        &mut text,
        format_args!(
            "\ntest result: {verdict}. {passed} passed; {} failed; {filtered} filtered out",
            failed.len()
        ),
    );
    if unbuilt > 0 {
        let what = if unbuilt == 1 { "policy" } else { "policies" };
        line(&mut text, format_args!("{unbuilt} {what} could not be built: see above"));
    }
    text
}

fn full_name(report: &Report, test: &TestResult) -> String {
    format!("{}: \"{}\"", report.file, test.name)
}

/// What went wrong in a test, as the text of the report tells it; empty of one that passed.
pub fn render_problem(report: &Report, test: &TestResult) -> String {
    let mut text = String::new();
    render_status(&mut text, report, test);
    text
}

fn render_status(text: &mut String, report: &Report, test: &TestResult) {
    match &test.status {
        Status::Passed => {}
        Status::Errored { message, line: at } => {
            let at = at.unwrap_or(test.line);
            line(text, format_args!("{}:{at}: cannot go on: {message}", report.file));
        }
        Status::Failed(failure) => render_failure(text, report, failure),
    }
}

fn render_failure(text: &mut String, report: &Report, failure: &Failure) {
    let Failure { expectation, line: at, column, actual, event, rules, refused } = failure;
    line(text, format_args!("{}:{at}:{column}: expected `{expectation}`", report.file));
    for Actual { name, value } in actual {
        line(text, format_args!("    `{name}` was {value}"));
    }
    let Some(event) = event else {
        return line(text, format_args!("    no event was raised before it"));
    };
    match rules.as_deref() {
        None => line(text, format_args!("    the object does not count which rules ran in `{event}`")),
        Some([]) => line(text, format_args!("    no rule ran in `{event}`")),
        Some(rules) => {
            let names: Vec<String> = rules.iter().map(|name| format!("`{name}`")).collect();
            let verb = if names.len() == 1 { "rule that ran" } else { "rules that ran" };
            line(text, format_args!("    {verb} in `{event}`: {}", names.join(", ")));
        }
    }
    for Refused { option, value, errno, place: at } in refused {
        let at = at.as_ref().map(|at| format!(" on {at}")).unwrap_or_default();
        let meaning = ERRNOS.iter().find(|row| Some(row.number) == errno_number(errno));
        let meaning = meaning.map(|row| format!(" ({})", row.meaning)).unwrap_or_default();
        let what = if value.is_empty() { option.clone() } else { format!("{option} = {value}") };
        line(text, format_args!("    `{what}`{at} failed with {errno}{meaning}"));
    }
}

/// Writing to a string cannot fail.
fn line(text: &mut String, args: std::fmt::Arguments) {
    let _ = writeln!(text, "{args}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(status: Status) -> Report {
        let test = TestResult { name: "a flow inside".into(), line: 11, status };
        Report { file: "dc.tcp".into(), tests: vec![test], filtered: 2, ..Report::default() }
    }

    #[test]
    fn success_is_short() {
        let text = render(&report(Status::Passed));
        insta::assert_snapshot!(text, @r#"
        running 1 test
        test dc.tcp: "a flow inside" ... ok

        test result: ok. 1 passed; 0 failed; 2 filtered out
        "#);
    }

    #[test]
    fn a_failure_tells_what_was_found_and_what_ran() {
        let failed = Status::Failed(Failure {
            expectation: "reply == 10ms".into(),
            line: 14,
            column: 35,
            actual: vec![Actual { name: "reply".into(), value: "40ms".into() }],
            event: Some("timeout_init".into()),
            rules: Some(vec!["syn".into()]),
            refused: vec![Refused {
                option: "congestion".into(),
                value: "\"dctcp\"".into(),
                errno: "EPERM".into(),
                place: Some(7.into()),
            }],
        });
        insta::assert_snapshot!(render(&report(failed)), @r#"
        running 1 test
        test dc.tcp: "a flow inside" ... FAILED

        failures:

        ---- dc.tcp: "a flow inside" ----
        dc.tcp:14:35: expected `reply == 10ms`
            `reply` was 40ms
            rule that ran in `timeout_init`: `syn`
            `congestion = "dctcp"` on line 7 failed with EPERM (the kernel does not allow it here)

        failures:
            dc.tcp: "a flow inside"

        test result: FAILED. 0 passed; 1 failed; 2 filtered out
        "#);
    }

    #[test]
    fn an_error_has_its_line() {
        let text = render(&report(Status::Errored { message: "an endless loop".into(), line: Some(12) }));
        assert!(text.contains("dc.tcp:12: cannot go on: an endless loop"), "{text}");
    }
}
