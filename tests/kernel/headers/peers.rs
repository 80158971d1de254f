//! Options and peers that are made by hand: some send what we know, some what nobody does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::super::lab::{Pair, lab};
use super::super::peer::RawPeer;
use super::super::probes::*;
use super::super::watch::{assert_no_failures, attach, count};
use super::super::wire::{ACK, PSH, Segment};
use super::{PROBE_ID, talkative};

/// Peers that send what no end knows, or what makes no sense, are talked to all the same.
#[test]
fn unknown_and_malformed_options_of_a_peer_do_no_harm() {
    let Some(lab) = lab() else { return };
    for options in [&[99, 4, 1, 2][..], &[254, 5, 0x12, 0x34, 7], &[254, 3, 0x12], &[99, 1], &[99, 40, 1]] {
        for role in Role::BOTH {
            with_raw_peer_sending(&lab, Pair::V4, role, options, |real, peer, _| {
                say(real, peer);
            });
        }
    }
}

/// The real end and its peer say something to each other.
fn say(mut real: &TcpStream, peer: &mut RawPeer<'_>) -> Segment {
    peer.send(PSH | ACK, b"hello", &[]);
    real.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    real.read_exact(&mut [0; 5]).unwrap();
    real.write_all(b"hello").unwrap();
    peer.receive(Duration::from_secs(3), |one| one.payload > 0).expect("no data came")
}

#[test]
fn peers_that_know_nothing_of_options() {
    let Some(lab) = lab() else { return };
    let cases: [&[u8]; 6] = [
        &[],
        &[99, 4, 1, 2],
        // Another experiment, and ours too short, too long, or cut off.
        &[254, 5, 0x12, 0x34, 7],
        &[254, 4, 0xcc, 0x01],
        &[254, 6, 0xcc, 0x01, 5, 5],
        &[254, 9, 0xcc, 0x01, 5],
    ];
    for role in Role::BOTH {
        let side = if role == Role::Client { &lab.client } else { &lab.server };
        let pins = attach(side, "talkative", &talkative());
        for options in cases {
            with_raw_peer_sending(&lab, Pair::V6, role, options, |real, peer, (opening, ack)| {
                let wanted = if role == Role::Client { 7 } else { 99 };
                assert_eq!(opening.experiment(PROBE_ID), Some(&[wanted][..]), "{options:?}");
                assert!(ack.is_none_or(|ack| ack.experiment(PROBE_ID) == Some(&[7])));
                assert_eq!(say(real, peer).experiment(PROBE_ID), Some(&[7][..]));
            });
        }
        assert_eq!(count(&pins, "received"), 0, "{role:?}");
        assert_no_failures(&pins);
        tcpc_loader::detach(&side.cgroup, Some("talkative")).unwrap();
    }
}

#[test]
fn a_peer_that_sends_by_hand_is_answered() {
    let Some(lab) = lab() else { return };
    for role in Role::BOTH {
        let side = if role == Role::Client { &lab.client } else { &lab.server };
        let pins = attach(side, "talkative", &talkative());
        with_raw_peer_sending(&lab, Pair::V4, role, &[254, 5, 0xcc, 0x01, 5], |real, peer, (opening, _)| {
            // A SYN-ACK repeats what the SYN had.
            let wanted = if role == Role::Client { 7 } else { 5 };
            assert_eq!(opening.experiment(PROBE_ID), Some(&[wanted][..]));
            assert_eq!(count(&pins, "fives"), 1);
            say(real, peer);
        });
        assert!(count(&pins, "fives") >= 2, "{role:?}");
        assert_eq!(count(&pins, "received"), count(&pins, "fives"));
        assert_no_failures(&pins);
        tcpc_loader::detach(&side.cgroup, Some("talkative")).unwrap();
    }
}

#[test]
fn a_syn_cookie_has_the_option() {
    let Some(lab) = lab() else { return };
    lab.server.network(|| std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").unwrap());
    let server = attach(&lab.server, "server", &talkative());
    let options = [254, 5, 0xcc, 0x01, 5];
    with_raw_peer_sending(&lab, Pair::V6, Role::Server, &options, |real, peer, (opening, _)| {
        assert_eq!(opening.experiment(PROBE_ID), Some(&[5][..]));
        // No SYN is kept; the last ACK has the option too.
        assert_eq!(count(&server, "fives"), 1);
        say(real, peer);
    });
    assert_no_failures(&server);
}
