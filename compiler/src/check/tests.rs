//! Programs that the kernel takes or refuses, or that it takes though they do harm; the comment on each group
//! says which. All that are accepted here, and thousands of variations of them,
//! were loaded into kernels 5.10 to 7.2.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod locks;
mod pointers;

use tcpc_stdlib::kernel::VERIFIED_MAX;

use super::check;
use crate::bpf::insn::*;
use crate::bpf::{AluOp, Insn, JmpOp, Size};
use crate::object::{DataSection, ObjectFile, ObjectMap, ResolvedRelocation, ResolvedTarget};

/// `r6 = ctx; if op is not NUMBER, goto the end`: BODY follows, then `r0 = 1; exit`.
fn on(number: i32, body: Vec<Insn>) -> Vec<Insn> {
    let mut code =
        vec![mov64_reg(6, 1), ldx(Size::W, 2, 1, 0), jmp_imm(JmpOp::Ne, 2, number, body.len() as i16)];
    code.extend(body);
    code.extend([mov64_imm(0, 1), exit()]);
    code
}

/// BODY in any event, with the context in r1 and r6.
fn always(body: Vec<Insn>) -> Vec<Insn> {
    let mut code = vec![mov64_reg(6, 1)];
    code.extend(body);
    code.extend([mov64_imm(0, 1), exit()]);
    code
}

/// An object with a hash map of 8-byte keys and 16-byte values, 1024 bytes of `.rodata` and 64 of `.bss`.
/// Loads of the 64-bit immediates [`MAP`], [`RODATA`] and [`BSS`] become loads of their addresses.
fn object(mut code: Vec<Insn>) -> ObjectFile {
    let mut relocations = Vec::new();
    for (slot, insn) in code.iter_mut().enumerate().filter(|(_, insn)| insn.is_wide()) {
        let target = match insn.imm as u32 as u64 {
            MAP => ResolvedTarget::Map(0),
            RODATA => ResolvedTarget::Data(0, 0),
            BSS => ResolvedTarget::Data(1, 0),
            _ => continue,
        };
        insn.imm = 0;
        relocations.push(ResolvedRelocation { slot, target });
    }
    let section = |name: &str, size, writable| DataSection {
        name: name.into(),
        bytes: vec![0; size],
        writable,
        symbols: vec![],
    };
    let map = ObjectMap {
        name: "ports".into(),
        kind: 1,
        key_size: 8,
        value_size: 16,
        max_entries: 10,
        locked: false,
    };
    ObjectFile {
        name: "test".into(),
        code,
        relocations,
        maps: vec![map],
        data: vec![section(".rodata", 1024, false), section(".bss", 64, true)],
        ..ObjectFile::default()
    }
}

const MAP: u64 = 0x7ffa_0001;
const RODATA: u64 = 0x7ffa_0002;
const BSS: u64 = 0x7ffa_0003;

fn join<const N: usize>(parts: [Vec<Insn>; N]) -> Vec<Insn> {
    parts.concat()
}

fn address(dst: u8, of: u64) -> Vec<Insn> {
    ld_imm64(dst, 0, of).to_vec()
}

#[track_caller]
fn accepts(code: Vec<Insn>) {
    let listing: Vec<String> = code.iter().map(Insn::to_string).collect();
    if let Err(error) = check(&object(code)) {
        panic!("{error}\n{listing:#?}");
    }
}

#[track_caller]
fn refuses(code: Vec<Insn>, message: &str) {
    match check(&object(code)) {
        Ok(()) => panic!("accepted, not refused with `{message}`"),
        Err(error) => assert!(error.message.contains(message), "{error}\nis not `{message}`"),
    }
}

/// `r0 = setsockopt(ctx, level, name, a number on the stack, 4)`.
fn set(level: i32, name: i32) -> Vec<Insn> {
    vec![
        st_imm(Size::W, 10, -4, 1),
        mov64_reg(1, 6),
        mov64_imm(2, level),
        mov64_imm(3, name),
        mov64_reg(4, 10),
        alu64_imm(AluOp::Add, 4, -4),
        mov64_imm(5, 4),
        call(49),
    ]
}

