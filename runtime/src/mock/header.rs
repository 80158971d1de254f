//! TCP header options: the segment at hand, the room in it, and the three helpers for them
//! (`bpf_skops_hdr_opt_len` and `bpf_skops_write_hdr_opt` of `net/ipv4/tcp_output.c`, `bpf_sock_ops_*_hdr_opt` of
//! `net/core/filter.c`).

use tcpc_stdlib::event::{Event, Sock};
use tcpc_stdlib::header::{
    ACK, EXID, EXPERIMENTAL_KINDS, LOAD_FROM_SYN, MODE_COOKIE, MODE_SEGMENT_SIZE, PREAMBLE, SPACE_MAX, SYN,
    Segment, segment, segment_with,
};
use tcpc_stdlib::helper::{Helper, helper};

use super::{Errno, MockSock, World};

/// Bytes of a TCP header without options.
pub(super) const TCP_HEADER: usize = 20;
/// The kind that ends a list of options.
const END: u8 = 0;
/// The kind that fills a byte.
pub(super) const NOP: u8 = 1;

/// The kernel's own options of a SYN or a SYN-ACK: segment size 1460, selective acknowledgements, time stamps, window
/// scale.
const OWN_OF_SYN: &[u8] = &[2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, NOP, 3, 3, 7];
/// Those of a later segment: time stamps.
const OWN: &[u8] = &[NOP, NOP, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1];

/// A segment on its way out, in `hdr_opt_len` and `write_hdr_opt`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outgoing {
    /// The kind by which the kernel makes its header: one that ends a connection is made like those before it. Where
    /// the kernel computes the segment size it is what is to come.
    pub segment: &'static Segment,
    /// The flags of its header, as `skb_tcp_flags` shows them.
    pub flags: u64,
    /// `mode` of the event.
    mode: u32,
    /// Its options so far, the kernel's own first.
    options: Vec<u8>,
    /// Bytes that can still be reserved, or written.
    room: usize,
    /// Bytes that were reserved.
    reserved: usize,
}

impl Outgoing {
    /// Whether there is a segment, not only a computation.
    pub fn is_segment(&self) -> bool {
        self.mode != MODE_SEGMENT_SIZE
    }

    /// Its length beside its data: before the header is there, 0.
    pub fn header_length(&self, event: &Event) -> usize {
        if event.name == "hdr_opt_len" { 0 } else { TCP_HEADER + self.options.len() + self.room }
    }
}

/// The flags that a segment of a kind has at least.
fn usual_flags(segment: &Segment) -> u64 {
    let acknowledges = if segment.flags & SYN == 0 { ACK } else { 0 };
    (segment.flags | acknowledges).into()
}

impl MockSock {
    /// The segment of an event that is about one: the one that is sent, or, of a single event that a test fires, the
    /// one that its mode and the flags that were given say.
    pub(super) fn outgoing_in(
        &self,
        event: &Event,
        mode: u32,
        sent: Option<&'static Segment>,
    ) -> Option<Outgoing> {
        let writes = match event.name {
            "hdr_opt_len" => false,
            "write_hdr_opt" => true,
            _ => return None,
        };
        let given = self.raw("skb_tcp_flags");
        let meant = segment_with(given as u8);
        let sent = match mode {
            MODE_SEGMENT_SIZE => segment("established"),
            MODE_COOKIE => segment("synack"),
            _ => sent,
        };
        let segment = sent.or(meant).or_else(|| segment("established"))?;
        // A segment of the same kind can have other flags, such as PSH.
        let fit = given != 0 && (sent.is_none() || meant == sent);
        let flags = if fit { given } else { usual_flags(segment) };
        let options = if segment.flags & SYN != 0 { OWN_OF_SYN } else { OWN }.to_vec();
        // The sum of what was reserved is rounded up to words.
        let before = self.outgoing.as_ref().filter(|_| writes).map_or(0, |before| before.reserved);
        let reserved = before.next_multiple_of(4);
        let room = if writes { reserved } else { usize::from(SPACE_MAX) - options.len() };
        Some(Outgoing { segment, flags, mode, options, room, reserved })
    }

