//! Words for messages: types with their article, lists, quantities in a certain unit.

use tcpc_stdlib::event::Event;
use tcpc_stdlib::unit::{Type, Unit};

use crate::show::show;

/// The type with its article: `a duration`, `an int`.
pub fn a(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "a bool",
        Type::Int => "a plain number",
        Type::Duration => "a duration",
        Type::Size => "a size",
        Type::Rate => "a rate",
        Type::Percent => "a percentage",
        Type::Packets => "a number of packets",
        Type::Port => "a port",
        Type::Ip => "an address",
        Type::Prefix => "a prefix",
        Type::Name => "a name",
        Type::State => "a TCP state",
        Type::Family => "an address family",
        Type::Role => "a role",
    }
}

/// `` `a`, `b` or `c` `` for `or`.
pub fn list<'n>(names: impl IntoIterator<Item = &'n str>, last: &str) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// `` `timeout_init` and `rwnd_init` ``.
pub fn events(events: &[&'static Event]) -> String {
    list(events.iter().map(|event| event.name), "and")
}

/// What an author would write for `number` of the kernel's units, such as `30s`.
pub fn literal(ty: Type, unit: Unit, number: u64) -> Option<String> {
    match ty {
        Type::Duration => Some(match unit {
            Unit::Nanoseconds | Unit::Milliseconds | Unit::Seconds => format!("{number}{}", unit.name()),
            Unit::Microseconds | Unit::EighthMicroseconds => format!("{number}us"),
            _ => format!("{number}ms"),
        }),
        Type::Size | Type::Rate => Some(show(ty, number)),
        Type::Percent => Some(format!("{number}%")),
        _ => None,
    }
}

/// A bound of a range: exact where that is short, else rounded to four digits.
pub fn bound(ty: Type, value: u64) -> String {
    let exact = show(ty, value);
    let (scaled, units) = match ty {
        Type::Size => (value as f64, ["B", "KB", "MB", "GB"]),
        Type::Rate => (value as f64 * 8.0, ["bps", "Kbps", "Mbps", "Gbps"]),
        Type::Duration => return if exact.len() > 8 { about(value) } else { exact },
        _ => return exact,
    };
    if exact.len() <= 8 {
        return exact;
    }
    let step = units.len() - 1;
    let step = (1..=step).rev().find(|step| scaled >= 1000f64.powi(*step as i32)).unwrap_or(0);
    format!("about {:.2}{}", scaled / 1000f64.powi(step as i32), units[step])
}

/// A long duration, roughly.
fn about(nanos: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    const DAY: u64 = 86_400 * SECOND;
    match nanos / DAY {
        0 | 1 => format!("about {}s", nanos / SECOND),
        days => format!("about {days} days"),
    }
}

/// A unit of the kernel's in full.
pub fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanoseconds => "nanoseconds",
        Unit::Microseconds | Unit::EighthMicroseconds => "microseconds",
        Unit::Milliseconds => "milliseconds",
        Unit::Seconds => "seconds",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(list(["a"], "or"), "`a`");
        assert_eq!(list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }

    #[test]
    fn bounds_stay_short() {
        assert_eq!(bound(Type::Duration, 200_000_000), "200ms");
        assert_eq!(bound(Type::Size, 2_147_483_647), "about 2.15GB");
        assert_eq!(bound(Type::Rate, 4_294_967_294), "about 34.36Gbps");
    }
}
