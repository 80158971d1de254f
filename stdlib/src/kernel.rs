//! Kernel versions, and the kernel's own constants that belong to no single event, field or option.

use std::fmt;

/// A kernel series such as `5.10`: what a fact is dated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

/// `v(5, 10)` is Linux 5.10.
pub const fn v(major: u16, minor: u16) -> KernelVersion {
    KernelVersion { major, minor }
}

impl KernelVersion {
    /// The oldest series that compiled objects aim at: global data (5.2), `bpf_link` (5.7) and
    /// non-GPL time (5.8) are there, and it is the oldest one that is still tried.
    pub const FLOOR: KernelVersion = v(5, 10);
    /// The newest series that the facts were read from.
    pub const NEWEST: KernelVersion = v(7, 3);

    /// Reads `5.10`, `6.18.44` or `6.1.0-13-amd64`; only the first two numbers count.
    pub fn parse(text: &str) -> Option<KernelVersion> {
        let mut numbers = text.trim().split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        Some(v(major, minor))
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// `BPF_PROG_TYPE_SOCK_OPS`.
pub const PROG_TYPE_SOCK_OPS: u32 = 13;
/// `BPF_CGROUP_SOCK_OPS`, the attach type.
pub const ATTACH_TYPE_SOCK_OPS: u32 = 3;
/// The ELF section whose programs are of this type.
pub const ELF_SECTION: &str = "sockops";
/// The program's return value: anything else cancels the replies of every program on the cgroup.
pub const RETURN_OK: i32 = 1;
/// The instructions that a program can have, and that the verifier follows before it gives up, each as often as it comes
/// by (`BPF_COMPLEXITY_LIMIT_INSNS`).
pub const VERIFIED_MAX: usize = 1_000_000;
/// The stack of one program, in bytes.
pub const STACK_SIZE: usize = 512;
/// Size of `struct bpf_sock_ops` in the newest kernel known, in bytes.
pub const CONTEXT_SIZE: usize = 224;
/// Offset of `reply`, which shares its bytes with `args[0]`.
pub const REPLY_OFFSET: u16 = 4;
/// The number of the loopback device, in every network (`LOOPBACK_IFINDEX` of `include/net/flow.h`).
pub const LOOPBACK_INDEX: u64 = 1;
/// `BPF_MAP_TYPE_RINGBUF`: bytes from programs to user space, one after another, for all processors; since Linux 5.8.
pub const MAP_TYPE_RINGBUF: u32 = 27;
/// Bytes that the kernel puts before each record of a ring buffer (`BPF_RINGBUF_HDR_SZ`); the next one begins at a
/// multiple of this.
pub const RINGBUF_HEADER: u32 = 8;
/// `BPF_MAP_TYPE_SK_STORAGE`: a map whose values live with sockets, and which other helpers look up.
pub const MAP_TYPE_SK_STORAGE: u32 = 24;
/// The longest name of a congestion control, its NUL included (`TCP_CA_NAME_MAX`).
pub const CONGESTION_NAME_MAX: usize = 16;
/// The most bytes of a socket's congestion control or device name that a policy can give.
pub const NAME_MAX: usize = 15;
/// The most bytes of constants that kernels before [`LARGE_CONSTANTS_SINCE`] take (`KMALLOC_MAX_SIZE`, the
/// bound of an array map's value).
pub const CONSTANTS_MAX_BEFORE: u32 = 4 << 20;
/// A kernel that takes more constants than that: 5.10 was seen to refuse them, 6.1 to take them.
pub const LARGE_CONSTANTS_SINCE: KernelVersion = v(6, 1);
/// Programs a cgroup takes at most.
pub const CGROUP_PROGRAMS_MAX: usize = 64;
/// `net.core.wmem_max` and `rmem_max` of a kernel that nobody configured (4 MiB from 6.18 on).
pub const BUFFER_MAX_DEFAULT: u64 = 4 << 20;
/// The largest receive buffer that the kernel itself chooses, `net.ipv4.tcp_rmem[2]`, of a kernel that nobody configured (6
/// MiB before 6.17): half of it bounds `SO_RCVLOWAT`, or half of the buffer that was set.
pub const TCP_RMEM_MAX_DEFAULT: u64 = 32 << 20;
/// Bytes of buffer that the kernel takes for one byte of data, of a socket that has received none yet.
pub const RECEIVE_SPACE: u64 = 2;
/// `SOCK_MIN_SNDBUF`: the least that a send buffer is set to, after doubling.
pub const SNDBUF_MIN: u64 = 4608;
/// `SOCK_MIN_RCVBUF`: the least that a receive buffer is set to, after doubling; half of it is the
/// least window clamp.
pub const RCVBUF_MIN: u64 = 2304;
/// `TCP_TIMEOUT_MIN`: the least number of jiffies that `TCP_BPF_DELACK_MAX` and `TCP_BPF_RTO_MIN` take.
pub const TIMEOUT_MIN_JIFFIES: u64 = 2;
/// The bits of a service class that belong to ECN (`INET_ECN_MASK`): `IP_TOS` and `IPV6_TCLASS` leave them from
/// [`TOS_KEEPS_ECN_SINCE`] on.
pub const ECN_MASK: u64 = 3;
/// Congestion controls that have packets marked as capable of ECN (`TCP_CONG_NEEDS_ECN`); any other unmarks them when it
/// is chosen.
pub const NEEDS_ECN: &[&str] = &["dctcp"];
/// The bits of such packets (`INET_ECN_ECT_0`).
pub const ECN_CAPABLE: u64 = 2;
/// First kernel whose `IP_TOS` and `IPV6_TCLASS` keep the ECN bits and whose `IP_TOS` sets the priority.
pub const TOS_KEEPS_ECN_SINCE: KernelVersion = v(6, 1);
/// First kernel whose `IP_TOS` is taken by an IPv6 socket, whoever its peer is, unless it takes IPv6 only; stable releases
/// of older ones came to do so too (6.12.107, 6.18.44).
pub const TOS_ON_DUAL_STACK_SINCE: KernelVersion = v(7, 1);
/// First kernel whose `TCP_SAVE_SYN` takes 2: the link header too.
pub const SAVE_SYN_LINK_SINCE: KernelVersion = v(6, 1);
/// Bytes of the link header before a SYN that came in (`ETH_HLEN`).
pub const LINK_HEADER: usize = 14;
/// Packet priority for a type of service: `ip_tos2prio` of `net/ipv4/route.c`, indexed by its bits 1 to 4.
pub const TOS_PRIORITY: [u64; 16] = [0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];
/// 127.0.0.6, what the IPv4 words of the context read on a socket with an IPv6 peer (`LOOPBACK4_IPV6`).
pub const LOOPBACK4_IPV6: u32 = 0x7f00_0006;
/// `BPF_NOEXIST`: a map update makes a new entry only.
pub const BPF_NOEXIST: u64 = 1;
/// `BPF_F_NO_PREALLOC`: a map's elements are allocated one by one.
pub const BPF_F_NO_PREALLOC: u32 = 1;
/// `BPF_SK_STORAGE_GET_F_CREATE`: make the value if the socket has none.
pub const SK_STORAGE_CREATE: u64 = 1;
/// `BPF_EXIST`: a map update changes an entry only.
pub const BPF_EXIST: u64 = 2;
/// The ceiling that the kernel puts on a `timeout_init` reply, in seconds (5.18 on).
pub const TIMEOUT_INIT_MAX_SECONDS: u64 = 120;
/// Ticks per second that Linux can be configured with.
pub const HZ_CHOICES: &[u32] = &[100, 250, 300, 1000];

/// A TCP state as `state`, `old_state` and `new_state` show it (`enum` in `include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpState {
    /// `ESTABLISHED`.
    pub name: &'static str,
    /// The kernel's number.
    pub number: u32,
}

/// Every TCP state.
#[rustfmt::skip]
pub const TCP_STATES: &[TcpState] = &[
    TcpState { name: "ESTABLISHED",    number: 1 },
    TcpState { name: "SYN_SENT",       number: 2 },
    TcpState { name: "SYN_RECV",       number: 3 },
    TcpState { name: "FIN_WAIT1",      number: 4 },
    TcpState { name: "FIN_WAIT2",      number: 5 },
    TcpState { name: "TIME_WAIT",      number: 6 },
    TcpState { name: "CLOSE",          number: 7 },
    TcpState { name: "CLOSE_WAIT",     number: 8 },
    TcpState { name: "LAST_ACK",       number: 9 },
    TcpState { name: "LISTEN",         number: 10 },
    TcpState { name: "CLOSING",        number: 11 },
    TcpState { name: "NEW_SYN_RECV",   number: 12 },
    TcpState { name: "BOUND_INACTIVE", number: 13 },
];

/// The number of a TCP state.
///
/// A name that is not in [`TCP_STATES`] gives `None`.
pub fn tcp_state(name: &str) -> Option<u32> {
    TCP_STATES.iter().find(|state| state.name == name).map(|state| state.number)
}

/// `AF_INET`.
pub const AF_INET: u32 = 2;
/// `AF_INET6`.
pub const AF_INET6: u32 = 10;

/// Bits of an IPv4-mapped IPv6 address before the IPv4 address in it.
pub const MAPPED_BITS: u8 = 96;
/// The first IPv4-mapped address, `::ffff:0.0.0.0`: the kernel shows every IPv4 peer as one of these.
pub const MAPPED_FIRST: u128 = 0xffff_0000_0000;
/// The last one, `::ffff:255.255.255.255`.
pub const MAPPED_LAST: u128 = 0xffff_ffff_ffff;

/// Whether an address is `::ffff:a.b.c.d`, an IPv4 one.
pub const fn is_mapped(address: u128) -> bool {
    MAPPED_FIRST <= address && address <= MAPPED_LAST
}

/// A per-socket flag that makes the kernel raise an event (`BPF_SOCK_OPS_*_FLAG`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackFlag {
    /// `RTO_CB_FLAG`.
    pub name: &'static str,
    /// The bit.
    pub value: u32,
    /// First kernel.
    pub since: KernelVersion,
}

