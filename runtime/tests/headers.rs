//! TCP header options in the interpreter: what a policy writes and reads is what the evaluator finds in the bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;

use proptest::prelude::*;
use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::report::{Report, Status, render};
use tcpc_runtime::scenario::run_tests;

fn run(text: &str) -> Report {
    let source = SourceFile::new("p.tcp", text);
    let analysis = analyze(&source);
    let wrong: Vec<_> = analysis.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    assert!(wrong.is_empty(), "{text}\n{wrong:#?}");
    let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: true }).unwrap();
    run_tests(&compiled.object, &analysis.program, &source, None).unwrap()
}

/// Runs a policy whose tests must hold.
fn check(text: &str) {
    let report = run(text);
    assert!(report.failed() == 0 && report.passed() > 0, "{text}\n{}", render(&report));
}

const UTO: &str = "
    option uto = kind 28 { minutes: u1, value: u15 }
    send uto on syn { value = 30 }
    answer: send uto on synack when received(uto) { minutes = 1; value = uto.value / 10 }
    receive uto when uto.value > 0 {
        count received
        user_timeout = if uto.minutes == 1 then uto.value * 60s else uto.value * 1s
    }
";

fn check_uto(tests: &str) {
    check(&format!("{UTO}{tests}"));
}

#[test]
fn both_ends_of_a_handshake() {
    check_uto(
        r#"
        test "client" {
            fire tcp_connect
            transmit syn expect sent(uto) and uto.minutes == 0 and uto.value == 30
            given uto { minutes = 1, value = 3 }
            fire active_established expect received(uto) and counter received == 1 and user_timeout == 180s
            transmit established expect not sent(uto)
            transmit fin expect not sent(uto)
        }
        test "server" {
            connection listener { fire tcp_listen expect save_syn == 1 }
            connection child {
                given role = server, uto { value = 30 }
                transmit synack expect sent(uto) and uto.minutes == 1 and uto.value == 3 and rule answer == 1
                fire passive_established expect counter received == 1 and user_timeout == 30s
            }
        }
        test "a client that knows no options" {
            given role = server
            fire tcp_listen
            transmit synack expect not sent(uto) and not rule answer
            fire passive_established expect counter received == 0 and user_timeout == 0s
        }
        "#,
    );
}

#[test]
fn a_saved_syn_is_not_needed_where_the_last_ack_has_the_option_too() {
    check_uto(
        r#"
        test "a listener of its own" {
            given uto { value = 30 }
            fire passive_established expect save_syn == 1 and counter received == 1
        }
        test "a listener from before" {
            given uto { value = 30 }, save_syn = 0
            fire passive_established expect save_syn == 0 and counter received == 1
        }
        "#,
    );
}

#[test]
fn experiments_are_told_apart_by_their_identifiers() {
    check(
        r#"
        option ours = experimental 0xCC01 { id: u8 }
        option longer = experimental 0xCC02 { id: u16 }
        receive ours { count ours }
        receive longer { count longer }
        test "the other" {
            given longer { id = 5 }
            fire active_established expect counter ours == 0 and counter longer == 1 and longer.id == 5 and ours.id == 0
        }
        test "both" {
            given longer { id = 5 }, ours { id = 6 }
            fire passive_established expect counter ours == 1 and counter longer == 1 and ours.id == 6
        }
        test "the last one given" {
            given ours { id = 5 }
            given ours { id = 7 }
            fire active_established expect ours.id == 7
        }
        "#,
    );
}

#[test]
fn a_failed_send_is_shown_with_its_error() {
    let report = run(concat!(
        "option wide = kind 99 { a: u64, b: u64 }\n",
        "option probe = experimental 0xCC01 { id: u8 }\n",
        "send wide on syn when remote_port == 443 { a = 1 }\n",
        "late: send probe on syn when remote_port > 1 { id = 7 }\n",
        "test \"both\" {\n",
        "    fire tcp_connect\n",
        "    transmit syn expect sent(wide) and sent(probe)\n",
        "}\n",
    ));
    let Status::Failed(failure) = &report.tests[0].status else { panic!("{report:?}") };
    assert_eq!(failure.event.as_deref(), Some("transmit syn"));
    let refused: Vec<_> = failure
        .refused
        .iter()
        .map(|one| (one.option.as_str(), one.errno.as_str(), one.place.as_ref().map(|at| at.line)))
        .collect();
    // No room to reserve, and then none to write.
    assert_eq!(refused, [("send probe", "ENOSPC", Some(4)), ("send probe", "ENOSPC", Some(4))]);
    assert!(render(&report).contains("`send probe` on line 4 failed with ENOSPC (no space left)"));
}

#[test]
fn the_segment_size_counts_what_established_segments_will_have() {
    check(
        r#"
        option probe = experimental 0xCC01 { id: u8 }
        send probe on established { id = 7 }
        on hdr_opt_len when mode == 1 { count sizes }
        test "computed" {
            fire active_established
            fire hdr_opt_len { mode = 1 } expect counter sizes == 1
            transmit established expect sent(probe) and probe.id == 7 and counter sizes == 1
            transmit fin expect not sent(probe)
        }
        "#,
    );
}

#[test]
fn an_answer_that_is_sent_again_still_knows_the_syn() {
    check(
        r#"
        option probe = experimental 0xCC01 { id: u8 }
        send probe on synack when received(probe) { id = probe.id }
        test "twice" {
            given role = server, probe { id = 5 }
            fire tcp_listen
            transmit synack expect sent(probe) and probe.id == 5
            transmit synack expect sent(probe) and probe.id == 5
        }
        "#,
    );
}

/// Fields of an option that fill whole bytes, with a value for each.
fn fields() -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((1..=64u8, any::<u64>()), 1..6).prop_map(|mut fields| {
        // At most 24 bytes: the room in an established segment is 28.
        let mut bits = 0;
        fields.retain(|(width, _)| {
            bits += u32::from(*width);
            bits <= 8 * 23
        });
        if fields.is_empty() {
            fields.push((8, 1));
        }
        let total: u32 = fields.iter().map(|(width, _)| u32::from(*width)).sum();
        let missing = total.next_multiple_of(8) - total;
        if missing > 0 {
            fields.push((missing as u8, 0x5555));
        }
        fields.into_iter().map(|(width, value)| (width, value & (u64::MAX >> (64 - width)))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// Written by compiled code and read by the evaluator; given by a test and read by both.
    #[test]
    fn fields_of_any_width_are_written_and_read(fields in fields(), experiment in any::<bool>()) {
        let head = if experiment { "experimental 0xCC01" } else { "kind 99" };
        let mut declared = String::new();
        let mut values = String::new();
        let mut all = String::from("true");
        for (index, (bits, value)) in fields.iter().enumerate() {
            write!(declared, "f{index}: u{bits}, ").unwrap();
            write!(values, "f{index} = {value}, ").unwrap();
            write!(all, " and x.f{index} == {value}").unwrap();
        }
        let (declared, values) = (declared.trim_end_matches(", "), values.trim_end_matches(", "));
        check(&format!(
            "option x = {head} {{ {declared} }}
             send x on established {{ {values} }}
             receive x when {all} {{ count right }}
             receive x {{ count any }}
             test \"t\" {{
                 fire active_established expect counter any == 0
                 transmit established expect sent(x) and {all}
                 given x {{ {values} }}
                 fire parse_hdr_opt expect received(x) and {all} and counter any == 1 and counter right == 1
             }}"
        ));
    }
}
