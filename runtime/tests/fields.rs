//! Every field that a policy can name, in the interpreter: given, read by the policy, and expected.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::report::render;
use tcpc_runtime::scenario::run_tests;
use tcpc_stdlib::field::{FIELDS, Field, Guard};
use tcpc_stdlib::unit::{Type, Unit};

/// How a test gives the field, and a value of it that no new socket has.
fn given(field: &Field) -> (String, &'static str) {
    let name = field.name;
    let value = match (field.ty, field.unit) {
        // These follow from the event and the addresses.
        (Type::State, _) => return (String::new(), "ESTABLISHED"),
        (Type::Bool, _) => return (String::new(), "true"),
        (Type::Family, _) => return ("given local = 2001:db8::1".into(), "ipv6"),
        (Type::Ip, _) => "10.0.0.9",
        (Type::Size, _) => "7B",
        (Type::Duration, Unit::Nanoseconds) => "7ns",
        (Type::Duration, _) => "7us",
        _ => "7",
    };
    (format!("given {name} = {value}"), value)
}

/// A policy that reads the field, with a test.
fn policy(field: &Field) -> String {
    let (given, value) = given(field);
    let name = field.name;
    format!(
        "on active_established when {name} == {value} {{ count seen }}
         on active_established when {name} != {value} {{ count other }}
         test \"it is what was given\" {{
             {given}
             fire active_established expect counter seen == 1 and counter other == 0 and {name} == {value}
         }}"
    )
}

#[test]
fn every_field_is_given_and_read() {
    for field in FIELDS.iter().filter(|field| !field.name.is_empty()) {
        let text = policy(field);
        let source = SourceFile::new("p.tcp", text.as_str());
        let analysis = analyze(&source);
        assert!(analysis.is_valid(), "{text}: {:#?}", analysis.diagnostics);
        let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: true }).unwrap();
        let report = run_tests(&compiled.object, &analysis.program, &source, None).unwrap();
        assert!(report.failed() == 0 && report.passed() == 1, "{text}\n{}", render(&report));
    }
}

#[test]
fn on_a_request_the_fields_of_a_socket_read_zero() {
    let of_a_socket = FIELDS.iter().filter(|field| !field.name.is_empty() && field.guard == Guard::Tcp);
    let mut tried = 0;
    for field in of_a_socket {
        let (given, value) = given(field);
        let name = field.name;
        let text = format!(
            "on needs_ecn when {name} == {value} {{ count seen }}
             test \"a request\" {{
                 {given}, role = server
                 fire needs_ecn expect counter seen == 0
             }}"
        );
        let source = SourceFile::new("p.tcp", text.as_str());
        let analysis = analyze(&source);
        assert!(analysis.is_valid(), "{text}: {:#?}", analysis.diagnostics);
        let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: false }).unwrap();
        let report = run_tests(&compiled.object, &analysis.program, &source, None).unwrap();
        assert!(report.failed() == 0 && report.passed() == 1, "{text}\n{}", render(&report));
        tried += 1;
    }
    assert!(tried > 20);
}
