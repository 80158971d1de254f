//! What the checker promises of every text: it ends, it says something sensible about places, and a
//! program without errors keeps the invariants that later stages rely on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;

use tcpc_lang::diag::Code;
use tcpc_lang::source::{SourceFile, Span};
use tcpc_lang::{Analysis, analyze};

const SAMPLES: &[&str] = &[
    include_str!("typed/datacenter.tcp"),
    include_str!("typed/expressions.tcp"),
    include_str!("typed/kernel_has.tcp"),
    include_str!("typed/statements.tcp"),
    include_str!("typed/tests.tcp"),
    include_str!("typed/wrong_events.tcp"),
    include_str!("typed/wrong_names.tcp"),
    include_str!("typed/wrong_tests.tcp"),
    include_str!("typed/wrong_types.tcp"),
];

fn run(text: &str) -> Analysis {
    analyze(&SourceFile::new("checked.tcp", text))
}

fn codes(text: &str) -> Vec<Code> {
    run(text).diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

/// xorshift64: the same texts in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn exchanged_words_never_break_the_checker() {
    let mut random = Random(0x7c9);
    for round in 0..400 {
        let text = SAMPLES[round % SAMPLES.len()];
        let other = SAMPLES[random.below(SAMPLES.len())];
        let mut words: Vec<&str> = text.split(' ').collect();
        let others: Vec<&str> = other.split(' ').collect();
        for _ in 0..=random.below(8) {
            let at = random.below(words.len());
            words[at] = others[random.below(others.len())];
        }
        let text = words.join(" ");
        let analysis = run(&text);
        let within = |span: Span| {
            let slice = text.get(span.start as usize..span.end as usize);
            assert!(slice.is_some(), "{span:?} is not a place in {text:?}");
        };
        for diagnostic in &analysis.diagnostics {
            assert!(!diagnostic.message.ends_with('.'), "{}", diagnostic.message);
            diagnostic.primary.iter().chain(&diagnostic.secondary).for_each(|label| within(label.span));
            diagnostic.suggestion.iter().for_each(|edit| within(edit.span));
        }
        // Printing walks the whole tree, and meets ids that lead nowhere.
        let shown = analysis.program.to_string();
        assert!(!analysis.is_valid() || !shown.contains('?'), "{shown}");
    }
}

#[test]
fn edits_mend_what_they_are_offered_for() {
    // One mistake each, with a machine-applicable edit.
    let mistakes = [
        "on timeout_int -> 10ms",
        "on timeout_init -> 10",
        "on timeout_init -> 0ms",
        "on tcp_connect { sndbuf = 150000 }",
        "on tcp_connect { nodelay = 1 }",
        "on tcp_connect { SO_SNDBUF = 1MB }",
        "on tcp_connect { user_timeout = 1500us }",
        "on tcp_connect { congestion = dctcp }",
        "on tcp_connect when congestion == dctcp { mark = 1 }",
        "on active_established when srtt_us > 10ms { mark = 1 }",
        "on active_established when srtt > 100 { mark = 1 }",
        "on tcp_connect when remote_ip in 10.1.2.3/8 { mark = 1 }",
        "on needs_ecn -> false",
        "on needs_ecn -> 1",
        "q: on timeout_init -> 10ms\ntest \"t\" { fire timeout_init expect rule qq or rule quic }\nquick: on rwnd_init -> 4",
    ];
    for mistake in mistakes {
        let found = run(mistake).diagnostics;
        let edit = found.iter().find_map(|found| found.suggestion.clone());
        let edit = edit.unwrap_or_else(|| panic!("no edit for {mistake}"));
        let mut mended = mistake.to_string();
        mended.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.replacement);
        let left = run(&mended).diagnostics;
        assert!(left.len() < found.len(), "{mistake} became {mended}: {left:#?}");
    }
}

#[test]
fn names_inside_names_are_bounded() {
    let mut text = "let a0(x) = x + 1\n".to_string();
    for level in 1..300 {
        writeln!(text, "let a{level}(x) = a{}(a{}(x))", level - 1, level - 1).unwrap();
    }
    text.push_str("on active_established { mark = a299(snd_cwnd) }\n");
    assert!(codes(&text).contains(&Code::TooComplex));
}

#[test]
fn a_chain_of_constants_in_order_has_no_limit() {
    let mut text = "const A0 = 1\n".to_string();
    for level in 1..2000 {
        writeln!(text, "const A{level} = A{} + 1", level - 1).unwrap();
    }
    text.push_str("on active_established { mark = A1999 }\n");
    assert_eq!(codes(&text), []);
}

