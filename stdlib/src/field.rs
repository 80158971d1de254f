//! Every member of `struct bpf_sock_ops`, in the kernel's order, and of the socket's structures what it lacks.
//!
//! Offsets, widths and access rights are those of `include/uapi/linux/bpf.h` and of
//! `sock_ops_is_valid_access` in `net/core/filter.c`; a test compares them with the running kernel.

use crate::event::{Event, Sock};
use crate::kernel::{CONTEXT_SIZE, KernelVersion, v};
use crate::unit::{Type, Unit};

/// A structure of the kernel that has members for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Struct {
    /// `struct bpf_sock_ops`: the context.
    SockOps,
    /// `struct bpf_sock`: the member `sk` of the context points to one, or is NULL.
    Sock,
    /// `struct bpf_tcp_sock`: the helper `bpf_tcp_sock` gives one for a `bpf_sock`, or NULL.
    TcpSock,
}

impl Struct {
    /// All of them.
    pub const ALL: [Struct; 3] = [Struct::SockOps, Struct::Sock, Struct::TcpSock];

    /// The kernel's name of it.
    pub fn kernel(self) -> &'static str {
        match self {
            Struct::SockOps => "bpf_sock_ops",
            Struct::Sock => "bpf_sock",
            Struct::TcpSock => "bpf_tcp_sock",
        }
    }

    /// Its bytes in the newest kernel known.
    pub fn size(self) -> usize {
        match self {
            Struct::SockOps => CONTEXT_SIZE,
            Struct::Sock => 80,
            Struct::TcpSock => 112,
        }
    }
}

/// One member of the context, or of a structure that the context leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// What a policy calls it; empty if a policy cannot name it.
    pub name: &'static str,
    /// The member's name in the kernel; no two structures have rows of one name.
    pub kernel: &'static str,
    /// The structure that it is a member of.
    pub of: Struct,
    /// Byte offset of the first word.
    pub offset: u16,
    /// Bytes of one load: 4 or 8. The verifier takes no other width.
    pub size: u8,
    /// How many such words there are (4 for an IPv6 address and for `args`).
    pub words: u8,
    /// First kernel that has it.
    pub since: KernelVersion,
    /// Byte order.
    pub order: Order,
    /// Whether a program may write it.
    pub writable: bool,
    /// When it reads as something else than 0.
    pub guard: Guard,
    /// Whether a helper call or the passing of time within one run can change it.
    pub stable: bool,
    /// Type in the language.
    pub ty: Type,
    /// Unit of the raw number.
    pub unit: Unit,
    /// One line for people.
    pub doc: &'static str,
}

/// How the bytes of a field are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the machine's numbers.
    Host,
    /// Big-endian words.
    Network,
    /// The big-endian 16-bit port in the upper half of the word: equals `htonl(port)` on every machine.
    NetworkHighHalf,
    /// A kernel pointer.
    Pointer,
}

/// The condition under which the kernel fills a field in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Always.
    Always,
    /// With any socket, a request socket included.
    AnySock,
    /// With a full, locked TCP socket; else it reads 0.
    Tcp,
    /// Not checked by the kernel up to 7.1: on a request socket the load leaves the object.
    Unchecked,
    /// With a full socket; else NULL.
    FullSock,
    /// With a segment at hand; else 0.
    Skb,
}

/// Whether a field can be read in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It holds its value.
    Yes,
    /// It holds its value on the client; on the server's request socket it reads 0.
    ClientOnly,
    /// It reads 0 there, or what it reads changes at any time, as nobody holds the socket.
    Zero,
    /// It reads what another layer of the kernel keeps in its place.
    Foreign,
    /// Reading it there can leave the kernel's object: never to be emitted.
    Dangerous,
}

