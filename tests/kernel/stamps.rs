//! What happens to a send, from the call to the acknowledgement.

use std::io::{Read, Write};
use std::net::TcpStream;

use tcpc_stdlib::policies::policy;

use super::lab::{Pair, lab};
use super::probes::*;
use super::watch::{assert_no_failures, attach, count, eventually};

/// Sends so many bytes from one end to the other.
fn send(mut from: &TcpStream, mut to: &TcpStream, bytes: usize) {
    std::thread::scope(|scope| {
        scope.spawn(move || from.write_all(&vec![7; bytes]).unwrap());
        to.read_exact(&mut vec![0; bytes]).unwrap();
    });
}

#[test]
fn a_send_is_seen_at_every_stage_on_both_ends() {
    let Some(lab) = lab() else { return };
    let text = policy("timestamps").unwrap().text;
    let client = attach(&lab.client, "timestamps", text);
    let server = attach(&lab.server, "timestamps", text);
    for (nth, pair) in [(1, Pair::V4), (2, Pair::V6)] {
        // Each end sends once, and the client once more.
        let connection = connect(&lab, pair);
        send(&connection.client, &connection.server, 200_000);
        for (pins, sends) in [(&client, 2 * nth), (&server, nth)] {
            eventually("a send was not acknowledged", || count(pins, "acked") >= sends);
            let seen = ["sends", "queued", "sent", "acked"].map(|name| count(pins, name));
            assert_eq!(seen, [sends; 4], "{pair:?}");
            // This device takes no time stamps of its own.
            assert_eq!(count(pins, "sent_by_device"), 0);
        }
    }
    assert_no_failures(&client);
    assert_no_failures(&server);
}

#[test]
fn nothing_is_acknowledged_by_a_peer_that_says_nothing() {
    let Some(lab) = lab() else { return };
    let pins =
        attach(&lab.client, "silent", "on tstamp_ack { count acked }\non tstamp_snd_sw { count sent }");
    with_raw_peer(&lab, Pair::V6, Role::Client, |mut real, peer, _| {
        real.write_all(b"nobody acknowledges this").unwrap();
        peer.receive(SOON, |one| one.payload > 0).expect("nothing was sent");
        eventually("the segment was not stamped", || count(&pins, "sent") >= 1);
        assert_eq!(count(&pins, "acked"), 0);
    });
}

#[test]
fn segments_and_addresses_are_those_of_the_send() {
    let Some(lab) = lab() else { return };
    // 5 bytes of data; 14 of the link, 40 of IPv6, 32 of TCP with a time stamp before them.
    let pins = attach(
        &lab.client,
        "shown",
        &format!(
            "on tstamp_sendmsg when skb_len == 5B and skb_tcp_flags & 16 == 16 {{ count began }}
             on tstamp_sched when skb_len == 91B {{ count queued }}
             on tstamp_snd_sw when skb_len == 91B and state == ESTABLISHED {{ count sent }}
             on tstamp_ack when skb_len == 5B and skb_tcp_flags & 8 == 8 {{ count acked }}
             on tstamp_sendmsg, tstamp_sched, tstamp_snd_sw, tstamp_ack
                when family == ipv6 and local_ip == {} and remote_ip == {} and remote_port == {} and is_fullsock {{ count known }}",
            lab.client.address(Pair::V6),
            lab.server.address(Pair::V6),
            super::lab::PORT,
        ),
    );
    let _connection = connect(&lab, Pair::V6);
    eventually("the send was not acknowledged", || count(&pins, "acked") == 1);
    let seen = ["began", "queued", "sent", "known"].map(|name| count(&pins, name));
    assert_eq!(seen, [1, 1, 1, 4]);
}

#[test]
fn without_rules_for_the_stages_no_send_is_stamped() {
    let Some(lab) = lab() else { return };
    let sends = attach(&lab.client, "sends", "on tstamp_sendmsg { count sends }\non rtt { count samples }");
    let _connection = connect(&lab, Pair::V4);
    assert_eq!(count(&sends, "sends"), 1);
    assert!(count(&sends, "samples") >= 1);
}

#[test]
fn stamps_are_taken_of_the_connections_that_are_drawn() {
    let Some(lab) = lab() else { return };
    let pins = attach(
        &lab.client,
        "half",
        "on active_established sample 50% { count drawn }
         on tstamp_sendmsg sample 50% { count sends }
         on tstamp_ack sample 50% { count acked }",
    );
    for _ in 0..32 {
        connect(&lab, Pair::V4);
    }
    let drawn = count(&pins, "drawn");
    // Five standard deviations around the half.
    assert!((2..=30).contains(&drawn), "{drawn} of 32");
    assert_eq!(count(&pins, "sends"), drawn);
    eventually("a send was not acknowledged", || count(&pins, "acked") == drawn);
}
