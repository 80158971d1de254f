//! A socket as the bytes of `struct bpf_sock_ops` and what that leads to, laid out by the catalogue.

use std::ops::Range;

use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::{Field, Order, Struct, kernel_field, members};
use tcpc_stdlib::kernel::{AF_INET, LOOPBACK4_IPV6, REPLY_OFFSET};

use tcpc_lang::hir::{Role, Value};

use super::MockSock;
use crate::guest::Region;

impl MockSock {
    /// The context that a program gets.
    pub fn context(&self) -> Vec<u8> {
        self.bytes(Struct::SockOps)
    }

    /// The context, or a structure that it leads to.
    pub fn bytes(&self, of: Struct) -> Vec<u8> {
        let mut bytes = vec![0; of.size()];
        for field in members(of).filter(|field| self.is_visible(field)) {
            for word in 0..field.words {
                put(&mut bytes, field, word, self.word(field, word));
            }
        }
        bytes
    }

    /// A field as the language shows it, in the canonical unit of its type. An IPv4 connection over an IPv6
    /// socket is IPv4, and an IPv4 listener has its IPv4 address, whatever the words of the context say.
    pub fn field(&self, field: &'static Field) -> Value {
        let listens = self.event.is_some_and(|event| !event.has_remote);
        match field.kernel {
            "family" if self.is_v4() && !listens => return Value::Number(AF_INET.into()),
            "local_ip6" if self.is_v4() && listens => return Value::Ip(self.local_ip()),
            _ => {}
        }
        let bytes = self.bytes(field.of);
        if field.words == 4 {
            let words = (0..4).map(|word| u128::from(get(&bytes, field, word)));
            return Value::Ip(words.fold(0, |address, word| (address << 32) | word));
        }
        Value::Number(get(&bytes, field, 0).wrapping_mul(field.unit.scale().unwrap_or(1)))
    }

    /// Takes over the one field, beside the answer, that a program can write; on a request socket the
    /// write is lost.
    pub(super) fn take_written(&mut self, context: &[u8]) {
        if let Some(field) = kernel_field("sk_txhash").filter(|_| self.is_locked()) {
            self.fields.insert(field.kernel, get(context, field, 0));
        }
    }

    /// One word of a field, in host order.
    fn word(&self, field: &Field, word: u8) -> u64 {
        let listens = self.event.is_some_and(|event| !event.has_remote);
        let number = match field.kernel {
            "op" => self.event.map_or(0, |event: &Event| event.number),
            "args" => self.args[usize::from(word)],
            "family" => self.current_family(),
            "state" => self.state(),
            "is_fullsock" => u32::from(self.is_full()),
            "local_port" => self.local_port.into(),
            "remote_port" | "remote_ip4" | "remote_ip6" if listens => 0,
            "remote_port" => self.remote_port.into(),
            "remote_ip6" => part(self.remote_ip(), word),
            // An IPv4 listener has no IPv6 words; an IPv6 one on an IPv4 address has.
            "local_ip6" if listens && self.current_family() == AF_INET => 0,
            "local_ip6" => part(self.local_ip(), word),
            "remote_ip4" if self.is_v4() => self.remote_ip() as u32,
            "remote_ip4" if self.current_role() == Role::Client => 0,
            "remote_ip4" => LOOPBACK4_IPV6,
            "local_ip4" if self.is_v4() => self.local_ip() as u32,
            "local_ip4" if listens => 0,
            "local_ip4" => LOOPBACK4_IPV6,
            "icsk_retransmits" if self.event.is_some_and(|event| event.name == "rto") => self.args[0],
            "sk" => return Region::Struct(Struct::Sock).address(0),
            // No program can follow another pointer here.
            _ if field.order == Order::Pointer => 0,
            name => return self.of_segment(name).unwrap_or_else(|| self.raw(name)),
        };
        number.into()
    }

    /// What the context shows of a segment that goes out; `skb_len` of a test is the length of its data.
    fn of_segment(&self, name: &str) -> Option<u64> {
        let (outgoing, event) = (self.outgoing.as_ref()?, self.event?);
        match name {
            "skb_tcp_flags" => Some(outgoing.flags),
            "skb_len" => Some(self.raw(name) + outgoing.header_length(event) as u64),
            _ => None,
        }
    }
}

