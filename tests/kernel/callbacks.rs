//! Events that the kernel raises only on connections that ask for them.

use std::io::Write;
use std::net::Shutdown;

use super::lab::{Pair, lab};
use super::probes::*;
use super::watch::{attach, count, eventually};

#[test]
fn a_connection_that_times_out_changes_its_congestion_control() {
    let Some(lab) = lab() else { return };
    let pins = attach(
        &lab.client,
        "lossy",
        "on rto when backoff >= 1 and rto > 1ms { count timeouts; congestion = \"cubic\" }
         on retrans when result == 0 { count again }",
    );
    let (before, after) = with_raw_peer(&lab, Pair::V6, Role::Client, |mut real, _, _| {
        let before = congestion(real);
        real.write_all(b"nobody acknowledges this").unwrap();
        eventually("no second timeout was seen", || count(&pins, "timeouts") > 0);
        (before, congestion(real))
    });
    assert_eq!((before.as_str(), after.as_str()), ("reno", "cubic"));
    assert!(count(&pins, "again") >= 2);
}

#[test]
fn states_are_seen_on_both_ends() {
    let Some(lab) = lab() else { return };
    let text =
        "on state when old_state == ESTABLISHED { count left; if new_state == FIN_WAIT1 { count first } }
                on state when new_state == CLOSE { count closed }";
    let client = attach(&lab.client, "states", text);
    let server = attach(&lab.server, "states", text);
    let connection = connect(&lab, Pair::V4);
    assert_eq!(count(&client, "left"), 0);
    connection.client.shutdown(Shutdown::Write).unwrap();
    eventually("the server did not see the end", || count(&server, "left") == 1);
    drop(connection);
    eventually("the connection was not closed", || count(&server, "closed") >= 1);
    assert_eq!((count(&client, "left"), count(&client, "first")), (1, 1));
    assert_eq!((count(&server, "left"), count(&server, "first")), (1, 0));
}

#[test]
fn round_trips_are_measured() {
    let Some(lab) = lab() else { return };
    let text = "on rtt when measured_rtt > 0us and measured_rtt < 1s { count samples; if new_srtt > 0us { count smooth } }";
    let pins = attach(&lab.client, "trips", text);
    let connection = connect(&lab, Pair::V6);
    assert!(count(&pins, "samples") >= 1);
    assert_eq!(count(&pins, "samples"), count(&pins, "smooth"));
    drop(connection);
}

#[test]
fn two_policies_keep_each_others_callbacks() {
    let Some(lab) = lab() else { return };
    let first = attach(&lab.client, "first", "on rtt { count samples }");
    let second = attach(&lab.client, "second", "on state when new_state == CLOSE { count closed }");
    let connection = connect(&lab, Pair::V4);
    connection.server.shutdown(Shutdown::Write).unwrap();
    drop(connection);
    eventually("the connection was not closed", || count(&second, "closed") == 1);
    assert!(count(&first, "samples") >= 1);
}

#[test]
fn a_sample_is_drawn_once_for_each_connection() {
    let Some(lab) = lab() else { return };
    let pins = attach(
        &lab.client,
        "half",
        "on active_established sample 50% { count drawn }
         on rtt sample 50% { count samples }
         on state sample 50% when new_state == CLOSE { count closed }
         on active_established { count all_of_them }",
    );
    for _ in 0..64 {
        let connection = connect(&lab, Pair::V4);
        connection.server.shutdown(Shutdown::Write).unwrap();
    }
    let drawn = count(&pins, "drawn");
    assert_eq!(count(&pins, "all_of_them"), 64);
    // Five standard deviations around the half.
    assert!((12..=52).contains(&drawn), "{drawn} of 64");
    eventually("a drawn connection was not seen closing", || count(&pins, "closed") == drawn);
    assert!(count(&pins, "samples") >= drawn);
}

#[test]
fn listeners_of_both_families_show_their_address() {
    let Some(lab) = lab() else { return };
    let pins = attach(
        &lab.server,
        "listen",
        &format!(
            "on tcp_listen when local_ip == {} {{ count four }}\non tcp_listen when local_ip == {} {{ count six }}\n\
             on tcp_listen when local_ip in {{ 0.0.0.0, :: }} {{ count any }}\n",
            lab.server.address(Pair::V4),
            lab.server.address(Pair::V6),
        ),
    );
    let listened = |address: &str| {
        lab.server.inside(|| std::net::TcpListener::bind(address).map(drop)).unwrap();
        ["four", "six", "any"].map(|name| count(&pins, name))
    };
    let (four, six) = (lab.server.address(Pair::V4), lab.server.address(Pair::V6));
    assert_eq!(listened(&format!("{four}:0")), [1, 0, 0]);
    assert_eq!(listened(&format!("[{six}]:0")), [1, 1, 0]);
    assert_eq!(listened("0.0.0.0:0"), [1, 1, 1]);
    assert_eq!(listened("[::]:0"), [1, 1, 2]);
}
