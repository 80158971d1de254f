//! `tcpc doc` finds what is asked for.

use tcpc_lang::token::KEYWORDS;
use tcpc_stdlib::builtin::{BUILTINS, VALUE_WORDS};
use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::field::FIELDS;
use tcpc_stdlib::option::OPTIONS;

use crate::catalogue::{entries, find, similar};
use crate::support::repository;

/// `kind name` of what is found.
fn found(name: &str) -> Vec<String> {
    let entries = entries();
    find(&entries, name).iter().map(|entry| format!("{} {}", entry.kind.name(), entry.name)).collect()
}

#[test]
fn every_name_of_the_catalogue_has_an_entry() {
    let events = EVENTS.iter().skip(1).flat_map(|event| {
        [event.name, event.kernel].into_iter().chain(event.args.iter().map(|arg| arg.name))
    });
    let fields = FIELDS.iter().flat_map(|field| [field.name, field.kernel]).filter(|name| !name.is_empty());
    let options = OPTIONS.iter().flat_map(|option| [option.name, option.kernel]);
    let builtins = BUILTINS.iter().map(|builtin| builtin.name);
    for name in events.chain(fields).chain(options).chain(builtins).chain(VALUE_WORDS.iter().copied()) {
        assert!(!found(name).is_empty(), "{name}");
    }
}

#[test]
fn every_word_of_the_grammar_has_an_entry() {
    let grammar = std::fs::read_to_string(repository("lang/src/grammar.lalrpop")).unwrap();
    let soft = grammar.lines().filter(|line| line.contains("=> Token::Soft(Soft::"));
    let soft: Vec<&str> = soft.map(|line| line.split('"').nth(1).unwrap()).collect();
    assert!(soft.len() > 20, "{soft:?}");
    for word in KEYWORDS.iter().copied().chain(soft) {
        let is_word = |found: &String| found.starts_with("word ") || found == "built-in name kernel has";
        assert!(found(word).iter().any(is_word), "{word}");
    }
}

#[test]
fn kernel_spellings_lead_to_what_a_policy_writes() {
    assert_eq!(found("SO_SNDBUF"), ["socket option sndbuf"]);
    assert_eq!(found("srtt_us"), ["field srtt"]);
    assert_eq!(found("BPF_SOCK_OPS_RTO_CB_FLAG"), ["event rto"]);
    assert_eq!(found("bpf_sock_ops_tcp_listen"), ["event tcp_listen"]);
    assert_eq!(found("BPF_TCP_CLOSE"), ["TCP state CLOSE"]);
    assert_eq!(found("AF_INET"), ["type family"]);
}

#[test]
fn all_that_share_a_name_are_found() {
    assert_eq!(found("rto"), ["event rto", "argument rto"]);
    assert_eq!(found("state"), ["event state", "field state", "type state"]);
    assert_eq!(found("now()"), ["built-in name now"]);
    assert_eq!(found("e0303"), ["diagnostic E0303"]);
    assert!(found("").is_empty());
}

#[test]
fn what_was_meant_is_offered() {
    let entries = entries();
    assert_eq!(similar(&entries, "snd_cwmd"), ["snd_cwnd"]);
    assert_eq!(similar(&entries, "dport"), ["remote_port"]);
    assert_eq!(similar(&entries, "pacing"), ["max_pacing_rate"]);
    assert!(similar(&entries, "timestamps_of_bananas").is_empty());
}
