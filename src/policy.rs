//! Getting at policies and objects: files, standard input, the standard library; compiling on the spot.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use tcpc_compiler::needs::newer_than;
use tcpc_compiler::{CompileError, Compiled, Options};
use tcpc_lang::Analysis;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::Program;
use tcpc_lang::modules;
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::policies::{MODULES, POLICIES};
use tcpc_stdlib::unit::{jiffies, jiffies_to_nanos};

use crate::disk::Disk;
use crate::exit::Exit;
use crate::parameters::Settings;
use crate::ui::Ui;

/// A policy or object larger than this is refused: nobody wrote it.
pub const MAX_BYTES: u64 = 256 << 20;

/// Reads a file, or standard input for `-`.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    let failed = |error: std::io::Error| unreadable(path, &error);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        let what = format!("`{}` is larger than {} MB", path.display(), MAX_BYTES >> 20);
        return Err(
            Diagnostic::without_place(Code::UnreadableFile, what).help("name a policy or an object file")
        );
    }
    Ok(bytes)
}

pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "it may not be read by this user".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let reason = reason(error);
    let diagnostic = Diagnostic::without_place(
        Code::UnreadableFile,
        format!("cannot read `{}`: {reason}", path.display()),
    );
    match error.kind() {
        ErrorKind::IsADirectory => diagnostic.help("name a file in it; `tcpc test` takes directories"),
        _ => diagnostic.help("check the path; `-` reads standard input"),
    }
}

/// What a file turned out to hold.
pub enum Input {
    /// A policy's source.
    Policy(SourceFile),
    /// An object file.
    Object(Vec<u8>),
}

/// Reads a policy or an object: a file, `-`, or `std::NAME` of the standard library. An ELF file and any
/// file called `*.o` is an object.
pub fn read_input(path: &Path) -> Result<Input, Diagnostic> {
    read_input_from(&Disk::default(), path)
}

fn read_input_from(disk: &Disk, path: &Path) -> Result<Input, Diagnostic> {
    let shown = path.display().to_string();
    if let Some(name) = shown.strip_prefix("std::") {
        return std_policy(name).map(Input::Policy);
    }
    let bytes = disk.read_input(path)?;
    if bytes.starts_with(b"\x7fELF") || path.extension().is_some_and(|ending| ending == "o") {
        return Ok(Input::Object(bytes));
    }
    let source = SourceFile::from_bytes(if shown == "-" { "stdin".to_owned() } else { shown }, &bytes)?;
    Ok(Input::Policy(modules::load(source, disk)))
}

/// Reads a policy's source.
pub fn read_source(path: &Path) -> Result<SourceFile, Diagnostic> {
    read_source_from(&Disk::default(), path)
}

fn read_source_from(disk: &Disk, path: &Path) -> Result<SourceFile, Diagnostic> {
    match read_input_from(disk, path)? {
        Input::Policy(source) => Ok(source),
        Input::Object(_) => {
            let shown = path.display();
            let what = format!("`{shown}` is an object file, not a policy");
            Err(Diagnostic::without_place(Code::UnreadableFile, what)
                .help(format!("`tcpc disasm {shown}` shows it, `tcpc attach CGROUP {shown}` attaches it")))
        }
    }
}

fn std_policy(name: &str) -> Result<SourceFile, Diagnostic> {
    match tcpc_stdlib::policies::module(name) {
        Some(policy) => {
            Ok(modules::load(SourceFile::new(format!("std/{name}.tcp"), policy.text), &modules::NoFiles))
        }
        None => {
            let what = format!("the standard library has no policy `{name}`");
            Err(Diagnostic::without_place(Code::UnreadableFile, what).help(format!("it has {}", std_names())))
        }
    }
}

fn std_names() -> String {
    let names: Vec<String> =
        POLICIES.iter().chain(MODULES).map(|policy| format!("`{}`", policy.name)).collect();
    names.join(", ")
}

/// Reports why a file could not be read; a file that is no text is the policy's fault, any other the host's.
pub fn report_unreadable(problem: &Diagnostic, ui: &mut Ui) -> Exit {
    ui.problem(problem);
    if problem.code == Code::UnreadableFile { Exit::Host } else { Exit::Policy }
}

/// Reads and checks a policy, and reports what is wrong with it.
pub fn analyze(disk: &Disk, path: &Path, ui: &mut Ui) -> Result<(SourceFile, Analysis), Exit> {
    let source = read_source_from(disk, path).map_err(|problem| report_unreadable(&problem, ui))?;
    let analysis = check(&source, ui)?;
    Ok((source, analysis))
}

/// Reads and checks a policy, and reports what is wrong with it but not what is suspicious: for what is not about the
/// policy itself.
pub fn understand(path: &Path, ui: &mut Ui) -> Result<(SourceFile, Program), Exit> {
    let source = read_source(path).map_err(|problem| report_unreadable(&problem, ui))?;
    let analysis = tcpc_lang::analyze(&source);
    if !analysis.is_valid() {
        ui.report(&source, &analysis.diagnostics);
        return Err(Exit::Policy);
    }
    Ok((source, analysis.program))
}

