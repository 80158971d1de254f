//! The op table: numbers, names and the meaning of an operation byte.
//!
//! Numbers are those of `include/uapi/linux/bpf_common.h` and `include/uapi/linux/bpf.h`.

use super::Insn;

/// Instruction classes, the lowest three bits of an operation byte.
pub mod class {
    /// Loads of 64-bit immediates.
    pub const LD: u8 = 0x00;
    /// Loads from memory.
    pub const LDX: u8 = 0x01;
    /// Stores of an immediate.
    pub const ST: u8 = 0x02;
    /// Stores of a register, and atomics.
    pub const STX: u8 = 0x03;
    /// 32-bit arithmetic.
    pub const ALU: u8 = 0x04;
    /// 64-bit compares, calls and exits.
    pub const JMP: u8 = 0x05;
    /// 32-bit compares.
    pub const JMP32: u8 = 0x06;
    /// 64-bit arithmetic.
    pub const ALU64: u8 = 0x07;
}

/// Address modes of the load and store classes.
pub mod mode {
    /// A 64-bit immediate.
    pub const IMM: u8 = 0x00;
    /// Register and offset.
    pub const MEM: u8 = 0x60;
    /// Register and offset, read-modify-write.
    pub const ATOMIC: u8 = 0xc0;
}

/// Bit of arithmetic and jumps: the second operand is a register (for byte swaps: to big-endian).
pub const SRC_REG: u8 = 0x08;
/// Byte swaps, in class ALU.
pub const END: u8 = 0xd0;
/// Unconditional jump, in class JMP.
pub const JA: u8 = 0x00;
/// Call, in class JMP.
pub const CALL: u8 = 0x80;
/// Exit, in class JMP.
pub const EXIT: u8 = 0x90;
/// A 64-bit immediate load: class LD, mode IMM, size DW.
pub const LD_IMM64: u8 = 0x18;
/// Immediate of an atomic add; other atomics differ only there.
pub const ATOMIC_ADD: i32 = 0x00;

/// Pseudo sources of a 64-bit immediate load: what the immediate stands for.
pub mod pseudo {
    /// Itself.
    pub const NONE: u8 = 0;
    /// A map's descriptor.
    pub const MAP_FD: u8 = 1;
    /// A map's descriptor and an offset in its only value.
    pub const MAP_VALUE: u8 = 2;
    /// In a call: another function of this object, or one that a relocation names.
    pub const CALL_LOCAL: u8 = 1;
    /// In a call: a kernel function, by its number in the kernel's type information.
    pub const CALL_KERNEL: u8 = 2;
}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($(#[$row:meta])* $variant:ident = $number:literal $symbol:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$row])* $variant = $number,)* }

        impl $name {
            /// Every one, by number.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// Its operator, as the kernel prints it.
            pub const fn symbol(self) -> &'static str {
                match self { $($name::$variant => $symbol,)* }
            }

            /// The one with these upper bits of an operation byte.
            pub const fn from_bits(bits: u8) -> Option<$name> {
                match bits { $($number => Some($name::$variant),)* _ => None }
            }
        }
    };
}

table! {
    /// Arithmetic: `dst = dst op src`; `Mov` is `dst = src`, `Neg` is `dst = -dst`.
    ///
    /// Division and remainder are unsigned; by a register that holds 0 they give 0 and the dividend.
    AluOp {
        /// Sum.
        Add = 0x00 "+=",
        /// Difference.
        Sub = 0x10 "-=",
        /// Product.
        Mul = 0x20 "*=",
        /// Unsigned quotient.
        Div = 0x30 "/=",
        /// Bitwise or.
        Or = 0x40 "|=",
        /// Bitwise and.
        And = 0x50 "&=",
        /// Shift to the left.
        Lsh = 0x60 "<<=",
        /// Shift to the right, zeros come in.
        Rsh = 0x70 ">>=",
        /// Negation.
        Neg = 0x80 "-",
        /// Unsigned remainder.
        Mod = 0x90 "%=",
        /// Bitwise exclusive or.
        Xor = 0xa0 "^=",
        /// Copy; the 32-bit form clears the upper half.
        Mov = 0xb0 "=",
        /// Shift to the right, the sign comes in.
        Arsh = 0xc0 "s>>=",
    }
}

