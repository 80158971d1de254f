//! A socket: its addresses, the TCP fields a program can see, its options.

use std::collections::{BTreeMap, BTreeSet};

use tcpc_lang::hir::{Role, Value};
use tcpc_stdlib::event::{Event, EventRole, Sock, full_socket_state};
use tcpc_stdlib::field::{Availability, Field, Guard, INITIAL, kernel_field};
use tcpc_stdlib::header::{FIN, SYN, Segment};
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, MAPPED_FIRST, is_mapped, tcp_state};

use super::header::Outgoing;
use super::options::Stored;

/// A socket and the event that was last raised on it.
///
/// Nothing given, it is a client's, from 192.0.2.1 port 40000 to 198.51.100.1 port 443. With one address given, the
/// other is one of its family.
#[derive(Clone, Debug, PartialEq)]
pub struct MockSock {
    /// Local address if it was given, IPv4 as `::ffff:a.b.c.d`.
    pub given_local_ip: Option<u128>,
    /// Local port.
    pub local_port: u16,
    /// Peer's address if it was given.
    pub given_remote_ip: Option<u128>,
    /// Peer's port.
    pub remote_port: u16,
    /// The socket's family if it is not that of its addresses: an IPv6 socket with an IPv4 peer.
    pub family: Option<u32>,
    /// Which end it is, in events that both ends have.
    pub role: Role,
    /// Service class of the SYN, if the listener saved it.
    pub syn_tos: Option<u8>,
    /// What identifies it (`SO_COOKIE`).
    pub cookie: u64,
    /// The header options that the peer's segments carry, its SYN included.
    pub(super) peer_options: Vec<u8>,
    /// The segment that goes out in the current event.
    pub(super) outgoing: Option<Outgoing>,
    /// How often it answered a SYN: the kernel has the SYN at hand for the first answer only.
    pub(super) answers: u32,
    /// The events that were raised on it, or on the listener that it came from.
    pub(super) raised: BTreeSet<&'static str>,
    /// Whether a program asked for time stamps of one of its sends.
    pub stamped: bool,
    pub(super) event: Option<&'static Event>,
    pub(super) args: [u32; 4],
    /// Raw values of TCP fields, by kernel name.
    pub(super) fields: BTreeMap<&'static str, u64>,
    /// Those that a test gave: they stay when the connection is established.
    pub(super) given: BTreeMap<&'static str, u64>,
    pub(super) options: BTreeMap<&'static str, Stored>,
    /// Whether its receive buffer was set: then the kernel changes it no more.
    pub(super) has_fixed_rcvbuf: bool,
}

impl Default for MockSock {
    fn default() -> MockSock {
        MockSock {
            given_local_ip: None,
            local_port: 40_000,
            given_remote_ip: None,
            remote_port: 443,
            family: None,
            role: Role::Client,
            syn_tos: None,
            cookie: 1,
            peer_options: Vec::new(),
            outgoing: None,
            answers: 0,
            raised: BTreeSet::new(),
            stamped: false,
            event: None,
            args: [0; 4],
            fields: BTreeMap::new(),
            given: BTreeMap::new(),
            options: BTreeMap::new(),
            has_fixed_rcvbuf: false,
        }
    }
}

impl MockSock {
    /// A new socket with this cookie.
    pub fn new(cookie: u64) -> MockSock {
        MockSock { cookie, ..MockSock::default() }
    }

    /// A new socket that has of this one only what no record of a kernel shows: what is on its way out, how often it
    /// answered, whether its receive buffer was set.
    pub fn anew(&self, cookie: u64) -> MockSock {
        MockSock {
            outgoing: self.outgoing.clone(),
            answers: self.answers,
            has_fixed_rcvbuf: self.has_fixed_rcvbuf,
            ..MockSock::new(cookie)
        }
    }

    /// Makes the socket what it is when the kernel raises this event.
    pub(super) fn begin(&mut self, event: &'static Event, args: [u32; 4], sent: Option<&'static Segment>) {
        self.outgoing = self.outgoing_in(event, args[0], sent);
        if event.name == "hdr_opt_len" && self.segment().is_some_and(|segment| segment.from_request) {
            self.answers += 1;
        }
        self.raised.insert(event.name);
        self.event = Some(event);
        self.args = args;
        if matches!(event.name, "active_established" | "passive_established") {
            self.establish();
        }
    }

