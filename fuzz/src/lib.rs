//! What must hold of every policy and of every input, tried on many that nobody wrote by hand.
//!
//! ```text
//! random ─┬▶ generate ──▶ policy and events ─┬▶ agree: the compiled bytes do what the language means
//!         │                                  ├▶ verify: the running kernel's verifier takes them
//!         │                                  └▶ churn: on real connections they do what their models say
//!         └▶ inputs ────▶ never a panic, a hang or unbounded memory
//! ```
//!
//! Each kind of trial runs in `cargo test` for a bounded number of inputs, and as a subcommand of the binary `fuzz` for as
//! long as it is let (`cargo run --release -p tcpc-fuzz -- SUBCOMMAND --minutes N`). What a long run finds becomes a
//! file beside this crate's sources, which every test run tries again.

#![forbid(unsafe_code)]

pub mod agree;
pub mod budget;
#[cfg(feature = "host")]
pub mod churn;
pub mod generate;
#[cfg(feature = "host")]
pub mod inputs;
#[cfg(feature = "host")]
pub mod judged;
pub mod random;
pub mod report;
pub mod shrink;
pub mod tree;
pub mod trial;
#[cfg(feature = "host")]
pub mod verify;
