//! Cuts the tokens of a file into items.
//!
//! An item begins with one of its words (`on`, `const`, …), or a label and `on`. Braces keep an item
//! together; but when a word that can only begin an item starts a line that is indented no further
//! than the item before, a brace was forgotten, and the cut is made all the same.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::token::{Soft, Spanned, Token};

/// The tokens of one item.
pub struct Chunk<'s> {
    /// What it is.
    pub kind: Kind,
    /// Never empty.
    pub tokens: Vec<Spanned<'s>>,
}

/// What a run of tokens is.
pub enum Kind {
    /// To be parsed.
    Item,
    /// No item; it was reported.
    Junk,
}

impl Chunk<'_> {
    /// From the first token to the last.
    pub fn span(&self) -> Span {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => first.1.to(last.1),
            _ => Span::default(),
        }
    }
}

/// Cuts a file into items, and reports what is not an item and which braces stay open. The file is what stands
/// in `text` from `start` on.
pub fn split<'s>(
    text: &'s str,
    start: usize,
    tokens: Vec<Spanned<'s>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Chunk<'s>> {
    let mut file =
        File { text, indents: indents(text, start, &tokens), tokens, end: last_character(text), unclosed: 0 };
    let mut chunks = Vec::new();
    let mut at = 0;
    while at < file.tokens.len() {
        let belated = file.token(at) == Some(Token::CloseBrace) && file.unclosed > 0;
        if belated || file.token(at) == Some(Token::Semicolon) {
            file.unclosed -= u32::from(belated);
            at += 1;
            continue;
        }
        let (chunk, next) = file.chunk(at, diagnostics);
        chunks.push(chunk);
        at = next.max(at + 1);
    }
    chunks
}

pub(super) struct File<'s> {
    text: &'s str,
    pub(super) tokens: Vec<Spanned<'s>>,
    /// For each token that is the first of its line: how far it is indented.
    indents: Vec<Option<u32>>,
    /// The last character of the text, blanks aside.
    end: Span,
    /// Braces that were reported as never closed: as many may be closed later without a word.
    unclosed: u32,
}

fn indents(text: &str, start: usize, tokens: &[Spanned]) -> Vec<Option<u32>> {
    let mut end = start;
    let indents = tokens.iter().map(|(_, span)| {
        let between = text.get(end..span.start as usize).unwrap_or("");
        let first = end == start || between.contains('\n');
        end = span.end as usize;
        first.then(|| between.len() as u32 - between.rfind('\n').map_or(0, |at| at as u32 + 1))
    });
    indents.collect()
}

/// The first word of a rule, after its label.
fn begins_rule(token: Token) -> bool {
    matches!(token, Token::On | Token::Soft(Soft::Send | Soft::Receive))
}

fn last_character(text: &str) -> Span {
    let text = text.trim_end();
    Span::new(text.char_indices().next_back().map_or(0, |(at, _)| at), text.len())
}

