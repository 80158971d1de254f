//! Experiments on real connections: arms, what is counted of them, and the report of another process.

use std::net::Shutdown;

use tcpc_loader::experiments;
use tcpc_stdlib::manifest::state::MetricUnit;

use super::lab::{Lab, Pair, Side, lab};
use super::probes::*;
use super::watch::{attach, count, eventually};

/// Connects, says something, and ends it from the client.
fn whole(lab: &Lab, pair: Pair) -> Connection {
    let connection = connect(lab, pair);
    connection.client.shutdown(Shutdown::Write).unwrap();
    connection
}

fn ended(side: &std::path::Path) -> u64 {
    experiments(side).unwrap()[0].outcomes.iter().map(|arm| arm[0][0]).sum()
}

const WINDOWS: &str = "experiment window by connection {
    arm ten   { on passive_established { init_cwnd = 10; count tens } }
    arm forty { on passive_established { init_cwnd = 40; count forties } }
    measure srtt, bytes, duration, retransmit_rate, window_at_end = snd_cwnd
}";

#[test]
fn each_connection_is_in_one_arm_and_counted_there() {
    let Some(lab) = lab() else { return };
    let pins = attach(&lab.server, "windows", WINDOWS);
    let rounds = 24;
    for round in 0..rounds {
        drop(whole(&lab, if round % 2 == 0 { Pair::V4 } else { Pair::V6 }));
    }
    eventually("not every connection was counted", || ended(&pins) == rounds);
    let found = &experiments(&pins).unwrap()[0];
    let (tens, forties) = (count(&pins, "tens"), count(&pins, "forties"));
    assert_eq!(found.opened, [tens, forties]);
    assert_eq!(tens + forties, rounds);
    // One in 16 million that all are in one arm.
    assert!(tens > 0 && forties > 0, "{tens} {forties}");
    for (arm, opened) in found.outcomes.iter().zip(&found.opened) {
        for (metric, numbers) in found.info.metrics.iter().zip(arm) {
            assert_eq!(numbers[0], *opened, "{}", metric.name);
            assert_eq!(numbers[4..].iter().sum::<u64>(), *opened, "{}", metric.name);
        }
        // Ten bytes are said, and one number of the handshake is counted with them.
        let bytes = &arm[1];
        assert!(bytes[1] >= 10 * opened && bytes[1] <= 13 * opened, "{bytes:?}");
        assert!(arm[0][1] > 0, "a round trip takes time");
    }
    let windows: Vec<u64> = found.outcomes.iter().map(|arm| arm[4][1] / arm[4][0]).collect();
    assert!((10..20).contains(&windows[0]) && (40..50).contains(&windows[1]), "{windows:?}");
    assert_eq!(found.info.metrics[2].unit, MetricUnit::Milliseconds);
}

#[test]
fn a_subnet_is_always_in_the_same_arm() {
    let Some(lab) = lab() else { return };
    let text = "experiment path by remote_ip/(24, 48) {
        arm one { on passive_established { count ones } }
        arm two { on passive_established { count twos } }
        measure srtt
    }";
    let pins = attach(&lab.server, "subnets", text);
    for _ in 0..6 {
        drop(whole(&lab, Pair::V4));
    }
    let counts = [count(&pins, "ones"), count(&pins, "twos")];
    assert!(counts == [6, 0] || counts == [0, 6], "{counts:?}");
}

/// What `tcpc experiment` says of a side's policy.
fn tcpc(side: &Side, arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tcpc"))
        .arg("experiment")
        .args(arguments)
        .arg("--cgroup")
        .arg(&side.cgroup)
        .output()
        .unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn the_report_is_read_by_another_process() {
    let Some(lab) = lab() else { return };
    let pins = attach(&lab.server, "windows", WINDOWS);
    for _ in 0..3 {
        drop(whole(&lab, Pair::V6));
    }
    eventually("not every connection was counted", || ended(&pins) == 3);
    let shown = tcpc(&lab.server, &["report"]);
    assert!(shown.starts_with("experiment window by connection\n  ten: 50% of the connections"), "{shown}");
    assert!(shown.contains("too little to compare"), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("window.html");
    let shown = tcpc(&lab.server, &["report", "window", "--page", page.to_str().unwrap()]);
    assert!(shown.contains("written: "), "{shown}");
    assert!(std::fs::read_to_string(&page).unwrap().contains("<svg"));
    let shown = tcpc(&lab.server, &["report", "windows"]);
    assert!(shown.contains("E0718") && shown.contains("it has `window`"), "{shown}");
}
