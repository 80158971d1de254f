//! What policies remember, on real connections.

use std::net::IpAddr;
use std::path::Path;

use tcpc_loader::record::Record;
use tcpc_loader::tables::{self, Part, Row};

use super::lab::{Pair, lab};
use super::probes::*;
use super::watch::{attach, count, eventually};

/// The rows of a table.
fn rows(pins: &Path, name: &str) -> Vec<Row> {
    let record = Record::read(pins).unwrap();
    let table = record.manifest.state.tables.iter().find(|table| table.name == name).unwrap();
    tables::rows(pins, table).unwrap()
}

/// An address as a key has it.
fn part(address: IpAddr) -> Part {
    Part::Address(match address {
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
    let pins = attach(&lab.client, "peers", text);
    for pair in [Pair::V4, Pair::V4, Pair::V6, Pair::V6Far, Pair::V4] {
        drop(connect(&lab, pair));
    }
    let ended = |rows: &[Row]| rows.iter().map(|row| row.cells[1] - 10).sum::<u64>() == 5;
    eventually("a connection did not end", || ended(&rows(&pins, "peers")));
    let port = Part::Number(super::lab::PORT.into());
    let row = |address: &str, flows| Row {
        key: vec![part(address.parse().unwrap()), port],
        cells: vec![flows, 10 + flows],
    };
    assert_eq!(rows(&pins, "peers"), [row("10.66.1.0", 3), row("fd66:0:10::", 1), row("fd99:0:11::", 1)]);
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
