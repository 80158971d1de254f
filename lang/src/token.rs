//! Text to tokens.
//!
//! A malformed literal is reported here, exactly, and becomes a [`Token::Bad`] that stands wherever
//! an expression may: the parser goes on without a second complaint. What only looks foreign
//! (`&&`, `=>`, `//`) is reported and read as what it means. Stray characters are reported, one
//! run at a time, and left out.
//!
//! | text | token |
//! | --- | --- |
//! | `1_000`, `0x20` | integer |
//! | `10ms`, `150KB`, `10Gbps`, `1MB/s`, `0.01%` | quantity in its canonical unit |
//! | `10.0.0.1`, `::1`, `10.0.0.0/8` | address, prefix |
//! | `5.10` | a kernel's version |
//! | `8000..8999` | three tokens |
//!
//! A `%` that touches the number before it makes a percentage; the remainder is written with a
//! space: `hash(remote_ip) % 2`, `5 % 3`.

mod address;
mod foreign;
mod literal;
pub(crate) use literal::fraction_without_unit;
mod repair;
mod unit;

use logos::{Lexer, Logos};

use crate::ast::Quantity;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// A token. Words that are not in [`KEYWORDS`] are names.
#[derive(Logos, Clone, Copy, Debug, PartialEq)]
#[logos(extras = Vec<Diagnostic>)]
#[logos(skip r"[ \t\r\n\f\u{feff}]+")]
#[logos(skip(r"#[^\n]*", allow_greedy = true))]
#[rustfmt::skip]
pub enum Token<'s> {
    #[token("on")] /** `on` */ On,
    #[token("when")] /** `when` */ When,
    #[token("let")] /** `let` */ Let,
    #[token("const")] /** `const` */ Const,
    #[token("set")] /** `set` */ Set,
    #[token("test")] /** `test` */ Test,
    #[token("given")] /** `given` */ Given,
    #[token("fails")] /** `fails` */ Fails,
    #[token("fire")] /** `fire` */ Fire,
    #[token("expect")] /** `expect` */ Expect,
    #[token("advance")] /** `advance` */ Advance,
    #[token("connection")] /** `connection` */ Connection,
    #[token("if")] /** `if` */ If,
    #[token("then")] /** `then` */ Then,
    #[token("else")] /** `else` */ Else,
    #[token("and")] /** `and` */ And,
    #[token("or")] /** `or` */ Or,
    #[token("not")] /** `not` */ Not,
    #[token("in")] /** `in` */ In,
    #[token("stop")] /** `stop` */ Stop,
    #[token("count")] /** `count` */ Count,
    #[token("by")] /** `by` */ By,
    #[token("true")] /** `true` */ True,
    #[token("false")] /** `false` */ False,

    #[token("{")] /** `{` */ OpenBrace,
    #[token("}")] /** `}` */ CloseBrace,
    #[token("(")] /** `(` */ OpenParen,
    #[token(")")] /** `)` */ CloseParen,
    #[token("[")] /** `[` */ OpenBracket,
    #[token("]")] /** `]` */ CloseBracket,
    #[token(",")] /** `,` */ Comma,
    #[token(";")] /** `;` */ Semicolon,
    #[token(":")] /** `:` */ Colon,
    #[token("@")] /** `@` */ At,
    #[token(".")] /** `.` */ Dot,
    #[token("..")] /** `..` */ DotDot,
    #[token("->")] #[token("=>", |lex| foreign::sign(lex, Token::Arrow, "->"))] #[token("→", |lex| foreign::sign(lex, Token::Arrow, "->"))] /** `->` */ Arrow,
    #[token("=")] /** `=` */ Assign,
    #[token("+=")] /** `+=` */ AddAssign,
    #[token("-=")] /** `-=` */ SubAssign,
    #[token("==")] #[token("===", |lex| foreign::sign(lex, Token::Eq, "=="))] /** `==` */ Eq,
    #[token("!=")] #[token("<>", |lex| foreign::sign(lex, Token::Ne, "!="))] #[token("≠", |lex| foreign::sign(lex, Token::Ne, "!="))] /** `!=` */ Ne,
    #[token("<")] /** `<` */ Lt,
    #[token("<=")] #[token("≤", |lex| foreign::sign(lex, Token::Le, "<="))] /** `<=` */ Le,
    #[token(">")] /** `>` */ Gt,
    #[token(">=")] #[token("≥", |lex| foreign::sign(lex, Token::Ge, ">="))] /** `>=` */ Ge,
    #[token("|")] /** `|` */ Pipe,
    #[token("^")] /** `^` */ Caret,
    #[token("&")] /** `&` */ Ampersand,
    #[token("<<")] /** `<<` */ Shl,
    #[token(">>")] /** `>>` */ Shr,
    #[token("+")] /** `+` */ Plus,
    #[token("-")] /** `-` */ Minus,
    #[token("*")] /** `*` */ Star,
    #[token("/")] /** `/` */ Slash,
    #[token("%")] /** `%` */ Percent,

    /// A name, with its text.
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Name(&'s str),
    /// `std::dc`: the name of something in a module.
    Path(&'s str),
    /// A word that means something only where it stands: `sample` in a rule's head, `counter` and
    /// `rule` before a name, `kernel has`, `option` and `use` at the start of an item.
    Soft(Soft),
    /// `10`, `0x20`.
    Int(u64),
    /// A number with a unit, in the canonical unit.
    Quantity((Quantity, u64)),
    /// The text between the quotes, escapes not resolved.
    Str(&'s str),
    /// An address; IPv4 as `::ffff:a.b.c.d`.
    Ip(u128),
    /// An address and a length counted in 128 bits.
    Prefix((u128, u8)),
    /// `5.10`.
    Version((u16, u16)),

    /// A malformed literal; it was reported.
    #[regex(r"[0-9][0-9A-Za-z_]*(\.[0-9A-Za-z_]+)*", literal::number, priority = 20)]
    #[regex(r"[0-9A-Za-z_]*:[0-9A-Za-z_]*:[0-9A-Za-z_:]*(\.[0-9]+)*", address::colons, priority = 30)]
    #[regex(r#""([^"\\\n]|\\[^\n])*"?"#, string)]
    #[regex(r"'[^'\n]*'", foreign::quotes)]
    #[regex(r"[“„][^“”\n]*[“”]", foreign::quotes)]
    #[regex(r"‘[^’\n]*’", foreign::quotes)]
    #[token("&&", |lex| foreign::sign(lex, Token::And, "and"))]
    #[token("||", |lex| foreign::sign(lex, Token::Or, "or"))]
    #[token("!", |lex| foreign::sign(lex, Token::Not, "not"))]
    Bad,

    /// A comment in a foreign spelling; never comes out of [`lex`].
    #[regex(r"//[^\n]*", foreign::comment, allow_greedy = true)]
    #[regex(r"/\*([^*]|\*[^/])*\*/", foreign::comment)]
    Comment,
}

/// A word that means something only where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soft {
    /// `sample` in a rule's head.
    Sample,
    /// `counter` in a test.
    Counter,
    /// `rule` in a test.
    Rule,
    /// `kernel` before `has`.
    Kernel,
    /// `has` after `kernel`.
    Has,
    /// `reading` after `kernel has`.
    Reading,
    /// `option` at the start of an item.
    Option,
    /// `flow` before a brace, at the start of an item.
    Flow,
    /// `table` before a name, at the start of an item.
    Table,
    /// `send` at the start of a rule.
    Send,
    /// `receive` at the start of a rule.
    Receive,
    /// `transmit` at the start of a step.
    Transmit,
    /// `use` at the start of an item.
    Use,
    /// `include` at the start of an item.
    Include,
    /// `as` after the module of these.
    As,
    /// `from` before the file of a set.
    From,
    /// `event` at the start of an item.
    Event,
    /// `emit` at the start of a statement.
    Emit,
    /// `observe` at the start of a statement.
    Observe,
    /// `observed` in a test.
    Observed,
    /// `emitted` in a test.
    Emitted,
    /// `param` at the start of an item.
    Param,
    /// `mutable` before `set`.
    Mutable,
    /// `experiment` at the start of an item.
    Experiment,
    /// `arm` at the start of a part of an experiment.
    Arm,
    /// `split` at the start of a part of an experiment.
    Split,
    /// `measure` at the start of a part of an experiment.
    Measure,
}

impl Token<'_> {
    /// The token in a sentence; `written` is its text.
    pub fn describe(self, written: &str) -> String {
        let kind = match self {
            Token::Name(_) | Token::Path(_) => "name ",
            Token::Int(_) => "number ",
            Token::Str(_) => "text ",
            Token::Ip(_) => "address ",
            Token::Prefix(_) => "prefix ",
            Token::Version(_) => "fraction ",
            _ => "",
        };
        let mut shown: String = written.chars().take(40).collect();
        if shown.len() < written.len() {
            shown.push('…');
        }
        format!("{kind}`{shown}`")
    }
}

