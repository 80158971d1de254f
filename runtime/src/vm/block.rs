//! Cuts a program into basic blocks, each a small program that the interpreter runs without any risk.
//!
//! A block has no loop and ends by itself. All that could go wrong in it is taken away from the
//! interpreter and done by a *trap*, the one helper that blocks call: memory accesses, helper calls, and
//! saving the registers at the end. What is left are arithmetic and compares, rewritten where the
//! interpreter's meaning is not the kernel's.
//!
//! ```text
//! r6 = *(u32 *)(r1 + 20)      ──▶   r0..r9 from the register file       prologue
//! if r6 != 10 goto …                save r0..r3; r1 = base; trap        Site::Load
//!                                   r6 = r0; restore r0..r3
//!                                   next = 1; if r6 != 10 skip; next = 0
//!                                   trap, trap                          Site::SaveLow, SaveHigh
//!                                   return next
//! ```
//!
//! Traps of a block happen in the order of its [`Site`]s, for nothing in it branches around one.

use std::collections::BTreeSet;

use tcpc_compiler::bpf::insn::{
    self, alu32_reg, alu64_imm, ld_imm64, ldx, mov64_imm, mov64_reg, st_imm, stx,
};
use tcpc_compiler::bpf::op::{FRAME, SRC_REG};
use tcpc_compiler::bpf::{AluOp, Insn, Op, Operand, Size};
use tcpc_stdlib::kfunc::{KFUNCS, Kfunc};

use crate::guest::frame_pointer;

/// The number that the trap is registered under.
pub const TRAP: u32 = 1;
/// Instructions of one block at most: keeps the block's own jumps, and the traps in it, few.
const BLOCK_MAX: usize = 256;

/// Slots of the interpreter's stack, which no program sees: the saved r0 to r3, the branch taken, a
/// scratch register.
const SAVED: [i16; 4] = [-8, -16, -24, -32];
const NEXT: i16 = -40;
const SCRATCH: i16 = -48;

/// What a trap does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Site {
    /// `r1 + off` is loaded.
    Load { slot: usize, size: Size, off: i16 },
    /// r2 is stored at `r1 + off`.
    Store { slot: usize, size: Size, off: i16 },
    /// r2 is combined with what is at `r1 + off`; r3 is the guest's r0. Gives the old value.
    Atomic { slot: usize, size: Size, off: i16, kind: i32 },
    /// The helper of this number is called.
    Call { slot: usize, helper: u32 },
    /// The kernel function is called.
    CallKernel { slot: usize, kfunc: &'static Kfunc },
    /// r1 to r5 are saved.
    SaveLow,
    /// r6 to r9 are saved, in r1 to r4, and r0, in r5.
    SaveHigh,
}

/// Where a program goes on after a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// It ends.
    Exit,
    /// At this slot.
    Slot(usize),
    /// At the first slot if the branch is taken, else at the second.
    Either(usize, usize),
}

/// A basic block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its first slot.
    pub start: usize,
    /// One past its last slot.
    pub end: usize,
    /// Its instructions; a load of a 64-bit immediate is one.
    pub steps: usize,
    /// What the interpreter runs.
    pub code: Vec<u8>,
    /// What its traps do, in order.
    pub sites: Vec<Site>,
    /// Where the program goes on.
    pub next: Next,
}

/// Why a program cannot be run, and at which slot.
pub type BadCode = (usize, String);

/// The blocks of a program, by their first slot.
///
/// # Errors
/// What makes the program one that the kernel would refuse: unknown instructions, jumps out of it, an end
/// that is none.
pub fn blocks(code: &[Insn]) -> Result<Vec<Block>, BadCode> {
    if code.is_empty() {
        return Err((0, "the program is empty".into()));
    }
    let starts = starts(code)?;
    let ends = starts.iter().skip(1).copied().chain([code.len()]);
    starts.iter().zip(ends).map(|(&start, end)| block(code, start, end)).collect()
}

