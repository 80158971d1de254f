//! What a shell completes: names of attached policies and of all that is in them, and of the language.
//!
//! The shell's function (see `tcpc completions`) runs `tcpc` with the words that are typed so far, and gets candidates.
//! Whatever is wrong (nothing is attached, no permission) is not the time to complain: then there are none.

mod bash;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use tcpc_lang::diag::Code;
use tcpc_lang::read::type_named;
use tcpc_lang::show::{show, show_element};
use tcpc_loader::{Policy, Set};
use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::policies::POLICIES;
use tcpc_stdlib::unit::Type;

use crate::policy::{Input, read_input};
use crate::{cli, reference};

/// The variable that says which shell asks.
const VARIABLE: &str = "TCPC_COMPLETE";
/// The shells whose functions there are.
const SHELLS: Shells<'static> = Shells(&[&bash::Bash, &Elvish, &Fish, &Powershell, &Zsh]);
/// More elements of a set nobody looks through.
const MANY: usize = 200;

/// Answers a shell that asks for candidates; the process ends then.
pub fn answer() {
    CompleteEnv::with_factory(cli::Cli::command).var(VARIABLE).shells(SHELLS).complete();
}

/// The names of the shells.
pub fn shells() -> Vec<&'static str> {
    SHELLS.names().collect()
}

/// What a shell reads to complete `tcpc`, which asks the command that is called so.
pub fn script(shell: &str, command: &str) -> Option<String> {
    let shell: &dyn EnvCompleter = SHELLS.completer(shell)?;
    let mut script = Vec::new();
    // Writing to a vector cannot fail.
    shell.write_registration(VARIABLE, "tcpc", "tcpc", command, &mut script).ok()?;
    String::from_utf8(script).ok()
}

/// The words of the command line that is being completed.
fn words() -> Vec<String> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(2);
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The attached policies that can be meant: those that are named among the words, by name or by cgroup, or all.
fn meant() -> Vec<Policy> {
    let words = words();
    let mut found = tcpc_loader::find(&[], None).unwrap_or_default();
    let mut keep = |is_named: &dyn Fn(&Policy) -> bool| {
        if found.iter().any(is_named) {
            found.retain(is_named);
        }
    };
    keep(&|policy| words.iter().any(|word| Path::new(word) == policy.cgroup));
    keep(&|policy| words.contains(&policy.name));
    found
}

fn candidate(name: impl Into<String>, help: impl Into<String>) -> CompletionCandidate {
    CompletionCandidate::new(name.into()).help(Some(help.into().into()))
}

/// Names of attached policies.
pub fn policies() -> Vec<CompletionCandidate> {
    let words = words();
    let mut found = tcpc_loader::find(&[], None).unwrap_or_default();
    if found.iter().any(|policy| words.iter().any(|word| Path::new(word) == policy.cgroup)) {
        found.retain(|policy| words.iter().any(|word| Path::new(word) == policy.cgroup));
    }
    found.iter().map(|policy| candidate(&policy.name, policy.cgroup.display().to_string())).collect()
}