/// `r0 = lookup(map, key on the stack)`.
fn look_up() -> Vec<Insn> {
    join([
        vec![st_imm(Size::DW, 10, -8, 0)],
        address(1, MAP),
        vec![mov64_reg(2, 10), alu64_imm(AluOp::Add, 2, -8), call(1)],
    ])
}

/// `r2` = a number that nobody knows.
fn unknown(dst: u8) -> Insn {
    ldx(Size::W, dst, 6, 68)
}

#[test]
fn the_sample_of_the_object_writer_passes() {
    let bytes = crate::object::write(&crate::object::tests::sample()).unwrap();
    assert_eq!(check(&crate::object::read(&bytes).unwrap()), Ok(()));
}

// What the kernel takes.

#[test]
fn a_reply_in_an_event_that_has_one() {
    accepts(on(1, vec![mov64_imm(3, 10), stx(Size::W, 6, 3, 4)]));
}

#[test]
fn options_and_flags() {
    accepts(on(4, set(1, 7)));
    accepts(always(vec![mov64_reg(1, 6), mov64_imm(2, 0x7f), call(59)]));
}

#[test]
fn an_option_that_is_read_back_from_the_stack() {
    let code = vec![
        mov64_imm(2, 6),
        mov64_imm(3, 13),
        mov64_reg(4, 10),
        alu64_imm(AluOp::Add, 4, -16),
        mov64_imm(5, 16),
        call(57),
        ldx(Size::DW, 3, 10, -16),
        ldx(Size::DW, 4, 10, -8),
    ];
    accepts(always(code));
}

#[test]
fn counters_in_maps_and_in_bss() {
    accepts(always(join([
        look_up(),
        vec![jmp_imm(JmpOp::Eq, 0, 0, 2), mov64_imm(1, 1), atomic_add(Size::DW, 0, 1, 8)],
        address(1, BSS),
        vec![mov64_imm(2, 1), atomic_add(Size::DW, 1, 2, 56)],
    ])));
}

#[test]
fn a_look_up_that_is_spilled_and_copied_before_its_check() {
    accepts(always(join([
        look_up(),
        vec![
            mov64_reg(7, 0),
            stx(Size::DW, 10, 0, -16),
            jmp_imm(JmpOp::Ne, 0, 0, 1),
            ja(3),
            ldx(Size::DW, 1, 7, 8),
            ldx(Size::DW, 8, 10, -16),
            ldx(Size::DW, 1, 8, 0),
        ],
    ])));
}

#[test]
fn a_prefix_of_addresses() {
    accepts(on(
        1,
        vec![
            ldx(Size::W, 3, 6, 32),
            ldx(Size::W, 4, 6, 48),
            jmp32_reg(JmpOp::Ne, 3, 4, 6),
            ldx(Size::W, 3, 6, 36),
            ldx(Size::W, 4, 6, 52),
            alu32_reg(AluOp::Xor, 3, 4),
            be(3, 32),
            mov64_imm(3, 10),
            stx(Size::W, 6, 3, 4),
        ],
    ));
}

/// A search over 64 rows of 16 bytes: `pos |= step` if the row there is not above the key.
#[test]
fn a_binary_search_over_constants() {
    let mut body = join([vec![unknown(2), mov64_imm(3, 0)], address(4, RODATA)]);
    for step in [32, 16, 8, 4, 2, 1] {
        body.extend([
            mov64_reg(5, 3),
            alu64_imm(AluOp::Or, 5, step),
            mov64_reg(7, 5),
            alu64_imm(AluOp::Lsh, 7, 4),
            mov64_reg(8, 4),
            alu64_reg(AluOp::Add, 8, 7),
            ldx(Size::W, 8, 8, 12),
            jmp_reg(JmpOp::Gt, 8, 2, 1),
            mov64_reg(3, 5),
        ]);
    }
    body.extend([alu64_imm(AluOp::Lsh, 3, 4), alu64_reg(AluOp::Add, 4, 3), ldx(Size::DW, 0, 4, 8)]);
    accepts(always(body));
}

