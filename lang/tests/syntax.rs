//! What the lexer and the parser make of whole files: goldens of tokens, trees and complaints.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;

use tcpc_lang::parse::parse;
use tcpc_lang::print;
use tcpc_lang::source::SourceFile;

#[test]
fn trees_and_complaints() {
    insta::glob!("syntax/*.tcp", |path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let source = SourceFile::new(name, std::fs::read_to_string(path).unwrap());
        let (policy, diagnostics) = parse(&source);
        let mut text = print::policy(&policy);
        for diagnostic in diagnostics {
            let label = diagnostic.primary.as_ref().unwrap();
            let (line, column) = source.line_column(label.span.start);
            writeln!(text, "\n{line}:{column} {} {}", diagnostic.code.as_str(), diagnostic.message).unwrap();
            writeln!(text, "    `{}`: {}", source.slice(label.span), label.text).unwrap();
            for other in &diagnostic.secondary {
                let line = source.line(other.span.start);
                writeln!(text, "    line {line} `{}`: {}", source.slice(other.span), other.text).unwrap();
            }
            for line in diagnostic.notes.iter().chain(&diagnostic.help) {
                writeln!(text, "    = {line}").unwrap();
            }
            if let Some(edit) = &diagnostic.suggestion {
                writeln!(text, "    edit `{}` to `{}`", source.slice(edit.span), edit.replacement).unwrap();
            }
        }
        insta::assert_snapshot!(text);
    });
}

#[test]
fn tokens() {
    insta::glob!("syntax/literals.tcp", |path| {
        let source = SourceFile::new("literals.tcp", std::fs::read_to_string(path).unwrap());
        insta::assert_snapshot!(print::tokens(&source));
    });
}
