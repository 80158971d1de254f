//! What programs mean, good ones and bad ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::op::pseudo;
use tcpc_compiler::bpf::{AluOp, Insn, JmpOp, Size};
use tcpc_compiler::object::{
    DataSection, MapKind, ObjectFile, ObjectLine, ObjectMap, ResolvedRelocation, ResolvedTarget,
};
use tcpc_lang::hir::Role;
use tcpc_stdlib::event::event;
use tcpc_stdlib::helper::helper;

use super::block::atomic;
use super::*;
use crate::mock::World;

fn object(code: Vec<Insn>) -> ObjectFile {
    ObjectFile { name: "p".into(), code, ..ObjectFile::default() }
}

/// Runs a program in `tcp_connect`.
fn run(object: &ObjectFile) -> Result<Outcome, VmError> {
    let image = Image::new(object)?;
    let mut world = World { memory: image.memory(), ..World::default() };
    world.begin(event("tcp_connect").unwrap(), [0; 4]);
    image.run(&mut world, 10_000)
}

/// What a program without an end returns.
fn result(mut code: Vec<Insn>) -> u64 {
    code.push(exit());
    run(&object(code)).unwrap().ret
}

/// What is wrong with a program.
fn fault(code: Vec<Insn>) -> String {
    run(&object(code)).unwrap_err().to_string()
}

fn constant(register: u8, value: u64) -> [Insn; 2] {
    ld_imm64(register, 0, value)
}

fn id(name: &str) -> u32 {
    helper(name).unwrap().id
}

/// The kernel's own arithmetic, from `Documentation/bpf/standardization/instruction-set.rst`.
fn reference(op: AluOp, wide: bool, left: u64, right: u64) -> u64 {
    let (bits, left, right) =
        if wide { (64, left, right) } else { (32, left & 0xffff_ffff, right & 0xffff_ffff) };
    let by = (right % bits) as u32;
    let value = match op {
        AluOp::Add => left.wrapping_add(right),
        AluOp::Sub => left.wrapping_sub(right),
        AluOp::Mul => left.wrapping_mul(right),
        AluOp::Div => left.checked_div(right).unwrap_or(0),
        AluOp::Mod => left.checked_rem(right).unwrap_or(left),
        AluOp::Or => left | right,
        AluOp::And => left & right,
        AluOp::Xor => left ^ right,
        AluOp::Mov => right,
        AluOp::Neg => left.wrapping_neg(),
        AluOp::Lsh => left << by,
        AluOp::Rsh => left >> by,
        AluOp::Arsh if wide => ((left as i64) >> by) as u64,
        AluOp::Arsh => ((left as u32 as i32) >> by) as u64,
    };
    if wide { value } else { value & 0xffff_ffff }
}

fn holds(op: JmpOp, wide: bool, left: u64, right: u64) -> bool {
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let signed = |value: u64| if wide { value as i64 } else { i64::from(value as u32 as i32) };
    let (unsigned, signed) = ((cut(left), cut(right)), (signed(left), signed(right)));
    match op {
        JmpOp::Eq => unsigned.0 == unsigned.1,
        JmpOp::Ne => unsigned.0 != unsigned.1,
        JmpOp::Gt => unsigned.0 > unsigned.1,
        JmpOp::Ge => unsigned.0 >= unsigned.1,
        JmpOp::Lt => unsigned.0 < unsigned.1,
        JmpOp::Le => unsigned.0 <= unsigned.1,
        JmpOp::Set => unsigned.0 & unsigned.1 != 0,
        JmpOp::Sgt => signed.0 > signed.1,
        JmpOp::Sge => signed.0 >= signed.1,
        JmpOp::Slt => signed.0 < signed.1,
        JmpOp::Sle => signed.0 <= signed.1,
    }
}

const NUMBERS: [u64; 9] =
    [0, 1, 5, 63, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_ffff_ffff];

#[test]
fn arithmetic_is_the_kernels() {
    for (&op, &left, &right) in AluOp::ALL.iter().flat_map(|op| {
        NUMBERS.iter().flat_map(move |left| NUMBERS.iter().map(move |right| (op, left, right)))
    }) {
        let operands = [constant(0, left), constant(1, right)].concat();
        for wide in [true, false] {
            let insn = match (op, wide) {
                (AluOp::Neg, true) => neg64(0),
                (AluOp::Neg, false) => neg32(0),
                (_, true) => alu64_reg(op, 0, 1),
                (_, false) => alu32_reg(op, 0, 1),
            };
            let code = [operands.clone(), vec![insn]].concat();
            let expected = reference(op, wide, left, right);
            assert_eq!(result(code), expected, "{op:?} wide {wide}: {left:#x} {right:#x}");
        }
    }
}

