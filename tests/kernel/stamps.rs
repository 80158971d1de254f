//! What happens to a send, from the call to the acknowledgement.

use std::io::{Read, Write};
use std::net::TcpStream;

use tcpc_loader::{LoaderError, NoKernelFunction, Trial, list, probe};
use tcpc_stdlib::event::event;
use tcpc_stdlib::policies::policy;

use super::has::{self, Floor};
use super::lab::{Lab, PORT, Pair, lab, skip};
use super::probes::*;
use super::watch::{assert_no_failures, attach, count, eventually, object};

/// A lab on a kernel that has the events; says why there is none.
fn stamping_lab() -> Option<Lab> {
    let since = event("tstamp_sendmsg").unwrap().since;
    if probe::kernel().unwrap() < since {
        skip(&format!("kernels before {since} take no time stamps for policies"));
        return None;
    }
    lab()
}

/// Sends so many bytes from one end to the other.
fn send(mut from: &TcpStream, mut to: &TcpStream, bytes: usize) {
    std::thread::scope(|scope| {
        scope.spawn(move || from.write_all(&vec![7; bytes]).unwrap());
        to.read_exact(&mut vec![0; bytes]).unwrap();
    });
}

#[test]
fn a_send_is_seen_at_every_stage_on_both_ends() {
    let Some(lab) = stamping_lab() else { return };
    let text = policy("timestamps").unwrap().text;
    let client = attach(&lab.client, "timestamps", text);
    let server = attach(&lab.server, "timestamps", text);
    for (nth, pair) in [(1, Pair::V4), (2, Pair::V6)] {
        // Each end sends once, and the client once more.
        let connection = connect(&lab, pair);
        send(&connection.client, &connection.server, 200_000);
        for (pins, sends) in [(&client, 2 * nth), (&server, nth)] {
            eventually("a send was not acknowledged", || count(pins, "acked") >= sends);
            assert_eq!(["sends", "acked"].map(|name| count(pins, name)), [sends; 2], "{pair:?}");
            // What is sent again comes by again.
            let passed = ["queued", "sent"].map(|name| count(pins, name));
            assert!(passed.iter().all(|passed| *passed >= sends), "{pair:?}: {passed:?} of {sends}");
            // This device takes no time stamps of its own.
            assert_eq!(count(pins, "sent_by_device"), 0);
        }
    }
    assert_no_failures(&client);
    assert_no_failures(&server);
}

#[test]
fn nothing_is_acknowledged_by_a_peer_that_says_nothing() {
    let Some(lab) = stamping_lab() else { return };
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
    let Some(lab) = stamping_lab() else { return };
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
            PORT,
        ),
    );
    let _connection = connect(&lab, Pair::V6);
    eventually("the send was not acknowledged", || count(&pins, "acked") == 1);
    assert_eq!(count(&pins, "began"), 1);
    let [queued, sent, known] = ["queued", "sent", "known"].map(|name| count(&pins, name));
    assert!(queued >= 1 && sent >= 1 && known >= 4, "{queued} {sent} {known}");
}

#[test]
fn without_rules_for_the_stages_no_send_is_stamped() {
    let Some(lab) = stamping_lab() else { return };
    let sends = attach(&lab.client, "sends", "on tstamp_sendmsg { count sends }\non rtt { count samples }");
    let _connection = connect(&lab, Pair::V4);
    assert_eq!(count(&sends, "sends"), 1);
    assert!(count(&sends, "samples") >= 1);
}

#[test]
fn stamps_are_taken_of_the_connections_that_are_drawn() {
    let Some(lab) = stamping_lab() else { return };
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

/// Runs on any kernel.
const WHERE_THERE_ARE: &str = "
on tstamp_ack when kernel has tstamp_ack { count acked }
on established { count opened }
";

#[test]
fn a_policy_for_all_kernels_stamps_where_it_can() {
    let Some(lab) = stamping_lab() else { return };
    let pins = has::attach(&lab.client, WHERE_THERE_ARE, &Trial).unwrap().pins;
    let _connection = connect(&lab, Pair::V6);
    eventually("the send was not acknowledged", || count(&pins, "acked") == 1);
    assert_eq!(count(&pins, "opened"), 1);
}

#[test]
fn on_a_kernel_without_the_events_it_asks_for_none() {
    let Some(lab) = lab() else { return };
    let attached = has::attach(&lab.client, WHERE_THERE_ARE, &Floor).unwrap();
    assert!(attached.features.iter().all(|(_, has)| !has), "{:?}", attached.features);
    let _connection = connect(&lab, Pair::V6);
    assert_eq!((count(&attached.pins, "opened"), count(&attached.pins, "acked")), (1, 0));
}

#[test]
fn a_policy_that_needs_them_is_refused_by_their_name() {
    let Some(lab) = lab() else { return };
    let error = has::attach(&lab.client, "on tstamp_ack { count acked }", &Floor).unwrap_err();
    assert!(error.to_string().contains("`tstamp_ack`"), "{error}");
    assert!(matches!(error, LoaderError::KernelLacks { .. }), "{error:?}");
}

#[test]
fn a_kernel_function_that_is_missing_is_named_and_nothing_stays() {
    let Some(lab) = stamping_lab() else { return };
    let mut object = object("function", "on tstamp_ack { count acked }");
    let (name, other) = (b"bpf_sock_ops_enable_tx_tstamp", b"bpf_sock_ops_enable_no_tstamp");
    let places: Vec<usize> = (0..object.len()).filter(|&at| object[at..].starts_with(name)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| object[at..at + name.len()].copy_from_slice(other));
    let error = lab.client.attach(&object).unwrap_err();
    assert!(error.to_string().contains("`bpf_sock_ops_enable_no_tstamp`"), "{error}");
    assert!(matches!(error, LoaderError::KernelFunction { why: NoKernelFunction::Absent, .. }), "{error:?}");
    assert!(list().unwrap().iter().all(|one| one.cgroup.as_ref() != Some(&lab.client.cgroup)));
}
