//! A few policies on real connections, and those that once showed something: what the kernel does of them is what their
//! models say. A long run is `fuzz churn`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod host;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::churn::{agrees, churn, contacts};
use tcpc_fuzz::generate::checked_text;
use tcpc_fuzz::random::Random;
use tcpc_lab::Host;

/// The host, for one test at a time: sockets are made by the whole process. `None` where there can be no test.
fn host() -> Option<(Host, MutexGuard<'static, ()>)> {
    static ALONE: Mutex<()> = Mutex::new(());
    let host = host::host("churn")?;
    Some((host, ALONE.lock().unwrap_or_else(PoisonError::into_inner)))
}

#[test]
fn policies_do_on_real_connections_what_their_models_say() {
    let Some((host, _alone)) = host() else { return };
    let summary = churn(&host, 0, &Budget::of(15, 7), &|_| {});
    assert!(summary.findings.is_empty(), "{:#?}", summary.findings);
    let tally = |name: &str| summary.tally.get(name).copied().unwrap_or(0);
    assert!(tally("whole connections") > 40 && tally("events") > 300, "{:?}", summary.tally);
}

#[test]
fn what_once_differed_differs_no_more() {
    let Some((host, _alone)) = host() else { return };
    let mut tried = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("connections")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let made = checked_text(&text).unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
        for seed in 0..3 {
            if let Err(broken) = agrees(&host, &made, &contacts(&mut Random(seed))) {
                panic!("{}: {}: {}", path.display(), broken.kind, broken.what);
            }
        }
        tried += 1;
    }
    assert!(tried > 5);
}
