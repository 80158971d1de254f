//! The tcpc policy language: source text to typed program.
//!
//! ```text
//! text ── modules ──▶ texts ── token ──▶ tokens ── parse ──▶ ast ── check ──▶ hir
//!                                        └──────────── diagnostics ─────────┘
//! ```
//!
//! Nothing here fails early: each stage returns what it could make and all that it found wrong.
//! No files, no threads, no system calls; no knowledge of opcodes.

#![forbid(unsafe_code)]

pub mod ast;
pub mod check;
pub mod diag;
pub mod hir;
pub mod modules;
pub mod parse;
pub mod print;
pub mod read;
pub mod show;
pub mod source;
pub mod suggest;
pub mod token;

use diag::Code;

/// What is to be known of a policy's text.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The typed tree; complete only if no diagnostic is an error.
    pub program: hir::Program,
    /// What is wrong with it, in the order of the text.
    pub diagnostics: Vec<diag::Diagnostic>,
}

impl Analysis {
    /// Whether the program can be compiled.
    pub fn is_valid(&self) -> bool {
        !self.diagnostics.iter().any(diag::Diagnostic::is_error)
    }
}

/// So many findings are enough for one run; errors come before warnings.
pub const MOST_DIAGNOSTICS: usize = 200;

/// Parses and checks a policy, with the files that [`modules::load`] has found for it.
pub fn analyze(source: &source::SourceFile) -> Analysis {
    let (policy, diagnostics) = modules::join(source);
    checked(source, policy, diagnostics)
}

/// The same, with the tests of one more file of the source: they come last.
pub fn analyze_with_tests(source: &source::SourceFile, file: source::FileId) -> Analysis {
    let (mut policy, mut diagnostics) = modules::join(source);
    let (more, found) = parse::parse_file(source, file);
    diagnostics.extend(found);
    policy.items.extend(more.items.into_iter().filter(|item| matches!(item, ast::Item::Test(_))));
    checked(source, policy, diagnostics)
}

fn checked(
    source: &source::SourceFile,
    policy: ast::Policy,
    mut diagnostics: Vec<diag::Diagnostic>,
) -> Analysis {
    let (program, found) = check::check(policy, source);
    diagnostics.extend(found);
    if diagnostics.iter().any(diag::Diagnostic::is_error) {
        // A name that seems unused may stand, misspelt, in what could not be understood.
        diagnostics.retain(|found| !matches!(found.code, Code::UnusedName | Code::UnusedModule));
    }
    let place = |found: &diag::Diagnostic| found.primary.as_ref().map(|label| label.span.start);
    if diagnostics.len() > MOST_DIAGNOSTICS {
        diagnostics.sort_by_key(|found| (!found.is_error(), place(found)));
        let more = diagnostics.split_off(MOST_DIAGNOSTICS).len();
        if let Some(last) = diagnostics.pop() {
            diagnostics.push(last.note(format!("{more} more findings show once these are mended")));
        }
    }
    diagnostics.sort_by_key(place);
    Analysis { program, diagnostics }
}
