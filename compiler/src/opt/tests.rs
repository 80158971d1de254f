//! Each pass on a small function: the text before, and after.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_stdlib::field::{Field, kernel_field};
use tcpc_stdlib::helper::helper;

use super::*;
use crate::ir::{BinaryOp, Block, Builder, CondOp, InstData, Size, SlotPurpose, Terminator, UnaryOp, Value};

fn field(name: &str) -> &'static Field {
    kernel_field(name).unwrap()
}

fn reply(b: &mut Builder, value: Value) {
    b.effect(InstData::StoreField { field: field("args"), word: 0, value });
}

fn reply_number(b: &mut Builder, number: u64) {
    let value = b.number(number);
    reply(b, value);
}

/// Ends the block with `br op a, number`, and stands in the first of the two blocks.
fn branch(b: &mut Builder, op: CondOp, a: Value, number: u64) -> (Block, Block) {
    let (yes, no) = (b.new_block(), b.new_block());
    let number = b.number(number);
    b.branch(op, a, number, yes, no);
    b.switch_to(yes);
    (yes, no)
}

/// The text after a pass; well-formed before and after.
fn after(b: Builder, pass: fn(&mut Func)) -> String {
    let mut func = b.finish();
    verify(&func).unwrap();
    pass(&mut func);
    verify(&func).unwrap();
    func.to_string()
}

/// The branch that `simplify` makes of a comparison of an operation on a field.
fn simplified(kernel: &str, make: impl Fn(&mut Builder, Value) -> Value, op: CondOp, number: u64) -> String {
    let mut b = Builder::new();
    let loaded = b.field(field(kernel), 0);
    let made = make(&mut b, loaded);
    branch(&mut b, op, made, number);
    let text = after(b, simplify::simplify);
    let end = text.lines().find(|line| line.contains("br ") || line.contains("jump")).unwrap();
    end.trim().to_string()
}

#[test]
fn simplify_swaps_the_constant_and_not_the_field() {
    let swap = |b: &mut Builder, value| b.unary(UnaryOp::SwapBytes32, value);
    assert_eq!(
        simplified("remote_port", swap, CondOp::Eq, 443),
        format!("br eq v0, {} block1 else block2", 443u32.swap_bytes())
    );
    assert_eq!(simplified("remote_port", swap, CondOp::Ne, 1 << 32), "jump block1");
    assert_eq!(simplified("remote_port", swap, CondOp::Lt, 443), "br lt v1, 443 block1 else block2");
}

#[test]
fn simplify_leaves_a_swap_that_forgets_bits() {
    let swap = |b: &mut Builder, value| b.unary(UnaryOp::SwapBytes16, value);
    assert_eq!(simplified("remote_port", swap, CondOp::Eq, 443), "br eq v1, 443 block1 else block2");
}

#[test]
fn simplify_divides_the_constant_and_does_not_multiply_the_field() {
    let eighths = |b: &mut Builder, value| b.binary_imm(BinaryOp::Mul, value, 125);
    for (op, number, wanted) in [
        (CondOp::Lt, 3_000_000, "br lt v0, 24000 block1 else block2"),
        (CondOp::Lt, 126, "br lt v0, 2 block1 else block2"),
        (CondOp::Ge, 126, "br ge v0, 2 block1 else block2"),
        (CondOp::Le, 126, "br le v0, 1 block1 else block2"),
        (CondOp::Gt, 124, "br gt v0, 0 block1 else block2"),
        (CondOp::Eq, 250, "br eq v0, 2 block1 else block2"),
        (CondOp::Eq, 251, "jump block2"),
        (CondOp::Ne, 251, "jump block1"),
    ] {
        assert_eq!(simplified("srtt_us", eighths, op, number), wanted, "{op:?} {number}");
    }
    // A product of 64 bits may have wrapped.
    assert_eq!(simplified("bytes_acked", eighths, CondOp::Lt, 250), "br lt v2, 250 block1 else block2");
}

#[test]
fn simplify_tests_bits_at_once() {
    let masked = |b: &mut Builder, value| b.binary_imm(BinaryOp::And, value, 12);
    assert_eq!(simplified("mss_cache", masked, CondOp::Ne, 0), "br test v0, 12 block1 else block2");
    assert_eq!(simplified("mss_cache", masked, CondOp::Eq, 0), "br eq v2, 0 block1 else block2");
}

#[test]
fn thread_skips_what_only_jumps_and_drops_idle_branches() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (_, no) = branch(&mut b, CondOp::Eq, op, 1);
    let (middle, end) = (b.new_block(), b.new_block());
    b.jump(middle);
    b.switch_to(no);
    b.jump(end);
    b.switch_to(middle);
    b.jump(end);
    b.switch_to(end);
    reply_number(&mut b, 7);
    assert_eq!(
        after(b, thread::thread),
        "block0:
    v0 = field op
    jump block4
block4:
    set_field args[0], 7
    exit
"
    );
}

