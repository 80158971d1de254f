//! The documents say what is so: their policies compile, their commands print what is shown, and the
//! reference pages are those that the catalogue makes.
//!
//! `BLESS=1 cargo test --test docs` rewrites outputs of commands and reference pages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../src/reference/mod.rs"]
#[allow(dead_code, reason = "the page leaves out what only the command line prints")]
mod catalogue;
mod consoles;
mod diagnostics;
mod examples;
mod links;
mod markdown;
mod names;
mod reference;
#[path = "../support/mod.rs"]
mod support;

/// The documents that are written by hand.
const WRITTEN: &[&str] = &["README.md", "docs/language.md", "docs/review.md"];
