//! The names that a condition can use beside fields and socket options: signature, meaning, example.

use crate::kernel::{KernelVersion, v};
use crate::unit::Type;

/// One built-in name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Builtin {
    /// What a policy writes.
    pub name: &'static str,
    /// Which one it is.
    pub id: BuiltinId,
    /// How it is written, parameters and result included.
    pub signature: &'static str,
    /// First kernel, where a helper is behind it.
    pub since: KernelVersion,
    /// The events it can be used in; empty: everywhere.
    pub events: &'static [&'static str],
    /// One line for people.
    pub doc: &'static str,
    /// An expression that uses it.
    pub example: &'static str,
}

/// Which built-in name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuiltinId {
    /// The smaller of two.
    Min,
    /// The larger of two.
    Max,
    /// Held between two bounds.
    Clamp,
    /// Time since boot.
    Now,
    /// A random number.
    Random,
    /// True with a probability.
    Sample,
    /// A hash of its arguments.
    Hash,
    /// Both ends share a prefix.
    SamePrefix,
    /// Either port.
    Port,
    /// Which end this is.
    Role,
    /// The service class of the SYN.
    SynTos,
    /// Whether a header option came in.
    Received,
    /// In a test: whether a header option was sent.
    Sent,
}

/// The built-in called `name`.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// The type of a built-in that is no function.
pub const fn value_type(id: BuiltinId) -> Option<Type> {
    match id {
        BuiltinId::Role => Some(Type::Role),
        BuiltinId::SynTos => Some(Type::Int),
        BuiltinId::Port => Some(Type::Port),
        _ => None,
    }
}

/// Every built-in name.
#[rustfmt::skip]
pub const BUILTINS: &[Builtin] = &[
    Builtin { name: "min", id: BuiltinId::Min, signature: "min(a, b)", since: v(4, 13), events: &[], doc: "The smaller of two values of one type.", example: "min(srtt * 2, 200ms)" },
    Builtin { name: "max", id: BuiltinId::Max, signature: "max(a, b)", since: v(4, 13), events: &[], doc: "The larger of two values of one type.", example: "max(srtt, 5ms)" },
    Builtin { name: "clamp", id: BuiltinId::Clamp, signature: "clamp(x, low, high)", since: v(4, 13), events: &[], doc: "x, but at least low and at most high.", example: "clamp(snd_cwnd, 10, 100)" },
    Builtin { name: "now", id: BuiltinId::Now, signature: "now() -> duration", since: v(5, 8), events: &[], doc: "Time since the host booted.", example: "now() > 1min" },
    Builtin { name: "random", id: BuiltinId::Random, signature: "random() -> int", since: v(4, 13), events: &[], doc: "A random number below 2^32, drawn anew at each use.", example: "random() % 2 == 0" },
    Builtin { name: "sample", id: BuiltinId::Sample, signature: "sample(share) -> bool", since: v(4, 13), events: &[], doc: "True with this probability, drawn anew at each use.", example: "sample(1%)" },
    Builtin { name: "hash", id: BuiltinId::Hash, signature: "hash(a, ...) -> int", since: v(4, 13), events: &[], doc: "A number below 2^32 that depends on the arguments only; the same on every host.", example: "hash(remote_ip, remote_port) % 2 == 0" },
    Builtin { name: "same_prefix", id: BuiltinId::SamePrefix, signature: "same_prefix(bits) or same_prefix(v4: bits, v6: bits) -> bool", since: v(4, 13), events: &[], doc: "Both ends are of one family and agree in their first bits; more than 32 bits is false for IPv4.", example: "same_prefix(v4: 24, v6: 44)" },
    Builtin { name: "port", id: BuiltinId::Port, signature: "port", since: v(4, 13), events: &[], doc: "Either port: a comparison holds if it holds for one of them.", example: "port == 5560" },
    Builtin { name: "role", id: BuiltinId::Role, signature: "role", since: v(4, 13), events: &[], doc: "`client` on the end that connects, `server` on the other.", example: "role == client" },
    Builtin { name: "syn_tos", id: BuiltinId::SynTos, signature: "syn_tos -> int", since: v(4, 20), events: &["passive_established"], doc: "Type of service or traffic class of the SYN; 0 unless the listener saved it (`save_syn = 1`).", example: "syn_tos & 0xfc != 0" },
    Builtin { name: "received", id: BuiltinId::Received, signature: "received(option) -> bool", since: v(4, 13), events: &["active_established", "passive_established", "parse_hdr_opt", "hdr_opt_len", "write_hdr_opt"], doc: "Whether the segment that came in has a TCP header option: the SYN-ACK, the SYN or the last ACK of the handshake, a later segment; where a SYN-ACK is written, the SYN.", example: "received(uto)" },
    Builtin { name: "sent", id: BuiltinId::Sent, signature: "sent(option) -> bool", since: v(4, 13), events: &[], doc: "In a test, after `transmit`: whether the segment has a TCP header option.", example: "sent(uto)" },
];

/// Words of the language that name a value.
pub const VALUE_WORDS: &[&str] = &["true", "false", "ipv4", "ipv6", "client", "server"];

/// Where `hash` begins. Each 64-bit word of the arguments (an address is its four words in host order)
/// is mixed in by: xor, times [`HASH_FACTOR`], xor with the upper half; the lower half is the result.
pub const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
/// The multiplier of `hash`.
pub const HASH_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The share that is everything: shares are counted in 2^-32.
pub const WHOLE: u64 = 1 << 32;

/// The number below 2^32 that is drawn for a connection with this socket cookie: `sample` on a rule holds if
/// it is below the share. Mixed twice, as cookies are counted up and neighbours must not share bits.
pub const fn draw(cookie: u64) -> u32 {
    let once = (cookie ^ HASH_START).wrapping_mul(HASH_FACTOR);
    let twice = (once ^ (once >> 32)).wrapping_mul(HASH_FACTOR);
    (twice ^ (twice >> 32)) as u32
}
