//! Wrong policies, one mistake to a file, and what their authors are told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "only the text form is looked at here")]
use tcpc::render;

use tcpc_lang::analyze;
use tcpc_lang::diag::Code;
use tcpc_lang::modules::{Files, Unreadable, load};
use tcpc_lang::source::SourceFile;

/// The files beside the wrong policies; those that are only used by them are in folders.
struct Folder;

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        std::fs::read(format!("{FOLDER}/{path}")).map_err(|_| Unreadable::Missing)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(format!("{FOLDER}/{folder}")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wrong");

/// All that is said about the bytes of a file.
fn complaints(name: &str, bytes: &[u8]) -> String {
    let source = match SourceFile::from_bytes(name, bytes) {
        Ok(source) => load(source, &Folder),
        Err(diagnostic) => return render::text(&diagnostic, None, false),
    };
    let shown = analyze(&source).diagnostics.into_iter();
    shown.map(|diagnostic| render::text(&diagnostic, Some(&source), false)).collect::<Vec<_>>().join("\n")
}

/// Every wrong policy and what is said about it.
fn all() -> Vec<(String, String)> {
    let paths = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let policies = paths.filter(|path| path.extension().is_some_and(|extension| extension == "tcp"));
    let told = policies.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let told = complaints(&name, &std::fs::read(&path).unwrap());
        (name, told)
    });
    told.collect()
}

#[test]
fn messages() {
    insta::glob!("wrong/*.tcp", |path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let told = complaints(name, &std::fs::read(path).unwrap());
        insta::with_settings!({ omit_expression => true, snapshot_path => "wrong", prepend_module_to_snapshot => false }, { insta::assert_snapshot!(told) });
    });
}

#[test]
fn a_line_of_ten_megabytes() {
    let blank = " ".repeat(5 * 1024 * 1024);
    let line = format!("on tcp_connect {{{blank}mark = 1 }} on tcp_conect {{ mark = 1 }}{blank}");
    let told = complaints("long.tcp", line.as_bytes());
    assert!(told.contains("unknown event `tcp_conect`"), "{}", &told[..told.len().min(2000)]);
    assert!(told.len() < 4000, "{} bytes are shown", told.len());
}

#[test]
fn a_word_of_ten_megabytes() {
    let word = "x".repeat(10 * 1024 * 1024);
    for text in [
        word.clone(),
        format!("on {word} -> 10ms"),
        format!("const A = 1{word}"),
        format!("const A = \"{word}\""),
        format!("on rwnd_init -> {word}"),
        format!("on tcp_connect {{ {word} = 1 }}"),
    ] {
        let told = complaints("long.tcp", text.as_bytes());
        assert!(told.contains("error["));
        assert!(told.len() < 10_000, "{} bytes are shown: {}", told.len(), &told[..2000]);
    }
}

#[test]
fn every_file_is_wrong() {
    for (name, told) in all() {
        assert!(told.contains("error["), "nothing is wrong with {name}: {told}");
    }
}

#[test]
fn every_error_that_a_text_can_show_is_shown() {
    let shown: String = all().into_iter().map(|(_, told)| told).collect();
    let missing: Vec<&str> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|code| code.starts_with('E') && !["06", "07"].contains(&&code[1..3]))
        // Only the compiler knows how large a program gets, only the command line which kernel it is for.
        .filter(|code| ![Code::PolicyTooLarge, Code::NewerThanKernel].map(Code::as_str).contains(code))
        .filter(|code| !shown.contains(&format!("[{code}]")))
        .collect();
    assert!(missing.is_empty(), "no wrong policy shows {missing:?}");
}
