//! TCP header options on the wire, and what real ends make of them.

use tcpc_stdlib::header::segment_with;

use super::lab::{Lab, PORT, Pair, lab};
use super::peer::Tap;
use super::probes::*;
use super::wire::{OPTION_MSS, Segment};

/// The kind of time stamps.
const TIME_STAMPS: u8 = 8;

/// Every segment of a connection from its SYN to its last FIN.
fn whole_connection(lab: &Lab, pair: Pair) -> Vec<Segment> {
    let tap = Tap::open(&lab.server, PORT);
    let connection = connect_watched(lab, pair, &tap);
    connection.close(&tap)
}

/// What a policy calls a segment, and who sent it.
fn name(segment: &Segment) -> (&'static str, Role) {
    let role = if segment.source_port == PORT { Role::Server } else { Role::Client };
    (segment_with(segment.flags).map_or("other", |row| row.name), role)
}

#[test]
fn every_kind_of_segment_is_seen_with_the_kernels_own_options() {
    let Some(lab) = lab() else { return };
    for pair in Pair::NEAR {
        let segments = whole_connection(&lab, pair);
        for wanted in ["syn", "synack", "established", "fin"] {
            let opens = wanted.starts_with("syn");
            let mut some = false;
            for segment in segments.iter().filter(|segment| name(segment).0 == wanted) {
                some = true;
                assert_eq!(segment.option(OPTION_MSS).is_some(), opens, "{segment:?}");
                assert_eq!(segment.option(TIME_STAMPS).map(<[u8]>::len), Some(8), "{segment:?}");
                // What the catalogue says is left.
                let space = segment_with(segment.flags).unwrap().space;
                assert_eq!(segment.options.len(), 40 - usize::from(space), "{segment:?}");
            }
            assert!(some, "no `{wanted}` was seen: {segments:?}");
        }
        assert!(segments.iter().any(|segment| name(segment) == ("fin", Role::Server)));
    }
}

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
fn say(mut real: &std::net::TcpStream, peer: &mut super::peer::RawPeer<'_>) -> Segment {
    use std::io::{Read, Write};
    use std::time::Duration;

    peer.send(super::wire::PSH | super::wire::ACK, b"hello", &[]);
    real.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    real.read_exact(&mut [0; 5]).unwrap();
    real.write_all(b"hello").unwrap();
    peer.receive(Duration::from_secs(3), |one| one.payload > 0).expect("no data came")
}
