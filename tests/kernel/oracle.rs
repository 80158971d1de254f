//! What `bpf_setsockopt` and `bpf_getsockopt` return and do for every socket option of the catalogue, with values at its
//! limits and beyond them, in every event that can be had cheaply: the running kernel and the model of it must agree.
//!
//! For each event one program, assembled by hand, tries everything on one socket of a real connection and keeps each
//! result in a counter. The model runs the same bytes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::{AluOp, Insn, JmpOp, Size};
use tcpc_compiler::object::{DataType, Global, Relocation, Target, read};
use tcpc_lang::hir::{Role, Value};
use tcpc_loader::{counters, probe};
use tcpc_runtime::mock::{MockKernel, MockSock, World};
use tcpc_runtime::vm::{Image, STEPS_MAX};
use tcpc_stdlib::event::event;
use tcpc_stdlib::field::kernel_field;
use tcpc_stdlib::header::segment;
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::{TOS_ON_DUAL_STACK_SINCE, callback_flag};
use tcpc_stdlib::manifest::CounterInfo;
use tcpc_stdlib::option::{OPTIONS, OptionValue, SockOption, option};

use super::lab::{Lab, Pair, Side, lab};
use super::probes::connect;
use super::programs::{bytes, of_code};

/// Where the value lies on the stack.
const BUFFER: i16 = -64;
/// Bytes of a name that are looked at.
const NAME: i32 = 16;