impl<'s> File<'s> {
    pub(super) fn token(&self, at: usize) -> Option<Token<'s>> {
        self.tokens.get(at).map(|&(token, _)| token)
    }

    pub(super) fn slice(&self, at: usize) -> &'s str {
        let span = self.tokens[at].1;
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    pub(super) fn name(&self, at: usize) -> Option<&'s str> {
        match self.token(at) {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// A word that can begin an item and nothing else.
    fn begins_surely(&self, at: usize) -> bool {
        match self.token(at) {
            // `send OPTION on SEGMENTS` is one rule.
            Some(Token::On)
                if matches!(
                    self.token(at.wrapping_sub(2)),
                    Some(Token::Soft(Soft::Send | Soft::Receive))
                ) =>
            {
                false
            }
            Some(token) if begins_rule(token) => {
                !(self.token(at.wrapping_sub(1)) == Some(Token::Colon)
                    && self.name(at.wrapping_sub(2)).is_some())
            }
            // `mutable set` is one start.
            Some(Token::Set) => self.token(at.wrapping_sub(1)) != Some(Token::Soft(Soft::Mutable)),
            Some(
                Token::Const
                | Token::Test
                | Token::Soft(
                    Soft::Option
                    | Soft::Flow
                    | Soft::Table
                    | Soft::Use
                    | Soft::Include
                    | Soft::Event
                    | Soft::Param
                    | Soft::Mutable
                    | Soft::Experiment,
                ),
            ) => true,
            Some(Token::Name(_)) => {
                self.token(at + 1) == Some(Token::Colon) && self.token(at + 2).is_some_and(begins_rule)
            }
            _ => false,
        }
    }

    /// A new item where no block is open.
    fn begins(&self, at: usize) -> bool {
        let after_operand = |before: Token| {
            use Token::*;
            !matches!(before, On | Comma | When | Let | Assign | Arrow | And | Or | Not | In | By | Colon)
        };
        self.begins_surely(at)
            || self.token(at) == Some(Token::Let)
            // A name at the start of a line goes on with nothing: a misspelt item.
            || (matches!(self.token(at), Some(Token::Name(_) | Token::Soft(Soft::Rule)))
                && self.indents[at] == Some(0)
                && self.token(at.wrapping_sub(1)).is_some_and(after_operand))
    }

    /// The item that starts at `at`, and where the next one starts.
    fn chunk(&mut self, at: usize, diagnostics: &mut Vec<Diagnostic>) -> (Chunk<'s>, usize) {
        if self.begins_surely(at) || self.token(at) == Some(Token::Let) {
            return self.item(at, diagnostics);
        }
        let (diagnostic, meant) = self.junk(at);
        diagnostics.push(diagnostic);
        let (mut chunk, next) = self.item(at, diagnostics);
        match meant {
            Some((index, token)) if index < chunk.tokens.len() => chunk.tokens[index].0 = token,
            _ => chunk.kind = Kind::Junk,
        }
        (chunk, next)
    }

    /// Up to the next item; open braces are reported and closed.
    fn item(&mut self, at: usize, diagnostics: &mut Vec<Diagnostic>) -> (Chunk<'s>, usize) {
        let indent = self.indents[at].unwrap_or(0);
        let mut open: Vec<Span> = Vec::new();
        let mut end = at;
        while let Some(token) = self.token(end) {
            let on_margin = self.indents[end].is_some_and(|own| own <= indent);
            if end > at && self.ends_before(at, end, open.is_empty(), on_margin) {
                break;
            }
            match token {
                Token::OpenBrace => open.push(self.tokens[end].1),
                Token::CloseBrace if open.is_empty() && self.unclosed > 0 => break,
                Token::Semicolon if open.is_empty() => break,
                Token::CloseBrace => drop(open.pop()),
                _ => {}
            }
            end += 1;
        }
        let mut tokens = self.tokens[at..end].to_vec();
        if let Some(&brace) = open.last() {
            // A text without its end has swallowed the rest of its line, braces included.
            let swallowed = diagnostics.iter().any(|known| {
                let place = known.primary.as_ref().map_or(0, |label| label.span.start);
                known.code == Code::UnfinishedText && place > brace.start
            });
            if !swallowed {
                self.unclosed += open.len() as u32;
                diagnostics.push(self.unclosed(brace, end));
            }
            let place = tokens.last().map_or(0, |last| last.1.end);
            tokens.extend(open.iter().map(|_| (Token::CloseBrace, Span { start: place, end: place })));
        }
        (Chunk { kind: Kind::Item, tokens }, end)
    }

    fn ends_before(&self, start: usize, at: usize, closed: bool, on_margin: bool) -> bool {
        // `NAME: on` is one start, not two; and `send NAME on`.
        let uses = matches!(self.token(start), Some(Token::Soft(Soft::Use | Soft::Include)));
        let label = at == start + 2 && !uses && self.token(at).is_some_and(begins_rule);
        !label
            && if closed {
                self.begins(at)
            } else {
                on_margin && self.begins_surely(at) && !self.is_of_arm(start, at)
            }
    }

    /// Whether a rule can stand in the item that starts at `start`: in an arm of an experiment.
    fn is_of_arm(&self, start: usize, at: usize) -> bool {
        let is_rule =
            self.token(at).is_some_and(begins_rule) || matches!(self.token(at), Some(Token::Name(_)));
        is_rule && self.token(start) == Some(Token::Soft(Soft::Experiment))
    }

    fn unclosed(&self, brace: Span, end: usize) -> Diagnostic {
        let diagnostic =
            Diagnostic::new(Code::UnclosedBrace, "this `{` is never closed", brace, "opened here");
        let diagnostic = match self.tokens.get(end) {
            Some((_, next)) => diagnostic.label(*next, "the next item starts here"),
            None => diagnostic.label(self.end, "the file ends here"),
        };
        diagnostic.help("close the block with `}`")
    }
}