#[test]
fn an_index_that_a_mask_or_a_compare_bounds() {
    let indexed = |bound: Vec<Insn>| {
        let after = vec![alu64_imm(AluOp::Lsh, 2, 2), alu64_reg(AluOp::Add, 3, 2), ldx(Size::W, 0, 3, 0)];
        always(join([vec![unknown(2)], address(3, RODATA), bound, after]))
    };
    accepts(indexed(vec![alu64_imm(AluOp::And, 2, 255)]));
    accepts(indexed(vec![jmp_imm(JmpOp::Gt, 2, 255, 3)]));
    accepts(indexed(vec![jmp32_imm(JmpOp::Ge, 2, 256, 3)]));
    refuses(indexed(vec![alu64_imm(AluOp::And, 2, 256)]), "bytes 0 to 1028 of `.rodata`");
    refuses(indexed(vec![jmp_imm(JmpOp::Gt, 2, 256, 3)]), "bytes 0 to 1028 of `.rodata`");
    refuses(indexed(vec![]), "not bounded");
}

/// Though the range is clear, kernels conclude nothing of these.
#[test]
fn bounds_that_the_kernel_does_not_see() {
    let indexed = |bound: Vec<Insn>| {
        let after = vec![alu64_reg(AluOp::Add, 3, 2), ldx(Size::B, 0, 3, 0)];
        always(join([vec![unknown(2)], address(3, RODATA), bound, after]))
    };
    refuses(indexed(vec![alu64_imm(AluOp::Mod, 2, 100)]), "not bounded");
    refuses(indexed(vec![alu32_imm(AluOp::Div, 2, 1 << 24)]), "not bounded");
    refuses(indexed(vec![alu64_imm(AluOp::And, 2, 255), be(2, 16)]), "not bounded");
    let against_unknown = vec![unknown(4), alu64_imm(AluOp::And, 4, 255), jmp_reg(JmpOp::Gt, 2, 4, 2)];
    refuses(indexed(against_unknown), "not bounded");
    accepts(indexed(vec![alu64_imm(AluOp::Mod, 2, 100), alu64_imm(AluOp::And, 2, 127)]));
}

#[test]
fn dead_branches_on_constants_are_not_followed() {
    accepts(always(vec![mov64_imm(2, 1), jmp_imm(JmpOp::Eq, 2, 1, 1), ldx(Size::DW, 3, 2, 0)]));
}

#[test]
fn a_member_of_eight_bytes_and_every_writable_one() {
    accepts(always(vec![ldx(Size::DW, 2, 6, 168), mov64_imm(3, 7), stx(Size::W, 6, 3, 164)]));
}

#[test]
fn rtt_min_where_the_socket_is_full() {
    accepts(on(4, vec![ldx(Size::W, 3, 6, 92)]));
}

#[test]
fn events_that_a_range_of_op_leaves() {
    let between = |low, high| {
        always(vec![
            ldx(Size::W, 2, 6, 0),
            jmp32_imm(JmpOp::Lt, 2, low, 3),
            jmp32_imm(JmpOp::Gt, 2, high, 2),
            mov64_imm(3, 10),
            stx(Size::W, 6, 3, 4),
        ])
    };
    accepts(between(1, 2));
    accepts(between(6, 7));
    refuses(between(1, 3), "a reply is written where");
    refuses(between(0, 1), "a reply is written where");
}

#[test]
fn events_survive_a_spill_and_compares_with_registers() {
    accepts(always(vec![
        ldx(Size::W, 2, 6, 0),
        stx(Size::DW, 10, 2, -8),
        ldx(Size::DW, 3, 10, -8),
        mov32_reg(4, 3),
        mov64_imm(5, 6),
        jmp_reg(JmpOp::Ne, 5, 4, 2),
        mov64_imm(3, 1),
        stx(Size::W, 6, 3, 4),
    ]));
}

// Flow.