    /// What of the room nobody wrote becomes padding.
    pub(super) fn finish_segment(&mut self) {
        if let Some(outgoing) = self.outgoing.as_mut().filter(|_| named(self.event, "write_hdr_opt")) {
            outgoing.options.resize(outgoing.options.len() + outgoing.room, NOP);
            outgoing.room = 0;
        }
    }

    /// The kind by which the kernel makes the segment that goes out in the current event.
    pub fn segment(&self) -> Option<&'static Segment> {
        self.outgoing.as_ref().map(|outgoing| outgoing.segment)
    }

    /// Whether the segment that goes out in the current event is one of these, by its flags: one with RST is none. Where
    /// the kernel computes the segment size it is any that carries data.
    pub fn is_segment(&self, segments: &[&Segment]) -> bool {
        let Some(outgoing) = &self.outgoing else { return false };
        if !outgoing.is_segment() {
            return segments.iter().any(|segment| segment.carries_data);
        }
        segment_with(outgoing.flags as u8).is_some_and(|segment| segments.contains(&segment))
    }

    /// Whether room was reserved in the segment that goes out.
    pub fn has_reserved(&self) -> bool {
        self.outgoing.as_ref().is_some_and(|outgoing| outgoing.reserved > 0)
    }

    /// The options of the segment at hand: of the one that goes out, else of the peer's.
    pub fn options_at_hand(&self) -> &[u8] {
        self.outgoing.as_ref().map_or(&self.peer_options, |outgoing| &outgoing.options)
    }

    /// Lets the peer's segments carry an option from now on, instead of an earlier one of its kind.
    ///
    /// # Errors
    /// In words: a header has no room for it.
    pub fn give_header(&mut self, option: &[u8]) -> Result<(), String> {
        let pattern = option.get(..if is_experiment(option) { 4 } else { 1 }).unwrap_or_default();
        while let Ok(at) = search(&self.peer_options, pattern) {
            let length = usize::from(self.peer_options[at + 1]);
            self.peer_options.drain(at..at + length);
        }
        let length = self.peer_options.len() + option.len();
        if length > SPACE_MAX.into() {
            return Err(format!(
                "the options of the peer take {length} bytes, and a header has room for {SPACE_MAX}"
            ));
        }
        self.peer_options.extend(option);
        Ok(())
    }

    /// The options of the SYN that came in, if it is at hand or was saved.
    pub fn syn_options(&self) -> Option<Vec<u8>> {
        self.syn().and_then(|syn| syn.tcp.get(TCP_HEADER..).map(<[u8]>::to_vec))
    }
}

impl World {
    /// `bpf_reserve_hdr_opt`.
    ///
    /// # Errors
    /// The kernel's error number.
    pub fn reserve(&mut self, length: u64, flags: u64) -> Result<(), Errno> {
        self.check_event("bpf_reserve_hdr_opt", flags)?;
        let length = length as u32 as usize;
        if flags != 0 || length < PREAMBLE.into() {
            return Err("EINVAL");
        }
        let outgoing = self.sock.outgoing.as_mut().ok_or("EPERM")?;
        if length > outgoing.room {
            return Err("ENOSPC");
        }
        outgoing.room -= length;
        outgoing.reserved += length;
        Ok(())
    }

    /// `bpf_store_hdr_opt`: the option that the bytes begin with; its length is that which it says itself.
    ///
    /// # Errors
    /// The kernel's error number.
    pub fn store(&mut self, bytes: &[u8], flags: u64) -> Result<(), Errno> {
        self.check_event("bpf_store_hdr_opt", flags)?;
        if flags != 0 || bytes.len() < PREAMBLE.into() {
            return Err("EINVAL");
        }
        let (kind, length) = (bytes[0], usize::from(bytes[1]));
        if length > bytes.len() || matches!(kind, NOP | END) {
            return Err("EINVAL");
        }
        let outgoing = self.sock.outgoing.as_mut().ok_or("EPERM")?;
        if length > outgoing.room {
            return Err("ENOSPC");
        }
        let pattern = match is_experiment(bytes) {
            true if length < usize::from(PREAMBLE + EXID) => return Err("EINVAL"),
            true => &bytes[..4],
            false => &bytes[..1],
        };
        match search(&outgoing.options, pattern) {
            Ok(_) => return Err("EEXIST"),
            Err(Missing::AfterEnd) => return Err("ENOSPC"),
            Err(Missing::NotThere) => {}
            Err(Missing::Malformed) => return Err("EFAULT"),
        }
        outgoing.options.extend(&bytes[..length]);
        outgoing.room -= length;
        Ok(())
    }

