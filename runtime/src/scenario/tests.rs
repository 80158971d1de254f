//! Test blocks on a program that is written by hand:
//!
//! ```text
//! syn: on timeout_init -> 10ms
//! cc:  on tcp_connect { congestion = "dctcp" }
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod segments;

use proptest::prelude::*;
use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::{AluOp, Insn, JmpOp, Size};
use tcpc_compiler::object::{DataType, Global, Line, ObjectSpec, Relocation, ResolvedTarget, Target};
use tcpc_lang::hir::{CompareOp, ExprKind, Given, Role, Rule, RuleId, Value};
use tcpc_lang::source::Span;
use tcpc_stdlib::event::{Event, event};
use tcpc_stdlib::field::field;
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::v;
use tcpc_stdlib::manifest::{FORMAT, JiffiesInfo, Manifest, RuleInfo};
use tcpc_stdlib::option::option;
use tcpc_stdlib::unit::Type;

use super::*;

const TEXT: &str =
    "syn: on timeout_init -> 10ms\ncc: on tcp_connect { congestion = \"dctcp\" }\nEXPECTATION\n";

/// The object of the module's text. Slot 15 adds to the rules' hits.
fn policy_bytes() -> Vec<u8> {
    let helper = |name: &str| helper(name).unwrap().id;
    let congestion = option("congestion").unwrap();
    let code: Vec<Insn> = [
        vec![
            mov64_reg(6, 1),
            ldx(Size::W, 2, 1, 0),
            jmp_imm(JmpOp::Eq, 2, 3, 9),
            jmp_imm(JmpOp::Ne, 2, 1, 21),
        ],
        // timeout_init: the constant in .rodata.
        ld_imm64(3, 0, 0).to_vec(),
        vec![ldx(Size::W, 3, 3, 0), stx(Size::W, 6, 3, 4)],
        ld_imm64(3, 0, 0).to_vec(),
        vec![mov64_imm(4, 1), ja(2)],
        // tcp_connect: a name on the stack.
        ld_imm64(3, 0, 0).to_vec(),
        vec![mov64_imm(4, 1), atomic_add(Size::DW, 3, 4, 0), jmp_imm(JmpOp::Ne, 2, 3, 8)],
        vec![
            st_imm(Size::W, 10, -8, i32::from_le_bytes(*b"dctc")),
            st_imm(Size::W, 10, -4, i32::from(b'p')),
            mov64_imm(2, congestion.level as i32),
            mov64_imm(3, congestion.number as i32),
            mov64_reg(4, 10),
            alu64_imm(AluOp::Add, 4, -8),
            mov64_imm(5, 6),
            call(helper("bpf_setsockopt")),
        ],
        vec![mov64_imm(0, 1), exit()],
    ]
    .concat();
    let global = |name: &str, ty| Global { name: name.into(), ty, bytes: Vec::new() };
    let line = |slot, line| Line { slot, file: 0, line, column: 1 };
    let rule = |name: &str, line: u32| RuleInfo {
        name: name.into(),
        events: Vec::new(),
        place: line.into(),
        hits: Some(format!("hits_{name}")),
    };
    let spec = ObjectSpec {
        weak_calls: false,
        name: "p".into(),
        code,
        relocations: vec![
            Relocation { slot: 4, target: Target::Rodata(0) },
            Relocation { slot: 8, target: Target::Bss(0) },
            Relocation { slot: 12, target: Target::Bss(1) },
        ],
        lines: vec![line(0, 1), line(12, 2)],
        maps: Vec::new(),
        rodata: vec![global("jiffies_0", DataType::U32), global("unused", DataType::U64)],
        data: Vec::new(),
        bss: vec![global("hits_syn", DataType::U64), global("hits_cc", DataType::U64)],
        sources: vec![("p.tcp".into(), TEXT.into())],
        manifest: Manifest {
            format: FORMAT,
            rules: vec![rule("syn", 1), rule("cc", 2)],
            jiffies: vec![JiffiesInfo { symbol: "jiffies_0".into(), nanos: 10_000_000, place: 1.into() }],
            ..Manifest::default()
        },
    };
    object::write(&spec).unwrap()
}