/// A token and its place.
pub type Spanned<'s> = (Token<'s>, Span);

/// The words that can be no name. All others mean something only where they stand.
pub const KEYWORDS: &[&str] = &[
    "on",
    "when",
    "let",
    "const",
    "set",
    "test",
    "given",
    "fails",
    "fire",
    "expect",
    "advance",
    "connection",
    "if",
    "then",
    "else",
    "and",
    "or",
    "not",
    "in",
    "stop",
    "count",
    "by",
    "true",
    "false",
];

/// Bytes of the longest token: messages quote tokens, and the kernel's names are far shorter.
const LONGEST: u32 = 256;

/// Splits a text into tokens, and says what in it can be no token.
pub fn lex(text: &str) -> (Vec<Spanned<'_>>, Vec<Diagnostic>) {
    lex_from(text, 0)
}

/// The same from an offset on.
pub fn lex_from(text: &str, start: usize) -> (Vec<Spanned<'_>>, Vec<Diagnostic>) {
    let mut lexer = Token::lexer(text);
    lexer.bump(start.min(text.len()));
    let mut tokens = Vec::new();
    let mut junk: Option<Span> = None;
    while let Some(result) = lexer.next() {
        let span = Span::new(lexer.span().start, lexer.span().end);
        match result {
            Ok(token) if span.end - span.start <= LONGEST => tokens.push((token, span)),
            Ok(token) => {
                lexer
                    .extras
                    .retain(|known| known.primary.as_ref().is_none_or(|at| at.span.start < span.start));
                lexer.extras.push(too_long(text, span));
                // A name stays a name, so that the grammar is content; its first letters will do.
                let short = text.get(span.start as usize..(span.start + LONGEST) as usize);
                let name = matches!(token, Token::Name(_)).then(|| Token::Name(short.unwrap_or("")));
                tokens.push((name.unwrap_or(Token::Bad), span));
            }
            // Neighbours are one piece of junk: a binary file is one mistake, not thousands.
            Err(()) => match &mut junk {
                Some(run) if run.end == span.start => run.end = span.end,
                _ => lexer.extras.extend(junk.replace(span).map(|run| foreign::stray(text, run))),
            },
        }
    }
    let mut diagnostics = lexer.extras;
    diagnostics.extend(junk.map(|run| foreign::stray(text, run)));
    repair::repair(text, &mut tokens, &mut diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.as_ref().map(|label| label.span.start));
    (tokens, diagnostics)
}