#[test]
fn arithmetic_with_constants_is_the_kernels() {
    for (&op, &left, imm) in AluOp::ALL.iter().flat_map(|op| {
        NUMBERS.iter().flat_map(move |left| [1, 7, i32::MAX, -1, i32::MIN].map(move |imm| (op, left, imm)))
    }) {
        let shifts = matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh);
        if op == AluOp::Neg || (shifts && !(0..32).contains(&imm)) {
            continue;
        }
        for (wide, insn) in [(true, alu64_imm(op, 6, imm)), (false, alu32_imm(op, 6, imm))] {
            let code = [constant(6, left).to_vec(), vec![insn, mov64_reg(0, 6)]].concat();
            let expected = reference(op, wide, left, imm as u64);
            assert_eq!(result(code), expected, "{op:?} wide {wide}: {left:#x} {imm}");
        }
    }
}

#[test]
fn compares_are_the_kernels() {
    for (&op, &left, &right) in JmpOp::ALL.iter().flat_map(|op| {
        NUMBERS.iter().flat_map(move |left| NUMBERS.iter().map(move |right| (op, left, right)))
    }) {
        for wide in [true, false] {
            let by_register = if wide { jmp_reg(op, 6, 3, 1) } else { jmp32_reg(op, 6, 3, 1) };
            let operands = [constant(6, left), constant(3, right)].concat();
            let code = [operands, vec![mov64_imm(0, 1), by_register, mov64_imm(0, 0)]].concat();
            let expected = holds(op, wide, left, right);
            assert_eq!(result(code) == 1, expected, "{op:?} wide {wide}: {left:#x} {right:#x}");

            let imm = right as i32;
            let by_constant = if wide { jmp_imm(op, 2, imm, 1) } else { jmp32_imm(op, 2, imm, 1) };
            let code =
                [constant(2, left).to_vec(), vec![mov64_imm(0, 1), by_constant, mov64_imm(0, 0)]].concat();
            let expected = holds(op, wide, left, imm as u64);
            assert_eq!(result(code) == 1, expected, "{op:?} wide {wide}: {left:#x} {imm}");
        }
    }
}

#[test]
fn byte_swaps_cut_to_their_width() {
    let swapped = |insn| result([constant(0, 0x1122_3344_5566_7788).to_vec(), vec![insn]].concat());
    assert_eq!(swapped(be(0, 16)), 0x8877);
    assert_eq!(swapped(be(0, 32)), 0x8877_6655);
    assert_eq!(swapped(be(0, 64)), 0x8877_6655_4433_2211);
    assert_eq!(swapped(le(0, 32)), 0x5566_7788);
}

#[test]
fn every_register_is_loaded_and_stored() {
    for register in (0..=9).filter(|register| *register != 1) {
        let code = vec![
            mov64_imm(register, 77),
            stx(Size::DW, 10, register, -8),
            mov64_imm(register, 0),
            st_imm(Size::W, 10, -8, 78),
            ldx(Size::W, register, 10, -8),
            mov64_reg(0, register),
        ];
        assert_eq!(result(code), 78, "r{register}");
    }
}

#[test]
fn a_load_leaves_the_other_registers_alone() {
    let mut code: Vec<Insn> =
        (0..=9).filter(|register| *register != 1).map(|r| mov64_imm(r, r.into())).collect();
    code.push(ldx(Size::W, 4, 1, 20));
    for register in [2, 3, 5, 6, 7, 8, 9] {
        code.push(alu64_reg(AluOp::Add, 0, register));
    }
    assert_eq!(result(code), 2 + 3 + 5 + 6 + 7 + 8 + 9);
}

