//! The standard library's policies that talk to their peer by header options, between two real ends.

use std::path::PathBuf;

use tcpc_loader::counters;
use tcpc_stdlib::policies::policy;

use super::lab::{Lab, Pair, lab};
use super::options::TCP_DELACK_MAX_US;
use super::probes::*;
use super::watch::{assert_no_failures, attach, count};
use super::wire::{ACK, SYN, Segment};

/// `TCP_USER_TIMEOUT` of `include/uapi/linux/tcp.h`.
const TCP_USER_TIMEOUT: i32 = 18;

/// Attaches a policy of the standard library to both ends: the client's counters, and the server's.
fn on_both(lab: &Lab, name: &str) -> [PathBuf; 2] {
    [&lab.client, &lab.server].map(|side| attach(side, name, policy(name).unwrap().text))
}

/// The kind of the User Timeout option (RFC 5482).
const UTO: u8 = 28;

/// What the SYN has, and what the SYN-ACK.
fn on_openings(connection: &Connection, option: impl Fn(&Segment) -> Option<&[u8]>) -> [Option<Vec<u8>>; 2] {
    [0, ACK].map(|more| option(connection.opening(more)).map(<[u8]>::to_vec))
}

/// As [`on_openings`], of an experiment.
fn experiment(connection: &Connection, id: u16) -> [Option<Vec<u8>>; 2] {
    on_openings(connection, |segment| segment.experiment(id))
}

fn uto(segment: &Segment) -> Option<&[u8]> {
    segment.option(UTO)
}

fn user_timeout(connection: &Connection, role: Role) -> u32 {
    number(connection.end(role), libc::IPPROTO_TCP, TCP_USER_TIMEOUT)
}

#[test]
fn both_ends_agree_on_a_user_timeout() {
    let Some(lab) = lab() else { return };
    let pins = on_both(&lab, "user_timeout_option");
    for pair in Pair::NEAR {
        let connection = connect(&lab, pair);
        // In minutes, five of them.
        assert_eq!(on_openings(&connection, uto), [Some(vec![0x80, 5]), Some(vec![0x80, 5])], "{pair:?}");
        assert_eq!(Role::BOTH.map(|role| user_timeout(&connection, role)), [300_000; 2], "{pair:?}");
        let later = connection.segments.iter().filter(|segment| !segment.has(SYN));
        assert!(later.clone().count() > 0);
        assert!(later.into_iter().all(|segment| uto(segment).is_none()));
    }
    pins.iter().for_each(|pins| assert_no_failures(pins));
}

#[test]
fn a_peer_that_knows_no_user_timeout_changes_nothing() {
    let Some(lab) = lab() else { return };
    let pins = attach(&lab.client, "user_timeout_option", policy("user_timeout_option").unwrap().text);
    let connection = connect(&lab, Pair::V4);
    assert_eq!(on_openings(&connection, uto), [Some(vec![0x80, 5]), None]);
    assert_eq!(Role::BOTH.map(|role| user_timeout(&connection, role)), [0; 2]);
    assert_no_failures(&pins);
}

#[test]
fn a_longer_user_timeout_of_the_peer_counts() {
    let Some(lab) = lab() else { return };
    let text = policy("user_timeout_option").unwrap().text;
    let pins = attach(&lab.server, "user_timeout_option", text);
    for (option, wanted) in
        [([28, 4, 0x02, 0x58], 600_000), ([28, 4, 0xff, 0xff], 1_800_000), ([28, 4, 0, 0], 0)]
    {
        let taken = with_raw_peer_sending(&lab, Pair::V4, Role::Server, &option, |real, _, _| {
            number(real, libc::IPPROTO_TCP, TCP_USER_TIMEOUT)
        });
        assert_eq!(taken, wanted, "{option:?}");
    }
    assert_no_failures(&pins);
}

