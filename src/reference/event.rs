//! Events, their groups and their arguments.

use tcpc_stdlib::enable::{enabling_call, enabling_option};
use tcpc_stdlib::event::{Arg, EVENT_GROUPS, EVENTS, Event, EventRole, Reply, Sock};
use tcpc_stdlib::kernel::CALLBACK_FLAGS;
use tcpc_stdlib::option::option;
use tcpc_stdlib::unit::Unit;

use super::field::unit_name;
use super::{Entry, Kind, code, names};

/// Entries of everything about events; the event that the kernel never raises is left out.
pub fn entries() -> impl Iterator<Item = Entry> {
    let events = || EVENTS.iter().filter(|event| event.number != 0);
    let groups = EVENT_GROUPS.iter().map(|group| {
        let meaning = format!("Stands for {}.", names(group.events.iter().copied()));
        Entry::new(Kind::EventGroup, group.name, meaning)
    });
    let arguments = events().flat_map(|event| event.args.iter().map(move |arg| argument(event, arg)));
    events().map(of_event).chain(groups).chain(arguments)
}

/// Events that policies can have rules for.
pub fn supported() -> impl Iterator<Item = &'static Event> {
    EVENTS.iter().filter(|event| event.supported)
}

/// The ends of a connection that an event is raised on.
fn ends(event: &Event) -> &'static str {
    match event.role {
        EventRole::Client => "client",
        EventRole::Server => "server",
        EventRole::BySynSent => "both",
        EventRole::Unknown => "either",
    }
}

fn of_event(event: &'static Event) -> Entry {
    let socket = match event.sock {
        Sock::Full => "a full socket",
        Sock::FullOrRequest => {
            "a full socket on the client; on the server a request, which has addresses, ports, family and \
             state, but no TCP fields and no options"
        }
        Sock::Unlocked => {
            "a full socket that is not locked, which has addresses, ports, family and state, but no TCP fields and no \
             options"
        }
        Sock::None => "none that can be used",
    };
    let segment = if event.has_skb { "; the segment that raised it can be read" } else { "" };
    let peer = if event.has_remote { "" } else { "; there is no peer yet" };
    let mut entry = Entry::new(Kind::Event, event.name, event.doc)
        .spelling(event.kernel)
        .fact("Kernel", format!("`{}` ({}), Linux {}", event.kernel, event.number, event.since))
        .fact("End", ends(event))
        .fact("Socket", format!("{socket}{segment}{peer}"));
    if let Some(reply) = &event.reply {
        entry = answers(entry, reply);
    }
    let flags = CALLBACK_FLAGS.iter().filter(|flag| event.flag & flag.value != 0);
    entry.spellings.extend(flags.map(|flag| format!("BPF_SOCK_OPS_{}", flag.name)));
    entry = prerequisites(entry, event);
    for arg in event.args {
        entry = entry.fact("Argument", format!("`{}` (`{}`): {}", arg.name, arg.ty, arg.doc));
    }
    entry.usable = event.supported;
    entry.example = event.example;
    if event.supported { entry } else { entry.remark("Policies cannot have rules for it yet.") }
}

/// What the compiler does beside the rules so that the kernel raises an event.
fn prerequisites(mut entry: Entry, event: &Event) -> Entry {
    if let Some(row) = enabling_option(event.name) {
        let kernel = option(row.option).map_or(row.option, |option| option.kernel);
        let at = names(event.enabled_in.iter().copied());
        entry = entry.fact("Done for it", format!("`{kernel}` is set to {} in {at}", row.value));
    }
    if let Some(row) = enabling_call(event.name) {
        entry = entry.fact("Done for it", format!("`{}` is called in `{}`", row.kfunc, row.within));
        entry.spellings.push(row.kfunc.into());
    }
    entry
}

fn answers(entry: Entry, reply: &Reply) -> Entry {
    let unit = match reply.unit {
        Unit::Bool => String::new(),
        unit => format!(", to the kernel in {}", unit_name(unit)),
    };
    entry
        .fact("Reply", format!("{}{unit}", code(reply.ty.name())))
        .fact("Without a reply", reply.default)
        .fact("Effect", reply.effect)
}

fn argument(event: &'static Event, arg: &'static Arg) -> Entry {
    let entry = Entry::new(Kind::Argument, arg.name, arg.doc)
        .fact("Event", code(event.name))
        .fact("Type", code(arg.ty.name()))
        .fact("Linux", arg.since.to_string());
    Entry { of: Some(event.name), usable: event.supported, ..entry }
}
