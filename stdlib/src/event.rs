//! Every sock_ops operation: what the kernel calls a program for.
//!
//! Numbers and names are those of the `BPF_SOCK_OPS_*` enumeration in `include/uapi/linux/bpf.h`.

use crate::kernel::{KernelVersion, v};
use crate::unit::{Type, Unit};

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// What a policy calls it: the kernel's constant in lower case, without `BPF_SOCK_OPS_` and `_CB`.
    pub name: &'static str,
    /// The kernel's constant.
    pub kernel: &'static str,
    /// Its number, as `op` shows it.
    pub number: u32,
    /// First kernel that raises it.
    pub since: KernelVersion,
    /// What it asks, if it asks anything.
    pub reply: Option<Reply>,
    /// Names and units of `args[0]`, `args[1]`, …
    pub args: &'static [Arg],
    /// The socket it runs on.
    pub sock: Sock,
    /// Whether the header of a segment can be read.
    pub has_skb: bool,
    /// Which ends of a connection it is raised on.
    pub role: EventRole,
    /// Whether the peer is known (it is not while listening).
    pub has_remote: bool,
    /// The callback flag a socket must have for the kernel to raise it; 0 if none (see [`crate::enable`] too).
    pub flag: u32,
    /// The events in which a socket asks for it, each before the kernel could first raise it.
    pub enabled_in: &'static [&'static str],
    /// Whether policies can have rules for it yet.
    pub supported: bool,
    /// When the kernel raises it.
    pub doc: &'static str,
    /// A rule.
    pub example: &'static str,
}

/// The question an event asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reply {
    /// Type of the answer.
    pub ty: Type,
    /// The kernel's unit.
    pub unit: Unit,
    /// Largest answer in the kernel's unit that it does not misread (replies are signed 32-bit numbers).
    pub max: u64,
    /// What the kernel does without an answer (an answer of 0 means the same).
    pub default: &'static str,
    /// What an answer changes.
    pub effect: &'static str,
}

/// An argument of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arg {
    /// What a policy calls it.
    pub name: &'static str,
    /// Type in the language.
    pub ty: Type,
    /// Unit of the raw number.
    pub unit: Unit,
    /// First kernel that fills it in.
    pub since: KernelVersion,
    /// One line for people.
    pub doc: &'static str,
}

/// The kind of socket behind an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sock {
    /// Always a full, locked socket.
    Full,
    /// A full socket on the client, a request socket (addresses, family and state only; no socket
    /// options) on the server.
    FullOrRequest,
    /// A full socket that is not locked (addresses, ports, family and state only): TCP fields read 0, no socket
    /// options.
    Unlocked,
    /// No socket.
    None,
}

/// The ends that an event is raised on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventRole {
    /// Only the end that connects.
    Client,
    /// Only the end that listens or accepts.
    Server,
    /// Both; the client's socket is in state `SYN_SENT`, the server's is not.
    BySynSent,
    /// Both, and nothing tells them apart.
    Unknown,
}

/// The event that a policy calls `name`.
pub fn event(name: &str) -> Option<&'static Event> {
    EVENTS.iter().find(|event| event.name == name)
}

/// The event of this `op`.
pub fn event_by_number(number: u32) -> Option<&'static Event> {
    EVENTS.iter().find(|event| event.number == number)
}

/// The TCP state that a full socket is in when the event is raised on it, by its name; `None` where
/// that varies. The server's request socket is in `NEW_SYN_RECV`.
pub fn full_socket_state(event: &Event) -> Option<&'static str> {
    match event.name {
        "timeout_init" | "rwnd_init" | "needs_ecn" | "tcp_connect" => Some("SYN_SENT"),
        "active_established" => Some("ESTABLISHED"),
        "passive_established" => Some("SYN_RECV"),
        "tcp_listen" => Some("LISTEN"),
        _ => None,
    }
}

/// A short name for several events.
pub struct EventGroup {
    /// What a policy writes.
    pub name: &'static str,
    /// The events it stands for.
    pub events: &'static [&'static str],
}

/// Short names for several events.
pub const EVENT_GROUPS: &[EventGroup] = &[EventGroup { name: "established", events: ESTABLISHED }];

/// A connection was set up, on either end.
pub const ESTABLISHED: &[&str] = &["active_established", "passive_established"];
/// Before the first segment is sent, on a client and on a listener, whose flags its connections take over; a
/// connection whose listener did not ask can still ask for later segments.
pub const WITH_FIRST_SEGMENT: &[&str] =
    &["tcp_connect", "active_established", "passive_established", "tcp_listen"];

