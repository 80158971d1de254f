//! Generated policies, and those that once broke something: the bytes do what the language means.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use tcpc_fuzz::agree::agrees;
use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::generate::checked_text;
use tcpc_fuzz::trial::{Plan, run};

/// Policies of one seed: 60, or as many as `TCPC_TRIALS` says. Very many of them take `fuzz agree`.
fn generated(seed: u64) {
    let count = std::env::var("TCPC_TRIALS").ok().and_then(|count| count.parse().ok()).unwrap_or(60);
    let plan = Plan { name: "agree", threads: 1, from: 0, findings: 1, cuts: 200 };
    let summary = run(plan, &Budget::of(count, seed), &agrees, &|_| {});
    if let Some(finding) = summary.findings.first() {
        panic!("trial {}: {}: {}\n{}", finding.trial, finding.kind, finding.what, finding.policy);
    }
    assert!(summary.refused * 4 < summary.programs, "the checker refused {}", summary.refused);
    let acted = summary.tally.get("events in which rules ran").copied().unwrap_or(0);
    assert!(acted > summary.programs, "rules ran in {acted} events only");
}

#[test]
fn generated_policies_do_what_they_mean() {
    generated(1);
}

#[test]
fn others_do_too() {
    generated(2);
}

/// Each file once showed a mistake.
#[test]
fn what_was_mended_stays_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut tried = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.extension().is_some_and(|ending| ending == "tcp"), "{} is no policy", path.display());
        let text = fs::read_to_string(&path).unwrap();
        let made = checked_text(&text).unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
        if let Err(broken) = agrees(&made) {
            panic!("{}: {}: {}", path.display(), broken.kind, broken.what);
        }
        tried += 1;
    }
    assert!(tried > 3);
}
