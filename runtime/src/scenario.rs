//! Runs the `test` blocks of a policy on its compiled bytes.
//!
//! What runs the policy is an [`Engine`]: the compiled bytes, or the meaning of the typed tree.
//!
//! Every test begins with new data, empty maps and a new kernel; what happens on its connections
//! shares them. Each connection has a socket of its own.

pub mod bench;
mod bytes;
pub mod engine;
mod leaves;
mod shadow;

use std::fmt;

use tcpc_compiler::object::{self, ObjectError, ObjectFile};
use tcpc_lang::hir::{Expr, Program, Step, Test};
use tcpc_lang::source::SourceFile;

use crate::coverage::Recorder;
use crate::eval::Evaluator;
use crate::report::{Disagreement, Failure, Report, RuleReach, Status, TestResult};
use crate::vm::{Image, VmError};
pub use bench::Bench;
pub use bytes::Bytes;
pub use engine::{Engine, Ran};
pub(crate) use leaves::name as leaf_name;
use shadow::Shadow;

/// Why no test could be run.
#[derive(Clone, Debug, PartialEq)]
pub enum RunError {
    /// The bytes are no object.
    Object(ObjectError),
    /// The object holds no program that can be run.
    Program(VmError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Object(error) => error.fmt(f),
            RunError::Program(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {}

/// Runs the tests of a policy whose name contains `filter` on an object that was compiled from it.
///
/// # Errors
/// [`RunError`] if the object cannot be run at all. What goes wrong in a test is in the report.
pub fn run_tests(
    object_bytes: &[u8],
    program: &Program,
    source: &SourceFile,
    filter: Option<&str>,
) -> Result<Report, RunError> {
    run_tests_with(object_bytes, program, source, Wanted { filter, ..Wanted::default() })
}

/// What is wanted of a run of tests beside their results.
#[derive(Default)]
pub struct Wanted<'w, 'a> {
    /// Only the tests whose name contains this.
    pub filter: Option<&'w str>,
    /// Is told the result of each test when it ends.
    pub tell: Option<&'w mut dyn FnMut(&TestResult)>,
    /// Counts what the tests reach. They are then also run on the meaning of the policy, and what differs is reported.
    pub recorder: Option<&'w mut Recorder<'a>>,
}

/// As [`run_tests`], with more that is wanted.
///
/// # Errors
/// As [`run_tests`].
pub fn run_tests_with<'a>(
    object_bytes: &[u8],
    program: &'a Program,
    source: &'a SourceFile,
    wanted: Wanted<'_, 'a>,
) -> Result<Report, RunError> {
    let object = object::read(object_bytes).map_err(RunError::Object)?;
    run_all(&object, program, source, wanted).map_err(RunError::Program)
}

/// As [`run_tests`], with an object that was read already.
///
/// # Errors
/// The object holds no program that can be run.
pub fn run_tests_on(
    object: &ObjectFile,
    program: &Program,
    source: &SourceFile,
    filter: Option<&str>,
) -> Result<Report, VmError> {
    run_all(object, program, source, Wanted { filter, ..Wanted::default() })
}

fn run_all<'a>(
    object: &ObjectFile,
    program: &'a Program,
    source: &'a SourceFile,
    mut wanted: Wanted<'_, 'a>,
) -> Result<Report, VmError> {
    let image = Image::new(object)?;
    let mut report = Report { file: source.name().to_string(), ..Report::default() };
    report.rules = program
        .rules
        .iter()
        .map(|rule| RuleReach { name: rule.name.clone(), place: source.place(rule.head.start), hits: None })
        .collect();
    for test in &program.tests {
        if wanted.filter.is_some_and(|part| !test.name.contains(part)) {
            report.filtered += 1;
            continue;
        }
        let mut bench = Bench::new(program, Bytes::new(object, &image, program, source));
        let shadow = wanted.recorder.as_deref_mut().map(|recorder| Shadow::new(program, source, recorder));
        let mut runner = Runner { bench: &mut bench, source, shadow };
        let status = runner.run(test);
        if let Some((line, what)) = runner.shadow.and_then(|shadow| shadow.difference) {
            // A setting has no line of its own.
            let line = if line == 0 { source.line(test.span.start) } else { line };
            report.disagreements.push(Disagreement { test: test.name.clone(), line, what });
        }
        let result = TestResult { name: test.name.clone(), line: source.line(test.span.start), status };
        if let Some(tell) = &mut wanted.tell {
            tell(&result);
        }
        report.tests.push(result);
        for (reach, hits) in report.rules.iter_mut().zip(bench.hits()) {
            reach.hits = hits.map(|hits| reach.hits.unwrap_or(0) + hits).or(reach.hits);
        }
    }
    Ok(report)
}

/// One test on its way.
struct Runner<'b, 'c, 'a, 'r, E> {
    bench: &'b mut Bench<'c, E>,
    source: &'a SourceFile,
    shadow: Option<Shadow<'a, 'r>>,
}

impl<E: Engine> Runner<'_, '_, '_, '_, E> {
    fn run(&mut self, test: &Test) -> Status {
        self.steps(&test.steps).err().map_or(Status::Passed, |ended| *ended)
    }

    /// Goes on until a step does not end well. Boxed, for a status is large and rare.
    fn steps(&mut self, steps: &[Step]) -> Result<(), Box<Status>> {
        for step in steps {
            match step {
                Step::Expect(expr) => self.expect(expr)?,
                Step::Connection { name, steps } => {
                    let before = self.connect(name);
                    self.steps(steps)?;
                    self.connect(&before);
                }
                _ => {
                    let line = match step {
                        Step::Fire { span, .. } | Step::Transmit { span, .. } => {
                            Some(self.source.line(span.start))
                        }
                        _ => None,
                    };
                    let errored = |message| Box::new(Status::Errored { message, line });
                    let result = self.bench.step(step);
                    if let Some(shadow) = &mut self.shadow {
                        shadow.follow(step, self.bench, &result);
                    }
                    result.map_err(errored)?;
                }
            }
        }
        Ok(())
    }

    fn connect(&mut self, name: &str) -> String {
        if let Some(shadow) = &mut self.shadow {
            shadow.connect(name);
        }
        self.bench.connect(name)
    }

    fn expect(&mut self, expr: &Expr) -> Result<(), Box<Status>> {
        let (line, column) = self.source.line_column(expr.span.start);
        let program = self.bench.program;
        let holds = Evaluator::new(program, self.bench).condition(expr);
        match holds {
            Ok(true) => Ok(()),
            Err(message) => Err(Box::new(Status::Errored { message, line: Some(line) })),
            Ok(false) => Err(Box::new(Status::Failed(Failure {
                expectation: self.source.slice(expr.span).to_string(),
                line,
                column,
                actual: leaves::actual(expr, self.bench, self.source),
                event: self.bench.last.name(),
                rules: self.bench.last.rules.clone(),
                refused: self.bench.last.refused.clone(),
            }))),
        }
    }
}

#[cfg(test)]
mod tests;
