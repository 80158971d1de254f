//! What tests reach is what they did, and the meaning that it is counted on does what the bytes do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::hir::RuleKind;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::coverage::{Coverage, FileCoverage, Recorder, Tally};
use tcpc_runtime::report::Report;
use tcpc_runtime::scenario::{Wanted, run_tests_with};
use tcpc_stdlib::policies::POLICIES;

fn covered(name: &str, text: &str) -> (Report, Coverage) {
    let source = SourceFile::new(name, text);
    let analysis = analyze(&source);
    assert!(analysis.is_valid(), "{name}: {:?}", analysis.diagnostics);
    let compiled = compile(&analysis.program, &source, &Options { hz: 250, stats: true }).unwrap();
    let mut recorder = Recorder::new(&analysis.program, &source);
    let wanted = Wanted { recorder: Some(&mut recorder), ..Wanted::default() };
    let report = run_tests_with(&compiled.object, &analysis.program, &source, wanted).unwrap();
    (report, recorder.finish())
}

fn file(text: &str) -> FileCoverage {
    let (report, coverage) = covered("p.tcp", text);
    assert_eq!((report.failed(), &report.disagreements), (0, &Vec::new()));
    coverage.files["p.tcp"].clone()
}

fn missing(text: &str) -> Vec<String> {
    file(text).missing().into_iter().map(|one| format!("{}: {}", one.line, one.what)).collect()
}

#[test]
fn rules_fire_as_often_as_the_bytes_count() {
    let mut compared = 0;
    for policy in POLICIES {
        let name = format!("std/{}.tcp", policy.name);
        let source = SourceFile::new(&name, policy.text);
        let program = analyze(&source).program;
        let (report, coverage) = covered(&name, policy.text);
        assert_eq!(report.disagreements, [], "{name}");
        let counted = &coverage.files[&name].rules;
        for (rule, reach) in program.rules.iter().zip(&report.rules) {
            // The bytes count a rule that sends where it writes, and not where it makes room.
            if matches!(rule.kind, RuleKind::Send(_)) {
                continue;
            }
            if let Some(known) = counted.values().find(|known| known.name == reach.name) {
                assert_eq!(Some(known.hits), reach.hits, "{name}: {}", reach.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "{compared} rules are not many");
}

#[test]
fn statements_are_counted_along_the_ways_that_were_taken() {
    let lines = file(
        "on rto {\n\
           if backoff > 2 {\n\
             stop\n\
           } else {\n\
             count few\n\
           }\n\
           count always\n\
         }\n\
         test \"t\" { fire active_established; fire rto { backoff = 1 }; fire rto { backoff = 2 }\n\
           fire rto { backoff = 3 } expect counter few == 2 and counter always == 2 }\n",
    )
    .lines;
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), [(1, 3), (2, 3), (3, 1), (5, 2), (7, 2)]);
}

#[test]
fn what_stands_in_one_place_is_one_condition() {
    let text = "\
        let web = remote_port == 443 or remote_port == 80\n\
        on timeout_init when web -> 10ms\n\
        on rwnd_init when web -> 40\n\
        test \"t\" { given remote_port = 443; fire timeout_init expect reply == 10ms }\n\
        test \"u\" { given remote_port = 80; fire rwnd_init expect reply == 40 }\n";
    // One rule saw the first part true, the other one the second.
    assert_eq!(file(text).conditions(), Tally { covered: 1, total: 2 });
    assert_eq!(
        missing(text),
        [
            "1: `remote_port == 80` is never false",
            "2: the condition of `timeout_init@2` is never false",
            "3: the condition of `rwnd_init@3` is never false",
        ]
    );
}

#[test]
fn either_port_is_one_condition() {
    let text = "\
        on timeout_init when port == 443 -> 10ms\n\
        test \"t\" { given remote_port = 443; fire timeout_init expect reply == 10ms }\n";
    assert_eq!(file(text).conditions(), Tally { covered: 0, total: 1 });
    assert_eq!(missing(text), ["1: the condition of `timeout_init@1` is never false"]);
}

#[test]
fn what_a_head_says_is_no_condition() {
    let text = "\
        option uto = kind 28 { minutes: u1, value: u15 }\n\
        send uto on syn { value = 30 }\n\
        receive uto { count got }\n\
        on established sample 50% { count rare }\n\
        test \"t\" { given uto { value = 1 }; fire tcp_connect; transmit syn expect sent(uto)\n\
          fire active_established expect counter got == 1 }\n";
    let file = file(text);
    assert_eq!((file.conditions().total, file.branches().total, file.rules().total), (0, 0, 3));
}

#[test]
fn a_value_is_no_decision() {
    let text = "\
        event seen { late: bool }\n\
        on rto { emit seen { late = backoff > 2 } }\n\
        on tcp_connect { sndbuf = if remote_port == 443 then 1MB else 2MB }\n\
        test \"t\" { given remote_port = 443; fire tcp_connect expect sndbuf == 1MB }\n";
    let file = file(text);
    assert_eq!(file.conditions(), Tally { covered: 0, total: 1 });
    assert_eq!(file.branches(), Tally { covered: 1, total: 2 });
}

#[test]
fn shares_are_rounded_down() {
    assert_eq!(Tally { covered: 999, total: 1000 }.percent(), 99);
    assert_eq!(Tally { covered: 0, total: 0 }.percent(), 100);
}

#[test]
fn the_tests_of_several_policies_add_up() {
    let policy = |port: u16| {
        let text = format!(
            "on timeout_init when remote_port == 443 -> 10ms\n\
             test \"t\" {{ given remote_port = {port}; fire timeout_init expect rule timeout_init@1 < 2 }}\n"
        );
        covered("common.tcp", &text).1
    };
    let mut both = policy(443);
    assert_eq!(both.totals()[3], Tally { covered: 2, total: 4 });
    both.add(policy(80));
    assert_eq!(both.totals()[3], Tally { covered: 4, total: 4 });
}