#[test]
fn loops_and_wild_jumps() {
    refuses(vec![], "empty");
    refuses(vec![mov64_imm(0, 1), ja(-2)], "backwards");
    refuses(vec![mov64_imm(0, 1), jmp_imm(JmpOp::Eq, 0, 0, -2), exit()], "backwards");
    refuses(vec![ja(5), exit()], "leaves the program");
    refuses(vec![mov64_imm(0, 1)], "runs off its end");
    refuses(join([vec![mov64_imm(0, 1)], address(2, 5)]), "runs off its end");
    refuses(join([vec![jmp_imm(JmpOp::Eq, 1, 0, 1)], address(2, 5), vec![exit()]]), "into a 64-bit load");
    refuses(vec![ld_imm64(1, 0, 0)[0], mov64_imm(0, 1), exit()], "lacks its second half");
    refuses(vec![ld_imm64(1, 0, 0)[1], exit()], "without its first");
    refuses(vec![mov64_imm(0, 1), exit(), mov64_imm(0, 1), exit()], "cannot be reached");
}

#[test]
fn operations_of_other_versions() {
    let local = Insn { src: 1, ..call(1) };
    refuses(vec![local, exit()], "functions of the object");
    refuses(vec![Insn { off: 1, ..alu64_reg(AluOp::Div, 1, 2) }, exit()], "not an instruction");
    let fetching = Insn { imm: 1, ..atomic_add(Size::DW, 1, 2, 0) };
    refuses(always(join([address(1, BSS), vec![mov64_imm(2, 1), fetching]])), "5.12");
}

#[test]
fn programs_that_are_too_long() {
    let mut code = vec![mov64_imm(0, 1); VERIFIED_MAX];
    code.push(exit());
    refuses(code, "1000001 slots");
}

/// One pass over the slots: a diamond at every step would double the paths.
#[test]
fn a_hundred_thousand_branches_are_checked_in_one_pass() {
    let mut code = vec![mov64_reg(6, 1)];
    for _ in 0..100_000 {
        code.extend([unknown(2), jmp_imm(JmpOp::Eq, 2, 7, 1), mov64_imm(2, 3)]);
    }
    code.extend([mov64_imm(0, 1), exit()]);
    accepts(code);
}

// Registers and numbers.

#[test]
fn registers_that_are_not_written() {
    refuses(vec![mov64_reg(0, 2), exit()], "r2 is read but not written");
    refuses(vec![exit()], "r0 is read but not written");
    refuses(always(vec![call(7), mov64_reg(2, 1)]), "r1 is read but not written");
    let one_path = vec![unknown(2), jmp_imm(JmpOp::Eq, 2, 1, 1), mov64_imm(3, 1), mov64_reg(4, 3)];
    refuses(always(one_path), "r3 is read but not written");
    refuses(always(vec![mov64_imm(10, 0)]), "r10 is read-only");
}

#[test]
fn numbers_that_the_kernel_refuses() {
    refuses(always(vec![mov64_imm(2, 1), alu64_imm(AluOp::Div, 2, 0)]), "division by a constant 0");
    refuses(always(vec![mov64_imm(2, 1), alu32_imm(AluOp::Mod, 2, 0)]), "division by a constant 0");
    refuses(always(vec![mov64_imm(2, 1), alu64_imm(AluOp::Lsh, 2, 64)]), "a shift by 64");
    refuses(always(vec![mov64_imm(2, 1), alu32_imm(AluOp::Rsh, 2, 32)]), "a shift by 32");
}

#[test]
fn results_other_than_one() {
    refuses(vec![mov64_imm(0, 0), exit()], "ends with r0 = 0");
    refuses(vec![mov64_imm(0, 2), exit()], "ends with r0 = 2");
    refuses(vec![ldx(Size::W, 0, 1, 0), exit()], "not always 1");
    refuses(vec![mov64_reg(0, 1), exit()], "r0 is the context");
}

// Frame and memory.

