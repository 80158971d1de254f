//! Reports of tests as JUnit XML, as CI systems read it: valid against the schema of Jenkins' xUnit plugin (`junit-10.xsd`)
//! and the one of Apache Ant's reports.
//!
//! ```text
//! testsuites ── testsuite (a policy) ── properties, testcase … (its tests), system-out, system-err
//! ```

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use tcpc_runtime::report::{Status, TestResult, render_problem};

use super::{Tested, Unbuilt};

/// The tests of a policy.
#[derive(Debug)]
pub struct Suite<'a> {
    /// The policy's file.
    pub file: &'a str,
    /// Its tests.
    pub cases: Vec<Case<'a>>,
}

/// A test that was to be run.
#[derive(Debug)]
pub struct Case<'a> {
    /// Its name.
    pub name: &'a str,
    /// How long it took.
    pub time: Duration,
    /// How it ended, if it did not pass.
    pub problem: Option<Problem>,
}

/// How a test ended that did not pass.
#[derive(Debug)]
pub struct Problem {
    /// What it is to who reads the report.
    pub kind: Kind,
    /// A line about it.
    pub message: String,
    /// All that is known; nothing where the line says it all.
    pub text: String,
}

/// What a test that did not pass is to who reads the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An expectation does not hold.
    Failure,
    /// It could not go on.
    Error,
    /// It was not run.
    Skipped,
}

impl Kind {
    fn element(self) -> &'static str {
        match self {
            Kind::Failure => "failure",
            Kind::Error => "error",
            Kind::Skipped => "skipped",
        }
    }
}

impl<'a> Suite<'a> {
    /// Of tests that were run on the model of the kernel.
    pub fn of(tested: &'a Tested) -> Suite<'a> {
        let cases = tested.report.tests.iter().zip(&tested.times).map(|(test, time)| Case {
            name: &test.name,
            time: *time,
            problem: problem(tested, test),
        });
        Suite { file: &tested.report.file, cases: cases.collect() }
    }
}

/// The document. A policy that could not be built is a suite with one test, which has an error.
pub fn document(suites: &[Suite], unbuilt: &[Unbuilt], now: SystemTime) -> io::Result<String> {
    let mut page =
        Page { writer: Writer::new_with_indent(Vec::new(), b' ', 2), now: timestamp(now), suites: 0 };
    page.writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    page.open("testsuites", &[])?;
    for one in suites {
        page.suite(one.file, &one.cases)?;
    }
    for one in unbuilt {
        let problem = Problem {
            kind: Kind::Error,
            message: "could not be built".into(),
            text: one.problems.join("\n"),
        };
        page.suite(&one.file, &[Case { name: "build", time: Duration::ZERO, problem: Some(problem) }])?;
    }
    page.close("testsuites")?;
    Ok(String::from_utf8_lossy(&page.writer.into_inner()).into_owned() + "\n")
}

struct Page {
    writer: Writer<Vec<u8>>,
    now: String,
    suites: usize,
}

impl Page {
    fn suite(&mut self, file: &str, cases: &[Case]) -> io::Result<()> {
        let with = |kind| {
            cases.iter().filter(|case| case.problem.as_ref().is_some_and(|one| one.kind == kind)).count()
        };
        let time = cases.iter().map(|case| case.time).sum();
        let attributes = [
            ("name", file.to_owned()),
            ("package", file.to_owned()),
            ("id", self.suites.to_string()),
            // The name of the host is no business of who reads the report.
            ("hostname", "localhost".to_owned()),
            ("timestamp", self.now.clone()),
            ("tests", cases.len().to_string()),
            ("failures", with(Kind::Failure).to_string()),
            ("errors", with(Kind::Error).to_string()),
            ("skipped", with(Kind::Skipped).to_string()),
            ("time", seconds(time)),
        ];
        self.suites += 1;
        self.open("testsuite", &attributes)?;
        self.empty("properties", &[])?;
        for case in cases {
            self.case(file, case)?;
        }
        self.empty("system-out", &[])?;
        self.empty("system-err", &[])?;
        self.close("testsuite")
    }

    fn case(&mut self, file: &str, case: &Case) -> io::Result<()> {
        let attributes =
            [("name", case.name.to_owned()), ("classname", file.to_owned()), ("time", seconds(case.time))];
        let Some(Problem { kind, message, text }) = &case.problem else {
            return self.empty("testcase", &attributes);
        };
        let element = kind.element();
        let mut said = vec![("message", message.clone())];
        if *kind != Kind::Skipped {
            said.push(("type", element.to_owned()));
        }
        self.open("testcase", &attributes)?;
        if text.is_empty() {
            self.empty(element, &said)?;
            return self.close("testcase");
        }
        self.open(element, &said)?;
        self.writer.write_event(Event::Text(BytesText::new(&allowed(text))))?;
        self.close(element)?;
        self.close("testcase")
    }

    fn open(&mut self, name: &str, attributes: &[(&str, String)]) -> io::Result<()> {
        self.writer.write_event(Event::Start(start(name, attributes)))
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, String)]) -> io::Result<()> {
        self.writer.write_event(Event::Empty(start(name, attributes)))
    }

    fn close(&mut self, name: &str) -> io::Result<()> {
        self.writer.write_event(Event::End(BytesEnd::new(name)))
    }
}