/// What is done with an option.
#[derive(Clone, Debug, PartialEq)]
enum Call {
    /// `bpf_setsockopt` of these bytes.
    Set(&'static SockOption, Vec<u8>),
    /// `bpf_getsockopt` into so many bytes.
    Get(&'static SockOption, i32),
    /// The same, of a value that is the host's.
    Ask(&'static SockOption, i32),
}

impl Call {
    /// How many results it gives: what the helper returns, and of a value the first four bytes.
    fn results(&self) -> usize {
        match self {
            Call::Set(..) | Call::Ask(..) => 1,
            Call::Get(..) => 2,
        }
    }
}

/// Where it is tried.
#[derive(Clone, Copy)]
struct Place {
    event: &'static str,
    role: Role,
    /// The callback flag without which it is not raised.
    flag: Option<&'static str>,
    /// The kind of segment that goes out.
    segment: Option<&'static str>,
}

const fn on(event: &'static str, role: Role) -> Place {
    Place { event, role, flag: None, segment: None }
}

const fn asked(event: &'static str, role: Role, flag: &'static str) -> Place {
    Place { event, role, flag: Some(flag), segment: None }
}

const WRITE: &str = "WRITE_HDR_OPT_CB_FLAG";

const PLACES: &[Place] = &[
    on("tcp_connect", Role::Client),
    on("timeout_init", Role::Client),
    on("rwnd_init", Role::Client),
    on("needs_ecn", Role::Client),
    on("active_established", Role::Client),
    asked("state", Role::Client, "STATE_CB_FLAG"),
    asked("rtt", Role::Client, "RTT_CB_FLAG"),
    asked("parse_hdr_opt", Role::Client, "PARSE_ALL_HDR_OPT_CB_FLAG"),
    Place { event: "hdr_opt_len", role: Role::Client, flag: Some(WRITE), segment: Some("syn") },
    on("tcp_listen", Role::Server),
    on("timeout_init", Role::Server),
    on("rwnd_init", Role::Server),
    on("needs_ecn", Role::Server),
    on("passive_established", Role::Server),
    Place { event: "hdr_opt_len", role: Role::Server, flag: Some(WRITE), segment: Some("synack") },
];

/// Everything that is tried in an event. What is set last does a connection no harm.
fn calls(place: Place, pair: Pair) -> Vec<Call> {
    let tried = OPTIONS.iter().filter(|option| is_harmless(option, place) && is_settled(option, pair));
    tried.flat_map(|option| of_option(option, place)).collect()
}

/// Some stable releases of older kernels take `IP_TOS` on IPv6 sockets, others of the same version do not.
fn is_settled(option: &SockOption, pair: Pair) -> bool {
    option.name != "tos" || pair == Pair::V4 || probe::kernel().unwrap() >= TOS_ON_DUAL_STACK_SINCE
}

/// `TCP_NODELAY` sends data at once, which runs the program again while it is about a header.
fn is_harmless(option: &SockOption, place: Place) -> bool {
    option.name != "nodelay" || !place.event.contains("hdr_opt")
}

fn of_option(option: &'static SockOption, place: Place) -> Vec<Call> {
    let number = |number: i64| (number as i32).to_le_bytes().to_vec();
    let (values, length) = match option.value {
        OptionValue::Bytes => return vec![Call::Ask(option, 4), Call::Ask(option, 1)],
        OptionValue::Name => {
            let names: &[&str] = match option.name {
                // Which others there are is the host's.
                "congestion" => &["cubic", "reno", "", "cubic\0junk", "reno"],
                _ => &["tcpc0", "tcpc0\0junk", ""],
            };
            (names.iter().map(|name| [name.as_bytes(), b"\0"].concat()).collect(), NAME)
        }
        OptionValue::Int | OptionValue::Uint => {
            (numbers(option, place).into_iter().map(number).collect::<Vec<_>>(), 4)
        }
    };
    // The segment size in use is that of the path.
    let is_read = option.name != "maxseg" || matches!(place.event, "tcp_connect" | "tcp_listen");
    let get = if is_read { Call::Get } else { Call::Ask };
    let mut calls = vec![if has_own_start(option, place) { Call::Ask } else { get }(option, length)];
    for value in values {
        calls.extend([Call::Set(option, value), get(option, length)]);
    }
    if option.value != OptionValue::Name {
        // Neither too short nor too long.
        calls.splice(1..1, [Call::Get(option, 2), Call::Get(option, 8), Call::Set(option, vec![1])]);
        calls.insert(1, Call::Set(option, vec![1, 0, 0, 0, 0, 0, 0, 0]));
    }
    calls
}

/// Options that a socket does not begin with as on a host that nobody configured; listeners here may reuse addresses.
fn has_own_start(option: &SockOption, place: Place) -> bool {
    ["sndbuf", "rcvbuf", "congestion", "maxseg", "window_clamp"].contains(&option.name)
        || option.name == "reuseaddr" && place.role == Role::Server
}

fn numbers(option: &SockOption, place: Place) -> Vec<i64> {
    let (min, max) = (option.min, option.max);
    let harmless = match option.name {
        "sndbuf" | "rcvbuf" => 100_000,
        "window_clamp" => 60_000,
        "maxseg" => 1_400,
        "max_pacing_rate" => -1,
        "sock_ops_cb_flags" => place.flag.map_or(0, callback_flag).into(),
        "init_cwnd" => 10,
        "cwnd_clamp" => 0xffff,
        "delack_max" | "rto_min" => 200_000,
        "keepidle" | "keepintvl" => 75,
        "keepcnt" | "syncnt" => 6,
        "rto_max" => 120_000,
        "rcvlowat" | "autoflowlabel" | "txrehash" => 1,
        _ => 0,
    };
    let mut numbers = vec![
        harmless,
        0,
        1,
        2,
        3,
        7,
        -1,
        -2,
        min - 1,
        min,
        min + 1,
        max - 1,
        max,
        max + 1,
        255,
        256,
        1_000,
        1_001,
        4_607,
        4_608,
        11_111,
        65_535,
        65_536,
        123_456,
        5_000_000,
        i64::from(i32::MAX),
        i64::from(i32::MIN),
    ];
    let mut seen = BTreeSet::new();
    numbers.retain(|number| seen.insert(*number as i32));
    numbers.push(harmless);
    numbers
}

/// The program: asks for the event, makes the calls the first time that it is raised, and keeps what they return.
fn object(place: Place, calls: &[Call]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut loads = Vec::new();
    let mut keep = |body: &mut Vec<Insn>, register: u8| {
        loads.push(body.len());
        body.extend(ld_imm64(1, 0, 0));
        body.push(stx(Size::DW, 1, register, 0));
    };
    // A counter says that it was done.
    body.push(mov64_imm(0, 1));
    keep(&mut body, 0);
    for call in calls {
        body.extend(assemble(call));
        keep(&mut body, 0);
        if call.results() == 2 {
            body.push(ldx(Size::W, 0, 10, BUFFER));
            keep(&mut body, 0);
        }
    }
    body.extend([mov64_imm(0, 1), exit()]);

    let mut code = vec![mov64_reg(6, 1), ldx(Size::W, 2, 6, 0)];
    if let Some(flag) = place.flag {
        let first = if place.role == Role::Client { "tcp_connect" } else { "tcp_listen" };
        let id = helper("bpf_sock_ops_cb_flags_set").unwrap().id;
        code.push(jmp_imm(JmpOp::Ne, 2, number(first), 5));
        code.extend([
            mov64_reg(1, 6),
            mov64_imm(2, callback_flag(flag) as i32),
            call(id),
            mov64_imm(0, 1),
            exit(),
        ]);
    }
    code.extend([jmp_imm(JmpOp::Eq, 2, number(place.event), 2), mov64_imm(0, 1), exit()]);
    let seen = code.len();
    code.extend(ld_imm64(1, 0, 0));
    code.extend([ldx(Size::DW, 0, 1, 0), jmp_imm(JmpOp::Eq, 0, 0, 2), mov64_imm(0, 1), exit()]);
    let mut relocations = vec![Relocation { slot: seen, target: Target::Bss(0) }];
    relocations.extend(
        loads
            .iter()
            .enumerate()
            .map(|(index, load)| Relocation { slot: code.len() + load, target: Target::Bss(index) }),
    );
    code.extend(body);
    let mut spec = of_code("oracle", code);
    spec.relocations = relocations;
    let names: Vec<String> = (0..loads.len()).map(|index| format!("result{index}")).collect();
    let global = |name: &String| Global { name: name.clone(), ty: DataType::U64, bytes: Vec::new() };
    spec.bss = names.iter().map(global).collect();
    let counter = |name: String| CounterInfo { name: name.clone(), symbol: name, key: None, full: None };
    spec.manifest.counters = names.into_iter().map(counter).collect();
    bytes(&spec)
}

fn number(name: &str) -> i32 {
    event(name).unwrap().number as i32
}

fn assemble(made: &Call) -> Vec<Insn> {
    let (name, option, value, length) = match made {
        Call::Set(option, bytes) => ("bpf_setsockopt", option, &bytes[..], bytes.len() as i32),
        Call::Get(option, length) | Call::Ask(option, length) => {
            ("bpf_getsockopt", option, &[0x5a; 4][..], *length)
        }
    };
    let store = |(at, byte): (i16, &u8)| st_imm(Size::B, 10, BUFFER + at, (*byte).into());
    let mut code: Vec<Insn> = (0..).zip(value).map(store).collect();
    code.extend([
        mov64_reg(1, 6),
        mov64_imm(2, option.level as i32),
        mov64_imm(3, option.number as i32),
        mov64_reg(4, 10),
        alu64_imm(AluOp::Add, 4, BUFFER.into()),
        mov64_imm(5, length),
        call(helper(name).unwrap().id),
    ]);
    code
}

/// The whole log of the verifier would be more than anyone reads.
fn attach(side: &Side, object: &[u8]) -> PathBuf {
    side.attach(object).unwrap_or_else(|error| panic!("{error}")).pins
}

/// The model of the running kernel.
fn model() -> MockKernel {
    let cap = |option| probe::buffer_cap(option).unwrap().1;
    let receive = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_rmem").unwrap();
    let mut kernel = MockKernel::default();
    kernel.version = probe::kernel().unwrap();
    kernel.hz = probe::host_hz().unwrap();
    kernel.wmem_max = cap("sndbuf");
    kernel.rmem_max = cap("rcvbuf");
    kernel.tcp_rmem_max = receive.split_whitespace().nth(2).unwrap().parse().unwrap();
    kernel
}

/// What the model says, on a socket of the lab's.
fn modelled(object: &[u8], place: Place, lab: &Lab, pair: Pair) -> Vec<i64> {
    let image = Image::new(&read(object).unwrap()).unwrap();
    let address = |side: &Side| match side.address(pair) {
        std::net::IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        std::net::IpAddr::V6(address) => address.to_bits(),
    };
    let (here, there) = match place.role {
        Role::Client => (&lab.client, &lab.server),
        Role::Server => (&lab.server, &lab.client),
    };
    let mut sock = MockSock::default();
    sock.given_local_ip = Some(address(here));
    sock.given_remote_ip = Some(address(there));
    sock.role = place.role;
    if place.event == "parse_hdr_opt" {
        // What comes first acknowledges data.
        sock.give(kernel_field("data_segs_out").unwrap(), &Value::Number(1)).unwrap();
    }
    let mut world = World { kernel: here.network(model), sock, memory: image.memory() };
    let before: &[&str] = match (place.role, place.event) {
        (_, "tcp_connect" | "tcp_listen") => &[],
        (Role::Client, "rtt" | "parse_hdr_opt") => &["tcp_connect", "active_established"],
        (Role::Client, _) => &["tcp_connect"],
        (Role::Server, _) => &["tcp_listen"],
    };
    for name in before.iter().copied().chain([place.event]) {
        let sent = place.segment.filter(|_| name == place.event).and_then(segment);
        world.begin_for(event(name).unwrap(), [0; 4], sent);
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

/// Every call of which the two say something else.
fn disagreements(calls: &[Call], observed: &[i64], modelled: &[i64]) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 1;
    let mut last: &[u8] = &[];
    for call in calls {
        if let Call::Set(_, bytes) = call {
            last = bytes;
        }
        let results = at..at + call.results();
        at = results.end;
        if observed[results.clone()] != modelled[results.clone()] {
            let shown = match call {
                Call::Set(option, bytes) => format!("set {} to {}", option.name, Shown(bytes)),
                Call::Get(option, length) | Call::Ask(option, length) => {
                    format!("get {} ({length} bytes) after {}", option.name, Shown(last))
                }
            };
            found.push(format!(
                "{shown}: the kernel says {:?}, the model {:?}",
                &observed[results.clone()],
                &modelled[results]
            ));
        }
    }
    assert_eq!(at, observed.len());
    found
}

/// A value as a number, or as bytes.
struct Shown<'a>(&'a [u8]);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.try_into() {
            Ok(bytes) => i32::from_le_bytes(bytes).fmt(f),
            Err(_) => write!(f, "{:?}", String::from_utf8_lossy(self.0)),
        }
    }
}

#[test]
fn options_are_taken_and_refused_alike() {
    let Some(lab) = lab() else { return };
    let mut found = Vec::new();
    for place in PLACES {
        for pair in Pair::NEAR {
            let calls = calls(*place, pair);
            let object = object(*place, &calls);
            let side = if place.role == Role::Client { &lab.client } else { &lab.server };
            let pins = attach(side, &object);
            drop(connect(&lab, pair));
            let observed = observed(&pins);
            assert_eq!(observed[0], 1, "`{}` was not raised", place.event);
            let modelled = modelled(&object, *place, &lab, pair);
            let different = disagreements(&calls, &observed, &modelled);
            found.extend(
                different.into_iter().map(|one| format!("{} {:?} {pair:?}: {one}", place.event, place.role)),
            );
            tcpc_loader::detach(&side.cgroup, Some("oracle")).unwrap();
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_low_water_mark_makes_room_alike() {
    let Some(lab) = lab() else { return };
    let place = on("tcp_connect", Role::Client);
    let option = |name| option(name).unwrap();
    let set = |name, number: i32| Call::Set(option(name), number.to_le_bytes().to_vec());
    let mut calls = Vec::new();
    for clamp in [0, 60_000, 1_000_000] {
        calls.push(set("window_clamp", clamp));
        for number in [1, 1_000, 65_536, 65_537, 131_072, 1_000_000, 40_000_000, i32::MAX, -1, 5] {
            calls.push(set("rcvlowat", number));
            calls.extend(["rcvlowat", "rcvbuf", "window_clamp"].map(|name| Call::Get(option(name), 4)));
        }
    }
    let object = object(place, &calls);
    let pins = attach(&lab.client, &object);
    drop(connect(&lab, Pair::V4));
    let different = disagreements(&calls, &observed(&pins), &modelled(&object, place, &lab, Pair::V4));
    assert!(different.is_empty(), "{}", different.join("\n"));
}