/// The program of the module's text, read back.
fn policy() -> ObjectFile {
    object::read(&policy_bytes()).unwrap()
}

fn expr(ty: Type, kind: ExprKind) -> Expr {
    let at = TEXT.find("EXPECTATION").unwrap();
    Expr { kind, ty, span: Span::new(at, at + "EXPECTATION".len()) }
}

fn equals(left: Expr, value: Value) -> Step {
    let right = expr(left.ty, ExprKind::Const(value));
    Step::Expect(expr(Type::Bool, ExprKind::Compare(CompareOp::Eq, Box::new(left), Box::new(right))))
}

fn reply_is(nanos: u64) -> Step {
    equals(expr(Type::Duration, ExprKind::Reply(event("timeout_init").unwrap())), Value::Number(nanos))
}

fn congestion_is(name: &str) -> Step {
    let congestion = expr(Type::Name, ExprKind::Option(option("congestion").unwrap()));
    equals(congestion, Value::Name(name.into()))
}

fn hits_are(rule: u32, hits: u64) -> Step {
    equals(expr(Type::Int, ExprKind::RuleHits(RuleId(rule))), Value::Number(hits))
}

fn fire(name: &str) -> Step {
    let event: &'static Event = event(name).unwrap();
    Step::Fire { event, args: [0; 4], span: Span::default() }
}

/// The policy with one test.
fn program(steps: Vec<Step>) -> Program {
    let rule = |name: &str| Rule {
        kind: tcpc_lang::hir::RuleKind::On,
        name: name.into(),
        events: Vec::new(),
        sample: None,
        condition: None,
        body: Vec::new(),
        span: Span::default(),
        head: Span::default(),
    };
    let test = Test { name: "t".into(), steps, span: Span::default() };
    Program { rules: vec![rule("syn"), rule("cc")], tests: vec![test], ..Program::default() }
}

fn run_on(object: &ObjectFile, steps: Vec<Step>) -> Status {
    let source = SourceFile::new("p.tcp", TEXT);
    let report = run_tests_on(object, &program(steps), &source, None).unwrap();
    report.tests.into_iter().next().unwrap().status
}

fn run(steps: Vec<Step>) -> Status {
    run_on(&policy(), steps)
}

