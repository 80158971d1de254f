//! Runs the `test` blocks of a policy on real connections, and compares with what the model of the kernel says.
//!
//! Each test has a network, cgroups and an attached policy of its own. A test that cannot be set up here is skipped
//! with the reason; it is not a failure.

use std::io;
use std::time::Instant;

use tcpc_compiler::object;
use tcpc_lang::hir::{Expr, Program, Step, Test};
use tcpc_lang::source::SourceFile;
use tcpc_loader::LoaderError;
use tcpc_runtime::eval::Evaluator;
use tcpc_runtime::report::{Failure, Status};
use tcpc_runtime::vm::Image;

use crate::bench::Bench;
use crate::cgroups;
use crate::host::Host;
use crate::leaves;
use crate::network;
use crate::plan::plans;
use crate::report::{Outcome, Report, TestReport};
use crate::ticks::rounded;
use crate::twin::Modelled;

/// Why a test cannot be run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// In words.
    pub reason: String,
}

impl Skip {
    /// With a reason.
    pub fn new(reason: String) -> Skip {
        Skip { reason }
    }
}

/// How a test ended in the kernel before its end.
enum Ended {
    Skipped(String, Option<u32>),
    Status(Box<Status>),
}

/// A policy that was built.
pub struct Built<'a> {
    /// Its object.
    pub object: &'a [u8],
    /// Its typed tree.
    pub program: &'a Program,
    /// Its text.
    pub source: &'a SourceFile,
}

/// Runs the tests whose name contains `filter`, in the model and in the running kernel.
///
/// # Errors
/// The host refuses what every test needs.
pub fn run_tests(host: &Host, built: &Built<'_>, filter: Option<&str>) -> Result<Report, LoaderError> {
    run_tests_with(host, built, filter, &mut |_| {})
}

/// As [`run_tests`]; `tell` hears of each test when it has ended.
///
/// # Errors
/// As [`run_tests`].
pub fn run_tests_with(
    host: &Host,
    built: &Built<'_>,
    filter: Option<&str>,
    tell: &mut dyn FnMut(&TestReport),
) -> Result<Report, LoaderError> {
    let bad = |error: String| LoaderError::BadObject(error);
    let object = object::read(built.object).map_err(|error| bad(error.to_string()))?;
    let model = tcpc_runtime::scenario::run_tests_on(&object, built.program, built.source, filter)
        .map_err(|error| bad(error.to_string()))?;
    let image = Image::new(&object).map_err(|error| bad(error.to_string()))?;
    let modelled = Modelled { program: built.program, source: built.source, object: &object, image: &image };
    cgroups::sweep();
    let mut report = Report { file: model.file, filtered: model.filtered, ..Report::default() };
    let chosen = built.program.tests.iter().filter(|test| filter.is_none_or(|part| test.name.contains(part)));
    for (test, model) in chosen.zip(model.tests) {
        // A network belongs to a thread, and goes with it.
        let began = Instant::now();
        let run = std::thread::scope(|scope| {
            scope.spawn(|| run(host, built.object, modelled, test)).join().unwrap_or_else(|_| {
                Err(LoaderError::System {
                    doing: "run a test".into(),
                    error: io::Error::other("its thread ended early"),
                })
            })
        });
        let (outcome, differences) = run?;
        let test = TestReport::new(model, outcome, differences, began.elapsed());
        tell(&test);
        report.tests.push(test);
    }
    Ok(report)
}

type Ran = (Outcome, Vec<crate::replay::Difference>);

fn run(host: &Host, object: &[u8], modelled: Modelled<'_>, test: &Test) -> Result<Ran, LoaderError> {
    let skipped = |skip: Skip| (Outcome::Skipped { reason: skip.reason, line: None }, Vec::new());
    let plans = match plans(test) {
        Ok(plans) => plans,
        Err(skip) => return Ok(skipped(skip)),
    };
    network::enter().map_err(|error| LoaderError::System { doing: "make a network".into(), error })?;
    let mut bench = Bench::new(host, object, modelled, plans)?;
    let mut ended = Runner { bench: &mut bench }.steps(&test.steps).err();
    // What the model would do on these very connections says whether the two agree, however the test ended.
    let differences = match bench.replay() {
        Ok(differences) => differences,
        Err(message) => {
            ended = Some(Ended::Status(Box::new(Status::Errored { message, line: None })));
            Vec::new()
        }
    };
    let outcome = match ended {
        None => Outcome::Ran(Status::Passed),
        Some(Ended::Skipped(reason, line)) => Outcome::Skipped { reason, line },
        Some(Ended::Status(status)) => Outcome::Ran(*status),
    };
    Ok((outcome, differences))
}

/// One test on its way.
struct Runner<'a, 'b> {
    bench: &'b mut Bench<'a>,
}

impl Runner<'_, '_> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), Ended> {
        for step in steps {
            let skipped = |line| move |skip: Skip| Ended::Skipped(skip.reason, line);
            match step {
                Step::Given(given) => self.bench.give(given).map_err(skipped(None))?,
                Step::Fire { event, args, span } => {
                    let line = Some(self.bench.source.line(span.start));
                    self.bench.fire(event, *args).map_err(skipped(line))?;
                }
                Step::Transmit { segment, span } => {
                    let line = Some(self.bench.source.line(span.start));
                    self.bench.transmit(segment).map_err(skipped(line))?;
                }
                Step::Advance(nanos) => wait(*nanos).map_err(skipped(None))?,
                Step::Expect(expr) => self.expect(expr)?,
                Step::Connection { name, steps } => {
                    let before = self.bench.connect(name);
                    self.steps(steps)?;
                    self.bench.connect(&before);
                }
            }
        }
        Ok(())
    }

    fn expect(&mut self, expr: &Expr) -> Result<(), Ended> {
        let program = self.bench.program;
        let (line, column) = self.bench.source.line_column(expr.span.start);
        let expr = &rounded(expr, self.bench.host.hz);
        self.bench.check_expected(expr).map_err(|skip| Ended::Skipped(skip.reason, Some(line)))?;
        let holds = Evaluator::new(program, self.bench).condition(expr);
        if let Some(reason) = self.bench.take_unknown() {
            return Err(Ended::Skipped(reason, Some(line)));
        }
        match holds {
            Ok(true) => Ok(()),
            Err(reason) => Err(Ended::Skipped(reason, Some(line))),
            Ok(false) => {
                if let Some(reason) = self.bench.lacking(expr).or_else(|| self.bench.unasked()) {
                    return Err(Ended::Skipped(reason, Some(line)));
                }
                let actual = leaves::actual(expr, self.bench);
                // What could not be told is not what the expectation failed for.
                let _ = self.bench.take_unknown();
                Err(Ended::Status(Box::new(Status::Failed(Failure {
                    expectation: self.bench.source.slice(expr.span).to_string(),
                    line,
                    column,
                    actual,
                    event: self.bench.last_name(),
                    rules: self.bench.last_rules(),
                    refused: Vec::new(),
                }))))
            }
        }
    }
}

/// Real time passes only by waiting.
fn wait(nanos: u64) -> Result<(), Skip> {
    const LONGEST: u64 = 2_000_000_000;
    if nanos > LONGEST {
        return Err(Skip::new(format!("it would take {} seconds", nanos / 1_000_000_000)));
    }
    std::thread::sleep(std::time::Duration::from_nanos(nanos));
    Ok(())
}
