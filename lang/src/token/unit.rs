//! Units of literals: how they are written and what they are worth.

use crate::ast::Quantity;
use crate::suggest::closest;

/// A unit: one of it is `numerator / denominator` canonical units.
pub struct Unit {
    /// As it is written.
    pub text: &'static str,
    /// What it measures.
    pub quantity: Quantity,
    /// Canonical units in `denominator` of these.
    pub numerator: u64,
    /// See `numerator`.
    pub denominator: u64,
}

/// The unit written `text`. Case counts: `ms` and `MB` are units, `MS` and `Mb` are not.
pub fn unit(text: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|unit| unit.text == text)
}

/// The unit that was probably meant: another case, another usual spelling.
pub fn similar(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let alias = ALIASES.iter().find(|(foreign, _)| *foreign == lower).map(|(_, ours)| *ours);
    let other_case = || UNITS.iter().map(|unit| unit.text).find(|unit| unit.to_ascii_lowercase() == lower);
    // One letter more or less turns most short words into a unit.
    let near = || (text.len() > 2).then(|| closest(text, UNITS.iter().map(|unit| unit.text))).flatten();
    alias.or_else(other_case).or_else(near)
}

const fn row(text: &'static str, quantity: Quantity, numerator: u64) -> Unit {
    Unit { text, quantity, numerator, denominator: 1 }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Every unit. A rate in bits is stored in bytes per second.
const UNITS: &[Unit] = &[
    row("ns", Quantity::Duration, 1),
    row("us", Quantity::Duration, 1_000),
    row("ms", Quantity::Duration, 1_000_000),
    row("s", Quantity::Duration, 1_000_000_000),
    row("min", Quantity::Duration, 60_000_000_000),
    row("h", Quantity::Duration, 3_600_000_000_000),
    row("B", Quantity::Size, 1),
    row("KB", Quantity::Size, 1_000),
    row("MB", Quantity::Size, 1_000_000),
    row("GB", Quantity::Size, 1_000_000_000),
    row("KiB", Quantity::Size, KIB),
    row("MiB", Quantity::Size, MIB),
    row("GiB", Quantity::Size, GIB),
    Unit { text: "bps", quantity: Quantity::Rate, numerator: 1, denominator: 8 },
    row("Kbps", Quantity::Rate, 125),
    row("Mbps", Quantity::Rate, 125_000),
    row("Gbps", Quantity::Rate, 125_000_000),
    row("B/s", Quantity::Rate, 1),
    row("KB/s", Quantity::Rate, 1_000),
    row("MB/s", Quantity::Rate, 1_000_000),
    row("GB/s", Quantity::Rate, 1_000_000_000),
    row("KiB/s", Quantity::Rate, KIB),
    row("MiB/s", Quantity::Rate, MIB),
    row("GiB/s", Quantity::Rate, GIB),
    Unit { text: "%", quantity: Quantity::Percent, numerator: 1 << 32, denominator: 100 },
];

/// Other usual spellings, in lower case, and ours.
const ALIASES: &[(&str, &str)] = &[
    ("nsec", "ns"),
    ("usec", "us"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("millis", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("m", "min"),
    ("mins", "min"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hr", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("byte", "B"),
    ("bytes", "B"),
    ("k", "KB"),
    ("g", "GB"),
    ("kbit", "Kbps"),
    ("mbit", "Mbps"),
    ("gbit", "Gbps"),
];
