//! The programs of a trial, assembled by hand: one that tries socket options, one that reads a field.

use std::os::fd::{AsRawFd, BorrowedFd};

use aya_obj::generated::{
    BPF_ADD, BPF_ALU64, BPF_CALL, BPF_DW, BPF_EXIT, BPF_IMM, BPF_JEQ, BPF_JMP, BPF_JNE, BPF_K, BPF_LD,
    BPF_LDX, BPF_MEM, BPF_MOV, BPF_NEG, BPF_PSEUDO_MAP_VALUE, BPF_ST, BPF_STX, BPF_W, BPF_X,
};
use tcpc_stdlib::event::event;
use tcpc_stdlib::field::{Field, kernel_field};
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, RETURN_OK};
use tcpc_stdlib::option::{OptionFamily, SockOption};

/// What is done with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is set, to the least value that the kernel takes.
    Set,
    /// It is read.
    Read,
}

/// A program that does this with options in `tcp_connect`, and leaves for each one 32-bit number in the map's value:
/// 0 if it was not tried, else the error number and 1. `None` if the catalogue lacks what it is made of.
pub fn options(tried: &[(&SockOption, Action)], map: BorrowedFd<'_>) -> Option<Vec<u64>> {
    let (op, family) = (kernel_field("op")?, kernel_field("family")?);
    let (set, get) = (helper("bpf_setsockopt")?.id as i32, helper("bpf_getsockopt")?.id as i32);
    let mut code = vec![
        register(6, 1),
        number(0, RETURN_OK),
        slot(BPF_LDX | BPF_MEM | BPF_W, 2, 6, op.offset as i16, 0),
        slot(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1, event("tcp_connect")?.number as i32),
        exit(),
        slot(BPF_LD | BPF_DW | BPF_IMM, 7, BPF_PSEUDO_MAP_VALUE as u8, 0, map.as_raw_fd()),
        slot(0, 0, 0, 0, 0),
        slot(BPF_LDX | BPF_MEM | BPF_W, 8, 6, family.offset as i16, 0),
    ];
    for (at, (option, action)) in tried.iter().enumerate() {
        let attempt = [
            slot(BPF_ST | BPF_MEM | BPF_W, 10, 0, -8, option.min as i32),
            register(1, 6),
            number(2, option.level as i32),
            number(3, option.number as i32),
            register(4, 10),
            slot(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, -8),
            number(5, 4),
            slot(BPF_JMP | BPF_CALL, 0, 0, 0, if *action == Action::Set { set } else { get }),
            slot(BPF_ALU64 | BPF_NEG, 0, 0, 0, 0),
            slot(BPF_ALU64 | BPF_ADD | BPF_K, 0, 0, 0, 1),
            slot(BPF_STX | BPF_MEM | BPF_W, 7, 0, at as i16 * 4, 0),
        ];
        if let Some(family) = family_of(option) {
            code.push(slot(BPF_JMP | BPF_JNE | BPF_K, 8, 0, attempt.len() as i16, family as i32));
        }
        code.extend(attempt);
    }
    code.extend([number(0, RETURN_OK), exit()]);
    Some(code)
}

/// A program that reads a field.
pub fn field(field: &Field) -> Vec<u64> {
    let size = if field.size == 8 { BPF_DW } else { BPF_W };
    let load = slot(BPF_LDX | BPF_MEM | size, 0, 1, field.offset as i16, 0);
    vec![load, number(0, RETURN_OK), exit()]
}

/// A program that returns 0.
pub fn nothing() -> Vec<u64> {
    vec![number(0, 0), exit()]
}

/// The only family that an option is for.
pub fn family_of(option: &SockOption) -> Option<u32> {
    match option.family {
        OptionFamily::Any => None,
        OptionFamily::Inet => Some(AF_INET),
        OptionFamily::Inet6 => Some(AF_INET6),
    }
}

/// `dst = src`.
fn register(dst: u8, src: u8) -> u64 {
    slot(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
}

/// `dst = number`.
fn number(dst: u8, number: i32) -> u64 {
    slot(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, number)
}

fn exit() -> u64 {
    slot(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
}

/// `struct bpf_insn`.
pub fn slot(code: u32, dst: u8, src: u8, off: i16, imm: i32) -> u64 {
    let registers = if cfg!(target_endian = "little") { dst | src << 4 } else { dst << 4 | src };
    let ([o0, o1], [i0, i1, i2, i3]) = (off.to_ne_bytes(), imm.to_ne_bytes());
    u64::from_ne_bytes([code as u8, registers, o0, o1, i0, i1, i2, i3])
}
