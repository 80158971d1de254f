//! Source text, byte spans in it, and the way from an offset to a line and a column.

use crate::diag::{Code, Diagnostic};

/// A half-open range of byte offsets into the source.
///
/// When several files make up a policy they are laid one after another in one space of offsets,
/// so that a span alone names its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to `end`.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A file's name and text, with its line starts.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    text: String,
    line_starts: Vec<u32>,
    /// Every character is one byte, so columns need not be counted.
    ascii: bool,
}

impl SourceFile {
    /// Takes the name as diagnostics show it, and the whole text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        let text = text.into();
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at as u32 + 1)).collect();
        let ascii = text.is_ascii();
        SourceFile { name: name.into(), text, line_starts, ascii }
    }

    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// A diagnostic if they are not a text: not UTF-8, or not addressable by a [`Span`].
    #[expect(clippy::result_large_err, reason = "at most once per file")]
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Result<SourceFile, Diagnostic> {
        let name = name.into();
        if bytes.len() > u32::MAX as usize {
            let message = format!("`{name}` is larger than 4 GiB");
            return Err(Diagnostic::without_place(Code::NotText, message).help("split the policy"));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(SourceFile::new(name, text)),
            Err(error) => {
                let valid = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or(b""));
                let object = bytes.starts_with(b"\x7fELF");
                let mut diagnostic = SourceFile::new(name, valid).not_text(error.valid_up_to());
                if !object {
                    diagnostic = diagnostic.help("save the file as UTF-8");
                }
                // There is no text to show an excerpt of.
                diagnostic.primary = None;
                Err(diagnostic)
            }
        }
    }

    /// Says that this is not a text: a byte that no text has stands at `offset`.
    pub fn not_text(&self, offset: usize) -> Diagnostic {
        let name = &self.name;
        if self.text.starts_with("\x7fELF") {
            let message = format!("`{name}` is a compiled object, not the text of a policy");
            return Diagnostic::without_place(Code::NotText, message)
                .help("give the `.tcp` file that it was built from");
        }
        let (line, column) = self.line_column(offset as u32);
        let message = format!("`{name}` is not a text");
        Diagnostic::without_place(Code::NotText, message)
            .note(format!("the first byte that is not part of a text is at line {line}, column {column}"))
    }

    /// The name as diagnostics show it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name without folders.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of an offset, both from 1; columns count characters.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|&start| start <= offset).saturating_sub(1);
        let start = self.line_starts.get(line).copied().unwrap_or(0) as usize;
        let upto = self.text.get(start..offset as usize).unwrap_or("");
        let column = if self.ascii { upto.len() } else { upto.chars().count() };
        (line as u32 + 1, column as u32 + 1)
    }

    /// The line of an offset, from 1.
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts.partition_point(|&start| start <= offset).max(1) as u32
    }

    /// The text of a line (from 1), without its line break; empty past the end.
    pub fn line_text(&self, line: u32) -> &str {
        self.text.lines().nth((line as usize).saturating_sub(1)).unwrap_or("")
    }

    /// The text of a span; empty if it does not fit.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}