#[test]
fn frames_have_512_bytes() {
    accepts(always(vec![st_imm(Size::DW, 10, -512, 0)]));
    refuses(always(vec![st_imm(Size::DW, 10, -520, 0)]), "leave the frame");
    refuses(always(vec![st_imm(Size::W, 10, 0, 0)]), "leave the frame");
    refuses(always(vec![st_imm(Size::DW, 10, -12, 0)]), "not aligned");
    refuses(always(vec![ldx(Size::DW, 2, 10, -8)]), "not all written");
    refuses(always(vec![st_imm(Size::W, 10, -8, 0), ldx(Size::DW, 2, 10, -8)]), "not all written");
}

#[test]
fn arguments_must_be_written_in_full() {
    let mut unwritten = set(1, 7);
    unwritten[0] = st_imm(Size::H, 10, -4, 1);
    refuses(on(4, unwritten), "not all of its 4 bytes");
    let mut outside = set(1, 7);
    outside[6] = mov64_imm(5, 8);
    refuses(on(4, outside), "leave the frame");
    let mut unbounded = set(1, 7);
    unbounded[6] = unknown(5);
    refuses(on(4, unbounded), "may be 0");
    let key = join([address(1, MAP), vec![mov64_reg(2, 10), alu64_imm(AluOp::Add, 2, -8), call(1)]]);
    refuses(always(key), "not all of its 8 bytes");
}

/// `load_hdr_opt(ctx, 8 bytes of the frame, 8, flags)`; the bytes are stored before.
fn search(flags: i32) -> Vec<Insn> {
    vec![
        st_imm(Size::DW, 10, -8, 28),
        mov64_reg(1, 6),
        mov64_reg(2, 10),
        alu64_imm(AluOp::Add, 2, -8),
        mov64_imm(3, 8),
        mov64_imm(4, flags),
        call(142),
    ]
}

/// `NUMBER(ctx, 8 bytes of the frame, 8, 0)` or `NUMBER(ctx, 8, 0)`.
fn header_helper(number: u32) -> Vec<Insn> {
    match number {
        144 => vec![mov64_reg(1, 6), mov64_imm(2, 8), mov64_imm(3, 0), call(144)],
        _ => [search(0)[..6].to_vec(), vec![call(number)]].concat(),
    }
}

#[test]
fn the_memory_that_a_search_writes_over() {
    accepts(on(13, join([search(0), vec![ldx(Size::DW, 3, 10, -8)]])));
    let mut unwritten = search(0);
    unwritten[0] = st_imm(Size::W, 10, -8, 28);
    refuses(on(13, unwritten), "not all of its 8 bytes");
    let mut leaked = search(0);
    leaked[0] = stx(Size::DW, 10, 6, -8);
    refuses(on(13, leaked), "not all of its 8 bytes");
    let mut constant = join([address(7, RODATA), search(0)]);
    constant[4] = mov64_reg(2, 7);
    constant[5] = mov64_imm(0, 0);
    refuses(on(13, constant), "`.rodata` is read-only");
    let mut counters = join([address(7, BSS), search(0)]);
    counters[4] = mov64_reg(2, 7);
    counters[5] = mov64_imm(0, 0);
    accepts(on(13, counters));
}

/// What was stored before is not there afterwards: a map's value is found with it only if that is proven anew.
#[test]
fn what_a_search_leaves_is_not_what_was_stored() {
    let index = |before: Vec<Insn>| {
        let load = vec![ldx(Size::DW, 3, 10, -8), alu64_reg(AluOp::Add, 7, 3), ldx(Size::B, 4, 7, 0)];
        on(13, join([address(7, RODATA), before, load]))
    };
    accepts(index(vec![st_imm(Size::DW, 10, -8, 28)]));
    refuses(index(search(0)), "an offset that is not bounded");
}

#[test]
fn helpers_are_called_where_they_do_something() {
    for number in [144, 143, 142] {
        for op in 1..=15 {
            let fits = match number {
                144 => op == 14,
                143 => op == 15,
                _ => [4, 5, 13, 15].contains(&op),
            };
            match fits {
                true => accepts(on(op, header_helper(number))),
                false => refuses(on(op, header_helper(number)), "fails with EPERM"),
            }
        }
        refuses(always(header_helper(number)), "fails with EPERM");
    }
    // The SYN can be searched wherever it was saved.
    accepts(always(search(1)));
    let mut unknown_flags = search(0);
    unknown_flags[5] = unknown(4);
    refuses(always(unknown_flags), "fails with EPERM");
}

