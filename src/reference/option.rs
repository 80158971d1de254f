//! Socket options.

use tcpc_lang::show::show;
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::option::{OPTIONS, OptionFamily, OptionValue, Readback, SockOption, Verdict};
use tcpc_stdlib::unit::Type;

use super::event::supported;
use super::{Entry, Kind, code, names};

/// An entry for each option, also those that a policy cannot assign.
pub fn entries() -> impl Iterator<Item = Entry> {
    OPTIONS.iter().map(|option| {
        let why = option.reserved.or(option.set_since.is_none().then_some("programs can only read it"));
        let mut entry = Entry::new(Kind::Option, option.name, option.doc).spelling(option.kernel);
        if why.is_none() {
            entry = entry.fact("Type", code(option.ty.name())).fact("Values", values(option));
        }
        entry = entry
            .fact("Kernel", code(option.kernel))
            .fact("Level", code(option.level_name))
            .fact("Set", since(option.set_since))
            .fact("Read", since(option.get_since));
        entry.remarks = remarks(option);
        entry.remarks.extend(why.map(|why| format!("A policy cannot assign it: {why}.")));
        Entry { usable: why.is_none(), ..entry }
    })
}

fn since(version: Option<KernelVersion>) -> String {
    version.map_or("never".into(), |version| format!("Linux {version}"))
}

fn values(option: &SockOption) -> String {
    match option.value {
        OptionValue::Name => format!("a name of {} to {} bytes", option.min, option.max),
        _ if option.ty == Type::Bool => "`true`, `false`".into(),
        _ => {
            let bound = |raw: i64| show(option.ty, raw as u64 * option.unit.scale().unwrap_or(1));
            format!("{} to {}", bound(option.min), bound(option.max))
        }
    }
}

fn remarks(option: &SockOption) -> Vec<String> {
    let mut facts = Vec::new();
    if !option.note.is_empty() {
        facts.push(option.note.to_owned());
    }
    let family = match option.family {
        OptionFamily::Any => None,
        OptionFamily::Inet => {
            Some("Only on IPv4 sockets (from 7.1 on IPv6 sockets take it too, for an IPv4 peer).")
        }
        OptionFamily::Inet6 => Some("Only on IPv6 sockets."),
    };
    facts.extend(family.map(str::to_owned));
    let readback = match option.readback {
        Readback::Doubled => Some("Reads as it was assigned, although the kernel doubles it."),
        Readback::Jiffies if option.get_since.is_some() => Some("Reads rounded up to whole jiffies."),
        _ => None,
    };
    facts.extend(readback.map(str::to_owned));
    for limit in option.limits {
        let shown = limit.events().filter(|name| supported().any(|event| event.name == *name));
        let shown: Vec<&str> = shown.collect();
        if shown.is_empty() {
            continue;
        }
        let (events, instead) = (names(shown), names(limit.instead.iter().copied()));
        let verdict = match limit.verdict {
            Verdict::Ignored => "An error in",
            Verdict::Forbidden => "Refused in",
            Verdict::Partial => "A warning in",
        };
        facts.push(format!("{verdict} {events}: {}; use {instead}.", limit.why));
    }
    facts
}
