//! TCP header options: the segments that can carry one, the room there is, the kinds that are taken.
//!
//! Where the kernel calls a program for options is `bpf_skops_*` in `net/ipv4/tcp_output.c` and
//! `net/ipv4/tcp_input.c`; kinds are those of the IANA registry and of `include/net/tcp.h`.

use crate::event::ESTABLISHED;

/// Bytes of options that a TCP header has room for.
pub const SPACE_MAX: u8 = 40;
/// Bytes of the kind and the length that every option begins with.
pub const PREAMBLE: u8 = 2;
/// Bytes of the identifier after them that experiments share a kind by (`ExID`, RFC 6994).
pub const EXID: u8 = 2;
/// Kinds that experiments share, told apart by their identifiers.
pub const EXPERIMENTAL_KINDS: &[u8] = &[253, 254];
/// The kind of an option that is declared `experimental`.
pub const EXPERIMENTAL: u8 = 254;
/// `BPF_LOAD_HDR_OPT_TCP_SYN`: look into the SYN that came in, not into the segment at hand.
pub const LOAD_FROM_SYN: u64 = 1;

/// A flag of the TCP header, as `skb_tcp_flags` shows it.
pub const FIN: u8 = 0x01;
/// As [`FIN`].
pub const SYN: u8 = 0x02;
/// As [`FIN`].
pub const RST: u8 = 0x04;
/// As [`FIN`].
pub const ACK: u8 = 0x10;

/// `mode` of `hdr_opt_len` and `write_hdr_opt`: an ordinary segment.
pub const MODE_SEGMENT: u32 = 0;
/// The kernel computes the segment size: there is no segment, and what is reserved counts for those to come.
pub const MODE_SEGMENT_SIZE: u32 = 1;
/// A SYN-ACK under SYN cookies.
pub const MODE_COOKIE: u32 = 2;

/// A kind of segment that a policy can put an option into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What a policy calls it.
    pub name: &'static str,
    /// The flags that are looked at.
    pub mask: u8,
    /// What they are.
    pub flags: u8,
    /// Whether it can be as large as a segment gets. Where the kernel computes how large that is ([`MODE_SEGMENT_SIZE`],
    /// `tcp_current_mss`), there is no segment yet, and room for the options of each of these must be asked for: the
    /// device refuses a segment without it, and the kernel makes the same one again.
    pub carries_data: bool,
    /// Bytes that the kernel's own options leave when it uses time stamps, as it does unless told otherwise.
    pub space: u8,
    /// The event in which an option on it is seen by the end that receives it.
    pub received_in: &'static str,
    /// The events in which a socket must ask for it.
    pub enabled_in: &'static [&'static str],
    /// Whether a request socket sends it, not a full one.
    pub from_request: bool,
    /// One line for people.
    pub doc: &'static str,
}

/// Every kind of segment, each at most one.
#[rustfmt::skip]
pub const SEGMENTS: &[Segment] = &[
    Segment { name: "syn",         mask: SYN | ACK,       flags: SYN,       carries_data: false, space: 20, received_in: "passive_established", enabled_in: &["tcp_connect"], from_request: false, doc: "A client's first segment, and each time it is sent again." },
    Segment { name: "synack",      mask: SYN | ACK,       flags: SYN | ACK, carries_data: false, space: 20, received_in: "active_established", enabled_in: &["tcp_listen"], from_request: true, doc: "A server's answer to a SYN, SYN cookies included; only of sockets that began to listen after the policy was attached." },
    Segment { name: "established", mask: SYN | FIN | RST, flags: 0,         carries_data: true,  space: 28, received_in: "parse_hdr_opt", enabled_in: ESTABLISHED, from_request: false, doc: "Every segment after the handshake but the FIN, with data or without." },
    Segment { name: "fin",         mask: SYN | FIN | RST, flags: FIN,       carries_data: true,  space: 28, received_in: "parse_hdr_opt", enabled_in: ESTABLISHED, from_request: false, doc: "The segment that ends a direction." },
];

/// The segment that a policy calls `name`.
pub fn segment(name: &str) -> Option<&'static Segment> {
    SEGMENTS.iter().find(|segment| segment.name == name)
}

/// The segment with these flags, if it is one that can carry options of a policy.
pub fn segment_with(flags: u8) -> Option<&'static Segment> {
    SEGMENTS.iter().find(|segment| flags & segment.mask == segment.flags)
}

/// A kind that the kernel reads and writes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelKind {
    /// Its number.
    pub kind: u8,
    /// What it is for.
    pub name: &'static str,
}

/// Kinds that the kernel reads and writes itself (`TCPOPT_*` in `include/net/tcp.h`): a received one is no unknown
/// option, and one of a policy would be a second.
#[rustfmt::skip]
pub const KERNEL_KINDS: &[KernelKind] = &[
    KernelKind { kind: 2,  name: "maximum segment size" },
    KernelKind { kind: 3,  name: "window scale" },
    KernelKind { kind: 4,  name: "selective acknowledgements permitted" },
    KernelKind { kind: 5,  name: "selective acknowledgements" },
    KernelKind { kind: 8,  name: "time stamps" },
    KernelKind { kind: 19, name: "MD5 signature" },
    KernelKind { kind: 29, name: "authentication" },
    KernelKind { kind: 30, name: "Multipath TCP" },
    KernelKind { kind: 34, name: "Fast Open cookie" },
];

/// Identifiers of experiments that the kernel reads and writes itself: `TCPOPT_FASTOPEN_MAGIC`, and the first half of
/// `TCPOPT_SMC_MAGIC`.
pub const KERNEL_EXIDS: &[(u16, &str)] = &[(0xf989, "Fast Open cookie"), (0xe2d4, "SMC")];

/// What the kernel uses a kind for.
pub fn kernel_kind(kind: u8) -> Option<&'static KernelKind> {
    KERNEL_KINDS.iter().find(|row| row.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_tell_every_segment() {
        let name = |flags| segment_with(flags).map(|segment| segment.name);
        assert_eq!(name(SYN), Some("syn"));
        assert_eq!(name(SYN | ACK), Some("synack"));
        assert_eq!(name(ACK), Some("established"));
        assert_eq!(name(ACK | 0x08), Some("established"));
        assert_eq!(name(FIN | ACK), Some("fin"));
        assert_eq!(name(RST | ACK), None);
    }
}
