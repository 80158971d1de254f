//! The catalogue's numbers and offsets against the type information of the running kernel.
//!
//! Where the kernel has none (`/sys/kernel/btf/vmlinux`), each test prints `skipped` and why. What the
//! catalogue dates to a later kernel than the running one is left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod btf;

use std::fs;
use std::io::Write;

use btf::Btf;
use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::field::{self as fields, FIELDS, Struct};
use tcpc_stdlib::helper::HELPERS;
use tcpc_stdlib::kernel::{
    ATTACH_TYPE_SOCK_OPS, CALLBACK_FLAGS, KernelVersion, PROG_TYPE_SOCK_OPS, REPLY_OFFSET, TCP_STATES,
};
use tcpc_stdlib::kfunc::KFUNCS;
use tcpc_stdlib::option::OPTIONS;

const PATH: &str = "/sys/kernel/btf/vmlinux";

/// The running kernel's types and version.
fn kernel() -> Option<(Btf, KernelVersion)> {
    let bytes = match fs::read(PATH) {
        Ok(bytes) => bytes,
        Err(error) => {
            let required = std::env::var_os("TCPC_REQUIRE_KERNEL").is_some_and(|value| value == "1");
            assert!(!required, "no catalogue test: {PATH}: {error}");
            let test = std::thread::current();
            let line = format!("{}: skipped: {PATH}: {error}\n", test.name().unwrap_or("catalogue test"));
            // `eprintln!` would be captured with the output of a test that passes.
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        }
    };
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    Some((Btf::parse(&bytes).unwrap(), KernelVersion::parse(&release).unwrap()))
}

