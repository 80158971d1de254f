//! Typed tcpc policies to BPF objects: a pure function, no files, threads or system calls.
//!
//! ```text
//! hir ── lower ──▶ ir ── opt ──▶ ir ── isel, regalloc ──▶ bpf ── check ──▶ object
//! ```

#![forbid(unsafe_code)]

pub mod bpf;
pub mod check;
pub mod disasm;
pub mod object;

use tcpc_lang::hir::Program;
use tcpc_lang::source::SourceFile;

/// What a caller may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ticks per second that durations in jiffies are computed for.
    pub hz: u32,
    /// Whether rule hits and failed assignments are counted.
    pub stats: bool,
}

/// What comes out.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The ELF object.
    pub object: Vec<u8>,
    /// The IR after all passes, as text.
    pub ir: String,
    /// The instructions with policy lines, field and helper names, as text.
    pub asm: String,
    /// Instruction slots of the program.
    pub slots: usize,
}

/// A failure that is not the author's.
#[derive(Clone, Debug)]
pub enum CompileError {
    /// The program does not fit what a BPF program may be; the text says in which way.
    TooLarge(String),
    /// The checker refused what the compiler made: a bug of the compiler.
    Internal(String),
}

/// Compiles a checked policy.
///
/// # Errors
/// [`CompileError`]: the policy is larger than a BPF program can be, or the compiler has a bug.
pub fn compile(
    _program: &Program,
    _source: &SourceFile,
    _options: &Options,
) -> Result<Compiled, CompileError> {
    Err(CompileError::Internal("not written yet".into()))
}
