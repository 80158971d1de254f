//! Tokens to the tree.
//!
//! ```text
//! tokens ── items ──▶ one run of tokens per item ── grammar ──▶ ast
//!              └ unclosed braces, misspelt items     └ statements, expressions
//! ```
//!
//! The file is cut into items before the grammar sees it, so a mistake in one never hides the next;
//! inside an item the grammar goes on at the next statement or step. Of several complaints about
//! one line only the first is kept: the others mostly follow from it.

pub(crate) mod build;
mod elements;
mod error;
mod expected;
mod items;
mod junk;
mod nesting;

use crate::ast::{Item, Policy};
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, SourceFile, Span};
use crate::token::{Spanned, Token, lex_from};
use build::Context;
pub(crate) use elements::elements;
use error::Surroundings;
use items::{Chunk, Kind};

#[allow(clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#[allow(unused, reason = "generated code")]
mod grammar {
    lalrpop_util::lalrpop_mod!(generated, "/grammar.rs");
    pub use generated::ItemParser;
}

/// So many diagnostics are enough for one run.
pub const MOST_DIAGNOSTICS: usize = 50;

/// Reads a policy. What cannot be read is reported and stands in the tree as an error node, so all
/// texts give a tree.
pub fn parse(source: &SourceFile) -> (Policy, Vec<Diagnostic>) {
    parse_file(source, FileId::POLICY)
}

/// Reads one of the files of a policy.
pub fn parse_file(source: &SourceFile, file: FileId) -> (Policy, Vec<Diagnostic>) {
    let place = source.file(file).span;
    if let Some(at) = source.slice(place).find('\0') {
        return (Policy::default(), vec![source.not_text(place.start as usize + at)]);
    }
    let text = source.text_up_to(file);
    let (tokens, mut diagnostics) = lex_from(text, place.start as usize);
    let mut items = Vec::new();
    let chunks = items::split(text, place.start as usize, tokens, &mut diagnostics);
    for chunk in chunks {
        if diagnostics.len() > MOST_DIAGNOSTICS {
            break;
        }
        items.push(parse_chunk(source, chunk, &mut diagnostics));
    }
    if items.is_empty() && diagnostics.is_empty() {
        diagnostics.push(empty(source, file));
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.as_ref().map(|label| label.span.start));
    if diagnostics.len() > MOST_DIAGNOSTICS {
        diagnostics.truncate(MOST_DIAGNOSTICS);
        if let Some(last) = diagnostics.pop() {
            diagnostics.push(last.note("there are more errors; they show once these are mended"));
        }
    }
    (Policy { items }, diagnostics)
}

/// Reads one item.
fn parse_chunk(source: &SourceFile, chunk: Chunk, diagnostics: &mut Vec<Diagnostic>) -> Item {
    match chunk.kind {
        Kind::Junk => Item::Error(chunk.span()),
        Kind::Item => {
            if let Some(too_deep) = nesting::check(&chunk.tokens) {
                diagnostics.push(too_deep);
                return Item::Error(chunk.span());
            }
            grammar_item(source, &chunk.tokens, chunk.span(), diagnostics)
        }
    }
}

fn grammar_item(
    source: &SourceFile,
    tokens: &[Spanned],
    span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Item {
    let mut cx = Context::default();
    let (item, fatal) = match run_grammar(&mut cx, tokens) {
        Ok(item) => (item, None),
        Err(error) => (
            complete_before(&error, source.all_text(), tokens, &mut cx).unwrap_or(Item::Error(span)),
            Some(error),
        ),
    };
    let around = Surroundings { text: source.all_text(), tokens };
    let mut found: Vec<Diagnostic> = cx
        .recoveries
        .into_iter()
        .map(|recovery| recovery.error)
        .chain(fatal)
        .map(|error| error::describe(error, &around))
        .collect();
    found.sort_by_key(|diagnostic| diagnostic.primary.as_ref().map(|label| label.span.start));
    for diagnostic in found {
        if !follows_from_another(source, span, &diagnostic, diagnostics) {
            diagnostics.push(diagnostic);
        }
    }
    diagnostics.append(&mut cx.diagnostics);
    item
}

type GrammarError<'s> = lalrpop_util::ParseError<u32, Token<'s>, ()>;

fn run_grammar<'s>(cx: &mut Context<'s>, tokens: &[Spanned<'s>]) -> Result<Item, GrammarError<'s>> {
    let triples = tokens.iter().map(|&(token, span)| Ok((span.start, token, span.end)));
    grammar::ItemParser::new().parse(cx, triples)
}

/// The item that is complete before the token at which the grammar gave up: what stands behind it, after its
/// brace or on another line, is a mistake of its own, and must not hide those in the item.
fn complete_before<'s>(
    error: &GrammarError<'s>,
    text: &str,
    tokens: &[Spanned<'s>],
    cx: &mut Context<'s>,
) -> Option<Item> {
    let (GrammarError::UnrecognizedToken { token: (start, ..), .. }
    | GrammarError::ExtraToken { token: (start, ..) }) = error
    else {
        return None;
    };
    let end = tokens.iter().position(|(_, span)| span.start == *start)?;
    let (last, place) = tokens[..end].last()?;
    let apart = text.get(place.end as usize..*start as usize).is_some_and(|between| between.contains('\n'));
    if !apart && *last != Token::CloseBrace {
        return None;
    }
    let mut again = Context::default();
    let item = run_grammar(&mut again, &tokens[..end]).ok()?;
    *cx = again;
    Some(item)
}

/// Whether an earlier complaint about this item stands on the same line.
fn follows_from_another(source: &SourceFile, item: Span, new: &Diagnostic, known: &[Diagnostic]) -> bool {
    let Some(new) = &new.primary else { return false };
    let line = source.line(new.span.start);
    known.iter().filter_map(|known| known.primary.as_ref()).any(|known| {
        let within = item.start <= known.span.start && known.span.start <= new.span.start;
        within && source.line(known.span.start) == line
    })
}

fn empty(source: &SourceFile, file: FileId) -> Diagnostic {
    let file = source.file(file);
    let message = format!("`{}` holds no policy", file.name);
    let what = if source.slice(file.span).trim().is_empty() {
        "the file is empty"
    } else {
        "there are only comments"
    };
    Diagnostic::new(Code::EmptyPolicy, message, Span { end: file.span.start, ..file.span }, what)
        .help("a policy has at least one rule, such as `on timeout_init -> 10ms`")
}