table! {
    /// Compares of a conditional jump: taken if `dst op src`. 64-bit compares extend the sign of an immediate.
    JmpOp {
        /// Equal.
        Eq = 0x10 "==",
        /// Unsigned greater.
        Gt = 0x20 ">",
        /// Unsigned greater or equal.
        Ge = 0x30 ">=",
        /// Some bit in common.
        Set = 0x40 "&",
        /// Not equal.
        Ne = 0x50 "!=",
        /// Signed greater.
        Sgt = 0x60 "s>",
        /// Signed greater or equal.
        Sge = 0x70 "s>=",
        /// Unsigned less.
        Lt = 0xa0 "<",
        /// Unsigned less or equal.
        Le = 0xb0 "<=",
        /// Signed less.
        Slt = 0xc0 "s<",
        /// Signed less or equal.
        Sle = 0xd0 "s<=",
    }
}

impl JmpOp {
    /// The compare that holds when this one does not; `Set` has none.
    pub const fn negated(self) -> Option<JmpOp> {
        Some(match self {
            JmpOp::Eq => JmpOp::Ne,
            JmpOp::Ne => JmpOp::Eq,
            JmpOp::Gt => JmpOp::Le,
            JmpOp::Le => JmpOp::Gt,
            JmpOp::Ge => JmpOp::Lt,
            JmpOp::Lt => JmpOp::Ge,
            JmpOp::Sgt => JmpOp::Sle,
            JmpOp::Sle => JmpOp::Sgt,
            JmpOp::Sge => JmpOp::Slt,
            JmpOp::Slt => JmpOp::Sge,
            JmpOp::Set => return None,
        })
    }

    /// The compare that says the same with its operands exchanged.
    pub const fn swapped(self) -> JmpOp {
        match self {
            JmpOp::Gt => JmpOp::Lt,
            JmpOp::Lt => JmpOp::Gt,
            JmpOp::Ge => JmpOp::Le,
            JmpOp::Le => JmpOp::Ge,
            JmpOp::Sgt => JmpOp::Slt,
            JmpOp::Slt => JmpOp::Sgt,
            JmpOp::Sge => JmpOp::Sle,
            JmpOp::Sle => JmpOp::Sge,
            same => same,
        }
    }
}

table! {
    /// Widths of a memory access.
    Size {
        /// 4 bytes.
        W = 0x00 "u32",
        /// 2 bytes.
        H = 0x08 "u16",
        /// 1 byte.
        B = 0x10 "u8",
        /// 8 bytes.
        DW = 0x18 "u64",
    }
}

impl Size {
    /// Width in bytes.
    pub const fn bytes(self) -> u8 {
        match self {
            Size::B => 1,
            Size::H => 2,
            Size::W => 4,
            Size::DW => 8,
        }
    }

    /// The access of so many bytes.
    pub const fn of_bytes(bytes: u8) -> Option<Size> {
        match bytes {
            1 => Some(Size::B),
            2 => Some(Size::H),
            4 => Some(Size::W),
            8 => Some(Size::DW),
            _ => None,
        }
    }
}

/// The second operand of arithmetic, compares and stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A register.
    Reg(u8),
    /// A constant, its sign extended to 64 bits where the operation is that wide.
    Imm(i32),
}

/// What an instruction does. Fields that it does not use are 0, else it is [`Op::Unknown`] (the kernel
/// refuses them too).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `dst = dst op src`, on 64 bits or on 32 with the upper half cleared.
    Alu {
        /// Whether all 64 bits take part.
        wide: bool,
        /// The operation.
        op: AluOp,
        /// Second operand; `Imm(0)` for a negation.
        src: Operand,
    },
    /// Byte swap of the lowest bits into this byte order, the upper bits cleared.
    Swap {
        /// Big-endian, else little-endian.
        big: bool,
        /// 16, 32 or 64.
        bits: u8,
    },
    /// `dst = *(src + off)`.
    Load(Size),
    /// `*(dst + off) = value`.
    Store(Size, Operand),
    /// `*(dst + off) op= src`, atomically; the number says which operation.
    Atomic(Size, i32),
    /// `dst = 64-bit immediate`; takes two slots. The pseudo source says what the number stands for.
    LoadImm64(u8),
    /// The second slot of [`Op::LoadImm64`].
    Upper,
    /// Jump over `off` slots if `dst op src`.
    Jump {
        /// Whether all 64 bits are compared.
        wide: bool,
        /// The compare.
        op: JmpOp,
        /// Second operand.
        src: Operand,
    },
    /// Jump over `off` slots.
    Goto,
    /// Call of the helper with this number.
    Call(i32),
    /// Call of a function of this object, or of one that a relocation names.
    CallLocal,
    /// Call of the kernel function with this number in the kernel's type information.
    CallKernel(i32),
    /// End of the program.
    Exit,
    /// Not of version 3.
    Unknown,
}

