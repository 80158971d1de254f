//! What policies remember, on real connections.

use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tcpc_loader::Key;
use tcpc_loader::tables::{self, Dump, Row};

use super::commands::{shown, tcpc};
use super::lab::{Lab, PORT, Pair, Side, lab, say};
use super::probes::*;
use super::sys;
use super::watch::{attach, count, eventually};

/// A table, and all that it holds.
fn dump(side: &Side, name: &str) -> Dump {
    let policies = tcpc_loader::find(&[], Some(&side.cgroup)).unwrap();
    let (policy, table) = tables::named(policies, name).unwrap().pop().unwrap();
    tables::dump(policy, table).unwrap()
}

/// The rows of a table.
pub fn rows(side: &Side, name: &str) -> Vec<Row> {
    dump(side, name).rows
}

/// An address as a key has it.
pub fn key(address: IpAddr) -> Key {
    Key::Address(match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => address.into(),
    })
}

#[test]
fn a_table_by_prefix_counts_over_connections_of_both_families() {
    let Some(lab) = lab() else { return };
    let text = "table peers by remote_ip/(24, 48), remote_port max 100 { flows: int; ends: int = 10 }\n\
                on active_established { peers[remote_ip, remote_port].flows += 1 }\n\
                on state when new_state == CLOSE { peers[remote_ip, remote_port].ends += 1 }\n";
    attach(&lab.client, "peers", text);
    for pair in [Pair::V4, Pair::V4, Pair::V6, Pair::V6Far, Pair::V4] {
        drop(connect(&lab, pair));
    }
    let ended = |rows: &[Row]| rows.iter().map(|row| row.cells[1] - 10).sum::<u64>() == 5;
    eventually("a connection did not end", || ended(&rows(&lab.client, "peers")));
    let port = Key::Number(PORT.into());
    let row = |address: &str, flows| Row {
        key: vec![key(address.parse().unwrap()), port],
        cells: vec![flows, 10 + flows],
    };
    assert_eq!(
        rows(&lab.client, "peers"),
        [row("10.66.1.0", 3), row("fd66:0:10::", 1), row("fd99:0:11::", 1)]
    );
}

#[test]
fn each_connection_has_its_own_memory() {
    let Some(lab) = lab() else { return };
    let text = "flow { events: int = 100; port: port }\n\
                on passive_established { flow.events += 1; flow.port = remote_port }\n\
                on state when new_state == CLOSE {\n\
                    if flow.events == 101 { count once }\n\
                    if flow.port == remote_port { count own }\n\
                    count closed\n\
                }\n\
                on tcp_listen { flow.events = 7 }\n";
    let pins = attach(&lab.server, "memory", text);
    for pair in [Pair::V4, Pair::V6, Pair::V6Far] {
        drop(connect(&lab, pair));
    }
    eventually("a connection did not end", || count(&pins, "once") == 3);
    assert_eq!(count(&pins, "own"), 3);
    assert!(count(&pins, "closed") >= 3);
}

