//! Diagnostics: what all stages report, free of any way to show it.
//!
//! Wording: lower case, no full stop, user text in backticks, no Rust names, no line breaks. The
//! message says what is wrong, the labels say where, `help` says the way out.

mod codes;

pub use codes::{Code, Severity};

use crate::source::Span;

/// One problem of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// What is wrong, able to stand alone.
    pub message: String,
    /// Where, with what is to be seen there. `None` for a problem that is not in the source.
    pub primary: Option<Label>,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// Facts that explain it.
    pub notes: Vec<String>,
    /// Ways out.
    pub help: Vec<String>,
    /// An edit that mends it.
    pub suggestion: Option<Suggestion>,
}

/// A place and what is to be seen there.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words; may be empty.
    pub text: String,
}

/// Replace the span's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// What to replace.
    pub span: Span,
    /// The new text.
    pub replacement: String,
}

impl Diagnostic {
    /// A problem at a place.
    pub fn new(code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) -> Diagnostic {
        let mut diagnostic = Diagnostic::without_place(code, message);
        diagnostic.primary = Some(Label { span, text: label.into() });
        diagnostic
    }

    /// A problem that is not in the source, such as a kernel's refusal.
    pub fn without_place(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            suggestion: None,
        }
    }

    /// Adds another place.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact.
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Adds a way out.
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Adds an edit that mends it.
    pub fn suggest(mut self, span: Span, replacement: impl Into<String>) -> Diagnostic {
        self.suggestion = Some(Suggestion { span, replacement: replacement.into() });
        self
    }

    /// Whether it stops the build.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }
}
