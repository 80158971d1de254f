//! The standard library's policies that remember and report, on real connections: what they keep of them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tcpc_loader::experiments;
use tcpc_stdlib::policies::policy;

use super::commands::{shown, tcpc};
use super::lab::{Lab, PORT, Pair, Side, lab};
use super::peer::RawPeer;
use super::probes::*;
use super::state::{key, rows};
use super::watch::{assert_no_failures, attach, count, eventually};
use super::wire::ACK;

fn attach_policy(side: &Side, name: &str) -> PathBuf {
    attach(side, name, policy(name).unwrap().text)
}

/// The cells of the row of an address.
fn cells(side: &Side, table: &str, address: &str) -> Option<Vec<u64>> {
    rows(side, table).into_iter().find(|row| row.key == [key(address.parse().unwrap())]).map(|row| row.cells)
}

#[test]
fn subnet_accounting_adds_up_what_went_to_each_subnet() {
    let Some(lab) = lab() else { return };
    let pins = attach_policy(&lab.client, "subnet_accounting");
    for pair in [Pair::V4, Pair::V6, Pair::V4, Pair::V6Far, Pair::V4] {
        drop(connect(&lab, pair));
    }
    // A peer that acknowledges nothing: what is sent again is seen when it gives up.
    with_raw_peer(&lab, Pair::V6Far, Role::Client, |mut real, peer, _| {
        real.write_all(b"nobody acknowledges this").unwrap();
        for _ in 0..3 {
            peer.receive(SOON, |one| one.payload > 0).expect("nothing was sent again");
        }
    });
    let closed = || tcpc_loader::counters(&pins).unwrap().histograms[0].buckets.iter().sum::<u64>();
    eventually("a connection was not closed", || closed() == 6);
    let of = |address| cells(&lab.client, "subnets", address).unwrap();
    let [v4, near, far] = ["10.66.1.0", "fd66:0:10::", "fd99:0:11::"].map(of);
    assert_eq!([v4[0], near[0], far[0]], [3, 1, 2]);
    // Five bytes each way. SYN and FIN take a number each that the peer acknowledges, its FIN one that is received.
    for (row, connections) in [(&v4, 3), (&near, 1)] {
        assert_eq!(row[1], 7 * connections, "{row:?}");
        assert!((5 * connections..=6 * connections).contains(&row[2]), "{row:?}");
        assert!(row[3] >= 4 * connections, "{row:?}");
        assert_eq!(row[4], 0, "{row:?}");
    }
    // The raw peer acknowledged the SYN only.
    assert_eq!(far[1], 7 + 1, "{far:?}");
    assert!(far[4] >= 2 && far[3] > far[4], "{far:?}");
    assert_eq!(rows(&lab.client, "subnets").len(), 3);
    assert_no_failures(&pins);
}

