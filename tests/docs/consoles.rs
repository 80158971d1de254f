//! The commands in the documents print what is shown.
//!
//! A policy block that starts with a comment `# NAME.tcp…` is a file of that name; the commands of the
//! `console` blocks after it run beside it. Those that change the host are not run.

use std::fs;
use std::path::Path;

use crate::WRITTEN;
use crate::markdown::blocks;
use crate::support::{assert_file, repository, shell};

/// Commands that need root and change the host.
const NOT_RUN: &[&str] =
    &["tcpc attach", "tcpc detach", "tcpc list", "tcpc stats", "tcpc table", "tcpc watch", "sudo "];

#[test]
fn commands_print_what_is_shown() {
    for document in WRITTEN {
        let path = repository(document);
        let text = fs::read_to_string(&path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut made = String::new();
        let mut done = 0;
        for block in blocks(&text) {
            if let Some(name) = file_name(&block.text).filter(|_| block.info == "tcp") {
                fs::write(folder.path().join(name), &block.text).unwrap();
            }
            if block.info == "console" {
                made += &text[done..block.at.start];
                made += &console(folder.path(), &block.text);
                done = block.at.end;
            }
        }
        made += &text[done..];
        assert_file(&path, &made);
    }
}

/// `# dc.tcp: …` names a file.
fn file_name(policy: &str) -> Option<&str> {
    let comment = policy.lines().next()?.strip_prefix("# ")?;
    let name = comment.split([':', ' ']).next()?;
    name.ends_with(".tcp").then_some(name)
}

/// A console block with the output that its commands have now. Blank lines between commands stay.
fn console(folder: &Path, block: &str) -> String {
    let mut made = String::new();
    for part in block.split_inclusive('\n').fold(Vec::<String>::new(), group) {
        let Some((command, _)) = part.strip_prefix("$ ").and_then(|rest| rest.split_once('\n')) else {
            panic!("no command in `{part}`");
        };
        if NOT_RUN.iter().any(|name| command.starts_with(name)) {
            made += &part;
            continue;
        }
        let output = shell(folder, &format!("{{ {command}; }} 2>&1"));
        let printed = String::from_utf8(output.stdout).unwrap();
        let blank = if part.ends_with("\n\n") { "\n" } else { "" };
        let end = if printed.is_empty() { "" } else { "\n" };
        made += &format!("$ {command}\n{}{end}{blank}", printed.trim_end());
    }
    made
}

/// Lines to parts that start with a command.
fn group(mut parts: Vec<String>, line: &str) -> Vec<String> {
    match parts.last_mut() {
        Some(last) if !line.starts_with("$ ") => last.push_str(line),
        _ => parts.push(line.to_owned()),
    }
    parts
}
