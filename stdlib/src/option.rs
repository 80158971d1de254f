//! Every socket option that `bpf_setsockopt` and `bpf_getsockopt` take from a sock_ops program.
//!
//! Levels and numbers are the generic ones of `include/uapi/linux/{in,in6,tcp,bpf}.h` and
//! `include/uapi/asm-generic/socket.h`; ranges are what `net/core/filter.c`, `net/ipv4/tcp.c` and
//! `net/core/sock.c` check.

use crate::event::ESTABLISHED;
use crate::kernel::{KernelVersion, v};
use crate::unit::{Type, Unit};

/// One socket option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SockOption {
    /// What a policy calls it.
    pub name: &'static str,
    /// The kernel's constant.
    pub kernel: &'static str,
    /// The kernel's name of the level.
    pub level_name: &'static str,
    /// The level.
    pub level: u32,
    /// The option's number.
    pub number: u32,
    /// How the kernel takes the value.
    pub value: OptionValue,
    /// Type in the language.
    pub ty: Type,
    /// Unit of the raw number.
    pub unit: Unit,
    /// Smallest value taken, in the raw unit.
    pub min: i64,
    /// Largest value taken, in the raw unit.
    pub max: i64,
    /// First kernel in which a program can set it.
    pub set_since: Option<KernelVersion>,
    /// First kernel in which a program can read it.
    pub get_since: Option<KernelVersion>,
    /// The only address family it works on.
    pub family: OptionFamily,
    /// How the value read relates to the value set.
    pub readback: Readback,
    /// Events where an assignment does less than it says. Events without a row take it.
    pub limits: &'static [Limit],
    /// Whether a policy may assign it; if not, why.
    pub reserved: Option<&'static str>,
    /// One line for people.
    pub doc: &'static str,
    /// Side effects and errors worth knowing; may be empty.
    pub note: &'static str,
}

/// The bytes that an option is passed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// A 32-bit signed number.
    Int,
    /// A 32-bit unsigned number.
    Uint,
    /// A name of at most 15 bytes and a NUL.
    Name,
    /// Raw bytes.
    Bytes,
}

/// The families that an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionFamily {
    /// Every socket.
    Any,
    /// Sockets of `AF_INET` (newer kernels: those of `AF_INET6` that are not for IPv6 only, too).
    Inet,
    /// Sockets of `AF_INET6`.
    Inet6,
}

/// How a value read back relates to the value set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readback {
    /// Equal.
    Same,
    /// Twice as large: the kernel adds room for its bookkeeping.
    Doubled,
    /// Rounded up to whole jiffies.
    Jiffies,
    /// Something else is read than was set.
    Other,
}

/// What an assignment does in some events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The events, in groups.
    pub events: &'static [&'static [&'static str]],
    /// How much of it is lost there.
    pub verdict: Verdict,
    /// Why, as the end of "… here: ".
    pub why: &'static str,
    /// Events that do what was meant.
    pub instead: &'static [&'static str],
}

/// How much of an assignment is lost in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel takes it and it has no effect: an error.
    Ignored,
    /// The kernel takes it and does only a part: a warning.
    Partial,
    /// It can harm the kernel, or is always refused: an error.
    Forbidden,
}

impl Limit {
    /// The events.
    pub fn events(&self) -> impl Iterator<Item = &'static str> {
        self.events.iter().copied().flatten().copied()
    }
}

impl SockOption {
    /// The limit that applies in the event of this name.
    pub fn limit(&self, event: &str) -> Option<&'static Limit> {
        self.limits.iter().find(|limit| limit.events().any(|name| name == event))
    }
}

/// The option that a policy calls `name`.
pub fn option(name: &str) -> Option<&'static SockOption> {
    OPTIONS.iter().find(|option| option.name == name)
}

/// The option with this level and number.
pub fn option_by_number(level: u32, number: u32) -> Option<&'static SockOption> {
    OPTIONS.iter().find(|option| option.level == level && option.number == number)
}

/// The last jiffy-bound timer value that `TCP_BPF_DELACK_MAX` and `TCP_BPF_RTO_MIN` take, in microseconds.
const TIMER_MAX_US: i64 = 200_000;

/// Events of a connection that was established before.
const LATER: &[&str] = &["base_rtt", "rto", "retrans", "state", "rtt", "parse_hdr_opt"];
/// Events in which header options are written.
const HEADER_EVENTS: &[&str] = &["hdr_opt_len", "write_hdr_opt"];

