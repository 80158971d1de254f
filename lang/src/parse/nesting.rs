//! How deep an item may nest.
//!
//! Later stages walk the tree by recursion. Here its height is bounded before it is built: by the
//! brackets that are open, the `else if` that follow each other, and the operators of one
//! expression (each may be one level).

use crate::diag::{Code, Diagnostic};
use crate::token::{Spanned, Token};

/// Brackets in brackets.
pub const MOST_BRACKETS: u32 = 64;
/// Operators and brackets in one expression.
pub const MOST_OPERATORS: u32 = 256;
/// `else if` after `else if`.
pub const MOST_BRANCHES: u32 = 128;

/// Reports the first place that is too deep.
pub fn check(tokens: &[Spanned]) -> Option<Diagnostic> {
    let (mut brackets, mut parens, mut operators, mut branches) = (0u32, 0u32, 0u32, 0u32);
    let mut previous = Token::Semicolon;
    for &(token, span) in tokens {
        match token {
            Token::OpenBrace => brackets += 1,
            Token::CloseBrace => brackets = brackets.saturating_sub(1),
            Token::OpenParen | Token::OpenBracket => {
                brackets += 1;
                parens += 1;
            }
            Token::CloseParen | Token::CloseBracket => {
                brackets = brackets.saturating_sub(1);
                parens = parens.saturating_sub(1);
            }
            Token::If => {
                operators += 1;
                branches += u32::from(previous == Token::Else);
            }
            _ => operators += u32::from(is_operator(token)),
        }
        // Behind these a new expression starts, unless they stand inside of one.
        let separates = matches!(
            token,
            Token::OpenBrace
                | Token::CloseBrace
                | Token::Semicolon
                | Token::Assign
                | Token::Arrow
                | Token::Comma
                | Token::When
        );
        if separates && parens == 0 {
            operators = 0;
        }
        let excess = if brackets > MOST_BRACKETS {
            Some(("brackets inside each other", MOST_BRACKETS, "name a part with `let`"))
        } else if operators > MOST_OPERATORS {
            let help = "name a part with `let`; alternatives can be a `set`, tested with `in`";
            Some(("operators in one expression", MOST_OPERATORS, help))
        } else if branches > MOST_BRANCHES {
            Some(("times `else if` in one item", MOST_BRANCHES, "write several rules"))
        } else {
            None
        };
        if let Some((what, most, help)) = excess {
            let message = format!("more than {most} {what}");
            return Some(Diagnostic::new(Code::TooDeep, message, span, "one too many").help(help));
        }
        previous = token;
    }
    None
}

fn is_operator(token: Token) -> bool {
    use Token::*;
    matches!(
        token,
        And | Or
            | Not
            | In
            | Eq
            | Ne
            | Lt
            | Le
            | Gt
            | Ge
            | Pipe
            | Caret
            | Ampersand
            | Shl
            | Shr
            | Plus
            | Minus
            | Star
            | Slash
            | Percent
    )
}
