//! What each kind of effect looks like from outside.

use std::time::Duration;

use super::lab::{Pair, lab};
use super::probes::*;
use super::programs;
use super::wire::*;

const BOTH_ESTABLISHED: &[&str] = &["active_established", "passive_established"];
const BOTH_OPENINGS: &[&str] = &["tcp_connect", "tcp_listen"];

#[test]
fn the_first_syn_timeout_is_the_duration_asked_for() {
    let Some(lab) = lab() else { return };
    lab.client.attach(&programs::timeout("synrto", 100_000_000)).unwrap();
    for pair in Pair::NEAR {
        let times = syn_times(&lab, pair, Duration::from_millis(450));
        assert!(times.len() >= 3, "{times:?}");
        assert!((96..200).contains(&times[1]), "{times:?}");
    }
}

#[test]
fn the_first_synack_timeout_is_the_duration_asked_for() {
    let Some(lab) = lab() else { return };
    lab.server.attach(&programs::timeout("synrto", 100_000_000)).unwrap();
    for pair in Pair::NEAR {
        let times = synack_times(&lab, pair, Duration::from_millis(450));
        assert!(times.len() >= 2, "{times:?}");
        assert!((96..200).contains(&times[1]), "{times:?}");
    }
}

#[test]
fn an_initial_window_shrinks_on_clients_and_grows_on_servers() {
    let Some(lab) = lab() else { return };
    lab.client.attach(&programs::reply("rwnd", "rwnd_init", 20)).unwrap();
    lab.server.attach(&programs::reply("rwnd", "rwnd_init", 100)).unwrap();
    for pair in Pair::NEAR {
        let client = windows(&lab, pair, Role::Client);
        assert!((20 * 1400..20 * 1500).contains(&client.opening), "{client:?}");
        let server = windows(&lab, pair, Role::Server);
        assert!((100 * 1400..100 * 1500).contains(&server.first), "{server:?}");
    }
}

#[test]
fn buffers_are_twice_what_is_set() {
    let Some(lab) = lab() else { return };
    for side in [&lab.client, &lab.server] {
        side.attach(&programs::set_number("snd", BOTH_ESTABLISHED, "sndbuf", 50_000)).unwrap();
        side.attach(&programs::set_number("rcv", BOTH_OPENINGS, "rcvbuf", 60_000)).unwrap();
    }
    let connection = connect(&lab, Pair::V6);
    for role in Role::BOTH {
        assert_eq!(buffers(connection.end(role)), (100_000, 120_000), "{role:?}");
    }
}

#[test]
fn a_congestion_control_is_in_force_on_both_ends() {
    let Some(lab) = lab() else { return };
    for side in [&lab.client, &lab.server] {
        side.attach(&programs::set_name("cong", BOTH_ESTABLISHED, "congestion", "cubic")).unwrap();
    }
    let connection = connect(&lab, Pair::V4);
    for role in Role::BOTH {
        assert_eq!(congestion(connection.end(role)), "cubic", "{role:?}");
    }
}

#[test]
fn an_initial_congestion_window_is_sent_at_once() {
    let Some(lab) = lab() else { return };
    for side in [&lab.client, &lab.server] {
        side.attach(&programs::set_number("iw", BOTH_ESTABLISHED, "init_cwnd", 40)).unwrap();
    }
    for role in Role::BOTH {
        assert_eq!(initial_burst(&lab, Pair::V6, role), 40, "{role:?}");
    }
}

#[test]
fn a_clamp_is_never_exceeded() {
    let Some(lab) = lab() else { return };
    for side in [&lab.client, &lab.server] {
        side.attach(&programs::set_number("clamp", BOTH_ESTABLISHED, "cwnd_clamp", 30)).unwrap();
    }
    for role in Role::BOTH {
        let largest = largest_flight(&lab, Pair::V4, role);
        assert!((20..=30).contains(&largest), "{role:?} {largest}");
    }
}

#[test]
fn ecn_is_agreed_on_when_both_ends_ask() {
    let Some(lab) = lab() else { return };
    for side in [&lab.client, &lab.server] {
        side.attach(&programs::reply("ecn", "needs_ecn", 1)).unwrap();
    }
    let connection = connect(&lab, Pair::V6);
    assert!(connection.opening(0).has(ECE | CWR));
    assert!(connection.opening(ACK).has(ECE));
    for role in Role::BOTH {
        assert!(has_ecn(connection.end(role)), "{role:?}");
    }
}

#[test]
fn the_servers_type_of_service_is_set() {
    let Some(lab) = lab() else { return };
    lab.server.attach(&programs::set_number("tos", BOTH_ESTABLISHED, "tos", 0x28)).unwrap();
    assert_eq!(answered_tos(&lab, Pair::V4, 0), 0x28);
}
