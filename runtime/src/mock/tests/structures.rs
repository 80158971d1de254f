//! The structures that the context leads to.

use tcpc_stdlib::field::Struct;

use super::*;

#[test]
fn the_socket_leads_to_its_tcp_socket() {
    let mut world = world("active_established");
    let (sock, tcp_sock) = (Region::Struct(Struct::Sock), Region::Struct(Struct::TcpSock));
    assert_eq!(world.memory.load(CONTEXT + 184, 8), Ok(sock.address(0)));
    assert_eq!(call(&mut world, "bpf_tcp_sock", [sock.address(0), 0, 0, 0, 0]) as u64, tcp_sock.address(0));
    // The SYN was delivered.
    assert_eq!(world.memory.load(tcp_sock.address(100), 4), Ok(1));
    for wrong in [0, CONTEXT, tcp_sock.address(0), sock.address(4)] {
        let error = world.call(helper("bpf_tcp_sock").unwrap(), [wrong, 0, 0, 0, 0]).unwrap_err();
        assert!(error.ends_with("instead of the socket"), "{error}");
    }
}

#[test]
fn a_request_leads_nowhere() {
    let mut world = World::default();
    world.sock.role = Role::Server;
    world.sock.give(field("delivered").unwrap(), &Value::Number(7)).unwrap();
    world.begin(event("timeout_init").unwrap(), [0; 4]);
    assert_eq!(world.memory.load(CONTEXT + 184, 8), Ok(0));
    assert_eq!(shown(&world, "delivered"), 0);
    world.sock.role = Role::Client;
    world.begin(event("timeout_init").unwrap(), [0; 4]);
    assert!(world.memory.load(CONTEXT + 184, 8).unwrap() != 0);
    assert_eq!(shown(&world, "delivered"), 7);
}

#[test]
fn what_a_test_says_was_delivered_stays_when_the_connection_is_established() {
    let mut world = World::default();
    world.sock.give(field("delivered").unwrap(), &Value::Number(40)).unwrap();
    world.begin(event("tcp_connect").unwrap(), [0; 4]);
    world.begin(event("active_established").unwrap(), [0; 4]);
    assert_eq!(shown(&world, "delivered"), 40);
}

#[test]
fn timeouts_in_a_row_are_those_that_the_event_tells() {
    let mut world = world("active_established");
    assert_eq!(shown(&world, "icsk_retransmits"), 0);
    world.begin(event("rto").unwrap(), [3, 0, 0, 0]);
    assert_eq!(shown(&world, "icsk_retransmits"), 3);
}