#[test]
fn a_table_is_shown_and_emptied_by_later_processes() {
    let Some(lab) = lab() else { return };
    let text = "table peers by remote_ip/(24, 128), state max 8 { flows: int; seen: bool; wait: duration }\n\
                on state {\n\
                    peers[remote_ip, new_state].flows += 1\n\
                    peers[remote_ip, new_state].seen = true\n\
                    peers[remote_ip, new_state].wait = 1500us\n\
                }\n";
    attach(&lab.client, "shop", text);
    for pair in Pair::NEAR {
        drop(connect(&lab, pair));
    }
    let closed = |rows: &[Row]| rows.iter().filter(|row| row.key[1] == Key::Number(7)).count() == 2;
    eventually("a connection was not closed", || closed(&rows(&lab.client, "peers")));
    let cgroup = shown(&lab.client.cgroup);
    let (code, out, err) = tcpc(&["table", "dump", "peers", "--cgroup", cgroup]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(out.starts_with(&format!("peers of shop on {cgroup}: ")), "{out}");
    assert_eq!(lines[1], ["remote_ip", "state", "flows", "seen", "wait"]);
    assert!(lines.contains(&vec!["10.66.1.0/24", "CLOSE", "1", "true", "1500us"]), "{out}");
    assert!(lines.contains(&vec!["fd66:0:10:1::2", "CLOSE", "1", "true", "1500us"]), "{out}");

    let (_, out, _) = tcpc(&["table", "dump", "peers", "shop", "--cgroup", cgroup, "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    let table = &document["tables"][0];
    assert_eq!(table["keys"][0], json!({ "name": "remote_ip", "type": "ip", "cut": [24, 128] }));
    let row =
        json!({ "key": ["10.66.1.0/24", "CLOSE"], "cells": { "flows": 1, "seen": true, "wait": 1_500_000 } });
    assert!(table["rows"].as_array().unwrap().contains(&row), "{out}");
    assert_eq!((&table["unkept"], &table["max"]), (&json!(0), &json!(8)));

    let count = table["rows"].as_array().unwrap().len();
    let (code, out, err) = tcpc(&["table", "clear", "peers", "--cgroup", cgroup]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, format!("removed {count} rows of `peers` of `shop`\n"));
    assert_eq!(rows(&lab.client, "peers"), []);

    let (code, _, err) = tcpc(&["table", "dump", "peer", "--cgroup", cgroup]);
    assert_eq!(code, Some(3));
    assert!(err.contains("error[E0750]: there is no table `peer`"), "{err}");
    assert!(err.contains("did you mean `peers`?") && err.contains("`peers` of `shop`"), "{err}");
}

#[test]
fn a_full_table_says_what_it_did_not_keep() {
    let Some(lab) = lab() else { return };
    let text = "table ports by local_port max 2 { flows: int }\n\
                on active_established { ports[local_port].flows += 1; ports[local_port].flows += 1 }\n";
    attach(&lab.client, "small", text);
    for _ in 0..5 {
        drop(connect(&lab, Pair::V4));
    }
    let dump = dump(&lab.client, "ports");
    assert_eq!(dump.rows.iter().map(|row| row.cells[0]).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(dump.unkept, 3);
    let (_, out, _) = tcpc(&["table", "dump", "ports", "--cgroup", shown(&lab.client.cgroup)]);
    assert!(out.contains("2 of 2 rows, 3 changes not kept for lack of room"), "{out}");
}

#[test]
fn an_lru_table_makes_room() {
    let Some(lab) = lab() else { return };
    let text = "table ports by local_port max 4 lru { flows: int }\n\
                on active_established { ports[local_port].flows += 1 }\n";
    attach(&lab.client, "recent", text);
    let mut last = 0;
    for _ in 0..12 {
        last = connect(&lab, Pair::V4).client.local_addr().unwrap().port();
    }
    let dump = dump(&lab.client, "ports");
    assert!((1..=4).contains(&dump.rows.len()), "{dump:?}");
    assert_eq!(dump.unkept, 0);
    let newest = Row { key: vec![Key::Number(last.into())], cells: vec![1] };
    assert!(dump.rows.contains(&newest), "{dump:?}");
}

#[test]
fn rows_of_each_cpu_are_added_up() {
    let Some(lab) = lab() else { return };
    let text = "table all by family max 4 per_cpu { flows: int; bytes: size }\n\
                table recent by family max 4 per_cpu lru { flows: int }\n\
                on established { all[family].flows += 1; all[family].bytes += 10B; recent[family].flows += 1 }\n";
    attach(&lab.client, "sums", text);
    for pair in [Pair::V4, Pair::V6, Pair::V6] {
        drop(connect(&lab, pair));
    }
    let row = |family, cells: &[u64]| Row { key: vec![Key::Number(family)], cells: cells.to_vec() };
    assert_eq!(rows(&lab.client, "all"), [row(2, &[1, 10]), row(10, &[2, 20])]);
    assert_eq!(rows(&lab.client, "recent"), [row(2, &[1]), row(10, &[2])]);
}

#[test]
fn what_depends_on_a_row_is_done_under_its_lock() {
    let Some(lab) = lab() else { return };
    let text = "table peers by remote_ip max 4 { open: int = 1; most: int; longest: duration }\n\
                on active_established {\n\
                    peers[remote_ip].open += 1\n\
                    peers[remote_ip].most = max(peers[remote_ip].most, peers[remote_ip].open)\n\
                    peers[remote_ip].longest = if srtt > peers[remote_ip].longest then srtt else peers[remote_ip].longest\n\
                }\n\
                on state when new_state == CLOSE { peers[remote_ip].open -= 1 }\n\
                on tcp_connect { peers[10.0.0.9].open -= 5 }\n";
    attach(&lab.client, "locked", text);
    let open = [connect(&lab, Pair::V4), connect(&lab, Pair::V4), connect(&lab, Pair::V4)];
    let peer = key(lab.server.address(Pair::V4));
    let cells = |which: Key| {
        let rows = rows(&lab.client, "peers");
        rows.into_iter().find(|row| row.key == [which]).unwrap().cells
    };
    let now = cells(peer);
    assert_eq!((now[0], now[1]), (4, 4));
    assert!((1_000..1_000_000_000).contains(&now[2]), "{now:?}");
    drop(open);
    eventually("a connection was not closed", || cells(peer)[0] == 1);
    assert_eq!(cells(peer)[1], 4);
    assert_eq!(cells(key([10, 0, 0, 9].into())), [0, 0, 0]);
}

#[test]
fn bpftool_shows_names() {
    let Some(lab) = lab() else { return };
    let text = "table peers by remote_ip, remote_port max 4 { open: int; longest: duration }\n\
                on active_established { peers[remote_ip, remote_port].open += 1 }\n\
                on state when new_state == CLOSE { peers[remote_ip, remote_port].longest = max(peers[remote_ip, remote_port].longest, srtt) }\n";
    let pins = attach(&lab.client, "named", text);
    drop(connect(&lab, Pair::V4));
    let pin = pins.join("map_peers");
    let shown = std::process::Command::new("bpftool").args(["-j", "map", "dump", "pinned"]).arg(pin).output();
    let Ok(shown) = shown else { return super::lab::skip("the command `bpftool` is not installed") };
    let shown = String::from_utf8(shown.stdout).unwrap();
    for name in ["remote_ip", "remote_port", "open", "longest"] {
        assert!(shown.contains(&format!("\"{name}\"")), "{shown}");
    }
}

#[test]
fn a_connection_counts_its_own_timeouts() {
    let Some(lab) = lab() else { return };
    let text = "flow { rtos: int; first: duration }\n\
                on rto when flow.rtos == 0 { flow.first = now() }\n\
                on rto {\n\
                    flow.rtos += 1\n\
                    if flow.rtos == 2 { count twice; if now() - flow.first > 100ms { count later } }\n\
                }\n\
                on state when new_state == CLOSE and flow.rtos == 0 { count calm }\n";
    let pins = attach(&lab.client, "timeouts", text);
    drop(connect(&lab, Pair::V4));
    with_raw_peer(&lab, Pair::V6Far, Role::Client, |mut real, peer, _| {
        real.write_all(b"nobody acknowledges this").unwrap();
        for _ in 0..3 {
            peer.receive(Duration::from_secs(3), |one| one.payload > 0).expect("nothing was sent again");
        }
    });
    eventually("the second timeout was not seen", || count(&pins, "twice") == 1);
    assert_eq!(count(&pins, "later"), 1);
    eventually("the other connection was not closed", || count(&pins, "calm") == 1);
}

/// Tables that eight threads change at once: plain, under a lock, least recently used, for each CPU.
const SHARED: &str = "\
table plain by family max 4 { n: int }
table locked by family max 4 { n: int; open: int; closed: int }
table recent by family max 1000 lru { n: int }
table sums by family max 4 per_cpu { n: int }
on active_established {
    plain[family].n += 1
    locked[family].n = locked[family].n + 1
    locked[family].open += 1
    recent[family].n += 1
    sums[family].n += 1
}
on state when new_state == CLOSE {
    locked[family].open -= 1
    locked[family].closed = locked[family].closed + 1
}
";

/// Eight threads make connections while `goes_on` says so; the number of connections of each family.
fn storm(lab: &Lab, goes_on: impl Fn(u32) -> bool + Sync) -> [u64; 2] {
    let listeners = Pair::NEAR.map(|pair| listen(lab, pair));
    let done = AtomicBool::new(false);
    let accept = |listener: &TcpListener| {
        listener.set_nonblocking(true).unwrap();
        while !done.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok(accepted) => drop(accepted),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    };
    let make = |pair: Pair| {
        let mut made = 0;
        while goes_on(made) {
            // Closed by a reset: no port is kept waiting.
            let stream = TcpStream::connect(lab.server.socket_address(pair)).unwrap();
            sys::reset_on_close(&stream).unwrap();
            made += 1;
        }
        u64::from(made)
    };
    let made: Vec<_> = std::thread::scope(|scope| {
        listeners.iter().for_each(|listener| drop(scope.spawn(|| accept(listener))));
        let made = lab.client.inside(|| {
            // Threads begin in the namespace of the one that makes them.
            let threads = (0..8).map(|number| {
                let make = &make;
                scope.spawn(move || make(Pair::NEAR[number % 2]))
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        done.store(true, Ordering::Relaxed);
        made
    });
    let made: Vec<u64> = made.into_iter().map(|made: std::thread::Result<u64>| made.unwrap()).collect();
    [0, 1].map(|family| made.iter().skip(family).step_by(2).sum())
}

fn assert_sums(lab: &Lab, [v4, v6]: [u64; 2]) {
    let row = |family, cells: Vec<u64>| Row { key: vec![Key::Number(family)], cells };
    for table in ["plain", "recent", "sums"] {
        assert_eq!(rows(&lab.client, table), [row(2, vec![v4]), row(10, vec![v6])], "{table}");
    }
    let ended = || rows(&lab.client, "locked") == [row(2, vec![v4, 0, v4]), row(10, vec![v6, 0, v6])];
    eventually("the connections do not add up", ended);
}

#[test]
fn the_changes_of_eight_threads_add_up() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "shared", SHARED);
    let made = storm(&lab, |made| made < 150);
    assert_eq!(made, [600, 600]);
    assert_sums(&lab, made);
}

#[test]
#[ignore = "takes half a minute"]
fn the_changes_of_eight_threads_add_up_over_half_a_minute() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "shared", SHARED);
    let end = Instant::now() + Duration::from_secs(30);
    let made = storm(&lab, |_| Instant::now() < end);
    let [v4, v6] = made;
    say(&format!("{v4} connections over IPv4 and {v6} over IPv6 by eight threads"));
    assert!(made.iter().all(|made| *made > 1_000), "{made:?}");
    assert_sums(&lab, made);
}
