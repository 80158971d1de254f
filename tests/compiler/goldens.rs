//! What is made of each policy, as text: IR after all passes, and instructions.
//!
//! `INSTA_UPDATE=always cargo test --test compiler` rewrites them.

use std::fmt::Write;

use object::{Object, ObjectSection};

use super::policy::{self, Policy};

/// Snapshots lie beside the folder of policies, which holds nothing else.
fn golden(name: &str, shown: &str) {
    let settings = {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("goldens");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings
    };
    settings.bind(|| insta::assert_snapshot!(name, shown));
}

#[test]
fn ir_and_instructions() {
    for policy in policy::own() {
        let compiled = policy.compile(false);
        golden(policy.name.trim_end_matches(".tcp"), &format!("{}\n{}", compiled.ir, compiled.asm));
    }
}

#[test]
fn counting_adds_to_numbers_in_memory() {
    let policy = Policy::new("counted.tcp", "web: on tcp_connect when remote_port == 80 { mark = 1 }\n");
    let compiled = policy.compile(true);
    golden("counted", &format!("{}\n{}", compiled.ir, compiled.asm));
}

#[test]
fn bytes_of_an_object() {
    let policy = Policy::new("bytes.tcp", "on timeout_init when remote_port == 443 -> 10ms\n");
    let compiled = policy.compile(false);
    let file = object::File::parse(&*compiled.object).unwrap();
    let mut shown = String::new();
    // The description of itself is JSON with the compiler's version, and the ELF tables follow from the rest.
    for name in ["sockops", "license", ".rodata", ".BTF", ".BTF.ext"] {
        let data = file.section_by_name(name).unwrap().data().unwrap();
        let _ = writeln!(shown, "{name}: {} bytes", data.len());
        for line in data.chunks(16) {
            let bytes: Vec<String> = line.chunks(8).map(hex).collect();
            let _ = writeln!(shown, "    {}", bytes.join(" "));
        }
    }
    golden("bytes", &shown);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_golden_belongs_to_a_policy() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compiler/goldens");
    let mut names: Vec<String> = policy::own().into_iter().map(|policy| policy.name).collect();
    names.extend(["counted.tcp".into(), "bytes.tcp".into()]);
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let policy = file.replace(".snap", ".tcp");
        assert!(names.contains(&policy), "{file} is nobody's");
    }
}

#[test]
fn every_row_of_the_catalogue_has_a_golden() {
    use tcpc_stdlib::builtin::BUILTINS;
    use tcpc_stdlib::event::EVENTS;
    use tcpc_stdlib::field::FIELDS;
    use tcpc_stdlib::option::OPTIONS;

    let text: String = policy::own().iter().map(|policy| format!("{}\n", policy.text)).collect();
    let is_part = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let code = text.lines().map(|line| line.split('#').next().unwrap_or(""));
    let words: std::collections::BTreeSet<&str> = code.flat_map(|line| line.split(is_part)).collect();
    let events = EVENTS.iter().filter(|event| event.supported);
    let rows = events
        .clone()
        .map(|event| event.name)
        .chain(events.flat_map(|event| event.args).map(|arg| arg.name))
        .chain(FIELDS.iter().map(|field| field.name).filter(|name| !name.is_empty()))
        .chain(OPTIONS.iter().filter(|option| option.reserved.is_none()).map(|option| option.name))
        .chain(BUILTINS.iter().map(|builtin| builtin.name));
    let missing: Vec<&str> = rows.filter(|row| !words.contains(row)).collect();
    assert!(missing.is_empty(), "no policy has {missing:?}");
}