/// First slots of blocks: targets of jumps, what follows a jump or an exit, and every so many slots.
fn starts(code: &[Insn]) -> Result<BTreeSet<usize>, BadCode> {
    let mut starts = BTreeSet::from([0]);
    let (mut slot, mut length) = (0, 0);
    while let Some(insn) = code.get(slot) {
        let following = slot + if insn.is_wide() { 2 } else { 1 };
        length += 1;
        match insn.op() {
            Op::Jump { .. } | Op::Goto => {
                starts.insert(target(code, slot)?);
                starts.insert(following);
                length = 0;
            }
            Op::Exit => {
                starts.insert(following);
                length = 0;
            }
            _ if length == BLOCK_MAX => {
                starts.insert(following);
                length = 0;
            }
            _ => {}
        }
        slot = following;
    }
    starts.retain(|&start| start < code.len());
    Ok(starts)
}

/// Where a jump leads: to the first slot of an instruction.
fn target(code: &[Insn], slot: usize) -> Result<usize, BadCode> {
    let off = code.get(slot).map_or(0, |insn| insn.off);
    let target = slot as i64 + 1 + i64::from(off);
    match usize::try_from(target).ok().and_then(|target| Some((target, code.get(target)?))) {
        Some((_, insn)) if insn.op() == Op::Upper => Err((slot, "jumps into a 64-bit load".into())),
        Some((target, _)) => Ok(target),
        None => Err((slot, format!("jumps to slot {target}, out of the program"))),
    }
}

fn block(code: &[Insn], start: usize, end: usize) -> Result<Block, BadCode> {
    let mut block = Rewriter { code: Vec::new(), sites: Vec::new() };
    block.prologue();
    let (mut slot, mut steps, mut next) = (start, 0, None);
    while slot < end {
        let insn = code[slot];
        let upper = code.get(slot + 1).copied().filter(|upper| insn.is_wide() && upper.op() == Op::Upper);
        next = block.instruction(code, slot, insn, upper)?;
        steps += 1;
        slot += if insn.is_wide() { 2 } else { 1 };
    }
    let next = match next {
        Some(next) => next,
        None if end < code.len() => Next::Slot(end),
        None => return Err((code.len() - 1, "the program runs off its end".into())),
    };
    block.epilogue();
    Ok(Block { start, end, steps, code: insn::encode(&block.code), sites: block.sites, next })
}

struct Rewriter {
    code: Vec<Insn>,
    sites: Vec<Site>,
}

impl Rewriter {
    /// One instruction of the program; where it goes on, if that is not the next instruction.
    fn instruction(
        &mut self,
        code: &[Insn],
        slot: usize,
        insn: Insn,
        upper: Option<Insn>,
    ) -> Result<Option<Next>, BadCode> {
        let op = insn.op();
        let writes = matches!(op, Op::Alu { .. } | Op::Swap { .. } | Op::Load(_) | Op::LoadImm64(_));
        if writes && insn.dst == FRAME {
            return Err((slot, "writes to r10".into()));
        }
        match op {
            Op::Alu { wide, op, src } => self.arithmetic(slot, insn, wide, op, src)?,
            Op::Swap { .. } => self.emit(insn),
            Op::Load(size) => self.load(slot, insn, size),
            Op::Store(size, value) => self.store(slot, insn, size, value),
            Op::Atomic(size, kind) => self.atomic(slot, insn, size, kind)?,
            Op::LoadImm64(0) => match upper {
                Some(upper) => self.code.extend([insn, upper]),
                None => return Err((slot, "is half of a 64-bit load".into())),
            },
            Op::LoadImm64(_) => return Err((slot, "loads an address that nothing fills in".into())),
            Op::Call(helper) => self.call(Site::Call { slot, helper: helper as u32 }),
            Op::CallKernel(number) => {
                let kfunc = usize::try_from(number).ok().and_then(|number| KFUNCS.get(number));
                let kfunc = kfunc.ok_or((slot, "calls a kernel function that is not there".to_string()))?;
                self.call(Site::CallKernel { slot, kfunc });
            }
            Op::CallLocal => {
                return Err((slot, "calls a function of the object, which is not supported".into()));
            }
            Op::Jump { src, .. } => {
                let next = Next::Either(target(code, slot)?, slot + 1);
                self.branch(insn, src);
                return Ok(Some(next));
            }
            Op::Goto => return Ok(Some(Next::Slot(target(code, slot)?))),
            Op::Exit => return Ok(Some(Next::Exit)),
            Op::Upper | Op::Unknown => {
                return Err((slot, format!("is no instruction of version 3 (code {:#04x})", insn.code)));
            }
        }
        Ok(None)
    }

