//! Large policies: what is data costs no code, and what is code stays within what a kernel takes.

use std::fmt::Write;

use tcpc_lang::hir::Value;

use super::bench::{Bench, MAPPED};
use super::policy::Policy;

/// A set of 100 000 prefixes of IPv4, no two of which touch.
pub fn table_of_100_000() -> Policy {
    let mut text = String::from("set NETS = {\n");
    for number in 0..100_000u32 {
        let _ = writeln!(text, "{}/25,", std::net::Ipv4Addr::from(0x0a00_0000 + (number << 8)));
    }
    text.push_str("}\non active_established when remote_ip in NETS { mark = 1 }\n");
    Policy::new("large.tcp", text)
}

/// Policies of many rules, of several shapes.
pub fn many_rules() -> Vec<Policy> {
    let rules = |name: &str, count: u32, rule: &dyn Fn(u32) -> String| {
        Policy::new(name, (0..count).map(rule).collect::<String>())
    };
    vec![
        rules("nets.tcp", 300, &|at| {
            let (a, b) = (at / 256, at % 256);
            format!(
                "on tcp_connect when remote_ip in 10.{a}.{b}.0/24 and remote_port == {at} {{ mark = {at} }}\n"
            )
        }),
        rules("ports.tcp", 2000, &|at| {
            format!("on active_established when remote_port == {at} {{ count c{} }}\n", at % 10)
        }),
        rules("replies.tcp", 1000, &|at| {
            format!("on timeout_init when local_ip in 2001:db8:{at:x}::/48 -> {}ms\n", at + 1)
        }),
    ]
}

#[test]
fn a_table_of_100_000_prefixes_is_data() {
    let compiled = table_of_100_000().compile(false);
    assert!(compiled.slots < 400, "{} slots", compiled.slots);
    let mut bench = Bench::new(tcpc_compiler::object::read(&compiled.object).unwrap());
    for (address, within) in [
        (0x0a00_0000, true),
        (0x0a00_0080, false),
        (0x0b86_9f7f, true),
        (0x0b86_a000, false),
        (0x09ff_ffff, false),
    ] {
        bench.give("remote_ip", Value::Ip(MAPPED | address));
        let outcome = bench.fire("active_established");
        assert_eq!(!outcome.calls.is_empty(), within, "{address:x}");
        assert!(outcome.steps < 400);
    }
}

#[test]
fn of_many_rules_the_right_ones_run() {
    let [nets, ports, replies] = &many_rules()[..] else { panic!() };
    let mut bench = Bench::new(nets.object(false));
    for number in [0u32, 1, 255, 256, 299] {
        bench.give("remote_ip", Value::Ip(MAPPED | u128::from(0x0a00_0007 + (number << 8))));
        bench.give("remote_port", Value::Number(number.into()));
        assert_eq!(bench.marks("tcp_connect"), [number]);
    }
    let mut bench = Bench::new(ports.object(false));
    for number in [0u64, 1, 1000, 1999, 2000] {
        bench.give("remote_port", Value::Number(number));
        bench.fire("active_established");
    }
    assert_eq!((bench.counter("c0"), bench.counter("c1"), bench.counter("c9")), (2, 1, 1));
    let mut bench = Bench::new(replies.object(false));
    for number in [0u32, 500, 999] {
        bench.give("local_ip", Value::Ip(0x2001_0db8 << 96 | u128::from(number) << 80));
        bench.fire("timeout_init");
        assert_eq!(bench.world.reply(), Some((number + 1).div_ceil(4)));
    }
}

#[test]
fn what_a_jump_cannot_skip_is_said_and_not_miscompiled() {
    let rule = |at: u32| format!("on tcp_connect when remote_port == {} {{ mark = {at} }}\n", at % 65_536);
    let policy = Policy::new("huge.tcp", (0..4000).map(rule).collect::<String>());
    match policy.try_compile(true) {
        Err(tcpc_compiler::CompileError::TooLarge(what)) => assert!(what.contains("jump"), "{what}"),
        other => panic!("{:?}", other.map(|compiled| compiled.slots)),
    }
}

#[test]
fn deep_choices_compile() {
    let mut text = String::from("on active_established { mark = ");
    for at in 0..40 {
        let _ = write!(text, "if snd_cwnd == {at} then {} else ", at * 3);
    }
    text.push_str("7 }\n");
    let mut bench = Bench::new(Policy::new("deep.tcp", text).object(false));
    for (window, mark) in [(0, 0), (1, 3), (39, 117), (40, 7)] {
        bench.give("snd_cwnd", Value::Number(window));
        assert_eq!(bench.marks("active_established"), [mark]);
    }
}

#[test]
fn more_values_than_registers_survive_calls() {
    let fields = [
        "snd_cwnd",
        "snd_ssthresh",
        "packets_out",
        "retrans_out",
        "total_retrans",
        "segs_in",
        "segs_out",
        "data_segs_in",
        "data_segs_out",
        "lost_out",
        "sacked_out",
        "rcv_nxt",
        "snd_nxt",
        "snd_una",
    ];
    let mut text = String::from("on active_established {\n");
    fields.iter().enumerate().for_each(|(at, field)| {
        let _ = writeln!(text, "let v{at} = {field} + {at}");
    });
    text.push_str("tos = 4\nif v3 > v2 { tos = 8 }\nmark = ");
    let terms: Vec<String> = (0..fields.len()).map(|at| format!("v{at} * {}", 3 * at + 1)).collect();
    text.push_str(&terms.join(" + "));
    text.push_str(" }\n");
    let mut bench = Bench::new(Policy::new("many.tcp", text).object(false));
    fields.iter().enumerate().for_each(|(at, field)| bench.give(field, Value::Number(at as u64 * 5)));
    let wanted: u32 = (0..fields.len() as u32).map(|at| (at * 5 + at) * (3 * at + 1)).sum();
    assert_eq!(bench.marks("active_established"), [4, 8, wanted]);
}
