//! Every field that a policy can name, read on a real connection and compared with what the socket, the wire or a
//! hand-made peer says of it.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use tcpc_stdlib::event::event;
use tcpc_stdlib::field::FIELDS;

use super::lab::{DEVICE, Lab, PORT, Pair, Side, lab};
use super::peer::RawPeer;
use super::probes::*;
use super::watch::{attach, count, eventually};
use super::wire::{ACK, CWR, ECE, OPTION_SACK, OPTION_SACK_PERMITTED, Segment, flow_label};

/// A field and a condition that holds only if it reads right.
type Case = (&'static str, String);

#[test]
fn every_field_reads_what_the_connection_has() {
    let Some(lab) = lab() else { return };
    let mut tried = BTreeSet::new();
    tried.extend(at_the_end(&lab));
    tried.extend(in_flight(&lab));
    tried.extend(told_by_the_peer(&lab));
    tried.extend(of_the_segment(&lab));
    let known: BTreeSet<&str> =
        FIELDS.iter().map(|field| field.name).filter(|name| !name.is_empty()).collect();
    assert_eq!(tried, known);
}

/// Counts, in an event that is about to come, the cases that hold; all must.
///
/// Whether the event is raised is up to a policy that was attached before the connection was made.
fn observe(side: &Side, rule: &str, cases: &[Case], provoke: impl FnOnce()) -> Vec<&'static str> {
    let rules =
        cases.iter().map(|(name, condition)| format!("{rule} and {condition} {{ count {name}_fits }}\n"));
    let text: String = rules.chain([format!("{rule} {{ count raised }}")]).collect();
    let pins = attach(side, "fields", &text);
    provoke();
    eventually("the event was not raised", || count(&pins, "raised") > 0);
    for (name, condition) in cases {
        assert!(count(&pins, &format!("{name}_fits")) > 0, "not `{condition}`");
    }
    tcpc_loader::detach(&side.cgroup, Some("fields")).unwrap();
    cases.iter().map(|(name, _)| *name).collect()
}