    fn arithmetic(
        &mut self,
        slot: usize,
        insn: Insn,
        wide: bool,
        op: AluOp,
        src: Operand,
    ) -> Result<(), BadCode> {
        let bits = if wide { 64 } else { 32 };
        match (op, src) {
            (AluOp::Div | AluOp::Mod, Operand::Imm(0)) => {
                return Err((slot, "divides by the constant 0".into()));
            }
            (AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, Operand::Imm(by)) if !(0..bits).contains(&by) => {
                return Err((slot, format!("shifts by {by} of {bits} bits")));
            }
            // The interpreter's own negation overflows on the lowest number.
            (AluOp::Neg, _) if wide => {
                self.emit(alu64_imm(AluOp::Xor, insn.dst, -1));
                self.emit(alu64_imm(AluOp::Add, insn.dst, 1));
            }
            (_, Operand::Reg(_)) => self.with_source(insn),
            (_, Operand::Imm(_)) => self.emit(insn),
        }
        if op == AluOp::Mod && !wide {
            // By zero the interpreter leaves the upper half as it was; the kernel clears it.
            self.emit(alu32_reg(AluOp::Mov, insn.dst, insn.dst));
        }
        Ok(())
    }

    /// An instruction with a source register: r10 of the program is a number, not the interpreter's r10.
    fn with_source(&mut self, insn: Insn) {
        if insn.src != FRAME {
            return self.emit(insn);
        }
        let scratch = scratch_beside(insn.dst);
        self.emit(stx(Size::DW, FRAME, scratch, SCRATCH));
        self.code.extend(ld_imm64(scratch, 0, frame_pointer()));
        self.emit(Insn { src: scratch, ..insn });
        self.emit(ldx(Size::DW, scratch, FRAME, SCRATCH));
    }

    fn load(&mut self, slot: usize, insn: Insn, size: Size) {
        self.save();
        self.fetch(1, insn.src);
        self.trap(Site::Load { slot, size, off: insn.off });
        self.result_to(insn.dst);
        self.restore();
    }

    fn store(&mut self, slot: usize, insn: Insn, size: Size, value: Operand) {
        self.save();
        self.fetch(1, insn.dst);
        match value {
            Operand::Reg(register) => self.fetch(2, register),
            Operand::Imm(imm) => self.emit(mov64_imm(2, imm)),
        }
        self.trap(Site::Store { slot, size, off: insn.off });
        self.restore();
    }

    fn atomic(&mut self, slot: usize, insn: Insn, size: Size, kind: i32) -> Result<(), BadCode> {
        let result = match kind {
            atomic::ADD | atomic::OR | atomic::AND | atomic::XOR => None,
            atomic::CMPXCHG => Some(0),
            _ if kind & atomic::FETCH != 0 && atomic::KINDS.contains(&kind) => Some(insn.src),
            _ => return Err((slot, format!("is no atomic operation ({kind:#x})"))),
        };
        if result == Some(FRAME) {
            return Err((slot, "writes to r10".into()));
        }
        self.save();
        self.fetch(1, insn.dst);
        self.fetch(2, insn.src);
        self.fetch(3, 0);
        self.trap(Site::Atomic { slot, size, off: insn.off, kind });
        if let Some(register) = result {
            self.result_to(register);
        }
        self.restore();
        Ok(())
    }

    fn call(&mut self, site: Site) {
        self.trap(site);
        // The kernel leaves nothing in the argument registers; whoever reads them shall notice.
        for register in 1..=5 {
            self.emit(mov64_imm(register, crate::vm::UNSET));
        }
    }

