//! Every socket option that a policy can assign, in the interpreter: assigned, read by the policy, and expected.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::report::render;
use tcpc_runtime::scenario::run_tests;
use tcpc_stdlib::option::{INITIAL, OPTIONS, OptionFamily, OptionValue, SockOption};
use tcpc_stdlib::unit::{Type, Unit};

/// A number that the option takes, that no new socket has and that no host's limit or tick changes.
fn number(option: &SockOption) -> i64 {
    let initial = INITIAL.iter().find(|(name, _)| *name == option.name).map_or(0, |(_, number)| *number);
    let wanted = match (option.ty, option.unit) {
        (Type::Bool, _) => 1 - initial,
        (Type::Duration, Unit::Microseconds) => 40_000,
        (Type::Size, _) => 20_000,
        // The two lowest bits of a service class are not the policy's.
        _ => 64,
    };
    let number = wanted.clamp(option.min, option.max);
    assert_ne!(number, initial, "{}", option.name);
    number
}

/// How a policy writes the value.
fn written(option: &SockOption) -> String {
    if option.value == OptionValue::Name {
        return "\"reno\"".into();
    }
    let number = number(option);
    match option.unit {
        Unit::Bool => (number == 1).to_string(),
        Unit::Bytes => format!("{number}B"),
        Unit::BytesPerSecond => format!("{number}B/s"),
        Unit::Microseconds | Unit::Milliseconds | Unit::Seconds => format!("{number}{}", option.unit.name()),
        _ => number.to_string(),
    }
}

/// A policy that assigns the option where that takes its whole effect, with a test.
fn policy(option: &SockOption) -> String {
    let name = option.name;
    let events = ["tcp_connect", "tcp_listen", "active_established"];
    let event = events.into_iter().find(|event| option.limit(event).is_none()).unwrap();
    let value = written(option);
    // `maxseg` reads the segment size in use.
    let reads = option.get_since.is_some() && name != "maxseg";
    let seen = if reads { format!("if {name} == {value} {{ count seen }}") } else { "count seen".into() };
    let expected = match name {
        "init_cwnd" => format!("snd_cwnd == {value}"),
        "maxseg" => "rule assigned".into(),
        _ => format!("{name} == {value}"),
    };
    let ends = match option.family {
        OptionFamily::Inet6 => "given local = 2001:db8::1",
        _ => "given local = 192.0.2.1",
    };
    format!(
        "assigned: on {event} {{ {name} = {value}; {seen} }}
         test \"it stays\" {{ {ends}; fire {event} expect counter seen == 1 and {expected} }}
         test \"it is refused\" {{
             {ends}, {name} fails EPERM
             fire {event} expect rule assigned and {untouched}
         }}",
        untouched = if reads { "counter seen == 0" } else { "counter seen == 1" },
    )
}

#[test]
fn every_option_is_assigned_and_read() {
    let assignable = OPTIONS.iter().filter(|option| option.reserved.is_none() && option.set_since.is_some());
    let mut tried = 0;
    for option in assignable {
        let text = policy(option);
        let source = SourceFile::new("p.tcp", text.as_str());
        let analysis = analyze(&source);
        assert!(analysis.is_valid(), "{text}: {:#?}", analysis.diagnostics);
        let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: true }).unwrap();
        let report = run_tests(&compiled.object, &analysis.program, &source, None).unwrap();
        assert!(report.failed() == 0 && report.passed() == 2, "{text}\n{}", render(&report));
        tried += 1;
    }
    assert!(tried > 30);
}