#[test]
fn addresses_in_arguments_are_not_numbers() {
    let mut leaked = set(1, 7);
    leaked[0] = stx(Size::DW, 10, 6, -8);
    refuses(on(4, leaked), "not all of its 4 bytes");
}

#[test]
fn look_ups_are_checked_for_null() {
    refuses(always(join([look_up(), vec![ldx(Size::DW, 1, 0, 0)]])), "not checked for NULL");
    let wrong_side = vec![jmp_imm(JmpOp::Ne, 0, 0, 1), ldx(Size::DW, 1, 0, 0)];
    refuses(always(join([look_up(), wrong_side])), "a number");
    let merged = vec![jmp_imm(JmpOp::Ne, 0, 0, 0), ldx(Size::DW, 1, 0, 0)];
    refuses(always(join([look_up(), merged])), "r0 is the result of a look-up that is not checked");
}

#[test]
fn copies_of_a_row_are_checked_together_where_paths_meet() {
    let compared = |copy| vec![jmp_imm(JmpOp::Eq, copy, 0, 1), ldx(Size::DW, 1, 0, 0)];
    let both_ways = vec![jmp_imm(JmpOp::Eq, 0, 0, 2), mov64_reg(7, 0), ja(1), mov64_reg(7, 0)];
    accepts(always(join([look_up(), both_ways.clone(), compared(7)])));
    // Another row says nothing of this one.
    let other = join([look_up(), vec![mov64_reg(8, 0)]]);
    refuses(always(join([other, look_up(), both_ways, compared(8)])), "not checked for NULL");
}

#[test]
fn map_values_end_where_they_end() {
    let access = |insn| always(join([look_up(), vec![jmp_imm(JmpOp::Eq, 0, 0, 1), insn]]));
    accepts(access(ldx(Size::DW, 1, 0, 8)));
    refuses(access(ldx(Size::DW, 1, 0, 16)), "bytes 16 to 24 of `ports`");
    refuses(access(ldx(Size::W, 1, 0, -4)), "bytes -4 to 0 of `ports`");
    refuses(access(ldx(Size::DW, 1, 0, 4)), "not always aligned");
}

#[test]
fn constants_are_read_only_and_bounded() {
    let access = |insn| always(join([address(1, RODATA), vec![mov64_imm(2, 1), insn]]));
    accepts(access(ldx(Size::DW, 3, 1, 1016)));
    refuses(access(stx(Size::W, 1, 2, 0)), "`.rodata` is read-only");
    refuses(access(atomic_add(Size::W, 1, 2, 0)), "`.rodata` is read-only");
    refuses(access(ldx(Size::DW, 3, 1, 1020)), "bytes 1020 to 1028");
}

#[test]
fn arithmetic_on_addresses() {
    let with = |insn| always(join([address(1, RODATA), vec![insn]]));
    refuses(with(alu64_imm(AluOp::Mul, 1, 2)), "no arithmetic");
    refuses(with(alu32_imm(AluOp::Add, 1, 2)), "no arithmetic");
    refuses(with(mov32_reg(2, 1)), "only numbers have a lower half");
    refuses(with(jmp_imm(JmpOp::Gt, 1, 5, 0)), "can only be compared with 0");
    refuses(always(vec![alu64_imm(AluOp::Add, 6, 4)]), "r6 is the context");
    refuses(always(vec![unknown(2), mov64_reg(3, 10), alu64_reg(AluOp::Add, 3, 2)]), "not constant");
    refuses(always(vec![mov64_imm(2, 8), ldx(Size::W, 3, 2, 0)]), "cannot be read from");
    let loose = Insn { src: 1, ..ld_imm64(1, 0, 5)[0] };
    refuses(always(vec![loose, ld_imm64(1, 0, 5)[1]]), "pseudo source");
}

// The context.