/// When the client closes: all is quiet then, and the socket itself tells the same numbers.
fn at_the_end(lab: &Lab) -> Vec<&'static str> {
    let asking = format!(
        "on needs_ecn -> true\n on state when new_state == CLOSE {{ count closed }}
         on tcp_connect {{ bindtodevice = \"{DEVICE}\" }}"
    );
    for side in [&lab.client, &lab.server] {
        attach(side, "asking", &asking);
    }
    let connection = connect(lab, Pair::V6);
    let client = &connection.client;
    let (local, remote) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let after = |port: u16| {
        let last = connection.segments.iter().rfind(|one| one.source_port == port && one.payload > 0);
        let end = |one: &Segment| one.sequence.wrapping_add(one.payload as u32);
        last.map(end).unwrap()
    };
    let info = Info::of(client);
    let mss = info.word(16);
    let flags = event("state").unwrap().flag;
    let cases = [
        ("family", "family == ipv6".to_owned()),
        ("remote_ip", format!("remote_ip == {}", remote.ip())),
        ("local_ip", format!("local_ip == {}", local.ip())),
        ("remote_port", format!("remote_port == {PORT}")),
        ("local_port", format!("local_port == {}", local.port())),
        ("is_fullsock", "is_fullsock".to_owned()),
        ("state", "state == ESTABLISHED".to_owned()),
        ("bpf_sock_ops_cb_flags", format!("bpf_sock_ops_cb_flags == {flags}")),
        ("snd_cwnd", format!("snd_cwnd == {}", info.word(80))),
        ("snd_ssthresh", format!("snd_ssthresh == {}", info.word(76))),
        ("srtt", format!("srtt / 1us == {}", info.word(68))),
        ("rtt_min", format!("rtt_min == {}us", info.word(148))),
        ("mss_cache", format!("mss_cache == {mss}B")),
        ("rcv_nxt", format!("rcv_nxt == {}", after(remote.port()))),
        ("snd_nxt", format!("snd_nxt == {}", after(local.port()))),
        ("snd_una", format!("snd_una == {}", after(local.port()))),
        // The lowest bit says that both ends agreed.
        ("ecn_flags", "ecn_flags & 1 == 1".to_owned()),
        ("rate_delivered", "rate_delivered >= 1".to_owned()),
        // The socket tells its rate from the same two numbers.
        (
            "rate_interval",
            format!("1s * rate_delivered * {mss} / max(rate_interval, 1us) == {}", info.long(160)),
        ),
        ("segs_in", format!("segs_in == {}", info.word(140))),
        ("segs_out", format!("segs_out == {}", info.word(136))),
        ("data_segs_in", format!("data_segs_in == {} and data_segs_in == 1", info.word(152))),
        ("data_segs_out", format!("data_segs_out == {} and data_segs_out == 1", info.word(156))),
        ("bytes_received", format!("bytes_received == {}B and bytes_received == 5B", info.long(128))),
        ("bytes_acked", format!("bytes_acked == {}B and bytes_acked >= 5B", info.long(120))),
        ("bound_dev_if", format!("bound_dev_if == {}", lab.client.device_index())),
        // The SYN, and the data.
        ("delivered", format!("delivered == {} and delivered == 2", info.word(192))),
        // A client draws it when it connects, and never draws 0.
        ("sk_txhash", "sk_txhash != 0".to_owned()),
    ];
    observe(&lab.client, "on state when old_state == ESTABLISHED", &cases, || {
        client.shutdown(Shutdown::Write).unwrap();
    })
}

/// While three segments are on the way to a peer that acknowledges none, but shows that one came.
fn in_flight(lab: &Lab) -> Vec<&'static str> {
    attach(&lab.server, "timeouts", "on rto { count timeouts }");
    let first =
        [("packets_out", "packets_out == 3".to_owned()), ("sacked_out", "sacked_out == 1".to_owned())];
    let second = [
        ("lost_out", "lost_out == 3".to_owned()),
        ("retrans_out", "retrans_out == 1".to_owned()),
        ("total_retrans", "total_retrans == 1".to_owned()),
        ("icsk_retransmits", "icsk_retransmits == 1".to_owned()),
    ];
    with_raw_peer(lab, Pair::V4, Role::Server, |mut real, peer, _| {
        let mut tried = observe(&lab.server, "on rto when backoff == 0", &first, || {
            real.write_all(&[0; 3 * RawPeer::MSS as usize]).unwrap();
            assert_eq!(
                peer.flight(Duration::from_millis(20), Duration::from_millis(100)),
                3 * u32::from(RawPeer::MSS)
            );
            peer.send(ACK, &[], &[]);
        });
        tried.extend(observe(&lab.server, "on rto when backoff == 1", &second, || {}));
        tried
    })
}

/// After a segment was sent twice and the peer said that it had both, and that routers marked one.
fn told_by_the_peer(lab: &Lab) -> Vec<&'static str> {
    attach(&lab.server, "ecn", "on needs_ecn -> true\n on state { count changed }");
    let listener = listen(lab, Pair::V4);
    let mut peer = RawPeer::client(lab, Pair::V4, 41_001);
    peer.opening_flags = ECE | CWR;
    peer.opening_options = vec![OPTION_SACK_PERMITTED, 2];
    peer.connect();
    let (mut real, _) = listener.accept().unwrap();
    real.write_all(b"twice").unwrap();
    let sent = [0; 2].map(|_| peer.receive(Duration::from_secs(3), |one| one.payload > 0).expect("not sent"));
    let (start, end) = (sent[0].sequence, sent[0].sequence.wrapping_add(5));
    assert_eq!(sent[1].sequence, start);
    peer.acknowledged = end;
    // A block below the acknowledgement is one that came twice.
    let block = [start.to_be_bytes(), end.to_be_bytes()].concat();
    peer.send(ACK | ECE, &[], &[&[OPTION_SACK, 10], &block[..]].concat());
    eventually("the acknowledgement was not seen", || Info::of(&real).word(192) == 3);
    let info = Info::of(&real);
    let cases = [
        ("dsack_dups", format!("dsack_dups == {} and dsack_dups == 1", info.word(216))),
        // Both copies were delivered, and so was the SYN-ACK before them.
        ("delivered_ce", format!("delivered_ce == {} and delivered - delivered_ce == 1", info.word(196))),
    ];
    observe(&lab.server, "on state when old_state == ESTABLISHED", &cases, || {
        real.shutdown(Shutdown::Write).unwrap();
    })
}

