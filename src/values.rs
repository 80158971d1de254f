//! Values that attached policies hand out, as a policy writes them.

use tcpc_lang::show::{show, show_ip};
use tcpc_loader::Key;
use tcpc_stdlib::unit::Type;

/// A number of a type, by the type's name; of a type that this version does not know, as it is.
pub fn number(ty: &str, number: u64) -> String {
    Type::named(ty).map_or_else(|| number.to_string(), |ty| show(ty, number))
}

/// A key of a type.
pub fn key(ty: &str, key: Key) -> String {
    match key {
        Key::Number(value) => number(ty, value),
        Key::Address(address) => show_ip(address),
    }
}

/// How many are shown: 0 asks for all.
pub fn at_most(top: usize) -> usize {
    if top == 0 { usize::MAX } else { top }
}

/// The values from `least` to `most` of a type, roughly: what a bucket of a histogram counts.
pub fn bounds(ty: &str, least: u64, most: u64) -> String {
    let about = |value: f64| about(ty, value);
    match (ty, most) {
        (_, 0) => "0".to_owned(),
        (_, u64::MAX) => format!("{} and more", about(least as f64)),
        ("int" | "packets", _) if least == most => least.to_string(),
        ("int" | "packets", _) => format!("{least}..{most}"),
        _ => format!("{}..{}", about(least as f64), about(most as f64 + 1.0)),
    }
}

/// Three digits in the largest unit that fits.
fn about(ty: &str, value: f64) -> String {
    let units: &[(&str, f64)] = match ty {
        "duration" => &[("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9)],
        "size" => &[("B", 1.0), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9)],
        // Bytes per second, shown in bits.
        "rate" => &[("bps", 0.125), ("Kbps", 125.0), ("Mbps", 125e3), ("Gbps", 125e6)],
        "percent" => &[("%", 42_949_672.96)],
        _ => &[("", 1.0)],
    };
    let fits = |(_, size): &&(&str, f64)| value >= *size;
    let (unit, size) = units.iter().rev().find(fits).or(units.first()).copied().unwrap_or(("", 1.0));
    let scaled = value / size;
    let decimals = if scaled >= 100.0 {
        0
    } else if scaled >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{scaled:.decimals$}");
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    match short {
        "0" if value > 0.0 => format!("{scaled:.2e}{unit}"),
        _ => format!("{short}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use tcpc_stdlib::manifest::state::{bucket, bucket_bounds};

    use super::*;

    fn around(ty: &str, value: u64) -> String {
        let (least, most) = bucket_bounds(bucket(value));
        bounds(ty, least, most)
    }

    #[test]
    fn buckets_are_shown_in_the_units_of_their_type() {
        assert_eq!(around("duration", 10_000_000), "8.39ms..16.8ms");
        assert_eq!(around("duration", 1_000), "512ns..1.02us");
        assert_eq!(around("size", 150_000), "131KB..262KB");
        assert_eq!(around("rate", 1_250_000_000), "8.59Gbps..17.2Gbps");
        assert_eq!(around("packets", 10), "8..15");
        assert_eq!(around("int", 1), "1");
        assert_eq!(around("int", 0), "0");
        assert_eq!(around("percent", 1 << 31), "50%..100%");
        assert_eq!(around("int", u64::MAX), "4611686018427387904 and more");
    }
}