#[test]
fn members_have_one_width() {
    refuses(always(vec![ldx(Size::B, 2, 6, 0)]), "accessed with 1 bytes");
    refuses(always(vec![ldx(Size::DW, 2, 6, 0)]), "accessed with 8 bytes");
    refuses(always(vec![ldx(Size::W, 2, 6, 168)]), "accessed with 4 bytes");
    refuses(always(vec![ldx(Size::W, 2, 6, 2)]), "no member of the context at offset 2");
    refuses(always(vec![ldx(Size::W, 2, 6, 1000)]), "no member of the context");
    refuses(always(vec![ldx(Size::W, 2, 6, -4)]), "no member of the context");
    refuses(on(1, vec![mov64_imm(2, 1), stx(Size::B, 6, 2, 4)]), "accessed with 1 bytes");
}

#[test]
fn read_only_members() {
    refuses(always(vec![mov64_imm(2, 1), stx(Size::W, 6, 2, 0)]), "`op` is read-only");
    refuses(always(vec![mov64_imm(2, 1), stx(Size::W, 6, 2, 8)]), "`args` is read-only");
    refuses(always(vec![mov64_imm(2, 1), stx(Size::W, 6, 2, 76)]), "`snd_cwnd` is read-only");
    refuses(always(vec![mov64_imm(2, 1), atomic_add(Size::W, 6, 2, 4)]), "cannot be added to");
}

/// Kernels before 6.4 refuse it.
#[test]
fn constants_are_not_stored_to_the_context() {
    refuses(on(1, vec![st_imm(Size::W, 6, 4, 10)]), "before 6.4");
}

/// Kernels 4.16 to 7.0 compile it wrongly.
#[test]
fn guarded_members_keep_the_context_register() {
    refuses(always(vec![ldx(Size::W, 6, 6, 76)]), "`snd_cwnd` is loaded into the register");
    refuses(always(vec![ldx(Size::DW, 6, 6, 184)]), "`sk` is loaded into the register");
    accepts(always(vec![ldx(Size::W, 6, 6, 20)]));
}

// What the kernel takes and should not.

/// An answer in other events would erase their arguments and the answers of other programs.
#[test]
fn replies_only_where_something_was_asked() {
    let reply = || vec![mov64_imm(3, -1), stx(Size::W, 6, 3, 4)];
    refuses(always(reply()), "a reply is written where");
    for number in [0, 3, 4, 5, 8, 11, 12, 40, 99] {
        refuses(on(number, reply()), "a reply is written where");
    }
    for number in [1, 2, 6, 7] {
        accepts(on(number, reply()));
    }
}

/// On a request socket the load leaves the object.
#[test]
fn rtt_min_on_request_sockets() {
    refuses(always(vec![ldx(Size::W, 3, 6, 92)]), "`rtt_min` is read where");
    for number in [1, 2, 6, 14, 15, 21] {
        refuses(on(number, vec![ldx(Size::W, 3, 6, 92)]), "`rtt_min` is read where");
    }
}

/// It sends at once, which runs the program again.
#[test]
fn nodelay_in_header_option_events() {
    for number in [14, 15] {
        refuses(on(number, set(6, 1)), "`TCP_NODELAY` may be set");
        accepts(on(number, set(6, 9)));
        accepts(on(number, set(1, 1)));
    }
    refuses(always(set(6, 1)), "`TCP_NODELAY` may be set");
    accepts(on(4, set(6, 1)));
    let mut computed = set(6, 0);
    computed[3] = unknown(3);
    refuses(always(computed), "`TCP_NODELAY` may be set");
}

// Helpers.

#[test]
fn helpers_without_a_signature() {
    refuses(always(vec![mov64_imm(1, 0), mov64_imm(2, 0), mov64_imm(3, 0), call(4)]), "helper 4");
    refuses(always(vec![call(-1_i32 as u32)]), "helper -1");
}

