//! What an operator changes while a policy runs, by command, and what connections see of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::lab::{PORT, Pair, lab};
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
    let mut seen = BTreeSet::new();
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
        for round in 0..10_000 {
            if round >= 300 && seen.len() > 10 {
                break;
            }
            let client = dial(&lab.client, &lab, Pair::V6);
            let (server, _) = listener.accept().unwrap();
            let mark = number(&client, libc::SOL_SOCKET, libc::SO_MARK);
            seen.insert(mark);
            drop((client, server));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(seen.len() > 10 && seen.iter().all(|class| *class <= 255), "{seen:?}");
    tcpc(&["param", "set", "--cgroup", cgroup, "class=7"]).unwrap();
    let connection = connect(&lab, Pair::V6);
    assert_eq!(number(&connection.client, libc::SOL_SOCKET, libc::SO_MARK), 7);
}

const SETS: &str = "\
mutable set NEAR: prefix max 200000
mutable set PORTS: port max 10
on active_established when remote_ip in NEAR { mark = 1 }
on active_established when remote_port in PORTS { priority = 3 }
";

fn mark(connection: &Connection) -> u32 {
    number(&connection.client, libc::SOL_SOCKET, libc::SO_MARK)
}

#[test]
fn sets_are_changed_while_the_policy_runs() {
    let Some(lab) = lab() else { return };
    let cgroup = shown(&lab.client.cgroup);
    attach(&lab.client.cgroup, "sets.tcp", SETS, &[]);
    let set = |arguments: &[&str]| tcpc(&[&["set"], arguments, &["--cgroup", cgroup]].concat());
    for (pair, prefix) in [(Pair::V4, "10.66.0.0/16"), (Pair::V6, "fd66::/16")] {
        assert_eq!(mark(&connect(&lab, pair)), 0);
        assert_eq!(set(&["add", "NEAR", prefix]).unwrap(), "1 added to `NEAR`\n");
        assert_eq!(mark(&connect(&lab, pair)), 1);
        assert_eq!(set(&["del", "NEAR", prefix]).unwrap(), "1 removed from `NEAR`\n");
        assert_eq!(mark(&connect(&lab, pair)), 0);
    }
    // All of IPv6 is not IPv4.
    set(&["add", "NEAR", "::/0"]).unwrap();
    assert_eq!((mark(&connect(&lab, Pair::V4)), mark(&connect(&lab, Pair::V6))), (0, 1));
    set(&["add", "NEAR", "0.0.0.0/0"]).unwrap();
    assert_eq!(mark(&connect(&lab, Pair::V4)), 1);
    set(&["del", "NEAR", "0.0.0.0/0"]).unwrap();
    assert_eq!(mark(&connect(&lab, Pair::V4)), 0);
    assert_eq!(set(&["list", "NEAR"]).unwrap(), "::/0\n");
    // A port.
    let priority = |connection: &Connection| number(&connection.client, libc::SOL_SOCKET, libc::SO_PRIORITY);
    assert_eq!(priority(&connect(&lab, Pair::V6)), 0);
    set(&["add", "PORTS", &PORT.to_string()]).unwrap();
    assert_eq!(priority(&connect(&lab, Pair::V6)), 3);
}

#[test]
fn a_hundred_thousand_prefixes_come_from_a_file_or_none() {
    let Some(lab) = lab() else { return };
    let cgroup = shown(&lab.client.cgroup);
    attach(&lab.client.cgroup, "sets.tcp", SETS, &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nets.txt");
    let other = |number: u32| format!("{}.{}.{}.0/24", 20 + (number >> 16), number >> 8 & 255, number & 255);
    let mut lines: Vec<String> = (0..99_999).map(other).collect();
    lines.push("10.66.1.0/24 # ours".into());
    std::fs::write(&file, lines.join("\n")).unwrap();
    let set = |arguments: &[&str]| tcpc(&[&["set"], arguments, &["--cgroup", cgroup]].concat());
    assert_eq!(set(&["replace", "NEAR", "--from", shown(&file)]).unwrap(), "`NEAR` has 100000 elements\n");
    assert_eq!((mark(&connect(&lab, Pair::V4)), mark(&connect(&lab, Pair::V6))), (1, 0));
    assert_eq!(set(&["list", "NEAR"]).unwrap().lines().count(), 100_000);
    // One wrong line, and nothing changes.
    std::fs::write(&file, "fd66::/16\n\nfd66::1/16\n").unwrap();
    let (exit, errors) = set(&["replace", "NEAR", "--from", shown(&file)]).unwrap_err();
    assert!(exit == 2 && errors.contains("error[E0743]") && errors.contains("nets.txt:3: "), "{errors}");
    let many: Vec<String> = (0..11).map(|port| port.to_string()).collect();
    std::fs::write(&file, many.join("\n")).unwrap();
    let (exit, errors) = set(&["replace", "PORTS", "--from", shown(&file)]).unwrap_err();
    assert!(exit == 3 && errors.contains("error[E0744]") && errors.contains("10"), "{errors}");
    assert_eq!((mark(&connect(&lab, Pair::V4)), mark(&connect(&lab, Pair::V6))), (1, 0));
    // Nothing is left of it.
    tcpc(&["detach", cgroup]).unwrap();
    let (_, errors) = set(&["list", "NEAR"]).unwrap_err();
    assert!(errors.contains("error[E0712]"), "{errors}");
}

#[test]
fn a_set_that_is_replaced_is_never_seen_without_what_it_always_has() {
    let Some(lab) = lab() else { return };
    attach(&lab.client.cgroup, "sets.tcp", SETS, &[]);
    let ours = (0xfd66 << 112, 16);
    let policy = tcpc_loader::find_one(None, Some(&lab.client.cgroup)).unwrap();
    let replace = |more: u128| {
        let others = (0..500).map(|number| ((0x2001_0000 | more << 8 | number) << 96, 32));
        let elements: Vec<_> = others.chain([ours]).collect();
        tcpc_loader::Set::open(&policy, "NEAR").unwrap().replace(&elements).unwrap();
    };
    replace(0);
    let stop = AtomicBool::new(false);
    let replaced = AtomicU32::new(0);
    let mut misses = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in (1..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                replace(number % 200);
                replaced.fetch_add(1, Ordering::Relaxed);
            }
        });
        let listener = listen(&lab, Pair::V6);
        // On a busy machine the one who replaces comes late.
        for connection in 0..50_000 {
            if connection >= 500 && replaced.load(Ordering::Relaxed) > 20 {
                break;
            }
            let client = dial(&lab.client, &lab, Pair::V6);
            let (server, _) = listener.accept().unwrap();
            misses += u32::from(number(&client, libc::SOL_SOCKET, libc::SO_MARK) != 1);
            drop((client, server));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(misses, 0);
    let replaced = replaced.into_inner();
    assert!(replaced > 20, "{replaced} times");
}
