//! Random policies of many rules: they compile, run within bounds, and do the same whether they count or not.

use std::fmt::Write;

use tcpc_lang::hir::{Role, Value};
use tcpc_lang::source::SourceFile;

use super::bench::{Bench, MAPPED};
use super::policy::Policy;
use super::random::Random;

/// What any event with a peer can ask.
const CONDITIONS: &[&str] = &[
    "remote_ip in 10.0.0.0/8",
    "remote_ip in NETS",
    "local_ip in { 10.0.0.0/9, 2001:db8::/32 }",
    "remote_port in PORTS",
    "local_port in 1000..2000",
    "port == 443",
    "same_prefix(24)",
    "same_prefix(v4: 9, v6: 44)",
    "hash(remote_ip) % 2 == 0",
    "sample(50%)",
    "random() % 3 == 1",
    "now() > 1s",
    "kernel has rto_max",
    "kernel has reading sndbuf",
    "family == ipv4",
    "remote_ip == (if local_port > 5 then local_ip else 10.0.0.1)",
];
/// What asks a full socket.
const SOCKET: &[&str] = &[
    "snd_cwnd > 5",
    "srtt * 3 < 10ms",
    "congestion in { \"cubic\", \"reno\" }",
    "mark % 2 == 0",
    "nodelay",
    "bytes_acked > 1MB",
    "clamp(snd_cwnd - packets_out, 2, 50) != 2",
];
const STATEMENTS: &[&str] = &[
    "mark = snd_cwnd * 3",
    "mark = hash(remote_ip, mark)",
    "sndbuf = 100KB",
    "user_timeout = srtt * 2 + 1s",
    "max_pacing_rate = max_pacing_rate * 50%",
    "congestion = \"bbr\" or \"cubic\"",
    "count a",
    "count b by remote_ip",
    "count c by remote_port",
    "count d by snd_cwnd * 2",
    "stop",
    "nodelay = snd_cwnd > 10",
    "tos = random() % 64 * 4",
];

fn condition(random: &mut Random, full: bool, depth: u32) -> String {
    if depth == 0 {
        let socket = full && random.below(2) == 0;
        return random.one_of(if socket { SOCKET } else { CONDITIONS }).into();
    }
    let (a, b) = (condition(random, full, depth - 1), condition(random, full, depth - 1));
    match random.below(4) {
        0 => format!("not ({a})"),
        1 => format!("(if {a} then {b} else {})", condition(random, full, 0)),
        2 => format!("({a} and {b})"),
        _ => format!("({a} or {b})"),
    }
}

fn block(random: &mut Random, depth: u32, name: &mut u32) -> String {
    let mut text = String::new();
    for _ in 0..1 + random.below(4) {
        match random.below(6) {
            0 if depth > 0 => {
                let (test, then) = (condition(random, true, 1), block(random, depth - 1, name));
                let otherwise = block(random, depth - 1, name);
                let _ = writeln!(text, "if {test} {{\n{then}}} else {{\n{otherwise}}}");
            }
            1 => {
                *name += 1;
                let choice = condition(random, true, 0);
                let _ =
                    writeln!(text, "let x{name} = if {choice} then snd_cwnd else mark\nmark = x{name} + 1");
            }
            _ => drop(writeln!(text, "{}", random.one_of(STATEMENTS))),
        }
    }
    text
}

/// Policies that the checker takes.
pub fn policies(seed: u64, count: usize) -> Vec<Policy> {
    let mut random = Random(seed);
    let mut made = Vec::new();
    for _ in 0..count * 4 {
        let mut text = String::from(
            "set NETS = { 10.0.0.0/24, 10.0.2.0/24, 10.128.0.0/9, 2001:db8::/48, 2001:db8:2::/48, ::1, ffff::/16 }\n\
             set PORTS = { 22, 80, 443, 8000..8999, 65535 }\n",
        );
        let mut name = 0;
        for _ in 0..1 + random.below(8) {
            let when = match random.below(4) {
                0 => String::new(),
                _ => {
                    let depth = random.below(3) as u32;
                    format!("when {} ", condition(&mut random, false, depth))
                }
            };
            let _ = match random.below(4) {
                0 => {
                    let (event, reply) = random.one_of(&[
                        ("timeout_init", "10ms"),
                        ("timeout_init", "if remote_port == 80 then 20ms else 30ms"),
                        ("rwnd_init", "hash(remote_ip) % 20 + 1"),
                        ("needs_ecn", "true"),
                        ("base_rtt", "srtt * 2"),
                    ]);
                    writeln!(text, "on {event} {when}-> {reply}")
                }
                _ => {
                    let event = random.one_of(&["tcp_connect", "active_established", "established"]);
                    writeln!(text, "on {event} {when}{{\n{}}}", block(&mut random, 2, &mut name))
                }
            };
        }
        let source = SourceFile::new("random.tcp", text.as_str());
        if tcpc_lang::analyze(&source).is_valid() {
            made.push(Policy::new("random.tcp", text));
        }
        if made.len() == count {
            return made;
        }
    }
    panic!("only {} policies are valid", made.len())
}

/// What one event made a policy do: options and what they were set to, and the reply.
type Actions = (Vec<(&'static str, Vec<u8>)>, Option<u32>);

/// What a policy does on a few sockets.
fn actions(policy: &Policy, stats: bool) -> Vec<Actions> {
    let mut bench = Bench::new(policy.object(stats));
    let mut random = Random(9);
    let mut seen = Vec::new();
    for _ in 0..6 {
        let near = MAPPED | 0x0a00_0000 | u128::from(random.below(1 << 18));
        let six = 0x2001_0db8 << 96 | u128::from(random.below(4)) << 80 | 1;
        let pair = random.one_of(&[(near, near ^ 5), (six, six ^ 7), (near, MAPPED | 0x0a80_0001)]);
        bench.give("local_ip", Value::Ip(pair.0));
        bench.give("remote_ip", Value::Ip(pair.1));
        bench.give("remote_port", Value::Number(random.one_of(&[22, 80, 443, 8500, 7])));
        bench.give("local_port", Value::Number(random.one_of(&[1500, 443, 40_000])));
        bench.give("snd_cwnd", Value::Number(random.below(30)));
        bench.world.sock.role = random.one_of(&[Role::Client, Role::Server]);
        for name in [
            "timeout_init",
            "rwnd_init",
            "needs_ecn",
            "base_rtt",
            "tcp_connect",
            "active_established",
            "passive_established",
        ] {
            let calls = bench.fire(name).calls;
            let set = calls.into_iter().filter(|call| call.helper == "bpf_setsockopt");
            let set = set.filter_map(|call| call.option).map(|(option, bytes)| (option.name, bytes));
            seen.push((set.collect(), bench.world.reply()));
        }
    }
    seen
}

#[test]
fn counting_changes_nothing_else() {
    let mut acted = 0;
    for policy in policies(7, 60) {
        let (counting, silent) = (actions(&policy, true), actions(&policy, false));
        assert_eq!(counting, silent, "{}", policy.text);
        acted += u32::from(counting.iter().any(|(set, reply)| !set.is_empty() || reply.is_some()));
    }
    assert!(acted > 40, "only {acted} policies did anything");
}
