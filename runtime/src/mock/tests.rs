//! What the mock kernel does, each with the kernel's fact behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod header;
mod state;
mod structures;

use tcpc_lang::hir::{Role, Value};
use tcpc_stdlib::event::event;
use tcpc_stdlib::field::field;
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::{errno_number, v};
use tcpc_stdlib::kfunc::kfunc;
use tcpc_stdlib::option::{SockOption, option};

use super::kernel::Failure;
use super::*;
use crate::guest::{Region, frame_pointer};

const CONTEXT: u64 = 1 << 56 | 1 << 31;

fn world(raised: &str) -> World {
    let mut world = World::default();
    world.begin(event(raised).unwrap(), [0; 4]);
    world
}

fn world_at(version: (u16, u16), raised: &str) -> World {
    let mut world = world(raised);
    world.kernel.version = v(version.0, version.1);
    world
}

/// Calls a helper; its result as the kernel's signed number.
fn call(world: &mut World, name: &str, args: [u64; 5]) -> i64 {
    world.call(helper(name).unwrap(), args).unwrap().value as i64
}

fn opt(name: &str) -> &'static SockOption {
    option(name).unwrap()
}

fn set_bytes(world: &mut World, name: &str, bytes: &[u8]) -> i64 {
    let at = frame_pointer() - 64;
    world.memory.write(at, bytes).unwrap();
    let option = opt(name);
    let args = [CONTEXT, option.level.into(), option.number.into(), at, bytes.len() as u64];
    call(world, "bpf_setsockopt", args)
}

fn set(world: &mut World, name: &str, value: i64) -> i64 {
    set_bytes(world, name, &(value as i32).to_le_bytes())
}

fn get_bytes(world: &mut World, name: &str, length: usize) -> (i64, Vec<u8>) {
    let at = frame_pointer() - 128;
    world.memory.write(at, &vec![0xee; length]).unwrap();
    let option = opt(name);
    let args = [CONTEXT, option.level.into(), option.number.into(), at, length as u64];
    let result = call(world, "bpf_getsockopt", args);
    (result, world.memory.bytes(at, length as u32).unwrap().to_vec())
}

fn get(world: &mut World, name: &str) -> (i64, u32) {
    let (result, bytes) = get_bytes(world, name, 4);
    (result, u32::from_le_bytes(bytes.try_into().unwrap()))
}

fn shown(world: &World, name: &str) -> u64 {
    match world.sock.field(field(name).unwrap()) {
        Value::Number(number) => number,
        other => panic!("{other:?}"),
    }
}

fn errno(name: &str) -> i64 {
    -i64::from(errno_number(name).unwrap())
}

#[test]
fn the_context_address_is_the_one_that_programs_get() {
    assert_eq!(Region::Context.address(0), CONTEXT);
}

#[test]
fn buffers_are_doubled_with_a_least_size() {
    let mut world = world("tcp_connect");
    for (name, set_to, read) in
        [("sndbuf", 150_000, 300_000), ("sndbuf", 1, 4608), ("rcvbuf", 150_000, 300_000), ("rcvbuf", 1, 2304)]
    {
        assert_eq!(set(&mut world, name, set_to), 0);
        assert_eq!(get(&mut world, name), (0, read), "{name} = {set_to}");
    }
    set(&mut world, "sndbuf", 150_000);
    assert_eq!(options::value(&world.sock, opt("sndbuf")), Value::Number(150_000));
}

#[test]
fn buffers_are_capped_by_the_systems_limit() {
    let mut world = world("tcp_connect");
    (world.kernel.wmem_max, world.kernel.rmem_max) = (212_992, 100_000);
    assert_eq!(set(&mut world, "sndbuf", 10_000_000), 0);
    assert_eq!(get(&mut world, "sndbuf"), (0, 425_984));
    // A negative size acts as the largest.
    assert_eq!(set(&mut world, "rcvbuf", -1), 0);
    assert_eq!(get(&mut world, "rcvbuf"), (0, 200_000));
}

#[test]
fn values_out_of_range_are_invalid() {
    let mut world = world("tcp_connect");
    for (name, good, bad) in [
        ("keepidle", 32_767, 32_768),
        ("keepcnt", 127, 0),
        ("syncnt", 1, 128),
        ("window_clamp", 1, 0),
        ("user_timeout", 0, -1),
        ("maxseg", 88, 87),
        ("rto_max", 120_000, 120_001),
        ("save_syn", 2, 3),
        ("bindtoifindex", 0, -1),
        ("txrehash", -1, 2),
        ("thin_linear_timeouts", 1, 2),
        ("cwnd_clamp", 1, 0),
    ] {
        assert_eq!(set(&mut world, name, good), 0, "{name} = {good}");
        assert_eq!(set(&mut world, name, bad), errno("EINVAL"), "{name} = {bad}");
    }
}

