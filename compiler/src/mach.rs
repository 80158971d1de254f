//! IR to instructions: selection over virtual registers, register allocation, layout.
//!
//! ```text
//! ir ── select ──▶ MachFunc ── regalloc2 ──▶ registers, moves ── emit ──▶ Code
//! ```
//!
//! Numbers and addresses are made where they are used. A field is never loaded into the register that
//! holds the context: kernels 4.16 to 7.0 miscompile such a load of a guarded field.

mod alloc;
mod emit;
mod select;
mod written;

use regalloc2::{Operand, PRegSet, VReg};
use tcpc_lang::source::Span;
use tcpc_stdlib::helper::Helper;
use tcpc_stdlib::kfunc::Kfunc;

use crate::bpf::{AluOp, Insn, JmpOp, Size};
use crate::ir::Func;
use crate::object::Target;

/// Instructions with what belongs to them.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// The instruction slots.
    pub insns: Vec<Insn>,
    /// Addresses and calls that a loader fills in: slot and target.
    pub relocations: Vec<(usize, Target)>,
    /// The source place of each slot.
    pub spans: Vec<Span>,
}

/// Why a program cannot be made into instructions.
#[derive(Clone, Debug)]
pub enum MachError {
    /// It is larger than a BPF program can be.
    TooLarge(String),
    /// A bug in this compiler.
    Internal(String),
}

/// Makes instructions of IR.
///
/// # Errors
/// [`MachError`].
pub fn generate(func: &mut Func) -> Result<Code, MachError> {
    crate::opt::expand_switches(func);
    crate::opt::split_edges(func);
    let mach = select::select(func);
    let allocation = alloc::allocate(&mach)?;
    emit::emit(&mach, &allocation)
}

/// A program over virtual registers.
struct MachFunc {
    blocks: Vec<MachBlock>,
    insts: Vec<MachInst>,
    vregs: usize,
    /// Bytes of each stack slot.
    slots: Vec<u32>,
}

/// A block: a range of instructions, the last one its end.
struct MachBlock {
    first: usize,
    end: usize,
    params: Vec<VReg>,
    successors: Vec<regalloc2::Block>,
    predecessors: Vec<regalloc2::Block>,
    /// What its jump passes.
    args: Vec<VReg>,
}

/// An instruction over virtual registers.
struct MachInst {
    kind: Kind,
    operands: Vec<Operand>,
    clobbers: PRegSet,
    span: Span,
}

/// What an instruction is. The operands that each has are said in [`select`].
#[derive(Clone, Debug)]
enum Kind {
    /// The context comes in.
    Entry,
    /// A number.
    Number(u64),
    /// An address that a loader fills in.
    Address(Target, u32),
    /// An address on the stack.
    SlotAddress(usize, u16),
    /// Load from the context.
    LoadContext(Size, u16),
    /// Store to the context.
    StoreContext(Size, u16),
    /// Load through a kernel pointer; 0 if it is NULL.
    LoadMember(Size, u16),
    /// Load through an address.
    Load(Size, i16),
    /// Atomic addition of 64 bits.
    AtomicAdd(i16),
    /// Store the second operand at the first one and an offset.
    Store(Size, i16),
    /// Load from a stack slot.
    LoadSlot(Size, usize, u16),
    /// Store to a stack slot.
    StoreSlot(Size, usize, u16),
    /// Store a number to a stack slot.
    StoreSlotNumber(Size, usize, u16, i32),
    /// Arithmetic with a register; in 32 bits if so.
    Alu(AluOp, bool),
    /// Arithmetic with a number; in 32 bits if so.
    AluNumber(AluOp, bool, i32),
    /// Negation.
    Neg,
    /// Reverse so many bits' bytes.
    SwapBytes(u8),
    /// Call a helper; with a register that must not be 0, the result is 0 without a call.
    Call(&'static Helper, Option<u8>),
    /// Call a kernel function.
    CallKernel(&'static Kfunc),
    /// Search a table of so many entries with keys of so many words.
    Find { entries: u32, words: u8 },
    /// Go to the first successor if it holds, else to the second; in 32 bits if so; with a number if so.
    Branch(JmpOp, bool, Option<i32>),
    /// Go to the successor.
    Jump,
    /// Return 1.
    Exit,
}