    /// Notes whether the branch is taken. The interpreter takes the immediate of a 64-bit compare for
    /// unsigned, so such immediates go through a register.
    fn branch(&mut self, insn: Insn, src: Operand) {
        let scratch = scratch_beside(insn.dst);
        let dst = if insn.dst == FRAME { scratch_beside(scratch) } else { insn.dst };
        self.save();
        self.emit(st_imm(Size::DW, FRAME, NEXT, 1));
        if insn.dst == FRAME {
            self.code.extend(ld_imm64(dst, 0, frame_pointer()));
        }
        match src {
            Operand::Imm(imm) => self.emit(mov64_imm(scratch, imm)),
            Operand::Reg(register) => self.fetch(scratch, register),
        }
        self.emit(Insn { code: insn.code | SRC_REG, dst, src: scratch, off: 1, imm: 0 });
        self.emit(st_imm(Size::DW, FRAME, NEXT, 0));
        self.restore();
    }

    /// Takes the registers from the register file, whose address is in r1.
    fn prologue(&mut self) {
        for register in [0, 2, 3, 4, 5, 6, 7, 8, 9, 1] {
            self.emit(ldx(Size::DW, register, 1, i16::from(register) * 8));
        }
        self.emit(st_imm(Size::DW, FRAME, NEXT, 0));
    }

    /// Puts the registers back and returns whether the branch was taken.
    fn epilogue(&mut self) {
        self.emit(stx(Size::DW, FRAME, 0, SCRATCH));
        self.trap(Site::SaveLow);
        for register in 1..=4 {
            self.emit(mov64_reg(register, register + 5));
        }
        self.emit(ldx(Size::DW, 5, FRAME, SCRATCH));
        self.trap(Site::SaveHigh);
        self.emit(ldx(Size::DW, 0, FRAME, NEXT));
        self.emit(insn::exit());
    }

    fn save(&mut self) {
        for (register, at) in (0..).zip(SAVED) {
            self.emit(stx(Size::DW, FRAME, register, at));
        }
    }

    fn restore(&mut self) {
        for (register, at) in (0..).zip(SAVED) {
            self.emit(ldx(Size::DW, register, FRAME, at));
        }
    }

    /// A register's value as it was at [`Self::save`].
    fn fetch(&mut self, to: u8, register: u8) {
        match SAVED.get(usize::from(register)) {
            Some(&at) => self.emit(ldx(Size::DW, to, FRAME, at)),
            None if register == FRAME => self.code.extend(ld_imm64(to, 0, frame_pointer())),
            None => self.emit(mov64_reg(to, register)),
        }
    }

    /// r0 into a register, so that [`Self::restore`] leaves it there.
    fn result_to(&mut self, register: u8) {
        match SAVED.get(usize::from(register)) {
            Some(&at) => self.emit(stx(Size::DW, FRAME, 0, at)),
            None => self.emit(mov64_reg(register, 0)),
        }
    }

    fn trap(&mut self, site: Site) {
        self.sites.push(site);
        self.emit(insn::call(TRAP));
    }

    fn emit(&mut self, insn: Insn) {
        self.code.push(insn);
    }
}

/// A register of r0 to r3 that is not this one.
fn scratch_beside(register: u8) -> u8 {
    if register == 0 { 1 } else { 0 }
}

/// Immediates of atomic instructions (`include/uapi/linux/bpf.h`).
pub mod atomic {
    /// `*at += src`
    pub const ADD: i32 = 0x00;
    /// `*at |= src`
    pub const OR: i32 = 0x40;
    /// `*at &= src`
    pub const AND: i32 = 0x50;
    /// `*at ^= src`
    pub const XOR: i32 = 0xa0;
    /// The old value goes to the source register.
    pub const FETCH: i32 = 0x01;
    /// The two change places.
    pub const XCHG: i32 = 0xe0 | FETCH;
    /// `*at = src` if it equals r0; r0 becomes the old value.
    pub const CMPXCHG: i32 = 0xf0 | FETCH;
    /// Those that give the old value to the source register.
    pub const KINDS: [i32; 5] = [ADD | FETCH, OR | FETCH, AND | FETCH, XOR | FETCH, XCHG];
}