#[test]
fn switches_take_every_number() {
    let mut world = world("tcp_connect");
    assert_eq!((set(&mut world, "keepalive", 7), get(&mut world, "keepalive")), (0, (0, 1)));
}

#[test]
fn the_least_window_clamp_is_half_the_least_buffer() {
    let mut world = world("tcp_connect");
    assert_eq!((set(&mut world, "window_clamp", 1), get(&mut world, "window_clamp")), (0, (0, 1152)));
}

#[test]
fn a_number_is_exactly_four_bytes() {
    let mut world = world("tcp_connect");
    assert_eq!(set_bytes(&mut world, "sndbuf", &[0, 0, 1, 0, 0, 0, 0, 0]), errno("EINVAL"));
    assert_eq!(set_bytes(&mut world, "sndbuf", &[0, 1]), errno("EINVAL"));
    assert_eq!(get_bytes(&mut world, "sndbuf", 8), (errno("EINVAL"), vec![0; 8]));
}

#[test]
fn options_are_there_from_their_first_kernel_on() {
    assert_eq!(set(&mut world_at((5, 9), "tcp_connect"), "rto_min", 50_000), errno("EINVAL"));
    assert_eq!(set(&mut world_at((5, 10), "tcp_connect"), "rto_min", 50_000), 0);
    // Reading came later than setting, and leaves zeros.
    let mut world = world_at((5, 10), "tcp_connect");
    assert_eq!((set(&mut world, "sndbuf", 9_000), get(&mut world, "sndbuf")), (0, (errno("EINVAL"), 0)));
    assert_eq!(set(&mut world_at((6, 0), "tcp_listen"), "save_syn", 2), errno("EINVAL"));
}

#[test]
fn an_option_of_the_other_family_is_invalid() {
    let mut v4 = world("tcp_connect");
    assert_eq!((set(&mut v4, "tos", 8), set(&mut v4, "tclass", 8)), (0, errno("EINVAL")));
    let mut v6 = world_at((7, 0), "tcp_connect");
    v6.sock.given_remote_ip = Some(1);
    assert_eq!((set(&mut v6, "tos", 8), set(&mut v6, "tclass", 8)), (errno("EINVAL"), 0));
}

#[test]
fn an_ipv6_socket_takes_an_ipv4_service_class_from_7_1_on() {
    for (version, result) in [((7, 0), errno("EINVAL")), ((7, 1), 0)] {
        let mut dual = world_at(version, "tcp_connect");
        dual.sock.family = Some(10);
        let mut native = world_at(version, "tcp_connect");
        native.sock.given_remote_ip = Some(1);
        assert_eq!((set(&mut dual, "tos", 8), set(&mut native, "tos", 8)), (result, result));
    }
}

#[test]
fn a_low_water_mark_makes_room_unless_the_buffer_was_set() {
    let mut world = world("tcp_connect");
    assert_eq!((set(&mut world, "rcvlowat", 100_000), get(&mut world, "rcvbuf")), (0, (0, 200_000)));
    assert_eq!((set(&mut world, "rcvbuf", 20_000), set(&mut world, "rcvlowat", 100_000)), (0, 0));
    assert_eq!((get(&mut world, "rcvlowat"), get(&mut world, "rcvbuf")), ((0, 20_000), (0, 40_000)));
    // Nobody can read before it is accepted.
    let mut world = self::world("passive_established");
    assert_eq!((set(&mut world, "rcvlowat", 100_000), get(&mut world, "rcvbuf")), (0, (0, 131_072)));
}

#[test]
fn odd_numbers_are_taken_as_the_kernel_takes_them() {
    let mut world = world("tcp_connect");
    world.kernel.hz = 250;
    for (option, number, kept) in
        [("rto_max", 1_001, 1_004), ("window_clamp", -1, 1_152), ("tos", -1, 0xfc), ("tclass", -1, 0)]
    {
        if option == "tclass" {
            world.sock.given_remote_ip = Some(1);
        }
        assert_eq!((set(&mut world, option, number), get(&mut world, option)), (0, (0, kept)), "{option}");
    }
}

