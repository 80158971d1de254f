//! Tests of policies on real connections.
//!
//! ```text
//! test block ── plan ──▶ connections ── bench/drive ──▶ sockets in a network and cgroups of their own
//!                                                            │ events
//!            expectations ◀── bench/world ◀── recorder ◀─────┘
//!            model of the kernel ◀── replay ◀───┘
//! ```
//!
//! A test is run in the kernel as far as it can be set up there, its expectations are asked of what the kernel did, and
//! what every event did is compared with what the model of the kernel makes of the same event.
//!
//! Invariants:
//! - nothing leaves the host, and no policy is attached to a cgroup that the lab did not make;
//! - networks go with the threads that made them, the recorder with its process; cgroups and pins are removed when a
//!   test ends, and those of a run that was killed by the next one;
//! - `unsafe` is in `sys` only.

mod bench;
pub mod cgroups;
mod counterpart;
pub mod ends;
mod host;
mod leaves;
pub mod network;
mod numbers;
mod plan;
mod reads;
pub mod recorder;
pub mod replay;
pub mod report;
mod run;
pub mod session;
mod sys;
mod ticks;
pub mod twin;

pub use host::Host;
pub use reads::is_repeatable;
pub use report::{Outcome, Report, TestReport, Verdict};
pub use run::{Built, run_tests, run_tests_with};