    /// Whether an event was raised on it, or on the listener that it came from.
    pub fn was_raised(&self, event: &str) -> bool {
        self.raised.contains(event)
    }

    /// Takes over what an accepted connection has of its listener: options and callback flags, but for those that a
    /// test gave.
    pub fn inherit(&mut self, listener: &MockSock) {
        for (name, value) in &listener.options {
            self.options.entry(name).or_insert_with(|| value.clone());
        }
        self.has_fixed_rcvbuf |= listener.has_fixed_rcvbuf;
        let flags = listener.raw("bpf_sock_ops_cb_flags");
        self.fields.entry("bpf_sock_ops_cb_flags").or_insert(flags);
        self.raised.extend(&listener.raised);
    }

    /// Takes over only whether SYNs are kept, unless a test gave that.
    pub fn inherit_save_syn(&mut self, listener: &MockSock) {
        if let Some(value) = listener.options.get("save_syn") {
            self.options.entry("save_syn").or_insert_with(|| value.clone());
        }
    }

    /// The congestion window is set again, whatever `TCP_BPF_IW` said before; a clamp bounds it.
    fn establish(&mut self) {
        let initial = INITIAL.iter().find(|(name, _)| *name == "snd_cwnd").map_or(0, |(_, number)| *number);
        let clamp = match self.options.get("cwnd_clamp") {
            Some(Stored::Number(clamp)) => *clamp as u64,
            _ => u64::MAX,
        };
        let window = self.given.get("snd_cwnd").copied().unwrap_or_else(|| initial.min(clamp));
        self.fields.insert("snd_cwnd", window);
        // The SYN, or the SYN-ACK.
        self.fields.entry("delivered").or_insert(1);
        self.options.remove("init_cwnd");
    }

    /// Sets a field as a test gives it, in the canonical unit of its type.
    ///
    /// # Errors
    /// In words: the field follows from others, or the value does not fit.
    pub fn give(&mut self, field: &'static Field, value: &Value) -> Result<(), String> {
        let too_large = |_| format!("`{}` cannot hold this value", field.name);
        match (field.kernel, value) {
            ("local_ip6", Value::Ip(address)) => self.given_local_ip = Some(*address),
            ("remote_ip6", Value::Ip(address)) => self.given_remote_ip = Some(*address),
            ("local_port", Value::Number(port)) => self.local_port = (*port).try_into().map_err(too_large)?,
            ("remote_port", Value::Number(port)) => {
                self.remote_port = (*port).try_into().map_err(too_large)?
            }
            ("family", Value::Number(family)) => {
                self.family = Some((*family).try_into().map_err(too_large)?);
            }
            ("is_fullsock" | "op" | "args" | "sk", _) => {
                return Err(format!("`{}` follows from the event and the role", field.name));
            }
            (_, Value::Number(number)) => {
                let raw = number / field.unit.scale().unwrap_or(1);
                if field.size == 4 && raw > u64::from(u32::MAX) {
                    return Err(format!("`{}` cannot hold this value", field.name));
                }
                self.given.insert(field.kernel, raw);
                self.fields.insert(field.kernel, raw);
            }
            _ => return Err(format!("`{}` cannot be given", field.name)),
        }
        Ok(())
    }

    /// An argument of the event, as the kernel gives it.
    pub fn arg(&self, index: u8) -> u32 {
        self.args.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// The event last raised on it.
    pub fn event(&self) -> Option<&'static Event> {
        self.event
    }

    /// Which end it is in the current event.
    pub fn current_role(&self) -> Role {
        self.event.map_or(self.role, |event| self.role_in(event, self.segment()))
    }

    /// Which end it is when an event is raised: only clients send SYNs, only servers answer them.
    pub fn role_in(&self, event: &Event, segment: Option<&Segment>) -> Role {
        let opens = segment.filter(|segment| segment.flags & SYN != 0);
        match (opens, event.role) {
            (Some(opening), _) if opening.from_request => Role::Server,
            (Some(_), _) => Role::Client,
            (None, EventRole::Client) => Role::Client,
            (None, EventRole::Server) => Role::Server,
            _ => self.role,
        }
    }

    /// Address family, as the context shows it.
    pub fn current_family(&self) -> u32 {
        self.family.unwrap_or(if self.is_v4() { AF_INET } else { AF_INET6 })
    }

