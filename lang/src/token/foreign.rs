//! Spellings of other languages and other keyboards: reported, and read as what they mean where
//! that is certain.

use logos::{Filter, Lexer};

use super::{Token, span_of};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// Characters that mean nothing in a policy.
pub fn stray(text: &str, span: Span) -> Diagnostic {
    let run = &text[span.start as usize..span.end as usize];
    let first = run.chars().next().unwrap_or(' ');
    let message = match run.chars().count() {
        1 => format!("unexpected character `{}`", first.escape_debug()),
        many => format!("{many} unexpected characters, the first is `{}`", first.escape_debug()),
    };
    let diagnostic = Diagnostic::new(Code::StrayCharacter, message, span, "means nothing here");
    match first {
        '“' | '”' | '„' | '‘' | '’' | '\'' | '`' => diagnostic.help("text stands between straight double quotes"),
        '?' => diagnostic.help("a choice is written `if CONDITION then VALUE else VALUE`"),
        c if c.is_whitespace() => diagnostic.help("replace it with a plain space").suggest(span, " "),
        c if c.is_alphabetic() => {
            diagnostic.help("names are made of the letters a to z, digits and `_`; other letters may stand in comments and in quotes")
        }
        _ => diagnostic.help("remove it"),
    }
}

/// A sign of other languages, or of a keyboard that means well, read as the one of this language.
pub fn sign<'s>(lexer: &mut Lexer<'s, Token<'s>>, token: Token<'s>, ours: &str) -> Token<'s> {
    let (span, theirs) = (span_of(lexer), lexer.slice());
    // `!x` needs a space after the word, `not x`.
    let space = if theirs == "!" { " " } else { "" };
    let message = format!("`{theirs}` is written `{ours}`");
    lexer.extras.push(
        Diagnostic::new(Code::ForeignSyntax, message, span, "")
            .help(format!("write `{ours}`"))
            .suggest(span, format!("{ours}{space}")),
    );
    token
}

/// `// …` and `/* … */`.
pub fn comment<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Filter<Token<'s>> {
    let (span, text) = (span_of(lexer), lexer.slice());
    let opening = Span { start: span.start, end: span.start + 2 };
    let mut diagnostic = Diagnostic::new(Code::ForeignSyntax, "comments start with `#`", opening, "");
    if text.starts_with("//") {
        diagnostic = diagnostic.help("write `#`").suggest(opening, "#");
    } else {
        diagnostic = diagnostic.help("start every line of the comment with `#`");
    }
    lexer.extras.push(diagnostic);
    Filter::Skip
}

/// `'text'` and `“text”`.
pub fn quotes<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Token<'s> {
    let (span, text) = (span_of(lexer), lexer.slice());
    let inner = text.trim_matches(['\'', '“', '”', '„', '‘', '’']);
    let message = "text stands between straight double quotes";
    let diagnostic = Diagnostic::new(Code::ForeignSyntax, message, span, "other quotes");
    lexer.extras.push(match inner.contains(['"', '\\']) {
        true => diagnostic,
        false => diagnostic.help(format!("write `\"{inner}\"`")).suggest(span, format!("\"{inner}\"")),
    });
    Token::Str(inner)
}