/// Checks a policy, and looks for what is suspicious in one without errors.
fn checked(source: &SourceFile) -> Analysis {
    let mut analysis = tcpc_lang::analyze(source);
    if analysis.is_valid() {
        let found = tcpc_analysis::lint::lint(&analysis.program, source, &analysis.diagnostics);
        analysis.diagnostics.extend(found);
        analysis.diagnostics.sort_by_key(|found| found.primary.as_ref().map(|label| label.span.start));
    }
    analysis
}

/// Checks a policy, and reports what is wrong with it.
pub fn check(source: &SourceFile, ui: &mut Ui) -> Result<Analysis, Exit> {
    let analysis = checked(source);
    if ui.report(source, &analysis.diagnostics) {
        return Err(Exit::Policy);
    }
    Ok(analysis)
}

/// Checks and compiles a policy, and reports what is wrong with it: also what this kernel does not have.
pub fn build(
    path: &Path,
    options: &Options,
    kernel: Option<KernelVersion>,
    parameters: &Settings,
    ui: &mut Ui,
) -> Result<(SourceFile, Compiled), Exit> {
    let source = read_source(path).map_err(|problem| report_unreadable(&problem, ui))?;
    let Analysis { mut program, mut diagnostics } = checked(&source);
    let wrong = diagnostics.iter().any(Diagnostic::is_error);
    if !wrong && let Err(problem) = parameters.set_defaults(&source, &mut program) {
        ui.report(&source, &diagnostics);
        ui.problem(&problem);
        return Err(Exit::Usage);
    }
    let compiled = (!wrong).then(|| tcpc_compiler::compile(&program, &source, options));
    if let Some(kernel) = kernel {
        let needs = match &compiled {
            Some(Ok(compiled)) => &compiled.needs,
            _ => &program.requirements,
        };
        diagnostics.extend(newer_than(kernel, needs));
        diagnostics.sort_by_key(|found| found.primary.as_ref().map(|label| label.span.start));
    }
    let wrong = ui.report(&source, &diagnostics);
    match compiled {
        Some(Err(error)) => Err(not_compiled(&source, error, ui)),
        Some(Ok(compiled)) if !wrong => Ok((source, compiled)),
        _ => Err(Exit::Policy),
    }
}

/// Compiles a checked policy, and reports why it cannot be compiled.
pub fn compile(
    source: &SourceFile,
    analysis: &Analysis,
    options: &Options,
    ui: &mut Ui,
) -> Result<Compiled, Exit> {
    tcpc_compiler::compile(&analysis.program, source, options)
        .map_err(|error| not_compiled(source, error, ui))
}

fn not_compiled(source: &SourceFile, error: CompileError, ui: &mut Ui) -> Exit {
    let diagnostic = match error {
        CompileError::TooLarge(what) => Diagnostic::without_place(
            Code::PolicyTooLarge,
            format!("`{}` is too large: {what}", source.name()),
        )
        .help("split it into several policies and attach each of them"),
        CompileError::Internal(what) => {
            Diagnostic::without_place(Code::CompilerBug, format!("the compiler made a bad program: {what}"))
                .help("this is a bug of tcpc, not of the policy: please report it with the policy")
        }
    };
    ui.problem(&diagnostic);
    Exit::Policy
}

/// The ticks per second to build for: what was asked for, else this host's, else the commonest.
pub fn hz_or_host(hz: Option<u32>) -> u32 {
    hz.or_else(|| tcpc_loader::probe::host_hz().ok()).unwrap_or(250)
}

/// Which durations of an object are longer than the policy says, in words: `10ms is 12ms at HZ=250`.
pub fn roundings(compiled: &Compiled) -> Vec<String> {
    let hz = compiled.manifest.hz;
    let longer = compiled.manifest.jiffies.iter().filter_map(|one| {
        let given = jiffies_to_nanos(jiffies(one.nanos, hz), hz);
        (given != one.nanos).then(|| {
            let show = |nanos| tcpc_lang::show::show(tcpc_stdlib::unit::Type::Duration, nanos);
            format!("{}: {} is {} at HZ={hz}", one.place, show(one.nanos), show(given))
        })
    });
    longer.collect()
}

/// `dir/wan.tcp` is `wan.o` in the current directory.
pub fn default_output(input: &Path) -> PathBuf {
    let shown = input.display().to_string();
    let stem = match shown.strip_prefix("std::") {
        Some(name) => name.to_owned(),
        None if shown == "-" => "policy".to_owned(),
        None => input.file_stem().map_or("policy".into(), |stem| stem.to_string_lossy().into_owned()),
    };
    PathBuf::from(format!("{stem}.o"))
}

/// Writes a file whole or not at all; `-` is standard output.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let failed = |error: std::io::Error| {
        let reason = match error.kind() {
            _ if path.is_dir() => "it is a directory".to_owned(),
            ErrorKind::NotFound => "there is no such directory".to_owned(),
            ErrorKind::PermissionDenied => "it may not be written by this user".to_owned(),
            _ => error.to_string(),
        };
        let what = format!("cannot write `{}`: {reason}", path.display());
        Diagnostic::without_place(Code::UnwritableFile, what).help("choose another place")
    };
    if path == Path::new("-") {
        let mut out = std::io::stdout().lock();
        return match out.write_all(bytes).and_then(|()| out.flush()) {
            // A reader that went away wants no more.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(failed(error)),
            _ => Ok(()),
        };
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path)).map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })
}
