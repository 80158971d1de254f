//! The command line, as its users meet it: each `*.txt` beside this file is a session.
//!
//! A session begins with comments and files (`-- NAME --`, then its text), then come commands (`$ …`, run by
//! `sh` in a folder of their own), each with what it printed: standard output, below `[stderr]` the errors,
//! and `[exit N]` if that is not 0. `BLESS=1 cargo test --test cli` rewrites what was printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;
mod watch;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::{assert_file, repository, shell};

#[test]
fn sessions_go_as_written() {
    let mut sessions: Vec<_> =
        fs::read_dir(repository("tests/cli")).unwrap().map(|entry| entry.unwrap().path()).collect();
    sessions.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    sessions.sort();
    assert!(sessions.len() > 5, "{sessions:?}");
    for path in sessions {
        assert_file(&path, &run(&fs::read_to_string(&path).unwrap()));
    }
}

/// The session with what its commands print now.
fn run(session: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let start = session.find("\n$ ").expect("a session has commands") + 1;
    write_files(folder.path(), &session[..start]);
    let mut made = session[..start].to_owned();
    for command in session[start..].lines().filter_map(|line| line.strip_prefix("$ ")) {
        made += &format!("$ {command}\n{}\n", printed(&shell(folder.path(), command)));
    }
    made.truncate(made.trim_end().len());
    made + "\n"
}

fn write_files(folder: &Path, head: &str) {
    let mut open: Option<(&str, String)> = None;
    for line in head.lines().chain(["--  --"]) {
        match line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
            Some(name) => {
                if let Some((name, text)) = open.replace((name, String::new())) {
                    fs::write(folder.join(name), text.trim_end().to_owned() + "\n").unwrap();
                }
            }
            None => {
                if let Some((_, text)) = &mut open {
                    *text += line;
                    text.push('\n');
                }
            }
        }
    }
}

fn printed(output: &Output) -> String {
    let mut text = ending_in_newline(&output.stdout);
    if !output.stderr.is_empty() {
        text += &format!("[stderr]\n{}", ending_in_newline(&output.stderr));
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => text += &format!("[exit {code}]\n"),
        None => text += "[killed]\n",
    }
    text
}

fn ending_in_newline(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
}

/// What programs may rely on.
#[test]
fn json_has_the_documented_fields() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.tcp"), GOOD).unwrap();
    fs::write(folder.path().join("bad.tcp"), "on tcp_connect { sndbuf = 5 }\n").unwrap();
    let cases: &[(&str, i32, &[&str])] = &[
        ("check good.tcp bad.tcp", 1, &["files"]),
        ("build good.tcp", 0, &["output", "instructions", "kernel", "hz", "roundings", "rules"]),
        ("build good.tcp --emit asm", 0, &["text"]),
        ("test good.tcp", 0, &["reports"]),
        ("disasm good.o", 0, &["text"]),
        ("explain E0303", 0, &["code", "text"]),
        ("explain", 0, &["codes"]),
        ("explain good.tcp --event timeout_init", 0, &["explanations"]),
        ("doc rto", 0, &["entries"]),
        ("doc", 0, &["names"]),
        ("check missing.tcp", 3, &["files"]),
    ];
    for (arguments, code, fields) in cases {
        let output = shell(folder.path(), &format!("tcpc {arguments} --format json"));
        assert_eq!(output.status.code(), Some(*code), "{arguments}");
        assert!(output.stderr.is_empty(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["exit"], *code, "{arguments}");
        assert_eq!(value["diagnostics"].as_array().unwrap().is_empty(), *code == 0, "{arguments}");
        for field in *fields {
            assert!(!value[field].is_null(), "{arguments}: no `{field}` in {value:#}");
        }
    }
}

#[test]
fn an_object_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.tcp"), GOOD).unwrap();
    let build = "tcpc build good.tcp --hz 250 -o - | cksum";
    let first = shell(folder.path(), build);
    assert!(first.status.success());
    assert_eq!(first.stdout, shell(folder.path(), build).stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.tcp"), GOOD).unwrap();
    for arguments in
        ["explain", "doc", "check good.tcp", "check good.tcp --format json", "build good.tcp -o -", "--help"]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_tcpc"))
            .args(arguments.split(' '))
            .current_dir(folder.path())
            .stdout(writer)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaint.is_empty(), "{arguments}: {complaint}");
    }
}

const GOOD: &str = "\
on timeout_init when port == 443 -> 10ms
test \"https\" { fire timeout_init expect reply == 10ms }
";