#[test]
fn the_frame_pointer_is_a_value_like_any_other() {
    let through_copy = vec![mov64_reg(2, 10), st_imm(Size::DW, 10, -16, 9), ldx(Size::DW, 0, 2, -16)];
    assert_eq!(result(through_copy), 9);
    let difference = vec![mov64_reg(0, 10), alu64_imm(AluOp::Add, 0, 8), alu64_reg(AluOp::Sub, 0, 10)];
    assert_eq!(result(difference), 8);
    let compared = vec![
        mov64_reg(2, 10),
        mov64_imm(0, 1),
        jmp_reg(JmpOp::Eq, 10, 2, 1),
        mov64_imm(0, 0),
        jmp_reg(JmpOp::Eq, 2, 10, 1),
        mov64_imm(0, 0),
    ];
    assert_eq!(result(compared), 1);
    let stored = vec![stx(Size::DW, 10, 10, -8), ldx(Size::DW, 0, 10, -8), alu64_reg(AluOp::Sub, 0, 10)];
    assert_eq!(result(stored), 0);
}

#[test]
fn atomics_change_memory_at_once() {
    let after = |size, kind| {
        let insn = Insn { imm: kind, ..atomic_add(size, 10, 2, -8) };
        let code = |read| {
            vec![st_imm(Size::DW, 10, -8, 0b1100), mov64_imm(0, 0b1100), mov64_imm(2, 0b1010), insn, read]
        };
        (result(code(ldx(Size::DW, 0, 10, -8))), result(code(mov64_reg(0, 2))))
    };
    assert_eq!(after(Size::DW, atomic::ADD), (22, 0b1010));
    assert_eq!(after(Size::W, atomic::ADD | atomic::FETCH), (22, 0b1100));
    assert_eq!(after(Size::DW, atomic::OR), (0b1110, 0b1010));
    assert_eq!(after(Size::DW, atomic::AND | atomic::FETCH), (0b1000, 0b1100));
    assert_eq!(after(Size::DW, atomic::XOR), (0b0110, 0b1010));
    assert_eq!(after(Size::DW, atomic::XCHG), (0b1010, 0b1100));
    assert_eq!(after(Size::DW, atomic::CMPXCHG), (0b1010, 0b1010));
}

#[test]
fn a_compare_and_exchange_that_fails_gives_the_old_value() {
    let insn = Insn { imm: atomic::CMPXCHG, ..atomic_add(Size::DW, 10, 2, -8) };
    let code = |read| vec![st_imm(Size::DW, 10, -8, 5), mov64_imm(0, 6), mov64_imm(2, 7), insn, read];
    assert_eq!(result(code(mov64_reg(6, 0))), 5);
    assert_eq!(result(code(ldx(Size::DW, 0, 10, -8))), 5);
}

#[test]
fn the_trace_and_the_steps_are_those_of_the_program() {
    let code = vec![mov64_imm(0, 1), jmp_imm(JmpOp::Eq, 0, 1, 2), mov64_imm(0, 2), mov64_imm(0, 3), exit()];
    let outcome = run(&object(code)).unwrap();
    assert_eq!(outcome.trace, [0..2, 4..5]);
    assert_eq!((outcome.ret, outcome.steps), (1, 3));
}

#[test]
fn long_programs_jump_as_far_as_the_kernel_lets_them() {
    // Twice over slot 32768, where a jump's own place has more bits than its offset.
    let mut code = vec![mov64_imm(0, 0), ja(30_000)];
    code.extend(vec![mov64_imm(0, 9); 30_000]);
    code.push(ja(30_000));
    code.extend(vec![mov64_imm(0, 9); 30_000]);
    code.extend([alu64_imm(AluOp::Add, 0, 1), exit()]);
    assert_eq!(run(&object(code)).unwrap().ret, 1);
}

#[test]
fn an_endless_loop_is_an_error() {
    let error = fault(vec![mov64_imm(0, 1), ja(-2), exit()]);
    assert_eq!(error, "slot 0: is reached after 10000 steps without an end: an endless loop");
}

