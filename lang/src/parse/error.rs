//! The parser's errors as diagnostics: what was found, what would have been right, and, where a
//! habit from another language or a slip of the keys explains it, the way out.

use lalrpop_util::ParseError;

use super::expected::Expected;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::suggest::closest;
use crate::token::{KEYWORDS, Soft, Spanned, Token, fraction_without_unit};

/// The item around an error.
pub struct Surroundings<'s, 't> {
    /// The whole text.
    pub text: &'s str,
    /// The item's tokens.
    pub tokens: &'t [Spanned<'s>],
}

/// One error in words.
pub fn describe(error: ParseError<u32, Token, ()>, around: &Surroundings) -> Diagnostic {
    match error {
        ParseError::UnrecognizedToken { token: (start, token, end), expected } => {
            let span = Span { start, end };
            around.unexpected(token, span, &Expected::new(&expected))
        }
        ParseError::ExtraToken { token: (start, token, end) } => {
            around.unexpected(token, Span { start, end }, &Expected::new(&[]))
        }
        ParseError::UnrecognizedEof { expected, .. } => {
            let last = around.tokens.last().map_or(Span::default(), |last| last.1);
            around.breaks_off(last, &Expected::new(&expected))
        }
        ParseError::InvalidToken { location } => {
            let span = Span { start: location, end: location };
            Diagnostic::new(Code::UnexpectedToken, "unexpected text", span, "")
        }
        ParseError::User { error: () } => {
            Diagnostic::new(Code::UnexpectedToken, "unexpected text", Span::default(), "")
        }
    }
}

impl Surroundings<'_, '_> {
    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// The tokens before a place.
    fn before(&self, span: Span) -> &[Spanned<'_>] {
        &self.tokens[..self.tokens.partition_point(|token| token.1.start < span.start)]
    }

