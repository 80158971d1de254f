//! What is explained is what happens: the rules that are said to fire are those that the compiled bytes run, and
//! the parts of conditions that are said to have decided did.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_compiler::{Options, compile, object};
use tcpc_lang::analyze;
use tcpc_lang::hir::Step;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::explain::{Explanation, RuleOutcome, explain};
use tcpc_runtime::scenario::{Bench, Bytes};
use tcpc_runtime::vm::Image;
use tcpc_stdlib::policies::POLICIES;

/// The names of the rules that fired, each once.
fn fired(explanation: &Explanation) -> Vec<&str> {
    let rules = explanation.events.iter().flat_map(|event| &event.rules);
    let fired = rules.filter(|rule| matches!(rule.outcome, RuleOutcome::Fired { .. }));
    let mut names: Vec<&str> = fired.map(|rule| rule.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn the_rules_that_are_said_to_fire_are_those_that_the_bytes_run() {
    let mut compared = 0;
    for policy in POLICIES {
        let source = SourceFile::new(policy.name, policy.text);
        let program = analyze(&source).program;
        let compiled = compile(&program, &source, &Options { hz: 1000, stats: true }).unwrap();
        let object = object::read(&compiled.object).unwrap();
        let image = Image::new(&object).unwrap();
        for test in &program.tests {
            let mut bench = Bench::new(&program, Bytes::new(&object, &image, &program, &source));
            for (index, step) in test.steps.iter().enumerate() {
                let Step::Connection { .. } = step else {
                    bench.step(step).unwrap();
                    if matches!(step, Step::Fire { .. } | Step::Transmit { .. }) {
                        let explanation = explain(&program, &source, &test.steps[..=index]).unwrap();
                        let mut ran = bench.last.rules.clone().unwrap();
                        ran.sort_unstable();
                        assert_eq!(fired(&explanation), ran, "{}: {}: step {index}", policy.name, test.name);
                        compared += 1;
                    }
                    continue;
                };
                // Its steps are another connection's; what follows them is not compared.
                break;
            }
        }
    }
    assert!(compared > 80, "{compared} events are not many");
}

/// Why a rule for `timeout_init` under this condition does not fire, on a flow from 10.0.0.1:40000 to 10.0.1.2:443.
fn because(condition: &str) -> Vec<String> {
    let text = format!(
        "let far = remote_port == 80 or remote_port == 8080\nlet near(bits) = same_prefix(bits)\n\
         let between(x, low, high) = low <= x and x <= high\nset NETS = {{ 192.0.2.0/24, 198.51.100.0/24 }}\n\
         on timeout_init when {condition} -> 10ms\n\
         test \"t\" {{ given local = 10.0.0.1 port 40000, remote = 10.0.1.2 port 443\nfire timeout_init }}\n"
    );
    let source = SourceFile::new("p.tcp", text);
    let analysis = analyze(&source);
    assert!(analysis.is_valid(), "{condition}: {:?}", analysis.diagnostics);
    let explanation = explain(&analysis.program, &source, &analysis.program.tests[0].steps).unwrap();
    let RuleOutcome::NotFired { because } = &explanation.events[0].rules[0].outcome else {
        panic!("`{condition}` holds");
    };
    because
        .iter()
        .map(|cause| {
            let values: Vec<String> =
                cause.values.iter().map(|found| format!("{}={}", found.name, found.value)).collect();
            format!("{} is {} ({})", cause.part, cause.holds, values.join(" "))
        })
        .collect()
}

#[test]
fn only_the_parts_that_decided_are_told() {
    let port = |port: u16| format!("remote_port == {port} is false (remote_port=443)");
    // The first false operand of `and`, all operands of `or`.
    assert_eq!(because("remote_port == 443 and remote_port == 22 and remote_port == 23"), [port(22)]);
    assert_eq!(because("remote_port == 22 or remote_port == 23"), [port(22), port(23)]);
    assert_eq!(because("(remote_port == 22 or remote_port == 443) and far"), [port(80), port(8080)]);
    assert_eq!(because("remote_port == 22 and far or remote_port == 23 and far"), [port(22), port(23)]);
}

#[test]
fn not_asks_the_other_way_round() {
    let https = "remote_port == 443 is true (remote_port=443)";
    let local = "local_port == 40000 is true (local_port=40000)";
    assert_eq!(because("not remote_port == 443"), ["not remote_port == 443 is false (remote_port=443)"]);
    assert_eq!(because("not (remote_port == 443 and local_port == 40000)"), [https, local]);
    // The one that holds is enough.
    assert_eq!(because("not (remote_port == 22 or local_port == 40000)"), [local]);
    assert_eq!(because("not not far"), because("far"));
}

#[test]
fn the_values_that_a_part_is_about_are_told() {
    assert_eq!(because("near(24)"), ["near(24) is false (local_ip=10.0.0.1 remote_ip=10.0.1.2)"]);
    assert_eq!(because("role == server"), ["role == server is false (role=client)"]);
    assert_eq!(because("remote_ip in NETS"), ["remote_ip in NETS is false (remote_ip=10.0.1.2)"]);
    assert_eq!(because("port == 80"), ["port == 80 is false (local_port=40000 remote_port=443)"]);
    assert_eq!(
        because("remote_port * 2 + local_port < 100"),
        ["remote_port * 2 + local_port < 100 is false (remote_port=443 local_port=40000)"]
    );
    assert_eq!(because("between(remote_port, 500, 600)"), ["low <= x is false (remote_port=443)"]);
}

#[test]
fn a_choice_is_told_with_what_was_chosen() {
    assert_eq!(
        because("if remote_port == 443 then local_port == 1 else local_port == 2"),
        ["remote_port == 443 is true (remote_port=443)", "local_port == 1 is false (local_port=40000)",]
    );
}

#[test]
fn nothing_is_explained_where_nothing_happens() {
    let source =
        SourceFile::new("p.tcp", "on rto { count r }\ntest \"t\" { fire rto expect counter r == 1 }\n");
    let program = analyze(&source).program;
    assert_eq!(explain(&program, &source, &[]), Err("no event is raised".to_owned()));
    let early = explain(&program, &source, &program.tests[0].steps);
    assert_eq!(early, Err("the policy did not ask for it in the events before".to_owned()));
}

#[test]
fn a_sample_is_explained_on_a_connection_that_it_draws() {
    let text = "rare: on rto sample 0.01% when backoff > 2 { count r }\n\
                test \"t\" { fire active_established; fire rto { backoff = 3 } expect counter r == 1 }\n";
    let source = SourceFile::new("p.tcp", text);
    let program = analyze(&source).program;
    let explanation = explain(&program, &source, &program.tests[0].steps).unwrap();
    assert_eq!(explanation.drawn.as_deref(), Some("0.01%"));
    assert_eq!(fired(&explanation), ["rare"]);
}
