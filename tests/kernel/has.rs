//! What the running kernel has: found out by trying it, and decided in policies when they are loaded.

use std::process::Command;

use tcpc_compiler::{Options, compile};
use tcpc_lang::source::SourceFile;
use tcpc_loader::{
    Answer, AttachRequest, Attached, LoaderError, Prober, Question, Trial, Warning, attach_as, cgroup2_mount,
    detach, list, probe,
};
use tcpc_stdlib::feature::{FeatureKind, feature, features};
use tcpc_stdlib::kernel::{CONSTANTS_MAX_BEFORE, LARGE_CONSTANTS_SINCE};
use tcpc_stdlib::option::option;

use super::lab::{Pair, Side, lab};
use super::probes::{connect, number};
use super::watch::{assert_no_failures, count};

const POLICY: &str = "
on tcp_connect {
    if kernel has rto_max { rto_max = 5s } else { user_timeout = 30s }
    if family == ipv4 {
        if kernel has transparent { transparent = true; mark = 1 } else { mark = 2 }
    }
    if kernel has skb_hwtstamp { count stamps }
}
on active_established when kernel has skb_hwtstamp and skb_hwtstamp == 0s { count unstamped }
";

/// A kernel that has nothing that is newer than the floor.
pub struct Floor;

impl Prober for Floor {
    fn answer(&self, questions: &[Question]) -> Vec<Answer> {
        vec![Answer::HasNot; questions.len()]
    }
}

/// A kernel that has all.
struct Everything;

impl Prober for Everything {
    fn answer(&self, questions: &[Question]) -> Vec<Answer> {
        vec![Answer::Has; questions.len()]
    }
}

/// Attaches a policy where this says what the kernel has.
pub fn attach(side: &Side, text: &str, prober: &dyn Prober) -> Result<Attached, LoaderError> {
    let source = SourceFile::new("has.tcp", text);
    let analysis = tcpc_lang::analyze(&source);
    assert!(analysis.is_valid(), "{text}: {:?}", analysis.diagnostics);
    let object = compile(&analysis.program, &source, &Options { hz: 250, stats: true }).unwrap().object;
    attach_as(
        AttachRequest {
            cgroup: side.cgroup.clone(),
            object,
            name: None,
            allow_root: false,
            parameters: Vec::new(),
            ring_bytes: None,
        },
        prober,
    )
}

/// Whether a kernel of this version has it, by the catalogue.
fn expected(written: &str) -> bool {
    feature(written).unwrap().since <= probe::kernel().unwrap()
}

