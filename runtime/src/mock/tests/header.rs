//! TCP header options: reserved, written, searched for, and every way to fail.

use tcpc_stdlib::header::{LOAD_FROM_SYN, SEGMENTS, segment};

use super::super::header::{Missing, search};
use super::*;

/// A socket on which the kernel asks about a segment.
fn asked(name: &str) -> World {
    let mut world = World::default();
    world.begin_for(event("hdr_opt_len").unwrap(), [0; 4], segment(name));
    world
}

/// The same with so many bytes reserved, when the options are written.
fn writing(name: &str, reserved: u64) -> World {
    let mut world = asked(name);
    assert_eq!(reserve(&mut world, reserved, 0), 0);
    world.begin_for(event("write_hdr_opt").unwrap(), [0; 4], segment(name));
    world
}

fn reserve(world: &mut World, length: u64, flags: u64) -> i64 {
    call(world, "bpf_reserve_hdr_opt", [CONTEXT, length, flags, 0, 0])
}

fn store_with(world: &mut World, bytes: &[u8], flags: u64) -> i64 {
    let at = frame_pointer() - 64;
    world.memory.write(at, bytes).unwrap();
    call(world, "bpf_store_hdr_opt", [CONTEXT, at, bytes.len() as u64, flags, 0])
}

fn store(world: &mut World, bytes: &[u8]) -> i64 {
    store_with(world, bytes, 0)
}

fn load_with(world: &mut World, search: &[u8], flags: u64) -> (i64, Vec<u8>) {
    let at = frame_pointer() - 64;
    world.memory.write(at, search).unwrap();
    let result = call(world, "bpf_load_hdr_opt", [CONTEXT, at, search.len() as u64, flags, 0]);
    (result, world.memory.bytes(at, search.len() as u32).unwrap().to_vec())
}

fn load(world: &mut World, search: &[u8]) -> (i64, Vec<u8>) {
    load_with(world, search, 0)
}

/// The options that a socket sends after the kernel's own.
fn sent(world: &World) -> &[u8] {
    let own = 40 - usize::from(world.sock.segment().unwrap().space);
    &world.sock.options_at_hand()[own..]
}

/// A socket in an event, whose peer's segments have these options.
fn receiving(raised: &str, options: &[u8]) -> World {
    let mut world = World::default();
    world.sock.peer_options = options.to_vec();
    world.begin(event(raised).unwrap(), [0; 4]);
    world
}

const UTO: [u8; 4] = [28, 4, 0x81, 0x2c];
const EXPERIMENT: [u8; 5] = [254, 5, 0xcc, 0x01, 7];

#[test]
fn the_room_is_what_the_kernels_own_options_leave() {
    for segment in SEGMENTS {
        let mut world = asked(segment.name);
        assert_eq!(reserve(&mut world, u64::from(segment.space) + 1, 0), errno("ENOSPC"), "{segment:?}");
        assert_eq!(reserve(&mut world, segment.space.into(), 0), 0, "{segment:?}");
        assert_eq!(reserve(&mut world, 2, 0), errno("ENOSPC"), "{segment:?}");
    }
}

#[test]
fn reservations_that_the_kernel_refuses() {
    let mut world = asked("syn");
    assert_eq!(reserve(&mut world, 1, 0), errno("EINVAL"));
    assert_eq!(reserve(&mut world, 4, 1), errno("EINVAL"));
    assert!(!world.sock.has_reserved());
    for raised in ["write_hdr_opt", "active_established", "parse_hdr_opt"] {
        assert_eq!(reserve(&mut receiving(raised, &[]), 4, 0), errno("EPERM"), "{raised}");
    }
}

#[test]
fn the_sum_of_reservations_is_rounded_up_to_words_and_padded() {
    let mut world = asked("established");
    assert_eq!((reserve(&mut world, 3, 0), reserve(&mut world, 3, 0)), (0, 0));
    world.begin_for(event("write_hdr_opt").unwrap(), [0; 4], segment("established"));
    // Twice 3 bytes became 8.
    assert_eq!(store(&mut world, &EXPERIMENT), 0);
    assert_eq!(store(&mut world, &UTO), errno("ENOSPC"));
    assert_eq!(store(&mut world, &[99, 3, 1]), 0);
    world.end();
    assert_eq!(sent(&world), [254, 5, 0xcc, 0x01, 7, 99, 3, 1]);

    let mut padded = writing("fin", 6);
    assert_eq!(store(&mut padded, &UTO), 0);
    padded.end();
    assert_eq!(sent(&padded), [28, 4, 0x81, 0x2c, 1, 1, 1, 1]);
}

