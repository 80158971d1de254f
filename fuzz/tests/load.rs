//! Generated policies, and those that the verifier once refused: what the checker takes, the running kernel's verifier
//! takes. A long run is `fuzz load`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod host;

use std::fs;
use std::path::Path;

use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::generate::checked_text;
use tcpc_fuzz::trial::{Plan, run};
use tcpc_fuzz::verify::is_taken;
use tcpc_stdlib::kernel::VERIFIED_MAX;

/// A quarter of what the verifier follows before it gives up.
const FOLLOWED_MAX: u64 = VERIFIED_MAX as u64 / 4;

#[test]
fn the_verifier_takes_generated_policies() {
    let Some(_host) = host::host("load") else { return };
    let plan = Plan { name: "load", threads: 1, from: 0, findings: 1, cuts: 0 };
    let summary = run(plan, &Budget::of(40, 3), &|made| is_taken(made, &|_, _| {}), &|_| {});
    assert!(summary.findings.is_empty(), "{:#?}", summary.findings);
    assert!(summary.tally.get("instructions").is_some_and(|&count| count > 10_000), "{:?}", summary.tally);
}

/// Each file was once refused; now there is room to spare.
#[test]
fn the_verifier_takes_what_it_once_refused() {
    let Some(_host) = host::host("load") else { return };
    let mut tried = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("loads")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let made = checked_text(&text).unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
        let tally = is_taken(&made, &|_, _| {})
            .unwrap_or_else(|broken| panic!("{}: {}: {}", path.display(), broken.kind, broken.what));
        let followed = tally.iter().find(|(name, _)| *name == "instructions followed");
        assert!(followed.is_none_or(|&(_, count)| count < FOLLOWED_MAX), "{}: {tally:?}", path.display());
        tried += 1;
    }
    assert!(tried >= 2);
}
