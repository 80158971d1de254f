//! What the kernel makes of the replies that policies give, at the limits of what can be said: the model's replies have
//! the effect that they say, and those that no policy can give are none.

use std::mem::offset_of;
use std::net::SocketAddr;

use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::{JmpOp, Size};
use tcpc_compiler::object::read;
use tcpc_compiler::{Options, compile};
use tcpc_lang::source::SourceFile;
use tcpc_loader::{detach, probe};
use tcpc_runtime::mock::World;
use tcpc_runtime::vm::{Image, STEPS_MAX};
use tcpc_stdlib::event::event;
use tcpc_stdlib::kernel::{REPLY_OFFSET, TIMEOUT_INIT_MAX_SECONDS};
use tcpc_stdlib::unit::jiffies_to_nanos;

use super::lab::{Lab, Pair, lab};
use super::peer::BlackHole;
use super::probes::{Role, connect, info_number, windows};
use super::programs::{bytes, of_code};
use super::sys;
use super::wire::{CWR, ECE, OPTION_MSS};

/// A program that answers one event with a number of the kernel's unit.
fn answering(name: &str, reply: i32) -> Vec<u8> {
    let mut code = vec![
        ldx(Size::W, 2, 1, 0),
        jmp_imm(JmpOp::Ne, 2, event(name).unwrap().number as i32, 2),
        mov64_imm(3, reply),
        stx(Size::W, 1, 3, REPLY_OFFSET as i16),
    ];
    code.extend([mov64_imm(0, 1), exit()]);
    bytes(&of_code("answer", code))
}

/// A policy that answers `timeout_init` with a parameter, which has this value.
fn policy(timeout: &str) -> Vec<u8> {
    let text = format!("param wanted: duration = {timeout} in 0s..2h\non timeout_init -> wanted");
    let source = SourceFile::new("answer.tcp", text);
    let analysis = tcpc_lang::analyze(&source);
    assert!(analysis.is_valid(), "{:?}", analysis.diagnostics);
    let options = Options { hz: probe::host_hz().unwrap(), stats: false };
    compile(&analysis.program, &source, &options).unwrap().object
}

/// The reply of the model, in the kernel's unit.
fn modelled(object: &[u8], name: &str) -> u32 {
    let image = Image::new(&read(object).unwrap()).unwrap();
    let mut world = World { memory: image.memory(), ..World::default() };
    world.begin(event(name).unwrap(), [0; 4]);
    image.run(&mut world, STEPS_MAX).unwrap();
    world.reply().unwrap()
}

/// The timer of the first SYN of a client with this program, in microseconds.
fn first_timeout(lab: &Lab, object: &[u8]) -> u32 {
    lab.client.attach(object).unwrap_or_else(|error| panic!("{error}"));
    let _hole = BlackHole::new(lab, &lab.client, Pair::V4);
    let SocketAddr::V4(address) = lab.server.socket_address(Pair::V4) else { panic!("an IPv4 address") };
    let socket = lab.client.inside(|| sys::begin_connecting(address)).unwrap();
    let timeout = info_number(&socket, offset_of!(libc::tcp_info, tcpi_rto));
    detach(&lab.client.cgroup, Some("answer")).unwrap();
    timeout
}

#[test]
fn a_timeout_is_what_the_model_answers() {
    let Some(lab) = lab() else { return };
    let hz = probe::host_hz().unwrap();
    // Short ones would be over, and doubled, before anyone looks.
    for text in ["300ms", "777ms", "1s", "1001ms", "59s", "119999ms", "120s", "121s", "2h"] {
        let object = policy(text);
        let answered = jiffies_to_nanos(modelled(&object, "timeout_init").into(), hz) / 1_000;
        assert_eq!(u64::from(first_timeout(&lab, &object)), answered, "{text}");
    }
}

#[test]
fn a_timeout_that_no_policy_can_answer_is_the_kernels_or_the_longest() {
    let Some(lab) = lab() else { return };
    let hz = probe::host_hz().unwrap() as i32;
    let longest = TIMEOUT_INIT_MAX_SECONDS as u32 * 1_000_000;
    for (reply, seconds) in [
        (0, 1_000_000),
        (-1, 1_000_000),
        (i32::MIN, 1_000_000),
        (longest as i32 / 1_000_000 * hz, longest),
        (longest as i32 / 1_000_000 * hz + 1, longest),
        (i32::MAX, longest),
    ] {
        assert_eq!(first_timeout(&lab, &answering("timeout_init", reply)), seconds, "{reply}");
    }
}

#[test]
fn congestion_is_to_be_told_only_when_the_reply_is_one() {
    let Some(lab) = lab() else { return };
    for (reply, told) in [(0, false), (1, true), (2, false), (-1, false), (i32::MAX, false)] {
        lab.client.attach(&answering("needs_ecn", reply)).unwrap_or_else(|error| panic!("{error}"));
        let connection = connect(&lab, Pair::V6);
        assert_eq!(connection.opening(0).flags & (ECE | CWR) == ECE | CWR, told, "{reply}");
        detach(&lab.client.cgroup, Some("answer")).unwrap();
    }
}

#[test]
fn a_window_is_as_many_segments_as_the_reply_says_as_far_as_there_is_room() {
    let Some(lab) = lab() else { return };
    let segment = |pair| -> u32 {
        let connection = connect(&lab, pair);
        let announced = connection.opening(0).option(OPTION_MSS).unwrap();
        u16::from_be_bytes(announced.try_into().unwrap()).into()
    };
    for pair in Pair::NEAR {
        let segment = segment(pair);
        for role in Role::BOTH {
            let untouched = windows(&lab, pair, role).opening;
            let side = if role == Role::Client { &lab.client } else { &lab.server };
            for reply in [i32::MIN, -1, 0, 1, 2, 10, 43, 44, 45, 1_000, 1 << 20] {
                side.attach(&answering("rwnd_init", reply)).unwrap_or_else(|error| panic!("{error}"));
                // The server makes room for the window, the client makes do with what there is.
                let most = if role == Role::Client { untouched } else { u16::MAX.into() };
                let wanted = if reply > 0 { most.min(reply as u32 * segment) } else { untouched };
                assert_eq!(windows(&lab, pair, role).opening, wanted, "{pair:?} {role:?} {reply}");
                detach(&side.cgroup, Some("answer")).unwrap();
            }
        }
    }
}
