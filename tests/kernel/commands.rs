//! The commands on a real cgroup: what they say, what they leave behind, how they end.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use super::lab::{Pair, lab};
use super::probes::syn_times;

const POLICY: &str = "fast: on timeout_init when same_prefix(44) -> 20ms\n";

pub fn tcpc(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_tcpc")).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

pub fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_policy_stays_attached_when_the_command_has_ended() {
    let Some(lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("fast.tcp");
    std::fs::write(&policy, POLICY).unwrap();
    let cgroup = shown(&lab.client.cgroup);

    let slow = syn_times(&lab, Pair::V6, Duration::from_millis(300));
    assert_eq!(slow.len(), 1, "the kernel's own timer takes a second: {slow:?}");

    let (code, out, err) = tcpc(&["attach", cgroup, shown(&policy)]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with(&format!("attached `fast` to {cgroup} (program ")), "{out}");
    assert!(out.ends_with(&format!("undo it with: tcpc detach {cgroup} fast\n")), "{out}");

    let fast = syn_times(&lab, Pair::V6, Duration::from_millis(300));
    assert!(fast.len() >= 3, "{fast:?}");

    let (code, out, _) = tcpc(&["list", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
    let ours = listed["policies"].as_array().unwrap().iter().find(|one| one["cgroup"] == cgroup).unwrap();
    assert_eq!((code, &ours["name"], &ours["alive"]), (Some(0), &"fast".into(), &true.into()));

    let (code, out, err) = tcpc(&["detach", cgroup]);
    assert_eq!((code, out, err.as_str()), (Some(0), format!("detached `fast` from {cgroup}\n"), ""));
    let slow = syn_times(&lab, Pair::V6, Duration::from_millis(300));
    assert_eq!(slow.len(), 1, "{slow:?}");
}

#[test]
fn an_object_that_was_built_before_attaches_beside_others() {
    let Some(lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("clamp.o");
    let cgroup = shown(&lab.client.cgroup);
    let (code, ..) = tcpc(&["build", "std::clamp", "-o", shown(&object), "--hz", "1000"]);
    assert_eq!(code, Some(0));
    let (code, _, err) = tcpc(&["attach", cgroup, shown(&object)]);
    assert_eq!(code, Some(0), "{err}");
    let (code, out, err) = tcpc(&["attach", cgroup, shown(&object), "--name", "second"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("it shares the cgroup with clamp (program "), "{out}");

    let (code, _, err) = tcpc(&["detach", cgroup]);
    assert_eq!(code, Some(3));
    assert!(err.contains("error[E0713]") && err.contains("`clamp`, `second`"), "{err}");
    for name in ["second", "clamp"] {
        assert_eq!(tcpc(&["detach", cgroup, name]).0, Some(0));
    }
    let (code, _, err) = tcpc(&["detach", cgroup, "clamp"]);
    assert_eq!(code, Some(3));
    assert!(err.contains("error[E0712]"), "{err}");
}

#[test]
fn what_cannot_be_attached_leaves_nothing_behind() {
    let Some(lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cgroup = shown(&lab.client.cgroup);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let wrong = file("wrong.tcp", "on tcp_connect { sndbuff = 1MB }\n");
    let junk = file("junk.o", "no object");
    let unregistered = file("cc.tcp", "on established { congestion = \"no_such_cc\" }\n");
    let root = lab.client.cgroup.parent().unwrap();
    let root = root
        .ancestors()
        .find(|path| !path.join("cgroup.type").exists() && path.join("cgroup.procs").exists());
    let cases = [
        (cgroup, shown(&wrong), 1, "E0203"),
        (cgroup, shown(&junk), 3, "E0707"),
        (cgroup, shown(&unregistered), 3, "E0706"),
        ("/no/such/cgroup", "std::clamp", 3, "E0701"),
        (shown(root.unwrap()), "std::clamp", 3, "E0702"),
    ];
    for (cgroup, policy, exit, expected) in cases {
        let (code, out, err) = tcpc(&["attach", cgroup, policy]);
        assert_eq!((code, out.as_str()), (Some(exit), ""), "{policy}: {err}");
        assert!(err.contains(&format!("error[{expected}]")), "{policy}: {err}");
    }
    let (_, out, _) = tcpc(&["list"]);
    assert!(!out.contains(cgroup), "{out}");
}

#[test]
fn a_buffer_that_the_host_caps_is_said_before() {
    let Some(lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("huge.tcp");
    std::fs::write(&policy, "on tcp_connect { sndbuf = 1GB }\n").unwrap();
    let cgroup = shown(&lab.client.cgroup);
    let (code, _, err) = tcpc(&["attach", cgroup, shown(&policy)]);
    assert_eq!(code, Some(0));
    assert!(err.contains("warning[W0721]") && err.contains("net.core.wmem_max"), "{err}");
    assert_eq!(tcpc(&["detach", cgroup]).0, Some(0));
}
