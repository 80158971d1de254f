//! What the helpers for TCP header options return, and what the context shows of segments: the running kernel and
//! the model of it must agree.

use std::path::Path;

use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::{AluOp, Insn, JmpOp, Size};
use tcpc_compiler::object::{DataType, Global, Relocation, Target, read};
use tcpc_loader::counters;
use tcpc_runtime::mock::{MockSock, World};
use tcpc_runtime::vm::{Image, STEPS_MAX};
use tcpc_stdlib::event::event;
use tcpc_stdlib::field::kernel_field;
use tcpc_stdlib::header::{self, LOAD_FROM_SYN, Segment, segment};
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::callback_flag;
use tcpc_stdlib::manifest::CounterInfo;

use super::lab::{PORT, Pair, Side, lab};
use super::peer::Tap;
use super::probes::{Role, connect, connect_watched, with_raw_peer_sending};
use super::programs::{bytes, of_code};

/// The flag that searches the SYN.
const SYN: i32 = LOAD_FROM_SYN as i32;
/// Where the bytes for a helper lie on the stack.
const BUFFER: i16 = -64;

/// A call of a helper, or a look at the context.
#[derive(Clone, Debug)]
enum Call {
    /// To be asked about segments that go out.
    Ask,
    Reserve(i32, i32),
    Store(&'static [u8], i32),
    Load(&'static [u8], i32),
    Field(&'static str),
}
use Call::{Ask, Field, Load, Reserve, Store};

/// Calls in one event, about one kind of segment if it goes out.
struct Part {
    event: &'static str,
    segment: Option<&'static str>,
    calls: Vec<Call>,
}

impl Part {
    fn new(event: &'static str, segment: Option<&'static str>, calls: &[Call]) -> Part {
        Part { event, segment, calls: calls.to_vec() }
    }

    fn segment(&self) -> Option<&'static Segment> {
        self.segment.and_then(segment)
    }
}

/// The program that makes the calls, and keeps what each returned in a counter of its number.
fn object(parts: &[Part]) -> Vec<u8> {
    let mut code = vec![mov64_reg(6, 1)];
    let mut relocations = Vec::new();
    let mut kept = 0;
    for part in parts {
        let mut body = Vec::new();
        let mut loads = Vec::new();
        for call in &part.calls {
            body.extend(assemble(call));
            loads.push(body.len());
            body.extend(ld_imm64(1, 0, 0));
            body.push(stx(Size::DW, 1, 0, 0));
        }
        body.extend([mov64_imm(0, 1), exit()]);
        let length = body.len() as i16;
        if let Some(segment) = part.segment() {
            let flags = kernel_field("skb_tcp_flags").unwrap().offset as i16;
            code.push(ldx(Size::W, 2, 6, 0));
            code.push(jmp_imm(JmpOp::Ne, 2, number(part.event), length + 2));
            code.push(ldx(Size::W, 3, 6, flags));
            let shown = segment.flags | if segment.flags & header::SYN == 0 { header::ACK } else { 0 };
            code.push(jmp_imm(JmpOp::Ne, 3, shown.into(), length));
        } else {
            code.push(ldx(Size::W, 2, 6, 0));
            code.push(jmp_imm(JmpOp::Ne, 2, number(part.event), length));
        }
        for load in loads {
            relocations.push(Relocation { slot: code.len() + load, target: Target::Bss(kept) });
            kept += 1;
        }
        code.extend(body);
    }
    code.extend([mov64_imm(0, 1), exit()]);
    let mut spec = of_code("calls", code);
    spec.relocations = relocations;
    let names: Vec<String> = (0..kept).map(|index| format!("call{index}")).collect();
    spec.bss = names
        .iter()
        .map(|name| Global { name: name.clone(), ty: DataType::U64, bytes: Vec::new() })
        .collect();
    spec.manifest.counters = names
        .into_iter()
        .map(|name| CounterInfo { name: name.clone(), symbol: name, key: None, full: None })
        .collect();
    bytes(&spec)
}

fn number(name: &str) -> i32 {
    event(name).unwrap().number as i32
}

fn assemble(made: &Call) -> Vec<Insn> {
    let id = |name: &str| helper(name).unwrap().id;
    let with_bytes = |bytes: &[u8], flags: i32, name: &str| {
        let store = |(at, byte): (i16, &u8)| st_imm(Size::B, 10, BUFFER + at, (*byte).into());
        let mut code: Vec<Insn> = (0..).zip(bytes).map(store).collect();
        code.extend([
            mov64_reg(1, 6),
            mov64_reg(2, 10),
            alu64_imm(AluOp::Add, 2, BUFFER.into()),
            mov64_imm(3, bytes.len() as i32),
            mov64_imm(4, flags),
            call(id(name)),
        ]);
        code
    };
    match made {
        Field(name) => vec![ldx(Size::W, 0, 6, kernel_field(name).unwrap().offset as i16)],
        Ask => {
            let flag = callback_flag("WRITE_HDR_OPT_CB_FLAG") as i32;
            vec![mov64_reg(1, 6), mov64_imm(2, flag), call(id("bpf_sock_ops_cb_flags_set"))]
        }
        Reserve(length, flags) => {
            let arguments = [mov64_reg(1, 6), mov64_imm(2, *length), mov64_imm(3, *flags)];
            [&arguments[..], &[call(id("bpf_reserve_hdr_opt"))]].concat()
        }
        Store(bytes, flags) => with_bytes(bytes, *flags, "bpf_store_hdr_opt"),
        Load(bytes, flags) => with_bytes(bytes, *flags, "bpf_load_hdr_opt"),
    }
}

/// What the model says, on a socket whose peer sends these options.
fn modelled(object: &[u8], parts: &[Part], options: &[u8]) -> Vec<i64> {
    let image = Image::new(&read(object).unwrap()).unwrap();
    let mut sock = MockSock::default();
    sock.give_header(options).unwrap();
    let mut world = World { memory: image.memory(), sock, ..World::default() };
    for part in parts {
        world.begin_for(event(part.event).unwrap(), [0; 4], part.segment());
        image.run(&mut world, STEPS_MAX).unwrap();
        world.end();
    }
    let counters = world.memory.data.iter().find(|section| section.writable).unwrap();
    counters.bytes.as_chunks().0.iter().map(|number| i64::from_le_bytes(*number)).collect()
}

/// What the kernel said.
fn observed(pins: &Path) -> Vec<i64> {
    counters(pins).unwrap().named.into_iter().map(|(_, result)| result as i64).collect()
}

fn assert_agreement(parts: &[Part], observed: &[i64], modelled: &[i64]) {
    let calls: Vec<_> =
        parts.iter().flat_map(|part| part.calls.iter().map(|call| (part.event, call))).collect();
    assert_eq!((observed.len(), modelled.len()), (calls.len(), calls.len()));
    for ((call, observed), modelled) in calls.iter().zip(observed).zip(modelled) {
        assert_eq!(observed, modelled, "{call:?}: the kernel says {observed}, the model {modelled}");
    }
}

fn attach(side: &Side, object: &[u8]) -> std::path::PathBuf {
    side.attach(object).unwrap_or_else(|error| panic!("{error:?}")).pins
}

#[test]
fn a_syn_is_reserved_for_and_written() {
    let Some(lab) = lab() else { return };
    let elsewhere = [Ask, Reserve(4, 0), Store(&[28, 2], 0), Load(&[28, 0], 0), Load(&[28, 0], SYN)];
    let parts = [
        Part::new("tcp_connect", None, &elsewhere),
        Part::new(
            "hdr_opt_len",
            Some("syn"),
            &[
                Reserve(1, 0),
                Reserve(0, 0),
                Reserve(4, 1),
                Reserve(21, 0),
                Reserve(6, 0),
                Reserve(15, 0),
                Reserve(9, 0),
                Store(&[28, 2], 0),
                Load(&[28, 0], 0),
                Load(&[28, 0], SYN),
                Load(&[28, 0], 2),
            ],
        ),
        Part::new(
            "write_hdr_opt",
            Some("syn"),
            &[
                Reserve(4, 0),
                Store(&[28], 0),
                Store(&[0, 4, 0, 0], 0),
                Store(&[1, 4, 0, 0], 0),
                Store(&[28, 5, 0, 0], 0),
                Store(&[28, 4, 0, 30], 1),
                Store(&[254, 3, 0xcc], 0),
                Store(&[253, 2], 0),
                Store(&[2, 2], 0),
                // 15 bytes became 16.
                Store(&[99, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0),
                Store(&[2, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0),
                Store(&[28, 4, 0, 30, 9, 9, 9, 9], 0),
                Store(&[28, 4, 0, 30], 0),
                Store(&[254, 4, 0xcc, 0x01], 0),
                Store(&[254, 4, 0xcc, 0x01], 0),
                Store(&[254, 4, 0xcc, 0x02], 0),
                Store(&[99, 5, 0, 0, 0], 0),
                Load(&[28, 0, 0, 0, 0], 0),
                Load(&[28, 0], 0),
                Load(&[254, 4, 0xcc, 0x02], 0),
                Load(&[254, 4, 0xcc, 0x03], 0),
                Load(&[2, 0, 0, 0], 0),
                Load(&[99, 0], 0),
                // Neither a length nor room for one.
                Store(&[99, 1], 0),
                Load(&[98, 0], 0),
                Store(&[97, 2], 0),
                Load(&[28, 0, 0, 0], 0),
            ],
        ),
    ];
    let object = object(&parts);
    let pins = attach(&lab.client, &object);
    connect(&lab, Pair::V6);
    assert_agreement(&parts, &observed(&pins), &modelled(&object, &parts, &[]));
}

#[test]
fn a_synack_is_reserved_for_and_written_with_the_syn_at_hand() {
    let Some(lab) = lab() else { return };
    let options = [254, 5, 0xcc, 0x01, 7, 28, 4, 0, 30];
    let searches = [
        Load(&[28, 0, 0, 0], SYN),
        Load(&[28, 0], SYN),
        Load(&[254, 4, 0xcc, 0x01, 0], SYN),
        Load(&[254, 4, 0xcc, 0x02, 0], SYN),
        Load(&[28, 0, 0, 0], 0),
    ];
    let parts = [
        Part::new("tcp_listen", None, &[Ask, Reserve(4, 0), Load(&[28, 0], SYN)]),
        Part::new("hdr_opt_len", Some("synack"), &[&searches[..], &[Reserve(6, 0)]].concat()),
        Part::new("write_hdr_opt", Some("synack"), &[&searches[..], &[Store(&[28, 4, 0, 30], 0)]].concat()),
        // Nobody kept it for later.
        Part::new("passive_established", None, &searches),
    ];
    let object = object(&parts);
    let pins = attach(&lab.server, &object);
    with_raw_peer_sending(&lab, Pair::V6, Role::Server, &options, |_, _, _| {});
    assert_agreement(&parts, &observed(&pins), &modelled(&object, &parts, &options));
}

#[test]
fn received_options_are_searched_alike() {
    let Some(lab) = lab() else { return };
    let parts = [Part::new(
        "active_established",
        None,
        &[
            Reserve(4, 0),
            Store(&[28, 2], 0),
            Load(&[28], 0),
            Load(&[28, 0], 0),
            Load(&[28, 0, 0, 0], 0),
            Load(&[28, 0, 0, 0, 0, 0, 0, 0], 0),
            Load(&[28, 4, 0, 0], 0),
            Load(&[0, 0], 0),
            Load(&[1, 0], 0),
            Load(&[28, 0, 0, 0], SYN),
            Load(&[28, 0, 0, 0], 2),
            Load(&[28, 5], 0),
            Load(&[99, 0, 0, 0], 0),
            Load(&[254, 0, 0xcc, 0x01], 0),
            Load(&[254, 3, 0xcc], 0),
            Load(&[254, 4, 0xcc, 0x01], 0),
            Load(&[254, 4, 0xcc, 0x01, 0], 0),
            Load(&[254, 4, 0xcc, 0x01, 0, 0, 0], 0),
            Load(&[254, 5, 0xcc, 0x01, 7], 0),
            Load(&[254, 6, 0xcc, 0x01, 7, 7], 0),
            Load(&[254, 6, 0xcc, 0x01, 7, 8], 0),
            Load(&[253, 4, 0xcc, 0x01], 0),
        ],
    )];
    let object = object(&parts);
    let peers: [&[u8]; 8] = [
        &[],
        &[28, 4, 0, 30],
        &[1, 1, 254, 6, 0xcc, 0x01, 7, 7, 28, 4, 0, 30],
        &[254, 3, 0xcc, 254, 5, 0xcc, 0x01, 7],
        &[254, 4, 0xcc, 0x02, 254, 5, 0xcc, 0x01, 7, 99, 2],
        &[253, 5, 0xcc, 0x01, 7, 0, 28, 4, 0, 30],
        &[28, 4, 0, 30, 99, 1, 254, 4],
        &[99, 40, 28, 4, 0, 30],
    ];
    for options in peers {
        let pins = attach(&lab.client, &object);
        with_raw_peer_sending(&lab, Pair::V4, Role::Client, options, |_, _, _| {});
        assert_agreement(&parts, &observed(&pins), &modelled(&object, &parts, options));
        tcpc_loader::detach(&lab.client.cgroup, Some("calls")).unwrap();
    }
}

#[test]
fn the_context_shows_the_segments_alike() {
    let Some(lab) = lab() else { return };
    let shown = ["skb_tcp_flags", "skb_len", "is_fullsock", "state"].map(Field);
    let room = [&shown[..], &[Reserve(6, 0)]].concat();
    let both = |segment| {
        [Part::new("hdr_opt_len", Some(segment), &room), Part::new("write_hdr_opt", Some(segment), &shown)]
    };
    let [syn, written_syn] = both("syn");
    let [fin, written_fin] = both("fin");
    let client = [Part::new("tcp_connect", None, &[Ask]), syn, written_syn, fin, written_fin];
    let [synack, written_synack] = both("synack");
    let server = [Part::new("tcp_listen", None, &[Ask]), synack, written_synack];
    let objects = [object(&client), object(&server)];
    let pins = [attach(&lab.client, &objects[0]), attach(&lab.server, &objects[1])];
    let tap = Tap::open(&lab.server, PORT);
    connect_watched(&lab, Pair::V6, &tap).close(&tap);
    assert_agreement(&client, &observed(&pins[0]), &modelled(&objects[0], &client, &[]));
    assert_agreement(&server, &observed(&pins[1]), &modelled(&objects[1], &server, &[]));
}