/// No cgroup of a trial is left, and so no process in one.
fn assert_nothing_of_a_trial_is_left() {
    let ours = format!("tcpc-probe-{}-", std::process::id());
    let mount = cgroup2_mount().unwrap().unwrap();
    let names = std::fs::read_dir(mount).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(&ours)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_branch_that_this_kernel_takes_runs() {
    let Some(lab) = lab() else { return };
    let attached = attach(&lab.client, POLICY, &Trial).unwrap();
    assert_nothing_of_a_trial_is_left();
    for (name, has) in &attached.features {
        assert_eq!(*has, expected(name), "{name}");
    }
    let connection = connect(&lab, Pair::V4);
    let seen = |name: &str| {
        let option = option(name).unwrap();
        number(&connection.client, option.level as i32, option.number as i32)
    };
    let (rto_max, transparent) = (expected("rto_max"), expected("transparent"));
    assert_eq!(seen("user_timeout"), if rto_max { 0 } else { 30_000 });
    if rto_max {
        assert_eq!(seen("rto_max"), 5_000);
    }
    assert_eq!(seen("transparent"), u32::from(transparent));
    assert_eq!(seen("mark"), if transparent { 1 } else { 2 });
    assert_eq!(count(&attached.pins, "stamps"), u64::from(expected("skb_hwtstamp")));
    assert_eq!(count(&attached.pins, "unstamped"), u64::from(expected("skb_hwtstamp")));
    assert_no_failures(&attached.pins);
    detach(&lab.client.cgroup, None).unwrap();
}

#[test]
fn on_a_kernel_without_it_the_other_branch_runs() {
    let Some(lab) = lab() else { return };
    let attached = attach(&lab.client, POLICY, &Floor).unwrap();
    assert!(attached.features.iter().all(|(_, has)| !has), "{:?}", attached.features);
    let connection = connect(&lab, Pair::V4);
    let option = option("user_timeout").unwrap();
    assert_eq!(number(&connection.client, option.level as i32, option.number as i32), 30_000);
    assert_eq!(count(&attached.pins, "stamps"), 0);
    detach(&lab.client.cgroup, None).unwrap();
}

/// Bytes of the program as the kernel runs it.
fn translated(attached: &Attached) -> u32 {
    let programs = aya::programs::loaded_programs().map(Result::unwrap);
    let found = programs.into_iter().find(|program| program.id() == attached.program_id).unwrap();
    found.size_translated().unwrap()
}

#[test]
fn the_verifier_removes_the_branch_that_is_not_taken() {
    let Some(lab) = lab() else { return };
    let size = |text: &str, prober: &dyn Prober| {
        let attached = attach(&lab.client, text, prober).unwrap();
        let size = translated(&attached);
        detach(&lab.client.cgroup, None).unwrap();
        size
    };
    // Each `count` is four instructions of eight bytes, and the question as many with its jump.
    let counts = "count a count b count c count d";
    let asking = format!(
        "on tcp_connect {{ if kernel has nodelay {{ {counts} }} else {{ {counts} count e }} mark = 1 }}\n"
    );
    let plain = |counts: &str| size(&format!("on tcp_connect {{ {counts} mark = 1 }}\n"), &Floor);
    assert!(size(&asking, &Everything) <= plain(counts) + 32);
    assert!(size(&asking, &Floor) <= plain(&format!("{counts} count e")) + 32);
}

#[test]
fn what_is_used_without_asking_is_refused_and_nothing_stays() {
    let Some(lab) = lab() else { return };
    let error = attach(&lab.client, "on tcp_connect { mark = 1\n rto_max = 5s }\n", &Floor).unwrap_err();
    assert!(error.to_string().ends_with("lacks `rto_max`, which line 2 of the policy uses"), "{error}");
    assert!(error.help().unwrap().ends_with("use it only where `kernel has rto_max`"));
    if !expected("transparent") {
        let text = "on tcp_connect when family == ipv4 { transparent = true }\n";
        let error = attach(&lab.client, text, &Trial).unwrap_err();
        assert!(matches!(error, LoaderError::KernelLacks { .. }), "{error}");
    }
    assert!(list().unwrap().iter().all(|one| one.cgroup.as_ref() != Some(&lab.client.cgroup)));
    assert_eq!(tcpc_loader::Cgroup::open(&lab.client.cgroup).unwrap().programs().unwrap(), []);
    assert_nothing_of_a_trial_is_left();
}

#[test]
fn the_kernel_has_what_the_catalogue_says_of_its_version() {
    let Some(lab) = lab() else { return };
    let newer: Vec<_> = features().filter(|one| !one.is_everywhere()).collect();
    let mut questions: Vec<Question> = newer.iter().copied().map(Question::Feature).collect();
    questions.push(Question::Constants(u64::from(CONSTANTS_MAX_BEFORE) * 2));
    let answers = lab.client.network(|| Trial.answer(&questions));
    assert_nothing_of_a_trial_is_left();
    let kernel = probe::kernel().unwrap();
    let of = |has| if has { Answer::Has } else { Answer::HasNot };
    for (one, answer) in newer.iter().zip(&answers) {
        match one.kind {
            FeatureKind::Argument | FeatureKind::Builtin => {
                assert_eq!(*answer, Answer::Unknown, "{}", one.written())
            }
            _ => assert_eq!(*answer, of(one.since <= kernel), "{}", one.written()),
        }
    }
    assert_eq!(answers.last(), Some(&of(LARGE_CONSTANTS_SINCE <= kernel)));
}

#[test]
fn without_loopback_the_version_tells() {
    let Some(lab) = lab() else { return };
    let flush = ["-n", &lab.client.name, "addr", "flush", "dev", "lo"];
    assert!(Command::new("ip").args(flush).status().unwrap().success());
    let attached = lab.client.network(|| attach(&lab.client, POLICY, &Trial)).unwrap();
    assert!(
        attached.warnings.iter().any(|one| matches!(one, Warning::NotTried(_))),
        "{:?}",
        attached.warnings
    );
    for (name, has) in &attached.features {
        assert_eq!(*has, expected(name), "{name}");
    }
    detach(&lab.client.cgroup, None).unwrap();
    assert_nothing_of_a_trial_is_left();
}

#[test]
fn a_policy_that_asks_nothing_tries_nothing() {
    /// Nobody may ask it.
    struct Silent;
    impl Prober for Silent {
        fn answer(&self, questions: &[Question]) -> Vec<Answer> {
            panic!("asked {questions:?}");
        }
    }
    let Some(lab) = lab() else { return };
    attach(&lab.client, "on tcp_connect { mark = 1 }\n", &Silent).unwrap();
    detach(&lab.client.cgroup, None).unwrap();
}
