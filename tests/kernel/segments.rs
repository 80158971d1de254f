//! What the fields of the segment at hand read in each event that has one.

use super::lab::{Pair, lab};
use super::probes::*;
use super::watch::{assert_no_failures, attach, count};
use super::wire::{ACK, PSH, SYN};

/// Bytes of a header with the kernel's own options: in SYNs, and later.
const OPENING: usize = 20 + 20;
const LATER: usize = 20 + 12;
/// Bytes that the option takes, with its padding.
const PROBE: usize = 8;

/// Rules that count, each under its name, what an event shows of a segment.
fn counting(cases: &[(&str, &str, u8, usize)]) -> String {
    let rule = |(name, event, flags, length): &(&str, &str, u8, usize)| {
        let seen = format!("skb_tcp_flags == {flags} and skb_len == {length}B and skb_hwtstamp == 0ns");
        format!("on {event} and {seen} {{ count {name} }}\n")
    };
    cases.iter().map(rule).collect()
}

#[test]
fn a_segment_is_its_data_when_room_is_asked_for_and_all_of_it_before_and_after() {
    let Some(lab) = lab() else { return };
    let client = [
        // Before there is a header the length is that of the data.
        ("asks_syn", "hdr_opt_len when mode == 0", SYN, 0),
        ("asks_data", "hdr_opt_len when mode == 0", PSH | ACK, 5),
        // The computation of the segment size is for no segment.
        ("computes", "hdr_opt_len when mode == 1", 0, 0),
        ("writes_syn", "write_hdr_opt when mode == 0", SYN, OPENING + PROBE),
        ("writes_data", "write_hdr_opt when mode == 0", PSH | ACK, LATER + PROBE + 5),
        ("answered", "active_established when remote_port != 0", SYN | ACK, OPENING + PROBE),
        ("parses_data", "parse_hdr_opt when remote_port != 0", PSH | ACK, LATER + PROBE + 5),
    ];
    let server = [
        ("asks_synack", "hdr_opt_len when mode == 0", SYN | ACK, 0),
        ("writes_synack", "write_hdr_opt when mode == 0", SYN | ACK, OPENING + PROBE),
        ("confirmed", "passive_established when remote_port != 0", ACK, LATER + PROBE),
        ("parses_data", "parse_hdr_opt when remote_port != 0", PSH | ACK, LATER + PROBE + 5),
    ];
    let option = "option probe = experimental 0xCC01 { id: u8 }\n";
    let sends = |on: &str| format!("{option}send probe on {on}, established {{ id = 7 }}\n");
    let sides = [
        (attach(&lab.client, "segments", &(sends("syn") + &counting(&client))), &client[..]),
        (attach(&lab.server, "segments", &(sends("synack") + &counting(&server))), &server[..]),
    ];
    for pair in Pair::NEAR {
        connect(&lab, pair);
    }
    for (pins, cases) in &sides {
        let missing: Vec<&str> =
            cases.iter().map(|case| case.0).filter(|name| count(pins, name) < 2).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_no_failures(pins);
    }
}
