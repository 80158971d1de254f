//! The documents say what is so: their policies compile, their commands print what is shown, and the
//! reference pages are those that the catalogue makes.
//!
//! `BLESS=1 cargo test --test docs` rewrites outputs of commands and reference pages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod consoles;
mod diagnostics;
mod examples;
mod links;
mod markdown;
mod reference;
#[path = "../support/mod.rs"]
mod support;

/// The documents that are written by hand.
const WRITTEN: &[&str] = &["README.md", "docs/language.md"];