#[test]
fn wild_accesses_are_errors() {
    let null = fault(vec![mov64_imm(2, 0), ldx(Size::W, 0, 2, 4), exit()]);
    assert_eq!(null, "slot 1: reads 4 bytes through a null pointer (0x4)");
    let wild =
        fault([constant(2, 0x7fff_1234_5678_9abc).to_vec(), vec![stx(Size::W, 2, 2, 0), exit()]].concat());
    assert_eq!(wild, "slot 2: writes 4 bytes at 0x7fff123456789abc, which is no memory of the program");
    let stack = fault(vec![st_imm(Size::DW, 10, 0, 0), exit()]);
    assert_eq!(stack, "slot 0: writes 8 bytes at r10+0, outside the stack of 512 bytes");
    // Without a socket: a request, say.
    let sock = |event: &str, role| {
        let object = object(vec![ldx(Size::DW, 2, 1, 184), ldx(Size::W, 0, 2, 0), exit()]);
        let image = Image::new(&object).unwrap();
        let mut world = World { memory: image.memory(), ..World::default() };
        world.sock.role = role;
        world.begin(tcpc_stdlib::event::event(event).unwrap(), [0; 4]);
        image.run(&mut world, 100).map(|outcome| outcome.ret).map_err(|error| error.to_string())
    };
    assert_eq!(sock("timeout_init", Role::Client), Ok(0));
    let request = sock("timeout_init", Role::Server).unwrap_err();
    assert_eq!(request, "slot 1: reads 4 bytes through a null pointer (0x0)");
    let context = fault(vec![ldx(Size::DW, 0, 1, 20), exit()]);
    assert_eq!(context, "slot 0: reads 8 bytes at offset 20 of the context: no field is there");
    let atomic = fault(vec![mov64_imm(2, 1), atomic_add(Size::W, 1, 2, 4), exit()]);
    assert!(atomic.starts_with("slot 1: writes 4 bytes through the context"), "{atomic}");
}

#[test]
fn programs_that_no_kernel_takes_are_refused() {
    assert_eq!(fault(vec![]), "slot 0: the program is empty");
    assert_eq!(fault(vec![mov64_imm(0, 1)]), "slot 0: the program runs off its end");
    assert_eq!(fault(vec![ja(5), exit()]), "slot 0: jumps to slot 6, out of the program");
    assert_eq!(fault(vec![ja(-5), exit()]), "slot 0: jumps to slot -4, out of the program");
    let into = [vec![ja(1)], constant(0, 1).to_vec(), vec![exit()]].concat();
    assert_eq!(fault(into), "slot 0: jumps into a 64-bit load");
    assert_eq!(fault(vec![constant(0, 1)[0], exit()]), "slot 0: is half of a 64-bit load");
    assert_eq!(fault(vec![mov64_imm(10, 1), exit()]), "slot 0: writes to r10");
    assert_eq!(fault(vec![alu64_imm(AluOp::Div, 0, 0), exit()]), "slot 0: divides by the constant 0");
    assert_eq!(fault(vec![alu32_imm(AluOp::Lsh, 0, 32), exit()]), "slot 0: shifts by 32 of 32 bits");
    let unknown = Insn { code: 0xff, ..Insn::default() };
    assert_eq!(fault(vec![unknown, exit()]), "slot 0: is no instruction of version 3 (code 0xff)");
    let pseudo = [ld_imm64(1, pseudo::MAP_FD, 3).to_vec(), vec![exit()]].concat();
    assert_eq!(fault(pseudo), "slot 0: loads an address that nothing fills in");
}

#[test]
fn helpers_that_are_not_there_are_errors_when_called() {
    assert_eq!(
        fault(vec![call(9999), exit()]),
        "slot 0: calls helper 9999, which sock_ops programs do not have"
    );
    let error = fault(vec![call(id("bpf_sk_storage_delete")), exit()]);
    assert_eq!(error, "slot 0: calls `bpf_sk_storage_delete`: the mock kernel does not have this helper");
    assert_eq!(result(vec![mov64_imm(0, 1), ja(1), call(9999)]), 1);
}

#[test]
fn a_call_leaves_nothing_in_the_argument_registers() {
    let cookie = id("bpf_get_socket_cookie");
    assert_eq!(result(vec![mov64_imm(5, 3), call(cookie), mov64_reg(0, 5)]), UNSET as u64);
    assert_eq!(result(vec![mov64_imm(6, 3), call(cookie), mov64_reg(0, 6)]), 3);
}

#[test]
fn errors_name_the_policy_line() {
    let mut object = object(vec![mov64_imm(2, 0), ldx(Size::W, 0, 2, 4), exit()]);
    let line = |slot, line| ObjectLine { slot, file: "dc.tcp".into(), text: String::new(), line, column: 1 };
    object.lines = vec![line(0, 3), line(1, 8), line(2, 9)];
    let error = run(&object).unwrap_err();
    assert_eq!(error.to_string(), "slot 1 (line 8 of `dc.tcp`): reads 4 bytes through a null pointer (0x4)");
}

