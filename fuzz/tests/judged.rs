//! Generated policies: lints and verdicts of `diff` hold when the policies run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::judged::judged;
use tcpc_fuzz::trial::{Plan, run};

#[test]
fn what_is_said_of_generated_policies_is_so() {
    let plan = Plan { name: "judged", threads: 1, from: 0, findings: 1, cuts: 200 };
    let summary = run(plan, &Budget::of(30, 3), &judged, &|_| {});
    if let Some(finding) = summary.findings.first() {
        panic!("trial {}: {}: {}\n{}", finding.trial, finding.kind, finding.what, finding.policy);
    }
    let count = |name: &str| summary.tally.get(name).copied().unwrap_or(0);
    assert!(count("equivalent") > 10 && count("different") > 10, "{:?}", summary.tally);
    assert!(count("not known") < count("equivalent"), "{:?}", summary.tally);
}
