//! Passes over the IR.
//!
//! ```text
//! simplify ─▶ thread ─▶ reuse ─▶ hoist ─▶ reuse ─▶ sweep ─▶ merge ─▶ thread ─▶ join
//! ```
//!
//! | pass | does |
//! | --- | --- |
//! | [`simplify`] | moves constants through comparisons, away from conversions |
//! | [`thread`] | skips empty blocks |
//! | [`reuse`] | computes and loads once what is available already |
//! | [`hoist`] | loads before a fork what several arms load |
//! | [`sweep`] | drops what nobody uses |
//! | [`merge`] | makes one of blocks that do the same |
//! | [`thread::join`] | joins a block with its only predecessor |
//!
//! In debug builds the IR is verified after each.

mod dom;
mod hoist;
mod memory;
mod merge;
mod reuse;
mod simplify;
mod sweep;
mod switch;
#[cfg(test)]
mod tests;
mod thread;

pub use dom::dominators;
pub use switch::{expand_switches, split_edges};

use crate::ir::{Func, verify};

/// A pass and its name.
type Pass = (&'static str, fn(&mut Func));

/// Every pass, in order.
const PASSES: &[Pass] = &[
    ("simplify", simplify::simplify),
    ("thread", thread::thread),
    ("reuse", reuse::reuse),
    ("hoist", hoist::hoist),
    ("reuse", reuse::reuse),
    ("sweep", sweep::sweep),
    ("merge", merge::merge),
    ("thread", thread::thread),
    ("join", thread::join),
];

/// Runs all passes.
///
/// # Errors
/// In debug builds: the name of the pass that broke the IR, and how.
pub fn optimize(func: &mut Func) -> Result<(), String> {
    for (name, pass) in PASSES {
        pass(func);
        if cfg!(debug_assertions) {
            verify(func).map_err(|what| format!("after {name}: {what}"))?;
        }
    }
    Ok(())
}