#[test]
fn data_is_at_the_addresses_that_relocations_name() {
    let section = |name: &str, writable| DataSection {
        name: name.into(),
        bytes: vec![1, 0, 0, 0, 2, 0, 0, 0],
        writable,
        symbols: Vec::new(),
    };
    let mut object = object(
        [
            constant(2, 0).to_vec(),
            vec![ldx(Size::W, 0, 2, 0)],
            constant(3, 0).to_vec(),
            vec![stx(Size::W, 3, 0, 0), ldx(Size::DW, 0, 3, -4), exit()],
        ]
        .concat(),
    );
    object.data = vec![section(".rodata", false), section(".bss", true)];
    object.relocations = vec![
        ResolvedRelocation { slot: 0, target: ResolvedTarget::Data(0, 4) },
        ResolvedRelocation { slot: 3, target: ResolvedTarget::Data(1, 4) },
    ];
    assert_eq!(run(&object).unwrap().ret, 0x2_0000_0001);
    object.relocations[1].target = ResolvedTarget::Data(0, 4);
    let error = run(&object).unwrap_err();
    assert_eq!(error.to_string(), "slot 5: writes to `.rodata`, which is read-only");
    object.relocations[0].slot = 99;
    assert!(run(&object).is_err());
}

/// Looks up key 0 of a map with 4-byte keys and 8-byte values, and adds 1 to the value; 99 if it is not there.
fn counting(kind: MapKind) -> ObjectFile {
    let map = ObjectMap {
        name: "m".into(),
        kind: kind as u32,
        key_size: 4,
        value_size: 8,
        max_entries: 4,
        locked: false,
    };
    let lookup = |object: &mut ObjectFile, slot| {
        object.relocations.push(ResolvedRelocation { slot, target: ResolvedTarget::Map(0) });
    };
    let mut object = object(
        [
            vec![st_imm(Size::W, 10, -4, 0)],
            constant(1, 0).to_vec(),
            vec![
                mov64_reg(2, 10),
                alu64_imm(AluOp::Add, 2, -4),
                call(id("bpf_map_lookup_elem")),
                jmp_imm(JmpOp::Ne, 0, 0, 2),
                mov64_imm(0, 99),
                exit(),
                mov64_imm(1, 1),
                atomic_add(Size::DW, 0, 1, 0),
                ldx(Size::DW, 0, 0, 0),
                exit(),
            ],
        ]
        .concat(),
    );
    lookup(&mut object, 1);
    object.maps = vec![map];
    object
}

#[test]
fn values_of_maps_live_from_one_run_to_the_next() {
    for kind in [MapKind::Array, MapKind::PerCpuArray] {
        let image = Image::new(&counting(kind)).unwrap();
        let mut world = World { memory: image.memory(), ..World::default() };
        let mut run = || image.run(&mut world, 100).unwrap().ret;
        assert_eq!((run(), run(), run()), (1, 2, 3));
    }
    assert_eq!(run(&counting(MapKind::Hash)).unwrap().ret, 99);
}

#[test]
fn a_value_is_not_left_through_its_end() {
    let mut object = counting(MapKind::Array);
    let last = object.code.len() - 2;
    object.code[last].off = 4;
    let error = run(&object).unwrap_err().to_string();
    assert_eq!(error, "slot 11: reads 8 bytes at offset 4, outside a value of the map");
}

#[test]
fn loads_of_parameters_and_stores_without_a_lock_are_told() {
    // The look-up's object, with its row stored to in the place of the addition.
    let storing = |locked| {
        let mut object = counting(MapKind::Array);
        let at = object.code.len() - 3;
        object.code[at] = stx(Size::DW, 0, 1, 0);
        object.maps[0].locked = locked;
        run(&object).unwrap().unlocked
    };
    assert_eq!((storing(true), storing(false)), (Some(10), None));

    let load = || [constant(1, 0).to_vec(), vec![ldx(Size::DW, 0, 1, 0)]].concat();
    let mut object = object([load(), load(), vec![exit()]].concat());
    let relocation = |slot| ResolvedRelocation { slot, target: ResolvedTarget::Data(0, 0) };
    object.relocations = vec![relocation(0), relocation(3)];
    let loads = |name: &str| {
        let section =
            DataSection { name: name.into(), bytes: vec![0; 8], writable: true, symbols: Vec::new() };
        run(&ObjectFile { data: vec![section], ..object.clone() }).unwrap().variables.len()
    };
    assert_eq!((loads(".data"), loads(".bss")), (2, 0));
}

