//! Connections with given values, for the evaluator of the language.

use std::collections::HashMap;

use tcpc_analysis::leaf::{Kind, LOCAL, REMOTE};
use tcpc_analysis::scene::World as Asked;
use tcpc_analysis::witness::Witness;
use tcpc_lang::hir::{CounterId, ParamId, Program, Role, RuleId, Value};
use tcpc_runtime::eval::World;
use tcpc_runtime::random::split_mix_64;
use tcpc_stdlib::event::{Arg, Event, EventRole};
use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::field::{Availability, Field};
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, is_mapped, tcp_state};
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Type;

/// Random choices that are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        split_mix_64(&mut self.0)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Flow {
    pub event: &'static Event,
    pub local: u128,
    pub remote: u128,
    pub client: bool,
    pub numbers: HashMap<&'static str, u64>,
    pub params: Vec<u64>,
}

pub const ADDRESSES: &[&str] = &[
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.255",
    "10.0.1.0",
    "10.1.0.0",
    "192.0.2.1",
    "9.255.255.255",
    "11.0.0.0",
    "2001:db8::",
    "2001:db8::1",
    "2001:db8:0:1::1",
    "2001:db8:8000::1",
    "2001:db9::",
    "::1",
    "2001:db7:ffff::1",
];

pub fn address(text: &str) -> u128 {
    match text.parse::<std::net::IpAddr>().unwrap() {
        std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        std::net::IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Flow {
    /// One of the connections at which conditions change their answers.
    pub fn random(event: &'static Event, program: &Program, random: &mut Random) -> Flow {
        let local = address(random.pick(ADDRESSES));
        let remote = loop {
            let remote = address(random.pick(ADDRESSES));
            if is_mapped(local) == is_mapped(remote) {
                break remote;
            }
        };
        let client = match event.role {
            EventRole::Client => true,
            EventRole::Server => false,
            _ => random.below(2) == 0,
        };
        let mut numbers = HashMap::new();
        for port in ["local_port", "remote_port"] {
            numbers.insert(
                port,
                random.pick(&[0, 21, 22, 23, 80, 442, 443, 444, 7999, 8000, 8999, 9000, 65535]),
            );
        }
        numbers.insert(
            "srtt",
            random.pick(&[
                0,
                39_999_875,
                40_000_000,
                40_000_125,
                10_000_000,
                9_999_875,
                5_000_000,
                1_000_000_000,
            ]),
        );
        numbers
            .insert("snd_cwnd", random.pick(&[0, 1, 9, 10, 11, 19, 20, 21, 39, 40, 41, 100, 4_294_967_295]));
        numbers.insert("backoff", random.pick(&[0, 1, 2, 3, 4, 5, 4_294_967_295]));
        numbers.insert("mark", random.pick(&[0, 1, 6, 7, 8]));
        let params = program
            .params
            .iter()
            .map(|param| random.pick(&[param.range.0, param.range.1, param.default]))
            .collect();
        Flow { event, local, remote, client, numbers, params }
    }

    /// The connection that was found; what was not asked for is plain.
    pub fn of(witness: &Witness, asked: &Asked, program: &Program) -> Flow {
        let value = |leaf| witness.value(leaf).unwrap_or(0xffff_0a00_0001);
        let mut numbers = HashMap::new();
        let mut client = asked.event.role == EventRole::Client;
        let mut params: Vec<u64> = program.params.iter().map(|param| param.default).collect();
        for (&leaf, &raw) in &witness.values {
            let row = asked.leaves.get(leaf);
            let number = (raw as u64).wrapping_mul(row.scale);
            match &row.kind {
                Kind::Field(field) if field.name == "state" => {
                    client = tcp_state("SYN_SENT").map(u128::from) == Some(raw);
                }
                Kind::Field(field) if row.ty != Type::Ip => drop(numbers.insert(field.name, number)),
                Kind::Arg(_, arg) => drop(numbers.insert(arg.name, number)),
                Kind::Option(option) => drop(numbers.insert(option.name, number)),
                Kind::Role => client = raw == 0,
                Kind::Param(name, _) => {
                    let at = program.params.iter().position(|param| param.name == *name).unwrap();
                    params[at] = number;
                }
                _ => {}
            }
        }
        Flow { event: asked.event, local: value(LOCAL), remote: value(REMOTE), client, numbers, params }
    }
}

impl World for Flow {
    fn field(&mut self, field: &'static Field) -> Value {
        let on_request = field.availability(self.event) == Availability::ClientOnly && !self.client;
        match field.name {
            "local_ip" => Value::Ip(self.local),
            "remote_ip" => Value::Ip(self.remote),
            "family" => Value::Number(if is_mapped(self.remote) { AF_INET } else { AF_INET6 }.into()),
            "is_fullsock" => Value::Number(u64::from(self.client || self.event.role != EventRole::BySynSent)),
            "state" if self.event.role == EventRole::BySynSent => Value::Number(
                tcp_state(if self.client { "SYN_SENT" } else { "NEW_SYN_RECV" }).unwrap().into(),
            ),
            _ if on_request => Value::Number(0),
            name => Value::Number(self.numbers.get(name).copied().unwrap_or(0)),
        }
    }
    fn arg(&mut self, _: u8, arg: &'static Arg) -> u64 {
        self.numbers.get(arg.name).copied().unwrap_or(0)
    }
    fn option(&mut self, option: &'static SockOption) -> Value {
        let on_request = self.event.role == EventRole::BySynSent && !self.client;
        Value::Number(if on_request { 0 } else { self.numbers.get(option.name).copied().unwrap_or(0) })
    }
    fn role(&mut self) -> Role {
        if self.client { Role::Client } else { Role::Server }
    }
    fn cookie(&mut self) -> u64 {
        1
    }
    fn syn_tos(&mut self) -> u8 {
        0
    }
    fn has(&mut self, _: &Feature) -> bool {
        true
    }
    fn is_segment(&mut self, _: &[&'static Segment]) -> bool {
        false
    }
    fn header_options(&mut self) -> Vec<Vec<u8>> {
        Vec::new()
    }
    fn now(&mut self) -> u64 {
        1
    }
    fn random(&mut self) -> u32 {
        1
    }
    fn reply(&mut self, _: &'static Event) -> Option<u64> {
        None
    }
    fn has_reply(&mut self) -> bool {
        false
    }
    fn counter(&mut self, _: CounterId) -> Result<u64, String> {
        Ok(0)
    }
    fn param(&mut self, param: ParamId) -> Result<u64, String> {
        Ok(self.params[param.index()])
    }
    fn rule_hits(&mut self, _: RuleId) -> Result<u64, String> {
        Ok(0)
    }
}

/// A condition, as text.
pub fn condition(random: &mut Random, event: &str, depth: usize) -> String {
    if depth > 0 && random.below(4) > 0 {
        let mut part = || condition(random, event, depth - 1);
        let (a, b, c) = (part(), part(), part());
        return match random.below(7) {
            0..=2 => format!("({a} and {b})"),
            3..=4 => format!("({a} or {b})"),
            5 => format!("not ({a})"),
            _ => format!("(if {a} then {b} else {c})"),
        };
    }
    let op = random.pick(&["==", "!=", "<", "<=", ">", ">="]);
    let equal = random.pick(&["==", "!="]);
    let end = random.pick(&["local", "remote"]);
    let port = random.pick(&["22", "80", "443", "8000", "8999"]);
    let small = random.pick(&["10", "20", "40"]);
    let bits = random.pick(&[0, 8, 23, 24, 25, 31, 32, 33, 48, 49, 64, 96, 128]);
    let v4 = random.pick(&[0, 8, 16, 23, 24, 32]);
    let choices = if event == "timeout_init" { 15 } else { 14 };
    match random.below(choices) {
        0 => format!("{end}_port {op} {port}"),
        1 => format!("port {equal} {port}"),
        2 => format!(
            "{end}_ip in {}",
            random.pick(&[
                "10.0.0.0/8",
                "10.0.0.0/24",
                "2001:db8::/32",
                "2001:db8::/33",
                "::/0",
                "0.0.0.0/0"
            ])
        ),
        3 => format!("{end}_ip {equal} {}", random.pick(ADDRESSES)),
        4 => format!("same_prefix({bits})"),
        5 => format!("same_prefix(v4: {v4}, v6: {bits})"),
        6 => format!("srtt {op} {}", random.pick(&["40ms", "10ms", "0ns", "5ms"])),
        7 => format!("srtt * {} {op} {}", random.pick(&["2", "3"]), random.pick(&["80ms", "20ms", "30ms"])),
        8 => format!(
            "snd_cwnd {} {small} {op} {}",
            random.pick(&["+", "-", "/", "*", "%"]),
            random.pick(&["0", "1", "10", "20"])
        ),
        9 => format!("{small} - snd_cwnd {op} {}", random.pick(&["1", "10", "30"])),
        10 => format!(
            "{}(snd_cwnd, {small}) {op} {}",
            random.pick(&["min", "max"]),
            random.pick(&["1", "10", "20", "40"])
        ),
        11 => format!("clamp(snd_cwnd, 10, 40) {op} {small}"),
        12 => format!("{end}_port in {{ 22, 443, 8000..8999 }}"),
        13 => format!("family {equal} ipv4"),
        _ => format!("role {equal} client"),
    }
}