#[test]
fn large_sets_are_merged() {
    let mut text = "set NETS = {\n".to_string();
    for host in 0..20_000u32 {
        writeln!(text, "10.{}.{}.{},", host >> 15 & 255, host >> 7 & 255, host << 1 & 255).unwrap();
    }
    text.push_str("11.0.0.0/8 }\non tcp_connect when remote_ip in NETS { mark = 1 }\n");
    let analysis = run(&text);
    assert_eq!(analysis.diagnostics, []);
    assert_eq!(analysis.program.sets[0].ranges.len(), 20_001);
}

#[test]
fn one_mistake_in_a_let_is_reported_once() {
    let text = "let near = srt < 1ms\n\
                on active_established when near { mark = 1 }\n\
                on passive_established when near { mark = 2 }\n";
    assert_eq!(codes(text), [Code::UnknownName]);
}

#[test]
fn a_guard_in_any_form_silences_the_warning_about_the_server() {
    let guards = [
        "role == client",
        "not (role == server)",
        "is_fullsock",
        "is_fullsock == true",
        "mine",
        "remote_port == 1 and role == client",
    ];
    for guard in guards {
        let text =
            format!("let mine = role == client\non timeout_init when snd_cwnd < 9 and {guard} -> 10ms\n");
        assert!(!codes(&text).contains(&Code::ReadsZero), "{guard}");
        let text = format!("let mine = role == client\non timeout_init {{ if {guard} {{ mark = 1 }} }}\n");
        assert!(!codes(&text).contains(&Code::NoSocketHere), "{guard}");
    }
    for guard in ["role == server", "remote_port == 1", "role == client or remote_port == 1"] {
        let text = format!("on timeout_init when snd_cwnd < 9 and ({guard}) -> 10ms\n");
        assert!(codes(&text).contains(&Code::ReadsZero), "{guard}");
    }
    let early = "on timeout_init { if role == server { stop } mark = 1 }\n";
    assert_eq!(codes(early), []);
}

#[test]
fn every_supported_row_of_the_catalogue_can_be_used() {
    use tcpc_stdlib::builtin::BUILTINS;
    use tcpc_stdlib::event::EVENTS;
    for event in EVENTS.iter().filter(|event| event.supported) {
        let found = run(event.example).diagnostics;
        assert_eq!(found, [], "{}", event.example);
    }
    for builtin in BUILTINS.iter().filter(|builtin| builtin.name != "sent") {
        let saves = match builtin.name {
            "syn_tos" => "on tcp_listen { save_syn = 1 }\n",
            "received" => "option uto = kind 28 { value: u16 }\n",
            _ => "",
        };
        // What an example is compared with depends on its type; hashing takes all of them.
        let use_it = match builtin.name {
            "now" | "random" | "sample" | "hash" | "same_prefix" | "port" | "role" | "syn_tos"
            | "received" => {
                format!("on passive_established when {} {{ mark = 1 }}", builtin.example)
            }
            _ => format!("on passive_established {{ mark = hash({}) }}", builtin.example),
        };
        let analysis = run(&format!("{saves}{use_it}"));
        assert!(analysis.is_valid(), "{use_it}: {:#?}", analysis.diagnostics);
    }
}

#[test]
fn many_findings_are_cut_and_errors_kept() {
    let mut text = "on tcp_connect when remote_port >= 0 { mark = 1 }\n".repeat(300);
    text.push_str("on tcp_conect { mark = 1 }\n");
    let analysis = run(&text);
    assert_eq!(analysis.diagnostics.len(), tcpc_lang::MOST_DIAGNOSTICS);
    assert!(!analysis.is_valid());
}

/// Layout means nothing: rules of an arm need no indentation.
#[test]
fn an_experiment_can_stand_on_the_margin() {
    let text = "experiment x by connection {\narm a {\non established { mark = 1 }\nr: on established { mark = 2 }\n}\n\
                arm b {\non rto { count c }\non retrans { count d }\n}\nmeasure srtt\n}\n";
    assert_eq!(run(text).diagnostics, []);
}

/// A `let` that no rule uses can be for any event.
#[test]
fn an_argument_of_an_event_has_a_name_outside_of_rules() {
    let text = "let closing = new_state == CLOSE\non established { mark = 1 }\n";
    assert_eq!(codes(text), [Code::UnusedName]);
}
