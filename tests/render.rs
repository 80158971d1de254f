//! Diagnostics as text and as JSON.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc::render;

use serde_json::json;
use tcpc_lang::diag::Diagnostic;
use tcpc_lang::parse::parse;
use tcpc_lang::source::{SourceFile, Span};

fn first(text: &str) -> (SourceFile, Diagnostic) {
    let source = SourceFile::new("a.tcp", text);
    let diagnostic = parse(&source).1.remove(0);
    (source, diagnostic)
}

#[test]
fn text_points_to_the_place_and_shows_the_edit() {
    let (source, diagnostic) = first("# é\non timeout_init whne port == 80 -> 10ms\n");
    insta::assert_snapshot!(render::text(&diagnostic, Some(&source), false), @r"
    error[E0101]: unexpected name `whne`
     --> a.tcp:2:17
      |
    2 | on timeout_init whne port == 80 -> 10ms
      |                 ^^^^ expected `when`, `->` or `{`
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
    let value = render::json(&diagnostic, Some(&source));
    assert_eq!(value["code"], "E0104");
    assert_eq!(value["severity"], "error");
    assert_eq!(value["file"], "a.tcp");
    let expected = json!({ "file": "a.tcp", "start": 3, "end": 5, "line": 1, "column": 4, "end_line": 1, "end_column": 5 });
    assert_eq!(value["span"], expected);
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let blank = " ".repeat(5_000_000);
    let (source, diagnostic) = first(&format!("const A{blank}= 5parsec{blank}const B = 1"));
    let shown = render::text(&diagnostic, Some(&source), false);
    assert!(shown.len() < 2000, "{} bytes", shown.len());
    assert!(shown.contains("a.tcp:1:5000011"), "{shown}");
    assert!(shown.contains("5parsec"), "{shown}");
}

#[test]
fn colour_is_given_only_when_asked_for() {
    let (source, diagnostic) = first("on");
    assert!(!render::text(&diagnostic, Some(&source), false).contains('\x1b'));
    assert!(render::text(&diagnostic, Some(&source), true).contains('\x1b'));
}

#[test]
fn a_place_at_the_end_of_the_file_can_be_shown() {
    for body in ["", "on", "on\n", "# é", "test \"é", "\r\n\r\n"] {
        let (source, mut diagnostic) = first(body);
        let end = body.len() as u32;
        diagnostic =
            diagnostic.label(Span { start: end, end }, "here").suggest(Span { start: end, end }, "}");
        assert!(render::text(&diagnostic, Some(&source), false).contains("a.tcp"), "{body:?}");
        assert_eq!(render::json(&diagnostic, Some(&source))["file"], "a.tcp");
    }
}
