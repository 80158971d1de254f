//! The recorder's program, assembled from the catalogue. It shares no code with what the compiler makes of a policy.

use std::os::fd::{AsRawFd, BorrowedFd};

use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::op::pseudo;
use tcpc_compiler::bpf::{AluOp, Insn, JmpOp, Size};
use tcpc_stdlib::field::{FIELDS, Field, Guard, Order, Struct, kernel_field, members};
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::{KernelVersion, RETURN_OK};

use super::layout::{self, HEADER_MAX, Phase, readable_options};

/// Bytes of a TCP header before its options.
const FIXED: usize = 20;
/// Holds the context.
const CTX: u8 = 6;
/// Holds the record.
const RECORD: u8 = 7;
/// Holds the socket.
const SOCK: u8 = 8;

/// The slots of a program that records each event, with the policy's counters if it is told where they are.
pub fn recorder(
    phase: Phase,
    version: KernelVersion,
    ring: BorrowedFd<'_>,
    counters: Option<(BorrowedFd<'_>, usize)>,
) -> Vec<u64> {
    let size = layout::counters(version) + counters.map_or(0, |(_, size)| size);
    let mut body = zeros(size);
    body.push(st_imm(Size::W, RECORD, 0, phase as i32));
    body.extend(kept("bpf_get_socket_cookie", layout::COOKIE));
    body.extend(kept("bpf_ktime_get_boot_ns", layout::TIME));
    body.extend(context(version));
    body.extend(structures(version));
    body.extend(options(version));
    body.extend(header(version));
    if let Some((data, size)) = counters {
        body.extend(copied(data, size, layout::counters(version)));
    }
    body.extend([mov64_reg(1, RECORD), mov64_imm(2, 0), call(id("bpf_ringbuf_submit"))]);

    let mut code = vec![mov64_reg(CTX, 1)];
    code.extend(ld_imm64(1, pseudo::MAP_FD, ring.as_raw_fd() as u64));
    code.extend([
        mov64_imm(2, size.next_multiple_of(8) as i32),
        mov64_imm(3, 0),
        call(id("bpf_ringbuf_reserve")),
        // What finds no room is lost; a long body is jumped over in steps of 16 bits.
        jmp_imm(JmpOp::Ne, 0, 0, 2),
        mov64_imm(0, RETURN_OK),
        exit(),
        mov64_reg(RECORD, 0),
    ]);
    code.extend(body);
    code.extend([mov64_imm(0, RETURN_OK), exit()]);
    code.iter().map(|insn| u64::from_le_bytes(insn.encode())).collect()
}

fn id(name: &str) -> u32 {
    helper(name).map_or(0, |helper| helper.id)
}

/// The kernel gives memory as others left it.
fn zeros(size: usize) -> Vec<Insn> {
    (0..size.next_multiple_of(8)).step_by(8).map(|at| st_imm(Size::DW, RECORD, at as i16, 0)).collect()
}

/// What a helper says of the context.
fn kept(name: &str, at: usize) -> [Insn; 3] {
    [mov64_reg(1, CTX), call(id(name)), stx(Size::DW, RECORD, 0, at as i16)]
}

/// Every member of the context but for pointers. The context is never loaded over.
fn context(version: KernelVersion) -> Vec<Insn> {
    let mut code = Vec::new();
    for field in
        members(Struct::SockOps).filter(|field| field.order != Order::Pointer && field.since <= version)
    {
        let load = words(field, CTX);
        // On a request socket it would be read from outside of the object.
        if let (Guard::Unchecked, Some(full)) = (field.guard, kernel_field("is_fullsock")) {
            code.push(ldx(Size::W, 2, CTX, full.offset as i16));
            code.push(jmp_imm(JmpOp::Eq, 2, 0, load.len() as i16));
        }
        code.extend(load);
    }
    code
}

/// The members of the structures that the context leads to, if it does.
fn structures(version: KernelVersion) -> Vec<Insn> {
    let Some(sk) = kernel_field("sk").filter(|sk| sk.since <= version) else { return Vec::new() };
    let of = |structure, base| -> Vec<Insn> {
        let known = FIELDS.iter().filter(|field| field.of == structure && field.since <= version);
        known.flat_map(|field| words(field, base)).collect()
    };
    let tcp = of(Struct::TcpSock, 0);
    let mut inner = of(Struct::Sock, SOCK);
    inner.extend([mov64_reg(1, SOCK), call(id("bpf_tcp_sock")), jmp_imm(JmpOp::Eq, 0, 0, tcp.len() as i16)]);
    inner.extend(tcp);
    let mut code = vec![ldx(Size::DW, SOCK, CTX, sk.offset as i16)];
    code.push(jmp_imm(JmpOp::Eq, SOCK, 0, inner.len() as i16));
    code.extend(inner);
    code
}

fn words(field: &Field, base: u8) -> Vec<Insn> {
    let size = Size::of_bytes(field.size).unwrap_or(Size::W);
    let word = |word: u8| {
        let at = field.offset + u16::from(word) * u16::from(field.size);
        let kept = layout::structure(field.of) + usize::from(at);
        [ldx(size, 2, base, at as i16), stx(size, RECORD, 2, kept as i16)]
    };
    (0..field.words).flat_map(word).collect()
}

fn options(version: KernelVersion) -> Vec<Insn> {
    let mut code = Vec::new();
    for (index, option) in readable_options(version).enumerate() {
        let at = layout::options() + index * layout::OPTION;
        code.extend([
            mov64_reg(1, CTX),
            mov64_imm(2, option.level as i32),
            mov64_imm(3, option.number as i32),
            mov64_reg(4, RECORD),
            alu64_imm(AluOp::Add, 4, at as i32 + 8),
            mov64_imm(5, layout::length(option) as i32),
            call(id("bpf_getsockopt")),
            stx(Size::DW, RECORD, 0, at as i16),
        ]);
    }
    code
}

/// The header of the segment at hand, as far as it is there. Options that are being written end anywhere.
fn header(version: KernelVersion) -> Vec<Insn> {
    let (Some(data), Some(end)) = (kernel_field("skb_data"), kernel_field("skb_data_end")) else {
        return Vec::new();
    };
    if data.since > version {
        return Vec::new();
    }
    let at = layout::header(version);
    let offsets: Vec<usize> = (0..FIXED).step_by(4).chain(FIXED..HEADER_MAX).collect();
    let step = |(index, offset): (usize, usize)| {
        let size = if offset < FIXED { Size::W } else { Size::B };
        let bytes = i32::from(size.bytes());
        [
            mov64_reg(4, 2),
            alu64_imm(AluOp::Add, 4, offset as i32 + bytes),
            // To the end.
            jmp_reg(JmpOp::Gt, 4, 3, ((offsets.len() - index) * 6 - 3) as i16),
            ldx(size, 5, 2, offset as i16),
            stx(size, RECORD, 5, (at + offset) as i16),
            st_imm(Size::W, RECORD, at as i16 - 8, offset as i32 + bytes),
        ]
    };
    let mut code = vec![ldx(Size::DW, 2, CTX, data.offset as i16), ldx(Size::DW, 3, CTX, end.offset as i16)];
    code.extend(offsets.iter().copied().enumerate().flat_map(step));
    code
}

/// The bytes of a section of another program's data.
fn copied(data: BorrowedFd<'_>, size: usize, to: usize) -> Vec<Insn> {
    let mut code = ld_imm64(1, pseudo::MAP_VALUE, data.as_raw_fd() as u64).to_vec();
    for at in (0..size / 8 * 8).step_by(8) {
        code.extend([ldx(Size::DW, 2, 1, at as i16), stx(Size::DW, RECORD, 2, (to + at) as i16)]);
    }
    code
}
