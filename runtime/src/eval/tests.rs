//! What expressions mean.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_lang::hir::{HeaderField, HeaderOption, Local, SetId};
use tcpc_lang::source::Span;
use tcpc_stdlib::event::event;
use tcpc_stdlib::feature::feature;
use tcpc_stdlib::header;
use tcpc_stdlib::option::option;
use tcpc_stdlib::unit::Type;

use super::*;

/// A world in which little happens.
struct Still {
    local: u128,
    remote: u128,
}

impl World for Still {
    fn field(&mut self, field: &'static Field) -> Value {
        match field.name {
            "local_ip" => Value::Ip(self.local),
            "remote_ip" => Value::Ip(self.remote),
            "srtt" => Value::Number(10_000_000),
            _ => Value::Number(0),
        }
    }
    fn arg(&mut self, index: u8, _: &'static Arg) -> u64 {
        u64::from(index) + 100
    }
    fn option(&mut self, _: &'static SockOption) -> Value {
        Value::Name("cubic".into())
    }
    fn cookie(&mut self) -> u64 {
        1
    }

    fn role(&mut self) -> Role {
        Role::Server
    }
    fn syn_tos(&mut self) -> u8 {
        0x20
    }
    fn has(&mut self, feature: &Feature) -> bool {
        feature.name != "rto_max"
    }
    fn is_segment(&mut self, segments: &[&'static Segment]) -> bool {
        header::segment("fin").is_some_and(|segment| segments.contains(&segment))
    }
    fn header_options(&mut self) -> Vec<Vec<u8>> {
        vec![vec![1, 1, 254, 4, 0x12, 0x34, 28, 4, 0x81, 0x2c, 0, 254, 5, 0xcc, 0x01, 7]]
    }
    fn now(&mut self) -> u64 {
        7
    }
    fn random(&mut self) -> u32 {
        0x8000_0000
    }
    fn reply(&mut self, _: &'static Event) -> Option<u64> {
        Some(40)
    }
    fn has_reply(&mut self) -> bool {
        true
    }
    fn counter(&mut self, counter: CounterId) -> Result<u64, String> {
        Ok(counter.0.into())
    }
    fn rule_hits(&mut self, _: RuleId) -> Result<u64, String> {
        Err("not counted".into())
    }
}

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, ty: Type::Int, span: Span::default() }
}

fn number(number: u64) -> Box<Expr> {
    Box::new(expr(ExprKind::Const(Value::Number(number))))
}

fn evaluate_between(local: u128, remote: u128, kind: ExprKind) -> Result<Value, EvalError> {
    let set = Set { name: None, element: Type::Int, ranges: vec![(5, 5), (10, 20)], span: Span::default() };
    let locals = vec![Local { name: "x".into(), ty: Type::Int }];
    let program = Program { sets: vec![set], locals, headers: headers(), ..Program::default() };
    let mut world = Still { local, remote };
    Evaluator::new(&program, &mut world).value(&expr(kind))
}