/// The answer in a context.
pub fn reply(context: &[u8]) -> u32 {
    let at = usize::from(REPLY_OFFSET);
    context.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Copies a context over another one, but for the arguments.
pub fn refresh(context: &mut Vec<u8>, fresh: &[u8]) {
    let args = kernel_field("args").map_or(0..0, range);
    let kept = context.get(args.clone()).map(<[u8]>::to_vec).unwrap_or_default();
    context.clear();
    context.extend_from_slice(fresh);
    if let Some(place) = context.get_mut(args) {
        place.copy_from_slice(&kept);
    }
}

/// The bytes of all words of a field.
fn range(field: &Field) -> Range<usize> {
    let start = usize::from(field.offset);
    start..start + usize::from(field.size) * usize::from(field.words)
}

/// One of the four words of an address, the first being its upper 32 bits.
fn part(address: u128, word: u8) -> u32 {
    (address >> (96 - 32 * u32::from(word))) as u32
}

/// Writes one word of a field.
pub fn put(context: &mut [u8], field: &Field, word: u8, number: u64) {
    let at = usize::from(field.offset) + usize::from(field.size) * usize::from(word);
    let bytes = match field.order {
        Order::Network => (number as u32).to_be_bytes().to_vec(),
        // `htonl(port)`: the number's bytes in network order.
        Order::NetworkHighHalf => (number as u32).to_be_bytes().to_vec(),
        Order::Host | Order::Pointer => number.to_le_bytes()[..usize::from(field.size)].to_vec(),
    };
    if let Some(place) = context.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(&bytes);
    }
}