#[test]
fn a_listener_reads_the_segment_size_that_was_set() {
    let mut listener = world("tcp_listen");
    assert_eq!((set(&mut listener, "maxseg", 1_000), get(&mut listener, "maxseg")), (0, (0, 1_000)));
    let mut client = world("tcp_connect");
    assert_eq!((set(&mut client, "maxseg", 1_000), get(&mut client, "maxseg")), (0, (0, 536)));
}

#[test]
fn a_request_socket_takes_no_options() {
    let mut world = World::default();
    world.sock.role = Role::Server;
    world.begin(event("timeout_init").unwrap(), [0; 4]);
    assert_eq!(set(&mut world, "sndbuf", 9_000), errno("EINVAL"));
    assert_eq!(get(&mut world, "priority"), (errno("EINVAL"), 0));
    assert_eq!(call(&mut world, "bpf_sock_ops_cb_flags_set", [CONTEXT, 1, 0, 0, 0]), errno("EINVAL"));
}

#[test]
fn timers_are_rounded_up_to_jiffies_and_need_two() {
    let mut world = world("tcp_connect");
    world.kernel.hz = 250;
    assert_eq!(set(&mut world, "delack_max", 4_000), errno("EINVAL"));
    assert_eq!((set(&mut world, "delack_max", 4_001), get(&mut world, "delack_max")), (0, (0, 8_000)));
    assert_eq!((set(&mut world, "rto_min", 5_000), get(&mut world, "rto_min")), (0, (0, 8_000)));
    assert_eq!(set(&mut world, "rto_min", 200_001), errno("EINVAL"));
}

#[test]
fn the_service_class_leaves_ecn_alone_and_sets_the_priority() {
    let mut world = world("tcp_connect");
    assert_eq!((set(&mut world, "tos", 255), get(&mut world, "tos")), (0, (0, 252)));
    assert_eq!(set(&mut world, "tos", 0x10), 0);
    assert_eq!(get(&mut world, "priority"), (0, 6));
    assert_eq!((set(&mut world, "tos", 256), get(&mut world, "tos")), (0, (0, 0)));
    let mut old = world_at((6, 0), "tcp_connect");
    assert_eq!((set(&mut old, "tos", 255), get(&mut old, "tos")), (0, (0, 255)));
    assert_eq!(set(&mut old, "tos", 256), errno("EINVAL"));
}

#[test]
fn a_window_clamp_sets_the_threshold_too() {
    let mut world = world("active_established");
    assert_eq!(set(&mut world, "cwnd_clamp", 100), 0);
    assert_eq!((shown(&world, "snd_ssthresh"), shown(&world, "snd_cwnd")), (100, 10));
}

#[test]
fn an_initial_window_is_lost_if_it_comes_before_the_connection() {
    let mut world = world("tcp_connect");
    assert_eq!(set(&mut world, "init_cwnd", 40), 0);
    assert_eq!(shown(&world, "snd_cwnd"), 40);
    world.begin(event("active_established").unwrap(), [0; 4]);
    assert_eq!(shown(&world, "snd_cwnd"), 10);
    assert_eq!(set(&mut world, "init_cwnd", 33), 0);
    // The context that the program sees follows.
    assert_eq!(world.memory.load(CONTEXT + 76, 4), Ok(33));
}

#[test]
fn a_clamp_set_early_bounds_the_first_window() {
    let mut world = world("tcp_listen");
    assert_eq!(set(&mut world, "cwnd_clamp", 5), 0);
    world.begin(event("passive_established").unwrap(), [0; 4]);
    assert_eq!(shown(&world, "snd_cwnd"), 5);
}

#[test]
fn an_initial_window_is_refused_once_data_was_sent() {
    let mut world = world("active_established");
    world.sock.give(field("data_segs_out").unwrap(), &Value::Number(1)).unwrap();
    assert_eq!(set(&mut world, "init_cwnd", 40), errno("EINVAL"));
}

#[test]
fn congestion_controls_have_names() {
    let mut world = world("tcp_connect");
    assert_eq!(get_bytes(&mut world, "congestion", 16).1[..6], *b"cubic\0");
    assert_eq!(set_bytes(&mut world, "congestion", b"dctcp\0"), 0);
    assert_eq!(options::value(&world.sock, opt("congestion")), Value::Name("dctcp".into()));
    assert_eq!(set_bytes(&mut world, "congestion", b"x"), errno("EINVAL"));
}

