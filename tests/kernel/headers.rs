//! TCP header options on the wire, and what real ends make of them.

mod peers;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::time::Duration;

use tcpc_loader::counters;
use tcpc_stdlib::header::segment_with;

use super::lab::{Lab, PORT, Pair, lab};
use super::peer::{RawPeer, Tap};
use super::probes::*;
use super::watch::{assert_no_failures, attach, count};
use super::wire::{ACK, OPTION_MSS, Segment};

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

const PROBE: &str = "option probe = experimental 0xCC01 { id: u8 }\n";
const PROBE_ID: u16 = 0xcc01;
const UTO: &str = "option uto = kind 28 { minutes: u1, value: u15 }\n";
const UTO_KIND: u8 = 28;

#[test]
fn options_go_out_on_the_segments_that_the_policy_names() {
    let Some(lab) = lab() else { return };
    let client = format!("{PROBE}send probe on syn, fin {{ id = 7 }}");
    let server = format!("{PROBE}send probe on synack, established {{ id = 9 }}");
    let pins = [attach(&lab.client, "client", &client), attach(&lab.server, "server", &server)];
    for pair in Pair::NEAR {
        let segments = whole_connection(&lab, pair);
        let mut seen = BTreeSet::new();
        for segment in &segments {
            let wanted: Option<&[u8]> = match name(segment) {
                ("syn" | "fin", Role::Client) => Some(&[7]),
                ("synack" | "established", Role::Server) => Some(&[9]),
                _ => None,
            };
            assert_eq!(segment.experiment(PROBE_ID), wanted, "{segment:?}");
            seen.insert(format!("{:?}", name(segment)));
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
    }
    pins.iter().for_each(|pins| assert_no_failures(pins));
}

#[test]
fn a_user_timeout_of_the_client_is_taken_over_by_the_server() {
    let Some(lab) = lab() else { return };
    let text = format!(
        "{UTO}
         send uto on syn {{ value = 30 }}
         send uto on synack {{ minutes = 1; value = 2 }}
         receive uto when uto.value > 0 {{
             count received
             user_timeout = if uto.minutes == 1 then uto.value * 60s else uto.value * 1s
         }}"
    );
    let pins = [attach(&lab.client, "client", &text), attach(&lab.server, "server", &text)];
    for (round, pair) in (1..).zip(Pair::NEAR) {
        let connection = connect(&lab, pair);
        assert_eq!(connection.opening(0).option(UTO_KIND), Some(&[0, 30][..]));
        assert_eq!(connection.opening(ACK).option(UTO_KIND), Some(&[0x80, 2][..]));
        let timeout = |role| number(connection.end(role), libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT);
        assert_eq!((timeout(Role::Server), timeout(Role::Client)), (30_000, 120_000));
        pins.iter().for_each(|pins| assert_eq!(count(pins, "received"), round));
    }
    pins.iter().for_each(|pins| assert_no_failures(pins));
}

#[test]
fn options_of_later_segments_are_received() {
    let Some(lab) = lab() else { return };
    let send = format!("{PROBE}send probe on established {{ id = 7 }}");
    let receive = format!("{PROBE}receive probe when probe.id == 7 {{ count received }}");
    let _client = attach(&lab.client, "client", &send);
    let server = attach(&lab.server, "server", &receive);
    connect(&lab, Pair::V6);
    // The last ACK of the handshake, the data, and what acknowledges the server's.
    assert!(count(&server, "received") >= 3);
}

/// A policy that sends on every segment, and counts what it receives.
fn talkative() -> String {
    format!(
        "{PROBE}send probe on syn, established, fin {{ id = 7 }}
         answer: send probe on synack {{ id = if received(probe) then probe.id else 99 }}
         receive probe {{ count received; if probe.id == 5 {{ count fives }} }}"
    )
}

#[test]
fn segments_of_the_handshake_have_the_option_each_time() {
    let Some(lab) = lab() else { return };
    let fast = "on timeout_init -> 40ms\n";
    let _client = attach(&lab.client, "client", &format!("{fast}{}", talkative()));
    let tap = Tap::open(&lab.server, PORT);
    syn_times(&lab, Pair::V6, Duration::from_millis(200));
    let segments = tap.drain(Duration::from_millis(20));
    let syns: Vec<_> = segments.iter().filter(|one| name(one).0 == "syn").collect();
    assert!(syns.len() >= 2 && syns.iter().all(|one| one.experiment(PROBE_ID) == Some(&[7])), "{syns:?}");

    let _server = attach(&lab.server, "server", &format!("{fast}{}", talkative()));
    let tap = Tap::open(&lab.server, PORT);
    synack_times(&lab, Pair::V6, Duration::from_millis(200));
    let segments = tap.drain(Duration::from_millis(20));
    let answers: Vec<_> = segments.iter().filter(|one| name(one).0 == "synack").collect();
    let all = |answers: &[&Segment]| answers.iter().all(|one| one.experiment(PROBE_ID) == Some(&[99]));
    assert!(answers.len() >= 2 && all(&answers), "{answers:?}");
}

/// The kernel has the SYN at hand only when it answers it the first time.
#[test]
fn an_answer_that_is_sent_again_still_knows_the_syn() {
    let Some(lab) = lab() else { return };
    let text = format!(
        "{PROBE}on timeout_init -> 40ms
         send probe on synack when received(probe) {{ id = probe.id }}"
    );
    let server = attach(&lab.server, "server", &text);
    let _listener = listen(&lab, Pair::V6);
    let mut peer = RawPeer::client(&lab, Pair::V6, 41_001);
    peer.extra = vec![254, 5, 0xcc, 0x01, 5];
    peer.syn(0);
    for round in 0..3 {
        let answer = peer.receive(Duration::from_secs(3), |one| name(one).0 == "synack").unwrap();
        assert_eq!(answer.experiment(PROBE_ID), Some(&[5][..]), "answer {round}");
    }
    assert_no_failures(&server);
}

#[test]
fn two_options_share_the_header() {
    let Some(lab) = lab() else { return };
    let text = format!(
        "{PROBE}{UTO}send uto on syn, established {{ minutes = 1; value = 2 }}
         send probe on syn, established {{ id = 7 }}
         receive uto {{ count timeouts }}
         receive probe {{ count probes }}"
    );
    let client = attach(&lab.client, "client", &text);
    let server = attach(&lab.server, "server", &text);
    let segments = whole_connection(&lab, Pair::V4);
    for segment in segments.iter().filter(|one| matches!(name(one), ("syn" | "established", Role::Client))) {
        assert_eq!(segment.option(UTO_KIND), Some(&[0x80, 2][..]), "{segment:?}");
        assert_eq!(segment.experiment(PROBE_ID), Some(&[7][..]), "{segment:?}");
        // Nine bytes in three words.
        let own = 40 - usize::from(segment_with(segment.flags).unwrap().space);
        assert_eq!(segment.options.len(), own + 12);
    }
    assert!(count(&server, "timeouts") >= 2);
    assert_eq!(count(&server, "timeouts"), count(&server, "probes"));
    [client, server].iter().for_each(|pins| assert_no_failures(pins));
}

#[test]
fn an_option_without_room_is_counted_and_does_no_harm() {
    let Some(lab) = lab() else { return };
    // Both go to the server's port, which the compiler does not know.
    let text = format!(
        "option wide = kind 99 {{ a: u64, b: u64 }}
         {PROBE}
         send wide on syn when remote_port == {PORT} {{ a = 1; b = 2 }}
         large: send probe on syn when remote_port > 1 {{ id = 7 }}"
    );
    let pins = attach(&lab.client, "client", &text);
    let connection = connect(&lab, Pair::V6);
    let wide = [1u64, 2].map(u64::to_be_bytes).concat();
    assert_eq!(connection.opening(0).option(99), Some(&wide[..]));
    assert_eq!(connection.opening(0).experiment(PROBE_ID), None);
    let failures = counters(&pins).unwrap().failures;
    let found: Vec<_> = failures.iter().map(|one| (one.option.as_str(), one.errno)).collect();
    // ENOSPC: no room to reserve, and none to write.
    assert!(!found.is_empty() && found.iter().all(|one| *one == ("probe", 28)), "{failures:?}");
}

#[test]
fn a_listener_from_before_sends_no_option_and_its_connections_do() {
    let Some(lab) = lab() else { return };
    let listener = listen(&lab, Pair::V4);
    let pins = attach(&lab.server, "server", &talkative());
    let tap = Tap::open(&lab.server, PORT);
    let client = dial(&lab.client, &lab, Pair::V4);
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello").unwrap();
    (&client).read_exact(&mut [0; 5]).unwrap();
    let segments = tap.drain(Duration::from_millis(20));
    let of = |kind| segments.iter().find(|one| name(one) == (kind, Role::Server)).unwrap();
    assert_eq!(of("synack").experiment(PROBE_ID), None);
    assert_eq!(of("established").experiment(PROBE_ID), Some(&[7][..]));
    assert_no_failures(&pins);
}

#[test]
fn segments_leave_room_for_the_option() {
    let Some(lab) = lab() else { return };
    // Ten segments, the initial window.
    let burst = || {
        with_raw_peer(&lab, Pair::V4, Role::Client, |real, peer, _| {
            fill(real);
            peer.flight(Duration::from_millis(60), Duration::from_secs(1))
        })
    };
    assert_eq!(burst(), 10 * u32::from(RawPeer::MSS));
    let pins = attach(&lab.client, "client", &format!("{PROBE}send probe on established {{ id = 7 }}"));
    // Five bytes take two words.
    assert_eq!(burst(), 10 * (u32::from(RawPeer::MSS) - 8));
    assert_no_failures(&pins);
}

/// The last segment of a long answer carries data and the FIN: it is as long as the others, with the option.
#[test]
fn a_long_answer_that_ends_with_an_option_arrives() {
    let Some(lab) = lab() else { return };
    let pins = attach(&lab.client, "client", &format!("{PROBE}send probe on fin {{ id = 7 }}"));
    for pair in Pair::NEAR {
        let listener = listen(&lab, pair);
        let client = dial(&lab.client, &lab, pair);
        let (mut server, _) = listener.accept().unwrap();
        fill(&client);
        client.shutdown(std::net::Shutdown::Write).unwrap();
        server.set_read_timeout(Some(SOON)).unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        assert!(all.len() > 1 << 20, "{} bytes", all.len());
        let again = info_number(&client, std::mem::offset_of!(libc::tcp_info, tcpi_total_retrans));
        assert_eq!(again, 0, "{pair:?}: segments that were sent again");
    }
    assert!(counters(&pins).unwrap().rules.iter().all(|rule| rule.hits == Some(2)));
    assert_no_failures(&pins);
}

#[test]
fn a_connection_that_is_drawn_sends_on_all_its_segments() {
    let Some(lab) = lab() else { return };
    let pins = attach(
        &lab.client,
        "client",
        &format!("{PROBE}send probe on syn, established, fin sample 50% {{ id = 7 }}"),
    );
    let mut drawn = 0;
    for _ in 0..24 {
        let segments = whole_connection(&lab, Pair::V4);
        let ours = segments.iter().filter(|one| name(one).1 == Role::Client);
        let with: Vec<bool> = ours.map(|one| one.experiment(PROBE_ID).is_some()).collect();
        assert!(with.iter().all(|has| *has == with[0]), "{segments:?}");
        drawn += usize::from(with[0]);
    }
    // All or none of 24 is one chance in eight million.
    assert!((1..24).contains(&drawn), "{drawn}");
    assert_no_failures(&pins);
}

#[test]
fn of_two_policies_that_send_one_option_the_second_is_refused() {
    let Some(lab) = lab() else { return };
    let text = |id| format!("{PROBE}send probe on syn {{ id = {id} }}");
    let pins = [attach(&lab.client, "one", &text(1)), attach(&lab.client, "two", &text(2))];
    let connection = connect(&lab, Pair::V6);
    let sent = connection.opening(0).experiment(PROBE_ID).unwrap()[0];
    assert!((1..=2).contains(&sent));
    let failures = pins.map(|pins| counters(&pins).unwrap().failures);
    let [first, second] = failures.map(|found| found.into_iter().map(|one| one.errno).collect::<Vec<_>>());
    // EEXIST, where the option is not the one that was sent.
    assert_eq!(if sent == 1 { (first, second) } else { (second, first) }, (vec![], vec![17]));
}
