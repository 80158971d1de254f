//! Diagnostics as text, in the manner of rustc, and as JSON.
//!
//! Takes data and returns data: who prints it, where to and in which colours is decided elsewhere.

mod excerpt;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use serde_json::{Value, json};
use tcpc_lang::diag::{Diagnostic, Label, Severity, Suggestion};
use tcpc_lang::source::{SourceFile, Span};

use excerpt::Excerpt;

/// Wide enough that nothing but an excerpt with several labels is ever cut.
const WIDTH: usize = 160;

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
    let excerpt = source.zip(diagnostic.primary.as_ref()).map(|(source, primary)| {
        let spans: Vec<Span> = places.iter().map(|label| label.span).collect();
        (source, primary, Excerpt::new(source, &spans))
    });
    if let Some((source, _, excerpt)) = &excerpt {
        let snippet = Snippet::source(excerpt.text()).line_start(excerpt.first_line());
        let snippet = snippet.annotations(places.iter().enumerate().map(|(index, label)| {
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(excerpt.range(label.span));
            annotation.label((!label.text.is_empty()).then_some(label.text.as_str()))
        }));
        main = main.element(snippet.path(source.name()));
    }
    main = main.elements(diagnostic.notes.iter().map(|note| Level::NOTE.message(note)));
    // The last way out carries the edit.
    let edit = diagnostic.suggestion.as_ref().zip(source);
    let (helps, title) = match (edit, diagnostic.help.split_last()) {
        (Some(_), Some((last, others))) => (others, last.as_str()),
        (Some(_), None) => (&diagnostic.help[..], "write it so"),
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
    if let Some((source, primary, excerpt)) = &excerpt {
        // On a line that is cut, the renderer has counted the columns of what is left of it.
        let (line, column) = source.line_column(primary.span.start);
        let seen = format!("{}:{line}:{}", source.name(), excerpt.column(primary.span));
        shown = shown.replacen(&seen, &format!("{}:{line}:{column}", source.name()), 1);
    }
    shown.push('\n');
    shown
}

/// A diagnostic as data. Lines and columns count from 1, columns in characters; offsets count bytes.
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
        "file": source.map(SourceFile::name),
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
    json!({
        "start": span.start,
        "end": span.end,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use tcpc_lang::parse::parse;

    fn first(text: &str) -> (SourceFile, Diagnostic) {
        let source = SourceFile::new("a.tcp", text);
        let diagnostic = parse(&source).1.remove(0);
        (source, diagnostic)
    }

    #[test]
    fn text_points_to_the_place_and_shows_the_edit() {
        let (source, diagnostic) = first("# é\non timeout_init whne port == 80 -> 10ms\n");
        insta::assert_snapshot!(text(&diagnostic, Some(&source), false), @r"
        error[E0101]: unexpected name `whne`
         --> a.tcp:2:17
          |
        2 | on timeout_init whne port == 80 -> 10ms
          |                 ^^^^ expected `when`, `sample`, `{`, `,` or `->`
          |
        help: did you mean `when`?
          |
        2 - on timeout_init whne port == 80 -> 10ms
        2 + on timeout_init when port == 80 -> 10ms
          |
        ");
    }

    #[test]
    fn json_counts_characters_for_people_and_bytes_for_programs() {
        let (source, diagnostic) = first("on é timeout_init -> 10ms\n");
        let value = json(&diagnostic, Some(&source));
        assert_eq!(value["code"], "E0104");
        assert_eq!(value["severity"], "error");
        assert_eq!(value["file"], "a.tcp");
        let expected =
            json!({ "start": 3, "end": 5, "line": 1, "column": 4, "end_line": 1, "end_column": 5 });
        assert_eq!(value["span"], expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text_before = "x".repeat(5_000_000);
        let (source, diagnostic) = first(&format!("const {text_before} = 5parsec {text_before}"));
        let shown = text(&diagnostic, Some(&source), false);
        assert!(shown.len() < 2000, "{} bytes", shown.len());
        assert!(shown.contains("a.tcp:1:5000011"), "{shown}");
        assert!(shown.contains("5parsec"), "{shown}");
    }

    #[test]
    fn colour_is_given_only_when_asked_for() {
        let (source, diagnostic) = first("on");
        assert!(!text(&diagnostic, Some(&source), false).contains('\x1b'));
        assert!(text(&diagnostic, Some(&source), true).contains('\x1b'));
    }

    #[test]
    fn a_place_at_the_end_of_the_file_can_be_shown() {
        for body in ["", "on", "on\n", "# é", "test \"é", "\r\n\r\n"] {
            let (source, mut diagnostic) = first(body);
            let end = body.len() as u32;
            diagnostic =
                diagnostic.label(Span { start: end, end }, "here").suggest(Span { start: end, end }, "}");
            assert!(text(&diagnostic, Some(&source), false).contains("a.tcp"), "{body:?}");
            assert_eq!(json(&diagnostic, Some(&source))["file"], "a.tcp");
        }
    }
}
