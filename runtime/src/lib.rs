//! Policies without a kernel: a mock kernel, an interpreter for the compiled bytes, a test runner.
//!
//! ```text
//! object ─────▶ vm (rbpf) ◀──▶ mock kernel and socket ◀──▶ meaning ◀───── typed tree
//!                   ▲                    ▲                    ▲
//!                   └──────── scenario ──┴── eval ──▶ report ─┘
//! ```
//!
//! No files, no threads, no system calls, and no `unsafe`: a program sees addresses of our own making
//! ([`guest`]), so a wild access is an error like any other.

#![forbid(unsafe_code)]

pub mod coverage;
pub mod eval;
pub mod explain;
pub mod guest;
pub mod kept;
pub mod meaning;
pub mod mock;
pub mod random;
pub mod report;
pub mod scenario;
pub mod vm;
mod written;
