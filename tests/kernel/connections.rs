//! `tcpc test --kernel`: the tests of policies on real connections.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tcpc_compiler::Options;
use tcpc_lab::{Built, Host, Outcome, Verdict, run_tests};
use tcpc_lang::source::SourceFile;
use tcpc_loader::{cgroup2_mount, list};

use super::commands::tcpc;
use super::lab::lab;

/// Which tests of the standard library may be skipped, and why.
const SKIPPED: &str = "tests/kernel/skipped.txt";
const CONSTRUCTS: &str = "tests/kernel/constructs.tcp";

/// Each test with its verdict, and the reason if it was skipped.
fn verdicts(document: &Value) -> Vec<(String, String, String)> {
    let reports = document["reports"].as_array().unwrap().iter();
    let tests = reports.flat_map(|report| {
        report["tests"].as_array().unwrap().iter().map(move |test| (report["file"].as_str().unwrap(), test))
    });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    tests
        .map(|(file, test)| {
            let file = Path::new(file).file_name().unwrap().to_str().unwrap();
            let name = format!("{file}: \"{}\"", test["name"].as_str().unwrap());
            (name, text(&test["verdict"]), text(&test["kernel"]["skipped"]))
        })
        .collect()
}

/// A reason without what differs from host to host.
fn masked(reason: &str) -> String {
    let words =
        reason.split(' ').map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_tests_of_the_standard_library_hold_on_real_connections() {
    let Some(_lab) = lab() else { return };
    let (code, out, err) = tcpc(&["test", "--kernel", "stdlib/policies", "--format", "json"]);
    let found = verdicts(&serde_json::from_str(&out).unwrap());
    let wrong: Vec<_> =
        found.iter().filter(|(_, verdict, _)| !matches!(verdict.as_str(), "passed" | "skipped")).collect();
    assert_eq!((code, wrong), (Some(0), vec![]), "{out}{err}");
    let skipped: BTreeSet<String> = found
        .iter()
        .filter(|(_, verdict, _)| verdict == "skipped")
        .map(|(name, _, reason)| format!("{name}: {}", masked(reason)))
        .collect();
    let known = std::fs::read_to_string(SKIPPED).unwrap();
    if std::env::var_os("BLESS").is_some() {
        // What was skipped on other hosts stays.
        let all: BTreeSet<String> = known.lines().map(str::to_owned).chain(skipped.clone()).collect();
        std::fs::write(SKIPPED, all.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        return;
    }
    // A host that has more skips less.
    let new: Vec<_> =
        skipped.iter().filter(|line| !known.lines().any(|known| known == line.as_str())).collect();
    assert!(new.is_empty(), "skipped here, and not in {SKIPPED}: {new:#?}");
    assert!(found.len() - skipped.len() > skipped.len(), "most tests can be set up");
}

#[test]
fn what_a_policy_keeps_and_is_told_is_asked_for_on_real_connections() {
    let Some(_lab) = lab() else { return };
    let (code, out, err) = tcpc(&["test", "--kernel", CONSTRUCTS]);
    let (head, rest) = out.split_once('\n').unwrap();
    assert!(head.starts_with("running 7 tests on Linux "), "{out}");
    let expected = r#"test tests/kernel/constructs.tcp: "a client" ... ok
test tests/kernel/constructs.tcp: "a server, and another one" ... ok
test tests/kernel/constructs.tcp: "timeouts" ... ok
test tests/kernel/constructs.tcp: "IPv4 over an IPv6 socket" ... ok
test tests/kernel/constructs.tcp: "what cannot be had" ... skipped: line 60: `total_retrans` is 0 on a real connection, and the test gives 5
"#;
    assert!(rest.starts_with(expected), "{out}");
    assert!(
        rest.contains(r#""ticks of another host" ... skipped: the test gives `hz` as 300, and here it is "#),
        "{out}"
    );
    assert!(
        rest.contains(r#""an address that nobody has" ... skipped: line 70: the connection cannot be had: "#),
        "{out}"
    );
    assert!(
        rest.trim_end().ends_with("ok. 4 passed; 0 failed; 0 disagree; 3 skipped; 0 filtered out"),
        "{out}"
    );
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

/// Options on the last segment, and those of the other end on segments after the handshake.
#[test]
fn options_of_every_segment_are_tried() {
    let Some(_lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("p.tcp");
    let text = r#"option goodbye = experimental 0xBEEF { answer: u8 }
send goodbye on fin when remote_port > 0 { answer = 7 }
receive goodbye on established { observe answers = goodbye.answer }
test "a last segment" {
    fire active_established
    transmit established expect not sent(goodbye)
    transmit fin expect sent(goodbye) and goodbye.answer == 7
}
test "the other end's" {
    given role = server, goodbye { answer = 9 }
    fire passive_established
    fire parse_hdr_opt expect observed answers == 1
}
"#;
    std::fs::write(&policy, text).unwrap();
    let (code, out, err) = tcpc(&["test", "--kernel", policy.to_str().unwrap()]);
    assert!(
        out.trim_end().ends_with("ok. 2 passed; 0 failed; 0 disagree; 0 skipped; 0 filtered out"),
        "{out}"
    );
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn a_test_that_fails_says_what_both_found() {
    let Some(_lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("p.tcp");
    let text = "on rwnd_init -> 20\ntest \"t\" {\n    fire rwnd_init expect reply == 21\n}\n";
    std::fs::write(&policy, text).unwrap();
    let (code, out, _) = tcpc(&["test", "--kernel", policy.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let shown = policy.display();
    for who in ["model", "kernel"] {
        let line = format!("in the {who}: {shown}:3:27: expected `reply == 21`, `reply` was 20 packets\n");
        assert!(out.contains(&line), "{out}");
    }
    assert!(out.contains("FAILED. 0 passed; 1 failed; 0 disagree; 0 skipped"), "{out}");
}

/// The kernel sends a SYN when a connection is made; a test must say that first.
#[test]
fn a_test_whose_steps_are_out_of_order_fails() {
    let Some(_lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("p.tcp");
    let text = "option o = experimental 0xBEEF { x: u16 }\nsend o on syn { x = 1 }\n\
                test \"t\" { transmit syn expect o.x == 1 }\n";
    std::fs::write(&policy, text).unwrap();
    let (code, out, _) = tcpc(&["test", "--kernel", policy.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(out.contains("in the model: cannot go on: no `syn` is sent before"), "{out}");
    assert!(out.contains("0 passed; 1 failed; 0 disagree; 0 skipped"), "{out}");
}

#[test]
fn ci_systems_are_told_what_was_skipped_and_why() {
    let Some(_lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("p.tcp");
    let text = "on rwnd_init -> 20\ntest \"right\" { fire rwnd_init expect reply == 20 }\n\
                test \"wrong\" { fire rwnd_init expect reply == 21 }\ntest \"never\" { advance 1h }\n";
    std::fs::write(&policy, text).unwrap();
    let (code, out, err) = tcpc(&["test", "--kernel", "--junit", "-", policy.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(out.contains(r#"tests="3" failures="1" errors="0" skipped="1""#), "{out}");
    assert!(out.contains(r#"<skipped message="it would take 3600 seconds"/>"#), "{out}");
    assert!(
        out.contains(r#"<failure message="it fails in the model and in the kernel" type="failure">"#),
        "{out}"
    );
    assert!(out.contains("in the kernel: ") && out.contains("expected `reply == 21`"), "{out}");
    assert!(err.contains("1 passed; 1 failed; 0 disagree; 1 skipped"), "{err}");
}

/// Which congestion control new connections have is the host's to say; those of a test have the model's.
#[test]
fn connections_begin_with_the_congestion_control_of_the_model() {
    let Some(_lab) = lab() else { return };
    let source = SourceFile::new(
        "p.tcp",
        "on active_established when remote_port == 443 { congestion = \"reno\" }\n\
         on passive_established when local_port == 1 { congestion = \"reno\" }\n\
         test \"client\" {\n    given remote_port = 80\n    fire active_established expect congestion == \"cubic\"\n}\n\
         test \"server\" { fire passive_established expect congestion == \"cubic\" }\n",
    );
    let analysis = tcpc_lang::analyze(&source);
    let mut host = Host::probe().unwrap();
    let compiled =
        tcpc_compiler::compile(&analysis.program, &source, &Options { hz: host.hz, stats: true }).unwrap();
    let built = Built { object: &compiled.object, program: &analysis.program, source: &source };
    let there = host.has_congestion("cubic");
    for test in run_tests(&host, &built, None).unwrap().tests {
        assert!(!there || test.verdict == Verdict::Passed, "{test:?}");
    }
    if std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap().trim() == "cubic" {
        return;
    }
    // Where it cannot be had, a test that asks for it cannot be set up.
    host.congestion = Some(vec!["reno".to_owned()]);
    for test in run_tests(&host, &built, None).unwrap().tests {
        let reason = "the congestion control `cubic` is not there";
        assert!(matches!(&test.kernel, Outcome::Skipped { reason: why, .. } if why == reason), "{test:?}");
    }
}

/// A model that is told of another host than the one at hand says something else than the kernel does.
#[test]
fn a_model_that_is_wrong_is_found_out() {
    let Some(_lab) = lab() else { return };
    let text = "on tcp_connect { sndbuf = 150KB }\n\
                on timeout_init -> 1s\n\
                test \"t\" { fire tcp_connect expect rule tcp_connect@1 }\n";
    let source = SourceFile::new("p.tcp", text);
    let analysis = tcpc_lang::analyze(&source);
    let mut host = Host::probe().unwrap();
    let compiled =
        tcpc_compiler::compile(&analysis.program, &source, &Options { hz: host.hz, stats: true }).unwrap();
    let built = Built { object: &compiled.object, program: &analysis.program, source: &source };
    let right = run_tests(&host, &built, None).unwrap();
    assert_eq!((right.tests[0].verdict, right.is_fine()), (Verdict::Passed, true), "{right:?}");

    host.wmem_max = 50_000;
    host.hz *= 2;
    let wrong = run_tests(&host, &built, None).unwrap();
    assert_eq!((wrong.tests[0].verdict, wrong.is_fine()), (Verdict::Disagrees, false));
    for by in ["bytes", "meaning"] {
        let found: Vec<_> = wrong.tests[0].differences.iter().filter(|one| one.by == by).collect();
        let has = |event: &str, what: &str| found.iter().any(|one| one.event == event && one.what == what);
        assert!(has("tcp_connect", "sndbuf") && has("timeout_init", "reply"), "{found:#?}");
        assert_eq!(found.iter().find(|one| one.what == "sndbuf").unwrap().kernel, "150KB");
    }
    assert!(
        tcpc_lab::report::render_all(&[wrong], 0, "x")
            .contains("in `tcp_connect`: `sndbuf` is 150KB in the kernel and 50KB in the model (its bytes)")
    );
}

fn left_by(pid: u32) -> Vec<PathBuf> {
    let mount = cgroup2_mount().unwrap().unwrap();
    let ours = |path: &PathBuf| path.display().to_string().contains(&format!("tcpc-lab-{pid}-"));
    let cgroups = std::fs::read_dir(mount).unwrap().flatten().map(|entry| entry.path());
    let attached = list().unwrap().into_iter().filter_map(|policy| policy.cgroup);
    cgroups.chain(attached).filter(ours).collect()
}

#[test]
fn a_run_that_is_killed_is_swept_by_the_next() {
    let Some(_lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("p.tcp");
    let text = "on tcp_connect { mark = 7 }\n\
                test \"slow\" {\n    fire tcp_connect\n    advance 2s\n    advance 2s\n    expect rule tcp_connect@1\n}\n\
                test \"quick\" { fire tcp_connect expect mark == 7 }\n";
    std::fs::write(&policy, text).unwrap();
    let policy = policy.to_str().unwrap();
    let mut killed = Command::new(env!("CARGO_BIN_EXE_tcpc"))
        .args(["test", "--kernel", "--filter", "slow", policy])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // Both its cgroups and the policy that is attached to one of them.
    while left_by(killed.id()).len() < 3 {
        assert!(Instant::now() < deadline, "it attached nothing");
        std::thread::sleep(Duration::from_millis(10));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(left_by(killed.id()).len(), 3);
    let (code, out, err) = tcpc(&["test", "--kernel", "--filter", "quick", policy]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(left_by(killed.id()), Vec::<PathBuf>::new());
}

#[test]
fn who_may_not_is_told_so() {
    let Some(_lab) = lab() else { return };
    // Somebody else must be able to run the command.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let command = folder.path().join("tcpc");
    std::fs::copy(env!("CARGO_BIN_EXE_tcpc"), &command).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), readable).unwrap();
    let ran =
        Command::new(&command).args(["test", "--kernel", "std::clamp"]).uid(65_534).current_dir("/").output();
    let ran = ran.unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{said}");
    assert!(said.contains("this process may not load and attach programs: it lacks CAP_BPF"), "{said}");
}
