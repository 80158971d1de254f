//! One instruction slot: its constructors and its bytes.

use super::op::{self, AluOp, JmpOp, SRC_REG, Size, class, mode};

/// One 8-byte slot. A 64-bit load of an immediate takes two; the second has code 0 and holds the upper
/// half in `imm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Insn {
    /// Operation.
    pub code: u8,
    /// Destination register, 0 to 10.
    pub dst: u8,
    /// Source register or pseudo source, 0 to 15.
    pub src: u8,
    /// Offset of memory accesses and jumps.
    pub off: i16,
    /// Immediate.
    pub imm: i32,
}

/// Bytes of one slot.
pub const SLOT_SIZE: usize = 8;

impl Insn {
    /// The slot's bytes, little-endian.
    pub fn encode(&self) -> [u8; SLOT_SIZE] {
        let [off0, off1] = self.off.to_le_bytes();
        let [imm0, imm1, imm2, imm3] = self.imm.to_le_bytes();
        [self.code, (self.dst & 0x0f) | (self.src << 4), off0, off1, imm0, imm1, imm2, imm3]
    }

    /// The slot of these bytes; every eight bytes are one.
    pub fn decode(bytes: [u8; SLOT_SIZE]) -> Insn {
        let [code, registers, off0, off1, imm0, imm1, imm2, imm3] = bytes;
        Insn {
            code,
            dst: registers & 0x0f,
            src: registers >> 4,
            off: i16::from_le_bytes([off0, off1]),
            imm: i32::from_le_bytes([imm0, imm1, imm2, imm3]),
        }
    }
}

/// The bytes of all slots.
pub fn encode(code: &[Insn]) -> Vec<u8> {
    code.iter().flat_map(Insn::encode).collect()
}

/// The slots of these bytes; up to seven bytes that fill no slot are left out.
pub fn decode(bytes: &[u8]) -> Vec<Insn> {
    bytes.as_chunks().0.iter().copied().map(Insn::decode).collect()
}

/// `dst op= src` on 64 bits, where `op` is none of negation and byte swap.
pub fn alu64_reg(op: AluOp, dst: u8, src: u8) -> Insn {
    Insn { code: class::ALU64 | op as u8 | SRC_REG, dst, src, ..Insn::default() }
}

/// `dst op= imm` on 64 bits; the sign of `imm` is extended.
pub fn alu64_imm(op: AluOp, dst: u8, imm: i32) -> Insn {
    Insn { code: class::ALU64 | op as u8, dst, imm, ..Insn::default() }
}

/// `dst op= src` on the lower 32 bits; the upper ones become 0.
pub fn alu32_reg(op: AluOp, dst: u8, src: u8) -> Insn {
    Insn { code: class::ALU | op as u8 | SRC_REG, dst, src, ..Insn::default() }
}

/// `dst op= imm` on the lower 32 bits; the upper ones become 0.
pub fn alu32_imm(op: AluOp, dst: u8, imm: i32) -> Insn {
    Insn { code: class::ALU | op as u8, dst, imm, ..Insn::default() }
}

/// `dst = src`, all 64 bits.
pub fn mov64_reg(dst: u8, src: u8) -> Insn {
    alu64_reg(AluOp::Mov, dst, src)
}

/// `dst = imm` with its sign extended to 64 bits.
pub fn mov64_imm(dst: u8, imm: i32) -> Insn {
    alu64_imm(AluOp::Mov, dst, imm)
}

/// `dst = src`, lower 32 bits; the upper ones become 0.
pub fn mov32_reg(dst: u8, src: u8) -> Insn {
    alu32_reg(AluOp::Mov, dst, src)
}

/// `dst = imm` without its sign: the upper 32 bits become 0.
pub fn mov32_imm(dst: u8, imm: i32) -> Insn {
    alu32_imm(AluOp::Mov, dst, imm)
}

/// `dst = -dst` on 64 bits.
pub fn neg64(dst: u8) -> Insn {
    alu64_imm(AluOp::Neg, dst, 0)
}

/// `dst = -dst` on the lower 32 bits; the upper ones become 0.
pub fn neg32(dst: u8) -> Insn {
    alu32_imm(AluOp::Neg, dst, 0)
}