/// Every operation, by number.
#[rustfmt::skip]
pub const EVENTS: &[Event] = &[
    Event {
        name: "void", kernel: "BPF_SOCK_OPS_VOID", number: 0, since: v(4, 13),
        reply: None,
        args: &[],
        sock: Sock::None, has_skb: false, role: EventRole::Unknown, has_remote: false, flag: 0x0, enabled_in: &[], supported: false,
        doc: "Never raised.",
        example: "",
    },
    Event {
        name: "timeout_init", kernel: "BPF_SOCK_OPS_TIMEOUT_INIT", number: 1, since: v(4, 13),
        reply: Some(Reply { ty: Type::Duration, unit: Unit::Jiffies, max: 0x7fff_ffff, default: "1 second", effect: "the first retransmission timer of the SYN or SYN-ACK; it doubles from there (on the server before 5.18 from 1 second)" }),
        args: &[],
        sock: Sock::FullOrRequest, has_skb: false, role: EventRole::BySynSent, has_remote: true, flag: 0x0, enabled_in: &[], supported: true,
        doc: "The kernel asks for the first retransmission timeout of a SYN or SYN-ACK, again at every retransmission of a SYN.",
        example: "on timeout_init when same_prefix(44) -> 10ms",
    },
    Event {
        name: "rwnd_init", kernel: "BPF_SOCK_OPS_RWND_INIT", number: 2, since: v(4, 13),
        reply: Some(Reply { ty: Type::Packets, unit: Unit::Packets, max: 0xffff, default: "what the route says, or what the receive buffer allows", effect: "the initial receive window: a client can only shrink it, a server can also let it grow beyond the receive buffer; it can raise the window scale" }),
        args: &[],
        sock: Sock::FullOrRequest, has_skb: false, role: EventRole::BySynSent, has_remote: true, flag: 0x0, enabled_in: &[], supported: true,
        doc: "The kernel asks for the initial receive window, before `timeout_init`.",
        example: "on rwnd_init when remote_port == 443 -> 40",
    },
    Event {
        name: "tcp_connect", kernel: "BPF_SOCK_OPS_TCP_CONNECT_CB", number: 3, since: v(4, 13),
        reply: None,
        args: &[],
        sock: Sock::Full, has_skb: false, role: EventRole::Client, has_remote: true, flag: 0x0, enabled_in: &[], supported: true,
        doc: "First thing when a client connects, before the SYN is built; addresses and ports are chosen.",
        example: "on tcp_connect { sndbuf = 1500KB }",
    },
    Event {
        name: "active_established", kernel: "BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB", number: 4, since: v(4, 13),
        reply: None,
        args: &[],
        sock: Sock::Full, has_skb: true, role: EventRole::Client, has_remote: true, flag: 0x0, enabled_in: &[], supported: true,
        doc: "A client got the SYN-ACK; the congestion window is initialised, the congestion control not yet.",
        example: "on active_established { init_cwnd = 40 }",
    },
    Event {
        name: "passive_established", kernel: "BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB", number: 5, since: v(4, 13),
        reply: None,
        args: &[],
        sock: Sock::Full, has_skb: true, role: EventRole::Server, has_remote: true, flag: 0x0, enabled_in: &[], supported: true,
        doc: "A server got the last ACK of the handshake; the congestion window is initialised, the congestion control not yet.",
        example: "on passive_established { cwnd_clamp = 100 }",
    },
    Event {
        name: "needs_ecn", kernel: "BPF_SOCK_OPS_NEEDS_ECN", number: 6, since: v(4, 13),
        reply: Some(Reply { ty: Type::Bool, unit: Unit::Bool, max: 1, default: "no", effect: "ECN is negotiated the DCTCP way: the SYN or SYN-ACK is itself marked, so a Linux peer declines unless its own policy also answers `true` or its congestion control needs ECN" }),
        args: &[],
        sock: Sock::FullOrRequest, has_skb: false, role: EventRole::BySynSent, has_remote: true, flag: 0x0, enabled_in: &[], supported: true,
        doc: "The kernel asks whether to negotiate ECN, on each end.",
        example: "on needs_ecn when same_prefix(44) -> true",
    },
    Event {
        name: "base_rtt", kernel: "BPF_SOCK_OPS_BASE_RTT", number: 7, since: v(4, 15),
        reply: Some(Reply { ty: Type::Duration, unit: Unit::Microseconds, max: 0x7fff_ffff, default: "no bounds", effect: "a lower bound of the round-trip times that `nv` believes" }),
        args: &[],
        sock: Sock::Full, has_skb: false, role: EventRole::Unknown, has_remote: true, flag: 0x0, enabled_in: &[], supported: true,
        doc: "The congestion control `nv` asks for the round-trip time of the empty path.",
        example: "on base_rtt -> 80us",
    },
    Event {
        name: "rto", kernel: "BPF_SOCK_OPS_RTO_CB", number: 8, since: v(4, 16),
        reply: None,
        args: &[Arg { name: "backoff", ty: Type::Int, unit: Unit::Plain, since: v(4, 16), doc: "Retransmissions so far." }, Arg { name: "rto", ty: Type::Duration, unit: Unit::Jiffies, since: v(4, 16), doc: "The timer that expired." }, Arg { name: "aborting", ty: Type::Bool, unit: Unit::Bool, since: v(4, 16), doc: "Whether the connection is about to be given up." }],
        sock: Sock::Full, has_skb: false, role: EventRole::Unknown, has_remote: true, flag: 0x1, enabled_in: ESTABLISHED, supported: true,
        doc: "The retransmission timer expired.",
        example: "on rto when backoff >= 3 { congestion = \"reno\" }",
    },
    Event {
        name: "retrans", kernel: "BPF_SOCK_OPS_RETRANS_CB", number: 9, since: v(4, 16),
        reply: None,
        args: &[Arg { name: "seq", ty: Type::Int, unit: Unit::Plain, since: v(4, 16), doc: "Sequence number of the first byte." }, Arg { name: "segs", ty: Type::Packets, unit: Unit::Packets, since: v(4, 16), doc: "Segments sent again." }, Arg { name: "result", ty: Type::Int, unit: Unit::Plain, since: v(4, 16), doc: "0 if it was sent, else an error number." }],
        sock: Sock::Full, has_skb: false, role: EventRole::Unknown, has_remote: true, flag: 0x2, enabled_in: ESTABLISHED, supported: true,
        doc: "A segment was sent again.",
        example: "on retrans { count retransmissions by remote_ip }",
    },
    Event {
        name: "state", kernel: "BPF_SOCK_OPS_STATE_CB", number: 10, since: v(4, 16),
        reply: None,
        args: &[Arg { name: "old_state", ty: Type::State, unit: Unit::Plain, since: v(4, 16), doc: "State that is left." }, Arg { name: "new_state", ty: Type::State, unit: Unit::Plain, since: v(4, 16), doc: "State that is entered." }],
        sock: Sock::Full, has_skb: false, role: EventRole::Unknown, has_remote: true, flag: 0x4, enabled_in: ESTABLISHED, supported: true,
        doc: "The TCP state changes; `state` still shows the old one.",
        example: "on state when new_state == CLOSE { count closed }",
    },
    Event {
        name: "tcp_listen", kernel: "BPF_SOCK_OPS_TCP_LISTEN_CB", number: 11, since: v(4, 19),
        reply: None,
        args: &[],
        sock: Sock::Full, has_skb: false, role: EventRole::Server, has_remote: false, flag: 0x0, enabled_in: &[], supported: true,
        doc: "A socket began to listen; the sockets it accepts take over its options.",
        example: "on tcp_listen { rcvbuf = 1500KB }",
    },
    Event {
        name: "rtt", kernel: "BPF_SOCK_OPS_RTT_CB", number: 12, since: v(5, 3),
        reply: None,
        args: &[Arg { name: "measured_rtt", ty: Type::Duration, unit: Unit::Microseconds, since: v(6, 10), doc: "The sample." }, Arg { name: "new_srtt", ty: Type::Duration, unit: Unit::EighthMicroseconds, since: v(6, 10), doc: "The smoothed time with the sample." }],
        sock: Sock::Full, has_skb: false, role: EventRole::Unknown, has_remote: true, flag: 0x8, enabled_in: ESTABLISHED, supported: true,
        doc: "A round trip was measured, about once per round trip.",
        example: "on rtt when measured_rtt > 200ms { count slow_samples }",
    },
    Event {
        name: "parse_hdr_opt", kernel: "BPF_SOCK_OPS_PARSE_HDR_OPT_CB", number: 13, since: v(5, 10),
        reply: None,
        args: &[],
        sock: Sock::Full, has_skb: true, role: EventRole::Unknown, has_remote: true, flag: 0x30, enabled_in: ESTABLISHED, supported: true,
        doc: "A segment came in after the handshake and was not taken by the fast path, which knows no options but time stamps.",
        example: "on parse_hdr_opt { count slow_segments }",
    },
    Event {
        name: "hdr_opt_len", kernel: "BPF_SOCK_OPS_HDR_OPT_LEN_CB", number: 14, since: v(5, 10),
        reply: None,
        args: &[Arg { name: "mode", ty: Type::Int, unit: Unit::Plain, since: v(5, 10), doc: "0 normal, 1 computation of the segment size, 2 SYN cookie." }],
        sock: Sock::FullOrRequest, has_skb: true, role: EventRole::Unknown, has_remote: true, flag: 0x40, enabled_in: WITH_FIRST_SEGMENT, supported: true,
        doc: "The kernel asks how much room header options need in a segment; `skb_len` is the length of its data.",
        example: "on hdr_opt_len when mode == 1 { count size_computations }",
    },
    Event {
        name: "write_hdr_opt", kernel: "BPF_SOCK_OPS_WRITE_HDR_OPT_CB", number: 15, since: v(5, 10),
        reply: None,
        args: &[Arg { name: "mode", ty: Type::Int, unit: Unit::Plain, since: v(5, 10), doc: "0 normal, 2 SYN cookie." }],
        sock: Sock::FullOrRequest, has_skb: true, role: EventRole::Unknown, has_remote: true, flag: 0x40, enabled_in: WITH_FIRST_SEGMENT, supported: true,
        doc: "Header options are written into an outgoing segment in which room was reserved.",
        example: "on write_hdr_opt { count segments_with_options }",
    },
    Event {
        name: "tstamp_sched", kernel: "BPF_SOCK_OPS_TSTAMP_SCHED_CB", number: 16, since: v(6, 15),
        reply: None,
        args: &[],
        sock: Sock::Unlocked, has_skb: true, role: EventRole::Unknown, has_remote: true, flag: 0x0, enabled_in: ESTABLISHED, supported: true,
        doc: "The last segment of a stamped send enters the packet scheduler.",
        example: "on tstamp_sched when remote_port == 443 { count queued }",
    },
    Event {
        name: "tstamp_snd_sw", kernel: "BPF_SOCK_OPS_TSTAMP_SND_SW_CB", number: 17, since: v(6, 15),
        reply: None,
        args: &[],
        sock: Sock::Unlocked, has_skb: true, role: EventRole::Unknown, has_remote: true, flag: 0x0, enabled_in: ESTABLISHED, supported: true,
        doc: "The driver takes a software time stamp of the last segment of a stamped send.",
        example: "on tstamp_snd_sw { count sent by local_port }",
    },
    Event {
        name: "tstamp_snd_hw", kernel: "BPF_SOCK_OPS_TSTAMP_SND_HW_CB", number: 18, since: v(6, 15),
        reply: None,
        args: &[],
        sock: Sock::Unlocked, has_skb: true, role: EventRole::Unknown, has_remote: true, flag: 0x0, enabled_in: ESTABLISHED, supported: true,
        doc: "The device takes a hardware time stamp of the last segment of a stamped send; few devices do, and only if they are told to.",
        example: "on tstamp_snd_hw when skb_hwtstamp > 0ns { count stamped }",
    },
    Event {
        name: "tstamp_ack", kernel: "BPF_SOCK_OPS_TSTAMP_ACK_CB", number: 19, since: v(6, 15),
        reply: None,
        args: &[],
        sock: Sock::Unlocked, has_skb: true, role: EventRole::Unknown, has_remote: true, flag: 0x0, enabled_in: ESTABLISHED, supported: true,
        doc: "The peer acknowledged all bytes of a stamped send.",
        example: "on tstamp_ack { count acked by remote_ip }",
    },
    Event {
        name: "tstamp_sendmsg", kernel: "BPF_SOCK_OPS_TSTAMP_SENDMSG_CB", number: 20, since: v(6, 15),
        reply: None,
        args: &[],
        sock: Sock::Unlocked, has_skb: true, role: EventRole::Unknown, has_remote: true, flag: 0x0, enabled_in: ESTABLISHED, supported: true,
        doc: "A send call put its last bytes into the queue. Rules for the other time-stamping events have the send stamped.",
        example: "on tstamp_sendmsg sample 1% { count sends }",
    },
];