    /// `bpf_load_hdr_opt`: the option that is found in place of the search bytes, as far as it fits, and its length.
    pub(super) fn load(&self, bytes: &mut [u8], flags: u64) -> Result<u64, Errno> {
        if self.sock.event.is_some_and(|event| event.sock == Sock::Unlocked) {
            return Err("EOPNOTSUPP");
        }
        if bytes.len() < PREAMBLE.into() || flags & !LOAD_FROM_SYN != 0 {
            return Err("EINVAL");
        }
        let (kind, length) = (bytes[0], usize::from(bytes[1]));
        if length > bytes.len() || matches!(kind, NOP | END) {
            return Err("EINVAL");
        }
        let pattern = match (is_experiment(bytes), length) {
            (true, 4 | 6) => &bytes[..length],
            (false, 0) => &bytes[..1],
            _ => return Err("EINVAL"),
        };
        let options = match flags & LOAD_FROM_SYN {
            0 => {
                self.check_event("bpf_load_hdr_opt", flags)?;
                self.sock.options_at_hand().to_vec()
            }
            _ => self.sock.syn_options().ok_or("ENOENT")?,
        };
        let at = search(&options, pattern).map_err(Missing::errno)?;
        let found = &options[at..at + usize::from(options[at + 1])];
        let copied = found.len().min(bytes.len());
        bytes[..copied].copy_from_slice(&found[..copied]);
        if copied < found.len() { Err("ENOSPC") } else { Ok(found.len() as u64) }
    }

    fn check_event(&self, name: &str, flags: u64) -> Result<(), Errno> {
        let limit = helper(name).and_then(Helper::limit);
        let event = self.sock.event.map_or("", |event| event.name);
        limit.filter(|limit| limit.forbids(event, flags)).map_or(Ok(()), |limit| Err(limit.errno))
    }
}

/// Why an option is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is not among them.
    NotThere,
    /// The list was ended before the header's end.
    AfterEnd,
    /// The options make no sense.
    Malformed,
}

impl Missing {
    fn errno(self) -> Errno {
        match self {
            Missing::NotThere | Missing::AfterEnd => "ENOMSG",
            Missing::Malformed => "EFAULT",
        }
    }
}

/// Where an option begins. The pattern is its kind, and for experiments all that it must begin with but for the
/// length. As in the kernel, a search for an experiment ends at the first one too short to have its identifier.
pub(super) fn search(options: &[u8], pattern: &[u8]) -> Result<usize, Missing> {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        match kind {
            END => return Err(Missing::AfterEnd),
            NOP => at += 1,
            _ => {
                let length = options.get(at + 1).map_or(0, |length| usize::from(*length));
                if length < PREAMBLE.into() || at + length > options.len() {
                    return Err(Missing::Malformed);
                }
                let magic = pattern.get(PREAMBLE.into()..).unwrap_or_default();
                let data = &options[at + usize::from(PREAMBLE)..at + length];
                if pattern.first() == Some(&kind) {
                    if magic.len() > data.len() {
                        return Err(Missing::NotThere);
                    }
                    if data.starts_with(magic) {
                        return Ok(at);
                    }
                }
                at += length;
            }
        }
    }
    Err(Missing::NotThere)
}

fn is_experiment(option: &[u8]) -> bool {
    option.first().is_some_and(|kind| EXPERIMENTAL_KINDS.contains(kind))
}

fn named(event: Option<&Event>, name: &str) -> bool {
    event.is_some_and(|event| event.name == name)
}
