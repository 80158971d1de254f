//! What is no item: what it was probably meant to be.

use super::items::File;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::suggest::closest;
use crate::token::{Soft, Token};

impl<'s> File<'s> {
    /// What is wrong with a token that begins no item, and a token that was probably meant: its
    /// index from here.
    pub(super) fn junk(&self, at: usize) -> (Diagnostic, Option<(usize, Token<'s>)>) {
        const WORDS: &str = "a policy is made of `on`, `let`, `const`, `set`, `flow`, `table`, `option`, `event`, `send`, `receive`, `use`, `include` and `test`";
        let (token, span) = self.tokens[at];
        let unexpected =
            |what: String, label: &str| Diagnostic::new(Code::UnexpectedToken, what, span, label);
        match token {
            Token::Name(word) => {
                // `fast: onn …`: the label is fine.
                let labelled = self.token(at + 1) == Some(Token::Colon) && self.name(at + 2).is_some();
                let index = if labelled { 2 } else { 0 };
                if let Some(found) = self.misspelt(at + index) {
                    return (found.0, Some((index, found.1)));
                }
                let diagnostic = unexpected(format!("unexpected name `{word}`"), "no item starts like this");
                let starts_rule = tcpc_stdlib::event::event(word).is_some()
                    || tcpc_stdlib::event::EVENT_GROUPS.iter().any(|group| group.name == word);
                if starts_rule {
                    let insert = Span { start: span.start, end: span.start };
                    return (
                        diagnostic
                            .help(format!("a rule starts with `on`: `on {word}`"))
                            .suggest(insert, "on "),
                        None,
                    );
                }
                let diagnostic = match self.token(at + 1) {
                    _ if word == "flow" => {
                        diagnostic.help("what is kept for each connection is declared as `flow { NAME: int }`")
                    }
                    _ if word == "table" => {
                        diagnostic.help("a table is declared as `table NAME by remote_ip max 1000 { NAME: int }`")
                    }
                    _ if word == "option" => {
                        diagnostic.help("a header option is declared as `option NAME = kind 28 { FIELD: u16 }`")
                    }
                    _ if word == "send" => {
                        diagnostic.help("a header option is sent as `send OPTION on syn { FIELD = VALUE }`")
                    }
                    _ if word == "receive" => {
                        diagnostic.help("a header option is waited for as `receive OPTION when CONDITION { … }`")
                    }
                    _ if word == "use" || word == "include" => diagnostic.help(format!(
                        "name a module of the standard library, `{word} std::NAME`, or a file, `{word} \"./nets.tcp\"`"
                    )),
                    Some(Token::Assign) => diagnostic.help(format!(
                        "options are assigned in the braces of a rule, `on EVENT {{ {word} = … }}`; a constant is `const {word} = …`"
                    )),
                    _ => diagnostic.help(WORDS),
                };
                (diagnostic, None)
            }
            Token::CloseBrace => {
                (unexpected("unexpected `}`".into(), "no block is open here").help("remove it"), None)
            }
            Token::If | Token::Stop | Token::Count | Token::Arrow | Token::When | Token::OpenBrace => {
                let text = self.slice(at);
                let diagnostic = unexpected(format!("unexpected `{text}`"), "no rule is open here");
                (
                    diagnostic.help(format!("`{text}` belongs to a rule: `on EVENT when CONDITION {{ … }}`")),
                    None,
                )
            }
            Token::Given | Token::Fire | Token::Expect | Token::Advance | Token::Connection => {
                let text = self.slice(at);
                let diagnostic = unexpected(format!("unexpected `{text}`"), "no test is open here");
                (diagnostic.help(format!("`{text}` is a step of a test: `test \"NAME\" {{ … }}`")), None)
            }
            Token::Soft(Soft::Rule) => {
                let diagnostic = unexpected("unexpected `rule`".into(), "no item starts like this");
                (diagnostic.help("a rule starts with `on`; its name stands before: `NAME: on EVENT …`"), None)
            }
            Token::Bad => {
                (unexpected("unexpected literal".into(), "no item starts like this").help(WORDS), None)
            }
            _ => {
                let what = token.describe(self.slice(at));
                (unexpected(format!("unexpected {what}"), "no item starts like this").help(WORDS), None)
            }
        }
    }

    /// `onn` for `on`.
    fn misspelt(&self, at: usize) -> Option<(Diagnostic, Token<'static>)> {
        const STARTS: &[(&str, Token)] = &[
            ("on", Token::On),
            ("let", Token::Let),
            ("const", Token::Const),
            ("set", Token::Set),
            ("test", Token::Test),
            ("option", Token::Soft(Soft::Option)),
            ("event", Token::Soft(Soft::Event)),
            ("send", Token::Soft(Soft::Send)),
            ("receive", Token::Soft(Soft::Receive)),
            ("use", Token::Soft(Soft::Use)),
            ("include", Token::Soft(Soft::Include)),
        ];
        let ((Some(word), Some((_, span))), true) =
            ((self.name(at), self.tokens.get(at)), self.token(at + 1).is_some())
        else {
            return None;
        };
        // `X = 3`, `f(x)`: a name, not a misspelt word.
        if matches!(self.token(at + 1), Some(Token::Assign | Token::OpenParen | Token::Arrow)) {
            return None;
        }
        let best = closest(word, STARTS.iter().map(|start| start.0))?;
        let token = STARTS.iter().find(|start| start.0 == best)?.1;
        let diagnostic = Diagnostic::new(
            Code::UnexpectedToken,
            format!("unexpected name `{word}`"),
            *span,
            format!("did you mean `{best}`?"),
        )
        .suggest(*span, best);
        Some((diagnostic, token))
    }
}