#[test]
fn join_makes_one_of_a_block_and_its_only_predecessor() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let next = b.new_block();
    b.jump(next);
    b.switch_to(next);
    reply(&mut b, op);
    assert_eq!(
        after(b, thread::join),
        "block0:
    v0 = field op
    set_field args[0], v0
    exit
"
    );
}

#[test]
fn reuse_loads_once_what_cannot_change() {
    let mut b = Builder::new();
    let first = b.field(field("remote_port"), 0);
    branch(&mut b, CondOp::Eq, first, 1);
    b.call(helper("bpf_get_prandom_u32").unwrap(), Vec::new());
    let second = b.field(field("remote_port"), 0);
    let sum = b.binary(BinaryOp::Add, first, second);
    let again = b.binary(BinaryOp::Add, first, second);
    reply(&mut b, sum);
    reply(&mut b, again);
    assert_eq!(
        after(b, reuse::reuse),
        "block0:
    v0 = field remote_port
    br eq v0, 1 block1 else block2
block2:
    exit
block1:
    v2 = call bpf_get_prandom_u32()
    v4 = add v0, v0
    set_field args[0], v4
    set_field args[0], v4
    exit
"
    );
}

#[test]
fn reuse_loads_anew_what_a_call_may_change() {
    let mut b = Builder::new();
    let first = b.field(field("snd_cwnd"), 0);
    let same = b.field(field("snd_cwnd"), 0);
    b.call(helper("bpf_get_prandom_u32").unwrap(), Vec::new());
    let other = b.field(field("snd_cwnd"), 0);
    for value in [first, same, other] {
        reply(&mut b, value);
    }
    assert_eq!(
        after(b, reuse::reuse),
        "block0:
    v0 = field snd_cwnd
    v2 = call bpf_get_prandom_u32()
    v3 = field snd_cwnd
    set_field args[0], v0
    set_field args[0], v0
    set_field args[0], v3
    exit
"
    );
}

/// The pointer to the connection's structure, and a member of it.
fn delivered(b: &mut Builder) -> Value {
    let sock = b.field(field("sk"), 0);
    let base = b.call(helper("bpf_tcp_sock").unwrap(), vec![sock]);
    b.value(InstData::LoadMember { field: field("delivered"), base })
}

/// A function that loads the port, and again after what `between` does.
fn port_twice(between: impl Fn(&mut Builder)) -> Builder {
    let mut b = Builder::new();
    let first = b.field(field("remote_port"), 0);
    reply(&mut b, first);
    between(&mut b);
    let again = b.field(field("remote_port"), 0);
    reply(&mut b, again);
    b
}

#[test]
fn reuse_loads_anew_what_was_forgotten() {
    let loads = |b| after(b, reuse::reuse).matches("field remote_port").count();
    assert_eq!(loads(port_twice(|_| {})), 1);
    assert_eq!(loads(port_twice(|b| b.effect(InstData::Forget))), 2);
    // On one of two ways is enough: where they meet nobody knows which it was.
    let on_one_way = |b: &mut Builder| {
        let mark = b.field(field("mss_cache"), 0);
        let (_, no) = branch(b, CondOp::Eq, mark, 1);
        b.effect(InstData::Forget);
        b.jump(no);
        b.switch_to(no);
    };
    assert_eq!(loads(port_twice(on_one_way)), 2);
}

#[test]
fn sweep_drops_what_only_told_passes_something() {
    assert!(!after(port_twice(|b| b.effect(InstData::Forget)), sweep::sweep).contains("forget"));
}

#[test]
fn little_is_loaded_anew_in_a_long_program() {
    let forgotten = |count| {
        let many = |b: &mut Builder| {
            for number in 0..count {
                reply_number(b, number);
                b.forget_sometimes();
            }
        };
        port_twice(many).finish().to_string().matches("forget").count()
    };
    assert_eq!([forgotten(100), forgotten(200), forgotten(2_000)], [0, 1, 15]);
}

#[test]
fn reuse_looks_for_the_socket_once_and_loads_its_members_anew() {
    let mut b = Builder::new();
    let (first, same) = (delivered(&mut b), delivered(&mut b));
    b.call(helper("bpf_get_prandom_u32").unwrap(), Vec::new());
    let other = delivered(&mut b);
    for value in [first, same, other] {
        reply(&mut b, value);
    }
    assert_eq!(
        after(b, reuse::reuse),
        "block0:
    v0 = field sk
    v1 = call bpf_tcp_sock(v0)
    v2 = member bpf_tcp_sock.delivered v1
    v6 = call bpf_get_prandom_u32()
    v9 = member bpf_tcp_sock.delivered v1
    set_field args[0], v2
    set_field args[0], v2
    set_field args[0], v9
    exit
"
    );
}

