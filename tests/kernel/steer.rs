//! What an operator changes while a policy runs, by command, and what connections see of it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::lab::{Pair, lab};
use super::probes::*;

const KNOBS: &str = "\
param syn_rto: duration = 20ms in 1ms..10s
param fast = true
param class = 0 in 0..255
on timeout_init when fast -> syn_rto
on active_established { mark = class; cwnd_clamp = class + 2 }
";

/// Runs the command line; its standard output, or its exit code and its errors.
fn tcpc(arguments: &[&str]) -> Result<String, (i32, String)> {
    let done = Command::new(env!("CARGO_BIN_EXE_tcpc")).args(arguments).output().unwrap();
    match done.status.success() {
        true => Ok(String::from_utf8(done.stdout).unwrap()),
        false => Err((done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())),
    }
}

/// Attaches a policy by command: the process that did it is gone when this returns.
fn attach(cgroup: &Path, name: &str, text: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let arguments = ["attach", shown(cgroup), shown(&file)];
    tcpc(&[&arguments, more].concat()).unwrap();
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_parameter_is_set_at_attach_and_changed_while_the_policy_runs() {
    let Some(lab) = lab() else { return };
    let cgroup = shown(&lab.client.cgroup);
    let syns = || syn_times(&lab, Pair::V6, Duration::from_millis(300)).len();
    attach(&lab.client.cgroup, "knobs.tcp", KNOBS, &["--set", "syn_rto=5s"]);
    assert_eq!(syns(), 1);
    let out = tcpc(&["param", "set", "--cgroup", cgroup, "syn_rto=20ms"]).unwrap();
    assert_eq!(out, "syn_rto = 20ms (was 5s)\n");
    assert!(syns() >= 3);
    tcpc(&["param", "set", "--cgroup", cgroup, "fast=false"]).unwrap();
    assert_eq!(syns(), 1);
    let out = tcpc(&["param", "get", "--cgroup", cgroup]).unwrap();
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["syn_rto", "20ms", "1ms..10s", "20ms"]);
    assert_eq!(rows[2], ["fast", "false", "any", "true"]);
    tcpc(&["detach", cgroup]).unwrap();
    assert!(tcpc(&["param", "get", "--cgroup", cgroup]).unwrap_err().1.contains("error[E0712]"));
}

#[test]
fn wrong_settings_change_nothing() {
    let Some(lab) = lab() else { return };
    let cgroup = shown(&lab.client.cgroup);
    attach(&lab.client.cgroup, "knobs.tcp", KNOBS, &[]);
    let before = tcpc(&["param", "get", "--cgroup", cgroup]).unwrap();
    for (wrong, code) in [
        ("syn_rto=20s", "E0741"),
        ("syn_rto=20", "E0741"),
        ("syn_rto=1KB", "E0741"),
        ("fast=1", "E0741"),
        ("class=256", "E0741"),
        ("class", "E0741"),
        ("clas=1", "E0740"),
    ] {
        let (exit, errors) = tcpc(&["param", "set", "--cgroup", cgroup, "syn_rto=1s", wrong]).unwrap_err();
        assert!(exit == 2 && errors.contains(&format!("error[{code}]")), "{wrong}: {errors}");
        assert_eq!(tcpc(&["param", "get", "--cgroup", cgroup]).unwrap(), before, "{wrong}");
    }
}

#[test]
fn one_event_sees_one_value_however_often_it_is_used() {
    let Some(lab) = lab() else { return };
    let cgroup = shown(&lab.client.cgroup);
    attach(&lab.client.cgroup, "knobs.tcp", KNOBS, &[]);
    let stop = AtomicBool::new(false);
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let policy = tcpc_loader::find_one(None, Some(&lab.client.cgroup)).unwrap();
            for class in (1..=255).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                tcpc_loader::set_parameters(&policy, &[("class".into(), class)]).unwrap();
            }
        });
        let listener = listen(&lab, Pair::V6);
        for _ in 0..300 {
            let client = dial(&lab.client, &lab, Pair::V6);
            let (server, _) = listener.accept().unwrap();
            let mark = number(&client, libc::SOL_SOCKET, libc::SO_MARK);
            seen.push(mark);
            drop((client, server));
        }
        stop.store(true, Ordering::Relaxed);
    });
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 10 && seen.iter().all(|class| *class <= 255), "{seen:?}");
    tcpc(&["param", "set", "--cgroup", cgroup, "class=7"]).unwrap();
    let connection = connect(&lab, Pair::V6);
    assert_eq!(number(&connection.client, libc::SOL_SOCKET, libc::SO_MARK), 7);
}
