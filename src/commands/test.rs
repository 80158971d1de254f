//! `tcpc test`: run the tests of policies on their compiled bytes, without a kernel.

mod coverage;
mod filter;
mod find;
mod junit;
mod kernel;
mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use tcpc_compiler::{Options, object};
use tcpc_lang::Analysis;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::Program;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::coverage::{Coverage, Recorder};
use tcpc_runtime::report::{Disagreement, Report, render_all};
use tcpc_runtime::scenario::{Wanted, run_tests_with};

use crate::disk::Disk;
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
  tcpc test policies/ --junit report.xml
  tcpc test policies/ --coverage --threshold 90%
  tcpc test policy.tcp --watch
  tcpc test policy.tcp --kernel
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
    /// Write the results as JUnit XML too, for CI systems; `-` is standard output
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    coverage: coverage::Asked,
    /// Run the tests again when a file of the policies changes, until ctrl-c
    #[arg(long)]
    watch: bool,
    /// Run the tests on real connections of the running kernel too, as far as each can be set up; both must agree
    /// (needs root)
    #[arg(long, conflicts_with_all = ["watch", "coverage", "coverage_out", "threshold"])]
    kernel: bool,
}

/// The tests of a policy that were run.
struct Tested {
    report: Report,
    /// How long each of them took.
    times: Vec<Duration>,
    /// What they reached, if that is asked for.
    coverage: Option<Coverage>,
}

/// A policy that could not be built.
struct Unbuilt {
    file: String,
    /// Why, a line for each problem.
    problems: Vec<String>,
}

/// Runs the tests; a failed test and a policy that cannot be built both fail.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    if args.watch {
        return watch::run(args, ui);
    }
    once(args, &Disk::default(), ui)
}

/// Runs all tests once.
fn once(args: &Args, disk: &Disk, ui: &mut Ui) -> Exit {
    let files = match find::policies(&args.paths) {
        Ok(files) => files,
        Err(problem) => {
            ui.problem(&problem);
            return Exit::Host;
        }
    };
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
    if is_standard_output(args.junit.as_deref()) && (args.coverage.is_printed() || ui.is_json()) {
        let what = "two documents would be on standard output".to_owned();
        let help = "name a file for one of them: `--junit FILE`, `--coverage-out FILE`";
        ui.problem(&Diagnostic::without_place(Code::UnwritableFile, what).help(help));
        return Exit::Usage;
    }
    if args.kernel {
        return kernel::run(&files, args, disk, ui);
    }
    let mut names = Vec::new();
    let each = each(&files, ui, |file, ui| test(file, args, disk, &mut names, ui));
    finish(args, &each, &names, ui)
}

/// What came of each policy.
struct Each<T> {
    tested: Vec<T>,
    unbuilt: Vec<Unbuilt>,
    worst: Exit,
}

/// Tests each policy, and shows how far it has come.
fn each<T>(
    files: &[PathBuf],
    ui: &mut Ui,
    mut test: impl FnMut(&Path, &mut Ui) -> Result<T, Exit>,
) -> Each<T> {
    let mut each = Each { tested: Vec::new(), unbuilt: Vec::new(), worst: Exit::Done };
    ui.begin_progress();
    ui.expect_steps(files.len());
    for file in files {
        let before = ui.reported().len();
        match test(file, ui) {
            Ok(one) => each.tested.push(one),
            Err(exit) => {
                each.worst = each.worst.max(exit);
                let problems = ui.reported().get(before..).unwrap_or_default().to_vec();
                each.unbuilt.push(Unbuilt { file: file.display().to_string(), problems });
            }
        }
        ui.step(&file.display().to_string());
    }
    ui.end_progress();
    each
}

/// Reports what was found.
fn finish(args: &Args, each: &Each<Tested>, names: &[String], ui: &mut Ui) -> Exit {
    let Each { tested, unbuilt, worst } = each;
    let none_ran = tested.iter().all(|one| one.report.tests.is_empty());
    if let Some(text) = args.filter.as_deref().filter(|_| none_ran && unbuilt.is_empty()) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        ui.problem(&filter::unmatched(text, &names));
        return Exit::Usage;
    }
    let reports: Vec<Report> = tested.iter().map(|one| one.report.clone()).collect();
    let text = render_all(&reports, unbuilt.len());
    // Who reads documents reads nothing else there.
    match args.coverage.takes_output() || is_standard_output(args.junit.as_deref()) {
        true => ui.note(text),
        false => ui.say(text),
    }
    ui.set("reports", json!(reports));
    let mut worst = (*worst).max(report_disagreements(args, &reports, ui));
    if let Some(path) = &args.junit {
        let suites: Vec<junit::Suite> = tested.iter().map(junit::Suite::of).collect();
        worst = worst.max(write_junit(path, &suites, unbuilt, ui));
    }
    if args.coverage.is_wanted() {
        let mut all = Coverage::default();
        tested.iter().filter_map(|one| one.coverage.clone()).for_each(|coverage| all.add(coverage));
        worst = worst.max(args.coverage.report(&all, ui));
    }
    let failed = reports.iter().any(|report| report.failed() > 0);
    worst.max(if failed { Exit::Policy } else { Exit::Done })
}