#[test]
fn what_a_test_lets_fail_fails() {
    let mut world = world("tcp_connect");
    let value = Some(Value::Name("dctcp".into()));
    let errno_given = errno_number("ENOENT").unwrap();
    world.kernel.failures.push(Failure { option: opt("congestion"), value, errno: errno_given });
    assert_eq!(set_bytes(&mut world, "congestion", b"dctcp\0"), errno("ENOENT"));
    assert_eq!(set_bytes(&mut world, "congestion", b"reno\0"), 0);
    let errno_given = errno_number("EPERM").unwrap();
    world.kernel.failures.push(Failure { option: opt("sndbuf"), value: None, errno: errno_given });
    assert_eq!(set(&mut world, "sndbuf", 9_000), errno("EPERM"));
}

#[test]
fn the_segment_size_read_is_the_one_in_use() {
    let mut world = world("tcp_connect");
    assert_eq!((set(&mut world, "maxseg", 500), get(&mut world, "maxseg")), (0, (0, 536)));
}

#[test]
fn callback_flags_replace_each_other_and_unknown_ones_come_back() {
    let mut world = world_at((5, 9), "active_established");
    assert_eq!(call(&mut world, "bpf_sock_ops_cb_flags_set", [CONTEXT, 0x05, 0, 0, 0]), 0);
    assert_eq!(call(&mut world, "bpf_sock_ops_cb_flags_set", [CONTEXT, 0x12, 0, 0, 0]), 0x10);
    assert_eq!(shown(&world, "bpf_sock_ops_cb_flags"), 0x02);
    let mut newer = world_at((6, 12), "active_established");
    assert_eq!(set(&mut newer, "sock_ops_cb_flags", 0x80), errno("EINVAL"));
    assert_eq!(set(&mut newer, "sock_ops_cb_flags", 0x41), 0);
    assert_eq!(shown(&newer, "bpf_sock_ops_cb_flags"), 0x41);
}

#[test]
fn a_saved_syn_has_the_service_class_where_the_ip_header_has_it() {
    let mut v4 = world("passive_established");
    v4.sock.syn_tos = Some(0x2e);
    let (copied, bytes) = get_bytes(&mut v4, "bpf_syn_ip", 60);
    assert_eq!((copied, bytes[0] >> 4, bytes[1]), (40, 4, 0x2e));
    assert_eq!(get_bytes(&mut v4, "bpf_syn_ip", 4).0, errno("ENOSPC"));
    assert_eq!(get_bytes(&mut v4, "saved_syn", 2), (0, vec![0x45, 0x2e]));
    assert_eq!(get_bytes(&mut v4, "saved_syn", 41).0, errno("EINVAL"));
    let (copied, tcp) = get_bytes(&mut v4, "bpf_syn", 20);
    assert_eq!((copied, tcp[13]), (20, 2));

    let mut v6 = world("passive_established");
    (v6.sock.syn_tos, v6.sock.given_remote_ip) = (Some(0x2e), Some(1));
    let (copied, bytes) = get_bytes(&mut v6, "bpf_syn_ip", 60);
    assert_eq!((copied, bytes[0] >> 4, (bytes[0] << 4) | (bytes[1] >> 4)), (60, 6, 0x2e));
}

#[test]
fn no_syn_is_there_unless_the_listener_kept_it() {
    let mut world = world("tcp_listen");
    assert_eq!(get_bytes(&mut world, "bpf_syn_ip", 40), (errno("ENOENT"), vec![0; 40]));
    assert_eq!(get_bytes(&mut world, "saved_syn", 2), (errno("EINVAL"), vec![0; 2]));
    assert_eq!(set(&mut world, "save_syn", 1), 0);
    world.begin(event("passive_established").unwrap(), [0; 4]);
    assert_eq!(get_bytes(&mut world, "saved_syn", 2), (0, vec![0x45, 0]));
}

#[test]
fn time_and_randomness_are_the_kernels() {
    let mut world = world("tcp_connect");
    world.kernel.now = 5_000_000_000;
    assert_eq!(call(&mut world, "bpf_ktime_get_boot_ns", [0; 5]), 5_000_000_000);
    assert_eq!(call(&mut world, "bpf_jiffies64", [0; 5]), 5_000);
    let random = call(&mut world, "bpf_get_prandom_u32", [0; 5]);
    assert!(random != call(&mut world, "bpf_get_prandom_u32", [0; 5]) && random >> 32 == 0);
}