fn failure(steps: Vec<Step>) -> Failure {
    match run(steps) {
        Status::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn expectations_that_hold_pass() {
    let steps = vec![
        fire("timeout_init"),
        reply_is(10_000_000),
        fire("tcp_connect"),
        congestion_is("dctcp"),
        hits_are(0, 1),
        hits_are(1, 1),
    ];
    assert_eq!(run(steps), Status::Passed);
}

#[test]
fn a_failure_shows_value_unit_and_rules() {
    let failure = failure(vec![Step::Given(Given::Hz(250)), fire("timeout_init"), reply_is(10_000_000)]);
    assert_eq!((failure.line, failure.column, failure.expectation.as_str()), (3, 1, "EXPECTATION"));
    let actual: Vec<_> = failure.actual.iter().map(|row| (row.name.as_str(), row.value.as_str())).collect();
    // Three ticks of 4 ms: constants in jiffies follow the kernel's HZ.
    assert_eq!(actual, [("reply", "12ms")]);
    assert_eq!(failure.rules, Some(vec!["syn".to_string()]));
}

#[test]
fn no_answer_is_said_to_be_none() {
    let failure = failure(vec![fire("tcp_connect"), reply_is(10_000_000)]);
    assert_eq!(failure.actual[0].value, "default: no rule answered");
}

#[test]
fn refused_options_are_named_with_their_error() {
    let fails = Given::Fails(option("congestion").unwrap(), Some(Value::Name("dctcp".into())), 2);
    let failure = failure(vec![Step::Given(fails), fire("tcp_connect"), congestion_is("dctcp")]);
    assert_eq!(failure.actual[0].value, "\"cubic\"");
    let refused = &failure.refused[0];
    assert_eq!(
        (
            refused.option.as_str(),
            refused.value.as_str(),
            refused.errno.as_str(),
            refused.place.as_ref().map(|at| at.line)
        ),
        ("congestion", "\"dctcp\"", "ENOENT", Some(2))
    );
}

#[test]
fn counts_go_on_within_a_test_and_sockets_are_per_connection() {
    let elsewhere = |steps| Step::Connection { name: "other".into(), steps };
    let steps = vec![
        fire("tcp_connect"),
        elsewhere(vec![congestion_is("cubic"), fire("tcp_connect"), congestion_is("dctcp"), hits_are(1, 2)]),
        congestion_is("dctcp"),
        elsewhere(vec![congestion_is("dctcp")]),
        hits_are(1, 2),
    ];
    assert_eq!(run(steps), Status::Passed);
}

#[test]
fn tests_do_not_see_each_other() {
    let test =
        |name: &str| Test { name: name.into(), steps: vec![fire("tcp_connect")], span: Span::default() };
    let rules = vec![];
    let program = Program { tests: vec![test("a"), test("ab"), test("c")], rules, ..Program::default() };
    let report = run_tests_on(&policy(), &program, &SourceFile::new("p.tcp", TEXT), Some("a")).unwrap();
    assert_eq!((report.tests.len(), report.filtered, report.passed()), (2, 1, 2));
}

#[test]
fn the_servers_answers_come_from_a_request_socket() {
    let full = expr(Type::Bool, ExprKind::Field(field("is_fullsock").unwrap()));
    let steps =
        vec![Step::Given(Given::Role(Role::Server)), fire("timeout_init"), equals(full, Value::Number(0))];
    assert_eq!(run(steps), Status::Passed);
}

#[test]
fn an_event_that_the_kernel_does_not_have_is_an_error() {
    let status = run(vec![Step::Given(Given::Kernel(v(4, 18))), fire("tcp_listen")]);
    let Status::Errored { message, .. } = status else { panic!("{status:?}") };
    assert_eq!(message, "kernels before 4.19 do not raise `tcp_listen`, and this one is 4.18");
}

#[test]
fn a_program_that_goes_wrong_is_an_error_with_its_line() {
    let mut object = policy();
    let rodata = object.data.iter().position(|section| !section.writable).unwrap();
    let cc = object.relocations.iter_mut().find(|relocation| relocation.slot == 12).unwrap();
    cc.target = ResolvedTarget::Data(rodata, 0);
    let status = run_on(&object, vec![fire("tcp_connect")]);
    let Status::Errored { message, line } = status else { panic!("{status:?}") };
    assert_eq!(message, "slot 15 (line 2 of `p.tcp`): writes to `.rodata`, which is read-only");
    assert_eq!(line, Some(1));
}

#[test]
fn a_return_value_that_cancels_answers_is_an_error() {
    let mut object = policy();
    let at = object.code.len() - 2;
    object.code[at].imm = 0;
    let status = run_on(&object, vec![fire("tcp_connect")]);
    assert!(matches!(status, Status::Errored { .. }), "{status:?}");
}

#[test]
fn bytes_that_are_no_object_are_refused() {
    let program = Program::default();
    let source = SourceFile::new("p.tcp", TEXT);
    assert!(matches!(run_tests(b"\x7fELF", &program, &source, None), Err(RunError::Object(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_damage_to_an_object_makes_the_host_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = policy_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let steps = vec![fire("timeout_init"), reply_is(10_000_000), fire("tcp_connect"), hits_are(1, 1)];
        let _ = run_tests(&bytes, &program(steps), &SourceFile::new("p.tcp", TEXT), None);
    }
}