fn evaluate(kind: ExprKind) -> u64 {
    match evaluate_between(1, 2, kind).unwrap() {
        Value::Number(number) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn arithmetic_never_fails() {
    let arith = |op, left, right| evaluate(ExprKind::Arith(op, number(left), number(right)));
    assert_eq!(arith(ArithOp::Sub, 3, 5), 0);
    assert_eq!(arith(ArithOp::Add, u64::MAX, 2), 1);
    assert_eq!(arith(ArithOp::Mul, 1 << 63, 2), 0);
    assert_eq!(arith(ArithOp::Div, 7, 0), 0);
    assert_eq!(arith(ArithOp::Rem, 7, 0), 7);
    assert_eq!(arith(ArithOp::Shl, 1, 64), 0);
    assert_eq!(arith(ArithOp::Shr, 8, 1 << 40), 0);
    assert_eq!(arith(ArithOp::Shl, 1, 63), 1 << 63);
}

#[test]
fn comparisons_are_unsigned() {
    let compare = |op, left, right| evaluate(ExprKind::Compare(op, number(left), number(right)));
    assert_eq!(compare(CompareOp::Gt, u64::MAX, 1), 1);
    assert_eq!(compare(CompareOp::Le, 2, 1), 0);
    assert_eq!(compare(CompareOp::Ne, 2, 1), 1);
}

#[test]
fn the_right_side_is_left_alone_when_the_left_decides() {
    let unknown = || Box::new(expr(ExprKind::RuleHits(RuleId(0))));
    assert_eq!(evaluate(ExprKind::And(number(0), unknown())), 0);
    assert_eq!(evaluate(ExprKind::Or(number(1), unknown())), 1);
    assert!(evaluate_between(1, 2, ExprKind::And(number(1), unknown())).is_err());
}

#[test]
fn names_are_equal_or_not() {
    let congestion = || Box::new(expr(ExprKind::Option(option("congestion").unwrap())));
    let name = |text: &str| Box::new(expr(ExprKind::Const(Value::Name(text.into()))));
    assert_eq!(evaluate(ExprKind::Compare(CompareOp::Eq, congestion(), name("cubic"))), 1);
    assert_eq!(evaluate(ExprKind::Compare(CompareOp::Eq, congestion(), name("dctcp"))), 0);
}

#[test]
fn sets_hold_their_ranges_to_both_ends() {
    let holds = |element| evaluate(ExprKind::In(number(element), SetId(0)));
    assert_eq!([4, 5, 6, 9, 10, 20, 21].map(holds), [0, 1, 0, 0, 1, 1, 0]);
}

#[test]
fn prefixes_are_compared_within_a_family() {
    let same = |local, remote, v4, v6| {
        evaluate_between(local, remote, ExprKind::SamePrefix { v4, v6 }).unwrap() == Value::Number(1)
    };
    let v4 = |address: u32| 0xffff_0000_0000 | u128::from(address);
    assert!(same(v4(0x0a00_0001), v4(0x0a00_00ff), Some(24), None));
    assert!(!same(v4(0x0a00_0001), v4(0x0a00_00ff), Some(25), None));
    assert!(!same(v4(0x0a00_0001), v4(0x0a00_0001), None, Some(44)));
    assert!(same(v4(1), v4(u32::MAX), Some(0), None));
    let v6 = |high: u128| high << 80 | 1;
    assert!(same(v6(0x2401_db00_0011), v6(0x2401_db00_0012), Some(24), Some(44)));
    assert!(!same(v6(0x2401_db00_0011), v6(0x2401_db00_0012), Some(24), Some(48)));
    assert!(!same(v6(0x2401_db00_0011), v4(1), Some(0), Some(0)));
    assert!(same(1, 1, None, Some(128)) && !same(1, 2, None, Some(128)) && same(1, 1 << 127, None, Some(0)));
}

#[test]
fn functions_do_what_their_names_say() {
    let call =
        |id, args: &[u64]| evaluate(ExprKind::Call(id, args.iter().map(|arg| *number(*arg)).collect()));
    assert_eq!(call(BuiltinId::Min, &[3, 2]), 2);
    assert_eq!(call(BuiltinId::Max, &[3, 2]), 3);
    assert_eq!([1, 5, 9].map(|x| call(BuiltinId::Clamp, &[x, 2, 8])), [2, 5, 8]);
    assert_eq!(call(BuiltinId::Now, &[]), 7);
    assert_eq!(call(BuiltinId::SynTos, &[]), 0x20);
    // Half of the random numbers are below 2^31.
    assert_eq!(call(BuiltinId::Sample, &[0x8000_0001]), 1);
    assert_eq!(call(BuiltinId::Sample, &[0x8000_0000]), 0);
}

/// The user timeout option, and an experiment that stands after the end of the list.
fn headers() -> Vec<HeaderOption> {
    let option = |kind, exid: Option<u16>, bits: &[u8]| {
        let mut at = if exid.is_none() { 16 } else { 32 };
        let field = |bits: &u8| {
            let field = HeaderField { name: String::new(), bits: *bits, at, span: Span::default() };
            at += u16::from(*bits);
            field
        };
        let fields = bits.iter().map(field).collect();
        HeaderOption { name: String::new(), kind, exid, fields, span: Span::default() }
    };
    vec![option(28, None, &[1, 15]), option(254, Some(0xcc01), &[8]), option(28, None, &[8])]
}

#[test]
fn options_are_read_from_the_segment_at_hand() {
    let received = |id| evaluate(ExprKind::Received(HeaderId(id)));
    // One is after the end, one has another length.
    assert_eq!([0, 1, 2].map(received), [1, 0, 0]);
    let field = |id, index| evaluate(ExprKind::HeaderField(HeaderId(id), index));
    assert_eq!([field(0, 0), field(0, 1), field(0, 9), field(1, 0)], [1, 300, 0, 0]);
    assert!(evaluate_between(1, 2, ExprKind::Received(HeaderId(9))).is_err());
}

#[test]
fn options_that_make_no_sense_end_the_search() {
    let count = |bytes| options_of(bytes).count();
    assert_eq!(count(&[]), 0);
    assert_eq!(count(&[1, 1]), 0);
    assert_eq!(count(&[1, 28, 2, 1, 99]), 1);
    assert_eq!(count(&[28, 2, 99, 1, 28, 2]), 1);
    assert_eq!(count(&[28, 2, 99, 7, 28, 2]), 1);
    assert_eq!(count(&[28, 2, 0, 2, 28, 2]), 1);
}

#[test]
fn the_segment_that_goes_out_is_one_of_several() {
    let is = |names: &[&str]| {
        let segments = names.iter().filter_map(|name| header::segment(name)).collect();
        evaluate(ExprKind::IsSegment(segments))
    };
    assert_eq!((is(&["syn", "fin"]), is(&["syn", "established"]), is(&[])), (1, 0, 0));
}

#[test]
fn local_names_are_bound_before_they_are_read() {
    let read = || Box::new(expr(ExprKind::Local(LocalId(0))));
    let double = expr(ExprKind::Arith(ArithOp::Add, read(), read()));
    assert_eq!(evaluate(ExprKind::Let(LocalId(0), number(21), Box::new(double))), 42);
    assert!(evaluate_between(1, 2, read().kind).is_err());
}

#[test]
fn the_world_is_asked_for_the_rest() {
    let backoff = &event("rto").unwrap().args[0];
    assert_eq!(evaluate(ExprKind::Arg(1, backoff)), 101);
    assert_eq!(evaluate(ExprKind::Field(field("srtt").unwrap())), 10_000_000);
    assert_eq!(evaluate(ExprKind::IsRole(Role::Server)), 1);
    assert_eq!(evaluate(ExprKind::Reply(event("rwnd_init").unwrap())), 40);
    assert_eq!(evaluate(ExprKind::HasReply), 1);
    assert_eq!(evaluate(ExprKind::Counter(CounterId(3))), 3);
    assert_eq!(evaluate(ExprKind::If(number(0), number(1), number(2))), 2);
    assert_eq!(evaluate(ExprKind::Not(number(0))), 1);
}

#[test]
fn what_the_kernel_has_is_asked_of_the_world_unless_every_kernel_has_it() {
    let has = |written| evaluate(ExprKind::KernelHas(feature(written).unwrap()));
    assert_eq!([has("rto_max"), has("nodelay"), has("reading rto_max")], [0, 1, 0]);
    assert_eq!(has("user_timeout"), 1);
}
