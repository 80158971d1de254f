//! Diagnostics as text, in the manner of rustc, and as JSON.
//!
//! Takes data and returns data: who prints it, where to and in which colours is decided elsewhere.

mod excerpt;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use serde_json::{Value, json};
use tcpc_lang::diag::{Diagnostic, Label, Severity, Suggestion};
use tcpc_lang::source::{FileId, SourceFile, Span};

use excerpt::Excerpt;

/// Wide enough that nothing but an excerpt with several labels is ever cut.
const WIDTH: usize = 160;

/// A diagnostic as one line: `dc.tcp:1:20: error[E0302]: …`.
pub fn line(diagnostic: &Diagnostic, source: Option<&SourceFile>) -> String {
    let severity = match diagnostic.code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let what = format!("{severity}[{}]: {}", diagnostic.code.as_str(), diagnostic.message);
    let place = diagnostic.primary.as_ref().zip(source).map(|(label, source)| {
        let (line, column) = source.line_column(label.span.start);
        format!("{}:{line}:{column}: ", source.file(source.file_at(label.span.start)).name)
    });
    place.unwrap_or_default() + &what
}

/// A diagnostic as text for people, with a line break at its end. A `source` is needed to show
/// places; a diagnostic without a place can do without.
pub fn text(diagnostic: &Diagnostic, source: Option<&SourceFile>, colour: bool) -> String {
    let level = match diagnostic.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code.as_str());
    let mut main = Group::with_title(title);
    let places: Vec<&Label> = diagnostic.primary.iter().chain(&diagnostic.secondary).collect();
    // One excerpt for each file that has a place, the primary one's first.
    let excerpts: Vec<(&str, Vec<&Label>, Excerpt)> = source.map_or(Vec::new(), |source| {
        let mut files: Vec<FileId> = Vec::new();
        for file in places.iter().map(|label| source.file_at(label.span.start)) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
        let excerpt = |file: FileId| {
            let here = |label: &&&Label| source.file_at(label.span.start) == file;
            let labels: Vec<&Label> = places.iter().filter(here).copied().collect();
            let spans: Vec<Span> = labels.iter().map(|label| label.span).collect();
            (source.file(file).name.as_str(), labels, Excerpt::new(source, &spans))
        };
        files.into_iter().map(excerpt).collect()
    });
    for (name, labels, excerpt) in &excerpts {
        let snippet = Snippet::source(excerpt.text()).line_start(excerpt.first_line());
        let snippet = snippet.annotations(labels.iter().map(|label| {
            let primary = diagnostic.primary.as_ref().is_some_and(|primary| std::ptr::eq(primary, *label));
            let kind = if primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(excerpt.range(label.span));
            annotation.label((!label.text.is_empty()).then_some(label.text.as_str()))
        }));
        main = main.element(snippet.path(*name));
    }
    main = main.elements(diagnostic.notes.iter().map(|note| Level::NOTE.message(note)));
    // The last way out carries the edit.
    let edit = diagnostic.suggestion.as_ref().zip(source);
    let (helps, title) = match (edit, diagnostic.help.split_last()) {
        (Some(_), Some((last, others))) => (others, last.as_str()),
        (Some(_), None) => (&diagnostic.help[..], "this may be meant"),
        (None, _) => (&diagnostic.help[..], ""),
    };
    main = main.elements(helps.iter().map(|help| Level::HELP.message(help)));
    let mut groups = vec![main];
    let edited = edit.map(|(suggestion, source)| (suggestion, Excerpt::new(source, &[suggestion.span])));
    if let Some((suggestion, excerpt)) = &edited {
        let patch = Patch::new(excerpt.range(suggestion.span), suggestion.replacement.as_str());
        let snippet = Snippet::source(excerpt.text()).line_start(excerpt.first_line()).patch(patch);
        groups.push(Group::with_title(Level::HELP.secondary_title(title)).element(snippet));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut shown = renderer.term_width(WIDTH).render(&groups);
    if let (Some(source), Some(primary), Some((name, _, excerpt))) =
        (source, &diagnostic.primary, excerpts.first())
    {
        // On a line that is cut, the renderer has counted the columns of what is left of it.
        let (line, column) = source.line_column(primary.span.start);
        let seen = format!("{name}:{line}:{}", excerpt.column(primary.span));
        shown = shown.replacen(&seen, &format!("{name}:{line}:{column}"), 1);
    }
    shown.push('\n');
    shown
}

/// A diagnostic as data. Lines and columns count from 1, columns in characters; offsets count bytes of the file.
pub fn json(diagnostic: &Diagnostic, source: Option<&SourceFile>) -> Value {
    let severity = match diagnostic.code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = |span: Span| source.map(|source| place(source, span));
    let suggestion = diagnostic.suggestion.as_ref();
    json!({
        "code": diagnostic.code.as_str(),
        "severity": severity,
        "message": diagnostic.message,
        "file": source.map(|source| match &diagnostic.primary {
            Some(label) => &source.file(source.file_at(label.span.start)).name,
            None => source.name(),
        }),
        "span": diagnostic.primary.as_ref().and_then(|label| place(label.span)),
        "label": diagnostic.primary.as_ref().map(|label| &label.text),
        "secondary": diagnostic.secondary.iter()
            .map(|Label { span, text }| json!({ "span": place(*span), "label": text }))
            .collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "suggestion": suggestion.map(|Suggestion { span, replacement }| {
            json!({ "span": place(*span), "replacement": replacement })
        }),
    })
}

fn place(source: &SourceFile, span: Span) -> Value {
    let (line, column) = source.line_column(span.start);
    let (end_line, end_column) = source.line_column(span.end);
    let file = source.file(source.file_at(span.start));
    json!({
        "file": file.name,
        "start": span.start - file.span.start,
        "end": span.end.saturating_sub(file.span.start),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}
