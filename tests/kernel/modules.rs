//! What a module declares, by its name on the command line: shown, steered, read while the policy runs.

use serde_json::Value;

use super::commands::{shown, tcpc};
use super::lab::{Pair, lab};
use super::probes::{congestion_window, dial, listen};
use super::state::rows;
use super::watch::eventually;

const BASE: &str = "\
param window: packets = 20 in 2..100
mutable set NEAR: prefix max 16 from \"./near.txt\"
event closed { peer: ip, events: int }
table peers by remote_ip/(24, 48) max 4 { flows: int }
flow { events: int }
experiment first by connection {
    arm small { on passive_established { init_cwnd = window } }
    arm same  { on passive_established { init_cwnd = window } }
    measure srtt, events = flow.events
}
on passive_established when remote_ip in NEAR {
    peers[remote_ip].flows += 1
    flow.events += 1
    count met
}
on state when new_state == CLOSE and flow.events > 0 {
    observe events = flow.events
    emit closed { peer = remote_ip, events = flow.events }
}
";

const TOP: &str = "\
include \"./base.tcp\"
param heavy = false
on passive_established when heavy and remote_ip in base::NEAR { base::peers[remote_ip].flows += 10 }
";

#[test]
fn names_of_modules_are_names_on_the_command_line() {
    let Some(lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for (name, text) in [("base.tcp", BASE), ("top.tcp", TOP), ("near.txt", "192.0.2.0/24 # nobody\n")] {
        std::fs::write(file(name), text).unwrap();
    }
    let cgroup = shown(&lab.server.cgroup);
    let told = |arguments: &[&str]| {
        let (code, out, err) = tcpc(&[arguments, &["--cgroup", cgroup]].concat());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
        out
    };
    let opening = || {
        let listener = listen(&lab, Pair::V4);
        let client = dial(&lab.client, &lab, Pair::V4);
        let (server, _) = listener.accept().unwrap();
        let window = congestion_window(&server);
        drop((client, server));
        window
    };
    let top = file("top.tcp");
    let (code, _, err) = tcpc(&["attach", cgroup, shown(&top), "--set", "base::window=25"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    // Neither the modules nor the file of elements are needed any more.
    drop(folder);
    assert_eq!(opening(), 25);
    assert_eq!(changed(cgroup), ["base::window=25"]);

    assert_eq!(told(&["set", "list", "base::NEAR"]), "192.0.2.0/24\n");
    assert_eq!(told(&["set", "add", "base::NEAR", "10.66.0.0/16"]), "1 added to `base::NEAR`\n");
    assert_eq!(
        told(&["param", "set", "base::window=30", "heavy=true"]),
        "base::window = 30 (was 25)\nheavy = true (was false)\n"
    );
    assert_eq!(opening(), 30);
    assert_eq!(changed(cgroup), ["base::window=30", "heavy=true"]);
    eventually("no row was made", || rows(&lab.server, "base::peers").iter().any(|row| row.cells == [11]));
    let dump = told(&["table", "dump", "base::peers"]);
    let has = |row: [&str; 2]| dump.lines().any(|line| line.split_whitespace().eq(row));
    assert!(has(["10.66.1.0/24", "11"]), "{dump}");

    let report = told(&["experiment", "report", "base::first"]);
    assert!(report.starts_with("experiment base::first by connection\n"), "{report}");
    let mut records = String::new();
    eventually("no record came", || {
        records = told_of_watch(&["watch", "top", "base::closed", "--cgroup", cgroup, "--for", "10ms"]);
        !records.is_empty()
    });
    assert!(records.contains("base::closed peer=10.66.1.1 events=1"), "{records}");
    let stats = told(&["stats"]);
    assert!(stats.contains("base::met") && stats.contains("base::events: 1 value"), "{stats}");

    told(&["param", "set", "base::window=20", "heavy=false"]);
    assert_eq!(changed(cgroup), [""; 0]);
}

fn told_of_watch(arguments: &[&str]) -> String {
    let (code, out, _) = tcpc(arguments);
    assert_eq!(code, Some(0));
    out
}

/// What `tcpc list` says was changed, in both of its forms.
fn changed(cgroup: &str) -> Vec<String> {
    let (_, out, _) = tcpc(&["list", "--format", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    let policies = document["policies"].as_array().unwrap();
    let ours = policies.iter().find(|one| one["cgroup"] == cgroup).unwrap();
    let text = |one: &Value| format!("{}={}", one["name"].as_str().unwrap(), one["value"].as_str().unwrap());
    let found: Vec<String> = ours["changed"].as_array().unwrap().iter().map(text).collect();
    let (_, out, _) = tcpc(&["list"]);
    let line = out.lines().find(|line| line.split_whitespace().nth(1) == Some(cgroup)).unwrap();
    let shown = if found.is_empty() { "-".to_owned() } else { found.join(", ") };
    assert!(line.contains(&format!("  {shown}  ")), "{out}");
    found
}