fn start<'n>(name: &'n str, attributes: &[(&str, String)]) -> BytesStart<'n> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        start.push_attribute((*key, allowed(value).as_str()));
    }
    start
}

/// What is wrong with a test.
fn problem(tested: &Tested, test: &TestResult) -> Option<Problem> {
    let kind = match test.status {
        Status::Passed => return None,
        Status::Failed(_) => Kind::Failure,
        Status::Errored { .. } => Kind::Error,
    };
    let text = render_problem(&tested.report, test);
    Some(Problem { kind, message: text.lines().next().unwrap_or("").to_owned(), text })
}

/// The characters that an XML document can have at all; the others become `U+FFFD`.
fn allowed(text: &str) -> String {
    let fits = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if fits(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// In thousandths: some schemas take no smaller parts.
fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// `2026-01-31T12:00:00`, in UTC, as the schemas have it: without a zone.
fn timestamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that a leap day is a year's last; 400 of them have 146 097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (400 * era + year, month + 3),
        _ => (400 * era + year + 1, month - 9),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use quick_xml::{Reader, XmlVersion};
    use tcpc_runtime::report::{Failure, Report};

    use super::*;

    fn tested(names: &[(&str, Status)]) -> Tested {
        let tests = names.iter().map(|(name, status)| TestResult {
            name: (*name).to_owned(),
            line: 1,
            status: status.clone(),
        });
        let report = Report { file: "a&b.tcp".into(), tests: tests.collect(), ..Report::default() };
        Tested { times: vec![Duration::from_millis(2); names.len()], report, coverage: None }
    }

    /// The values of an attribute, as a reader of XML has them.
    fn attributes(document: &str, element: &str, attribute: &str) -> Vec<String> {
        let mut reader = Reader::from_str(document);
        let mut found = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) | Event::Empty(start) if start.name().as_ref() == element => {
                    let value = start.try_get_attribute(attribute).unwrap().unwrap();
                    found.push(value.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned());
                }
                Event::Eof => return found,
                _ => {}
            }
        }
    }

    #[test]
    fn names_come_back_as_they_were() {
        let names = ["\"quoted\" & <odd>", "größer als ∞", "it's"];
        let all = tested(&names.map(|name| (name, Status::Passed)));
        let document = document(&[Suite::of(&all)], &[], UNIX_EPOCH).unwrap();
        assert_eq!(attributes(&document, "testcase", "name"), names);
        assert_eq!(attributes(&document, "testsuite", "name"), ["a&b.tcp"]);
    }

    #[test]
    fn what_xml_cannot_have_is_replaced() {
        let bell = tested(&[("bell \u{7}\u{1b}[0m", Status::Passed)]);
        let document = document(&[Suite::of(&bell)], &[], UNIX_EPOCH).unwrap();
        assert_eq!(attributes(&document, "testcase", "name"), ["bell \u{fffd}\u{fffd}[0m"]);
    }

    #[test]
    fn failures_and_errors_are_told_apart_and_counted() {
        let failed = Status::Failed(Failure { expectation: "rtt < 5ms".into(), ..Failure::default() });
        let errored = Status::Errored { message: "an endless loop".into(), line: None };
        let all = tested(&[("a", failed), ("b", errored), ("c", Status::Passed)]);
        let unbuilt = Unbuilt { file: "bad.tcp".into(), problems: vec!["error[E0101]: what".into()] };
        let document = document(&[Suite::of(&all)], &[unbuilt], UNIX_EPOCH).unwrap();
        assert_eq!(attributes(&document, "testsuite", "tests"), ["3", "1"]);
        assert_eq!(attributes(&document, "testsuite", "failures"), ["1", "0"]);
        assert_eq!(attributes(&document, "testsuite", "errors"), ["1", "1"]);
        assert_eq!(attributes(&document, "testsuite", "id"), ["0", "1"]);
        assert_eq!(attributes(&document, "failure", "message"), ["a&b.tcp:0:0: expected `rtt < 5ms`"]);
        assert_eq!(
            attributes(&document, "error", "message"),
            ["a&b.tcp:1: cannot go on: an endless loop", "could not be built"]
        );
        assert!(document.contains("error[E0101]: what"), "{document}");
    }

    #[test]
    fn what_was_not_run_says_why() {
        let skipped =
            Problem { kind: Kind::Skipped, message: "it would take 9 seconds".into(), text: String::new() };
        let cases = vec![Case { name: "slow", time: Duration::ZERO, problem: Some(skipped) }];
        let document = document(&[Suite { file: "a.tcp", cases }], &[], UNIX_EPOCH).unwrap();
        assert_eq!(attributes(&document, "skipped", "message"), ["it would take 9 seconds"]);
        assert_eq!(attributes(&document, "testsuite", "skipped"), ["1"]);
        assert_eq!(attributes(&document, "testsuite", "failures"), ["0"]);
    }

    #[test]
    fn a_moment_is_written_as_a_date() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(at(1_709_210_096), "2024-02-29T12:34:56");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00");
    }
}
