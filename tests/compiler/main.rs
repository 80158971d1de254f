//! Tests of the compiler as a whole: what it makes of policies, what that means when it runs, and what it can never be.
//!
//! `policies/` has one behaviour to a file, with its reason and with tests of its meaning; every test here that
//! takes policies takes all of them, and the standard library's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bench;
mod expressions;
mod goldens;
mod kernel;
mod limits;
mod meaning;
mod modules;
mod newer;
mod pitfalls;
mod policy;
mod prefixes;
mod programs;
mod random;
mod reproducible;
mod sets;
mod state;
mod world;