/// The place of the token at hand.
fn span_of<'s>(lexer: &Lexer<'s, Token<'s>>) -> Span {
    Span::new(lexer.span().start, lexer.span().end)
}

/// Reports the token at hand as a malformed literal.
fn bad<'s>(lexer: &mut Lexer<'s, Token<'s>>, diagnostic: Diagnostic) -> Token<'s> {
    lexer.extras.push(diagnostic);
    Token::Bad
}

/// A word or text that is too long to mean something.
fn too_long(text: &str, span: Span) -> Diagnostic {
    let length = span.end - span.start;
    let end = text.floor_char_boundary((span.start + 16) as usize) as u32;
    let start = Span { start: span.start, end };
    let message = format!("a word of {length} characters is too long");
    Diagnostic::new(Code::TokenTooLong, message, start, "starts here")
        .help(format!("names, numbers and texts have at most {LONGEST} characters"))
}

/// `"text"`, which ends on its line.
fn string<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Token<'s> {
    let (span, text) = (span_of(lexer), lexer.slice());
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Token::Str(inner),
        None => {
            let opening = Span { start: span.start, end: span.start + 1 };
            bad(
                lexer,
                Diagnostic::new(Code::UnfinishedText, "text without a closing `\"`", opening, "opened here")
                    .help("text ends on the line it starts on: add a `\"`"),
            )
        }
    }
}
