//! What the tests of documents and of the command line share: running commands, comparing texts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs a shell command in a folder, with this build's `tcpc` on the path.
pub fn shell(folder: &Path, command: &str) -> Output {
    let tcpc = Path::new(env!("CARGO_BIN_EXE_tcpc")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([tcpc.into()].into_iter().chain(std::env::split_paths(&path))).unwrap();
    Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Whether expected texts are to be rewritten: `BLESS=1`.
pub fn bless() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// A path of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a file of the repository with what it should hold, or rewrites it.
pub fn assert_file(path: &Path, wanted: &str) {
    let found = fs::read_to_string(path).unwrap_or_default();
    if without_counts(&found) == without_counts(wanted) {
        return;
    }
    if bless() {
        return fs::write(path, wanted).unwrap();
    }
    let line = found.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count();
    let [found, wanted] = [&found, wanted].map(|text| text.lines().nth(line).unwrap_or("(the end)"));
    panic!(
        "{}:{}: not what is made now; BLESS=1 rewrites it\n  found:  {found}\n  wanted: {wanted}",
        path.display(),
        line + 1
    );
}

/// A text without numbers of instructions: the optimiser may change those at any time.
fn without_counts(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let mut kept = String::new();
    for line in text.lines() {
        match [" instructions", " slots"].iter().find_map(|unit| line.split_once(unit)) {
            Some((before, after)) => kept.extend([before.trim_end_matches(is_digit), after]),
            None => kept += line,
        }
        kept.push('\n');
    }
    kept
}
