//! Members of the context and of the structures that it leads to.

use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::{Availability, FIELDS, Field, Struct, kernel_field};
use tcpc_stdlib::unit::Unit;

use super::event::supported;
use super::{Entry, Kind, code, names};

/// An entry for each member, also those that a policy cannot name.
pub fn entries() -> impl Iterator<Item = Entry> {
    FIELDS.iter().map(|field| {
        let usable = !field.name.is_empty();
        let name = if usable { field.name } else { field.kernel };
        let entry = Entry::new(Kind::Field, name, field.doc).spelling(field.kernel);
        if usable {
            let mut entry = entry
                .fact("Type", code(field.ty.name()))
                .fact("Kernel", code(&in_kernel(field)))
                .fact("Unit", unit_name(field.unit))
                .fact("Linux", field.since.to_string())
                .fact("Readable", readable(field));
            entry.remarks.extend(on_requests(field).map(str::to_owned));
            return entry;
        }
        let entry = entry.fact("Kernel", code(field.kernel)).fact("Linux", field.since.to_string());
        Entry { usable, ..entry.remark(instead(field)) }
    })
}

/// What C programs call a field: a member of the context, or of a structure that the context leads to.
fn in_kernel(field: &Field) -> String {
    match field.of {
        Struct::SockOps => field.kernel.to_owned(),
        of => format!("{}.{}", of.kernel(), field.kernel),
    }
}

/// What “client” means in the events that show a field.
fn on_requests(field: &Field) -> Option<&'static str> {
    let client = supported().any(|event| field.availability(event) == Availability::ClientOnly);
    client.then_some("On the server it reads 0 in the events that ask for a reply: there is only a request.")
}

/// What takes the place of a member that a policy cannot name.
fn instead(field: &Field) -> String {
    let of_both = field.kernel.strip_suffix("ip4").and_then(|end| kernel_field(&format!("{end}ip6")));
    match of_both {
        Some(both) => format!("A policy reads `{}`, which is of either family.", both.name),
        None => "A policy cannot name it.".into(),
    }
}

/// A unit as the reference shows it.
pub fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Plain | Unit::Bool => "-",
        Unit::EighthMicroseconds => "eighths of a us",
        unit => unit.name(),
    }
}

/// Names of events, those of time stamps as one if all of them are there.
fn shortened(mut names: Vec<&'static str>) -> Vec<&'static str> {
    const STAMPS: &str = "tstamp_";
    let is_stamp = |name: &&str| name.starts_with(STAMPS);
    let all = supported().filter(|event| is_stamp(&event.name)).count();
    if all > 1 && names.iter().filter(|name| is_stamp(name)).count() == all {
        names.retain(|name| !is_stamp(name));
        names.push("tstamp_…");
    }
    names
}

/// The events that show a field, as shortly as can be said.
fn readable(field: &Field) -> String {
    let is = |event: &Event, wanted| field.availability(event) == wanted;
    let peer = |event: &&'static Event| event.has_remote || !field.kernel.starts_with("remote_");
    let whole: Vec<&Event> = supported().filter(|event| is(event, Availability::Yes)).filter(peer).collect();
    let client: Vec<&Event> = supported().filter(|event| is(event, Availability::ClientOnly)).collect();
    let missing: Vec<&str> = supported()
        .filter(|event| !whole.contains(event) && !client.contains(event))
        .map(|event| event.name)
        .collect();
    let everywhere = match (missing.len(), whole.len()) {
        (0, _) => "everywhere".to_owned(),
        (missed, kept) if missed < kept => format!("not in {}", names(shortened(missing))),
        _ => return format!("in {}", names(shortened(whole.iter().map(|event| event.name).collect()))),
    };
    if client.is_empty() { everywhere } else { format!("{everywhere}; client") }
}
