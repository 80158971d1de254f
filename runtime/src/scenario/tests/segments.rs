//! Segments and listeners, on a program that is written by hand:
//!
//! ```text
//! option uto = kind 28 { minutes: u1, value: u15 }
//! send uto on syn, synack { minutes = 1, value = 300 }      line 1
//! receive uto { … }                                         the SYN is saved
//! ```

use tcpc_compiler::object::ObjectLine;
use tcpc_lang::hir::{HeaderField, HeaderId, HeaderOption, Send};
use tcpc_stdlib::header::{MODE_SEGMENT_SIZE, segment};

use super::*;

/// What the program asks for where sockets begin, and how much room it reserves.
struct Sender {
    flags: u32,
    reserved: i32,
}

const SENDER: Sender = Sender { flags: 0x40, reserved: 4 };

/// Instructions for single events, with the context in r6; the program ends after each.
fn program_of(parts: Vec<(&str, Vec<Insn>)>) -> Vec<Insn> {
    let mut code = vec![mov64_reg(6, 1), ldx(Size::W, 2, 1, 0)];
    for (name, body) in parts {
        let number = event(name).unwrap().number as i32;
        code.push(jmp_imm(JmpOp::Ne, 2, number, body.len() as i16 + 2));
        code.extend(body);
        code.extend([mov64_imm(0, 1), exit()]);
    }
    code.extend([mov64_imm(0, 1), exit()]);
    code
}

fn object_of(sender: &Sender) -> ObjectFile {
    let number = |name: &str| helper(name).unwrap().id;
    let enable = || {
        vec![mov64_reg(1, 6), mov64_imm(2, sender.flags as i32), call(number("bpf_sock_ops_cb_flags_set"))]
    };
    let save_syn = option("save_syn").unwrap();
    let save = vec![
        st_imm(Size::W, 10, -4, 1),
        mov64_reg(1, 6),
        mov64_imm(2, save_syn.level as i32),
        mov64_imm(3, save_syn.number as i32),
        mov64_reg(4, 10),
        alu64_imm(AluOp::Add, 4, -4),
        mov64_imm(5, 4),
        call(number("bpf_setsockopt")),
    ];
    let reserve = vec![
        mov64_reg(1, 6),
        mov64_imm(2, sender.reserved),
        mov64_imm(3, 0),
        call(number("bpf_reserve_hdr_opt")),
    ];
    // Bytes 28, 4, 0x81, 0x2c.
    let store = vec![
        st_imm(Size::W, 10, -4, i32::from_le_bytes([28, 4, 0x81, 0x2c])),
        mov64_reg(1, 6),
        mov64_reg(2, 10),
        alu64_imm(AluOp::Add, 2, -4),
        mov64_imm(3, 4),
        mov64_imm(4, 0),
        call(number("bpf_store_hdr_opt")),
    ];
    let code = program_of(vec![
        ("tcp_connect", enable()),
        ("tcp_listen", [enable(), save].concat()),
        ("hdr_opt_len", reserve),
        ("write_hdr_opt", store),
    ]);
    let lines = vec![ObjectLine { slot: 0, file: "p.tcp".into(), text: String::new(), line: 1, column: 1 }];
    let manifest = Manifest { events: vec!["tcp_listen".into()], ..Manifest::default() };
    ObjectFile { name: "p".into(), code, lines, manifest: Some(manifest), ..ObjectFile::default() }
}

/// Runs steps on a policy that has the option and its `send`.
fn run_sender(sender: &Sender, steps: Vec<Step>) -> Status {
    let field = |name: &str, bits, at| HeaderField { name: name.into(), bits, at, span: Span::default() };
    let uto = HeaderOption {
        name: "uto".into(),
        kind: 28,
        exid: None,
        fields: vec![field("minutes", 1, 16), field("value", 15, 17)],
        span: Span::default(),
    };
    let send = Send {
        rule: RuleId(0),
        header: HeaderId(0),
        segments: Vec::new(),
        values: Vec::new(),
        span: Span::new(0, 3),
    };
    let program = Program { headers: vec![uto], sends: vec![send], rules: vec![], ..program(steps) };
    let source = SourceFile::new("p.tcp", TEXT);
    let report = run_tests_on(&object_of(sender), &program, &source, None).unwrap();
    report.tests.into_iter().next().unwrap().status
}

fn transmit(name: &str) -> Step {
    Step::Transmit { segment: segment(name).unwrap(), span: Span::default() }
}

fn received(wanted: bool) -> Step {
    let received = expr(Type::Bool, ExprKind::Received(HeaderId(0)));
    equals(received, Value::Number(wanted.into()))
}

fn value_is(value: u64) -> Step {
    equals(expr(Type::Int, ExprKind::HeaderField(HeaderId(0), 1)), Value::Number(value))
}

fn save_syn_is(number: u64) -> Step {
    equals(expr(Type::Int, ExprKind::Option(option("save_syn").unwrap())), Value::Number(number))
}

fn on(name: &str, steps: Vec<Step>) -> Step {
    Step::Connection { name: name.into(), steps }
}

fn server() -> Step {
    Step::Given(Given::Role(Role::Server))
}