/// The largest register number: the frame pointer, read only.
pub const FRAME: u8 = 10;

impl Insn {
    /// What this slot does.
    pub fn op(&self) -> Op {
        let known = match self.code & 0x07 {
            class::LD => self.immediate(),
            class::LDX | class::ST | class::STX => self.memory(),
            class::ALU | class::ALU64 => self.arithmetic(),
            _ => self.jump(),
        };
        known.unwrap_or(Op::Unknown)
    }

    /// Whether a 64-bit immediate load begins here.
    pub fn is_wide(&self) -> bool {
        self.code == LD_IMM64
    }

    fn immediate(&self) -> Option<Op> {
        let Insn { code, dst, src, off, .. } = *self;
        match code {
            LD_IMM64 if dst <= FRAME && off == 0 => Some(Op::LoadImm64(src)),
            0 if dst == 0 && src == 0 && off == 0 => Some(Op::Upper),
            _ => None,
        }
    }

    fn memory(&self) -> Option<Op> {
        let Insn { code, dst, src, imm, .. } = *self;
        let size = Size::from_bits(code & 0x18)?;
        if dst > FRAME || src > FRAME {
            return None;
        }
        match (code & 0x07, code & 0xe0) {
            (class::LDX, mode::MEM) if imm == 0 => Some(Op::Load(size)),
            (class::ST, mode::MEM) if src == 0 => Some(Op::Store(size, Operand::Imm(imm))),
            (class::STX, mode::MEM) if imm == 0 => Some(Op::Store(size, Operand::Reg(src))),
            (class::STX, mode::ATOMIC) if size.bytes() >= 4 => Some(Op::Atomic(size, imm)),
            _ => None,
        }
    }

    fn arithmetic(&self) -> Option<Op> {
        let Insn { code, dst, src, off, imm } = *self;
        let wide = code & 0x07 == class::ALU64;
        if dst > FRAME || off != 0 {
            return None;
        }
        if code & 0xf0 == END {
            let bits = u8::try_from(imm).ok().filter(|bits| matches!(bits, 16 | 32 | 64))?;
            return (!wide && src == 0).then_some(Op::Swap { big: code & SRC_REG != 0, bits });
        }
        let op = AluOp::from_bits(code & 0xf0)?;
        let src = self.operand()?;
        let plain = op != AluOp::Neg || src == Operand::Imm(0);
        plain.then_some(Op::Alu { wide, op, src })
    }

    fn jump(&self) -> Option<Op> {
        let Insn { code, dst, src, off, imm } = *self;
        let wide = code & 0x07 == class::JMP;
        match code & 0xf8 {
            JA if wide => (dst == 0 && src == 0 && imm == 0).then_some(Op::Goto),
            CALL if wide => match (dst, src, off) {
                (0, pseudo::NONE, 0) => Some(Op::Call(imm)),
                (0, pseudo::CALL_LOCAL, 0) => Some(Op::CallLocal),
                (0, pseudo::CALL_KERNEL, 0) => Some(Op::CallKernel(imm)),
                _ => None,
            },
            EXIT if wide => (dst == 0 && src == 0 && off == 0 && imm == 0).then_some(Op::Exit),
            _ => {
                let op = JmpOp::from_bits(code & 0xf0)?;
                let src = self.operand()?;
                (dst <= FRAME).then_some(Op::Jump { wide, op, src })
            }
        }
    }

    /// The second operand of arithmetic and jumps.
    fn operand(&self) -> Option<Operand> {
        if self.code & SRC_REG == 0 {
            (self.src == 0).then_some(Operand::Imm(self.imm))
        } else {
            (self.imm == 0 && self.src <= FRAME).then_some(Operand::Reg(self.src))
        }
    }
}
