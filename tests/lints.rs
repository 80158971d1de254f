//! Suspicious policies and what their authors are told; and that nothing is said of policies that are as they should be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../src/render/mod.rs"]
#[allow(dead_code, reason = "only the text form is looked at here")]
mod render;

use std::fmt::Write;
use std::time::{Duration, Instant};

use tcpc_analysis::lint::lint;
use tcpc_lang::analyze;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::modules::{NoFiles, load};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::policies::{MODULES, POLICIES};

/// What the checker and the lints say.
fn findings(source: &SourceFile) -> Vec<Diagnostic> {
    let analysis = analyze(source);
    assert!(analysis.is_valid(), "{}: {:#?}", source.name(), analysis.diagnostics);
    let mut findings = lint(&analysis.program, source, &analysis.diagnostics);
    findings.extend(analysis.diagnostics);
    findings.sort_by_key(|found| found.primary.as_ref().map(|label| label.span.start));
    findings
}

fn codes(text: &str) -> Vec<Code> {
    findings(&load(SourceFile::new("policy.tcp", text), &NoFiles)).iter().map(|found| found.code).collect()
}

#[test]
fn messages() {
    insta::glob!("lints/*.tcp", |path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let source = load(SourceFile::new(name, std::fs::read_to_string(path).unwrap()), &NoFiles);
        let told = findings(&source);
        assert!(!told.is_empty(), "nothing is said of {name}");
        let told =
            told.iter().map(|found| render::text(found, Some(&source), false)).collect::<Vec<_>>().join("\n");
        insta::with_settings!({ omit_expression => true, snapshot_path => "lints", prepend_module_to_snapshot => false }, { insta::assert_snapshot!(told) });
    });
}

#[test]
fn nothing_is_said_of_the_standard_library() {
    for policy in POLICIES.iter().chain(MODULES) {
        let source = load(SourceFile::new(policy.name, policy.text), &NoFiles);
        let analysis = analyze(&source);
        let told = lint(&analysis.program, &source, &[]);
        let told: Vec<String> = told.iter().map(|found| render::text(found, Some(&source), false)).collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
    }
}

/// The blocks of a page that are marked so.
fn blocks<'p>(page: &'p str, mark: &str) -> Vec<&'p str> {
    let fence = format!("```tcp,{mark}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_examples_of_the_pages_do_what_these_say() {
    for code in [Code::ImpossibleRule, Code::RepeatedRule, Code::LostToLaterRule, Code::DecidedPart] {
        let (fails, passes) = (blocks(code.explanation(), "fails"), blocks(code.explanation(), "passes"));
        assert!(!fails.is_empty() && !passes.is_empty(), "{}", code.as_str());
        for example in fails {
            assert_eq!(codes(example), [code], "{example}");
        }
        for example in passes {
            assert_eq!(codes(example), [], "{example}");
        }
    }
}

#[test]
fn what_the_checker_says_is_said_once() {
    let never = "on passive_established when remote_port == 1 and role == client { count a }";
    assert_eq!(codes(never), [Code::ConstantTest]);
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let good = [
        // The general rule first, the special one later.
        "on tcp_connect { mark = 1 }\non tcp_connect when remote_port == 443 { mark = 2 }",
        // The special answer first, the general one later.
        "on timeout_init when same_prefix(44) -> 10ms\non timeout_init -> 100ms",
        // One may be refused, so the other one stays.
        "on tcp_connect { congestion = \"cubic\" }\non tcp_connect { congestion = \"bbr\" }",
        // What is between looks at it.
        "on tcp_connect { mark = 1 }\non tcp_connect when mark == 1 { count marked }\non tcp_connect { mark = 2 }",
        // The event may end in between.
        "on tcp_connect { mark = 1 }\non tcp_connect when remote_port == 22 { stop }\non tcp_connect { mark = 2 }",
        // Each is another draw.
        "on tcp_connect when sample(1%) { stop }\non tcp_connect when sample(1%) { mark = 1 }",
        "on tcp_connect when random() % 2 == 0 and random() % 2 == 1 { mark = 1 }",
        // The rule runs in one of its events.
        "on timeout_init, rwnd_init when role == server { count a }\non timeout_init -> 10ms\non rwnd_init when role == client -> 4",
        // What is so on one end decides nothing of the other.
        "on established when nodelay or role == client { mark = 1 }",
        // The window is another one after it was assigned.
        "on established when snd_cwnd == 10 { init_cwnd = 40 }\non established when snd_cwnd > 10 { count large }",
        "flow { n: int }\non rtt { flow.n += 1 }\non rtt when flow.n == 1 { count first }\non rtt { flow.n += 1 }\non rtt when flow.n == 1 { count never_perhaps }",
    ];
    for text in good {
        assert_eq!(codes(text), [], "{text}");
    }
}

#[test]
fn a_thousand_rules_are_looked_at_in_a_moment() {
    let mut chained = String::new();
    let mut mixed = String::new();
    for at in 0..1000 {
        let (a, b) = (at / 250, at % 250);
        writeln!(
            chained,
            "on timeout_init when remote_ip in 10.{a}.{b}.0/24 and remote_port != {at} -> {}ms",
            at + 1
        )
        .unwrap();
        let condition = match at % 3 {
            0 => format!("remote_ip in 10.{a}.{b}.0/24"),
            1 => format!("local_port == {at}"),
            _ => format!("srtt > {at}ms or snd_cwnd < {at}"),
        };
        writeln!(
            mixed,
            "on established when {condition} {{ mark = {at}; if remote_port == {at} {{ stop }} }}"
        )
        .unwrap();
    }
    for text in [chained, mixed] {
        let source = SourceFile::new("large.tcp", text.as_str());
        let analysis = analyze(&source);
        assert!(analysis.is_valid());
        let begun = Instant::now();
        lint(&analysis.program, &source, &analysis.diagnostics);
        // Unoptimised; a limit that only a hang reaches.
        assert!(begun.elapsed() < Duration::from_secs(120));
    }
}
