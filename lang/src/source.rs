//! Source text, byte spans in it, and the way from an offset to a file, a line and a column.
//!
//! ```text
//! offsets  0 ................ n  n+1 ........ m  m+1 ...
//! files    the policy itself     a module        a list of prefixes
//! ```

use tcpc_stdlib::manifest::Place;

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

/// A policy's file, and behind it the files that it uses, once [`crate::modules::load`] has read them.
///
/// All functions that take an offset or a span answer for the file that it lies in.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The policy's own first; never empty.
    files: Vec<File>,
    /// The texts, with a line break between any two.
    text: String,
    line_starts: Vec<u32>,
    /// Every character is one byte, so columns need not be counted.
    ascii: bool,
    /// Where another file is named, and that file unless it cannot be read.
    links: Vec<(Span, Option<FileId>)>,
    /// What went wrong with reading other files.
    problems: Vec<Diagnostic>,
}

/// One of the files of a [`SourceFile`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileId(u32);

impl FileId {
    /// The policy's own file.
    pub const POLICY: FileId = FileId(0);

    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A file: its names, and where its text lies.
#[derive(Clone, Debug)]
pub struct File {
    /// As diagnostics show it.
    pub name: String,
    /// As objects say it: the path from the policy's folder, `std/…` for the standard library.
    pub path: String,
    /// What its rules and counters have in front of their names; empty for the policy itself.
    pub module: String,
    /// Its text.
    pub span: Span,
}

impl SourceFile {
    /// Takes the name as diagnostics show it, and the whole text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        let text = text.into();
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at as u32 + 1)).collect();
        let ascii = text.is_ascii();
        let name = name.into();
        let path = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let files = vec![File { name, path, module: String::new(), span: Span::new(0, text.len()) }];
        SourceFile { files, text, line_starts, ascii, links: Vec::new(), problems: Vec::new() }
    }

    /// Adds a file. `None` if the texts get larger than spans can say.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        path: impl Into<String>,
        module: impl Into<String>,
        text: &str,
    ) -> Option<FileId> {
        let end = self.text.len() + 1 + text.len();
        u32::try_from(end).ok()?;
        self.text.push('\n');
        let start = self.text.len();
        self.line_starts.push(start as u32);
        self.line_starts.extend(text.match_indices('\n').map(|(at, _)| (start + at + 1) as u32));
        self.text.push_str(text);
        self.ascii &= text.is_ascii();
        let span = Span::new(start, end);
        self.files.push(File { name: name.into(), path: path.into(), module: module.into(), span });
        Some(FileId(self.files.len() as u32 - 1))
    }

    /// Notes which file is named at a place.
    pub fn add_link(&mut self, place: Span, file: Option<FileId>) {
        self.links.push((place, file));
    }

    /// Notes that a file cannot be used.
    pub fn add_problem(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    /// The file that is named at a place, if it could be read.
    pub fn link(&self, place: Span) -> Option<FileId> {
        self.links.iter().find(|(at, _)| *at == place)?.1
    }

    /// The files that are named at a place, if any was looked for.
    pub fn links(&self) -> &[(Span, Option<FileId>)] {
        &self.links
    }

    /// What went wrong with reading other files.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// All files, the policy's own first.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// One of the files; the policy's own if there is no such.
    pub fn file(&self, id: FileId) -> &File {
        self.files.get(id.index()).unwrap_or(&self.files[0])
    }

    /// The file that an offset lies in.
    pub fn file_at(&self, offset: u32) -> FileId {
        FileId(self.files.partition_point(|file| file.span.start <= offset).saturating_sub(1) as u32)
    }

    /// All texts up to the end of this file's: spans fit into it.
    pub fn text_up_to(&self, id: FileId) -> &str {
        self.text.get(..self.file(id).span.end as usize).unwrap_or("")
    }

    /// All texts: spans fit into it.
    pub fn all_text(&self) -> &str {
        &self.text
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
        let file = self.file(self.file_at(offset as u32));
        let name = &file.name;
        if self.slice(file.span).starts_with("\x7fELF") {
            let message = format!("`{name}` is a compiled object, not the text of a policy");
            return Diagnostic::without_place(Code::NotText, message)
                .help("give the `.tcp` file that it was built from");
        }
        let (line, column) = self.line_column(offset as u32);
        let message = format!("`{name}` is not a text");
        Diagnostic::without_place(Code::NotText, message)
            .note(format!("the first byte that is not part of a text is at line {line}, column {column}"))
    }

    /// The policy's name as diagnostics show it.
    pub fn name(&self) -> &str {
        &self.files[0].name
    }

    /// The policy's name without folders.
    pub fn file_name(&self) -> &str {
        &self.files[0].path
    }

    /// The policy's own text.
    pub fn text(&self) -> &str {
        self.text_up_to(FileId::POLICY)
    }

    /// Line and column of an offset in its file, both from 1; columns count characters.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|&start| start <= offset).saturating_sub(1);
        let start = self.line_starts.get(line).copied().unwrap_or(0) as usize;
        let upto = self.text.get(start..offset as usize).unwrap_or("");
        let column = if self.ascii { upto.len() } else { upto.chars().count() };
        (self.line(offset), column as u32 + 1)
    }

    /// The line of an offset in its file, from 1.
    pub fn line(&self, offset: u32) -> u32 {
        let line = |offset| self.line_starts.partition_point(|&start| start <= offset);
        let first = line(self.file(self.file_at(offset)).span.start);
        (line(offset) - first + 1) as u32
    }

    /// The line of an offset, as objects and messages say it.
    pub fn place(&self, offset: u32) -> Place {
        let file = self.file_at(offset);
        let file = (file != FileId::POLICY).then(|| self.file(file).path.clone());
        Place { line: self.line(offset), file }
    }

    /// The text of a span; empty if it does not fit.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}