/// When the client's ACK ends the handshake.
fn of_the_segment(lab: &Lab) -> Vec<&'static str> {
    let cases = [
        // The header has 20 bytes here, as the peer sends no options.
        ("skb_len", "skb_len == 20B".to_owned()),
        ("skb_tcp_flags", format!("skb_tcp_flags == {ACK}")),
        // A virtual device takes no time stamps.
        ("skb_hwtstamp", "skb_hwtstamp == 0ns".to_owned()),
    ];
    observe(&lab.server, "on passive_established when remote_port != 0", &cases, || {
        with_raw_peer(lab, Pair::V4, Role::Server, |_, _, _| {});
    })
}

/// A socket's `tcp_info`; offsets are those of `include/uapi/linux/tcp.h`.
struct Info(Vec<u8>);

impl Info {
    fn of(socket: &std::net::TcpStream) -> Info {
        Info(tcp_info(socket))
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.0[at..at + 8].try_into().unwrap())
    }
}

#[test]
fn the_handshake_is_delivered_first_and_a_request_has_no_socket() {
    let Some(lab) = lab() else { return };
    let text = "on tcp_listen, tcp_connect when delivered == 0 { count nothing }
                on established when delivered == 1 and delivered_ce == 0 { count handshake }
                on timeout_init when role == server and delivered == 0 and bound_dev_if == 0 { count request }";
    let pins = [&lab.client, &lab.server].map(|side| attach(side, "first", text));
    let _connection = connect(&lab, Pair::V6);
    for pins in &pins {
        assert_eq!((count(pins, "nothing"), count(pins, "handshake")), (1, 1));
    }
    assert_eq!(pins.map(|pins| count(&pins, "request") > 0), [false, true]);
}

/// A connection that is given up still says how often it timed out; one that is closed says nothing.
#[test]
fn timeouts_in_a_row_are_known_when_the_connection_ends() {
    let Some(lab) = lab() else { return };
    let pins = attach(
        &lab.server,
        "ends",
        "on passive_established { user_timeout = 500ms }
         on state when new_state == CLOSE and icsk_retransmits > 0 { count timed_out }
         on state when new_state == CLOSE and icsk_retransmits == 0 { count closed }",
    );
    with_raw_peer(&lab, Pair::V6, Role::Server, |mut real, _, _| {
        real.write_all(b"nobody acknowledges this").unwrap();
        eventually("the connection was not given up", || count(&pins, "timed_out") == 1);
    });
    assert_eq!(count(&pins, "closed"), 0);
    let connection = connect(&lab, Pair::V6);
    connection.client.shutdown(Shutdown::Both).unwrap();
    connection.server.shutdown(Shutdown::Both).unwrap();
    eventually("the connection was not closed", || count(&pins, "closed") == 1);
    assert_eq!(count(&pins, "timed_out"), 1);
}

#[test]
fn the_transmit_hash_is_written_and_the_flow_label_follows() {
    let Some(lab) = lab() else { return };
    let pins = attach(
        &lab.client,
        "hash",
        "on tcp_connect { sk_txhash = 0x12345678; if sk_txhash == 0x12345678 { count reads_as_written } }
         on active_established { sk_txhash = sk_txhash + 0x100000000 - 0x12345670 }",
    );
    let connection = connect(&lab, Pair::V6);
    let labels: Vec<u32> =
        connection.segments.iter().filter(|one| one.destination_port == PORT).map(|one| one.label).collect();
    assert_eq!(labels[0], flow_label(0x1234_5678), "{labels:x?}");
    assert!(labels[1..].iter().all(|one| *one == flow_label(8)), "{labels:x?}");
    assert!(labels.len() >= 3);
    assert_eq!(count(&pins, "reads_as_written"), 1);
}

#[test]
fn a_hash_that_is_written_at_a_timeout_stays_only_without_txrehash() {
    let Some(lab) = lab() else { return };
    for (txrehash, stays) in [(true, false), (false, true)] {
        let text = format!("on established {{ txrehash = {txrehash} }} on rto {{ sk_txhash = 7 }}");
        attach(&lab.client, "hash", &text);
        let labels = with_raw_peer(&lab, Pair::V6, Role::Client, |mut real, peer, _| {
            real.write_all(b"nobody acknowledges this").unwrap();
            let sent = |_| peer.receive(Duration::from_secs(3), |one| one.payload > 0).unwrap().label;
            [0, 1].map(sent)
        });
        assert_eq!(labels[1] == flow_label(7), stays, "{labels:x?}");
        tcpc_loader::detach(&lab.client.cgroup, Some("hash")).unwrap();
    }
}