#[test]
fn dumpstats_reports_once_a_second_and_at_the_end() {
    let Some(lab) = lab() else { return };
    let pins = attach_policy(&lab.client, "dumpstats");
    let begun = Instant::now();
    let Connection { mut client, mut server, .. } = connect(&lab, Pair::V4);
    // A word and its answer measure a round trip, again and again.
    while begun.elapsed() < Duration::from_millis(2500) {
        client.write_all(b"word").unwrap();
        server.read_exact(&mut [0; 4]).unwrap();
        server.write_all(b"word").unwrap();
        client.read_exact(&mut [0; 4]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    drop((client, server));
    eventually("the end was not seen", || rule(&pins, "state") == 1);
    let seconds = begun.elapsed().as_secs();
    let (code, out, err) =
        tcpc(&["watch", "--cgroup", shown(&lab.client.cgroup), "--format", "json", "--for", "10ms"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let mut records: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = records.pop().unwrap();
    assert_eq!((&end["records"], &end["lost"]), (&records.len().into(), &serde_json::json!({})));
    let finished = records.pop().unwrap();
    assert_eq!(finished["event"], "finished");
    assert!(records.iter().all(|one| one["event"] == "progress"), "{records:?}");
    assert!(records.len() >= 3 && records.len() as u64 <= 1 + seconds, "{records:?}");
    let field = |record: &Value, name: &str| record["fields"][name].as_u64().unwrap();
    for one in records.iter().chain([&finished]) {
        assert_eq!(one["fields"]["peer"], lab.server.address(Pair::V4).to_string());
        assert_eq!((field(one, "port"), field(one, "lost")), (PORT.into(), 0));
        assert!(field(one, "srtt") > 0, "{one}");
    }
    assert_eq!(field(&records[0], "window"), 10);
    let acked: Vec<u64> =
        records.iter().chain([&finished]).map(|one| field(one, "acked") + field(one, "received")).collect();
    assert!(acked.windows(2).all(|two| two[0] < two[1]), "{acked:?}");
}

/// How often the rules of an event ran.
fn rule(pins: &Path, event: &str) -> u64 {
    let found = tcpc_loader::counters(pins).unwrap().rules;
    found
        .iter()
        .filter(|rule| rule.events.iter().any(|one| one == event))
        .map(|rule| rule.hits.unwrap())
        .sum()
}

/// How many subnets are tried: enough for some in the arm of a tenth.
const SUBNETS: u8 = 40;

#[test]
fn window_experiment_gives_all_connections_of_a_subnet_one_window() {
    let Some(lab) = lab() else { return };
    let pins = attach_policy(&lab.server, "window_experiment");
    let listener = listen(&lab, Pair::V4);
    let mut windows = Vec::new();
    for subnet in 0..SUBNETS {
        let of_host = |host| {
            lab.client_speaks_as(Pair::V4, [10, 67, subnet, host].into());
            opening_window(&lab, &listener)
        };
        let window = of_host(1);
        assert_eq!(of_host(200), window, "10.67.{subnet}.0/24");
        windows.push(window);
    }
    let [tens, forties] =
        [10, 40].map(|size| windows.iter().filter(|window| **window == size).count() as u64);
    assert_eq!(tens + forties, u64::from(SUBNETS), "{windows:?}");
    assert!(tens > forties && forties > 0, "{tens} {forties}");
    let ended = || experiments(&pins).unwrap()[0].outcomes.iter().map(|arm| arm[0][0]).sum::<u64>();
    eventually("a connection was not counted", || ended() == 2 * u64::from(SUBNETS));
    let found = &experiments(&pins).unwrap()[0];
    assert_eq!(found.opened, [2 * tens, 2 * forties]);
    for (arm, opened) in found.outcomes.iter().zip(&found.opened) {
        assert!(arm.iter().all(|metric| metric[0] == *opened), "{arm:?}");
        // Nothing was lost.
        assert_eq!(arm[0][1], 0);
    }
    assert_no_failures(&pins);
}

/// The congestion window that a server's connection begins with; the connection is closed.
fn opening_window(lab: &Lab, listener: &TcpListener) -> u32 {
    let client = dial(&lab.client, lab, Pair::V4);
    let (server, _) = listener.accept().unwrap();
    let window = congestion_window(&server);
    drop((client, server));
    window
}

/// What a server sends on a connection: more segments than a window that was widened twice.
const ANSWER: usize = 48_000;

/// A client asks and gets all of an answer; the window that the answer began with.
fn ask(lab: &Lab, listener: &TcpListener) -> u32 {
    let mut client = dial(&lab.client, lab, Pair::V4);
    let (mut server, _) = listener.accept().unwrap();
    let window = congestion_window(&server);
    server.write_all(&vec![7; ANSWER]).unwrap();
    client.read_exact(&mut vec![0; ANSWER]).unwrap();
    window
}

/// The same from a raw client that misses the first segment: it says so until the segment is sent again.
fn ask_over_a_bad_path(lab: &Lab, listener: &TcpListener, port: u16) {
    let mut peer = RawPeer::client(lab, Pair::V4, port);
    // It can acknowledge selectively.
    peer.opening_options = vec![4, 2];
    peer.connect();
    let (real, _) = listener.accept().unwrap();
    fill(&real);
    let edge = peer.acknowledged;
    peer.flight(Duration::from_millis(8), Duration::from_millis(150));
    // Each tells of one more segment that came after the one that is missing.
    for segments in 2..=9 {
        let sacked = [1, segments].map(|number| edge.wrapping_add(number * u32::from(RawPeer::MSS)));
        let [left, right] = sacked.map(u32::to_be_bytes);
        let block = [&[5, 10][..], &left, &right].concat();
        peer.send(ACK, &[], &block);
    }
    peer.receive(SOON, |one| one.payload > 0 && one.sequence == edge).expect("nothing was sent again");
}

#[test]
fn adaptive_iw_widens_the_window_of_a_good_path_and_narrows_that_of_a_bad_one() {
    let Some(lab) = lab() else { return };
    let pins = attach_policy(&lab.server, "adaptive_iw");
    let listener = listen(&lab, Pair::V4);
    // What is known of the client's subnet.
    let known = || cells(&lab.server, "paths", "10.66.1.0").map_or(10, |cells| cells[0]);
    // One in eight tries fourteen; four of them widen the window.
    let (mut tens, mut fourteens) = (0, 0);
    while known() == 10 {
        match ask(&lab, &listener) {
            10 => tens += 1,
            14 => fourteens += 1,
            // The one before was still being closed.
            other => assert_eq!((other, known()), (19, 14)),
        }
        assert!(tens < 1000, "nothing was learned");
    }
    eventually("the step was not counted", || count(&pins, "steps_up") == 1);
    assert!(tens > 0 && fourteens >= 4, "{tens} {fourteens}");
    for _ in 0..3 {
        let window = ask(&lab, &listener);
        assert!([14, 19].contains(&window), "{window}");
    }
    assert_eq!(count(&pins, "steps_down"), 0);
    // Of the next sixteen with the known window, nearly all lose something.
    let before = known();
    for port in 42_000..42_200 {
        if count(&pins, "steps_down") > 0 {
            break;
        }
        ask_over_a_bad_path(&lab, &listener, port);
    }
    eventually("the window was not narrowed", || count(&pins, "steps_down") > 0);
    assert_eq!(known(), before - before / 4);
    let window = ask(&lab, &listener);
    let known = u32::try_from(known()).unwrap();
    assert!([known, known + known / 3 + 1].contains(&window), "{window} {known}");
    assert_no_failures(&pins);
}
