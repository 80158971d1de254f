//! `tcpc test --kernel`: the same tests on real connections of the running kernel.

use std::path::{Path, PathBuf};

use serde_json::json;
use tcpc_lab::report::render_all;
use tcpc_lab::{Built, Host, Report, run_tests};

use super::{Args, filter, object_of};
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
    let mut worst = Exit::Done;
    let (mut reports, mut names) = (Vec::new(), Vec::new());
    for file in files {
        match test(&host, file, args, disk, &mut names, ui) {
            Ok(report) => reports.push(report),
            Err(exit) => worst = if exit as u8 > worst as u8 { exit } else { worst },
        }
    }
    let none_ran = reports.iter().all(|report: &Report| report.tests.is_empty());
    if let Some(text) = args.filter.as_deref().filter(|_| none_ran && reports.len() == files.len()) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        ui.problem(&filter::unmatched(text, &names));
        return Exit::Usage;
    }
    ui.say(render_all(&reports, files.len() - reports.len(), &host.version.to_string()));
    ui.set("kernel", host.version.to_string());
    ui.set("reports", json!(reports));
    let fine = reports.iter().all(Report::is_fine);
    if !fine && worst == Exit::Done { Exit::Policy } else { worst }
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
    run_tests(host, &built, args.filter.as_deref()).map_err(|error| {
        ui.problem(&host_errors::error(&error));
        Exit::Host
    })
}
