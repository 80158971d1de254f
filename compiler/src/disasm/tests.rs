#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::bpf::insn::*;
use crate::bpf::{AluOp, JmpOp, Size};
use crate::object::{read, write};

#[test]
fn the_sample_reads_like_its_policy() {
    let object = read(&write(&crate::object::tests::sample()).unwrap()).unwrap();
    insta::assert_snapshot!(disassemble(&object));
}

fn rows(code: Vec<Insn>) -> Vec<String> {
    let object = ObjectFile { name: "x".into(), code, ..ObjectFile::default() };
    disassemble(&object).lines().skip(1).map(str::to_owned).collect()
}

fn comment_of(row: &str) -> Option<&str> {
    row.split_once("; ").map(|(_, comment)| comment)
}

#[test]
fn options_are_named_where_their_numbers_are_known() {
    let sets = |number| vec![mov64_imm(2, 1), number, call(49), mov64_imm(0, 1), exit()];
    assert_eq!(comment_of(&rows(sets(mov64_imm(3, 7)))[2]), Some("SOL_SOCKET SO_SNDBUF"));
    assert_eq!(comment_of(&rows(sets(mov32_imm(3, 7)))[2]), Some("SOL_SOCKET SO_SNDBUF"));
    assert_eq!(comment_of(&rows(sets(ldx(Size::W, 3, 1, 4)))[2]), Some("SOL_SOCKET"));
    assert_eq!(comment_of(&rows(vec![call(49), exit()])[0]), None);
}

#[test]
fn only_the_context_has_members() {
    let rows = rows(vec![
        mov64_reg(6, 1),
        ldx(Size::W, 2, 6, 44),
        stx(Size::W, 6, 2, 4),
        ldx(Size::W, 2, 6, 4),
        mov64_reg(6, 10),
        ldx(Size::W, 2, 6, 44),
        exit(),
    ]);
    let comments: Vec<_> = rows.iter().map(|row| comment_of(row)).collect();
    assert_eq!(comments, [None, Some("remote_ip6[3]"), Some("reply"), Some("args[0]"), None, None, None]);
}

#[test]
fn members_behind_the_socket_are_named() {
    let rows = rows(vec![
        mov64_reg(6, 1),
        ldx(Size::DW, 1, 6, 184),
        ldx(Size::W, 2, 1, 0),
        mov64_imm(0, 0),
        jmp_imm(JmpOp::Eq, 1, 0, 1),
        call(96),
        mov64_reg(7, 0),
        ldx(Size::W, 0, 7, 100),
        ldx(Size::W, 0, 7, 4),
        exit(),
    ]);
    let comments: Vec<_> = rows.iter().filter_map(|row| comment_of(row)).collect();
    assert_eq!(comments, ["sk", "bpf_sock.bound_dev_if", "bpf_tcp_sock.delivered"]);
}

#[test]
fn what_only_one_path_knows_is_not_said() {
    let rows = rows(vec![
        ldx(Size::W, 2, 1, 0),
        jmp_imm(JmpOp::Eq, 2, 1, 1),
        mov64_imm(1, 0),
        ldx(Size::W, 3, 1, 20),
        exit(),
    ]);
    assert_eq!(comment_of(&rows[1]), Some("timeout_init"));
    assert!(rows[1].contains("goto 3"), "{}", rows[1]);
    assert_eq!(comment_of(&rows[3]), None);
}

#[test]
fn loops_end_and_forget() {
    let rows = rows(vec![ldx(Size::W, 2, 1, 0), alu64_imm(AluOp::Add, 1, 0), ja(-3), ldx(Size::W, 2, 1, 0)]);
    assert_eq!(rows.len(), 4);
    assert_eq!(comment_of(&rows[0]), None);
    assert!(rows[2].ends_with("goto 0"), "{}", rows[2]);
}

#[test]
fn jumps_out_of_the_program_keep_their_distance() {
    assert!(rows(vec![ja(30)])[0].ends_with("goto +30"));
    assert!(rows(vec![ja(-30)])[0].ends_with("goto -30"));
}

proptest! {
    #[test]
    fn every_slot_is_shown_once(bytes in proptest::collection::vec(any::<[u8; 8]>(), 0..64)) {
        let code: Vec<Insn> = bytes.into_iter().map(Insn::decode).collect();
        let wide = code.windows(2).filter(|pair| pair[0].is_wide() && pair[1].op() == Op::Upper).count();
        prop_assert_eq!(rows(code.clone()).len(), code.len() - wide);
    }
}
