//! Every diagnostic has a page, and the examples on it do what the page says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_lang::analyze;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::modules::load;
use tcpc_lang::source::SourceFile;

/// The blocks of a page that are marked so; `␀` stands for a NUL byte.
fn blocks(page: &str, mark: &str) -> Vec<String> {
    let fence = format!("```tcp,{mark}\n");
    let blocks = page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.replace('␀', "\0")).collect()
}

/// The files beside the examples of a page: blocks that are marked `tcp,file NAME`.
fn files(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("```tcp,file ").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter_map(|block| block.split_once('\n')).collect()
}

fn diagnostics(page: &str, text: &str) -> Vec<Diagnostic> {
    let source = SourceFile::new("example.tcp", text);
    analyze(&load(source, files(page).as_slice())).diagnostics
}

/// The stages that can be run on a text alone.
fn from_text(code: &Code) -> bool {
    // The compiler, the command line, objects and hosts have their own tests.
    ![Code::PolicyTooLarge, Code::NewerThanKernel].contains(code)
        && !["06", "07"].contains(&&code.as_str()[1..3])
        // What needs all rules together is shown by another crate.
        && !code.as_str().starts_with("W094")
}

#[test]
fn failing_examples_give_their_code() {
    for code in Code::ALL.iter().filter(|code| from_text(code)) {
        let examples = blocks(code.explanation(), "fails");
        assert!(!examples.is_empty(), "{} has no example that fails", code.as_str());
        for example in examples {
            let found = diagnostics(code.explanation(), &example);
            assert!(
                found.iter().any(|found| found.code == *code),
                "{}: {example}\n{found:#?}",
                code.as_str()
            );
            let others: Vec<_> =
                found.iter().filter(|found| found.code != *code && found.is_error()).collect();
            assert!(others.is_empty(), "{}: {example}\n{others:#?}", code.as_str());
        }
    }
}

#[test]
fn passing_examples_pass() {
    for code in Code::ALL.iter().filter(|code| from_text(code)) {
        let examples = blocks(code.explanation(), "passes");
        assert!(!examples.is_empty(), "{} has no example that passes", code.as_str());
        for example in examples {
            let found = diagnostics(code.explanation(), &example);
            let wrong: Vec<_> =
                found.iter().filter(|found| found.is_error() || found.code == *code).collect();
            assert!(wrong.is_empty(), "{}: {example}\n{wrong:#?}", code.as_str());
        }
    }
}

#[test]
fn codes_are_unique_and_ascend() {
    let numbers: Vec<&str> = Code::ALL.iter().map(|code| &code.as_str()[1..]).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
}
