//! What can be shown of a policy without running it.
//!
//! ```text
//! typed tree ── scene ──▶ formulas over the values of one event ── solve ──▶ never, or values with which they hold
//! ```
//!
//! Depends on nothing but the language and its catalogue; no files, no threads, no system calls.

#![forbid(unsafe_code)]

pub mod diff;
pub mod formula;
pub mod leaf;
pub mod lint;
pub mod prefix;
pub mod ranges;
pub mod scene;
pub mod solve;
pub mod witness;
