//! Getting at policies and objects: files, standard input, the standard library; compiling on the spot.

use std::io::Read;
use std::path::{Path, PathBuf};

use tcpc_compiler::{CompileError, Compiled, Options};
use tcpc_lang::Analysis;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::unit::{jiffies, jiffies_to_nanos};

use crate::exit::Exit;
use crate::ui::Ui;

/// A policy or object larger than this is refused: nobody wrote it.
const MAX_BYTES: u64 = 256 << 20;

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

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read by this user".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    };
    let diagnostic = Diagnostic::without_place(
        Code::UnreadableFile,
        format!("cannot read `{}`: {reason}", path.display()),
    );
    match error.kind() {
        std::io::ErrorKind::IsADirectory => {
            diagnostic.help("name a file in it; `tcpc test` takes directories")
        }
        _ => diagnostic.help("check the path; `-` reads standard input"),
    }
}

/// Reads a policy's text: a file, `-`, or `std::NAME` of the standard library.
pub fn read_source(path: &Path) -> Result<SourceFile, Diagnostic> {
    let shown = path.display().to_string();
    if let Some(name) = shown.strip_prefix("std::") {
        return match tcpc_stdlib::policies::policy(name) {
            Some(policy) => Ok(SourceFile::new(format!("std/{name}.tcp"), policy.text)),
            None => Err(Diagnostic::without_place(
                Code::UnreadableFile,
                format!("the standard library has no policy `{name}`"),
            )
            .help(format!("it has {}", std_names()))),
        };
    }
    let bytes = read_bytes(path)?;
    if bytes.starts_with(b"\x7fELF") {
        return Err(Diagnostic::without_place(
            Code::UnreadableFile,
            format!("`{shown}` is an object file, not a policy"),
        )
        .help(format!("`tcpc disasm {shown}` shows it, `tcpc attach CGROUP {shown}` attaches it")));
    }
    SourceFile::from_bytes(if shown == "-" { "stdin".to_owned() } else { shown }, &bytes)
}

fn std_names() -> String {
    let names: Vec<String> =
        tcpc_stdlib::policies::POLICIES.iter().map(|policy| format!("`{}`", policy.name)).collect();
    names.join(", ")
}

/// Reads and checks a policy, and reports what is wrong with it.
pub fn analyze(path: &Path, ui: &mut Ui) -> Result<(SourceFile, Analysis), Exit> {
    let source = read_source(path).map_err(|problem| {
        ui.problem(&problem);
        if problem.code == Code::UnreadableFile { Exit::Host } else { Exit::Policy }
    })?;
    let analysis = tcpc_lang::analyze(&source);
    if ui.report(&source, &analysis.diagnostics) {
        return Err(Exit::Policy);
    }
    Ok((source, analysis))
}

/// Compiles a checked policy, and reports why it cannot be compiled.
pub fn compile(
    source: &SourceFile,
    analysis: &Analysis,
    options: &Options,
    ui: &mut Ui,
) -> Result<Compiled, Exit> {
    tcpc_compiler::compile(&analysis.program, source, options).map_err(|error| {
        let diagnostic = match error {
            CompileError::TooLarge(what) => Diagnostic::without_place(
                Code::PolicyTooLarge,
                format!("`{}` is too large: {what}", source.name()),
            )
            .help("split it into several policies and attach each of them"),
            CompileError::Internal(what) => Diagnostic::without_place(
                Code::CompilerBug,
                format!("the compiler made a bad program: {what}"),
            )
            .help("this is a bug of tcpc, not of the policy: please report it with the policy"),
        };
        ui.problem(&diagnostic);
        Exit::Policy
    })
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
            format!("line {}: {} is {} at HZ={hz}", one.line, show(one.nanos), show(given))
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

/// Writes a file whole or not at all.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let failed = |error: std::io::Error| {
        Diagnostic::without_place(Code::UnwritableFile, format!("cannot write `{}`: {error}", path.display()))
            .help("choose another place with `-o`")
    };
    if path == Path::new("-") {
        use std::io::Write;
        return std::io::stdout().lock().write_all(bytes).map_err(failed);
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path)).map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })
}
