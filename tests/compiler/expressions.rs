//! Random expressions: the compiled bytes and the evaluator must agree.

use tcpc_compiler::object;
use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::hir::{StmtKind, Value};
use tcpc_lang::source::SourceFile;
use tcpc_runtime::eval::Evaluator;
use tcpc_stdlib::field::{Field, field};

use super::bench::Bench;
use super::policy::Policy;
use super::random::Random;
use super::world::{Bare, Reads};

/// Plain numbers: 32-bit fields, 64-bit fields, and one that is converted from eighths of a microsecond.
const NUMBERS: &[&str] = &[
    "snd_cwnd",
    "rcv_nxt",
    "snd_nxt",
    "packets_out",
    "bytes_acked / 1B",
    "bytes_received / 1B",
    "srtt / 1ns",
    "delivered",
    "icsk_retransmits",
    "bound_dev_if",
];
const FIELDS: &[&str] = &[
    "snd_cwnd",
    "rcv_nxt",
    "snd_nxt",
    "packets_out",
    "bytes_acked",
    "bytes_received",
    "srtt",
    "rtt_min",
    "delivered",
    "icsk_retransmits",
    "bound_dev_if",
];
const INTERESTING: &[u64] = &[
    1,
    2,
    3,
    7,
    8,
    10,
    63,
    64,
    125,
    255,
    1000,
    65_535,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    1 << 62,
    1 << 63,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_8000_0000,
    u64::MAX,
];

/// A plain number that depends on the socket.
fn number(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return format!("({})", random.one_of(NUMBERS));
    }
    let left = number(random, depth - 1);
    let right = match random.below(3) {
        0 => number(random, depth - 1),
        _ => random.one_of(INTERESTING).to_string(),
    };
    match random.below(14) {
        0..=8 => {
            let operator = random.one_of(&["+", "-", "*", "/", "%", "&", "|", "^"]);
            let (left, right) = if random.below(4) == 0 && operator != "/" && operator != "%" {
                (right, left)
            } else {
                (left, right)
            };
            format!("({left} {operator} {right})")
        }
        9 => {
            let by = random.one_of(&["1", "31", "32", "33", "63", "packets_out", "snd_cwnd"]);
            format!("({left} {} {by})", random.one_of(&["<<", ">>"]))
        }
        10 => format!("{}({left}, {right})", random.one_of(&["min", "max"])),
        11 => format!("clamp({left}, 5, {})", random.one_of(&[6, 0xffff_ffff, u64::MAX])),
        12 => format!("hash({left}, {right})"),
        _ => format!("(if {} then {left} else {right})", condition(random, depth - 1)),
    }
}

fn condition(random: &mut Random, depth: u32) -> String {
    if depth == 0 || random.below(2) == 0 {
        let left = number(random, depth.min(1));
        let right = match random.below(4) {
            0 => number(random, 0),
            _ => random.one_of(INTERESTING).to_string(),
        };
        return match random.below(8) {
            0 => format!("({left} & {right} != 0)"),
            1 => format!("({left} & {right} == 0)"),
            2 => format!(
                "({left} in {{ 3..{}, 0..1, 18446744073709551615 }})",
                random.one_of(&[3u64, 70, 1 << 40])
            ),
            3 => {
                let bound = random.one_of(&[
                    "0ns",
                    "1ns",
                    "124ns",
                    "125ns",
                    "126ns",
                    "3ms",
                    "536870911875ns",
                    "600s",
                ]);
                format!("({} {} {bound})", random.one_of(&["srtt", "rtt_min"]), operator(random))
            }
            4 => format!("(remote_port {} {})", operator(random), random.one_of(&[0, 1, 80, 256, 65_535])),
            _ => format!("({left} {} {right})", operator(random)),
        };
    }
    let (a, b) = (condition(random, depth - 1), condition(random, depth - 1));
    match random.below(5) {
        0 => format!("(not {a})"),
        1 => format!("(if {a} then {b} else {})", condition(random, depth - 1)),
        2 => format!("({a} == {b})"),
        3 => format!("({a} and {b})"),
        _ => format!("({a} or {b})"),
    }
}

fn operator(random: &mut Random) -> &'static str {
    random.one_of(&["==", "!=", "<", "<=", ">", ">="])
}

