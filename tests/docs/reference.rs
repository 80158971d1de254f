//! `docs/reference.md` and the tables in `docs/language.md`: the catalogue for people.

use std::fs;

use tcpc_lang::show::show;
use tcpc_stdlib::builtin::BUILTINS;
use tcpc_stdlib::event::{EVENT_GROUPS, EVENTS, Event, EventRole, Reply, Sock};
use tcpc_stdlib::field::{Availability, FIELDS, Field};
use tcpc_stdlib::kernel::{ERRNOS, KernelVersion, TCP_STATES};
use tcpc_stdlib::option::{OPTIONS, OptionFamily, OptionValue, Readback, SockOption, Verdict};
use tcpc_stdlib::unit::{Type, Unit};

use crate::markdown::{table, with_part};
use crate::support::{assert_file, repository};

const HEAD: &str = "\
# Reference

Everything that a policy can name: events, fields, socket options, built-in names. What they are for and how they
go together is in [language.md](language.md). A kernel version is the first that has a thing; as policies need Linux
5.10 anyway, an older version means “always”.

This page is made from the catalogue in `stdlib/src/`.
";

#[test]
fn the_reference_page_is_current() {
    let parts = [HEAD.to_owned(), events(), arguments(), fields(), options(), builtins(), types(), words()];
    assert_file(&repository("docs/reference.md"), &parts.join("\n"));
}

#[test]
fn the_tables_of_the_language_page_are_current() {
    let path = repository("docs/language.md");
    let page = fs::read_to_string(&path).unwrap();
    assert_file(&path, &with_part(&page, "events", &event_overview()));
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// `` `a`, `b` `` or a dash.
fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(code).collect();
    if names.is_empty() { "-".into() } else { names.join(", ") }
}

fn since(version: Option<KernelVersion>) -> String {
    version.map_or("never".into(), |version| version.to_string())
}

fn supported() -> impl Iterator<Item = &'static Event> {
    EVENTS.iter().filter(|event| event.supported)
}

fn ends(event: &Event) -> &'static str {
    match event.role {
        EventRole::Client => "client",
        EventRole::Server => "server",
        EventRole::BySynSent => "both",
        EventRole::Unknown => "either",
    }
}

fn event_overview() -> String {
    let reply = |event: &Event| event.reply.map_or("-".into(), |reply| code(reply.ty.name()));
    table(
        &["Event", "End", "Reply", "When"],
        supported().map(|event| vec![code(event.name), ends(event).into(), reply(event), event.doc.into()]),
    )
}

fn events() -> String {
    let mut page = String::from("## Events\n");
    for event in supported() {
        page += &format!("\n### `{}`\n\n{}\n\n", event.name, event.doc);
        let socket = match event.sock {
            Sock::Full => "a full socket",
            Sock::FullOrRequest => {
                "a full socket on the client; on the server a request, which has addresses, ports, family and \
                 state, but no TCP fields and no options"
            }
            Sock::Unlocked | Sock::None => "none that can be used",
        };
        let segment = if event.has_skb { "; the segment that raised it can be read" } else { "" };
        let peer = if event.has_remote { "" } else { "; there is no peer yet" };
        page += &format!("- Kernel: `{}` ({}), Linux {}\n", event.kernel, event.number, event.since);
        page += &format!("- End: {}\n- Socket: {socket}{segment}{peer}\n", ends(event));
        if let Some(reply) = &event.reply {
            page += &answers(reply);
        }
        page += &format!("\n```tcp\n{}\n```\n", event.example);
    }
    for group in EVENT_GROUPS {
        page += &format!("\n`{}` stands for {}.\n", group.name, names(group.events.iter().copied()));
    }
    let later = EVENTS.iter().filter(|event| !event.supported && event.number != 0);
    page + "\nThe kernel also raises these; policies cannot have rules for them yet: "
        + &names(later.map(|event| event.name))
        + ".\n"
}

fn answers(reply: &Reply) -> String {
    let unit = match reply.unit {
        Unit::Bool => String::new(),
        unit => format!(", to the kernel in {}", unit_name(unit)),
    };
    format!(
        "- Reply: {}{unit}\n- Without a reply: {}\n- Effect: {}\n",
        code(reply.ty.name()),
        reply.default,
        reply.effect
    )
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Plain | Unit::Bool => "-",
        Unit::EighthMicroseconds => "eighths of a us",
        unit => unit.name(),
    }
}