    fn next(&self, span: Span) -> Option<Token<'_>> {
        let at = self.tokens.partition_point(|token| token.1.start <= span.start);
        self.tokens.get(at).map(|token| token.0)
    }

    /// Something is still wanted after the token at `span`, and does not come.
    fn breaks_off(&self, span: Span, expected: &Expected) -> Diagnostic {
        let label = format!("expected {} after this", expected.in_words());
        let message = format!("the {} breaks off", self.part(span));
        let diagnostic = Diagnostic::new(Code::UnexpectedEnd, message, span, label);
        self.with_opening(diagnostic, span, expected)
    }

    /// What stands at a place.
    fn part(&self, span: Span) -> &'static str {
        let first = self.tokens.first().map(|first| first.0);
        let in_block = self.before(span).iter().any(|(token, _)| *token == Token::OpenBrace);
        match first {
            Some(Token::Const) => "constant",
            Some(Token::Let) => "definition",
            Some(Token::Set) => "set",
            Some(Token::Soft(Soft::Use | Soft::Include)) => "use of a module",
            Some(Token::Test) if in_block => "step",
            Some(Token::Test) => "test",
            _ if in_block => "statement",
            _ => "rule",
        }
    }

    fn unexpected(&self, token: Token, span: Span, expected: &Expected) -> Diagnostic {
        if let Some(diagnostic) = self.statement_word(span, expected) {
            return diagnostic;
        }
        let after_value = expected.after_value();
        let compares = matches!(
            token,
            Token::Eq | Token::Ne | Token::Lt | Token::Le | Token::Gt | Token::Ge | Token::In
        );
        if after_value && compares {
            let message = "comparisons do not chain";
            return Diagnostic::new(Code::ChainedComparison, message, span, "a second comparison").help(
                "join two comparisons with `and`: `a < b and b < c`; a comparison in parentheses is a value",
            );
        }
        if let Token::Version(_) = token {
            return *fraction_without_unit(self.slice(span), span);
        }
        if let Some(last) = self.broken_line(span, expected) {
            return self.breaks_off(last, expected);
        }
        let message = format!("unexpected {}", token.describe(self.slice(span)));
        let label = match expected.nothing() {
            true => format!("the {} is complete before this", self.part(span)),
            false => format!("expected {}", expected.in_words()),
        };
        let diagnostic = Diagnostic::new(Code::UnexpectedToken, message, span, label);
        self.hint(diagnostic, token, span, expected)
    }

    /// The token before a place, if what it began is not complete and the place is on a later line
    /// (or is a brace that was put in for a missing one).
    fn broken_line(&self, span: Span, expected: &Expected) -> Option<Span> {
        let last = self.before(span).last()?.1;
        let between = self.text.get(last.end as usize..span.start as usize)?;
        let complete = expected.nothing() || expected.after_value() || expected.has("}");
        (span.start == span.end || (between.contains('\n') && !complete)).then_some(last)
    }

    /// Adds the way out, where one is known.
    fn hint(&self, diagnostic: Diagnostic, token: Token, span: Span, expected: &Expected) -> Diagnostic {
        let written = self.slice(span);
        let last = self.before(span).last().map(|last| last.0);
        match token {
            Token::Name(word) if last == Some(Token::Soft(Soft::From)) => {
                diagnostic.help("the name of a file stands in quotes").suggest(span, format!("\"{word}\""))
            }
            Token::Name(word) if expected.has("TEXT") => {
                diagnostic.help("the name of a test stands in quotes").suggest(span, format!("\"{word}\""))
            }
            Token::Name(word) => match closest(word, expected.keywords()) {
                Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).suggest(span, meant),
                None if expected.has("expect") && last != Some(Token::Comma) => {
                    diagnostic.help("what must hold is said with `expect`")
                }
                None => self.with_opening(diagnostic, span, expected),
            },
            Token::Minus if expected.value() => {
                diagnostic.help("there are no negative numbers; a subtraction stops at zero")
            }
            Token::Not if self.next(span) == Some(Token::In) => {
                diagnostic.help("`not` stands before the comparison: `not remote_ip in 10.0.0.0/8`")
            }
            Token::DotDot => diagnostic.help("a range stands on the right of `in`, or in a `set`"),
            Token::Assign if expected.has("==") => {
                diagnostic.help("to compare write `==`").suggest(span, "==")
            }
            Token::Colon if expected.assignment() => {
                diagnostic.help("an option is assigned with `=`").suggest(span, " =")
            }
            Token::Colon if expected.has("=") => {
                diagnostic.help("types are not written: they follow from the value")
            }
            Token::Colon if matches!(last, Some(Token::Ip(_))) => diagnostic
                .help("an address and a port are given as `10.0.0.1 port 443`")
                .suggest(span, " port "),
            Token::Eq if expected.assignment() => {
                diagnostic.help("an option is assigned with `=`").suggest(span, "=")
            }
            Token::Comma if expected.has("stop") => {
                diagnostic.help("statements are separated by line breaks or `;`").suggest(span, ";")
            }
            Token::Comma if self.is_member(span) => {
                diagnostic.help("several members stand in braces: `in { 10.0.0.0/8, 192.168.0.0/16 }`")
            }
            Token::If if expected.has("when") => {
                diagnostic.help("the condition of a rule starts with `when`").suggest(span, "when")
            }
            Token::OpenBracket if expected.has("{") => {
                diagnostic.help("the members of a set stand in braces")
            }
            Token::OpenBrace if expected.nothing() && self.answers(span) => diagnostic.help(
                "a rule has either `-> REPLY` or a block; in a block the reply stands last: `{ … -> REPLY }`",
            ),
            Token::On if expected.has("stop") => {
                diagnostic.help("close the block with `}` before the next rule")
            }
            Token::Const if expected.has("stop") => diagnostic
                .help("constants stand outside of rules; in a block write `let`")
                .suggest(span, "let"),
            Token::CloseBrace if expected.nothing() => diagnostic.help("remove it: no block is open here"),
            _ if expected.has("NAME")
                && !expected.value()
                && !expected.has("stop")
                && KEYWORDS.contains(&written) =>
            {
                diagnostic.help(format!("`{written}` is a word of the language and can be no name"))
            }
            _ => self.with_opening(diagnostic, span, expected),
        }
    }

    /// Whether the token before a place is what `in` was asked about.
    fn is_member(&self, span: Span) -> bool {
        matches!(self.before(span), [.., (Token::In, _), _])
    }

    /// Whether the item has come to `->` outside of any brace.
    fn answers(&self, span: Span) -> bool {
        let mut depth = 0;
        self.before(span).iter().rev().any(|(token, _)| {
            match token {
                Token::OpenBrace => depth += 1,
                Token::CloseBrace => depth -= 1,
                _ => {}
            }
            depth == 0 && *token == Token::Arrow
        })
    }

    /// Points to the bracket that is still open, when it could have been closed here.
    fn with_opening(&self, diagnostic: Diagnostic, span: Span, expected: &Expected) -> Diagnostic {
        let mut open = Vec::new();
        for &(token, place) in self.before(span) {
            match token {
                Token::OpenParen => open.push((")", place)),
                Token::OpenBracket => open.push(("]", place)),
                Token::OpenBrace => open.push(("}", place)),
                Token::CloseParen | Token::CloseBracket | Token::CloseBrace => drop(open.pop()),
                _ => {}
            }
        }
        match open.last() {
            Some((closing @ (")" | "]"), place)) if expected.has(closing) => {
                diagnostic.label(*place, "still open")
            }
            _ => diagnostic,
        }
    }

    /// A name was read as the start of an assignment, but what follows shows that it was meant as a
    /// word of this or another language.
    fn statement_word(&self, span: Span, expected: &Expected) -> Option<Diagnostic> {
        if !expected.assignment() {
            return None;
        }
        let &(Token::Name(word), place) = self.before(span).last()? else { return None };
        let report =
            |message: String, label: &str| Diagnostic::new(Code::UnexpectedToken, message, place, label);
        let message = format!("unexpected name `{word}`");
        Some(match word {
            "for" | "while" | "loop" => {
                report(message, "there are no loops").help("a policy runs once per event and always ends")
            }
            "return" => report(message, "not a statement")
                .help("`-> VALUE` answers, `stop` ends the event without an answer"),
            "elif" | "elsif" | "elseif" => report(message, "write `else if`").suggest(place, "else if"),
            "var" | "auto" | "mut" => report(message, "write `let`").suggest(place, "let"),
            _ => match closest(word, ["count", "let", "if", "stop", "else"]) {
                Some(meant) if self.next_is_operand(span) => report(message, "not a statement")
                    .help(format!("did you mean `{meant}`?"))
                    .suggest(place, meant),
                _ => return None,
            },
        })
    }

    fn next_is_operand(&self, span: Span) -> bool {
        let at = self.tokens.partition_point(|token| token.1.start < span.start);
        matches!(self.tokens.get(at), Some((Token::Name(_) | Token::Int(_) | Token::OpenBrace, _)))
    }
}
