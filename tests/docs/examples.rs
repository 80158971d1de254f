//! The policies in the documents and in the catalogue.
//!
//! | block | what holds |
//! | --- | --- |
//! | `tcp` | nothing to report, its tests pass; names that only the text uses may be unused |
//! | `tcp,warns W0908` | no error, and this warning |
//! | `tcp,fails E0303` | this error |
//! | `tcp,file nets.tcp` | a file beside the policies of the document |

use std::fs;

use tcpc_compiler::{Options, compile};
use tcpc_lang::diag::Code;
use tcpc_lang::modules::load;
use tcpc_lang::source::SourceFile;
use tcpc_lang::{Analysis, analyze};
use tcpc_runtime::report::render;
use tcpc_runtime::scenario::run_tests;
use tcpc_stdlib::builtin::BUILTINS;
use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::word::WORDS;

use crate::WRITTEN;
use crate::markdown::{Block, blocks};
use crate::support::repository;

/// A checked text, and the codes of what was found.
fn codes(source: &SourceFile) -> (Analysis, Vec<&'static str>) {
    let mut analysis = analyze(source);
    if analysis.is_valid() {
        analysis.diagnostics.extend(tcpc_analysis::lint::lint(
            &analysis.program,
            source,
            &analysis.diagnostics,
        ));
    }
    let codes = analysis.diagnostics.iter().map(|found| found.code).filter(|code| *code != Code::UnusedName);
    let codes = codes.map(Code::as_str).collect();
    (analysis, codes)
}

fn check(document: &str, block: &Block, files: &[(&str, &str)]) {
    let place = format!("{document}:{}", block.line);
    let source = load(SourceFile::new("example.tcp", &block.text), files);
    let (analysis, found) = codes(&source);
    match block.info.split([',', ' ']).collect::<Vec<_>>().as_slice() {
        ["tcp"] => assert!(found.is_empty(), "{place}: {:#?}", analysis.diagnostics),
        ["tcp", "warns" | "fails", code] => {
            let fails = analysis.diagnostics.iter().any(|found| found.is_error());
            assert!(found.contains(code), "{place}: {:#?}", analysis.diagnostics);
            assert_eq!(fails, block.info.contains("fails"), "{place}: {:#?}", analysis.diagnostics);
            if fails {
                return;
            }
        }
        _ => panic!("{place}: `{}` is no kind of block", block.info),
    }
    let built = compile(&analysis.program, &source, &Options { hz: 1000, stats: true });
    let built = built.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    let report = run_tests(&built.object, &analysis.program, &source, None).unwrap();
    assert_eq!(report.failed(), 0, "{place}: {}", render(&report));
}

#[test]
fn policies_in_documents_do_what_is_said() {
    for document in WRITTEN {
        let text = fs::read_to_string(repository(document)).unwrap();
        let policies: Vec<Block> =
            blocks(&text).into_iter().filter(|block| block.info.starts_with("tcp")).collect();
        assert!(!policies.is_empty(), "{document} has no policy");
        let (files, policies): (Vec<Block>, Vec<Block>) =
            policies.into_iter().partition(|block| block.info.starts_with("tcp,file "));
        let files: Vec<(&str, &str)> =
            files.iter().map(|block| (&block.info["tcp,file ".len()..], block.text.as_str())).collect();
        policies.iter().for_each(|block| check(document, block, &files));
    }
}

#[test]
fn examples_of_events_compile() {
    for event in EVENTS {
        assert_eq!(event.supported, !event.example.is_empty(), "{}", event.name);
        let (analysis, found) = codes(&SourceFile::new("example.tcp", event.example));
        assert!(event.example.is_empty() || found.is_empty(), "{}: {:#?}", event.name, analysis.diagnostics);
    }
}

#[test]
fn examples_of_words_compile_and_their_tests_pass() {
    let files =
        [("nets.txt", "192.0.2.0/24\n"), ("base.tcp", "let near = same_prefix(24)\non rto { count lost }\n")];
    let mut wrong = Vec::new();
    for word in WORDS {
        let source = load(SourceFile::new("example.tcp", word.example), &files[..]);
        let analysis = analyze(&source);
        let found: Vec<String> = analysis.diagnostics.iter().map(|found| found.message.clone()).collect();
        if !found.is_empty() {
            wrong.push(format!("{}: {found:?}", word.name));
            continue;
        }
        let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: true }).unwrap();
        let report = run_tests(&compiled.object, &analysis.program, &source, None).unwrap();
        if report.failed() > 0 {
            wrong.push(render(&report));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a test can expect this of a segment that was sent.
fn compiles_in_test(condition: &str) -> bool {
    let text = format!(
        "option uto = kind 28 {{ minutes: u1, value: u15 }}\nsend uto on syn {{ value = 30 }}\n\
         test \"t\" {{ transmit syn expect {condition} }}"
    );
    !analyze(&SourceFile::new("example.tcp", text)).diagnostics.iter().any(|found| found.is_error())
}

#[test]
fn examples_of_builtins_compile() {
    for row in BUILTINS {
        let event = row.events.first().unwrap_or(&"active_established");
        // Conditions as they are; of values, whatever their type, anything can be made that is compared.
        let uses = [row.example.to_owned(), format!("hash({}) != 1", row.example)];
        let works = uses.iter().any(|condition| {
            if row.name == "sent" {
                return condition == row.example && compiles_in_test(condition);
            }
            let text = format!(
                "option uto = kind 28 {{ minutes: u1, value: u15 }}\non tcp_listen {{ save_syn = 1 }}\non {event}, timeout_init when {condition} {{ stop }}"
            );
            let text = if row.events.is_empty() { text } else { text.replace(", timeout_init", "") };
            !analyze(&SourceFile::new("example.tcp", text)).diagnostics.iter().any(|found| found.is_error())
        });
        assert!(works, "{}: `{}`", row.name, row.example);
    }
}
