//! The other end's policy: it sends the TCP header options that a test has the peer send.

use std::fmt::Write;
use std::path::Path;

use tcpc_compiler::Options;
use tcpc_lang::hir::{HeaderOption, Program};
use tcpc_lang::source::SourceFile;
use tcpc_loader::{AttachRequest, attach, detach};

use crate::plan::Headers;
use crate::run::Skip;

/// Attaches a policy that puts options into every segment of the other end. It goes with its cgroup.
///
/// # Errors
/// There is no room for them, or the host refuses.
pub fn send(cgroup: &Path, program: &Program, headers: &Headers, hz: u32) -> Result<(), Skip> {
    let text = text(program, headers);
    let source = SourceFile::new("peer.tcp", &text);
    let analysis = tcpc_lang::analyze(&source);
    if let Some(wrong) = analysis.diagnostics.iter().find(|one| one.is_error()) {
        return Err(Skip::new(format!("the other end cannot send this: {}", wrong.message)));
    }
    let compiled = tcpc_compiler::compile(&analysis.program, &source, &Options { hz, stats: false })
        .map_err(|error| Skip::new(format!("the other end cannot send this: {error:?}")))?;
    // That of an earlier connection.
    let _ = detach(cgroup, None);
    let request = AttachRequest {
        cgroup: cgroup.to_owned(),
        object: compiled.object,
        name: None,
        allow_root: false,
        parameters: Vec::new(),
        ring_bytes: None,
    };
    attach(request).map(drop).map_err(|error| Skip::new(error.to_string()))
}

fn text(program: &Program, headers: &Headers) -> String {
    let mut text = String::new();
    for (at, (id, values)) in headers.iter().enumerate() {
        let Some(header) = program.headers.get(id.index()) else { continue };
        let fields = header.fields.iter().enumerate().map(|(index, field)| {
            let name = if field.name == "_" { "_".to_owned() } else { format!("f{index}") };
            format!("{name}: u{}", field.bits)
        });
        let fields: Vec<String> = fields.collect();
        let _ = writeln!(text, "option h{at} = {} {{ {} }}", kind(header), fields.join(", "));
        let values = header.fields.iter().zip(values).enumerate();
        let values = values
            .filter(|(_, (field, _))| field.name != "_")
            .map(|(index, (_, value))| format!("f{index} = {value}"));
        let values: Vec<String> = values.collect();
        let _ = writeln!(text, "send h{at} on syn, synack, established, fin {{ {} }}", values.join("; "));
    }
    text
}

fn kind(header: &HeaderOption) -> String {
    match header.exid {
        Some(id) => format!("kind {} id {id:#x}", header.kind),
        None => format!("kind {}", header.kind),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tcpc_lang::hir::HeaderId;

    #[test]
    fn the_peers_policy_declares_what_the_test_says_it_sends() {
        let policy =
            "option a = kind 28 { minutes: u1, value: u15 }\noption b = experimental 0xCC01 { id: u8 }\n";
        let program = tcpc_lang::analyze(&SourceFile::new("p.tcp", policy)).program;
        let text = text(&program, &vec![(HeaderId(0), vec![1, 30]), (HeaderId(1), vec![2])]);
        assert_eq!(
            text,
            "option h0 = kind 28 { f0: u1, f1: u15 }\nsend h0 on syn, synack, established, fin { f0 = 1; f1 = 30 }\n\
             option h1 = kind 254 id 0xcc01 { f0: u8 }\nsend h1 on syn, synack, established, fin { f0 = 2 }\n"
        );
        let analysis = tcpc_lang::analyze(&SourceFile::new("peer.tcp", &text));
        assert!(analysis.is_valid(), "{:?}", analysis.diagnostics);
    }
}
