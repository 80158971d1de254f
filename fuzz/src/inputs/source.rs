//! A policy's text: all that `check`, `build`, `test` and `diff` do with it.
//!
//! An input is the policy, then its files, each behind a line `-- NAME --`.

use tcpc::diff::policies;
use tcpc::render;
use tcpc_analysis::diff::Side;
use tcpc_compiler::{CompileError, Options, compile, object};
use tcpc_lang::diag::Diagnostic;
use tcpc_lang::modules::load;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::scenario::run_tests;
use tcpc_stdlib::policies::{MODULES, POLICIES};

use super::features::Features;
use super::places::{files_of, repository};

/// Folders with policies, good and wrong ones.
const FOLDERS: &[&str] =
    &["tests/wrong", "tests/wrong/modules", "tests/compiler/policies", "lang/tests/syntax"];

pub fn seeds() -> Vec<Vec<u8>> {
    let std = POLICIES.iter().chain(MODULES).map(|policy| policy.text.as_bytes().to_vec());
    let files = FOLDERS.iter().flat_map(|folder| files_of(&repository(folder)));
    let policies = files.filter(|(name, _)| name.ends_with(".tcp")).map(|(_, bytes)| bytes);
    let beside = files_of(&repository("tests/wrong/modules"));
    std.chain(policies).map(|policy| with_files(policy, &beside)).collect()
}

/// The policy with the files that it mentions.
fn with_files(mut policy: Vec<u8>, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    for (name, bytes) in files {
        let path = format!("modules/{name}");
        if policy.windows(path.len()).any(|window| window == path.as_bytes()) {
            policy.extend_from_slice(format!("\n-- {path} --\n").as_bytes());
            policy.extend_from_slice(bytes);
        }
    }
    policy
}

pub fn run(input: &[u8], features: &mut Features) {
    let (policy, files) = split(input);
    let source = match SourceFile::from_bytes("policy.tcp", policy) {
        Ok(source) => load(source, &files[..]),
        Err(problem) => return show(&problem, None, features),
    };
    let analysis = tcpc_lang::analyze(&source);
    for diagnostic in &analysis.diagnostics {
        show(diagnostic, Some(&source), features);
    }
    features.amount("files", source.files().len());
    features.amount("rules", analysis.program.rules.len());
    features.amount("diagnostics", analysis.diagnostics.len());
    if !analysis.is_valid() {
        return;
    }
    for diagnostic in tcpc_analysis::lint::lint(&analysis.program, &source, &analysis.diagnostics) {
        show(&diagnostic, Some(&source), features);
    }
    if input.len().is_multiple_of(8) {
        let side = Side { program: &analysis.program, source: &source };
        assert!(!policies(side, side, None).differs(), "a policy differs from itself");
    }
    let options = Options { hz: 250, stats: input.len().is_multiple_of(2) };
    let compiled = match compile(&analysis.program, &source, &options) {
        Ok(compiled) => compiled,
        Err(CompileError::TooLarge(what)) => return features.said("too large", &what),
        Err(CompileError::Internal(what)) => return bug(&what),
    };
    match object::read(&compiled.object) {
        Ok(read) => {
            let pairs = read.code.array_windows();
            pairs.for_each(|[one, other]| features.pair("code", one.code, other.code));
        }
        Err(error) => bug(&error.to_string()),
    }
    match run_tests(&compiled.object, &analysis.program, &source, None) {
        Ok(report) => features.amount("failed tests", report.failed()),
        Err(error) => bug(&error.to_string()),
    }
}

/// What must never happen to a policy without errors.
fn bug(what: &str) {
    assert!(what.is_empty(), "a policy without errors: {what}");
}

/// Shows a diagnostic as people and as programs see it.
fn show(diagnostic: &Diagnostic, source: Option<&SourceFile>, features: &mut Features) {
    let text = render::text(diagnostic, source, true);
    assert!(!text.is_empty(), "a diagnostic without a text");
    let json = render::json(diagnostic, source);
    features.said(diagnostic.code.as_str(), &diagnostic.message);
    features.amount("labels", diagnostic.secondary.len());
    features.amount("edits", usize::from(json["suggestion"].is_object()));
}

/// The policy, and the files beside it.
fn split(input: &[u8]) -> (&[u8], Vec<(String, &[u8])>) {
    let mut parts: Vec<(String, &[u8])> = vec![(String::new(), input)];
    let mut at = 0;
    let mut start = 0;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        if let Some(name) = file_name(line)
            && let Some(last) = parts.last_mut()
        {
            last.1 = &input[start..at];
            start = next;
            parts.push((name.to_owned(), &input[start..]));
        }
        at = next;
    }
    let (_, policy) = parts.remove(0);
    (policy, parts)
}

/// The name in a line `-- NAME --`.
fn file_name(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()?.trim_end().strip_prefix("-- ")?.strip_suffix(" --")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_behind_the_policy() {
        let (policy, files) = split(b"use \"a.tcp\"\n-- a.tcp --\nconst A = 1\n-- nets.txt --\n10.0.0.0/8");
        assert_eq!(policy, b"use \"a.tcp\"\n");
        let expected: [(String, &[u8]); 2] =
            [("a.tcp".into(), b"const A = 1\n"), ("nets.txt".into(), b"10.0.0.0/8")];
        assert_eq!(files, expected);
    }
}
