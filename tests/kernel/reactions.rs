//! The standard library's policies that look at the state of a connection, and what they do to it.

use std::io::Write;
use std::net::Shutdown;
use std::path::PathBuf;
use std::time::Duration;

use tcpc_loader::{counters, probe};
use tcpc_stdlib::policies::policy;

use super::lab::{Lab, PORT, Pair, Side, lab};
use super::options::TCP_DELACK_MAX_US;
use super::peer::RawPeer;
use super::probes::*;
use super::watch::{assert_no_failures, attach, count, eventually};
use super::wire::{ACK, CWR, ECE, Segment};

/// Attaches a policy of the standard library; the result is where its counters are.
fn attach_policy(side: &Side, name: &str) -> PathBuf {
    attach(side, name, policy(name).unwrap().text)
}

#[test]
fn loss_response_changes_the_path_and_then_the_congestion_control() {
    let Some(lab) = lab() else { return };
    let pins = attach_policy(&lab.client, "loss_response");
    let known = probe::congestion_controls().unwrap();
    let wanted = ["bbr", "cubic"].into_iter().find(|name| known.iter().any(|one| one == name)).unwrap();
    let (labels, before, after) = with_raw_peer(&lab, Pair::V6Far, Role::Client, |mut real, peer, _| {
        let before = congestion(real);
        real.write_all(b"nobody acknowledges this").unwrap();
        let sent =
            |_| peer.receive(Duration::from_secs(3), |one| one.payload > 0).expect("nothing was sent").label;
        let labels: Vec<u32> = (0..4).map(sent).collect();
        eventually("no third timeout was seen", || congestion(real) != before);
        (labels, before, congestion(real))
    });
    assert_eq!((before.as_str(), after.as_str()), ("reno", wanted));
    // The path stays at the first timeout, and is another one at the second and the third.
    assert_eq!(labels[0], labels[1], "{labels:x?}");
    assert!(labels[1] != labels[2] && labels[2] != labels[3], "{labels:x?}");
    assert!(count(&pins, "rehashed") >= 2);
    // Where there is no BBR its refusal is counted (ENOENT), and nothing else.
    let failures = counters(&pins).unwrap().failures;
    assert!(failures.iter().all(|one| one.option == "congestion" && one.errno == 2), "{failures:?}");
    assert_eq!(failures.is_empty(), wanted == "bbr");
}

#[test]
fn flow_class_shows_inside_the_datacenter_and_not_outside() {
    let Some(lab) = lab() else { return };
    let pins = [attach_policy(&lab.client, "flow_class"), attach_policy(&lab.server, "flow_class")];
    let segments = |pair: Pair| {
        let segments = connect(&lab, pair).segments;
        assert!(segments.iter().any(|one| one.destination_port == PORT && one.payload > 0));
        // The SYN-ACK belongs to no socket yet.
        segments
            .into_iter()
            .filter(|one| one.source_port != PORT || one.payload > 0)
            .collect::<Vec<Segment>>()
    };
    let near = segments(Pair::V6);
    assert!(near.iter().all(|one| one.tos == 0x20 && one.label != 0), "{near:?}");
    let near = segments(Pair::V4);
    assert!(near.iter().all(|one| one.tos == 0x20), "{near:?}");
    let far = segments(Pair::V6Far);
    assert!(far.iter().all(|one| one.tos == 0 && one.label == 0), "{far:?}");
    pins.iter().for_each(|pins| assert_no_failures(pins));
}

/// The largest flight of the server's last round trips, when the client reported marks in so many of the first.
fn flight_after_marks(lab: &Lab, marked: usize) -> u32 {
    let listener = listen(lab, Pair::V4);
    let mut peer = RawPeer::client(lab, Pair::V4, 41_002);
    peer.opening_flags = ECE | CWR;
    peer.connect();
    let (real, _) = listener.accept().unwrap();
    assert!(has_ecn(&real));
    let flights: Vec<u32> = (0..16)
        .map(|round| {
            fill(&real);
            let bytes = peer.flight(Duration::from_millis(8), Duration::from_millis(150));
            peer.acknowledged = peer.acknowledged.wrapping_add(bytes);
            peer.send(if round < marked { ACK | ECE } else { ACK }, &[], &[]);
            bytes.div_ceil(u32::from(RawPeer::MSS))
        })
        .collect();
    flights.into_iter().skip(12).max().unwrap()
}

