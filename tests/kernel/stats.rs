//! `tcpc stats` on policies that an earlier process attached, after real connections.

use serde_json::{Value, json};

use super::commands::{shown, tcpc};
use super::lab::{Pair, Side, lab};
use super::probes::connect;
use super::watch::{attach, eventually};

const POLICY: &str = "\
opened: on active_established { count opened; count by_peer by remote_ip; count by_port by remote_port }
never: on active_established when remote_port == 1 { count nowhere by state }
wish: on active_established { congestion = \"no_such_cc\" or \"reno\" }
option probe = experimental 0xcc09 { id: u8 }
option wide = kind 99 { a: u64, b: u64 }
send wide on syn when remote_port == 55601 { a = 1; b = 2 }
large: send probe on syn when remote_port > 1 { id = 7 }
";

fn stats(side: &Side, more: &[&str]) -> (Option<i32>, String, String) {
    let mut arguments = vec!["stats", "--cgroup", shown(&side.cgroup)];
    arguments.extend(more);
    tcpc(&arguments)
}

fn document(side: &Side, more: &[&str]) -> Value {
    let (code, out, err) = stats(side, &[&["--format", "json"], more].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn everything_that_was_counted_is_shown() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "shop", POLICY);
    for pair in [Pair::V4, Pair::V6, Pair::V6, Pair::V6Far] {
        connect(&lab, pair);
    }
    let document = document(&lab.client, &[]);
    let shop = &document["policies"][0];
    assert_eq!(
        (&shop["name"], &shop["alive"], &shop["counted"]),
        (&json!("shop"), &true.into(), &true.into())
    );
    let rule = |name: &str| {
        shop["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == name).unwrap().clone()
    };
    assert_eq!(
        rule("opened"),
        json!({ "name": "opened", "events": ["active_established"], "line": 1, "file": null, "hits": 4 })
    );
    assert_eq!(rule("never")["hits"], 0);
    assert_eq!(shop["counters"], json!([{ "name": "opened", "value": 4 }]));
    let rows = |index: usize| shop["keyed"][index]["rows"].clone();
    assert_eq!(
        rows(0),
        json!([
            { "key": lab.server.address(Pair::V6).to_string(), "value": 2 },
            { "key": lab.server.address(Pair::V4).to_string(), "value": 1 },
            { "key": lab.server.address(Pair::V6Far).to_string(), "value": 1 },
        ])
    );
    assert_eq!(rows(1), json!([{ "key": super::lab::PORT, "value": 4 }]));
    assert_eq!(
        shop["keyed"][2],
        json!({ "name": "nowhere", "type": "state", "keys": 0, "rows": [], "full": 0 })
    );
    assert_eq!(
        shop["refused"][0],
        json!({ "rule": "wish", "option": "congestion", "value": "\"no_such_cc\"", "line": 3, "file": null,
                "errno": 2, "error": "ENOENT", "count": 4 })
    );
    let unsent = &shop["unsent"][0];
    assert_eq!((&unsent["option"], &unsent["error"]), (&json!("probe"), &json!("ENOSPC")));

    let (code, out, err) = stats(&lab.client, &["shop", "--top", "1"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let has = |line: &str| {
        assert!(out.lines().any(|one| one.split_whitespace().eq(line.split_whitespace())), "{line}: {out}")
    };
    has(&format!("shop on {}", lab.client.cgroup.display()));
    has("opened active_established line 1 4");
    has("by_peer by ip: the first 1 of 3 keys");
    has(&format!("{} 2", lab.server.address(Pair::V6)));
    assert!(out.contains("ENOENT  4  no such thing is registered"), "{out}");
    assert!(out.contains("header options not sent") && out.contains("ENOSPC"), "{out}");
}

#[test]
fn policies_are_told_apart_by_name() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "one", "on active_established { count first }");
    attach(&lab.client, "two", "on active_established { count second }");
    connect(&lab, Pair::V4);
    let names = |document: &Value| -> Vec<String> {
        let policies = document["policies"].as_array().unwrap();
        policies.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&document(&lab.client, &[])), ["one", "two"]);
    let second = document(&lab.client, &["two"]);
    assert_eq!(names(&second), ["two"]);
    assert_eq!(second["policies"][0]["counters"], json!([{ "name": "second", "value": 1 }]));

    let (code, out, err) = stats(&lab.client, &["tow"]);
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(err.contains("error[E0712]") && err.contains("did you mean `two`?"), "{err}");
    let (code, _, err) = tcpc(&["stats", "--cgroup", shown(&lab.server.cgroup)]);
    assert_eq!(code, Some(3));
    assert!(err.contains("error[E0712]") && err.contains("attached elsewhere"), "{err}");
}

#[test]
fn what_is_added_while_watching_is_shown_as_a_rate() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "shop", "on active_established { count opened }");
    let watching = std::process::Command::new(env!("CARGO_BIN_EXE_tcpc"))
        .args([
            "stats",
            "--cgroup",
            shown(&lab.client.cgroup),
            "--format",
            "json",
            "--watch",
            "0.5",
            "--count",
            "3",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let before = std::time::Instant::now();
    while before.elapsed() < std::time::Duration::from_secs(1) {
        connect(&lab, Pair::V4);
    }
    let output = watching.wait_with_output().unwrap();
    assert!(output.status.success());
    let documents: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(documents.len(), 3);
    let counters: Vec<&Value> = documents.iter().map(|one| &one["policies"][0]["counters"][0]).collect();
    assert!(counters.iter().any(|one| one["per_second"].as_f64().unwrap() > 0.0), "{counters:?}");
    let values: Vec<u64> = counters.iter().map(|one| one["value"].as_u64().unwrap()).collect();
    assert!(values.is_sorted() && values[2] > 0, "{values:?}");
}

#[test]
fn histograms_hold_what_connections_measured() {
    let Some(lab) = lab() else { return };
    let pins = attach(
        &lab.client,
        "shop",
        "on active_established { observe window = snd_cwnd; observe port_of_peer = remote_port * 1; observe one = 1 }
         on state when new_state == CLOSE { observe received = bytes_received }",
    );
    for pair in [Pair::V4, Pair::V6, Pair::V6Far] {
        connect(&lab, pair);
    }
    // Each connection gets five bytes; the last one may still be closing.
    eventually("no connection was closed", || {
        let found = tcpc_loader::counters(&pins).unwrap();
        found.histograms.iter().any(|one| one.name == "received" && one.buckets.iter().sum::<u64>() == 3)
    });
    let document = document(&lab.client, &[]);
    let histograms = &document["policies"][0]["histograms"];
    let ten = json!({ "least": 8, "most": 15, "count": 3 });
    assert_eq!(histograms[0], json!({ "name": "window", "type": "packets", "count": 3, "buckets": [ten] }));
    let ports = json!([{ "least": 32_768, "most": 65_535, "count": 3 }]);
    assert_eq!((&histograms[1]["type"], &histograms[1]["buckets"]), (&json!("int"), &ports));
    assert_eq!(histograms[2]["buckets"], json!([{ "least": 1, "most": 1, "count": 3 }]));
    assert_eq!(histograms[3]["buckets"], json!([{ "least": 4, "most": 7, "count": 3 }]));
    let (_, out, _) = stats(&lab.client, &[]);
    assert!(
        out.contains("window: 3 values\n") && out.contains(&format!("8..15  {} 3\n", "▇".repeat(40))),
        "{out}"
    );
}
