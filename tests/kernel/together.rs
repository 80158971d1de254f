//! One policy with all that can remember, measure and be steered, on both ends of real connections.

use std::path::Path;

use serde_json::{Value, json};
use tcpc_loader::{counters, experiments};

use super::commands::{shown, tcpc};
use super::lab::{Lab, PORT, Pair, Side, lab};
use super::probes::*;
use super::state::{key, rows};
use super::watch::{assert_no_failures, attach, count, eventually};
use super::wire::{ACK, Segment};

const POLICY: &str = "\
param wanted: int = 7 in 1..200
param window: packets = 20 in 2..100
mutable set PARTNERS: prefix max 16
option probe = experimental 0xcc09 { id: u8 }

table peers by remote_ip/(24, 48), local_port max 64 { met: int; asked: int; open: int; most: int }
flow { id: int; began: duration }
event closed { peer: ip, id: int, began: bool, port: port, got: size }

experiment start by connection {
    arm plain { on passive_established { count plain } }
    arm wide  { on passive_established { init_cwnd = window; count wide } }
    split 50/50
    measure bytes, srtt, id = flow.id
}

send probe on syn, synack when remote_ip in PARTNERS { id = wanted }
receive probe on syn when probe.id > 0 {
    flow.id = probe.id
    peers[remote_ip, local_port].asked += probe.id
}

on passive_established {
    flow.began = now()
    peers[remote_ip, local_port].met += 1
    peers[remote_ip, local_port].open += 1
    peers[remote_ip, local_port].most = max(peers[remote_ip, local_port].most, peers[remote_ip, local_port].open)
}
on state when new_state == CLOSE and flow.began > 0us {
    peers[remote_ip, local_port].open -= 1
    observe ids = flow.id
    emit closed {
        peer = remote_ip, id = flow.id, began = flow.began < now(), port = local_port, got = bytes_received
    }
}
";

/// The identifier of the experimental option.
const ID: u16 = 0xcc09;

/// The probe that a segment carries.
fn probe(segment: &Segment) -> Option<u8> {
    let found = segment.experiment(ID)?;
    assert_eq!(found.len(), 1, "{segment:?}");
    found.first().copied()
}

/// Makes a connection and checks what is on the wire and what window it begins with; the arm that it is in.
fn round(lab: &Lab, pair: Pair, sent: Option<u8>, window: u32, pins: &Path) -> usize {
    let wide = count(pins, "wide");
    let connection = connect(lab, pair);
    assert_eq!([connection.opening(0), connection.opening(ACK)].map(probe), [sent; 2]);
    let arm = (count(pins, "wide") - wide) as usize;
    // One segment was acknowledged since: in slow start that is one more.
    let first = [10, window][arm];
    assert!((first..=first + 2).contains(&congestion_window(&connection.server)), "{arm}");
    connection.client.shutdown(std::net::Shutdown::Write).unwrap();
    arm
}

fn change(side: &Side, arguments: &[&str]) {
    let (code, _, err) = tcpc(&[arguments, &["--cgroup", shown(&side.cgroup)]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
}

#[test]
fn everything_works_together_and_is_steered_while_it_runs() {
    let Some(lab) = lab() else { return };
    let client = attach(&lab.client, "client", POLICY);
    let server = attach(&lab.server, "server", POLICY);
    let mut arms = [0u64; 2];
    let mut rounds = |times, sent, window| {
        for _ in 0..times {
            arms[round(&lab, Pair::V4, sent, window, &server)] += 1;
        }
    };
    rounds(4, None, 20);
    for side in [&lab.client, &lab.server] {
        change(side, &["set", "add", "PARTNERS", "10.66.0.0/16"]);
    }
    rounds(4, Some(7), 20);
    change(&lab.server, &["param", "set", "window=40"]);
    for side in [&lab.client, &lab.server] {
        change(side, &["param", "set", "wanted=9"]);
    }
    rounds(8, Some(9), 40);
    for side in [&lab.client, &lab.server] {
        change(side, &["set", "del", "PARTNERS", "10.66.0.0/16"]);
    }
    rounds(2, None, 40);
    let v6 = round(&lab, Pair::V6, None, 40, &server);
    arms[v6] += 1;

    let ended = || counters(&server).unwrap().histograms[0].buckets.iter().sum::<u64>();
    eventually("a connection was not closed", || ended() == 19);
    // 7 is below 8, 9 is not.
    let buckets = &counters(&server).unwrap().histograms[0].buckets;
    assert_eq!((buckets[0], buckets[3], buckets[4]), (7, 4, 8), "{buckets:?}");

    let found = &experiments(&server).unwrap()[0];
    assert_eq!(found.opened, arms);
    assert_eq!(arms, ["plain", "wide"].map(|name| count(&server, name)));
    assert!(arms.iter().all(|arm| *arm > 0), "{arms:?} once in a quarter of a million runs");
    for (arm, opened) in found.outcomes.iter().zip(arms) {
        assert!(arm.iter().all(|metric| metric[0] == opened), "{arm:?}");
    }
    let ids: u64 = found.outcomes.iter().map(|arm| arm[2][1]).sum();
    assert_eq!(ids, 4 * 7 + 8 * 9);

    let peers = rows(&lab.server, "peers");
    let of =
        |address: &str| &peers.iter().find(|row| row.key[0] == key(address.parse().unwrap())).unwrap().cells;
    assert_eq!(*of("10.66.1.0"), [18, ids, 0, 1]);
    assert_eq!(*of("fd66:0:10::"), [1, 0, 0, 1]);
    assert_eq!(peers.len(), 2);

    let records = records(&lab.server);
    let expected = |peer: Pair, id: u64| {
        let peer = lab.client.address(peer).to_string();
        // Five bytes and the end.
        json!({ "peer": peer, "id": id, "began": true, "port": PORT, "got": 6 })
    };
    let v4 = |id, times| std::iter::repeat_n(expected(Pair::V4, id), times);
    let all: Vec<Value> = v4(0, 4).chain(v4(7, 4)).chain(v4(9, 8)).chain(v4(0, 2)).collect();
    assert_eq!(records, [all, vec![expected(Pair::V6, 0)]].concat());

    // The client's ends are drawn too, but what the arms do, and the rest, is for servers.
    assert_eq!(experiments(&client).unwrap()[0].opened.iter().sum::<u64>(), 19);
    assert_eq!((count(&client, "plain"), count(&client, "wide")), (0, 0));
    assert_eq!(rows(&lab.client, "peers"), []);
    [client, server].iter().for_each(|pins| assert_no_failures(pins));
}

/// The fields of all records that a side's policy gave.
fn records(side: &Side) -> Vec<Value> {
    let (code, out, err) =
        tcpc(&["watch", "--cgroup", shown(&side.cgroup), "--format", "json", "--for", "10ms"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|one| one["event"] == "closed").map(|one| one["fields"].clone()).collect()
}
