#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::insn::*;
use super::print::Print;
use super::*;

#[test]
fn instructions_print_as_the_kernel_prints_them() {
    let cases = [
        (ldx(Size::W, 2, 1, 4), "r2 = *(u32 *)(r1 +4)"),
        (stx(Size::DW, 10, 6, -8), "*(u64 *)(r10 -8) = r6"),
        (st_imm(Size::B, 10, -1, 7), "*(u8 *)(r10 -1) = 7"),
        (jmp_imm(JmpOp::Ne, 2, 1, 13), "if r2 != 0x1 goto +13"),
        (jmp32_reg(JmpOp::Slt, 2, 3, 1), "if w2 s< w3 goto +1"),
        (jmp_imm(JmpOp::Eq, 2, -1, -2), "if r2 == 0xffffffff goto -2"),
        (ja(3), "goto +3"),
        (mov32_reg(3, 4), "w3 = w4"),
        (mov64_imm(0, 1), "r0 = 1"),
        (alu64_reg(AluOp::Arsh, 1, 2), "r1 s>>= r2"),
        (alu32_imm(AluOp::And, 1, -16), "w1 &= -16"),
        (neg64(5), "r5 = -r5"),
        (be(2, 32), "r2 = be32 r2"),
        (le(2, 16), "r2 = le16 r2"),
        (atomic_add(Size::DW, 1, 2, 0), "lock *(u64 *)(r1 +0) += r2"),
        (call(49), "call bpf_setsockopt#49"),
        (call(99_999), "call unknown#99999"),
        (exit(), "exit"),
    ];
    for (insn, text) in cases {
        assert_eq!(insn.to_string(), text);
    }
}

#[test]
fn wide_loads_print_their_value_or_their_symbol() {
    let [lower, upper] = ld_imm64(1, 0, 0x1122_3344_5566_7788);
    let whole = Print { next: Some(upper), ..Print::new(lower) };
    assert_eq!(whole.to_string(), "r1 = 0x1122334455667788");
    assert_eq!(Print { symbol: Some("map[counters]"), ..whole }.to_string(), "r1 = map[counters]");
    assert!(lower.is_wide());
    assert_eq!(upper.op(), Op::Upper);
}

#[test]
fn bytes_are_those_of_the_kernel_headers() {
    assert_eq!(ldx(Size::W, 2, 1, 4).encode(), [0x61, 0x12, 4, 0, 0, 0, 0, 0]);
    assert_eq!(mov64_imm(0, 1).encode(), [0xb7, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(jmp32_imm(JmpOp::Ne, 2, 1, -1).encode(), [0x56, 2, 0xff, 0xff, 1, 0, 0, 0]);
    assert_eq!(atomic_add(Size::DW, 1, 2, 0).encode(), [0xdb, 0x21, 0, 0, 0, 0, 0, 0]);
    assert_eq!(be(3, 16).encode(), [0xdc, 3, 0, 0, 16, 0, 0, 0]);
    assert_eq!(exit().encode(), [0x95, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn reserved_fields_and_later_versions_are_unknown() {
    let signed_division = Insn { off: 1, ..alu64_reg(AluOp::Div, 1, 2) };
    let sign_extending_load = Insn { code: 0x81, ..ldx(Size::W, 1, 2, 0) };
    let byte_swap = Insn { code: 0xd7, dst: 1, imm: 16, ..Insn::default() };
    let long_jump = Insn { code: 0x06, imm: 5, ..Insn::default() };
    let register_11 = Insn { dst: 11, ..mov64_imm(0, 1) };
    let narrow_atomic = atomic_add(Size::B, 1, 2, 0);
    for insn in [signed_division, sign_extending_load, byte_swap, long_jump, register_11, narrow_atomic] {
        assert_eq!(insn.op(), Op::Unknown, "{insn:?}");
        assert!(insn.to_string().starts_with("<unknown"), "{insn}");
    }
}

#[test]
fn compares_negate_and_swap() {
    for &op in JmpOp::ALL {
        assert_eq!(op.swapped().swapped(), op);
        assert_eq!(op.negated().and_then(JmpOp::negated), (op != JmpOp::Set).then_some(op));
    }
}

proptest! {
    #[test]
    fn encode_then_decode_is_identity(code: u8, dst in 0u8..16, src in 0u8..16, off: i16, imm: i32) {
        let insn = Insn { code, dst, src, off, imm };
        prop_assert_eq!(Insn::decode(insn.encode()), insn);
    }

    #[test]
    fn every_eight_bytes_decode_encode_and_print(bytes: [u8; 8], next: [u8; 8]) {
        let insn = Insn::decode(bytes);
        prop_assert_eq!(insn.encode(), bytes);
        let text = Print { next: Some(Insn::decode(next)), ..Print::new(insn) }.to_string();
        prop_assert!(!text.is_empty());
        prop_assert_eq!(insn.op() == Op::Unknown, text.starts_with("<unknown 0x"));
    }
}