fn arguments() -> String {
    let rows = EVENTS.iter().flat_map(|event| event.args.iter().map(move |arg| (event, arg)));
    let rows = rows.filter(|(event, _)| event.supported).map(|(event, arg)| {
        vec![code(event.name), code(arg.name), code(arg.ty.name()), arg.since.to_string(), arg.doc.into()]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("## Arguments\n\n{}", table(&["Event", "Argument", "Type", "Linux", "Meaning"], rows))
}

fn fields() -> String {
    let rows = FIELDS.iter().filter(|field| !field.name.is_empty()).map(|field| {
        vec![
            code(field.name),
            code(field.ty.name()),
            code(field.kernel),
            unit_name(field.unit).into(),
            field.since.to_string(),
            readable(field),
            field.doc.into(),
        ]
    });
    format!(
        "## Fields\n\nMembers of `struct bpf_sock_ops`, each in the unit of its type; “kernel” and “unit” are \
         the kernel's own. “Client” means\nthat the field reads 0 on the server in the events that ask for a \
         reply, where the server has only a request.\n\n{}",
        table(&["Field", "Type", "Kernel", "Unit", "Linux", "Readable", "Meaning"], rows)
    )
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
        (missed, kept) if missed < kept => format!("not in {}", names(missing)),
        _ => return format!("in {}", names(whole.iter().map(|event| event.name))),
    };
    if client.is_empty() { everywhere } else { format!("{everywhere}; client") }
}

fn options() -> String {
    let assignable: Vec<&SockOption> =
        OPTIONS.iter().filter(|option| option.reserved.is_none() && option.set_since.is_some()).collect();
    let rows = assignable.iter().map(|option| {
        vec![
            code(option.name),
            code(option.ty.name()),
            values(option),
            format!("`{}`", option.kernel),
            since(option.set_since),
            since(option.get_since),
            option.doc.into(),
        ]
    });
    let mut page = format!(
        "## Socket options\n\nWhat rules assign, and conditions read. “Set” and “read” are the first kernels \
         where a program can.\n\n{}\n### What to know of single options\n\n",
        table(&["Option", "Type", "Values", "Kernel", "Set", "Read", "Meaning"], rows)
    );
    for option in assignable {
        let facts = remarks(option);
        if !facts.is_empty() {
            page += &format!("- `{}`: {}\n", option.name, facts.join(" "));
        }
    }
    page
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
            Some("Only on IPv4 sockets (from 7.1 on also on IPv6 sockets with an IPv4 peer).")
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
        let shown = limit.events.iter().copied().filter(|name| supported().any(|event| event.name == *name));
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

fn builtins() -> String {
    let rows = BUILTINS.iter().map(|row| {
        let events =
            if row.events.is_empty() { "everywhere".into() } else { names(row.events.iter().copied()) };
        vec![code(row.signature), events, row.doc.into(), code(row.example)]
    });
    format!("## Built-in names\n\n{}", table(&["Written", "Where", "Meaning", "Example"], rows))
}

fn types() -> String {
    let about = |ty: Type| match ty {
        Type::Bool => ("`true`, `false`", "yes or no"),
        Type::Int => ("`10`, `1_000`, `0x20`", "a 64-bit unsigned number without a unit"),
        Type::Duration => ("`10us`, `2.5ms`, `3s`, `2min`, `1h`", "time, in nanoseconds"),
        Type::Size => ("`512B`, `150KB`, `64KiB`", "an amount of data, in bytes"),
        Type::Rate => ("`10Gbps`, `1MB/s`", "data per time, in bytes per second"),
        Type::Percent => ("`1%`, `0.01%`", "a share"),
        Type::Packets => ("`40`", "a number of segments"),
        Type::Port => ("`443`", "0 to 65535"),
        Type::Ip => ("`10.0.0.1`, `2001:db8::1`", "an address of either family"),
        Type::Prefix => ("`10.0.0.0/8`, `2001:db8::/32`", "addresses that begin alike"),
        Type::Name => ("`\"cubic\"`", "a name that the kernel knows"),
        Type::State => ("`ESTABLISHED`", "a TCP state"),
        Type::Family => ("`ipv4`, `ipv6`", "an address family"),
        Type::Role => ("`client`, `server`", "an end of a connection"),
    };
    let rows = Type::ALL.iter().map(|ty| {
        let (written, meaning) = about(*ty);
        vec![code(ty.name()), written.into(), meaning.into()]
    });
    format!("## Types\n\n{}", table(&["Type", "Written", "Meaning"], rows))
}

fn words() -> String {
    let errors = ERRNOS.iter().map(|row| vec![code(row.name), row.meaning.into()]);
    format!(
        "## TCP states\n\n{}.\n\n## Error numbers\n\nWhat an assignment can fail with.\n\n{}",
        names(TCP_STATES.iter().map(|state| state.name)),
        table(&["Error", "Meaning"], errors)
    )
}