const CONNECT_LATE: Limit = Limit {
    events: &[&["timeout_init", "needs_ecn"], ESTABLISHED, LATER, HEADER_EVENTS],
    verdict: Verdict::Ignored,
    why: "the SYN went out already",
    instead: &["tcp_connect", "tcp_listen"],
};
const NODELAY_REENTERS: Limit = Limit {
    events: &[HEADER_EVENTS],
    verdict: Verdict::Forbidden,
    why: "it sends data at once, which runs the program again and can exhaust the kernel's stack",
    instead: &["tcp_connect", "established"],
};
const RCVBUF_LATE: Limit = Limit {
    events: &[&["rwnd_init", "timeout_init", "needs_ecn"], ESTABLISHED, LATER, HEADER_EVENTS],
    verdict: Verdict::Partial,
    why: "the window scale was chosen already, so the window cannot grow with the buffer",
    instead: &["tcp_connect", "tcp_listen"],
};
const IW_EARLY: Limit = Limit {
    events: &[&["tcp_connect", "tcp_listen", "timeout_init", "rwnd_init", "needs_ecn"]],
    verdict: Verdict::Ignored,
    why: "the kernel sets the window again when the connection is established",
    instead: &["active_established", "passive_established"],
};
const IW_LATE: Limit = Limit {
    events: &[LATER, HEADER_EVENTS],
    verdict: Verdict::Forbidden,
    why: "the kernel refuses it once data was sent",
    instead: &["active_established", "passive_established"],
};
const RTO_MIN_LATE: Limit = Limit {
    events: &[ESTABLISHED],
    verdict: Verdict::Partial,
    why: "the first retransmission timer was computed already; it counts from the next round trip on",
    instead: &["tcp_connect", "tcp_listen"],
};
const CLAMP_LATE: Limit = Limit {
    events: &[ESTABLISHED],
    verdict: Verdict::Partial,
    why: "the first window for data and its scale were announced already",
    instead: &["tcp_connect", "tcp_listen"],
};
const SAVE_SYN_WHERE: Limit = Limit {
    events: &[
        &["tcp_connect"],
        ESTABLISHED,
        &["timeout_init", "rwnd_init", "needs_ecn"],
        LATER,
        HEADER_EVENTS,
    ],
    verdict: Verdict::Ignored,
    why: "only a listening socket saves SYNs",
    instead: &["tcp_listen"],
};
const SYNCNT_LATE: Limit = Limit {
    events: &[ESTABLISHED, LATER],
    verdict: Verdict::Ignored,
    why: "the handshake is over",
    instead: &["tcp_connect", "tcp_listen"],
};
const BIND_LATE: Limit = Limit {
    events: &[ESTABLISHED],
    verdict: Verdict::Partial,
    why: "the first route was chosen already",
    instead: &["tcp_connect"],
};

/// What options of a new socket read with no configuration changed, in the raw unit, where that is not 0.
/// Buffers grow with the connection; these are `tcp_wmem[1]` and `tcp_rmem[1]`.
pub const INITIAL: &[(&str, i64)] = &[
    ("sndbuf", 16_384),
    ("rcvbuf", 131_072),
    ("rcvlowat", 1),
    ("max_pacing_rate", 0xffff_ffff),
    ("txrehash", 1),
    ("keepidle", 7_200),
    ("keepintvl", 75),
    ("keepcnt", 9),
    ("syncnt", 6),
    ("rto_max", 120_000),
    ("delack_max", 200_000),
    ("rto_min", 200_000),
    ("autoflowlabel", 1),
    // A program cannot read these two; a new socket has them all the same.
    ("init_cwnd", 10),
    ("cwnd_clamp", 0xffff_ffff),
];
/// The congestion control of a kernel that nobody configured.
pub const INITIAL_CONGESTION: &str = "cubic";

