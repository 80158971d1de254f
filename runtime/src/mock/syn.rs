//! The SYN that came in: what `TCP_SAVED_SYN`, `TCP_BPF_SYN` and `TCP_BPF_SYN_IP` read.

use tcpc_stdlib::kernel::LINK_HEADER;
use tcpc_stdlib::option::SockOption;

use super::header::{NOP, TCP_HEADER};
use super::helpers::negated;
use super::{MockSock, World, options};

/// A SYN as it came over the wire.
pub(super) struct Syn {
    /// Its link header, if that is there too.
    pub link: Option<Vec<u8>>,
    /// Its IP header.
    pub ip: Vec<u8>,
    /// Its TCP header, options included.
    pub tcp: Vec<u8>,
}

impl World {
    /// The SYN from its IP header on or from its TCP header on. `TCP_SAVED_SYN` wants no more bytes than there are;
    /// the others say how many they copied and work on request sockets too.
    pub(super) fn saved_syn(&self, option: &SockOption, length: usize) -> (u64, Vec<u8>) {
        if option.get_since.is_none_or(|since| since > self.kernel.version) {
            return (negated("EINVAL"), Vec::new());
        }
        let strict = option.name == "saved_syn";
        if strict && !self.sock.is_full() {
            return (negated("EINVAL"), Vec::new());
        }
        let Some(Syn { link, ip, tcp }) = self.sock.syn() else {
            return (negated(if strict { "EINVAL" } else { "ENOENT" }), Vec::new());
        };
        let mut syn = match (option.name, link) {
            ("bpf_syn", _) => tcp,
            ("bpf_syn_mac", None) => return (negated("ENOENT"), Vec::new()),
            ("bpf_syn_mac" | "saved_syn", Some(link)) => [link, ip, tcp].concat(),
            _ => [ip, tcp].concat(),
        };
        if strict {
            if length > syn.len() {
                return (negated("EINVAL"), Vec::new());
            }
            syn.truncate(length);
            return (0, syn);
        }
        if length < syn.len() {
            syn.truncate(length);
            return (negated("ENOSPC"), syn);
        }
        (syn.len() as u64, syn)
    }
}

impl MockSock {
    /// The peer's SYN, if this end saved it, or answers it in the current event for the first time.
    pub(super) fn syn(&self) -> Option<Syn> {
        let mode = match self.options.get("save_syn") {
            Some(options::Stored::Number(mode)) => *mode,
            _ => 0,
        };
        let asked = mode != 0;
        let answers = self.answers <= 1 && self.segment().is_some_and(|segment| segment.from_request);
        if !asked && !answers && self.syn_tos.is_none() {
            return None;
        }
        let tos = self.syn_tos.unwrap_or(0);
        let mut tcp = [self.remote_port.to_be_bytes(), self.local_port.to_be_bytes()].concat();
        let padded = self.peer_options.len().next_multiple_of(4);
        let words = ((TCP_HEADER + padded) / 4) as u8;
        // Sequence numbers 0, the words of the header, the flag SYN, no window, no checksum.
        tcp.extend([0, 0, 0, 0, 0, 0, 0, 0, words << 4, 0x02, 0, 0, 0, 0, 0, 0]);
        tcp.extend(&self.peer_options);
        tcp.resize(TCP_HEADER + padded, NOP);
        let length = tcp.len() as u8;
        let ip = if self.is_v4() {
            let mut header = vec![0x45, tos, 0, 20 + length, 0, 0, 0x40, 0, 64, 6, 0, 0];
            header.extend((self.remote_ip() as u32).to_be_bytes());
            header.extend((self.local_ip() as u32).to_be_bytes());
            header
        } else {
            let mut header = vec![0x60 | (tos >> 4), tos << 4, 0, 0, 0, length, 6, 64];
            header.extend(self.remote_ip().to_be_bytes());
            header.extend(self.local_ip().to_be_bytes());
            header
        };
        // The SYN at hand has it; of one that was kept it is there if it was asked for.
        let link = (answers || mode == 2).then(|| {
            let protocol: u16 = if self.is_v4() { 0x0800 } else { 0x86dd };
            let mut header = vec![0; LINK_HEADER - 2];
            header.extend(protocol.to_be_bytes());
            header
        });
        Some(Syn { link, ip, tcp })
    }
}
