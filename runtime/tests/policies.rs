//! Policies with their tests, from the text to the report.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::modules::{NoFiles, load};
use tcpc_lang::source::SourceFile;
use tcpc_runtime::report::{Report, Status, render};
use tcpc_runtime::scenario::run_tests;

/// Compiles a policy and runs its tests.
fn run(name: &str, text: &str, stats: bool) -> Report {
    let source = load(SourceFile::new(name, text), &NoFiles);
    let analysis = analyze(&source);
    let wrong: Vec<_> = analysis.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats }).unwrap();
    run_tests(&compiled.object, &analysis.program, &source, None).unwrap()
}

/// Runs a policy whose tests must hold.
fn check(text: &str) {
    let report = run("p.tcp", text, true);
    assert!(report.failed() == 0 && report.passed() > 0, "{}", render(&report));
}

#[test]
fn the_standard_librarys_policies_pass_their_tests() {
    for policy in tcpc_stdlib::policies::POLICIES.iter().chain(tcpc_stdlib::policies::MODULES) {
        let report = run(policy.name, policy.text, true);
        assert!(report.failed() == 0 && report.passed() > 0, "{}", render(&report));
    }
}

#[test]
fn replies_are_first_match_wins_and_actions_accumulate() {
    check(
        r#"
        on timeout_init when remote_port == 443 -> 10ms
        on timeout_init -> 20ms
        on tcp_connect { sndbuf = 100KB; rcvbuf = 100KB }
        on tcp_connect { sndbuf = 200KB }
        test "order" {
            given remote = 10.0.0.1 port 443
            fire timeout_init expect reply == 10ms
            fire tcp_connect expect sndbuf == 200KB and rcvbuf == 100KB
        }
        test "other port" {
            given remote = 10.0.0.1 port 80
            fire timeout_init expect reply == 20ms
        }
        "#,
    );
}

#[test]
fn expressions_mean_the_same_compiled_and_evaluated() {
    check(
        r#"
        set NETS = { 10.0.0.0/8, 2401:db00::/32 }
        set PORTS = { 80, 443, 8000..8999 }
        let near(x) = clamp(x, 10ms, 80ms)
        on rwnd_init when hash(remote_ip, remote_port) % 2 == 0 -> 20
        on rwnd_init -> 21
        on timeout_init when remote_ip in NETS and remote_port in PORTS -> near(srtt * 2)
        on active_established when min(snd_cwnd, 20) - 30 == 0 and max(srtt, 5ms) / 1ms == 7 { count small }
        on active_established when not (rcv_nxt % 7 == 0) or snd_nxt << 4 == 0x120 { count odd }
        test "values" {
            given remote = 10.1.2.3 port 8042, srtt = 7ms, snd_nxt = 18
            fire timeout_init expect reply == near(srtt * 2) and reply == 14ms
            fire rwnd_init expect reply == (if hash(remote_ip, remote_port) % 2 == 0 then 20 else 21)
            fire active_established expect counter small == 1 and counter odd == 1
        }
        test "outside" {
            given remote = 11.1.2.3 port 8042
            fire timeout_init expect reply == default
        }
        test "another hash" {
            given remote = 2401:db00::7 port 9, srtt = 200ms
            fire rwnd_init expect reply == (if hash(remote_ip, remote_port) % 2 == 0 then 20 else 21)
        }
        "#,
    );
}

#[test]
fn fall_backs_are_tried_until_one_is_taken() {
    check(
        r#"
        on tcp_connect { congestion = "dctcp" or "bbr" or "reno" }
        test "the second" {
            given congestion "dctcp" fails ENOENT
            fire tcp_connect expect congestion == "bbr"
        }
        "#,
    );
}

#[test]
fn a_failure_says_what_was_there_and_what_ran() {
    let report = run(
        "dc.tcp",
        concat!(
            "syn: on timeout_init -> 10ms\n",
            "on tcp_connect { congestion = \"dctcp\" }\n",
            "test \"ticks\" {\n",
            "    given hz = 100\n",
            "    fire timeout_init expect reply == 15ms\n",
            "}\n",
            "test \"congestion\" {\n",
            "    given congestion fails EPERM\n",
            "    fire tcp_connect expect congestion == \"dctcp\" and snd_cwnd > 5\n",
            "}\n",
        ),
        true,
    );
    insta::assert_snapshot!(render(&report), @r#"
    running 2 tests
    test dc.tcp: "ticks" ... FAILED
    test dc.tcp: "congestion" ... FAILED

    failures:

    ---- dc.tcp: "ticks" ----
    dc.tcp:5:30: expected `reply == 15ms`
        `reply` was 10ms
        rule that ran in `timeout_init`: `syn`

    ---- dc.tcp: "congestion" ----
    dc.tcp:9:29: expected `congestion == "dctcp" and snd_cwnd > 5`
        `congestion` was "cubic"
        `snd_cwnd` was 10 packets
        rule that ran in `tcp_connect`: `tcp_connect@2`
        `congestion = "dctcp"` on line 2 failed with EPERM (the kernel does not allow it here)

    failures:
        dc.tcp: "ticks"
        dc.tcp: "congestion"

    test result: FAILED. 0 passed; 2 failed; 0 filtered out
    "#);
}

#[test]
fn a_report_is_data() {
    let report =
        run("p.tcp", "on timeout_init -> 10ms\ntest \"t\" { fire timeout_init expect reply == 9ms }\n", true);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["tests"][0]["status"], "failed");
    assert_eq!(json["tests"][0]["actual"][0]["value"], "10ms");
    assert_eq!(json["rules"][0]["hits"], 1);
}

#[test]
fn without_counts_expectations_of_values_still_hold() {
    let text = "on timeout_init -> 10ms\ntest \"t\" { fire timeout_init expect reply == 10ms }\n\
                test \"rule\" { fire timeout_init expect rule timeout_init@1 }\n";
    let report = run("p.tcp", text, false);
    assert_eq!(report.tests[0].status, Status::Passed);
    let Status::Errored { message, .. } = &report.tests[1].status else { panic!("{report:?}") };
    assert_eq!(message, "the object does not count how often rules run");
}
