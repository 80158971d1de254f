//! The text of IR, and what its verifier refuses: one test for each rule that stands at the top of `verify.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_stdlib::field::{Field, kernel_field};
use tcpc_stdlib::helper::helper;

use super::*;
use crate::object::{DataType, Global};

fn field(name: &str) -> &'static Field {
    kernel_field(name).unwrap()
}

/// `entry: v = op; br eq v, 1 -> yes, no`, and both of these exit. The builder stands in `yes`.
fn fork() -> (Builder, Value, Block, Block) {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (yes, no) = (b.new_block(), b.new_block());
    let one = b.number(1);
    b.branch(CondOp::Eq, op, one, yes, no);
    b.switch_to(yes);
    (b, op, yes, no)
}

fn refused(func: &Func, why: &str) {
    let error = verify(func).unwrap_err();
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_function_has_a_text() {
    let (mut b, op, yes, no) = fork();
    let slot = b.slot(SlotPurpose::Set, 4);
    let sum = b.binary_imm(BinaryOp::Add, op, 7);
    b.store_slot(Size::Word, slot, 0, sum);
    let counter = b.counter("hits", DataType::U64);
    let addr = b.value(InstData::CounterAddr(counter, 0));
    let one = b.number(1);
    b.effect(InstData::AtomicAdd { addr, offset: 0, value: one });
    let random = b.call(helper("bpf_get_prandom_u32").unwrap(), Vec::new());
    let (end, param) = b.new_block_with_param();
    b.jump_with(end, random);
    b.switch_to(no);
    b.jump_with(end, op);
    b.switch_to(end);
    b.effect(InstData::StoreField { field: field("args"), word: 0, value: param });
    let func = b.finish();
    verify(&func).unwrap();
    assert_eq!(
        func.to_string(),
        "count0 = bss hits: 8 bytes
slot0 = 8 bytes
block0:
    v0 = field op
    br eq v0, 1 block1 else block2
block2:
    jump block3(v0)
block1:
    v3 = add v0, 7
    store.u32 slot0+0, v3
    v4 = addr count0+0
    atomic_add v4+0, 1
    v6 = call bpf_get_prandom_u32()
    jump block3(v6)
block3(v7):
    set_field args[0], v7
    exit
"
    );
    assert_eq!(func.blocks[yes].insts.len(), 7);
}

#[test]
fn numbers_are_folded_as_they_are_made() {
    let mut b = Builder::new();
    let (x, six) = (b.field(field("mss_cache"), 0), b.number(6));
    let seven = b.binary_imm(BinaryOp::Add, six, 1);
    assert_eq!(b.func().constant(seven), Some(7));
    for (op, number) in
        [(BinaryOp::Add, 0), (BinaryOp::Mul, 1), (BinaryOp::Div, 1), (BinaryOp::Shl, 0), (BinaryOp::Rem, 0)]
    {
        assert_eq!(b.binary_imm(op, x, number), x, "{op:?} {number}");
    }
    for (op, number) in [(BinaryOp::Mul, 0), (BinaryOp::And, 0), (BinaryOp::Div, 0), (BinaryOp::Rem, 1)] {
        let folded = b.binary_imm(op, x, number);
        assert_eq!(b.func().constant(folded), Some(0), "{op:?} {number}");
    }
    for (op, number, cheaper) in [
        (BinaryOp::Mul, 8, (BinaryOp::Shl, 3)),
        (BinaryOp::Div, 8, (BinaryOp::Shr, 3)),
        (BinaryOp::Rem, 8, (BinaryOp::And, 7)),
    ] {
        let made = b.binary_imm(op, x, number);
        let Some(&InstData::Binary(op, _, by)) = b.func().def(made) else { panic!() };
        assert_eq!((op, b.func().constant(by)), (cheaper.0, Some(cheaper.1)));
    }
}

#[test]
fn what_fits_32_bits_is_known_of_every_operation() {
    let mut b = Builder::new();
    let (narrow, wide) = (b.field(field("snd_cwnd"), 0), b.field(field("bytes_acked"), 0));
    let member = b.value(InstData::LoadMember { field: field("delivered"), base: wide });
    assert!(b.func().fits_32(member));
    let mut fits = |op, x, y| {
        let value = b.binary(op, x, y);
        b.func().fits_32(value)
    };
    assert!(fits(BinaryOp::And, wide, narrow) && fits(BinaryOp::Div, narrow, wide));
    assert!(fits(BinaryOp::Xor, narrow, narrow) && !fits(BinaryOp::Xor, narrow, wide));
    assert!(!fits(BinaryOp::Add, narrow, narrow) && !fits(BinaryOp::Shl, narrow, narrow));
    assert!(!fits(BinaryOp::Sub, narrow, narrow) && !fits(BinaryOp::Mul, narrow, narrow));
    assert!(fits(BinaryOp::Shr, narrow, wide) && !fits(BinaryOp::Rem, wide, narrow));
}

#[test]
fn nothing_leads_to_the_entry() {
    let (mut b, ..) = fork();
    let entry = b.func().entry;
    b.jump(entry);
    refused(&b.finish(), "goes back to block0");
}

#[test]
fn the_entry_has_no_parameters() {
    let (b, ..) = fork();
    let mut func = b.finish();
    let param = func.values.push(ValueData::Param(func.entry));
    func.blocks[func.entry].params.push(param);
    refused(&func, "entry block has parameters");
}

#[test]
fn no_edge_leads_backwards() {
    let (mut b, _, yes, _) = fork();
    let next = b.new_block();
    b.jump(next);
    b.switch_to(next);
    b.jump(yes);
    refused(&b.finish(), "goes back");
}

#[test]
fn an_edge_passes_what_its_target_takes() {
    let (mut b, ..) = fork();
    let (end, _) = b.new_block_with_param();
    b.jump(end);
    refused(&b.finish(), "wrong number of values");
}

#[test]
fn a_switch_passes_nothing() {
    let (mut b, op, ..) = fork();
    let (end, _) = b.new_block_with_param();
    b.terminate(Terminator::Switch { value: op, cases: vec![(1, end)], default: None });
    refused(&b.finish(), "a switch passes no values");
}

#[test]
fn the_cases_of_a_switch_ascend() {
    let (mut b, op, ..) = fork();
    let end = b.new_block();
    for cases in [vec![(2, end), (1, end)], vec![(1, end), (1, end)], Vec::new()] {
        b.terminate(Terminator::Switch { value: op, cases, default: None });
        refused(b.func(), "do not ascend");
    }
}

#[test]
fn a_value_is_made_once() {
    let (b, op, yes, _) = fork();
    let mut func = b.finish();
    let inst = func.insts.push(InstData::Unary(UnaryOp::Neg, op));
    func.blocks[yes].insts.push(Placed { inst, result: Some(op), span: Span::default() });
    refused(&func, "v0 is made twice");
}

#[test]
fn a_use_is_dominated_by_what_makes_it() {
    let (mut b, op, _, no) = fork();
    let sum = b.binary_imm(BinaryOp::Add, op, 1);
    let end = b.new_block();
    b.jump(end);
    b.switch_to(no);
    b.jump(end);
    b.switch_to(end);
    b.effect(InstData::StoreField { field: field("args"), word: 0, value: sum });
    refused(&b.finish(), "before it is made");
}

#[test]
fn a_use_stands_behind_what_makes_it() {
    let (mut b, op, yes, _) = fork();
    let sum = b.binary_imm(BinaryOp::Add, op, 1);
    b.binary(BinaryOp::Mul, sum, op);
    let mut func = b.finish();
    func.blocks[yes].insts.reverse();
    refused(&func, "before it is made");
}

#[test]
fn numbers_are_made_anew_wherever_they_are_used() {
    let (mut b, _, _, no) = fork();
    let seven = b.number(7);
    b.switch_to(no);
    b.effect(InstData::StoreField { field: field("args"), word: 0, value: seven });
    verify(&b.finish()).unwrap();
}

#[test]
fn an_instruction_stands_in_one_place() {
    let (b, _, yes, _) = fork();
    let mut func = b.finish();
    let mut first = func.blocks[func.entry].insts[0];
    first.result = Some(func.values.push(ValueData::Result(first.inst)));
    func.blocks[yes].insts.push(first);
    refused(&func, "stands in two places");
}

#[test]
fn a_result_is_there_exactly_if_the_kind_makes_one() {
    let (b, op, ..) = fork();
    let mut func = b.finish();
    func.blocks[func.entry].insts[0].result = None;
    refused(&func, "no result or one too many");
    let (b, ..) = fork();
    let mut func = b.finish();
    let inst = func.insts.push(InstData::StoreField { field: field("args"), word: 0, value: op });
    let result = Some(func.values.push(ValueData::Result(inst)));
    func.blocks[func.entry].insts.push(Placed { inst, result, span: Span::default() });
    refused(&func, "no result or one too many");
}

#[test]
fn words_of_fields_exist_and_may_be_written() {
    let (mut b, ..) = fork();
    b.field(field("remote_ip6"), 4);
    refused(&b.finish(), "no such word");
    let (mut b, ..) = fork();
    b.field(field("delivered"), 0);
    refused(&b.finish(), "no such word in the context");
    let (mut b, base, ..) = fork();
    b.value(InstData::LoadMember { field: field("snd_cwnd"), base });
    refused(&b.finish(), "no such member behind a pointer");
    let (mut b, op, ..) = fork();
    b.effect(InstData::StoreField { field: field("op"), word: 0, value: op });
    refused(&b.finish(), "cannot be written");
}

#[test]
fn accesses_stay_within_their_slot() {
    let (mut b, op, ..) = fork();
    let slot = b.slot(SlotPurpose::Set, 4);
    b.store_slot(Size::Double, slot, 0, op);
    verify(b.func()).unwrap();
    b.store_slot(Size::Double, slot, 1, op);
    refused(&b.finish(), "leaves its slot");
}

#[test]
fn a_call_has_five_arguments_at_most() {
    let (mut b, op, ..) = fork();
    b.call(helper("bpf_setsockopt").unwrap(), vec![op; 6]);
    refused(&b.finish(), "too many arguments");
}

#[test]
fn a_search_has_a_key_of_the_tables_shape() {
    let (mut b, op, ..) = fork();
    let ty = DataType::Array(Box::new(DataType::U64), 8);
    let data = b.constant(Global { name: "keys".into(), ty, bytes: vec![0; 64] });
    let zero = b.counter("zero", DataType::U64);
    let table = b.table(TableData { data, words: 2, entries: 4, zero });
    b.value(InstData::TableFind { table, key: vec![op, op] });
    verify(b.func()).unwrap();
    b.value(InstData::TableFind { table, key: vec![op] });
    refused(&b.finish(), "another shape");
}
