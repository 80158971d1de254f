//! Policies written in a test, and what they counted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tcpc_compiler::{Options, compile};
use tcpc_lang::modules::{NoFiles, load};
use tcpc_lang::source::SourceFile;
use tcpc_loader::counters;

use super::lab::Side;

/// Attaches a policy under a name; the result is where its counters are.
pub fn attach(side: &Side, name: &str, text: &str) -> PathBuf {
    side.attach(&object(name, text)).unwrap_or_else(|error| panic!("{text}: {error:?}")).pins
}

/// The object of a policy.
pub fn object(name: &str, text: &str) -> Vec<u8> {
    let source = load(SourceFile::new(format!("{name}.tcp"), text), &NoFiles);
    let analysis = tcpc_lang::analyze(&source);
    assert!(analysis.is_valid(), "{text}: {:?}", analysis.diagnostics);
    compile(&analysis.program, &source, &Options { hz: 250, stats: true }).unwrap().object
}

/// What a counter without a key has counted.
pub fn count(pins: &Path, name: &str) -> u64 {
    let named = counters(pins).unwrap().named;
    named.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no counter `{name}`")).1
}

/// No assignment was refused.
pub fn assert_no_failures(pins: &Path) {
    let found = counters(pins).unwrap().failures;
    assert!(found.is_empty(), "{found:?}");
}

/// Waits until a condition holds; the kernel's timers and closing take their time.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
