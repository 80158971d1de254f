//! Values as people write them: `10ms`, `150KB`, `1Gbps`, `ESTABLISHED`, `10.0.0.1`.
//!
//! What is printed is exact: the largest unit that leaves a whole number.

use std::net::Ipv6Addr;

use tcpc_stdlib::kernel::{AF_INET, AF_INET6, MAPPED_BITS, TCP_STATES, is_mapped};
use tcpc_stdlib::unit::Type;

use crate::hir::Value;

/// A scalar in its type's canonical unit.
pub fn show(ty: Type, number: u64) -> String {
    match ty {
        Type::Bool => (number != 0).to_string(),
        Type::Duration => in_units(number, DURATIONS),
        Type::Size => in_units(number, SIZES),
        Type::Rate => show_rate(number),
        Type::Percent => show_percent(number),
        Type::State => match TCP_STATES.iter().find(|state| u64::from(state.number) == number) {
            Some(state) => state.name.to_string(),
            None => number.to_string(),
        },
        Type::Family if number == u64::from(AF_INET) => "ipv4".to_string(),
        Type::Family if number == u64::from(AF_INET6) => "ipv6".to_string(),
        Type::Role => if number == 0 { "client" } else { "server" }.to_string(),
        Type::Int | Type::Packets | Type::Port | Type::Family | Type::Ip | Type::Prefix | Type::Name => {
            number.to_string()
        }
    }
}

/// A value of any type; names are quoted.
pub fn show_value(ty: Type, value: &Value) -> String {
    match value {
        Value::Number(number) => show(ty, *number),
        Value::Ip(address) => show_ip(*address),
        Value::Name(name) => format!("\"{name}\""),
    }
}

/// An address of 128 bits; an IPv4-mapped one as its IPv4 address.
pub fn show_ip(address: u128) -> String {
    let address = Ipv6Addr::from_bits(address);
    match address.to_ipv4_mapped() {
        Some(v4) => v4.to_string(),
        None => address.to_string(),
    }
}

/// An element of a set that can be changed: a port, an address, or an address and a length counted in 128 bits.
pub fn show_element(element: Type, address: u128, length: u8) -> String {
    match element {
        Type::Port => address.to_string(),
        Type::Prefix if is_mapped(address) && length >= MAPPED_BITS => {
            format!("{}/{}", show_ip(address), length - MAPPED_BITS)
        }
        Type::Prefix => format!("{}/{length}", Ipv6Addr::from_bits(address)),
        _ => show_ip(address),
    }
}

/// Units and their size, the largest first; the last is 1.
type Units = &'static [(&'static str, u64)];

const DURATIONS: Units =
    &[("min", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

const SIZES: Units = &[
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Decimal bits per second, counted in bits.
const BIT_RATES: Units = &[("Gbps", 1_000_000_000), ("Mbps", 1_000_000), ("Kbps", 1_000), ("bps", 1)];

fn in_units(number: u64, units: Units) -> String {
    let fits = |&&(_, size): &&(&str, u64)| number != 0 && number.is_multiple_of(size);
    // Zero divides by everything; the smallest unit claims least.
    let (unit, size) = units.iter().find(fits).or(units.last()).copied().unwrap_or(("", 1));
    format!("{}{unit}", number / size)
}

fn show_rate(bytes_per_second: u64) -> String {
    match bytes_per_second.checked_mul(8) {
        Some(bits) => in_units(bits, BIT_RATES),
        None => format!("{}/s", in_units(bytes_per_second, SIZES)),
    }
}

/// Percentages are held in 2^-32; six decimals tell all that a policy can write apart.
fn show_percent(share: u64) -> String {
    let millionths = (u128::from(share) * 100_000_000 + (1 << 31)) >> 32;
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_exact_unit_is_used() {
        assert_eq!(show(Type::Duration, 10_000_000), "10ms");
        assert_eq!(show(Type::Duration, 1_500_000), "1500us");
        assert_eq!(show(Type::Duration, 90_000_000_000), "90s");
        assert_eq!(show(Type::Duration, 120_000_000_000), "2min");
        assert_eq!(show(Type::Duration, 125), "125ns");
        assert_eq!(show(Type::Size, 150_000), "150KB");
        assert_eq!(show(Type::Size, 65_536), "64KiB");
        assert_eq!(show(Type::Size, 536), "536B");
        assert_eq!(show(Type::Rate, 1_250_000_000), "10Gbps");
        assert_eq!(show(Type::Rate, 1_000_000), "8Mbps");
    }

    #[test]
    fn zero_is_in_the_smallest_unit() {
        assert_eq!(show(Type::Duration, 0), "0ns");
        assert_eq!(show(Type::Size, 0), "0B");
    }

    #[test]
    fn a_rate_too_large_for_bits_is_in_bytes() {
        assert_eq!(show(Type::Rate, 1 << 62), "4294967296GiB/s");
    }

    #[test]
    fn percentages_lose_nothing_a_policy_can_write() {
        assert_eq!(show(Type::Percent, 1 << 32), "100%");
        assert_eq!(show(Type::Percent, 1 << 31), "50%");
        assert_eq!(show(Type::Percent, (1u64 << 32) / 10_000), "0.01%");
    }

    #[test]
    fn kernel_numbers_have_names() {
        assert_eq!(show(Type::State, 12), "NEW_SYN_RECV");
        assert_eq!(show(Type::Family, 10), "ipv6");
        assert_eq!(show(Type::Bool, 1), "true");
    }

    #[test]
    fn mapped_addresses_read_as_ipv4() {
        assert_eq!(show_ip(0xffff_0a00_0001), "10.0.0.1");
        assert_eq!(show_ip(0x2401_db00_0011_0000_0000_0000_0000_0001), "2401:db00:11::1");
        assert_eq!(show_value(Type::Name, &Value::Name("dctcp".into())), "\"dctcp\"");
    }
}
