//! Constants, as a policy writes them: often at the edges of what a type holds, and addresses near one another.

use std::net::{Ipv4Addr, Ipv6Addr};

use tcpc_stdlib::kernel::{MAPPED_BITS, MAPPED_FIRST, TCP_STATES, is_mapped};
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Type;

use crate::random::Random;

/// Congestion controls that hosts know, and one that none knows.
const CONGESTION: &[&str] = &["cubic", "reno", "bbr", "dctcp", "nowhere"];
/// Network devices; some have names that are no words.
const DEVICES: &[&str] = &["lo", "eth0", "", "eth0.1", "eth0_2e1", "eth0__1"];

/// Service classes of SYNs.
pub const SYN_TOS: &[u64] = &[0, 2, 0x28, 0xb8, 255];

/// A number that a bug would sit at.
pub fn number(random: &mut Random) -> u64 {
    match random.below(8) {
        0..4 => random.below(12),
        4 => random.below(2_000),
        5 => {
            let power = 1u64 << random.below(64);
            random.pick(&[power - 1, power, power.wrapping_add(1)])
        }
        6 => random.pick(&[127, 128, 255, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX >> 1, u64::MAX]),
        _ => random.number() >> random.below(64),
    }
}

/// A port, often one that connections have.
pub fn port(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.below(0x1_0000),
        1 => random.pick(&[0, 1, 0xffff]),
        _ => random.pick(&[22, 80, 443, 8080, 40_000, 40_001]),
    }
}

/// An address of a family, in one of a few networks.
pub fn address(random: &mut Random, v4: bool) -> u128 {
    let host = u128::from(random.pick(&[0u8, 1, 2, 3, 7, 127, 128, 255]));
    if v4 {
        let net =
            random.pick(&[[10u8, 0, 0], [10, 0, 1], [10, 128, 0], [192, 0, 2], [198, 51, 100], [127, 0, 0]]);
        let [a, b, c] = net.map(u128::from);
        return MAPPED_FIRST | a << 24 | b << 16 | c << 8 | host;
    }
    // What only looks like IPv4 in the words of IPv6, at first sight.
    if random.one_in(10) {
        let word = random.pick(&[1u128 << 96, 1 << 64, 1 << 48]);
        return word ^ MAPPED_FIRST ^ 0x0a00_0000 ^ host;
    }
    let net = random.pick(&[
        0x2001_0db8_0001_0000,
        0x2001_0db8_0001_0001,
        0x2001_0db8_00ff_0000,
        0x2401_db00_0011_0000_u64,
    ]);
    u128::from(net) << 64 | u128::from(random.pick(&[0u32, 1, 0x8000_0000])) << 32 | host
}

/// An address as it is written.
pub fn show(address: u128) -> String {
    match is_mapped(address) {
        true => Ipv4Addr::from(address as u32).to_string(),
        false => Ipv6Addr::from(address).to_string(),
    }
}

/// A prefix: sometimes all of a family, or one address.
pub fn prefix(random: &mut Random) -> String {
    let v4 = random.one_in(2);
    let address = address(random, v4);
    let lengths: &[u8] = if v4 {
        &[0, 1, 8, 9, 16, 23, 24, 25, 31, 32]
    } else {
        &[0, 1, 32, 47, 48, 63, 64, 65, 96, 127, 128]
    };
    let length = random.pick(lengths);
    let skipped = if v4 { MAPPED_BITS } else { 0 };
    let low = address & !u128::MAX.checked_shr(u32::from(skipped + length)).unwrap_or(0);
    format!("{}/{length}", show(low))
}

/// A value of a type in its canonical unit, as it is written.
pub fn written(ty: Type, value: u64) -> String {
    match ty {
        Type::Duration => duration(value),
        Type::Size => format!("{value}B"),
        Type::Rate => format!("{value}B/s"),
        Type::Bool => (value != 0).to_string(),
        _ => value.to_string(),
    }
}

/// Nanoseconds in the largest unit that fits, so that what is generated reads well.
fn duration(nanos: u64) -> String {
    let units = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    let unit = units.iter().find(|(scale, _)| nanos >= *scale && nanos.is_multiple_of(*scale));
    unit.map_or_else(|| format!("{nanos}ns"), |(scale, unit)| format!("{}{unit}", nanos / scale))
}

/// A constant of a type.
pub fn literal(random: &mut Random, ty: Type) -> String {
    match ty {
        Type::Bool => random.one_in(2).to_string(),
        Type::Int | Type::Packets => number(random).to_string(),
        Type::Duration => match random.below(3) {
            0 => duration(number(random)),
            _ => (random
                .pick(&["1us", "10us", "1ms", "2.5ms", "10ms", "200ms", "1s", "3s", "1min", "1h", "0s"]))
            .into(),
        },
        Type::Size => match random.below(3) {
            0 => format!("{}B", number(random)),
            _ => (random
                .pick(&["1B", "100B", "1448B", "1KB", "1KiB", "64KiB", "150KB", "1MB", "4MiB", "1GB"]))
            .into(),
        },
        Type::Rate => match random.below(3) {
            0 => format!("{}B/s", number(random)),
            _ => (random.pick(&["8bps", "1Kbps", "1Mbps", "10MB/s", "1Gbps", "34Gbps", "1MiB/s"])).into(),
        },
        Type::Percent => share(random),
        Type::Port => port(random).to_string(),
        Type::Ip => {
            let v4 = random.one_in(2);
            show(address(random, v4))
        }
        Type::Prefix => prefix(random),
        Type::Name => format!("{:?}", random.one_of(CONGESTION)),
        Type::State => random.one_of(TCP_STATES).name.into(),
        Type::Family => (random.pick(&["ipv4", "ipv6"])).into(),
        Type::Role => (random.pick(&["client", "server"])).into(),
    }
}

/// A share of all.
pub fn share(random: &mut Random) -> String {
    (random.pick(&["50%", "1%", "33.3%", "99%", "0.01%", "100%", "12.5%"])).into()
}

/// A value that an option takes, or seems to.
pub fn of_option(random: &mut Random, option: &SockOption) -> String {
    match option.ty {
        Type::Name if option.name == "congestion" => literal(random, Type::Name),
        Type::Name => format!("{:?}", random.one_of(DEVICES)),
        Type::Bool => literal(random, Type::Bool),
        ty => {
            let (min, max) = (option.min.max(0) as u64, option.max.max(0) as u64);
            let raw = match random.below(5) {
                0 => min,
                1 => max,
                2 => (min + random.below(100)).min(max),
                _ => number(random).clamp(min, max),
            };
            written(ty, raw.saturating_mul(option.unit.scale().unwrap_or(1)))
        }
    }
}
