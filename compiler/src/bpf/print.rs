//! Instructions as text, in the notation of the kernel's log and of bpftool.

use std::fmt;

use tcpc_stdlib::helper::helper_by_id;

use super::op::{AluOp, Op, Operand, Size};
use super::{Insn, op};

/// One instruction, to be printed. A 64-bit load is printed whole if its second slot is given.
#[derive(Clone, Copy, Debug)]
pub struct Print<'a> {
    /// The instruction.
    pub insn: Insn,
    /// The slot after it, if there is one.
    pub next: Option<Insn>,
    /// What a 64-bit load loads the address of, as `map[counters]`, or the function that is called.
    pub symbol: Option<&'a str>,
    /// Where a jump goes, if it is to be named; else the distance is printed, as `+13`.
    pub target: Option<&'a str>,
}

impl Print<'_> {
    /// The instruction alone.
    pub fn new(insn: Insn) -> Self {
        Print { insn, next: None, symbol: None, target: None }
    }
}

impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Print::new(*self).fmt(f)
    }
}

impl fmt::Display for Print<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Insn { code, dst, src, off, imm } = self.insn;
        match self.insn.op() {
            Op::Alu { wide, op: AluOp::Neg, .. } => {
                write!(f, "{0} = -{0}", register(wide, dst))
            }
            Op::Alu { wide, op, src } => {
                write!(f, "{} {} ", register(wide, dst), op.symbol())?;
                match src {
                    Operand::Reg(src) => f.write_str(&register(wide, src)),
                    Operand::Imm(imm) => write!(f, "{imm}"),
                }
            }
            Op::Swap { big, bits } => {
                write!(f, "r{dst} = {}{bits} r{dst}", if big { "be" } else { "le" })
            }
            Op::Load(size) => write!(f, "r{dst} = {}", memory(size, src, off)),
            Op::Store(size, Operand::Reg(src)) => write!(f, "{} = r{src}", memory(size, dst, off)),
            Op::Store(size, Operand::Imm(imm)) => write!(f, "{} = {imm}", memory(size, dst, off)),
            Op::Atomic(size, kind) => self.atomic(f, size, kind),
            Op::LoadImm64(pseudo) => self.immediate(f, pseudo),
            Op::Upper => write!(f, "<upper half {imm:#x}>"),
            Op::Jump { wide, op, src } => {
                write!(f, "if {} {} ", register(wide, dst), op.symbol())?;
                match src {
                    Operand::Reg(src) => f.write_str(&register(wide, src))?,
                    Operand::Imm(imm) => write!(f, "{imm:#x}")?,
                }
                f.write_str(" ")?;
                self.goto(f)
            }
            Op::Goto => self.goto(f),
            Op::Call(id) => match u32::try_from(id).ok().and_then(helper_by_id) {
                Some(helper) => write!(f, "call {}#{id}", helper.name),
                None => write!(f, "call unknown#{id}"),
            },
            Op::CallLocal => match self.symbol {
                Some(symbol) => write!(f, "call {symbol}"),
                None => write!(f, "call {:+}", i64::from(imm)),
            },
            Op::CallKernel(number) => write!(f, "call kernel-function#{number}"),
            Op::Exit => f.write_str("exit"),
            Op::Unknown => write!(f, "<unknown {code:#04x} dst {dst} src {src} off {off} imm {imm:#x}>"),
        }
    }
}

impl Print<'_> {
    fn goto(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            Some(target) => write!(f, "goto {target}"),
            None => write!(f, "goto {:+}", self.insn.off),
        }
    }

    fn atomic(&self, f: &mut fmt::Formatter<'_>, size: Size, kind: i32) -> fmt::Result {
        let Insn { dst, src, off, .. } = self.insn;
        let operation = u8::try_from(kind).ok().and_then(AluOp::from_bits);
        match operation {
            Some(op @ (AluOp::Add | AluOp::Or | AluOp::And | AluOp::Xor)) => {
                write!(f, "lock {} {} r{src}", memory(size, dst, off), op.symbol())
            }
            _ => write!(f, "<unknown atomic {kind:#x} on {} by r{src}>", memory(size, dst, off)),
        }
    }

    fn immediate(&self, f: &mut fmt::Formatter<'_>, pseudo: u8) -> fmt::Result {
        let Insn { dst, imm, .. } = self.insn;
        write!(f, "r{dst} = ")?;
        let upper = self.next.filter(|next| next.op() == Op::Upper).map_or(0, |next| next.imm);
        match (self.symbol, pseudo) {
            (Some(symbol), _) => f.write_str(symbol),
            (None, op::pseudo::MAP_FD) => write!(f, "map[fd:{imm}]"),
            (None, op::pseudo::MAP_VALUE) => write!(f, "map[fd:{imm}][0]+{upper}"),
            (None, op::pseudo::NONE) => {
                write!(f, "{:#x}", u64::from(upper as u32) << 32 | u64::from(imm as u32))
            }
            (None, _) => write!(f, "<unknown pseudo source {pseudo}: {imm:#x}>"),
        }
    }
}

fn register(wide: bool, number: u8) -> String {
    format!("{}{number}", if wide { 'r' } else { 'w' })
}

fn memory(size: Size, base: u8, off: i16) -> String {
    format!("*({} *)(r{base} {off:+})", size.symbol())
}