fn is_standard_output(path: Option<&Path>) -> bool {
    path == Some(Path::new("-"))
}

/// Where the program did not do what the policy means: never hidden, whatever the tests say.
fn report_disagreements(args: &Args, reports: &[Report], ui: &mut Ui) -> Exit {
    let mut exit = Exit::Done;
    for report in reports {
        for Disagreement { test, line, what } in &report.disagreements {
            let what = format!(
                "{}:{line}: in the test \"{test}\" the program does not do what the policy means: {what}",
                report.file
            );
            let problem = Diagnostic::without_place(Code::Disagreement, what);
            ui.problem(&match &args.object {
                Some(object) => problem.help(format!(
                    "`{}` was built from another text or by another version: build it anew with `tcpc build`",
                    object.display()
                )),
                None => {
                    problem.help("this is a bug of tcpc, not of the policy: please report it with the policy")
                }
            });
            exit = Exit::Policy;
        }
    }
    exit
}

fn write_junit(path: &Path, suites: &[junit::Suite], unbuilt: &[Unbuilt], ui: &mut Ui) -> Exit {
    let document = junit::document(suites, unbuilt, SystemTime::now()).map_err(|error| {
        let what = format!("cannot write `{}`: {error}", path.display());
        Diagnostic::without_place(Code::UnwritableFile, what)
    });
    let written = document.and_then(|text| policy::write_file(path, text.as_bytes()));
    match written {
        Ok(()) => Exit::Done,
        Err(problem) => {
            ui.problem(&problem);
            Exit::Host
        }
    }
}

fn test(file: &Path, args: &Args, disk: &Disk, names: &mut Vec<String>, ui: &mut Ui) -> Result<Tested, Exit> {
    let (source, analysis) = policy::analyze(disk, file, ui)?;
    names.extend(analysis.program.tests.iter().map(|test| test.name.clone()));
    // Which HZ does not matter: each test sets its own, as a loader does.
    let object = object_of(&source, &analysis, args, 1000, disk, ui)?;
    let filter = args.filter.as_deref();
    let wanted = |name: &str| filter.is_none_or(|part| name.contains(part));
    ui.expect_steps(analysis.program.tests.iter().filter(|test| wanted(&test.name)).count());
    let (mut times, mut begun) = (Vec::new(), Instant::now());
    let mut tell = |_: &_| {
        times.push(begun.elapsed());
        begun = Instant::now();
        ui.step(source.name());
    };
    let mut recorder = args.coverage.is_wanted().then(|| Recorder::new(&analysis.program, &source));
    let wanted = Wanted { filter, tell: Some(&mut tell), recorder: recorder.as_mut() };
    match run_tests_with(&object, &analysis.program, &source, wanted) {
        Ok(report) => Ok(Tested { report, times, coverage: recorder.map(Recorder::finish) }),
        Err(error) => {
            let name = args.object.as_deref().unwrap_or(file).display();
            ui.problem(
                &Diagnostic::without_place(Code::BadObject, format!("`{name}` cannot be run: {error}"))
                    .help("build it anew with `tcpc build`"),
            );
            Err(Exit::Policy)
        }
    }
}

/// The object that the tests are run on: the one that was named, or one that is built.
fn object_of(
    source: &SourceFile,
    analysis: &Analysis,
    args: &Args,
    hz: u32,
    disk: &Disk,
    ui: &mut Ui,
) -> Result<Vec<u8>, Exit> {
    let Some(path) = &args.object else {
        return Ok(policy::compile(source, analysis, &Options { hz, stats: true }, ui)?.object);
    };
    let bytes = disk.read_input(path).map_err(|problem| policy::report_unreadable(&problem, ui))?;
    require_same_rules(path, &bytes, &analysis.program, ui)?;
    Ok(bytes)
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