impl Field {
    /// Whether this field can be read in `event`.
    pub fn availability(&self, event: &Event) -> Availability {
        match (self.guard, event.sock) {
            (Guard::Always | Guard::AnySock, _) => Availability::Yes,
            (Guard::Skb, Sock::Unlocked) => self.stamped(event),
            (Guard::Skb, _) if event.has_skb => Availability::Yes,
            (Guard::Skb, _) => Availability::Zero,
            (_, Sock::Full) => Availability::Yes,
            (Guard::FullSock, Sock::Unlocked) => Availability::Yes,
            (_, Sock::Unlocked) => Availability::Zero,
            (Guard::Unchecked, _) => Availability::Dangerous,
            (_, Sock::FullOrRequest) => Availability::ClientOnly,
            (_, Sock::None) => Availability::Zero,
        }
    }

    /// What a time-stamping event shows of its segment.
    fn stamped(&self, event: &Event) -> Availability {
        match STAMPED.iter().find(|(name, ..)| *name == self.name) {
            Some((_, events, _)) if events.contains(&event.name) => Availability::Yes,
            Some((_, _, elsewhere)) => *elsewhere,
            None => Availability::Zero,
        }
    }

    /// Whether loading it is guarded by a check that the kernel writes into the program.
    ///
    /// Such a load must not use the same register for the context and for the result (wrong code in
    /// kernels 4.16 to 7.0). Members of other structures are loaded as they are.
    pub fn is_guarded(&self) -> bool {
        self.of == Struct::SockOps
            && matches!(self.guard, Guard::Tcp | Guard::FullSock | Guard::Skb | Guard::Unchecked)
    }
}

/// The field that a policy calls `name`.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| !field.name.is_empty() && field.name == name)
}

/// The field whose kernel member is `kernel`.
pub fn kernel_field(kernel: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.kernel == kernel)
}

/// The field of the context that holds the word at `offset`, and which of its words that is.
pub fn field_at(offset: u16) -> Option<(&'static Field, u8)> {
    member_at(Struct::SockOps, offset)
}

/// The field of a structure that holds the word at `offset`, and which of its words that is.
pub fn member_at(of: Struct, offset: u16) -> Option<(&'static Field, u8)> {
    members(of).find_map(|field| {
        let end = field.offset + u16::from(field.size) * u16::from(field.words);
        if !(field.offset..end).contains(&offset) {
            return None;
        }
        let within = offset - field.offset;
        within.is_multiple_of(u16::from(field.size)).then(|| (field, (within / u16::from(field.size)) as u8))
    })
}

/// The fields of a structure.
pub fn members(of: Struct) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(move |field| field.of == of)
}

/// Members that describe a segment, the time-stamping events in which they do, and what they are in the others:
/// once a segment has left TCP, its control block (`skb->cb`) is the next layer's.
#[rustfmt::skip]
pub const STAMPED: &[(&str, &[&str], Availability)] = &[
    ("skb_len", &["tstamp_sched", "tstamp_snd_sw", "tstamp_snd_hw", "tstamp_ack", "tstamp_sendmsg"], Availability::Zero),
    ("skb_tcp_flags", &["tstamp_ack", "tstamp_sendmsg"], Availability::Foreign),
    ("skb_hwtstamp", &["tstamp_snd_hw"], Availability::Zero),
];

/// What members read on a socket that was just made, where that is not 0: kernel name and raw number
/// (`tcp_init_sock` in `net/ipv4/tcp.c`).
pub const INITIAL: &[(&str, u64)] =
    &[("snd_cwnd", 10), ("snd_ssthresh", 0x7fff_ffff), ("rtt_min", 0xffff_ffff), ("mss_cache", 536)];

