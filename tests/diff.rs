//! What is said of two policies is what running both on many connections says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../analysis/tests/support/mod.rs"]
#[allow(dead_code, reason = "only the conditions are made here")]
mod support;

use support::{ADDRESSES, Random, address, condition};
use tcpc::diff::{Found, Outcome, Watch, policies, raise};
use tcpc_analysis::diff::Side;
use tcpc_lang::analyze;
use tcpc_lang::hir::{Given, Program, Role, Value};
use tcpc_lang::source::SourceFile;
use tcpc_runtime::meaning::Meaning;
use tcpc_runtime::scenario::Bench;
use tcpc_stdlib::event::event;
use tcpc_stdlib::field::field;
use tcpc_stdlib::kernel::is_mapped;
use tcpc_stdlib::option::option;

const DECLARED: &str = "event seen { n: int }\nflow { n: int }\nparam knob: int = 5 in 1..9\n";

/// A statement, as text.
fn statement(random: &mut Random, event: &str, depth: usize) -> String {
    let on_request = event == "timeout_init";
    if depth > 0 && random.below(3) == 0 {
        let condition = condition(random, event, 1);
        let (then, otherwise) = (block(random, event, depth - 1), block(random, event, depth - 1));
        return format!("if {condition} {{ {then} }} else {{ {otherwise} }}");
    }
    let small = random.pick(&["1", "2", "7"]);
    match random.below(if on_request { 5 } else { 14 }) {
        0 => format!("count {}", random.pick(&["a", "b"])),
        1 => format!("count c by {}", random.pick(&["remote_port", "local_port"])),
        2 if on_request => format!("-> {small}ms"),
        2 | 3 => "stop".to_owned(),
        4 => format!("observe h = {}", random.pick(&["7", "snd_cwnd + 1", "knob"]))
            .replace("snd_cwnd", if on_request { "local_port" } else { "snd_cwnd" }),
        5 | 6 => format!("mark = {small}"),
        7 => format!(
            "mark = {}",
            random.pick(&[
                "if port == 443 then 1 else 2",
                "snd_cwnd + 1",
                "1 + snd_cwnd",
                "knob",
                "snd_cwnd"
            ])
        ),
        8 => format!("priority = {small}"),
        9 => format!("flow.n {} {small}", random.pick(&["=", "+=", "-="])),
        10 => "if flow.n > 1 { mark = 3 }".to_owned(),
        11 => "if mark == 7 { count b }".to_owned(),
        12 => format!("emit seen {{ n = {small} }}"),
        _ => "congestion = \"reno\" or \"cubic\"".to_owned(),
    }
}

fn block(random: &mut Random, event: &str, depth: usize) -> String {
    let count = 1 + random.below(2);
    let mut statements: Vec<String> = Vec::new();
    for _ in 0..count {
        let statement = statement(random, event, depth);
        let ends = statement == "stop" || statement.starts_with("->");
        statements.push(statement);
        if ends {
            break;
        }
    }
    statements.join("; ")
}

/// A rule: its condition and its body.
type Rule = (Option<String>, String);

fn rule(random: &mut Random, event: &str) -> Rule {
    let depth = random.below(2);
    let when = (random.below(5) > 0).then(|| condition(random, event, depth));
    (when, block(random, event, 1))
}

fn text(event: &str, rules: &[Rule]) -> String {
    let mut text = DECLARED.to_owned();
    for (at, (condition, body)) in rules.iter().enumerate() {
        let condition = condition.as_ref().map_or(String::new(), |condition| format!(" when {condition}"));
        text += &format!("r{at}: on {event}{condition} {{ {body} }}\n");
    }
    text
}

/// The rules after a change.
fn changed(random: &mut Random, event: &str, rules: &[Rule]) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    let at = random.below(rules.len());
    let (condition_of, body) = rules[at].clone();
    let word = condition_of.clone().unwrap_or("1 == 1".to_owned());
    match random.below(9) {
        0 => drop(rules.remove(at)),
        1 => rules.insert(at, rule(random, event)),
        2 => rules.swap(at, 0),
        3 => rules[at].1 = body.replace('7', "2"),
        4 => rules[at].0 = Some(condition(random, event, 1)),
        5 => {
            // A rule in two halves, which do the same.
            let by = condition(random, event, 0);
            rules[at].0 = Some(format!("({word}) and ({by})"));
            let ends = body.ends_with("stop") || body.contains("->");
            if !ends && !body.contains("if ") {
                rules.insert(at + 1, (Some(format!("not ({by}) and ({word})")), body));
            }
        }
        6 => rules[at].0 = Some(format!("not (not ({word}))")),
        7 => {
            // The condition goes into the body.
            rules[at] = (None, format!("if {word} {{ {body} }}"));
        }
        _ => rules[at].1 = format!("{body} ").replace("1 + snd_cwnd", "snd_cwnd + 1"),
    }
    rules
}