    /// Whether the peer speaks IPv4.
    pub(super) fn is_v4(&self) -> bool {
        is_mapped(self.local_ip()) || is_mapped(self.remote_ip())
    }

    /// Local address.
    pub fn local_ip(&self) -> u128 {
        self.given_local_ip.unwrap_or_else(|| default_ip(self.given_remote_ip, [192, 0, 2, 1], 1))
    }

    /// Peer's address.
    pub fn remote_ip(&self) -> u128 {
        self.given_remote_ip.unwrap_or_else(|| default_ip(self.given_local_ip, [198, 51, 100, 1], 0x1_0001))
    }

    /// Whether there is a full socket; before the first event there is.
    pub fn is_full(&self) -> bool {
        self.event.is_none_or(|event| match event.sock {
            Sock::Full | Sock::Unlocked => true,
            Sock::FullOrRequest => match self.segment() {
                Some(segment) => !segment.from_request,
                None => self.current_role() == Role::Client,
            },
            Sock::None => false,
        })
    }

    /// Whether it is a full, locked socket: TCP fields hold values, options can be set.
    pub fn is_locked(&self) -> bool {
        self.is_full() && self.event.is_none_or(|event| event.sock != Sock::Unlocked)
    }

    /// Whether this is the current event.
    pub(super) fn is_in(&self, name: &str) -> bool {
        self.event.is_some_and(|event| event.name == name)
    }

    /// The number of its TCP state.
    pub(super) fn state(&self) -> u32 {
        let named = |name| tcp_state(name).unwrap_or(0);
        let given = self.given.get("state").map(|state| *state as u32);
        let Some(event) = self.event else { return given.unwrap_or_else(|| named("CLOSE")) };
        if !self.is_full() {
            return named("NEW_SYN_RECV");
        }
        match (event.name, full_socket_state(event)) {
            // The old state: the event comes before the change.
            ("state", _) => self.args[0],
            (_, Some(state)) => named(state),
            (_, None) => given.unwrap_or_else(|| named(self.usual_state())),
        }
    }

    /// The state of a full socket where the event does not say it: that in which it sends such a segment.
    fn usual_state(&self) -> &'static str {
        match self.segment().map_or(0, |segment| segment.flags & (SYN | FIN)) {
            SYN => "SYN_SENT",
            FIN => "FIN_WAIT1",
            _ => "ESTABLISHED",
        }
    }

    /// The raw value of a TCP field.
    pub fn raw(&self, name: &str) -> u64 {
        let initial = || INITIAL.iter().find(|(field, _)| *field == name).map_or(0, |(_, number)| *number);
        self.fields.get(name).copied().unwrap_or_else(initial)
    }

    /// Changes a TCP field that a test did not give.
    pub(super) fn set_raw(&mut self, name: &'static str, number: u64) {
        self.fields.insert(name, number);
    }

    /// Whether a field holds a value in the current event; else it reads 0.
    pub(super) fn is_visible(&self, field: &Field) -> bool {
        match field.guard {
            Guard::Always => true,
            Guard::AnySock => self.event.is_none_or(|event| event.sock != Sock::None),
            Guard::Tcp | Guard::Unchecked => self.is_locked(),
            Guard::FullSock => self.is_full(),
            Guard::Skb => match &self.outgoing {
                Some(outgoing) => outgoing.is_segment(),
                None => self.event.is_some_and(|event| field.availability(event) == Availability::Yes),
            },
        }
    }

    /// Fields that kernels up to 7.1 read from outside a request socket.
    pub(super) fn dangerous_fields(&self) -> Vec<&'static str> {
        let unchecked = kernel_field("rtt_min").filter(|field| field.guard == Guard::Unchecked);
        unchecked.filter(|_| !self.is_full()).map(|field| field.kernel).into_iter().collect()
    }
}

/// An address for documentation, of the family of the other end: `v4`, or 2001:db8::`v6`.
fn default_ip(other: Option<u128>, v4: [u8; 4], v6: u128) -> u128 {
    match other {
        Some(other) if !is_mapped(other) => 0x2001_0db8 << 96 | v6 << 64 | 1,
        _ => MAPPED_FIRST | u128::from(u32::from_be_bytes(v4)),
    }
}
