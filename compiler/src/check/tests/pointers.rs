//! The context's `sk`, and what helpers make of it.
//!
//! All that are accepted here were loaded into kernels 5.10 to 7.3, those that need a map aside.

use super::*;

/// `bpf_tcp_sock`.
const TCP_SOCK: u32 = 96;
/// `bpf_sk_storage_get`.
const STORAGE_GET: u32 = 107;

/// `dst = ctx->sk`.
fn sock(dst: u8) -> Insn {
    ldx(Size::DW, dst, 6, 184)
}

/// `r1 = ctx->sk`, BODY if there is one.
fn with_sock(body: Vec<Insn>) -> Vec<Insn> {
    always(join([vec![sock(1), jmp_imm(JmpOp::Eq, 1, 0, body.len() as i16)], body]))
}

/// `r0 = bpf_tcp_sock(ctx->sk)`, or 0 without a socket.
fn tcp_sock() -> Vec<Insn> {
    vec![sock(1), mov64_imm(0, 0), jmp_imm(JmpOp::Eq, 1, 0, 1), call(TCP_SOCK)]
}

/// `dst = dst->delivered`, or 0 if it is NULL.
fn delivered(dst: u8) -> Vec<Insn> {
    vec![jmp_imm(JmpOp::Eq, dst, 0, 1), ldx(Size::W, dst, dst, 100)]
}

#[test]
fn members_are_read_whole_and_only_those_that_are_known() {
    let member = |insn| with_sock(vec![insn]);
    accepts(member(ldx(Size::W, 2, 1, 0)));
    refuses(member(ldx(Size::H, 2, 1, 0)), "`bound_dev_if` is accessed with 2 bytes, it has 4");
    refuses(member(ldx(Size::W, 2, 1, 4)), "no member of `bpf_sock` that is known at offset 4");
    refuses(member(ldx(Size::W, 2, 1, -4)), "no member of `bpf_sock`");
    let member = |insn| always(join([tcp_sock(), vec![jmp_imm(JmpOp::Eq, 0, 0, 1), insn]]));
    accepts(member(ldx(Size::W, 2, 0, 108)));
    refuses(member(ldx(Size::DW, 2, 0, 104)), "`delivered_ce` is accessed with 8 bytes, it has 4");
    // `rtt_min` is read through the context, where the event tells whether it may be.
    refuses(member(ldx(Size::W, 2, 0, 8)), "no member of `bpf_tcp_sock` that is known at offset 8");
    refuses(member(ldx(Size::W, 2, 0, 112)), "no member of `bpf_tcp_sock`");
}

#[test]
fn nothing_is_written() {
    refuses(
        with_sock(vec![stx(Size::W, 1, 6, 0)]),
        "r1 is a structure of the kernel: it cannot be written to",
    );
    refuses(with_sock(vec![st_imm(Size::W, 1, 0, 1)]), "it cannot be written to");
    refuses(with_sock(vec![mov64_imm(2, 1), atomic_add(Size::W, 1, 2, 0)]), "cannot be added to");
    refuses(with_sock(vec![alu64_imm(AluOp::Add, 1, 4)]), "no arithmetic on it");
    refuses(with_sock(vec![mov32_reg(2, 1)]), "only numbers have a lower half");
}

#[test]
fn pointers_are_checked_for_null() {
    refuses(always(vec![sock(1), ldx(Size::W, 2, 1, 0)]), "not checked for NULL");
    refuses(always(vec![sock(1), call(TCP_SOCK)]), "argument r1: it is a kernel pointer that is not checked");
    refuses(always(join([tcp_sock(), vec![ldx(Size::W, 2, 0, 100)]])), "not checked for NULL");
    let wrong_side = vec![sock(1), jmp_imm(JmpOp::Ne, 1, 0, 1), ldx(Size::W, 2, 1, 0)];
    refuses(always(wrong_side), "r1 is a number");
    refuses(always(vec![sock(1), jmp_imm(JmpOp::Gt, 1, 0, 1), mov64_imm(2, 1)]), "only be compared with 0");
}

#[test]
fn two_loads_are_two_pointers() {
    let two = vec![sock(1), sock(2), jmp_imm(JmpOp::Eq, 1, 0, 1), ldx(Size::W, 3, 2, 0)];
    refuses(always(two), "r2 is a kernel pointer that is not checked for NULL");
    accepts(always(vec![sock(1), mov64_reg(2, 1), jmp_imm(JmpOp::Eq, 1, 0, 1), ldx(Size::W, 3, 2, 0)]));
    accepts(always(vec![
        sock(1),
        stx(Size::DW, 10, 1, -8),
        jmp_imm(JmpOp::Eq, 1, 0, 2),
        ldx(Size::DW, 2, 10, -8),
        ldx(Size::W, 3, 2, 0),
    ]));
}

#[test]
fn after_paths_met_a_pointer_is_checked_again() {
    // Two members through one pointer, which one path knows and the other knows to be NULL.
    let copied = |dst| join([vec![mov64_reg(dst, 0)], delivered(dst)]);
    accepts(always(join([tcp_sock(), copied(2), copied(3)])));
    refuses(always(join([tcp_sock(), copied(2), vec![ldx(Size::W, 3, 0, 100)]])), "not checked for NULL");
    // The same in the frame.
    let spilled = vec![stx(Size::DW, 10, 0, -8)];
    let reloaded = join([vec![ldx(Size::DW, 2, 10, -8)], delivered(2)]);
    accepts(always(join([tcp_sock(), spilled, delivered(0), reloaded.clone(), reloaded])));
}

