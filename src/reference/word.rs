//! Words of the language, built-in names, types, TCP states, error numbers, and the codes of diagnostics.

use tcpc_lang::diag::{Code, Severity};
use tcpc_stdlib::builtin::{BUILTINS, Builtin};
use tcpc_stdlib::kernel::{ERRNOS, KernelVersion, TCP_STATES};
use tcpc_stdlib::unit::Type;
use tcpc_stdlib::word::WORDS;

use super::{Entry, Kind, code, names};

/// Entries of all words that are no event, field or option.
pub fn entries() -> impl Iterator<Item = Entry> {
    let states = TCP_STATES.iter().map(|state| {
        Entry::new(Kind::State, state.name, "A TCP state, for `state`, `old_state` and `new_state`.")
            .spelling(format!("TCP_{}", state.name))
            .spelling(format!("BPF_TCP_{}", state.name))
            .fact("Kernel", format!("`TCP_{}` ({})", state.name, state.number))
    });
    let errors = ERRNOS
        .iter()
        .map(|row| Entry::new(Kind::Error, row.name, row.meaning).fact("Number", row.number.to_string()));
    let words = WORDS.iter().map(|row| {
        let entry = Entry::new(Kind::Word, row.name, row.doc).fact("Written", code(row.written));
        Entry { example: row.example, ..entry }
    });
    words
        .chain(BUILTINS.iter().map(builtin))
        .chain([kernel_has()])
        .chain(Type::ALL.iter().copied().map(of_type))
        .chain(states)
        .chain(errors)
        .chain(Code::ALL.iter().copied().map(diagnostic))
}

fn builtin(row: &'static Builtin) -> Entry {
    let events = if row.events.is_empty() { "everywhere".into() } else { names(row.events.iter().copied()) };
    let entry = Entry::new(Kind::Builtin, row.name, row.doc).fact("Written", code(row.signature));
    Entry { example: row.example, ..entry.fact("Where", events) }
}

fn kernel_has() -> Entry {
    let meaning = format!(
        "Whether the kernel has what came after Linux {}: an option to assign (or to read), a field, an event, an \
         argument. Decided when the policy is loaded.",
        KernelVersion::FLOOR
    );
    let entry = Entry::new(Kind::Builtin, "kernel has", meaning)
        .spelling("kernel")
        .spelling("has")
        .spelling("reading")
        .fact("Written", "`kernel has NAME`, `kernel has reading NAME`")
        .fact("Where", "everywhere");
    Entry { example: "kernel has rto_max and rto_max > 5s", ..entry }
}

fn of_type(ty: Type) -> Entry {
    let (written, meaning, words): (_, _, &[&str]) = match ty {
        Type::Bool => ("`true`, `false`", "yes or no", &["true", "false"]),
        Type::Int => ("`10`, `1_000`, `0x20`", "a 64-bit unsigned number without a unit", &[]),
        Type::Duration => ("`10us`, `2.5ms`, `3s`, `2min`, `1h`", "time, in nanoseconds", &[]),
        Type::Size => ("`512B`, `150KB`, `64KiB`", "an amount of data, in bytes", &[]),
        Type::Rate => ("`10Gbps`, `1MB/s`", "data per time, in bytes per second", &[]),
        Type::Percent => ("`1%`, `0.01%`", "a share", &[]),
        Type::Packets => ("`40`", "a number of segments", &[]),
        Type::Port => ("`443`", "0 to 65535", &[]),
        Type::Ip => ("`10.0.0.1`, `2001:db8::1`", "an address of either family", &[]),
        Type::Prefix => ("`10.0.0.0/8`, `2001:db8::/32`", "addresses that begin alike", &[]),
        Type::Name => ("`\"cubic\"`", "a name that the kernel knows", &[]),
        Type::State => ("`ESTABLISHED`", "a TCP state", &[]),
        Type::Family => ("`ipv4`, `ipv6`", "an address family", &["ipv4", "ipv6", "AF_INET", "AF_INET6"]),
        Type::Role => ("`client`, `server`", "an end of a connection", &["client", "server"]),
    };
    let entry = Entry::new(Kind::Type, ty.name(), meaning).fact("Written", written);
    Entry { spellings: words.iter().map(|word| (*word).to_owned()).collect(), ..entry }
}

fn diagnostic(code: Code) -> Entry {
    let severity = match code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let entry = Entry::new(Kind::Diagnostic, code.as_str(), code.summary()).fact("Severity", severity);
    Entry { page: code.explanation(), ..entry }
}