/// Every callback flag.
#[rustfmt::skip]
pub const CALLBACK_FLAGS: &[CallbackFlag] = &[
    CallbackFlag { name: "RTO_CB_FLAG",                   value: 0x01, since: v(4, 16) },
    CallbackFlag { name: "RETRANS_CB_FLAG",               value: 0x02, since: v(4, 16) },
    CallbackFlag { name: "STATE_CB_FLAG",                 value: 0x04, since: v(4, 16) },
    CallbackFlag { name: "RTT_CB_FLAG",                   value: 0x08, since: v(5, 3) },
    CallbackFlag { name: "PARSE_ALL_HDR_OPT_CB_FLAG",     value: 0x10, since: v(5, 10) },
    CallbackFlag { name: "PARSE_UNKNOWN_HDR_OPT_CB_FLAG", value: 0x20, since: v(5, 10) },
    CallbackFlag { name: "WRITE_HDR_OPT_CB_FLAG",         value: 0x40, since: v(5, 10) },
];

/// The bit of the callback flag with this name; 0 if there is none.
pub fn callback_flag(name: &str) -> u32 {
    CALLBACK_FLAGS.iter().find(|flag| flag.name == name).map_or(0, |flag| flag.value)
}

/// An error number that a helper returns, negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno {
    /// `ENOENT`.
    pub name: &'static str,
    /// The positive number.
    pub number: u32,
    /// What it says of a socket option.
    pub meaning: &'static str,
}

