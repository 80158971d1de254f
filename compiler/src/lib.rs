//! Typed tcpc policies to BPF objects: a pure function, no files, threads or system calls.
//!
//! ```text
//! hir ── lower ──▶ ir ── opt ──▶ ir ── isel, regalloc ──▶ bpf ── check ──▶ object
//! ```

#![forbid(unsafe_code)]

pub mod bpf;
pub mod check;
pub mod describe;
pub mod disasm;
pub mod ir;
mod lower;
mod mach;
pub mod needs;
pub mod object;
mod opt;

use tcpc_lang::hir::{Program, Requirement};
use tcpc_lang::source::{SourceFile, Span};
use tcpc_stdlib::manifest::Manifest;

use object::{Line, ObjectSpec, Relocation};

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
    /// What the object says of itself.
    pub manifest: Manifest,
    /// Everything that needs a kernel above the floor, one row for each place.
    pub needs: Vec<Requirement>,
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
/// The object has passed [`check`]: its bytes obey the rules of the kernel's verifier.
///
/// # Errors
/// [`CompileError`]: the policy is larger than a BPF program can be, or the compiler has a bug.
pub fn compile(program: &Program, source: &SourceFile, options: &Options) -> Result<Compiled, CompileError> {
    let mut lowered = lower::lower(program, source, options);
    opt::optimize(&mut lowered.func).map_err(CompileError::Internal)?;
    let ir = lowered.func.to_string();
    let code = mach::generate(&mut lowered.func)?;
    let slots = code.insns.len();
    let needs = needs::needs(program, &lowered);
    let manifest = describe::describe(program, source, options, &lowered, &needs);
    let spec = ObjectSpec {
        name: describe::program_name(&manifest.policy),
        lines: lines(&code, source),
        relocations: code.relocations.into_iter().map(|(slot, target)| Relocation { slot, target }).collect(),
        code: code.insns,
        weak_calls: lowered.may_lack_kfuncs,
        maps: lowered.func.maps.values().cloned().collect(),
        rodata: lowered.func.constants.values().cloned().collect(),
        bss: lowered.func.counters.values().cloned().collect(),
        sources: source
            .files()
            .iter()
            .map(|file| (file.path.clone(), source.slice(file.span).to_owned()))
            .collect(),
        data: lowered.func.variables.values().cloned().collect(),
        manifest,
    };
    let object = object::write(&spec).map_err(|error| CompileError::Internal(error.to_string()))?;
    let read = object::read(&object).map_err(|error| CompileError::Internal(error.to_string()))?;
    check::check(&read).map_err(|error| CompileError::Internal(error.to_string()))?;
    let asm = disasm::disassemble(&read);
    Ok(Compiled { object, ir, asm, slots, manifest: read.manifest.unwrap_or_default(), needs })
}

/// A line record for each change of place. The second half of a 64-bit load belongs to the first; what has no
/// place, as the end that all rules share, to what stands before it.
fn lines(code: &mach::Code, source: &SourceFile) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let placed = |(slot, span): &(usize, &Span)| *slot == 0 || **span != Span::default();
    for (slot, span) in code.spans.iter().enumerate().filter(placed) {
        let file = source.file_at(span.start).index();
        let (line, column) = source.line_column(span.start);
        if lines.last().is_none_or(|last| (last.file, last.line, last.column) != (file, line, column)) {
            lines.push(Line { slot, file, line, column });
        }
    }
    lines
}

impl From<mach::MachError> for CompileError {
    fn from(error: mach::MachError) -> CompileError {
        match error {
            mach::MachError::TooLarge(what) => CompileError::TooLarge(what),
            mach::MachError::Internal(what) => CompileError::Internal(what),
        }
    }
}