#[test]
fn helpers_are_there_from_their_first_kernel_on() {
    let mut world = world_at((5, 7), "tcp_connect");
    let error = world.call(helper("bpf_ktime_get_boot_ns").unwrap(), [0; 5]).unwrap_err();
    assert_eq!(error, "kernels before 5.8 do not have it, and this one is 5.7");
}

#[test]
fn helpers_take_only_memory_of_the_program() {
    let mut world = world("tcp_connect");
    let sockopt = helper("bpf_setsockopt").unwrap();
    let top = frame_pointer();
    assert!(world.call(sockopt, [CONTEXT, 1, 7, top - 2, 4]).is_err());
    assert!(world.call(sockopt, [CONTEXT, 1, 7, 0, 4]).is_err());
    assert!(world.call(sockopt, [CONTEXT, 1, 7, top - 8, u64::MAX]).is_err());
    assert!(world.call(sockopt, [top, 1, 7, top - 8, 4]).is_err());
    assert!(world.call(helper("bpf_map_lookup_elem").unwrap(), [top, top - 8, 0, 0, 0]).is_err());
}

#[test]
fn the_answer_is_the_programs_until_the_event_ends() {
    let mut world = World::default();
    world.begin(event("timeout_init").unwrap(), [0; 4]);
    assert_eq!(world.reply(), None);
    world.memory.store(CONTEXT + 4, 4, 10).unwrap();
    set(&mut world, "sndbuf", 9_000);
    assert_eq!(world.reply(), Some(10));
}

#[test]
fn sends_are_stamped_where_they_begin() {
    let cast = kfunc("bpf_cast_to_kern_ctx").unwrap();
    let stamp = kfunc("bpf_sock_ops_enable_tx_tstamp").unwrap();
    let mut world = world("tstamp_sendmsg");
    let own = world.call_kernel(cast, [CONTEXT, 0, 0, 0, 0]).unwrap();
    assert_ne!(own, CONTEXT);
    assert_eq!(world.call_kernel(stamp, [own, 1, 0, 0, 0]).unwrap() as i64, errno("EINVAL"));
    assert!(!world.sock.stamped);
    assert_eq!(world.call_kernel(stamp, [own, 0, 0, 0, 0]), Ok(0));
    assert!(world.sock.stamped);
    assert!(world.memory.load(own, 8).unwrap_err().to_string().contains("the kernel's own context"));
    // The verifier would not let these pass.
    assert!(world.call_kernel(stamp, [CONTEXT, 0, 0, 0, 0]).is_err());
    assert!(world.call_kernel(cast, [own, 0, 0, 0, 0]).is_err());

    world.sock.stamped = false;
    world.begin(event("tstamp_ack").unwrap(), [0; 4]);
    assert_eq!(world.call_kernel(stamp, [own, 0, 0, 0, 0]).unwrap() as i64, errno("EOPNOTSUPP"));
    assert!(!world.sock.stamped);
    world.kernel.version = v(6, 14);
    assert!(world.call_kernel(stamp, [own, 0, 0, 0, 0]).unwrap_err().contains("6.15"));
}

#[test]
fn time_stamping_events_show_addresses_and_no_tcp_fields() {
    for name in ["tstamp_sched", "tstamp_snd_sw", "tstamp_snd_hw", "tstamp_ack", "tstamp_sendmsg"] {
        let mut world = World::default();
        for (field_name, number) in
            [("srtt", 8_000), ("skb_len", 91), ("skb_tcp_flags", 24), ("skb_hwtstamp", 7)]
        {
            world.sock.give(field(field_name).unwrap(), &Value::Number(number)).unwrap();
        }
        world.begin(event(name).unwrap(), [0; 4]);
        assert_eq!((shown(&world, "remote_port"), shown(&world, "srtt")), (443, 0), "{name}");
        assert_eq!((shown(&world, "is_fullsock"), shown(&world, "skb_len")), (1, 91), "{name}");
        assert_eq!(shown(&world, "skb_tcp_flags") == 24, matches!(name, "tstamp_ack" | "tstamp_sendmsg"));
        assert_eq!(shown(&world, "skb_hwtstamp") == 7, name == "tstamp_snd_hw");
        assert_eq!(set(&mut world, "mark", 1), errno("EOPNOTSUPP"), "{name}");
        assert_eq!(get(&mut world, "mark"), (errno("EOPNOTSUPP"), 0), "{name}");
    }
}
