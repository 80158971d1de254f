//! The BPF instruction set, as far as the compiler emits it and objects contain it.

pub mod insn;

pub use insn::Insn;