fn program(text: &str) -> Option<(SourceFile, Program)> {
    let source = SourceFile::new("policy.tcp", text);
    let analysis = analyze(&source);
    analysis.is_valid().then_some((source, analysis.program))
}

/// What a policy does on a random connection.
fn on(source: &SourceFile, program: &Program, name: &str, seed: u64) -> Outcome {
    let mut random = Random(seed);
    let mut bench = Bench::new(program, Meaning::observed(program, source, Watch::default()));
    let local = address(random.pick(ADDRESSES));
    let remote = loop {
        let remote = address(random.pick(ADDRESSES));
        if is_mapped(local) == is_mapped(remote) {
            break remote;
        }
    };
    let mut give = |name: &str, value: Value| bench.give(&Given::Field(field(name).unwrap(), value)).unwrap();
    give("local_ip", Value::Ip(local));
    give("remote_ip", Value::Ip(remote));
    for port in ["local_port", "remote_port"] {
        give(port, Value::Number(random.pick(&[21, 22, 23, 80, 442, 443, 444, 7999, 8000, 8999, 9000])));
    }
    give("srtt", Value::Number(random.pick(&[0, 5_000_000, 9_999_875, 10_000_000, 40_000_000, 40_000_125])));
    give("snd_cwnd", Value::Number(random.pick(&[0, 1, 6, 9, 10, 11, 19, 20, 21, 39, 40, 41])));
    bench.give(&Given::Option(option("mark").unwrap(), Value::Number(random.pick(&[0, 1, 2, 7])))).unwrap();
    bench.give(&Given::Param(tcpc_lang::hir::ParamId(0), 1 + random.next() % 9)).unwrap();
    let role = if random.below(2) == 0 { Role::Client } else { Role::Server };
    bench.give(&Given::Role(role)).unwrap();
    let n = random.pick(&[0, 1, 2, 3]);
    bench.give(&Given::Cell(tcpc_lang::hir::Row::Flow, 0, n)).unwrap();
    raise(&mut bench, event(name).unwrap(), [0; 4], None).unwrap()
}

#[test]
fn verdicts_agree_with_running_both() {
    let mut random = Random(23);
    let (mut equivalent, mut different, mut unknown, mut missed) = (0, 0, 0, 0);
    for _ in 0..300 {
        let name = random.pick(&["timeout_init", "active_established", "passive_established"]);
        let before: Vec<Rule> = (0..1 + random.below(4)).map(|_| rule(&mut random, name)).collect();
        let mut after = changed(&mut random, name, &before);
        if random.below(3) == 0 && !after.is_empty() {
            after = changed(&mut random, name, &after);
        }
        let texts = [text(name, &before), text(name, &after)];
        let (Some((old_source, old)), Some((new_source, new))) = (program(&texts[0]), program(&texts[1]))
        else {
            continue;
        };
        let sides =
            [Side { program: &old, source: &old_source }, Side { program: &new, source: &new_source }];
        let found = policies(sides[0], sides[1], None);
        let verdict = found.events.first().map(|event| &event.found);
        let on_both = |seed| (on(&old_source, &old, name, seed), on(&new_source, &new, name, seed));
        let differs = |seed: u64| {
            let (old, new) = on_both(seed);
            (old.values != new.values).then(|| format!("{:?}\n{:?}", old.values, new.values))
        };
        let seen = (0..80).find_map(differs);
        let context = || format!("{}\n---\n{}\n{found:#?}", texts[0], texts[1]);
        match verdict {
            None => assert_eq!(seen, None, "{}", context()),
            Some(Found::Equivalent) => {
                equivalent += 1;
                assert_eq!(seen, None, "{}", context());
            }
            Some(Found::Different { old, new, .. }) => {
                different += 1;
                let (old, new) = (old.as_ref().unwrap(), new.as_ref().unwrap());
                assert_ne!(old.values, new.values, "{}", context());
            }
            Some(Found::NotKnown { .. }) => {
                unknown += 1;
                missed += usize::from(seen.is_some());
            }
        }
    }
    assert!(equivalent > 100 && different > 100, "{equivalent} {different} {unknown}");
    assert!(unknown < 10 && missed < 3, "{unknown} {missed}");
}
