//! The BPF instruction set, as far as the compiler emits it and objects contain it: version 3.
//!
//! ```text
//! insn constructors ──▶ Insn ── encode ──▶ 8 bytes ── decode ──▶ Insn ── op ──▶ Op ── print ──▶ text
//! ```

pub mod insn;
pub mod op;
pub mod print;

#[cfg(test)]
mod tests;

pub use insn::Insn;
pub use op::{AluOp, JmpOp, Op, Operand, Size};