/// Every option, by level.
#[rustfmt::skip]
pub const OPTIONS: &[SockOption] = &[
    SockOption {
        name: "reuseaddr", kernel: "SO_REUSEADDR", level_name: "SOL_SOCKET", level: 1, number: 2,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(6, 1)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Whether the local address may be reused.", note: "",
    },
    SockOption {
        name: "sndbuf", kernel: "SO_SNDBUF", level_name: "SOL_SOCKET", level: 1, number: 7,
        value: OptionValue::Int, ty: Type::Size, unit: Unit::Bytes, min: 1, max: 2147483647,
        set_since: Some(v(4, 13)), get_since: Some(v(5, 17)), family: OptionFamily::Any, readback: Readback::Doubled,
        limits: &[], reserved: None,
        doc: "Send buffer.", note: "Capped by net.core.wmem_max; fixes the buffer, so the kernel no longer tunes it.",
    },
    SockOption {
        name: "rcvbuf", kernel: "SO_RCVBUF", level_name: "SOL_SOCKET", level: 1, number: 8,
        value: OptionValue::Int, ty: Type::Size, unit: Unit::Bytes, min: 1, max: 2147483647,
        set_since: Some(v(4, 13)), get_since: Some(v(5, 17)), family: OptionFamily::Any, readback: Readback::Doubled,
        limits: &[RCVBUF_LATE], reserved: None,
        doc: "Receive buffer.", note: "Capped by net.core.rmem_max; fixes the buffer, so the kernel no longer tunes it, and the window scale is computed from it.",
    },
    SockOption {
        name: "keepalive", kernel: "SO_KEEPALIVE", level_name: "SOL_SOCKET", level: 1, number: 9,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(5, 9)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Whether keepalive probes are sent.", note: "",
    },
    SockOption {
        name: "priority", kernel: "SO_PRIORITY", level_name: "SOL_SOCKET", level: 1, number: 12,
        value: OptionValue::Uint, ty: Type::Int, unit: Unit::Plain, min: 0, max: 4294967295,
        set_since: Some(v(4, 13)), get_since: Some(v(5, 12)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Priority of the packets in the queueing discipline.", note: "Assigning `tos` changes it too: assign it after `tos`.",
    },
    SockOption {
        name: "reuseport", kernel: "SO_REUSEPORT", level_name: "SOL_SOCKET", level: 1, number: 15,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(5, 14)), get_since: Some(v(5, 14)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Whether several sockets may bind the port.", note: "Has no use once the socket is bound.",
    },
    SockOption {
        name: "rcvlowat", kernel: "SO_RCVLOWAT", level_name: "SOL_SOCKET", level: 1, number: 18,
        value: OptionValue::Int, ty: Type::Size, unit: Unit::Bytes, min: 0, max: 2147483647,
        set_since: Some(v(4, 13)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Bytes that must be there before a reader wakes.", note: "At most half of the receive buffer that was set, else of net.ipv4.tcp_rmem[2].",
    },
    SockOption {
        name: "bindtodevice", kernel: "SO_BINDTODEVICE", level_name: "SOL_SOCKET", level: 1, number: 25,
        value: OptionValue::Name, ty: Type::Name, unit: Unit::Plain, min: 0, max: 15,
        set_since: Some(v(5, 8)), get_since: None, family: OptionFamily::Any, readback: Readback::Other,
        limits: &[BIND_LATE], reserved: None,
        doc: "Network device that the socket is bound to; the empty name unbinds.", note: "ENODEV for an unknown device.",
    },
    SockOption {
        name: "mark", kernel: "SO_MARK", level_name: "SOL_SOCKET", level: 1, number: 36,
        value: OptionValue::Uint, ty: Type::Int, unit: Unit::Plain, min: 0, max: 4294967295,
        set_since: Some(v(4, 13)), get_since: Some(v(5, 12)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Firewall mark of the packets.", note: "Chooses the route only when set in `tcp_connect`.",
    },
    SockOption {
        name: "max_pacing_rate", kernel: "SO_MAX_PACING_RATE", level_name: "SOL_SOCKET", level: 1, number: 47,
        value: OptionValue::Uint, ty: Type::Rate, unit: Unit::BytesPerSecond, min: 0, max: 4294967294,
        set_since: Some(v(4, 13)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Highest sending rate.", note: "At most about 34Gbps: the kernel takes a 32-bit number of bytes per second.",
    },
    SockOption {
        name: "bindtoifindex", kernel: "SO_BINDTOIFINDEX", level_name: "SOL_SOCKET", level: 1, number: 62,
        value: OptionValue::Int, ty: Type::Int, unit: Unit::Plain, min: 0, max: 2147483647,
        set_since: Some(v(5, 12)), get_since: Some(v(5, 12)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[BIND_LATE], reserved: None,
        doc: "Index of the network device that the socket is bound to; 0 unbinds.", note: "Whether the device exists is not checked.",
    },
    SockOption {
        name: "txrehash", kernel: "SO_TXREHASH", level_name: "SOL_SOCKET", level: 1, number: 74,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(5, 18)), get_since: Some(v(5, 18)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Whether a retransmission timeout chooses another path.", note: "The kernel chooses after `rto`: a `sk_txhash` that is assigned there stays only if this is `false`.",
    },
    SockOption {
        name: "sk_bpf_cb_flags", kernel: "SK_BPF_CB_FLAGS", level_name: "SOL_SOCKET", level: 1, number: 1009,
        value: OptionValue::Int, ty: Type::Int, unit: Unit::Plain, min: 0, max: 1,
        set_since: Some(v(6, 15)), get_since: Some(v(6, 15)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: Some("the compiler sets it for the time-stamping events"),
        doc: "Flags of the time-stamping events.", note: "",
    },
    SockOption {
        name: "nodelay", kernel: "TCP_NODELAY", level_name: "SOL_TCP", level: 6, number: 1,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(6, 1)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[NODELAY_REENTERS], reserved: None,
        doc: "Whether small segments are sent at once.", note: "",
    },
    SockOption {
        name: "maxseg", kernel: "TCP_MAXSEG", level_name: "SOL_TCP", level: 6, number: 2,
        value: OptionValue::Int, ty: Type::Size, unit: Unit::Bytes, min: 88, max: 32767,
        set_since: Some(v(6, 1)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Other,
        limits: &[CONNECT_LATE], reserved: None,
        doc: "Largest segment to announce and to send.", note: "Reading it gives the segment size in use.",
    },
    SockOption {
        name: "keepidle", kernel: "TCP_KEEPIDLE", level_name: "SOL_TCP", level: 6, number: 4,
        value: OptionValue::Int, ty: Type::Duration, unit: Unit::Seconds, min: 1, max: 32767,
        set_since: Some(v(5, 9)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Idle time before the first keepalive probe.", note: "",
    },
    SockOption {
        name: "keepintvl", kernel: "TCP_KEEPINTVL", level_name: "SOL_TCP", level: 6, number: 5,
        value: OptionValue::Int, ty: Type::Duration, unit: Unit::Seconds, min: 1, max: 32767,
        set_since: Some(v(5, 9)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Time between keepalive probes.", note: "",
    },
    SockOption {
        name: "keepcnt", kernel: "TCP_KEEPCNT", level_name: "SOL_TCP", level: 6, number: 6,
        value: OptionValue::Int, ty: Type::Int, unit: Unit::Plain, min: 1, max: 127,
        set_since: Some(v(5, 9)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Keepalive probes before the connection is given up.", note: "",
    },
    SockOption {
        name: "syncnt", kernel: "TCP_SYNCNT", level_name: "SOL_TCP", level: 6, number: 7,
        value: OptionValue::Int, ty: Type::Int, unit: Unit::Plain, min: 1, max: 127,
        set_since: Some(v(5, 9)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[SYNCNT_LATE], reserved: None,
        doc: "SYN retransmissions before connecting is given up.", note: "From 6.5 on, net.ipv4.tcp_syn_linear_timeouts is added on the client.",
    },
    SockOption {
        name: "window_clamp", kernel: "TCP_WINDOW_CLAMP", level_name: "SOL_TCP", level: 6, number: 10,
        value: OptionValue::Int, ty: Type::Size, unit: Unit::Bytes, min: 1, max: 2147483647,
        set_since: Some(v(5, 11)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[CLAMP_LATE], reserved: None,
        doc: "Largest receive window to announce.", note: "Raised to 1152; a small one also fixes the window scale.",
    },
    SockOption {
        name: "congestion", kernel: "TCP_CONGESTION", level_name: "SOL_TCP", level: 6, number: 13,
        value: OptionValue::Name, ty: Type::Name, unit: Unit::Plain, min: 1, max: 15,
        set_since: Some(v(4, 13)), get_since: Some(v(4, 15)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Congestion control.", note: "ENOENT if it is not registered: the kernel loads no module for a program.",
    },
    SockOption {
        name: "thin_linear_timeouts", kernel: "TCP_THIN_LINEAR_TIMEOUTS", level_name: "SOL_TCP", level: 6, number: 16,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(6, 1)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Whether thin streams back off linearly.", note: "",
    },
    SockOption {
        name: "user_timeout", kernel: "TCP_USER_TIMEOUT", level_name: "SOL_TCP", level: 6, number: 18,
        value: OptionValue::Int, ty: Type::Duration, unit: Unit::Milliseconds, min: 0, max: 2147483647,
        set_since: Some(v(5, 9)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "How long data may stay unacknowledged before the connection is aborted; 0 is the default.", note: "",
    },
    SockOption {
        name: "notsent_lowat", kernel: "TCP_NOTSENT_LOWAT", level_name: "SOL_TCP", level: 6, number: 25,
        value: OptionValue::Uint, ty: Type::Size, unit: Unit::Bytes, min: 0, max: 4294967295,
        set_since: Some(v(5, 10)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Unsent bytes below which a writer wakes.", note: "",
    },
    SockOption {
        name: "save_syn", kernel: "TCP_SAVE_SYN", level_name: "SOL_TCP", level: 6, number: 27,
        value: OptionValue::Int, ty: Type::Int, unit: Unit::Plain, min: 0, max: 2,
        set_since: Some(v(4, 20)), get_since: Some(v(6, 1)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[SAVE_SYN_WHERE], reserved: None,
        doc: "Whether a listener keeps the SYNs of its connections (1 from the IP header on; 2 with the link header, from 6.1).", note: "Costs memory for each connection; `syn_tos` needs it.",
    },
    SockOption {
        name: "saved_syn", kernel: "TCP_SAVED_SYN", level_name: "SOL_TCP", level: 6, number: 28,
        value: OptionValue::Bytes, ty: Type::Int, unit: Unit::Plain, min: 0, max: 0,
        set_since: None, get_since: Some(v(4, 20)), family: OptionFamily::Any, readback: Readback::Other,
        limits: &[], reserved: Some("it is bytes, not a value: read `syn_tos`"),
        doc: "The SYN that a listener kept.", note: "",
    },
    SockOption {
        name: "rto_max", kernel: "TCP_RTO_MAX_MS", level_name: "SOL_TCP", level: 6, number: 44,
        value: OptionValue::Int, ty: Type::Duration, unit: Unit::Milliseconds, min: 1000, max: 120000,
        set_since: Some(v(6, 15)), get_since: Some(v(6, 15)), family: OptionFamily::Any, readback: Readback::Jiffies,
        limits: &[], reserved: None,
        doc: "Ceiling of the retransmission timer.", note: "",
    },
    SockOption {
        name: "init_cwnd", kernel: "TCP_BPF_IW", level_name: "SOL_TCP", level: 6, number: 1001,
        value: OptionValue::Int, ty: Type::Packets, unit: Unit::Packets, min: 1, max: 2147483647,
        set_since: Some(v(4, 13)), get_since: None, family: OptionFamily::Any, readback: Readback::Other,
        limits: &[IW_EARLY, IW_LATE], reserved: None,
        doc: "Initial congestion window.", note: "Refused once data was sent.",
    },
    SockOption {
        name: "cwnd_clamp", kernel: "TCP_BPF_SNDCWND_CLAMP", level_name: "SOL_TCP", level: 6, number: 1002,
        value: OptionValue::Int, ty: Type::Packets, unit: Unit::Packets, min: 1, max: 2147483647,
        set_since: Some(v(4, 13)), get_since: None, family: OptionFamily::Any, readback: Readback::Other,
        limits: &[], reserved: None,
        doc: "Ceiling of the congestion window.", note: "Sets the slow-start threshold to the same value.",
    },
    SockOption {
        name: "delack_max", kernel: "TCP_BPF_DELACK_MAX", level_name: "SOL_TCP", level: 6, number: 1003,
        value: OptionValue::Int, ty: Type::Duration, unit: Unit::Microseconds, min: 1, max: TIMER_MAX_US,
        set_since: Some(v(5, 10)), get_since: Some(v(6, 15)), family: OptionFamily::Any, readback: Readback::Jiffies,
        limits: &[], reserved: None,
        doc: "Longest delay of an acknowledgement.", note: "More than one jiffy; rounded up to jiffies.",
    },
    SockOption {
        name: "rto_min", kernel: "TCP_BPF_RTO_MIN", level_name: "SOL_TCP", level: 6, number: 1004,
        value: OptionValue::Int, ty: Type::Duration, unit: Unit::Microseconds, min: 1, max: TIMER_MAX_US,
        set_since: Some(v(5, 10)), get_since: Some(v(6, 15)), family: OptionFamily::Any, readback: Readback::Jiffies,
        limits: &[RTO_MIN_LATE], reserved: None,
        doc: "Floor of the retransmission timer.", note: "More than one jiffy; rounded up to jiffies; from 6.7 it also bounds delayed acknowledgements.",
    },
    SockOption {
        name: "bpf_syn", kernel: "TCP_BPF_SYN", level_name: "SOL_TCP", level: 6, number: 1005,
        value: OptionValue::Bytes, ty: Type::Int, unit: Unit::Plain, min: 0, max: 0,
        set_since: None, get_since: Some(v(5, 10)), family: OptionFamily::Any, readback: Readback::Other,
        limits: &[], reserved: Some("it is bytes, not a value: read `syn_tos`"),
        doc: "TCP header of the SYN.", note: "",
    },
    SockOption {
        name: "bpf_syn_ip", kernel: "TCP_BPF_SYN_IP", level_name: "SOL_TCP", level: 6, number: 1006,
        value: OptionValue::Bytes, ty: Type::Int, unit: Unit::Plain, min: 0, max: 0,
        set_since: None, get_since: Some(v(5, 10)), family: OptionFamily::Any, readback: Readback::Other,
        limits: &[], reserved: Some("it is bytes, not a value: read `syn_tos`"),
        doc: "IP and TCP headers of the SYN.", note: "",
    },
    SockOption {
        name: "bpf_syn_mac", kernel: "TCP_BPF_SYN_MAC", level_name: "SOL_TCP", level: 6, number: 1007,
        value: OptionValue::Bytes, ty: Type::Int, unit: Unit::Plain, min: 0, max: 0,
        set_since: None, get_since: Some(v(5, 10)), family: OptionFamily::Any, readback: Readback::Other,
        limits: &[], reserved: Some("it is bytes, not a value: read `syn_tos`"),
        doc: "Link, IP and TCP headers of the SYN.", note: "",
    },
    SockOption {
        name: "sock_ops_cb_flags", kernel: "TCP_BPF_SOCK_OPS_CB_FLAGS", level_name: "SOL_TCP", level: 6, number: 1008,
        value: OptionValue::Int, ty: Type::Int, unit: Unit::Plain, min: 0, max: 127,
        set_since: Some(v(6, 12)), get_since: Some(v(6, 12)), family: OptionFamily::Any, readback: Readback::Same,
        limits: &[], reserved: Some("the compiler derives it from the rules"),
        doc: "Callback flags of the socket.", note: "",
    },
    SockOption {
        name: "tos", kernel: "IP_TOS", level_name: "SOL_IP", level: 0, number: 1,
        value: OptionValue::Int, ty: Type::Int, unit: Unit::Plain, min: 0, max: 255,
        set_since: Some(v(4, 17)), get_since: Some(v(4, 17)), family: OptionFamily::Inet, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Type of service (DSCP in the upper six bits) of IPv4 packets.", note: "The ECN bits stay as the kernel has them; from 6.1 it also sets the priority.",
    },
    SockOption {
        name: "transparent", kernel: "IP_TRANSPARENT", level_name: "SOL_IP", level: 0, number: 19,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(7, 3)), get_since: Some(v(7, 3)), family: OptionFamily::Inet, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Whether the socket may use foreign IPv4 addresses.", note: "",
    },
    SockOption {
        name: "tclass", kernel: "IPV6_TCLASS", level_name: "SOL_IPV6", level: 41, number: 67,
        value: OptionValue::Int, ty: Type::Int, unit: Unit::Plain, min: 0, max: 255,
        set_since: Some(v(4, 16)), get_since: Some(v(4, 16)), family: OptionFamily::Inet6, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Traffic class (DSCP in the upper six bits) of IPv6 packets.", note: "The ECN bits stay as the kernel has them.",
    },
    SockOption {
        name: "autoflowlabel", kernel: "IPV6_AUTOFLOWLABEL", level_name: "SOL_IPV6", level: 41, number: 70,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(6, 1)), get_since: Some(v(6, 1)), family: OptionFamily::Inet6, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Whether IPv6 flow labels are derived from the transmit hash.", note: "",
    },
    SockOption {
        name: "ipv6_transparent", kernel: "IPV6_TRANSPARENT", level_name: "SOL_IPV6", level: 41, number: 75,
        value: OptionValue::Int, ty: Type::Bool, unit: Unit::Bool, min: 0, max: 1,
        set_since: Some(v(7, 3)), get_since: Some(v(7, 3)), family: OptionFamily::Inet6, readback: Readback::Same,
        limits: &[], reserved: None,
        doc: "Whether the socket may use foreign IPv6 addresses.", note: "",
    },
];