/// Every member of the context, in the order of the kernel's struct, then those of other structures that say
/// what the context does not.
#[rustfmt::skip]
pub const FIELDS: &[Field] = &[
    Field { name: "", kernel: "op", of: Struct::SockOps, offset: 0, size: 4, words: 1, since: v(4, 13), order: Order::Host, writable: false, guard: Guard::Always, stable: true, ty: Type::Int, unit: Unit::Plain, doc: "Number of the event." },
    Field { name: "", kernel: "args", of: Struct::SockOps, offset: 4, size: 4, words: 4, since: v(4, 13), order: Order::Host, writable: true, guard: Guard::Always, stable: true, ty: Type::Int, unit: Unit::Plain, doc: "Arguments of the event; the first word is also `reply`." },
    Field { name: "family", kernel: "family", of: Struct::SockOps, offset: 20, size: 4, words: 1, since: v(4, 13), order: Order::Host, writable: false, guard: Guard::AnySock, stable: true, ty: Type::Family, unit: Unit::Plain, doc: "Address family of the connection: IPv4 over an IPv6 socket is `ipv4`. Of a listener it is the socket's." },
    Field { name: "", kernel: "remote_ip4", of: Struct::SockOps, offset: 24, size: 4, words: 1, since: v(4, 13), order: Order::Network, writable: false, guard: Guard::AnySock, stable: true, ty: Type::Int, unit: Unit::Plain, doc: "Peer's IPv4 address; reads 0 or 127.0.0.6 on IPv6 sockets." },
    Field { name: "", kernel: "local_ip4", of: Struct::SockOps, offset: 28, size: 4, words: 1, since: v(4, 13), order: Order::Network, writable: false, guard: Guard::AnySock, stable: true, ty: Type::Int, unit: Unit::Plain, doc: "Local IPv4 address; reads 127.0.0.6 on IPv6 sockets." },
    Field { name: "remote_ip", kernel: "remote_ip6", of: Struct::SockOps, offset: 32, size: 4, words: 4, since: v(4, 13), order: Order::Network, writable: false, guard: Guard::AnySock, stable: true, ty: Type::Ip, unit: Unit::Plain, doc: "Peer's address; IPv4 peers read `::ffff:a.b.c.d`." },
    Field { name: "local_ip", kernel: "local_ip6", of: Struct::SockOps, offset: 48, size: 4, words: 4, since: v(4, 13), order: Order::Network, writable: false, guard: Guard::AnySock, stable: true, ty: Type::Ip, unit: Unit::Plain, doc: "Local address." },
    Field { name: "remote_port", kernel: "remote_port", of: Struct::SockOps, offset: 64, size: 4, words: 1, since: v(4, 13), order: Order::NetworkHighHalf, writable: false, guard: Guard::AnySock, stable: true, ty: Type::Port, unit: Unit::Plain, doc: "Peer's port; 0 in `tcp_listen`." },
    Field { name: "local_port", kernel: "local_port", of: Struct::SockOps, offset: 68, size: 4, words: 1, since: v(4, 13), order: Order::Host, writable: false, guard: Guard::AnySock, stable: true, ty: Type::Port, unit: Unit::Plain, doc: "Local port." },
    Field { name: "is_fullsock", kernel: "is_fullsock", of: Struct::SockOps, offset: 72, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Always, stable: true, ty: Type::Bool, unit: Unit::Bool, doc: "Whether there is a full socket, not only a request." },
    Field { name: "snd_cwnd", kernel: "snd_cwnd", of: Struct::SockOps, offset: 76, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Congestion window." },
    Field { name: "srtt", kernel: "srtt_us", of: Struct::SockOps, offset: 80, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Duration, unit: Unit::EighthMicroseconds, doc: "Smoothed round-trip time; 0 until the first sample." },
    Field { name: "bpf_sock_ops_cb_flags", kernel: "bpf_sock_ops_cb_flags", of: Struct::SockOps, offset: 84, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "The socket's callback flags." },
    Field { name: "state", kernel: "state", of: Struct::SockOps, offset: 88, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::AnySock, stable: false, ty: Type::State, unit: Unit::Plain, doc: "TCP state; a request socket is in `NEW_SYN_RECV`." },
    Field { name: "rtt_min", kernel: "rtt_min", of: Struct::SockOps, offset: 92, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Unchecked, stable: false, ty: Type::Duration, unit: Unit::Microseconds, doc: "Lowest round-trip time seen of late; 4294967295us before the first sample." },
    Field { name: "snd_ssthresh", kernel: "snd_ssthresh", of: Struct::SockOps, offset: 96, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Slow-start threshold; 2147483647 at first." },
    Field { name: "rcv_nxt", kernel: "rcv_nxt", of: Struct::SockOps, offset: 100, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "Next sequence number expected." },
    Field { name: "snd_nxt", kernel: "snd_nxt", of: Struct::SockOps, offset: 104, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "Next sequence number to send." },
    Field { name: "snd_una", kernel: "snd_una", of: Struct::SockOps, offset: 108, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "First byte not acknowledged yet." },
    Field { name: "mss_cache", kernel: "mss_cache", of: Struct::SockOps, offset: 112, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Size, unit: Unit::Bytes, doc: "Segment size in use; 536 before the SYN is built." },
    Field { name: "ecn_flags", kernel: "ecn_flags", of: Struct::SockOps, offset: 116, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "ECN state bits, internal to the kernel." },
    Field { name: "rate_delivered", kernel: "rate_delivered", of: Struct::SockOps, offset: 120, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments delivered in the last rate sample." },
    Field { name: "rate_interval", kernel: "rate_interval_us", of: Struct::SockOps, offset: 124, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Duration, unit: Unit::Microseconds, doc: "Length of the last rate sample." },
    Field { name: "packets_out", kernel: "packets_out", of: Struct::SockOps, offset: 128, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments in flight." },
    Field { name: "retrans_out", kernel: "retrans_out", of: Struct::SockOps, offset: 132, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Retransmitted segments in flight." },
    Field { name: "total_retrans", kernel: "total_retrans", of: Struct::SockOps, offset: 136, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Retransmissions in the whole life of the connection." },
    Field { name: "segs_in", kernel: "segs_in", of: Struct::SockOps, offset: 140, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments received." },
    Field { name: "data_segs_in", kernel: "data_segs_in", of: Struct::SockOps, offset: 144, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments with data received." },
    Field { name: "segs_out", kernel: "segs_out", of: Struct::SockOps, offset: 148, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments sent." },
    Field { name: "data_segs_out", kernel: "data_segs_out", of: Struct::SockOps, offset: 152, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments with data sent." },
    Field { name: "lost_out", kernel: "lost_out", of: Struct::SockOps, offset: 156, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments taken for lost." },
    Field { name: "sacked_out", kernel: "sacked_out", of: Struct::SockOps, offset: 160, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments acknowledged selectively." },
    Field { name: "sk_txhash", kernel: "sk_txhash", of: Struct::SockOps, offset: 164, size: 4, words: 1, since: v(4, 16), order: Order::Host, writable: true, guard: Guard::Tcp, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "Transmit hash: steers multi-path routing, the queue and the flow label. A policy can assign it." },
    Field { name: "bytes_received", kernel: "bytes_received", of: Struct::SockOps, offset: 168, size: 8, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Size, unit: Unit::Bytes, doc: "Bytes received in order." },
    Field { name: "bytes_acked", kernel: "bytes_acked", of: Struct::SockOps, offset: 176, size: 8, words: 1, since: v(4, 16), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Size, unit: Unit::Bytes, doc: "Bytes acknowledged by the peer." },
    Field { name: "", kernel: "sk", of: Struct::SockOps, offset: 184, size: 8, words: 1, since: v(5, 3), order: Order::Pointer, writable: false, guard: Guard::FullSock, stable: true, ty: Type::Int, unit: Unit::Plain, doc: "The socket; NULL for a request socket." },
    Field { name: "", kernel: "skb_data", of: Struct::SockOps, offset: 192, size: 8, words: 1, since: v(5, 10), order: Order::Pointer, writable: false, guard: Guard::Skb, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "Start of the segment at hand." },
    Field { name: "", kernel: "skb_data_end", of: Struct::SockOps, offset: 200, size: 8, words: 1, since: v(5, 10), order: Order::Pointer, writable: false, guard: Guard::Skb, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "End of its readable header." },
    Field { name: "skb_len", kernel: "skb_len", of: Struct::SockOps, offset: 208, size: 4, words: 1, since: v(5, 10), order: Order::Host, writable: false, guard: Guard::Skb, stable: true, ty: Type::Size, unit: Unit::Bytes, doc: "Length of the segment at hand, header included; in `tstamp_sched` and `tstamp_snd_sw` with that of the link too, in `hdr_opt_len`, `tstamp_sendmsg` and `tstamp_ack` without any." },
    Field { name: "skb_tcp_flags", kernel: "skb_tcp_flags", of: Struct::SockOps, offset: 212, size: 4, words: 1, since: v(5, 10), order: Order::Host, writable: false, guard: Guard::Skb, stable: true, ty: Type::Int, unit: Unit::Plain, doc: "TCP flags of the segment at hand (FIN 1, SYN 2, RST 4, PSH 8, ACK 16)." },
    Field { name: "skb_hwtstamp", kernel: "skb_hwtstamp", of: Struct::SockOps, offset: 216, size: 8, words: 1, since: v(6, 2), order: Order::Host, writable: false, guard: Guard::Skb, stable: true, ty: Type::Duration, unit: Unit::Nanoseconds, doc: "Hardware time stamp of the segment at hand, or 0." },
    Field { name: "bound_dev_if", kernel: "bound_dev_if", of: Struct::Sock, offset: 0, size: 4, words: 1, since: v(5, 3), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "Index of the device that the socket is bound to; 0 if it is bound to none." },
    Field { name: "dsack_dups", kernel: "dsack_dups", of: Struct::TcpSock, offset: 96, size: 4, words: 1, since: v(5, 3), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments that the peer said it got twice (DSACK): retransmissions that were not needed." },
    Field { name: "delivered", kernel: "delivered", of: Struct::TcpSock, offset: 100, size: 4, words: 1, since: v(5, 3), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Segments that reached the peer, every copy counted; the first one is the SYN or SYN-ACK." },
    Field { name: "delivered_ce", kernel: "delivered_ce", of: Struct::TcpSock, offset: 104, size: 4, words: 1, since: v(5, 3), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Packets, unit: Unit::Packets, doc: "Those of `delivered` whose acknowledgement said that congestion was met (ECN)." },
    Field { name: "icsk_retransmits", kernel: "icsk_retransmits", of: Struct::TcpSock, offset: 108, size: 4, words: 1, since: v(5, 3), order: Order::Host, writable: false, guard: Guard::Tcp, stable: false, ty: Type::Int, unit: Unit::Plain, doc: "Timeouts in a row, without an acknowledgement between; in `rto` it equals `backoff`." },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_members_share_a_name() {
        for (at, field) in FIELDS.iter().enumerate() {
            for other in &FIELDS[..at] {
                assert_ne!(field.kernel, other.kernel);
                assert!(field.name.is_empty() || field.name != other.name, "{}", field.name);
            }
        }
    }

    #[test]
    fn members_are_found_in_their_own_structure() {
        let found = |of, offset| member_at(of, offset).map(|(field, word)| (field.kernel, word));
        assert_eq!(found(Struct::SockOps, 100), Some(("rcv_nxt", 0)));
        assert_eq!(found(Struct::SockOps, 44), Some(("remote_ip6", 3)));
        assert_eq!(found(Struct::TcpSock, 100), Some(("delivered", 0)));
        assert_eq!(found(Struct::Sock, 0), Some(("bound_dev_if", 0)));
        // What the context has is read there, and an address between two members is none.
        assert_eq!((found(Struct::TcpSock, 8), found(Struct::TcpSock, 102)), (None, None));
        for field in FIELDS {
            let end = usize::from(field.offset) + usize::from(field.size) * usize::from(field.words);
            assert!(end <= field.of.size(), "{}", field.kernel);
        }
    }
}