#[test]
fn sweep_drops_a_pointer_that_nobody_follows() {
    let mut b = Builder::new();
    delivered(&mut b);
    assert_eq!(after(b, sweep::sweep), "block0:\n    exit\n");
}

#[test]
fn reuse_keeps_apart_what_is_made_on_two_ways() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (_, no) = branch(&mut b, CondOp::Eq, op, 1);
    let left = b.field(field("local_port"), 0);
    reply(&mut b, left);
    b.switch_to(no);
    let right = b.field(field("local_port"), 0);
    reply(&mut b, right);
    let text = after(b, reuse::reuse);
    assert_eq!(text.matches("field local_port").count(), 2, "{text}");
}

/// `entry: switch op -> arm`; in `arm`, both ways of a branch load a field.
fn two_arms(kernel: &str, call_before_second: bool) -> Builder {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (arm, exit) = (b.new_block(), b.new_block());
    b.terminate(Terminator::Switch { value: op, cases: vec![(3, arm)], default: Some(exit) });
    b.switch_to(arm);
    let port = b.field(field("local_port"), 0);
    let (_, no) = branch(&mut b, CondOp::Eq, port, 1);
    let left = b.field(field(kernel), 0);
    reply(&mut b, left);
    b.switch_to(no);
    if call_before_second {
        b.call(helper("bpf_get_prandom_u32").unwrap(), Vec::new());
    }
    let right = b.field(field(kernel), 0);
    reply(&mut b, right);
    b
}

#[test]
fn hoist_loads_before_the_fork_what_both_arms_load() {
    let hoisted = "block1:
    v1 = field local_port
    v5 = field snd_cwnd
    br eq v1, 1 block3 else block4
";
    assert!(after(two_arms("snd_cwnd", false), hoist::hoist).contains(hoisted));
    // What is read behind a call is something else, unless it cannot change.
    let text = after(two_arms("snd_cwnd", true), hoist::hoist);
    assert_eq!(text.matches("field snd_cwnd").count(), 2, "{text}");
    let text = after(two_arms("remote_port", true), hoist::hoist);
    assert_eq!(text.matches("field remote_port").count(), 3, "{text}");
}

#[test]
fn hoist_does_not_load_what_is_forgotten_before_it_is_used() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (_, other) = branch(&mut b, CondOp::Eq, op, 1);
    let mark = b.field(field("mss_cache"), 0);
    let (_, no) = branch(&mut b, CondOp::Eq, mark, 1);
    let before = b.field(field("remote_port"), 0);
    reply(&mut b, before);
    b.switch_to(no);
    b.effect(InstData::Forget);
    let after_it = b.field(field("remote_port"), 0);
    reply(&mut b, after_it);
    b.switch_to(other);
    let unchanged = b.func().to_string();
    assert_eq!(after(b, hoist::hoist), unchanged);
}

#[test]
fn hoist_never_loads_before_the_dispatch() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (first, second) = (b.new_block(), b.new_block());
    b.terminate(Terminator::Switch { value: op, cases: vec![(3, first)], default: Some(second) });
    for block in [first, second] {
        b.switch_to(block);
        let loaded = b.field(field("snd_cwnd"), 0);
        reply(&mut b, loaded);
    }
    let before = b.func().to_string();
    assert_eq!(after(b, hoist::hoist), before);
}

#[test]
fn sweep_drops_what_nobody_uses_and_keeps_effects() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let unused = b.field(field("snd_cwnd"), 0);
    b.binary(BinaryOp::Add, unused, op);
    b.call(helper("bpf_get_prandom_u32").unwrap(), Vec::new());
    reply(&mut b, op);
    assert_eq!(
        after(b, sweep::sweep),
        "block0:
    v0 = field op
    v3 = call bpf_get_prandom_u32()
    set_field args[0], v0
    exit
"
    );
}

#[test]
fn merge_makes_one_of_equal_tails() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (_, no) = branch(&mut b, CondOp::Eq, op, 1);
    reply_number(&mut b, 7);
    b.switch_to(no);
    let (_, other) = branch(&mut b, CondOp::Eq, op, 2);
    reply_number(&mut b, 7);
    b.switch_to(other);
    reply_number(&mut b, 8);
    assert_eq!(
        after(b, merge::merge),
        "block0:
    v0 = field op
    br eq v0, 1 block1 else block2
block2:
    br eq v0, 2 block1 else block4
block4:
    set_field args[0], 8
    exit
block1:
    set_field args[0], 7
    exit
"
    );
}

