//! Every socket option that a policy can assign, on a real connection: what the socket has afterwards, asked
//! from outside, and what the policy itself reads.

use std::mem::offset_of;

use tcpc_loader::probe;
use tcpc_stdlib::option::{OPTIONS, SockOption, option};

use super::lab::{DEVICE, Lab, Pair, lab};
use super::probes::*;
use super::sys;
use super::watch::{assert_no_failures, attach, count};
use super::wire::OPTION_MSS;

/// `TCP_RTO_MIN_US` and `TCP_DELACK_MAX_US` of `include/uapi/linux/tcp.h`: what processes read of options that
/// only programs can set.
const TCP_RTO_MIN_US: i32 = 45;
pub const TCP_DELACK_MAX_US: i32 = 46;

/// How an option shows on the socket that the event was for.
enum Seen {
    /// `getsockopt` of the option itself is this number, in the kernel's unit.
    Number(u32),
    /// `getsockopt` of the option itself is this name.
    Name(&'static str),
    /// `getsockopt` of another option of the level is this number.
    Other(i32, u32),
    /// Of a connection whose client set it.
    Effect(fn(&Connection) -> u32, u32),
}
use Seen::{Effect, Name, Number, Other};

/// One option: a value that no untouched socket has, and an event where it takes effect.
struct Case {
    option: &'static str,
    event: &'static str,
    value: &'static str,
    seen: Seen,
}

const fn at(event: &'static str, option: &'static str, value: &'static str, seen: Seen) -> Case {
    Case { option, event, value, seen }
}

const fn on_connect(option: &'static str, value: &'static str, seen: Seen) -> Case {
    at("tcp_connect", option, value, seen)
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    on_connect("reuseaddr", "true", Number(1)),
    on_connect("sndbuf", "50KB", Number(100_000)),
    on_connect("rcvbuf", "50KB", Number(100_000)),
    on_connect("keepalive", "true", Number(1)),
    on_connect("priority", "3", Number(3)),
    on_connect("reuseport", "true", Number(1)),
    on_connect("rcvlowat", "2B", Number(2)),
    on_connect("bindtodevice", "\"tcpc0\"", Name(DEVICE)),
    on_connect("mark", "0xfedcba98", Number(0xfedc_ba98)),
    on_connect("max_pacing_rate", "1Gbps", Number(125_000_000)),
    on_connect("txrehash", "false", Number(0)),
    on_connect("nodelay", "true", Number(1)),
    on_connect("maxseg", "1000B", Effect(announced_segment, 1000)),
    on_connect("keepidle", "11s", Number(11)),
    on_connect("keepintvl", "12s", Number(12)),
    on_connect("keepcnt", "5", Number(5)),
    on_connect("syncnt", "4", Number(4)),
    on_connect("window_clamp", "20KB", Number(20_000)),
    on_connect("congestion", "\"cubic\"", Name("cubic")),
    on_connect("thin_linear_timeouts", "true", Number(1)),
    on_connect("user_timeout", "30s", Number(30_000)),
    on_connect("notsent_lowat", "16KB", Number(16_000)),
    at("tcp_listen", "save_syn", "1", Number(1)),
    on_connect("rto_max", "5s", Number(5_000)),
    at("active_established", "init_cwnd", "40", Effect(congestion_window_of_client, 40)),
    at("active_established", "cwnd_clamp", "64", Effect(threshold, 64)),
    on_connect("delack_max", "40ms", Other(TCP_DELACK_MAX_US, 40_000)),
    on_connect("rto_min", "60ms", Other(TCP_RTO_MIN_US, 60_000)),
    on_connect("tos", "0x48", Number(0x48)),
    on_connect("transparent", "true", Number(1)),
    on_connect("tclass", "0x48", Number(0x48)),
    on_connect("autoflowlabel", "false", Number(0)),
    on_connect("ipv6_transparent", "true", Number(1)),
];

/// Options whose value in a test depends on the host; each has a test of its own below.
const APART: &[&str] = &["bindtoifindex"];

fn announced_segment(connection: &Connection) -> u32 {
    let mss = connection.opening(0).option(OPTION_MSS).unwrap();
    u16::from_be_bytes(mss.try_into().unwrap()).into()
}

fn congestion_window_of_client(connection: &Connection) -> u32 {
    congestion_window(&connection.client)
}

fn threshold(connection: &Connection) -> u32 {
    info_number(&connection.client, offset_of!(libc::tcp_info, tcpi_snd_ssthresh))
}

fn is_assignable(option: &SockOption) -> bool {
    option.reserved.is_none() && option.set_since.is_some()
}

#[test]
fn every_option_of_the_catalogue_has_a_case() {
    let covered = |name: &str| CASES.iter().any(|case| case.option == name) || APART.contains(&name);
    for option in OPTIONS.iter().filter(|option| is_assignable(option)) {
        assert!(covered(option.name), "no case for `{}`", option.name);
    }
}

#[test]
fn every_option_is_on_the_socket_and_reads_as_it_was_assigned() {
    let Some(lab) = lab() else { return };
    for case in CASES {
        try_option(&lab, case.option, case.event, case.value, &case.seen);
    }
}

#[test]
fn a_socket_is_bound_to_the_device_of_an_index() {
    let Some(lab) = lab() else { return };
    let index = lab.client.device_index();
    try_option(&lab, "bindtoifindex", "tcp_connect", &index.to_string(), &Number(index));
}

/// Assigns the option in one connection, and looks at it from within and from outside.
fn try_option(lab: &Lab, name: &str, event: &str, value: &str, seen: &Seen) {
    let option = option(name).unwrap();
    let kernel = probe::kernel().unwrap();
    if option.set_since.is_some_and(|since| since > kernel) {
        return skip_option(
            name,
            &format!("programs can set it from Linux {} on", option.set_since.unwrap()),
        );
    }
    let pair = if option.level_name == "SOL_IPV6" { Pair::V6 } else { Pair::V4 };
    // What `maxseg` reads is not what was assigned.
    let reads = option.get_since.is_some_and(|since| since <= kernel) && name != "maxseg";
    let again = if reads { format!("if {name} == {value} {{ count seen }}") } else { String::new() };
    // Later in the connection, too; a listener has no later event.
    let later = if event == "tcp_listen" || !reads {
        String::new()
    } else {
        format!("on rtt when {name} == {value} {{ count later }}")
    };
    let text = format!("on {event} {{ {name} = {value}; count assigned; {again} }}\n{later}");
    let side = if event == "tcp_listen" { &lab.server } else { &lab.client };
    let pins = attach(side, name, &text);
    if event == "tcp_listen" {
        look(listen(lab, pair), option, seen);
    } else {
        let connection = connect(lab, pair);
        if let Effect(what, wanted) = seen {
            assert_eq!(what(&connection), *wanted, "{name}");
        } else {
            look(&connection.client, option, seen);
        }
        if reads {
            assert!(count(&pins, "later") >= 1, "`{name}` reads otherwise in a later event");
        }
    }
    assert_eq!(count(&pins, "assigned"), 1, "{name}");
    if reads {
        assert_eq!(count(&pins, "seen"), 1, "`{name}` reads otherwise than it was assigned");
    }
    assert_no_failures(&pins);
    tcpc_loader::detach(&side.cgroup, Some(name)).unwrap();
}

fn look(socket: impl std::os::fd::AsFd, option: &SockOption, seen: &Seen) {
    let level = option.level as i32;
    let name = option.name;
    match *seen {
        Number(wanted) => assert_eq!(number(socket, level, option.number as i32), wanted, "{name}"),
        Other(other, wanted) => assert_eq!(number(socket, level, other), wanted, "{name}"),
        Name(wanted) => {
            let mut bytes = [0; 16];
            sys::socket_option(socket, level, option.number as i32, &mut bytes).unwrap();
            let text: Vec<u8> = bytes.into_iter().take_while(|byte| *byte != 0).collect();
            assert_eq!(String::from_utf8(text).unwrap(), wanted, "{name}");
        }
        Effect(..) => panic!("`{name}` shows on a connection"),
    }
}

/// Says that an option was not tried; with the others tried this is no failure.
fn skip_option(name: &str, reason: &str) {
    use std::io::Write;
    std::io::stderr().write_all(format!("option `{name}`: skipped: {reason}\n").as_bytes()).unwrap();
}