#[test]
fn arguments_of_the_wrong_kind() {
    let mut no_context = set(1, 7);
    no_context[1] = mov64_imm(1, 0);
    refuses(on(4, no_context), "argument r1: it is a number, not the context");
    let no_map = vec![mov64_reg(1, 6), mov64_reg(2, 10), call(1)];
    refuses(always(no_map), "argument r1: it is the context, not a map");
    let null_key = join([address(1, MAP), vec![mov64_imm(2, 0), call(1)]]);
    refuses(always(null_key), "not memory");
}

/// `r0 = kfunc()` in each of these slots.
fn calling(code: Vec<Insn>, calls: &[(usize, &str)]) -> Result<(), String> {
    let mut object = object(code);
    let row = |name| tcpc_stdlib::kfunc::kfunc(name).unwrap();
    let relocation = |&(slot, name)| ResolvedRelocation { slot, target: ResolvedTarget::Kfunc(row(name)) };
    object.relocations.extend(calls.iter().map(relocation));
    check(&object).map_err(|error| error.message)
}

const CAST: &str = "bpf_cast_to_kern_ctx";
const STAMP: &str = "bpf_sock_ops_enable_tx_tstamp";

/// The kernel's verifier takes these.
#[test]
fn kernel_functions_get_what_they_want() {
    let stamp = vec![call_extern(), mov64_reg(1, 0), mov64_imm(2, 0), call_extern()];
    assert_eq!(calling(on(20, stamp.clone()), &[(3, CAST), (6, STAMP)]), Ok(()));
    // Kept in the frame meanwhile.
    let kept = vec![
        call_extern(),
        stx(Size::DW, 10, 0, -8),
        call(5),
        ldx(Size::DW, 1, 10, -8),
        mov64_imm(2, 0),
        call_extern(),
    ];
    assert_eq!(calling(on(20, kept), &[(3, CAST), (8, STAMP)]), Ok(()));
    assert_eq!(calling(always(vec![call_extern()]), &[(1, CAST)]), Ok(()));
}

/// The kernel refuses all but the last two: there the call does nothing.
#[test]
fn kernel_functions_get_nothing_else() {
    let refused = |code, calls: &[(usize, &str)]| calling(code, calls).unwrap_err();
    let unnamed = refused(always(vec![call_extern()]), &[]);
    assert!(unnamed.contains("functions of the object"), "{unnamed}");
    let numbered = refused(always(vec![call_kernel(7)]), &[]);
    assert!(numbered.contains("not allowed"), "{numbered}");
    let no_context = refused(always(vec![mov64_imm(1, 0), call_extern()]), &[(2, CAST)]);
    assert_eq!(no_context, "argument `obj` in r1: it is a number, not the context");
    let uncast = refused(on(20, vec![mov64_imm(2, 0), call_extern()]), &[(4, STAMP)]);
    assert_eq!(uncast, "argument `skops` in r1: it is the context, not the kernel's own context");
    let no_flags = vec![call_extern(), mov64_reg(1, 0), mov64_reg(2, 6), call_extern()];
    let no_flags = refused(on(20, no_flags), &[(3, CAST), (6, STAMP)]);
    assert_eq!(no_flags, "argument `flags` in r2: it is the context, not a number");
    let stale = vec![call_extern(), ldx(Size::W, 3, 1, 68)];
    assert!(refused(on(20, stale), &[(3, CAST)]).contains("r1 is read but not written"));
    let looked_into = vec![call_extern(), ldx(Size::DW, 3, 0, 0)];
    assert!(refused(on(20, looked_into), &[(3, CAST)]).contains("cannot be read from"));
    let load = refused(always(ld_imm64(1, 0, 0).to_vec()), &[(1, CAST)]);
    assert!(load.contains("the relocation of a call"), "{load}");

    let stamp = vec![call_extern(), mov64_reg(1, 0), mov64_imm(2, 0), call_extern()];
    let elsewhere = refused(on(19, stamp.clone()), &[(3, CAST), (6, STAMP)]);
    assert!(elsewhere.contains("in an event where it does nothing"), "{elsewhere}");
    let anywhere = refused(always(stamp), &[(1, CAST), (4, STAMP)]);
    assert!(anywhere.contains("in an event where it does nothing"), "{anywhere}");
}
