//! `tcpc test --kernel`: the same tests on real connections of the running kernel.

use std::path::{Path, PathBuf};

use serde_json::json;
use tcpc_lab::report::{render_all, render_details};
use tcpc_lab::{Built, Host, Report, Verdict, run_tests_with};

use super::junit::{Case, Kind, Problem, Suite};
use super::{Args, Each, each, filter, is_standard_output, object_of, write_junit};
use crate::disk::Disk;
use crate::exit::Exit;
use crate::ui::Ui;
use crate::{host_errors, policy};

/// Runs the tests; a failed test, one that the model and the kernel disagree on, and a policy that cannot be built all
/// fail.
pub fn run(files: &[PathBuf], args: &Args, disk: &Disk, ui: &mut Ui) -> Exit {
    let host = match Host::probe() {
        Ok(host) => host,
        Err(error) => {
            ui.problem(&host_errors::error(&error));
            return Exit::Host;
        }
    };
    let mut names = Vec::new();
    let Each { tested: reports, unbuilt, mut worst } =
        each(files, ui, |file, ui| test(&host, file, args, disk, &mut names, ui));
    let none_ran = reports.iter().all(|report| report.tests.is_empty());
    if let Some(text) = args.filter.as_deref().filter(|_| none_ran && unbuilt.is_empty()) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        ui.problem(&filter::unmatched(text, &names));
        return Exit::Usage;
    }
    let text = render_all(&reports, unbuilt.len(), &host.version.to_string());
    match is_standard_output(args.junit.as_deref()) {
        true => ui.note(text),
        false => ui.say(text),
    }
    ui.set("kernel", host.version.to_string());
    ui.set("reports", json!(reports));
    if let Some(path) = &args.junit {
        let suites: Vec<Suite> = reports.iter().map(suite).collect();
        worst = worst.max(write_junit(path, &suites, &unbuilt, ui));
    }
    let fine = reports.iter().all(Report::is_fine);
    worst.max(if fine { Exit::Done } else { Exit::Policy })
}

fn test(
    host: &Host,
    file: &Path,
    args: &Args,
    disk: &Disk,
    names: &mut Vec<String>,
    ui: &mut Ui,
) -> Result<Report, Exit> {
    let (source, analysis) = policy::analyze(disk, file, ui)?;
    names.extend(analysis.program.tests.iter().map(|test| test.name.clone()));
    let object = object_of(&source, &analysis, args, host.hz, disk, ui)?;
    let built = Built { object: &object, program: &analysis.program, source: &source };
    let filter = args.filter.as_deref();
    let wanted = |name: &str| filter.is_none_or(|part| name.contains(part));
    ui.expect_steps(analysis.program.tests.iter().filter(|test| wanted(&test.name)).count());
    let told = run_tests_with(host, &built, filter, &mut |_| ui.step(source.name()));
    told.map_err(|error| {
        ui.problem(&host_errors::error(&error));
        Exit::Host
    })
}

/// The tests of a policy, as CI systems are told of them.
fn suite(report: &Report) -> Suite<'_> {
    let cases = report.tests.iter().map(|test| {
        let of = |kind, message: String, text| Some(Problem { kind, message, text });
        let details = || render_details(report, test);
        let problem = match (test.verdict, &test.kernel) {
            (Verdict::Passed, _) => None,
            (Verdict::Skipped, kernel) => of(Kind::Skipped, kernel.reason(), String::new()),
            (Verdict::Disagrees, _) => {
                of(Kind::Failure, "the kernel and the model disagree".to_owned(), details())
            }
            (Verdict::Failed, _) => {
                of(Kind::Failure, "it fails in the model and in the kernel".to_owned(), details())
            }
        };
        Case { name: &test.name, time: test.took, problem }
    });
    Suite { file: &report.file, cases: cases.collect() }
}
