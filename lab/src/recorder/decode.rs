//! Records as the language sees a socket.

use tcpc_lang::hir::Value;
use tcpc_runtime::mock::options::shown;
use tcpc_stdlib::event::event_by_number;
use tcpc_stdlib::field::{Field, Order, Struct, kernel_field};
use tcpc_stdlib::kernel::{AF_INET, KernelVersion, MAPPED_FIRST, is_mapped};
use tcpc_stdlib::option::{OptionValue, Readback, SockOption};

use super::layout::{self, HEADER_MAX, OPTION, Phase, readable_options};

/// A socket in an event.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What identifies the socket.
    pub cookie: u64,
    /// Nanoseconds since boot.
    pub time: u64,
    /// The TCP header at hand, its options included; empty if there is none.
    pub header: Vec<u8>,
    /// The policy's counters, if they were copied.
    pub counters: Option<Vec<u8>>,
    version: KernelVersion,
    bytes: Vec<u8>,
}

/// Reads a record.
pub(super) fn snapshot(bytes: &[u8], version: KernelVersion, counters: usize) -> Option<(Phase, Snapshot)> {
    let phase = match number(bytes, 0, 4)? {
        0 => Phase::Before,
        _ => Phase::After,
    };
    let at = layout::header(version);
    let length = (number(bytes, at - 8, 4)? as usize).min(HEADER_MAX);
    let copied = || bytes.get(layout::counters(version)..)?.get(..counters).map(<[u8]>::to_vec);
    let snapshot = Snapshot {
        cookie: number(bytes, layout::COOKIE, 8)?,
        time: number(bytes, layout::TIME, 8)?,
        header: bytes.get(at..at + length)?.to_vec(),
        counters: if phase == Phase::After && counters > 0 { copied() } else { None },
        version,
        bytes: bytes.get(..at)?.to_vec(),
    };
    Some((phase, snapshot))
}

impl Snapshot {
    /// The number of the event.
    pub fn op(&self) -> u32 {
        kernel_field("op").map_or(0, |op| self.word(op, 0) as u32)
    }

    /// The arguments; after the policy the first one is its answer, if it gave one.
    pub fn args(&self) -> [u32; 4] {
        let word = |index| kernel_field("args").map_or(0, |args| self.word(args, index) as u32);
        [word(0), word(1), word(2), word(3)]
    }

    /// Whether there was a full socket.
    pub fn is_full(&self) -> bool {
        self.raw("is_fullsock") != 0
    }

    /// The raw number of a member, by its kernel name.
    pub fn raw(&self, kernel: &str) -> u64 {
        kernel_field(kernel).map_or(0, |field| self.word(field, 0))
    }

    /// A field as the language shows it, in the canonical unit of its type.
    pub fn field(&self, field: &Field) -> Value {
        match field.kernel {
            "local_ip6" => return Value::Ip(self.local_ip()),
            "remote_ip6" => return Value::Ip(self.address("remote_ip6")),
            "family" if self.is_v4() => return Value::Number(AF_INET.into()),
            _ => {}
        }
        Value::Number(self.word(field, 0).wrapping_mul(field.unit.scale().unwrap_or(1)))
    }

    /// The bytes that a socket option was read as; `None` if it could not be read.
    pub fn option_bytes(&self, option: &SockOption) -> Option<&[u8]> {
        let index = readable_options(self.version).position(|one| one.name == option.name)?;
        let at = layout::options() + index * OPTION;
        let value = self.bytes.get(at + 8..)?.get(..layout::length(option))?;
        (number(&self.bytes, at, 8)? == 0).then_some(value)
    }

    /// The value of a socket option as a policy would assign it; `None` if it could not be read.
    pub fn option(&self, option: &SockOption) -> Option<Value> {
        let value = self.option_bytes(option)?;
        let option = readable_options(self.version).find(|one| one.name == option.name)?;
        if option.readback == Readback::Doubled && option.value != OptionValue::Name {
            let halved = i32::from_le_bytes(value.try_into().ok()?) / 2;
            return shown(option, &halved.to_le_bytes());
        }
        shown(option, value)
    }

    /// The options of the TCP header at hand.
    pub fn header_options(&self) -> &[u8] {
        self.header.get(20..).unwrap_or_default()
    }

    /// An IPv4 listener has no IPv6 words.
    fn local_ip(&self) -> u128 {
        let listens = event_by_number(self.op()).is_some_and(|event| !event.has_remote);
        match listens && self.raw("family") == u64::from(AF_INET) {
            true => MAPPED_FIRST | u128::from(self.raw("local_ip4")),
            false => self.address("local_ip6"),
        }
    }

    /// Of a listener it is the socket's family that counts.
    fn is_v4(&self) -> bool {
        let listens = event_by_number(self.op()).is_some_and(|event| !event.has_remote);
        !listens && is_mapped(self.address("local_ip6"))
    }

    fn address(&self, kernel: &str) -> u128 {
        let Some(field) = kernel_field(kernel) else { return 0 };
        (0..4).fold(0, |address, word| (address << 32) | u128::from(self.word(field, word)))
    }

    /// A word of a member, in host order.
    fn word(&self, field: &Field, word: u8) -> u64 {
        let size = usize::from(field.size);
        let at = layout::structure(field.of) + usize::from(field.offset) + size * usize::from(word);
        let bytes = self.bytes.get(at..at + size).unwrap_or_default();
        let append = |number, byte: &u8| (number << 8) | u64::from(*byte);
        match field.order {
            Order::Network | Order::NetworkHighHalf => bytes.iter().fold(0, append),
            Order::Host | Order::Pointer => bytes.iter().rev().fold(0, append),
        }
    }

    /// Whether a member of the structures behind the context was there.
    pub fn has(&self, of: Struct) -> bool {
        of == Struct::SockOps || self.is_full()
    }
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + size)?;
    Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}
