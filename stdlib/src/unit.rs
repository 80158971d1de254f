//! The language's types and the kernel's units, and what lies between them.
//!
//! A value of the language is held in one canonical unit per type: durations in nanoseconds, sizes in
//! bytes, rates in bytes per second. The kernel uses half a dozen; [`Unit`] says which one a
//! number is in, [`Unit::scale`] how it relates to the canonical one.

use std::fmt;

/// A type of the policy language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A 64-bit unsigned number without a unit.
    Int,
    /// A time span; canonical unit: nanoseconds.
    Duration,
    /// An amount of data; canonical unit: bytes.
    Size,
    /// Data per time; canonical unit: bytes per second.
    Rate,
    /// A share; canonical unit: 2^32 is the whole.
    Percent,
    /// A number of segments.
    Packets,
    /// A port, in host order.
    Port,
    /// An IPv4 or IPv6 address; canonical form: 128 bits, IPv4 as `::ffff:a.b.c.d`.
    Ip,
    /// An address prefix of either family.
    Prefix,
    /// A name that the kernel knows, such as a congestion control.
    Name,
    /// A TCP state.
    State,
    /// `ipv4` or `ipv6`.
    Family,
    /// `client` or `server`.
    Role,
}

impl Type {
    /// The type's name as a policy writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Duration => "duration",
            Type::Size => "size",
            Type::Rate => "rate",
            Type::Percent => "percent",
            Type::Packets => "packets",
            Type::Port => "port",
            Type::Ip => "ip",
            Type::Prefix => "prefix",
            Type::Name => "name",
            Type::State => "state",
            Type::Family => "family",
            Type::Role => "role",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Type> {
        Type::ALL.iter().copied().find(|ty| ty.name() == name)
    }

    /// The types of what a record can hold, the addresses last.
    #[rustfmt::skip]
    pub const RECORDED: &'static [Type] = &[
        Type::Bool, Type::Int, Type::Duration, Type::Size, Type::Rate, Type::Percent, Type::Packets,
        Type::Port, Type::State, Type::Family, Type::Ip,
    ];
    /// Those that one 64-bit number holds: what a cell of a row can be.
    pub const CELLS: &'static [Type] = Type::RECORDED.split_at(10).0;
    /// Those whose values are written as numbers: what a parameter can be.
    pub const NUMBERS: &'static [Type] = Type::RECORDED.split_at(8).0;

    /// Every type, in the order of the reference page.
    #[rustfmt::skip]
    pub const ALL: &'static [Type] = &[
        Type::Bool, Type::Int, Type::Duration, Type::Size, Type::Rate, Type::Percent, Type::Packets,
        Type::Port, Type::Ip, Type::Prefix, Type::Name, Type::State, Type::Family, Type::Role,
    ];
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The unit of a number that the kernel gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// No unit: flags, marks, sequence numbers, counts of something else than segments.
    Plain,
    /// 0 or 1.
    Bool,
    /// Timer ticks; how long one is depends on the kernel's HZ.
    Jiffies,
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Eighths of a microsecond (`srtt_us` holds the smoothed time shifted left by three).
    EighthMicroseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Segments of one MSS.
    Packets,
}

impl Unit {
    /// Canonical units (see [`Type`]) in one of these; `None` where it depends on the running kernel.
    pub const fn scale(self) -> Option<u64> {
        match self {
            Unit::Jiffies => None,
            Unit::EighthMicroseconds => Some(125),
            Unit::Microseconds => Some(1_000),
            Unit::Milliseconds => Some(1_000_000),
            Unit::Seconds => Some(1_000_000_000),
            _ => Some(1),
        }
    }

    /// The unit's name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Plain => "",
            Unit::Bool => "bool",
            Unit::Jiffies => "jiffies",
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "us",
            Unit::EighthMicroseconds => "us/8",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "bytes/s",
            Unit::Packets => "packets",
        }
    }
}

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// `nanos` in ticks of `hz` per second: rounded up, and never 0 (which would mean the default).
pub const fn jiffies(nanos: u64, hz: u32) -> u64 {
    let ticks = (nanos as u128 * hz as u128).div_ceil(NANOS_PER_SECOND as u128) as u64;
    if ticks == 0 { 1 } else { ticks }
}

/// How long `ticks` last at `hz`, in nanoseconds.
pub const fn jiffies_to_nanos(ticks: u64, hz: u32) -> u64 {
    (ticks as u128 * NANOS_PER_SECOND as u128 / hz as u128) as u64
}