/// Checks numbers of one kind: the kernel's name, the catalogue's number, first kernel.
fn compare(kind: &str, rows: impl IntoIterator<Item = (String, u32, KernelVersion)>) {
    let Some((btf, running)) = kernel() else { return };
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, number, since) in rows {
        if since > running {
            continue;
        }
        compared += 1;
        let found = btf.constant(&name);
        if found != Some(i64::from(number)) {
            wrong.push(format!("{name}: the catalogue says {number}, the kernel {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
    assert!(compared > 0, "no {kind} was compared");
}

#[test]
fn events_have_the_kernels_numbers() {
    compare("events", EVENTS.iter().map(|event| (event.kernel.into(), event.number, event.since)));
}

#[test]
fn no_event_of_the_kernel_is_missing() {
    let Some((btf, _)) = kernel() else { return };
    let missing: Vec<&str> = btf
        .constants()
        .filter(|name| {
            name.starts_with("BPF_SOCK_OPS_") && !name.ends_with("_FLAG") && !name.ends_with("_FLAGS")
        })
        .filter(|name| !EVENTS.iter().any(|event| event.kernel == *name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn callback_flags_have_the_kernels_bits() {
    let rows =
        CALLBACK_FLAGS.iter().map(|flag| (format!("BPF_SOCK_OPS_{}", flag.name), flag.value, flag.since));
    compare("callback flags", rows);
    let flags = CALLBACK_FLAGS.iter().map(|flag| flag.value);
    let known = flags.fold(0, |all, flag| all | flag);
    for event in EVENTS {
        assert_eq!(event.flag & !known, 0, "{}", event.name);
    }
}

#[test]
fn helpers_have_the_kernels_numbers() {
    let constant = |name: &str| format!("BPF_FUNC_{}", name.strip_prefix("bpf_").unwrap_or(name));
    compare("helpers", HELPERS.iter().map(|helper| (constant(helper.name), helper.id, helper.since)));
}

#[test]
fn kernel_functions_have_the_kernels_parameters() {
    let Some((btf, running)) = kernel() else { return };
    for kfunc in KFUNCS.iter().filter(|kfunc| kfunc.since <= running) {
        let parameters: Vec<&str> = kfunc.parameters.iter().map(|parameter| parameter.name).collect();
        assert_eq!(btf.function(kfunc.name).expect(kfunc.name), parameters, "{}", kfunc.name);
    }
}

#[test]
fn states_have_the_kernels_numbers() {
    let Some((btf, _)) = kernel() else { return };
    for state in TCP_STATES {
        // The newest ones are not on every kernel.
        if let Some(found) = btf.constant(&format!("TCP_{}", state.name)) {
            assert_eq!(found, i64::from(state.number), "{}", state.name);
        }
    }
    assert!(btf.constant("TCP_ESTABLISHED").is_some());
}

#[test]
fn options_of_bpf_alone_have_the_kernels_numbers() {
    // The others are macros, of which type information knows nothing.
    let rows = OPTIONS
        .iter()
        .filter(|option| ["TCP_BPF_", "SK_BPF_"].iter().any(|start| option.kernel.starts_with(start)))
        .map(|option| {
            let since = option.set_since.into_iter().chain(option.get_since).min().unwrap();
            (option.kernel.to_string(), option.number, since)
        });
    compare("options", rows);
}

#[test]
fn the_program_has_the_kernels_type() {
    let since = KernelVersion::FLOOR;
    compare(
        "types",
        [
            ("BPF_PROG_TYPE_SOCK_OPS".to_string(), PROG_TYPE_SOCK_OPS, since),
            ("BPF_CGROUP_SOCK_OPS".to_string(), ATTACH_TYPE_SOCK_OPS, since),
        ],
    );
}

#[test]
fn fields_are_where_the_kernel_has_them() {
    let Some((btf, running)) = kernel() else { return };
    for of in Struct::ALL {
        let (size, members) = btf.structure(of.kernel()).expect("the kernel does not have a structure");
        assert!(size as usize <= of.size(), "{of:?}");
        let offset_of =
            |name: &str| members.iter().find(|member| member.name == name).map(|member| member.offset);
        for field in fields::members(of).filter(|field| field.since <= running) {
            let (offset, bytes) = (u32::from(field.offset), u32::from(field.size) * u32::from(field.words));
            assert_eq!(offset_of(field.kernel), Some(offset), "{}", field.kernel);
            // Members lie without gaps, so that the next one tells the width.
            let next = members.iter().map(|member| member.offset).filter(|other| *other > offset).min();
            assert_eq!(offset + bytes, next.unwrap_or(size), "{}", field.kernel);
        }
        if of == Struct::SockOps {
            assert_eq!(offset_of("reply"), Some(u32::from(REPLY_OFFSET)));
        }
    }
}

/// Members of the socket's structures that policies are not given: the context has them, or an option reads
/// them, or they say nothing of a connection.
const LEFT_OUT: &[(Struct, &[&str])] = &[
    (Struct::Sock, &["type", "protocol", "mark", "priority", "rx_queue_mapping"]),
    (Struct::Sock, &["src_ip4", "src_ip6", "src_port", "dst_port", "dst_ip4", "dst_ip6"]),
];

#[test]
fn every_member_of_the_socket_is_decided_on() {
    let Some((btf, _)) = kernel() else { return };
    for of in [Struct::Sock, Struct::TcpSock] {
        let (_, members) = btf.structure(of.kernel()).expect("the kernel does not have a structure");
        for member in members.iter().filter(|member| !member.name.is_empty()) {
            let mut left_out = LEFT_OUT.iter().filter(|(from, _)| *from == of).flat_map(|(_, names)| *names);
            let offered = fields::kernel_field(&member.name).is_some();
            let is_left_out = left_out.any(|name| *name == member.name);
            assert!(offered != is_left_out, "{} of {of:?}", member.name);
        }
    }
}

#[test]
fn no_field_of_the_kernel_is_missing() {
    let Some((btf, _)) = kernel() else { return };
    let (_, members) = btf.structure("bpf_sock_ops").expect("the kernel has no `struct bpf_sock_ops`");
    // `reply` and `replylong` are other views of the bytes of `args`.
    let known = |name: &str| {
        ["reply", "replylong"].contains(&name) || FIELDS.iter().any(|field| field.kernel == name)
    };
    let missing: Vec<&str> = members
        .iter()
        .map(|member| member.name.as_str())
        .filter(|name| !name.is_empty() && !known(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
