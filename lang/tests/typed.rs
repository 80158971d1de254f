//! Policies, and the typed trees and diagnostics that they give.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_lang::analyze;
use tcpc_lang::diag::{Diagnostic, Label};
use tcpc_lang::modules::{Files, Unreadable, load};
use tcpc_lang::source::SourceFile;

/// What the policies use lies in a folder beside them.
struct Folder;

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/typed");
        std::fs::read(format!("{folder}/{path}")).map_err(|_| Unreadable::Missing)
    }
}

#[test]
fn policies_become_typed_trees() {
    insta::glob!("typed/*.tcp", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let source = SourceFile::new(path.file_name().unwrap().to_string_lossy(), text);
        let source = load(source, &Folder);
        let analysis = analyze(&source);
        let mut shown = String::new();
        for diagnostic in &analysis.diagnostics {
            shown.push_str(&plain(diagnostic, &source));
        }
        if analysis.is_valid() {
            shown.push_str(&analysis.program.to_string());
        }
        insta::assert_snapshot!(shown);
    });
}

/// A diagnostic on a few lines: place, message, what is marked, advice, edit.
fn plain(diagnostic: &Diagnostic, source: &SourceFile) -> String {
    let place = |label: &Label| {
        let (line, column) = source.line_column(label.span.start);
        format!("{line}:{column} `{}` {}", source.slice(label.span).replace('\n', " "), label.text)
    };
    let mut text = format!("{}: {}\n", diagnostic.code.as_str(), diagnostic.message);
    let labels = diagnostic.primary.iter().chain(&diagnostic.secondary);
    labels.for_each(|label| text.push_str(&format!("    at {}\n", place(label).trim_end())));
    diagnostic.notes.iter().for_each(|note| text.push_str(&format!("    note: {note}\n")));
    diagnostic.help.iter().for_each(|help| text.push_str(&format!("    help: {help}\n")));
    if let Some(edit) = &diagnostic.suggestion {
        text.push_str(&format!("    edit: `{}` to `{}`\n", source.slice(edit.span), edit.replacement));
    }
    text
}
