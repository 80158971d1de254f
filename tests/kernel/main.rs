//! Tests on the running kernel: policies are attached to cgroups of the tests' own, and their effects are
//! seen on real connections in network namespaces of the tests' own.
//!
//! They need root, cgroup2 and BPF. Elsewhere each prints `skipped` and why; with
//! `TCPC_REQUIRE_KERNEL=1` that is a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod agreement;
mod callbacks;
mod commands;
mod completion;
mod connections;
mod defaults;
mod experiment;
mod fields;
mod has;
mod headers;
mod lab;
mod learning;
mod lies;
mod loading;
mod modules;
mod options;
mod oracle;
mod peer;
mod policies;
mod probes;
mod programs;
mod reactions;
mod records;
mod replies;
mod segments;
mod stamps;
mod state;
mod stats;
mod steer;
mod sys;
mod together;
mod uses;
mod watch;
mod wire;
