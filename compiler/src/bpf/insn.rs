//! One instruction slot.

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