/// The socket as the evaluator sees it: the same numbers, in canonical units.
struct Values(Vec<(&'static Field, u64)>);

impl Values {
    fn random(random: &mut Random) -> Values {
        let draw = |name: &&str| {
            let field = field(name).unwrap();
            let largest = if field.size == 8 { u64::MAX } else { u32::MAX.into() };
            let raw = match random.below(3) {
                0 => random.below(9),
                1 => random.one_of(INTERESTING).min(largest),
                _ => random.number() & largest,
            };
            (field, raw * field.unit.scale().unwrap())
        };
        let mut values: Vec<_> = FIELDS.iter().map(draw).collect();
        let port = random.one_of(&[0, 1, 80, 256, 443, 65_535]);
        values.push((field("remote_port").unwrap(), port));
        Values(values)
    }

    fn give(&self, bench: &mut Bench) {
        self.0.iter().for_each(|(field, number)| bench.give(field.name, Value::Number(*number)));
    }
}

impl Reads for Values {
    fn field(&mut self, field: &'static Field) -> Value {
        let found = self.0.iter().find(|(known, _)| known.name == field.name);
        Value::Number(found.unwrap().1)
    }
}

/// Compares one policy, whose first statement names the expression's value and whose assignments show it; false if
/// the checker finds it impossible.
fn compare(text: &str, random: &mut Random, observed: impl Fn(u64) -> Vec<u32>) -> bool {
    let source = SourceFile::new("expression.tcp", text);
    let analysis = analyze(&source);
    if !analysis.is_valid() {
        return false;
    }
    let compiled = compile(&analysis.program, &source, &Options { hz: 250, stats: false });
    let compiled = compiled.unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    let mut bench = Bench::new(object::read(&compiled.object).unwrap());
    let StmtKind::Let(_, expr) = &analysis.program.rules[0].body[0].kind else { panic!("{text}") };
    for _ in 0..8 {
        let mut values = Values::random(random);
        values.give(&mut bench);
        let Ok(Value::Number(wanted)) = Evaluator::new(&analysis.program, &mut Bare(&mut values)).value(expr)
        else {
            panic!("{text}")
        };
        let shown: Vec<_> = values.0.iter().map(|(field, number)| (field.name, *number)).collect();
        assert_eq!(bench.marks("active_established"), observed(wanted), "{text}\n{shown:?} give {wanted}");
    }
    true
}

/// Policies that the checker takes, each of one large expression.
pub fn policies(seed: u64, count: usize) -> Vec<Policy> {
    let mut random = Random(seed);
    let texts = (0..count * 4).map(|_| {
        let (value, test) = (number(&mut random, 4), condition(&mut random, 4));
        format!("on active_established when {test} {{ let e = {value}; mark = e; mark = e >> 32 }}\n")
    });
    let valid = |text: &String| analyze(&SourceFile::new("expression.tcp", text.as_str())).is_valid();
    let policies: Vec<Policy> =
        texts.filter(valid).map(|text| Policy::new("expression.tcp", text)).take(count).collect();
    assert_eq!(policies.len(), count);
    policies
}

#[test]
fn numbers() {
    let mut random = Random(5);
    let mut compared = 0;
    for round in 0..400 {
        let expr = number(&mut random, 1 + round % 4);
        let text =
            format!("on active_established {{ let e = {expr}; mark = e & 4294967295; mark = e >> 32 }}\n");
        compared +=
            u32::from(compare(&text, &mut random, |wanted| vec![wanted as u32, (wanted >> 32) as u32]));
    }
    assert!(compared > 300, "only {compared} expressions were possible");
}

#[test]
fn conditions() {
    let mut random = Random(6);
    let mut compared = 0;
    for round in 0..400 {
        let expr = condition(&mut random, round % 5);
        // Once as a value that is kept, once as a condition that branches.
        let text = format!(
            "on active_established {{ let e = {expr}; mark = if e then 1 else 0; if {expr} {{ mark = 1 }} else {{ mark = 0 }} }}\n"
        );
        compared += u32::from(compare(&text, &mut random, |wanted| vec![wanted as u32; 2]));
    }
    assert!(compared > 300, "only {compared} conditions were possible");
}