/// Where a pointer was known, the kernel knows on which side of a second check it goes on.
#[test]
fn where_it_is_null_it_is_a_number() {
    let number = |register| vec![jmp_imm(JmpOp::Ne, register, 0, 1), alu64_imm(AluOp::Add, register, 4)];
    let checked = |register| join([vec![mov64_reg(3, register)], delivered(3)]);
    accepts(always(join([tcp_sock(), checked(0), number(0)])));
    let sock_again = vec![sock(2), mov64_reg(3, 2), jmp_imm(JmpOp::Eq, 3, 0, 1), ldx(Size::W, 3, 3, 0)];
    accepts(always(join([sock_again, number(2)])));
}

/// On one path r2 is the socket and r3 is 0, on the other it is the other way round: that one is not NULL says
/// nothing of the other.
#[test]
fn after_paths_met_pointers_are_checked_one_by_one() {
    let crossed = |last| {
        with_sock(vec![
            unknown(4),
            mov64_reg(2, 1),
            mov64_imm(3, 0),
            jmp_imm(JmpOp::Eq, 4, 7, 2),
            mov64_imm(2, 0),
            mov64_reg(3, 1),
            jmp_imm(JmpOp::Eq, 2, 0, 1),
            last,
        ])
    };
    accepts(crossed(ldx(Size::W, 5, 2, 0)));
    refuses(crossed(ldx(Size::W, 5, 3, 0)), "r3 is a kernel pointer that is not checked for NULL");
}

#[test]
fn structures_of_different_kinds_do_not_become_one() {
    let mixed = join([tcp_sock(), vec![unknown(4), jmp_imm(JmpOp::Eq, 4, 7, 1), sock(0)]]);
    refuses(
        always(join([mixed, vec![jmp_imm(JmpOp::Eq, 0, 0, 0)]])),
        "of different kinds on different paths",
    );
    let tcp_again = vec![mov64_reg(1, 0), call(TCP_SOCK)];
    let twice = join([tcp_sock(), vec![jmp_imm(JmpOp::Eq, 0, 0, 2)], tcp_again]);
    refuses(always(twice), "argument r1: it is a structure of the kernel, not a socket");
}

#[test]
fn pointers_stay_with_the_program() {
    let stored = |to| with_sock(join([vec![mov64_reg(7, 1)], address(2, to), vec![stx(Size::DW, 2, 7, 0)]]));
    refuses(stored(BSS), "a structure of the kernel is stored where others can read it");
    let value = join([look_up(), vec![sock(1), jmp_imm(JmpOp::Eq, 0, 0, 1), stx(Size::DW, 0, 1, 0)]]);
    refuses(always(value), "a kernel pointer that is not checked for NULL is stored where others");
    refuses(always(vec![sock(1), stx(Size::DW, 6, 1, 184)]), "`sk` is read-only");
    refuses(on(1, vec![sock(1), stx(Size::W, 6, 1, 4)]), "r1 is a kernel pointer");
    let mut option = set(1, 7);
    option.insert(0, sock(3));
    option[1] = stx(Size::DW, 10, 3, -8);
    refuses(on(4, option), "not all of its 4 bytes");
    refuses(vec![ldx(Size::DW, 0, 1, 184), exit()], "r0 is a kernel pointer");
}

#[test]
fn pointers_that_nobody_needs_are_not_followed() {
    accepts(always(vec![ldx(Size::DW, 2, 6, 192)]));
    refuses(always(vec![ldx(Size::DW, 2, 6, 192), ldx(Size::B, 3, 2, 0)]), "r2 is a kernel pointer");
}

/// Memory of a connection.
#[test]
fn a_socket_keeps_values_in_maps_of_its_own_type() {
    let get = |kind, sock: Insn, value: Insn| {
        let body = join([address(1, MAP), vec![sock, value, mov64_imm(4, 1), call(STORAGE_GET)]]);
        let access = vec![jmp_imm(JmpOp::Eq, 0, 0, 1), ldx(Size::DW, 1, 0, 8)];
        let checked = join([vec![mov64_reg(7, 1)], body, access]);
        let mut object = object(with_sock(checked));
        object.maps[0].kind = kind;
        check(&object).map_err(|error| error.message)
    };
    let (known, none) = (mov64_reg(2, 7), mov64_imm(3, 0));
    assert_eq!(get(24, known, none), Ok(()));
    let refused = |result: Result<(), String>| result.unwrap_err();
    assert_eq!(refused(get(1, known, none)), "argument r1: it is a map of another type");
    assert_eq!(refused(get(24, mov64_imm(2, 0), none)), "argument r2: it is a number, not a socket");
    assert_eq!(refused(get(24, known, mov64_imm(3, 8))), "argument r3: it is a number, not memory");
    assert_eq!(
        refused(get(24, known, mov64_reg(3, 7))),
        "argument r3: it is a structure of the kernel, not memory"
    );
    let mut looked_up = object(always(look_up()));
    looked_up.maps[0].kind = 24;
    assert_eq!(check(&looked_up).unwrap_err().message, "argument r1: it is a map of another type");
}