#[test]
fn ecn_response_keeps_the_window_small_where_segments_were_marked() {
    let Some(lab) = lab() else { return };
    attach(&lab.server, "ecn", "on needs_ecn -> true");
    // The kernel by itself answers marks, and grows again.
    let recovered = flight_after_marks(&lab, 5);
    let pins = attach_policy(&lab.server, "ecn_response");
    let unmarked = flight_after_marks(&lab, 0);
    assert_eq!(count(&pins, "clamped"), 0);
    let held = flight_after_marks(&lab, 5);
    assert!(count(&pins, "clamped") > 0);
    assert!(held < recovered && recovered < unmarked, "{held} {recovered} {unmarked}");
    assert_no_failures(&pins);
}

/// The longest delay of an acknowledgement, in microseconds.
fn delay(socket: &std::net::TcpStream) -> u32 {
    number(socket, libc::IPPROTO_TCP, TCP_DELACK_MAX_US)
}

#[test]
fn delayed_ack_waits_for_20_milliseconds_on_short_paths() {
    let Some(lab) = lab() else { return };
    let pins = [attach_policy(&lab.client, "delayed_ack"), attach_policy(&lab.server, "delayed_ack")];
    for pair in [Pair::V4, Pair::V6, Pair::V6Far] {
        let connection = connect(&lab, pair);
        for role in Role::BOTH {
            assert_eq!(delay(connection.end(role)), 20_000, "{pair:?} {role:?}");
        }
    }
    pins.iter().for_each(|pins| assert_no_failures(pins));
}

#[test]
fn delayed_ack_waits_for_a_quarter_of_a_long_round_trip() {
    let Some(lab) = lab() else { return };
    let pins = attach_policy(&lab.client, "delayed_ack");
    let (near, far) = (delay_of_slow_path(&lab, Pair::V6), delay_of_slow_path(&lab, Pair::V6Far));
    assert_eq!(near, 20_000);
    // The handshake takes 400ms, and a little more on a busy machine; a value is rounded up to timer ticks.
    assert!((100_000..150_000).contains(&far), "{far}");
    assert_no_failures(&pins);
}

/// What a client has after a handshake of 400ms.
fn delay_of_slow_path(lab: &Lab, pair: Pair) -> u32 {
    let mut peer = RawPeer::server(lab, pair);
    peer.pause = Duration::from_millis(400);
    std::thread::scope(|scope| {
        let accepting = scope.spawn(|| peer.accept());
        let real = dial(&lab.client, lab, pair);
        accepting.join().unwrap();
        delay(&real)
    })
}

#[test]
fn tcp_state_accounts_for_connections_that_end() {
    let Some(lab) = lab() else { return };
    let client = attach_policy(&lab.client, "tcp_state");
    let server = attach_policy(&lab.server, "tcp_state");
    let connection = connect(&lab, Pair::V4);
    connection.client.shutdown(Shutdown::Write).unwrap();
    eventually("the server did not see the end", || count(&server, "ended_by_peer") == 1);
    drop(connection);
    for pins in [&client, &server] {
        eventually("a connection was not closed", || count(pins, "closed") == 1);
        assert_eq!(count(pins, "opened"), 1);
        let others = ["ended_in_flight", "retransmitted", "heard_nothing"].map(|name| count(pins, name));
        assert_eq!(others, [0, 0, 0]);
    }
    assert_eq!((count(&client, "ended_here"), count(&client, "ended_by_peer")), (1, 0));
    assert_eq!((count(&server, "ended_here"), count(&server, "ended_by_peer")), (0, 1));

    // A peer that acknowledges nothing; the server ends it, and the peer resets it.
    with_raw_peer(&lab, Pair::V6, Role::Server, |mut real, peer, _| {
        real.write_all(b"nobody acknowledges this").unwrap();
        for _ in 0..2 {
            peer.receive(Duration::from_secs(3), |one| one.payload > 0).expect("nothing was sent again");
        }
    });
    eventually("the reset was not seen", || count(&server, "closed") == 2);
    assert_eq!((count(&server, "retransmitted"), count(&server, "heard_nothing")), (1, 1));
    assert_eq!((count(&server, "ended_here"), count(&server, "ended_in_flight")), (1, 1));
}
