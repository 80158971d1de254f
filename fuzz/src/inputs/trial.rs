//! One input, tried, with panics caught.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use super::Target;
use super::features::Features;

thread_local! {
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// Where it was: what tells one bug from another.
    pub place: String,
    /// What it said.
    pub message: String,
}

/// Panics are kept for [`attempt`] from now on, and no longer printed.
pub fn keep_panics() {
    set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| {
            let file = at.file().rsplit("/src/").next().unwrap_or_default();
            format!("{file}:{}", at.line())
        });
        LAST.set(Some(Panic { place, message: info.to_string() }));
    }));
}

/// Tries an input.
///
/// # Errors
/// It panicked.
pub fn attempt(target: Target, input: &[u8]) -> Result<Features, Panic> {
    catch_unwind(AssertUnwindSafe(|| target.run(input))).map_err(|_| {
        LAST.take().unwrap_or_else(|| Panic { place: "unknown".into(), message: "it panicked".into() })
    })
}
