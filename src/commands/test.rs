//! `tcpc test`: run the tests of policies on their compiled bytes, without a kernel.

use std::path::{Path, PathBuf};

use serde_json::json;
use tcpc_compiler::{Options, object};
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::Program;
use tcpc_runtime::report::{Report, render_all};

use crate::exit::Exit;
use crate::policy;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
A test runs the very instructions that the kernel would run, against a mock socket.

Examples:
  tcpc test policy.tcp
  tcpc test policies/ --filter datacenter
  tcpc test policy.tcp --object policy.o")]
pub struct Args {
    /// Policy files, or folders to look for `*.tcp` in; `std::NAME` is a policy of the standard library
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Run only the tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run the tests of the one policy on this object instead of building it
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
}

/// Runs the tests; a failed test and a policy that cannot be built both fail.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let mut files = Vec::new();
    for path in &args.paths {
        if let Err(problem) = find(path, &mut files) {
            ui.problem(&problem);
            return Exit::Host;
        }
    }
    if files.is_empty() {
        let what = "there is no policy to test".to_owned();
        ui.problem(
            &Diagnostic::without_place(Code::UnreadableFile, what).help("name files or folders with `*.tcp`"),
        );
        return Exit::Host;
    }
    if args.object.is_some() && files.len() != 1 {
        let what = "`--object` goes with exactly one policy".to_owned();
        ui.problem(
            &Diagnostic::without_place(Code::BadObject, what).help("name the policy that it was built from"),
        );
        return Exit::Usage;
    }
    let mut worst = Exit::Done;
    let mut reports = Vec::new();
    for file in &files {
        match test(file, args, ui) {
            Ok(report) => reports.push(report),
            Err(exit) => worst = if exit as u8 > worst as u8 { exit } else { worst },
        }
    }
    ui.say(render_all(&reports, files.len() - reports.len()));
    ui.set("reports", json!(reports));
    let failed = reports.iter().any(|report| report.failed() > 0);
    if failed && worst == Exit::Done { Exit::Policy } else { worst }
}

fn test(file: &Path, args: &Args, ui: &mut Ui) -> Result<Report, Exit> {
    let (source, analysis) = policy::analyze(file, ui)?;
    let object = match &args.object {
        Some(path) => {
            let bytes =
                policy::read_bytes(path).map_err(|problem| policy::report_unreadable(&problem, ui))?;
            require_same_rules(path, &bytes, &analysis.program, ui)?;
            bytes
        }
        // Which HZ does not matter: each test sets its own, as a loader does.
        None => policy::compile(&source, &analysis, &Options { hz: 1000, stats: true }, ui)?.object,
    };
    tcpc_runtime::scenario::run_tests(&object, &analysis.program, &source, args.filter.as_deref()).map_err(
        |error| {
            let name = args.object.as_deref().unwrap_or(file).display();
            ui.problem(
                &Diagnostic::without_place(Code::BadObject, format!("`{name}` cannot be run: {error}"))
                    .help("build it anew with `tcpc build`"),
            );
            Exit::Policy
        },
    )
}

/// Refuses an object that says of itself that it was built from other rules.
fn require_same_rules(path: &Path, bytes: &[u8], program: &Program, ui: &mut Ui) -> Result<(), Exit> {
    let Some(manifest) = object::read(bytes).ok().and_then(|object| object.manifest) else { return Ok(()) };
    if manifest.rules.iter().map(|rule| &rule.name).eq(program.rules.iter().map(|rule| &rule.name)) {
        return Ok(());
    }
    let what = format!("`{}` was built from other rules, from `{}`", path.display(), manifest.source);
    ui.problem(&Diagnostic::without_place(Code::BadObject, what).help("build it anew with `tcpc build`"));
    Err(Exit::Policy)
}

/// Adds a file, or the policies below a folder, in the order of their names.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Diagnostic> {
    if path.to_string_lossy().starts_with("std::") || !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Diagnostic::without_place(Code::UnreadableFile, format!("cannot read `{}`: {error}", path.display()))
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let kind = entry.file_type().map_err(failed)?;
        let path = entry.path();
        // Links are not followed into folders: they can lead in circles.
        if !hidden && (kind.is_dir() || path.extension().is_some_and(|ending| ending == "tcp")) {
            entries.push(path);
        }
    }
    entries.sort();
    entries.iter().try_for_each(|entry| find(entry, files))
}