/// The error numbers that a policy can meet, with the generic Linux numbering.
#[rustfmt::skip]
pub const ERRNOS: &[Errno] = &[
    Errno { name: "EPERM",        number: 1,   meaning: "the kernel does not allow it here" },
    Errno { name: "ENOENT",       number: 2,   meaning: "no such thing is registered, such as a congestion control whose module is not loaded" },
    Errno { name: "E2BIG",        number: 7,   meaning: "the value is too large" },
    Errno { name: "EAGAIN",       number: 11,  meaning: "no room at the moment" },
    Errno { name: "ENOMEM",       number: 12,  meaning: "out of memory" },
    Errno { name: "EFAULT",       number: 14,  meaning: "a malformed header" },
    Errno { name: "EBUSY",        number: 16,  meaning: "already being changed" },
    Errno { name: "EEXIST",       number: 17,  meaning: "already there" },
    Errno { name: "ENODEV",       number: 19,  meaning: "no such network device" },
    Errno { name: "EINVAL",       number: 22,  meaning: "a value or an option that the kernel does not take here, or no full socket" },
    Errno { name: "ENOSPC",       number: 28,  meaning: "no space left" },
    Errno { name: "ENOMSG",       number: 42,  meaning: "not found" },
    Errno { name: "ENOPROTOOPT",  number: 92,  meaning: "no such option" },
    Errno { name: "EOPNOTSUPP",   number: 95,  meaning: "not in this event" },
    Errno { name: "ENOTSUPP",     number: 524, meaning: "not supported" },
];

/// The name of an error number, such as `ENOENT` for 2.
pub fn errno_name(number: u32) -> Option<&'static str> {
    ERRNOS.iter().find(|errno| errno.number == number).map(|errno| errno.name)
}

/// The number of an error name, such as 2 for `ENOENT`.
pub fn errno_number(name: &str) -> Option<u32> {
    ERRNOS.iter().find(|errno| errno.name == name).map(|errno| errno.number)
}