fn get(context: &[u8], field: &Field, word: u8) -> u64 {
    let at = usize::from(field.offset) + usize::from(field.size) * usize::from(word);
    let bytes = context.get(at..at + usize::from(field.size)).unwrap_or_default();
    let append = |number, byte: &u8| (number << 8) | u64::from(*byte);
    match field.order {
        Order::Network | Order::NetworkHighHalf => bytes.iter().fold(0, append),
        Order::Host | Order::Pointer => bytes.iter().rev().fold(0, append),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tcpc_stdlib::event::event;
    use tcpc_stdlib::field;

    fn word(context: &[u8], name: &str) -> u32 {
        let at = usize::from(kernel_field(name).unwrap().offset);
        u32::from_le_bytes(context[at..at + 4].try_into().unwrap())
    }

    fn sock(local: u128, remote: u128, role: Role, raised: &str) -> MockSock {
        let mut sock = MockSock {
            given_local_ip: Some(local),
            given_remote_ip: Some(remote),
            role,
            ..MockSock::default()
        };
        sock.begin(event(raised).unwrap(), [0; 4], None);
        sock
    }

    const V4: u128 = 0xffff_0a00_0001;
    const V6: u128 = 0x2401_db00_0011_0000_0000_0000_0000_0001;

    #[test]
    fn ports_lie_as_the_kernel_lays_them() {
        let mut sock = sock(V4, V4, Role::Client, "tcp_connect");
        (sock.remote_port, sock.local_port) = (7001, 7001);
        // Observed on x86: port 7001 reads 0x591b0000.
        assert_eq!(word(&sock.context(), "remote_port"), 0x591b_0000);
        assert_eq!(word(&sock.context(), "local_port"), 7001);
        assert_eq!(sock.field(field::field("remote_port").unwrap()), Value::Number(7001));
    }

    #[test]
    fn ipv4_addresses_are_in_both_kinds_of_words() {
        let context = sock(V4, V4, Role::Client, "tcp_connect").context();
        assert_eq!(context[24..28], [10, 0, 0, 1]);
        assert_eq!(context[32..48], V4.to_be_bytes());
        assert_eq!(word(&context, "family"), 2);
    }

    #[test]
    fn the_ipv4_words_of_ipv6_sockets_lie() {
        let client = sock(V6, V6, Role::Client, "tcp_connect").context();
        assert_eq!((&client[24..28], &client[28..32]), (&[0, 0, 0, 0][..], &[127, 0, 0, 6][..]));
        let server = sock(V6, V6, Role::Server, "passive_established").context();
        assert_eq!((&server[24..28], &server[28..32]), (&[127, 0, 0, 6][..], &[127, 0, 0, 6][..]));
        assert_eq!(word(&client, "family"), 10);
    }

    #[test]
    fn a_listener_has_no_peer_and_on_ipv4_no_ipv6_address() {
        let v4 = sock(V4, V4, Role::Server, "tcp_listen").context();
        assert_eq!(v4[24..28], [0; 4]);
        assert_eq!(v4[28..32], [10, 0, 0, 1]);
        assert_eq!(v4[32..64], [0; 32]);
        assert_eq!((word(&v4, "remote_port"), word(&v4, "state")), (0, 10));
        let v6 = sock(V6, V6, Role::Server, "tcp_listen").context();
        assert_eq!(v6[28..32], [0; 4]);
        assert_eq!(v6[48..64], V6.to_be_bytes());
    }

    #[test]
    fn a_request_socket_shows_addresses_and_no_tcp_fields() {
        let server = sock(V4, V4, Role::Server, "timeout_init").context();
        assert_eq!(word(&server, "state"), 12);
        assert_eq!((word(&server, "is_fullsock"), word(&server, "snd_cwnd")), (0, 0));
        assert_eq!(server[32..48], V4.to_be_bytes());
        let client = sock(V4, V4, Role::Client, "timeout_init").context();
        assert_eq!(word(&client, "state"), 2);
        assert_eq!((word(&client, "is_fullsock"), word(&client, "snd_cwnd")), (1, 10));
    }

    #[test]
    fn states_are_those_of_the_event() {
        let state = |role, raised| word(&sock(V4, V4, role, raised).context(), "state");
        assert_eq!(state(Role::Client, "tcp_connect"), 2);
        assert_eq!(state(Role::Client, "active_established"), 1);
        assert_eq!(state(Role::Client, "passive_established"), 3);
        let mut closing = MockSock::default();
        closing.begin(event("state").unwrap(), [1, 4, 0, 0], None);
        assert_eq!(word(&closing.context(), "state"), 1);
    }

    #[test]
    fn the_segment_is_there_only_in_events_that_have_one() {
        let mut sock = sock(V4, V4, Role::Client, "tcp_connect");
        sock.give(field::field("skb_len").unwrap(), &Value::Number(40)).unwrap();
        assert_eq!(word(&sock.context(), "skb_len"), 0);
        sock.begin(event("active_established").unwrap(), [0; 4], None);
        assert_eq!(word(&sock.context(), "skb_len"), 40);
    }

    #[test]
    fn given_times_are_converted_to_the_kernels_unit() {
        let mut sock = sock(V4, V4, Role::Client, "active_established");
        let srtt = field::field("srtt").unwrap();
        sock.give(srtt, &Value::Number(10_000_000)).unwrap();
        assert_eq!(word(&sock.context(), "srtt_us"), 10_000 << 3);
        assert_eq!(sock.field(srtt), Value::Number(10_000_000));
        assert!(sock.give(srtt, &Value::Number(u64::MAX)).is_err());
    }

    #[test]
    fn a_written_hash_reaches_only_a_full_socket() {
        let hash = field::field("sk_txhash").unwrap();
        for (role, seen) in [(Role::Client, 7), (Role::Server, 0)] {
            let mut sock = sock(V4, V4, role, "timeout_init");
            let mut context = sock.context();
            put(&mut context, hash, 0, 7);
            sock.take_written(&context);
            assert_eq!(sock.field(hash), Value::Number(seen));
        }
    }

    #[test]
    fn an_ipv6_socket_may_have_an_ipv4_peer() {
        let mut sock = sock(V4, V4, Role::Client, "tcp_connect");
        sock.family = Some(10);
        let context = sock.context();
        assert_eq!(word(&context, "family"), 10);
        assert_eq!(context[24..28], [10, 0, 0, 1]);
    }
}