#[test]
fn only_the_length_that_the_option_says_is_written() {
    let mut world = writing("syn", 8);
    assert_eq!(store(&mut world, &[28, 4, 0x81, 0x2c, 0, 0, 0, 0]), 0);
    world.end();
    assert_eq!(sent(&world), [28, 4, 0x81, 0x2c, 1, 1, 1, 1]);
}

#[test]
fn options_that_the_kernel_does_not_write() {
    let mut world = writing("syn", 12);
    for bad in [&[28][..], &[0, 4, 0, 0], &[1, 4, 0, 0], &[28, 5, 0, 0], &[254, 3, 0xcc], &[253, 2]] {
        assert_eq!(store(&mut world, bad), errno("EINVAL"), "{bad:?}");
    }
    assert_eq!(store_with(&mut world, &UTO, 1), errno("EINVAL"));
    assert_eq!(store(&mut world, &[99, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), errno("ENOSPC"));
    assert_eq!(store(&mut asked("syn"), &UTO), errno("EPERM"));
    assert_eq!(store(&mut receiving("parse_hdr_opt", &[]), &UTO), errno("EPERM"));
    // Where nothing was reserved there is no room.
    assert_eq!(store(&mut receiving("write_hdr_opt", &[]), &UTO), errno("ENOSPC"));
}

#[test]
fn no_option_is_written_twice() {
    let mut world = writing("syn", 20);
    assert_eq!((store(&mut world, &UTO), store(&mut world, &UTO)), (0, errno("EEXIST")));
    assert_eq!((store(&mut world, &EXPERIMENT), store(&mut world, &EXPERIMENT)), (0, errno("EEXIST")));
    assert_eq!(store(&mut world, &[254, 4, 0xcc, 0x02]), 0);
    assert_eq!(store(&mut world, &[253, 4, 0xcc, 0x01]), 0);
    // The kernel's own count: the segment size.
    assert_eq!(store(&mut writing("syn", 4), &[2, 2]), errno("EEXIST"));
    // The room is looked at before.
    assert_eq!(store(&mut writing("syn", 2), &[2, 8, 0, 0, 0, 0, 0, 0]), errno("ENOSPC"));
}

#[test]
fn a_received_option_takes_the_place_of_the_search() {
    for raised in ["active_established", "passive_established", "parse_hdr_opt"] {
        let options = [&[1, 254, 4, 0xcc, 0x02][..], &UTO, &EXPERIMENT, &[253, 6, 1, 2, 3, 4]].concat();
        let mut world = receiving(raised, &options);
        assert_eq!(load(&mut world, &[28, 0, 0, 0, 9, 9]), (4, vec![28, 4, 0x81, 0x2c, 9, 9]), "{raised}");
        assert_eq!(load(&mut world, &[254, 4, 0xcc, 0x01, 0]), (5, EXPERIMENT.to_vec()));
        // Identifiers have two bytes or four.
        assert_eq!(load(&mut world, &[253, 6, 1, 2, 3, 4]).0, 6);
        assert_eq!(load(&mut world, &[253, 6, 1, 2, 3, 5]).0, errno("ENOMSG"));
        assert_eq!(load(&mut world, &[254, 6, 0xcc, 0x01, 7, 0]).0, errno("ENOMSG"));
        assert_eq!(load(&mut world, &[253, 4, 0xcc, 0x01]).0, errno("ENOMSG"));
    }
}

#[test]
fn what_does_not_fit_is_cut_off() {
    let mut world = receiving("parse_hdr_opt", &UTO);
    assert_eq!(load(&mut world, &[28, 0, 0]), (errno("ENOSPC"), vec![28, 4, 0x81]));
}

#[test]
fn searches_that_the_kernel_refuses() {
    let mut world = receiving("parse_hdr_opt", &UTO);
    for bad in [
        &[28][..],
        &[28, 4, 0, 0],
        &[0, 0],
        &[1, 0],
        &[28, 5],
        &[254, 0, 0xcc, 0x01],
        &[254, 5, 0xcc, 0x01, 0],
        &[253, 3, 0xcc],
    ] {
        assert_eq!(load(&mut world, bad).0, errno("EINVAL"), "{bad:?}");
    }
    assert_eq!(load_with(&mut world, &[28, 0, 0, 0], 2).0, errno("EINVAL"));
    for raised in ["hdr_opt_len", "tcp_connect", "rtt"] {
        assert_eq!(load(&mut receiving(raised, &UTO), &[28, 0, 0, 0]).0, errno("EPERM"), "{raised}");
    }
    assert_eq!(load(&mut receiving("tstamp_ack", &UTO), &[28, 0, 0, 0]).0, errno("EOPNOTSUPP"));
}

#[test]
fn headers_that_make_no_sense() {
    for malformed in [&[99, 1, 28, 4][..], &[99, 9, 1], &[99]] {
        let mut world = receiving("parse_hdr_opt", malformed);
        assert_eq!(load(&mut world, &[28, 0, 0, 0]).0, errno("EFAULT"), "{malformed:?}");
    }
    // What comes before is found, what comes after the end is not.
    assert_eq!(load(&mut receiving("parse_hdr_opt", &[28, 2, 99, 1]), &[28, 0, 0, 0]).0, 2);
    assert_eq!(load(&mut receiving("parse_hdr_opt", &[0, 28, 2]), &[28, 0, 0, 0]).0, errno("ENOMSG"));
    // An experiment that is too short ends the search for another.
    let mut short = receiving("parse_hdr_opt", &[254, 3, 0xcc, 254, 5, 0xcc, 0x01, 7]);
    assert_eq!(load(&mut short, &[254, 4, 0xcc, 0x01]).0, errno("ENOMSG"));
}

#[test]
fn an_option_without_a_length_spoils_the_header() {
    let mut world = writing("syn", 8);
    assert_eq!((store(&mut world, &[99, 1]), store(&mut world, &UTO)), (0, errno("EFAULT")));
    assert_eq!(load(&mut world, &[28, 0, 0, 0]).0, errno("EFAULT"));
}

#[test]
fn the_end_of_the_list_ends_the_search() {
    assert_eq!(search(&[28, 2, 0, 99, 2], &[28]), Ok(0));
    assert_eq!(search(&[28, 2, 0, 99, 2], &[99]), Err(Missing::AfterEnd));
    assert_eq!(search(&[1, 28, 2, 1], &[99]), Err(Missing::NotThere));
}

#[test]
fn the_options_of_a_written_segment_can_be_searched() {
    let mut world = writing("synack", 4);
    assert_eq!(load(&mut world, &[28, 0, 0, 0]).0, errno("ENOMSG"));
    assert_eq!(store(&mut world, &UTO), 0);
    assert_eq!(load(&mut world, &[28, 0, 0, 0]), (4, UTO.to_vec()));
    assert_eq!(load(&mut world, &[2, 0, 0, 0]), (4, vec![2, 4, 0x05, 0xb4]));
}

#[test]
fn a_syn_is_searched_where_it_is_at_hand_or_was_saved() {
    let search = [28, 0, 0, 0];
    let mut client = receiving("active_established", &UTO);
    assert_eq!(load_with(&mut client, &search, LOAD_FROM_SYN).0, errno("ENOENT"));
    let mut server = receiving("passive_established", &UTO);
    assert_eq!(load_with(&mut server, &search, LOAD_FROM_SYN).0, errno("ENOENT"));
    assert_eq!(set(&mut server, "save_syn", 1), 0);
    assert_eq!(load_with(&mut server, &search, LOAD_FROM_SYN), (4, UTO.to_vec()));
    for raised in ["hdr_opt_len", "write_hdr_opt"] {
        let mut request = receiving("tcp_connect", &UTO);
        request.begin_for(event(raised).unwrap(), [0; 4], segment("synack"));
        assert_eq!(load_with(&mut request, &search, LOAD_FROM_SYN), (4, UTO.to_vec()), "{raised}");
    }
}

/// `tcp_rtx_synack` has no SYN to pass on.
#[test]
fn an_answer_that_is_sent_again_has_no_syn_unless_it_was_saved() {
    let again = |world: &mut World| {
        for raised in ["hdr_opt_len", "write_hdr_opt"] {
            world.begin_for(event(raised).unwrap(), [0; 4], segment("synack"));
        }
        load_with(world, &[28, 0, 0, 0], LOAD_FROM_SYN).0
    };
    let mut request = receiving("tcp_connect", &UTO);
    assert_eq!([again(&mut request), again(&mut request)], [4, errno("ENOENT")]);
    let mut saved = receiving("tcp_listen", &UTO);
    assert_eq!(set(&mut saved, "save_syn", 1), 0);
    assert_eq!([again(&mut saved), again(&mut saved)], [4, 4]);
}

#[test]
fn a_saved_syn_has_the_peers_options() {
    let mut world = receiving("passive_established", &EXPERIMENT);
    world.sock.syn_tos = Some(0x20);
    let (length, syn) = get_bytes(&mut world, "bpf_syn", 28);
    assert_eq!((length, syn[12] >> 4), (28, 7));
    assert_eq!(syn[20..], [254, 5, 0xcc, 0x01, 7, 1, 1, 1]);
    let (length, syn) = get_bytes(&mut world, "bpf_syn_ip", 48);
    assert_eq!((length, syn[1], syn[3]), (48, 0x20, 48));
    let mut v6 = receiving("passive_established", &EXPERIMENT);
    (v6.sock.syn_tos, v6.sock.given_remote_ip) = (Some(0x20), Some(1));
    let (length, syn) = get_bytes(&mut v6, "bpf_syn_ip", 68);
    assert_eq!((length, syn[5]), (68, 28));
}

#[test]
fn each_segment_shows_its_flags_length_and_socket() {
    for (name, flags, state, full, role) in [
        ("syn", 0x02, 2, 1, Role::Client),
        ("synack", 0x12, 12, 0, Role::Server),
        ("established", 0x10, 1, 1, Role::Client),
        ("fin", 0x11, 4, 1, Role::Client),
    ] {
        let mut world = asked(name);
        assert_eq!((shown(&world, "skb_tcp_flags"), shown(&world, "skb_len")), (flags, 0), "{name}");
        let own = 40 - u64::from(segment(name).unwrap().space);
        assert_eq!(reserve(&mut world, 6, 0), 0);
        world.begin_for(event("write_hdr_opt").unwrap(), [0; 4], segment(name));
        // The header with its options.
        assert_eq!((shown(&world, "skb_tcp_flags"), shown(&world, "skb_len")), (flags, 20 + own + 8));
        assert_eq!((shown(&world, "state"), shown(&world, "is_fullsock")), (state, full), "{name}");
        assert_eq!(world.sock.current_role(), role, "{name}");
        assert_eq!(set(&mut world, "priority", 1) == 0, full == 1, "{name}");
    }
    let mut server = World::default();
    server.sock.role = Role::Server;
    server.begin_for(event("hdr_opt_len").unwrap(), [0; 4], segment("established"));
    assert_eq!((shown(&server, "is_fullsock"), server.sock.current_role()), (1, Role::Server));
}

#[test]
fn modes_of_a_single_event() {
    let raise = |mode, flags| {
        let mut world = World::default();
        world.sock.give(field("skb_tcp_flags").unwrap(), &Value::Number(flags)).unwrap();
        world.begin(event("hdr_opt_len").unwrap(), [mode, 0, 0, 0]);
        let is = |segment: &&Segment| world.sock.is_segment(&[*segment]);
        let names: Vec<_> = SEGMENTS.iter().filter(is).map(|segment| segment.name).collect();
        (names.join(" "), shown(&world, "skb_tcp_flags"))
    };
    let is = |names: &str, flags| (names.to_owned(), flags);
    assert_eq!([raise(0, 0), raise(0, 0x02)], [is("established", 0x10), is("syn", 0x02)]);
    // Flags beside those that tell which segment it is are shown as they are; one with RST is none of them.
    assert_eq!([raise(0, 0x18), raise(0, 0x14)], [is("established", 0x18), is("", 0x14)]);
    // Without a segment nothing is shown of one, and it can become any that carries data.
    assert_eq!(raise(1, 0x02), is("established fin", 0));
    assert_eq!(raise(2, 0), is("synack", 0x12));
}

#[test]
fn the_peers_options_are_replaced_by_kind_and_fit_a_header() {
    let mut sock = MockSock::default();
    for option in [&UTO[..], &EXPERIMENT, &[28, 3, 0], &[254, 4, 0xcc, 0x02], &[254, 5, 0xcc, 0x01, 8]] {
        sock.give_header(option).unwrap();
    }
    assert_eq!(sock.options_at_hand(), [28, 3, 0, 254, 4, 0xcc, 0x02, 254, 5, 0xcc, 0x01, 8]);
    let mut large = [0; 29];
    (large[0], large[1]) = (99, 29);
    let error = sock.give_header(&large).unwrap_err();
    assert_eq!(error, "the options of the peer take 41 bytes, and a header has room for 40");
}