#[test]
fn merge_keeps_apart_what_makes_different_values() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (_, no) = branch(&mut b, CondOp::Eq, op, 1);
    let first = b.field(field("snd_cwnd"), 0);
    let (one, _) = branch(&mut b, CondOp::Eq, first, 5);
    b.switch_to(one);
    reply(&mut b, first);
    b.switch_to(no);
    let second = b.field(field("snd_cwnd"), 0);
    let (two, _) = branch(&mut b, CondOp::Eq, second, 5);
    b.switch_to(two);
    reply(&mut b, second);
    let text = after(b, merge::merge);
    assert_eq!(text.matches("field snd_cwnd").count(), 2, "{text}");
}

/// A switch over so many numbers, each to a block of its own.
fn many_cases(count: u32) -> Builder {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let entry = b.current();
    let exit = b.new_block();
    let case = |b: &mut Builder, number: u32| {
        let block = b.new_block();
        b.switch_to(block);
        reply_number(b, u64::from(number) * 10);
        (number, block)
    };
    let cases = (1..=count).map(|number| case(&mut b, number)).collect();
    b.switch_to(entry);
    b.terminate(Terminator::Switch { value: op, cases, default: Some(exit) });
    b
}

#[test]
fn a_short_switch_is_a_chain_and_a_long_one_is_halved() {
    let text = after(many_cases(2), expand_switches);
    assert_eq!(
        text.lines().filter(|line| line.contains("br ")).map(str::trim).collect::<Vec<_>>(),
        ["br eq v0, 1 block2 else block4", "br eq v0, 2 block3 else block1"]
    );
    let text = after(many_cases(20), expand_switches);
    assert!(text.contains("br ge v0, 11 "), "{text}");
    for number in 1..=20 {
        assert_eq!(text.matches(&format!("br eq v0, {number} ")).count(), 1, "{text}");
    }
    assert!(!text.contains("switch"));
}

#[test]
fn a_switch_that_knows_its_cases_does_not_compare_the_last() {
    let mut b = many_cases(3);
    let (op, cases) = match &b.func().blocks[b.func().entry].terminator {
        Terminator::Switch { value, cases, .. } => (*value, cases.clone()),
        other => panic!("{other:?}"),
    };
    b.terminate(Terminator::Switch { value: op, cases, default: None });
    let text = after(b, expand_switches);
    assert_eq!(text.matches("br eq").count(), 2, "{text}");
}

#[test]
fn an_edge_that_passes_values_or_is_one_of_several_gets_a_block() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let (_, end) = branch(&mut b, CondOp::Eq, op, 1);
    b.jump(end);
    assert_eq!(
        after(b, split_edges),
        "block0:
    v0 = field op
    br eq v0, 1 block1 else block3
block3:
    jump block2
block1:
    jump block2
block2:
    exit
"
    );
}

#[test]
fn dominance_is_that_of_every_path() {
    let mut b = Builder::new();
    let op = b.field(field("op"), 0);
    let entry = b.current();
    let (yes, no) = branch(&mut b, CondOp::Eq, op, 1);
    let (end, last) = (b.new_block(), b.new_block());
    b.jump(end);
    b.switch_to(no);
    b.jump(end);
    b.switch_to(end);
    b.jump(last);
    let tree = dominators(&b.finish());
    for (a, b, wanted) in [
        (entry, last, true),
        (end, last, true),
        (last, last, true),
        (yes, end, false),
        (no, last, false),
        (yes, no, false),
        (last, end, false),
        (end, entry, false),
    ] {
        assert_eq!(tree.dominates(a, b), wanted, "{a} {b}");
    }
    assert_eq!(tree.common(yes, no), entry);
    assert_eq!(tree.common(yes, last), entry);
    assert_eq!(tree.common(end, last), end);
}

/// A helper writes over memory that it is given, so neither a store nor an earlier load says what is there.
#[test]
fn the_stack_is_loaded_anew_after_a_helper() {
    let mut b = Builder::new();
    let slot = b.slot(SlotPurpose::Get, 8);
    let searched = b.number(28);
    b.store_slot(Size::Double, slot, 0, searched);
    let load = |b: &mut Builder| b.value(InstData::LoadSlot { size: Size::Double, slot, offset: 0 });
    let before = load(&mut b);
    let context = b.value(InstData::Context);
    let address = b.value(InstData::SlotAddr(slot, 0));
    let (length, flags) = (b.number(8), b.number(0));
    b.call(helper("bpf_load_hdr_opt").unwrap(), vec![context, address, length, flags]);
    let after = load(&mut b);
    let differs = b.binary(BinaryOp::Xor, before, after);
    reply(&mut b, differs);
    b.terminate(Terminator::Exit);
    let mut func = b.finish();
    optimize(&mut func).unwrap();
    let text = func.to_string();
    assert_eq!(text.matches(" = load.u64 ").count(), 2, "{text}");
    assert!(text.contains(" xor "), "{text}");
}