fn message(status: Status) -> String {
    match status {
        Status::Errored { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_received_is_what_was_sent_or_what_the_peer_sends() {
    let peer = Step::Given(Given::Header(HeaderId(0), vec![0, 77]));
    let steps = vec![
        fire("tcp_connect"),
        received(false),
        transmit("syn"),
        received(true),
        value_is(300),
        fire("active_established"),
        received(false),
        value_is(0),
        peer,
        fire("parse_hdr_opt"),
    ];
    // Received segments are shown only where the policy asked for that.
    assert!(message(run_sender(&SENDER, steps.clone())).contains("`parse_hdr_opt`"));
    let both = Sender { flags: 0x60, ..SENDER };
    let more = vec![received(true), value_is(77), transmit("syn"), value_is(300)];
    assert_eq!(run_sender(&both, [steps, more].concat()), Status::Passed);
}

#[test]
fn a_segment_follows_the_event_in_which_it_is_asked_for() {
    let message = |step| message(run_sender(&SENDER, vec![server(), step]));
    let said = message(transmit("synack"));
    assert!(
        said.contains("no `synack` is sent before") && said.contains("fire `tcp_listen` first"),
        "{said}"
    );
    assert!(message(transmit("syn")).contains("fire `tcp_connect` first"));
    let said = message(transmit("fin"));
    assert!(said.contains("`active_established` or `passive_established`"), "{said}");
}

#[test]
fn a_segment_that_nobody_asked_for_goes_out_without_options() {
    let silent = Sender { flags: 0, ..SENDER };
    let steps = vec![fire("tcp_connect"), transmit("syn"), received(false)];
    assert_eq!(run_sender(&silent, steps), Status::Passed);
    let nothing = Sender { reserved: 1, ..SENDER };
    let steps = vec![fire("tcp_connect"), transmit("syn"), received(false)];
    assert_eq!(run_sender(&nothing, steps), Status::Passed);
}

#[test]
fn an_option_without_room_is_named_with_its_error() {
    let large = Sender { reserved: 24, ..SENDER };
    let steps = vec![fire("tcp_connect"), transmit("syn"), received(true)];
    let Status::Failed(failure) = run_sender(&large, steps) else { panic!("passed") };
    assert_eq!(failure.event.as_deref(), Some("transmit syn"));
    let refused: Vec<_> = failure
        .refused
        .iter()
        .map(|one| (one.option.as_str(), one.errno.as_str(), one.place.as_ref().map(|at| at.line)))
        .collect();
    assert_eq!(refused, [("send uto", "ENOSPC", Some(1))]);
}

#[test]
fn reservations_are_rounded_up() {
    let small = Sender { reserved: 2, ..SENDER };
    let steps = vec![fire("tcp_connect"), transmit("syn"), received(true)];
    assert_eq!(run_sender(&small, steps), Status::Passed);
}

#[test]
fn an_accepted_connection_has_what_its_listener_has() {
    let fire_listen = || on("listener", vec![fire("tcp_listen")]);
    let accept = vec![server(), transmit("synack"), received(true), save_syn_is(1)];
    assert_eq!(run_sender(&SENDER, vec![fire_listen(), on("child", accept)]), Status::Passed);
    // A client has no listener.
    let client = vec![fire("tcp_connect"), save_syn_is(0)];
    assert_eq!(run_sender(&SENDER, vec![fire_listen(), on("client", client)]), Status::Passed);
    // What a test gives is not taken over.
    let zero = Step::Given(Given::Option(option("save_syn").unwrap(), Value::Number(0)));
    let accept = vec![server(), zero, fire("passive_established"), save_syn_is(0)];
    assert_eq!(run_sender(&SENDER, vec![fire_listen(), on("child", accept)]), Status::Passed);
}

#[test]
fn a_connection_without_a_listener_is_told_whether_its_syn_is_kept() {
    assert_eq!(run_sender(&SENDER, vec![fire("passive_established"), save_syn_is(1)]), Status::Passed);
    let zero = Step::Given(Given::Option(option("save_syn").unwrap(), Value::Number(0)));
    let steps = vec![zero, fire("passive_established"), save_syn_is(0)];
    assert_eq!(run_sender(&SENDER, steps), Status::Passed);
    // Only that: its flags are those of a listener that was there before the policy.
    let flags = expr(Type::Int, ExprKind::Field(field("bpf_sock_ops_cb_flags").unwrap()));
    let steps = vec![fire("passive_established"), equals(flags, Value::Number(0))];
    assert_eq!(run_sender(&SENDER, steps), Status::Passed);
}

#[test]
fn the_computation_of_the_segment_size_can_be_fired() {
    let computes = Step::Fire {
        event: event("hdr_opt_len").unwrap(),
        args: [MODE_SEGMENT_SIZE, 0, 0, 0],
        span: Span::default(),
    };
    let is = |name: &str| expr(Type::Bool, ExprKind::IsSegment(vec![segment(name).unwrap()]));
    let steps = vec![
        fire("tcp_connect"),
        transmit("syn"),
        Step::Expect(is("syn")),
        computes,
        Step::Expect(is("established")),
        fire("active_established"),
        equals(is("established"), Value::Number(0)),
    ];
    assert_eq!(run_sender(&SENDER, steps), Status::Passed);
}