#[test]
fn a_server_takes_the_congestion_control_that_its_client_asks_for() {
    let Some(lab) = lab() else { return };
    // What a server has that nobody asks for anything.
    attach(&lab.server, "plain", "on tcp_listen { congestion = \"cubic\" }");
    let [client, server] = on_both(&lab, "congestion_request");
    let near = connect(&lab, Pair::V4);
    let dctcp = Some(vec![4]);
    assert_eq!(experiment(&near, 0xcc01), [dctcp.clone(), dctcp]);
    // DCTCP, or where it is not registered, as a refusal shows (ENOENT), what comes next.
    let failures = counters(&server).unwrap().failures;
    let wanted = if failures.is_empty() { "dctcp" } else { "reno" };
    assert!(failures.iter().all(|one| one.option == "congestion" && one.errno == 2), "{failures:?}");
    assert_eq!(congestion(&near.server), wanted);
    assert_eq!((count(&client, "granted"), count(&server, "granted")), (1, 0));

    let far = connect(&lab, Pair::V6Far);
    assert_eq!(experiment(&far, 0xcc01), [None, None]);
    assert_eq!(congestion(&far.server), "cubic");
    assert_eq!(count(&client, "granted"), 1);
    assert_no_failures(&client);
}

#[test]
fn a_server_begins_with_the_window_that_its_client_asks_for() {
    let Some(lab) = lab() else { return };
    let pins = on_both(&lab, "initial_window_option");
    let near = connect(&lab, Pair::V4);
    assert_eq!(experiment(&near, 0xcc02), [Some(vec![40]), None]);
    assert!(congestion_window(&near.server) >= 40, "{}", congestion_window(&near.server));
    assert!(congestion_window(&near.client) < 40);
    let far = connect(&lab, Pair::V6Far);
    assert_eq!(experiment(&far, 0xcc02), [None, None]);
    assert!(congestion_window(&far.server) < 40, "{}", congestion_window(&far.server));
    pins.iter().for_each(|pins| assert_no_failures(pins));
}

#[test]
fn a_window_that_was_asked_for_is_sent_at_once() {
    let Some(lab) = lab() else { return };
    let text = policy("initial_window_option").unwrap().text;
    let pins = attach(&lab.server, "initial_window_option", text);
    for (asked, sent) in [(30, 30), (2, 4), (255, 64)] {
        let burst = initial_burst_answering(&lab, Pair::V6, Role::Server, &[254, 5, 0xcc, 0x02, asked]);
        assert_eq!(burst, sent, "{asked} packets were asked for");
    }
    assert_no_failures(&pins);
}

#[test]
fn a_receiver_holds_acknowledgements_as_long_as_the_sender_asks() {
    let Some(lab) = lab() else { return };
    let text = policy("ack_delay_request").unwrap().text;
    // Only the server: what a client does by round trip would show too.
    let pins = attach(&lab.server, "ack_delay_request", text);
    for (asked, wanted) in [(60, 60_000), (1, 20_000), (255, 200_000)] {
        let option = [254, 5, 0xcc, 0x03, asked];
        let limit = with_raw_peer_sending(&lab, Pair::V4, Role::Server, &option, |real, _, _| {
            number(real, libc::IPPROTO_TCP, TCP_DELACK_MAX_US)
        });
        assert_eq!(limit, wanted, "{asked}");
    }
    assert_no_failures(&pins);
    let connection = connect(&lab, Pair::V6);
    assert_eq!(experiment(&connection, 0xcc03), [None, None]);
}

#[test]
fn a_client_asks_for_patience_or_for_haste() {
    let Some(lab) = lab() else { return };
    let pins = on_both(&lab, "ack_delay_request");
    let connection = connect(&lab, Pair::V6);
    assert_eq!(experiment(&connection, 0xcc03), [Some(vec![200]), None]);
    let limits = Role::BOTH.map(|role| number(connection.end(role), libc::IPPROTO_TCP, TCP_DELACK_MAX_US));
    // Both measured round trips while their connection was new.
    assert_eq!(limits, [20_000; 2]);
    pins.iter().for_each(|pins| assert_no_failures(pins));
}