/// The lowest `bits` (16, 32 or 64) of `dst` in big-endian order; the upper ones become 0.
pub fn be(dst: u8, bits: u8) -> Insn {
    Insn { code: class::ALU | op::END | SRC_REG, dst, imm: i32::from(bits), ..Insn::default() }
}

/// The lowest `bits` (16, 32 or 64) of `dst` in little-endian order; the upper ones become 0.
pub fn le(dst: u8, bits: u8) -> Insn {
    Insn { code: class::ALU | op::END, dst, imm: i32::from(bits), ..Insn::default() }
}

/// `dst = *(size *)(src + off)`; narrow loads clear the upper bits.
pub fn ldx(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn { code: class::LDX | mode::MEM | size as u8, dst, src, off, imm: 0 }
}

/// `*(size *)(dst + off) = src`.
pub fn stx(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn { code: class::STX | mode::MEM | size as u8, dst, src, off, imm: 0 }
}

/// `*(size *)(dst + off) = imm`. Not on the context: kernels before 6.4 refuse it.
pub fn st_imm(size: Size, dst: u8, off: i16, imm: i32) -> Insn {
    Insn { code: class::ST | mode::MEM | size as u8, dst, src: 0, off, imm }
}

/// `*(size *)(dst + off) += src`, atomically; 4 or 8 bytes.
pub fn atomic_add(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn { code: class::STX | mode::ATOMIC | size as u8, dst, src, off, imm: op::ATOMIC_ADD }
}

/// `dst = value`, in two slots. `src` is one of [`op::pseudo`]; addresses that a loader fills in are 0 with
/// pseudo source 0.
pub fn ld_imm64(dst: u8, src: u8, value: u64) -> [Insn; 2] {
    let lower = Insn { code: op::LD_IMM64, dst, src, off: 0, imm: value as u32 as i32 };
    [lower, Insn { imm: (value >> 32) as u32 as i32, ..Insn::default() }]
}

/// Jumps over `off` slots if `dst op src` on 64 bits.
pub fn jmp_reg(op: JmpOp, dst: u8, src: u8, off: i16) -> Insn {
    Insn { code: class::JMP | op as u8 | SRC_REG, dst, src, off, imm: 0 }
}

/// Jumps over `off` slots if `dst op imm` on 64 bits; the sign of `imm` is extended.
pub fn jmp_imm(op: JmpOp, dst: u8, imm: i32, off: i16) -> Insn {
    Insn { code: class::JMP | op as u8, dst, src: 0, off, imm }
}

/// Jumps over `off` slots if `dst op src` on the lower 32 bits.
pub fn jmp32_reg(op: JmpOp, dst: u8, src: u8, off: i16) -> Insn {
    Insn { code: class::JMP32 | op as u8 | SRC_REG, dst, src, off, imm: 0 }
}

/// Jumps over `off` slots if `dst op imm` on the lower 32 bits.
pub fn jmp32_imm(op: JmpOp, dst: u8, imm: i32, off: i16) -> Insn {
    Insn { code: class::JMP32 | op as u8, dst, src: 0, off, imm }
}

/// Jumps over `off` slots.
pub fn ja(off: i16) -> Insn {
    Insn { code: class::JMP | op::JA, off, ..Insn::default() }
}

/// Calls the helper with this number: arguments in r1 to r5, which it destroys; result in r0.
pub fn call(helper: u32) -> Insn {
    Insn { code: class::JMP | op::CALL, imm: helper as i32, ..Insn::default() }
}

/// Calls a function that the object does not define, as C compilers write it: a relocation names the function.
pub fn call_extern() -> Insn {
    Insn { code: class::JMP | op::CALL, src: op::pseudo::CALL_LOCAL, imm: -1, ..Insn::default() }
}

/// Calls the kernel function with this number in the kernel's type information.
pub fn call_kernel(number: i32) -> Insn {
    Insn { code: class::JMP | op::CALL, src: op::pseudo::CALL_KERNEL, imm: number, ..Insn::default() }
}

/// Ends the program with r0 as its result.
pub fn exit() -> Insn {
    Insn { code: class::JMP | op::EXIT, ..Insn::default() }
}
