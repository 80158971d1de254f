//! `tcpc test --watch`, from the first run to the end. Nothing here waits for a clock: each step reads until the command
//! has said what it must say.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

/// A command that is ended with the test.
struct Watching {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Watching {
    fn start(folder: &Path, arguments: &[&str]) -> Watching {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tcpc"))
            .args(["test", "--watch"])
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        Watching { child, out, err }
    }

    /// What it prints up to the line that begins so.
    fn until(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for line in &mut self.out {
            lines.push(line.unwrap());
            if lines.last().unwrap().starts_with(start) {
                return lines;
            }
        }
        panic!("it ended with {lines:?}");
    }

    /// It says that it waits.
    fn waits(&mut self) -> String {
        let waiting = self.err.find(|line| line.as_ref().unwrap().starts_with("watching "));
        waiting.unwrap().unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts a file in its place in one step, as editors save: half of it is never seen.
fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join("new"), text).unwrap();
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

const POLICY: &str = "use \"./limits.tcp\"\non timeout_init -> limits::RTO\n\
    test \"rto\" { fire timeout_init expect reply == 10ms }\n";

#[test]
fn a_changed_module_runs_the_tests_again() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| put(folder.path(), name, text);
    write("policy.tcp", POLICY);
    write("limits.tcp", "const RTO = 10ms\n");
    let mut watching = Watching::start(folder.path(), &["policy.tcp"]);
    assert!(watching.until("test result:").last().unwrap().contains("1 passed"));
    assert_eq!(watching.waits(), "watching 2 files; ctrl-c ends");

    write("limits.tcp", "const RTO = 20ms\n");
    let again = watching.until("test result:");
    assert_eq!(again[1], "changed: limits.tcp");
    assert!(again.last().unwrap().contains("1 failed"), "{again:?}");
    watching.waits();

    write("policy.tcp", &POLICY.replace("10ms", "20ms"));
    let again = watching.until("test result:");
    assert_eq!(again[1], "changed: policy.tcp");
    assert!(again.last().unwrap().contains("1 passed"), "{again:?}");
}

#[test]
fn a_new_policy_and_a_module_that_was_missing_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| put(folder.path(), name, text);
    write("policy.tcp", POLICY);
    let mut watching = Watching::start(folder.path(), &["."]);
    watching.until("1 policy could not be built");
    watching.waits();

    write("limits.tcp", "const RTO = 10ms\n");
    let again = watching.until("test result:");
    assert_eq!(again[1], "changed: ./limits.tcp");
    assert!(again.last().unwrap().contains("1 passed"), "{again:?}");
}

#[test]
fn programs_get_a_document_for_each_run() {
    let folder = tempfile::tempdir().unwrap();
    let text = "on timeout_init -> 10ms\ntest \"t\" { fire timeout_init expect reply == 10ms }\n";
    put(folder.path(), "policy.tcp", text);
    let mut watching = Watching::start(folder.path(), &["policy.tcp", "--format", "json"]);
    let mut next = || -> serde_json::Value { serde_json::from_str(&watching.until("{")[0]).unwrap() };
    assert_eq!(next()["exit"], 0);
    put(folder.path(), "policy.tcp", "on timeout_init -> 10KB\n");
    let second = next();
    assert_eq!((&second["exit"], &second["changed"][0]), (&1.into(), &"policy.tcp".into()));
    assert_eq!(second["diagnostics"].as_array().unwrap().len(), 1);
}

#[test]
fn it_ends_when_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.tcp"), "on timeout_init -> 10ms\n").unwrap();
    let mut watching = Watching::start(folder.path(), &["policy.tcp"]);
    watching.waits();
    let sent = Command::new("kill").args(["-INT", &watching.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert!(watching.child.wait().unwrap().code().is_none_or(|code| code != 0));
}
