//! The tcpc policy language: source text to typed program.
//!
//! ```text
//! text ── token ──▶ tokens ── parse ──▶ ast ── check ──▶ hir
//!                      └──────────── diagnostics ─────────┘
//! ```
//!
//! Nothing here fails early: each stage returns what it could make and all that it found wrong.
//! No files, no threads, no system calls; no knowledge of opcodes.

#![forbid(unsafe_code)]

pub mod ast;
pub mod check;
pub mod diag;
pub mod hir;
pub mod parse;
pub mod show;
pub mod source;
pub mod suggest;
pub mod token;