fn any_insn() -> impl Strategy<Value = Insn> {
    (any::<u8>(), 0u8..12, 0u8..12, -6i16..6, prop_oneof![any::<i32>(), -600i32..600])
        .prop_map(|(code, dst, src, off, imm)| Insn { code, dst, src, off, imm })
}

/// Instructions that decode, so that programs get further than the first one.
fn likely_insn() -> impl Strategy<Value = Insn> {
    let codes = prop::sample::select(vec![
        0x61u8, 0x79, 0x69, 0x71, 0x63, 0x7b, 0x73, 0x62, 0x7a, 0xdb, 0xc3, 0x07, 0x0f, 0x17, 0x1f, 0x27,
        0x3f, 0x47, 0x57, 0x67, 0x6f, 0x87, 0x9f, 0xa7, 0xb7, 0xbf, 0xb4, 0xbc, 0x84, 0x9c, 0x3c, 0xdc, 0x05,
        0x15, 0x1d, 0x25, 0x55, 0x65, 0x6d, 0xc5, 0x16, 0x1e, 0x56, 0x85, 0x95,
    ]);
    let imm =
        prop::sample::select(vec![0, 1, 2, 3, 4, 8, 16, 32, 49, 57, 59, 64, 125, 0x40, 0xf1, 0xe1, -1, -8]);
    let off = prop::sample::select(vec![0i16, 1, 2, 3, 4, 8, 20, 164, -1, -2, -3, -4, -8, -16, -512]);
    (codes, 0u8..11, 0u8..11, off, imm).prop_map(|(code, dst, src, off, imm)| {
        let mut insn = Insn { code, dst, src, off, imm };
        let class = code & 7;
        let is_register = code & 8 != 0;
        match class {
            1 => insn.imm = 0,
            2 => insn.src = 0,
            3 if code & 0xe0 == 0x60 => insn.imm = 0,
            4 | 7 => {
                insn.off = 0;
                if code & 0xf0 == 0x80 {
                    (insn.src, insn.imm) = (0, 0)
                } else if is_register && code != 0xdc {
                    insn.imm = 0
                } else {
                    insn.src = 0
                }
            }
            5 | 6 if code == 0x85 || code == 0x95 => {
                (insn.dst, insn.src, insn.off) = (0, 0, 0);
                if code == 0x95 {
                    insn.imm = 0
                }
            }
            5 | 6 if code == 0x05 => (insn.dst, insn.src, insn.imm) = (0, 0, 0),
            5 | 6 => {
                if is_register {
                    insn.imm = 0
                } else {
                    insn.src = 0
                }
            }
            _ => {}
        }
        insn
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_instructions_make_the_host_panic(code in prop::collection::vec(any_insn(), 0..40)) {
        let _ = run(&object(code));
    }

    #[test]
    fn no_likely_program_makes_the_host_panic(code in prop::collection::vec(likely_insn(), 1..60)) {
        let mut object = object(code);
        object.code.extend([mov64_imm(0, 1), exit()]);
        if let Ok(outcome) = run(&object) {
            prop_assert!(outcome.steps <= 10_000);
        }
    }
}

#[test]
fn kernel_functions_are_called_by_name_only() {
    use tcpc_stdlib::kfunc::kfunc;
    let named = |slot, name| ResolvedRelocation { slot, target: ResolvedTarget::Kfunc(kfunc(name).unwrap()) };
    let code = vec![call_extern(), mov64_reg(1, 0), mov64_imm(2, 0), call_extern(), exit()];
    let mut calling = object(code);
    calling.relocations = vec![named(0, "bpf_cast_to_kern_ctx"), named(3, "bpf_sock_ops_enable_tx_tstamp")];
    let outcome = run(&calling).unwrap();
    // `tcp_connect` is no event to ask for stamps in.
    assert_eq!(outcome.ret as i64, -95);
    let names: Vec<&str> = outcome.calls.iter().map(|call| call.helper).collect();
    assert_eq!(names, ["bpf_cast_to_kern_ctx", "bpf_sock_ops_enable_tx_tstamp"]);

    assert!(fault(vec![call_extern(), exit()]).contains("a function of the object"));
    assert!(fault(vec![call_kernel(0), exit()]).contains("by a number of some kernel"));
    let mut misplaced = object(vec![mov64_imm(0, 1), exit()]);
    misplaced.relocations = vec![named(0, "bpf_cast_to_kern_ctx")];
    assert!(run(&misplaced).unwrap_err().to_string().contains("no call that could leave the object"));
}