/// Cgroups that something is attached to.
pub fn cgroups() -> Vec<CompletionCandidate> {
    let mut found: Vec<PathBuf> =
        tcpc_loader::find(&[], None).unwrap_or_default().into_iter().map(|policy| policy.cgroup).collect();
    found.sort();
    found.dedup();
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// Parameters of attached policies.
pub fn parameters() -> Vec<CompletionCandidate> {
    let found = meant().into_iter().filter_map(|policy| tcpc_loader::parameters(&policy).ok()).flatten();
    found
        .map(|one| candidate(&one.info.name, show(type_named(&one.info.ty).unwrap_or(Type::Int), one.value)))
        .collect()
}

/// The same, to be set.
pub fn settings() -> Vec<CompletionCandidate> {
    parameters().into_iter().map(to_be_set).collect()
}

fn to_be_set(name: CompletionCandidate) -> CompletionCandidate {
    let mut text = name.get_value().to_owned();
    text.push("=");
    CompletionCandidate::new(text).help(name.get_help().cloned())
}

/// Parameters of a policy that is named by its file, to be set.
pub fn settings_of_file() -> Vec<CompletionCandidate> {
    let inputs = words().into_iter().filter(|word| word.starts_with("std::") || Path::new(word).is_file());
    let mut found = Vec::new();
    for input in inputs.filter_map(|word| read_input(Path::new(&word)).ok()) {
        match input {
            Input::Policy(source) => {
                let params = tcpc_lang::analyze(&source).program.params;
                found.extend(params.iter().map(|one| candidate(&one.name, show(one.ty, one.default))));
            }
            Input::Object(bytes) => {
                let manifest = tcpc_compiler::object::read(&bytes).ok().and_then(|object| object.manifest);
                let params = manifest.map(|manifest| manifest.state.params).unwrap_or_default();
                found.extend(params.iter().map(|one| candidate(&one.name, &one.ty)));
            }
        }
    }
    found.into_iter().map(to_be_set).collect()
}

/// Sets of attached policies that can be changed.
pub fn sets() -> Vec<CompletionCandidate> {
    let found = meant().into_iter().flat_map(|policy| policy.record.manifest.state.sets);
    found.map(|set| candidate(set.name, format!("{}, at most {}", set.element, set.max))).collect()
}

/// Elements of the set that is named, to be removed.
pub fn elements() -> Vec<CompletionCandidate> {
    let words = words();
    if !words.iter().any(|word| word == "del") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for policy in meant() {
        for info in &policy.record.manifest.state.sets {
            let wanted = words.contains(&info.name);
            let elements = wanted.then(|| Set::open(&policy, &info.name).and_then(|set| set.elements()));
            let ty = type_named(&info.element).unwrap_or(Type::Prefix);
            let elements = elements.and_then(Result::ok).unwrap_or_default();
            found.extend(
                elements.iter().map(|&(address, length)| candidate(show_element(ty, address, length), "")),
            );
        }
    }
    found.truncate(MANY);
    found
}

/// Tables of attached policies.
pub fn tables() -> Vec<CompletionCandidate> {
    let found = meant().into_iter().flat_map(|policy| policy.record.manifest.state.tables);
    found.map(|table| candidate(table.name, format!("at most {} rows", table.max))).collect()
}

/// Experiments of attached policies.
pub fn experiments() -> Vec<CompletionCandidate> {
    let found = meant().into_iter().flat_map(|policy| policy.record.manifest.state.experiments);
    found.map(|one| candidate(one.name, "")).collect()
}

/// Events that attached policies give records of.
pub fn events() -> Vec<CompletionCandidate> {
    let found = meant().into_iter().flat_map(|policy| policy.record.manifest.state.records);
    found.map(|record| candidate(record.name, "")).collect()
}

/// Fields of the records.
pub fn fields() -> Vec<CompletionCandidate> {
    let records = meant().into_iter().flat_map(|policy| policy.record.manifest.state.records);
    let words = words();
    let mut records: Vec<_> = records.collect();
    if records.iter().any(|record| words.contains(&record.name)) {
        records.retain(|record| words.contains(&record.name));
    }
    let mut found: Vec<_> = records
        .into_iter()
        .flat_map(|record| record.cells)
        .map(|cell| candidate(cell.name, cell.ty))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Names that `tcpc doc` knows.
pub fn names() -> Vec<CompletionCandidate> {
    reference::entries().iter().map(|entry| candidate(entry.name, "")).collect()
}

/// Codes of diagnostics, files, and the policies of the standard library.
pub fn codes_and_files(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let codes = Code::ALL.iter().filter(|code| !typed.is_empty() && code.as_str().starts_with(&*typed));
    let codes = codes.map(|code| candidate(code.as_str(), code.summary()));
    codes.chain(files(current)).collect()
}

/// Events that policies can have rules for.
pub fn kernel_events() -> Vec<CompletionCandidate> {
    let events = EVENTS.iter().filter(|event| event.supported);
    events.map(|event| candidate(event.name, event.doc)).collect()
}

/// Files, and the policies of the standard library.
pub fn files(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let library = POLICIES.iter().map(|policy| format!("std::{}", policy.name));
    let mut found: Vec<_> =
        library.filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect();
    found.extend(PathCompleter::file().complete(current));
    found
}
