//! What one token alone cannot tell: words that mean something only where they stand, and slips
//! whose mending is certain once the neighbours are known (`10 ms`, `when a = b`).

use super::unit::{self, Unit};
use super::{Soft, Spanned, Token};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// Rewrites the tokens in place and reports each slip.
pub fn repair(text: &str, tokens: &mut Vec<Spanned<'_>>, diagnostics: &mut Vec<Diagnostic>) {
    join_spaced_units(text, tokens, diagnostics);
    compare_in_conditions(tokens, diagnostics);
    let mut previous: Option<Spanned> = None;
    for index in 0..tokens.len() {
        let (token, span) = tokens[index];
        let (next, after) = (tokens.get(index + 1).copied(), tokens.get(index + 2).map(|next| next.0));
        if let Token::Name(word) = token {
            let name_follows = matches!(next, Some((Token::Name(_), place)) if same_line(text, span, place));
            let subject_follows = name_follows || matches!(next, Some((Token::Path(_), _)));
            let module_follows = matches!(next, Some((Token::Path(_) | Token::Str(_), _))) || name_follows;
            let starts = previous.is_none_or(|(before, place)| {
                matches!(before, Token::OpenBrace | Token::CloseBrace | Token::Semicolon)
                    || !same_line(text, place, span)
            });
            let labelled = matches!(previous, Some((Token::Colon, _)));
            let is_text = matches!(next, Some((Token::Str(_), _)));
            tokens[index].0 = match word {
                "sample" if matches!(next, Some((Token::Int(_) | Token::Quantity(_), _))) => {
                    Token::Soft(Soft::Sample)
                }
                "counter" if subject_follows && after != Some(Token::Assign) => Token::Soft(Soft::Counter),
                "rule" if (subject_follows && after != Some(Token::Assign)) || is_text => {
                    Token::Soft(Soft::Rule)
                }
                "kernel" if matches!(next, Some((Token::Name("has"), place)) if same_line(text, span, place)) => {
                    Token::Soft(Soft::Kernel)
                }
                "has" if is_soft(previous, Soft::Kernel) || follows_name(text, previous, span) => {
                    Token::Soft(Soft::Has)
                }
                "reading" if is_soft(previous, Soft::Has) && name_follows => Token::Soft(Soft::Reading),
                "option" if starts && name_follows => Token::Soft(Soft::Option),
                "flow" if starts && matches!(next, Some((Token::OpenBrace, _))) => Token::Soft(Soft::Flow),
                "table" if starts && name_follows => Token::Soft(Soft::Table),
                "send" if (starts || labelled) && subject_follows => Token::Soft(Soft::Send),
                "receive" if (starts || labelled) && subject_follows => Token::Soft(Soft::Receive),
                "param" if starts && name_follows => Token::Soft(Soft::Param),
                "mutable" if starts && matches!(next, Some((Token::Set, _))) => Token::Soft(Soft::Mutable),
                "experiment" if starts && name_follows => Token::Soft(Soft::Experiment),
                "arm" if starts && name_follows && after == Some(Token::OpenBrace) => Token::Soft(Soft::Arm),
                "split" if starts && matches!(next, Some((Token::Int(_) | Token::Quantity(_), _))) => {
                    Token::Soft(Soft::Split)
                }
                "measure" if starts && name_follows => Token::Soft(Soft::Measure),
                "transmit" if starts && name_follows => Token::Soft(Soft::Transmit),
                "use" if starts && module_follows => Token::Soft(Soft::Use),
                "include" if starts && module_follows => Token::Soft(Soft::Include),
                "as" if index >= 2 && begins_use(tokens[index - 2].0) => Token::Soft(Soft::As),
                "from"
                    if is_text
                        || (index >= 2 && matches!(tokens[index - 2].0, Token::Set | Token::Name("max"))) =>
                {
                    Token::Soft(Soft::From)
                }
                "event" if starts && name_follows => Token::Soft(Soft::Event),
                "emit" if starts && subject_follows => Token::Soft(Soft::Emit),
                "observe" if starts && name_follows => Token::Soft(Soft::Observe),
                "observed" if subject_follows && after != Some(Token::Assign) => Token::Soft(Soft::Observed),
                "emitted" if subject_follows && after != Some(Token::Assign) => Token::Soft(Soft::Emitted),
                _ => token,
            };
        }
        previous = Some(tokens[index]);
    }
}

fn is_soft(token: Option<Spanned>, word: Soft) -> bool {
    token.is_some_and(|(token, _)| token == Token::Soft(word))
}

fn begins_use(token: Token) -> bool {
    matches!(token, Token::Soft(Soft::Use | Soft::Include))
}

/// Whether a name stands before this on its line: `given BLOCKED has …`.
fn follows_name(text: &str, previous: Option<Spanned>, span: Span) -> bool {
    matches!(previous, Some((Token::Name(_) | Token::Path(_), place)) if same_line(text, place, span))
}

/// Whether no line ends between the two.
fn same_line(text: &str, before: Span, after: Span) -> bool {
    text.get(before.end as usize..after.start as usize).is_some_and(|between| !between.contains('\n'))
}

/// `10 ms`: a unit after an integer on its line, unless the word goes on to mean something else.
fn join_spaced_units(text: &str, tokens: &mut Vec<Spanned<'_>>, diagnostics: &mut Vec<Diagnostic>) {
    let spaced = |at: usize, tokens: &[Spanned]| -> Option<(u64, &'static Unit, Span)> {
        let (&(number, left), &(word, right)) = (tokens.get(at)?, tokens.get(at + 1)?);
        let (Token::Int(value), Token::Name(word)) = (number, word) else { return None };
        let follows = tokens.get(at + 2).map(|next| next.0);
        let other = matches!(follows, Some(Token::Assign | Token::OpenParen | Token::Colon | Token::Dot));
        (!other && same_line(text, left, right)).then_some(())?;
        Some((value, unit::unit(word)?, left.to(right)))
    };
    if !(0..tokens.len()).any(|at| spaced(at, tokens).is_some()) {
        return;
    }
    let mut joined = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(&plain) = tokens.get(at) {
        if let Some((value, unit, span)) = spaced(at, tokens) {
            let gap = Span { start: plain.1.end, end: span.end - unit.text.len() as u32 };
            let message = "a unit touches its number";
            let written = format!(
                "{}{}",
                text.get(plain.1.start as usize..plain.1.end as usize).unwrap_or(""),
                unit.text
            );
            diagnostics.push(
                Diagnostic::new(Code::MalformedNumber, message, span, "")
                    .help(format!("write `{written}`"))
                    .suggest(gap, ""),
            );
            let scaled = value.checked_mul(unit.numerator).map(|value| value / unit.denominator);
            joined.push((scaled.map_or(Token::Bad, |value| Token::Quantity((unit.quantity, value))), span));
            at += 2;
        } else {
            joined.push(plain);
            at += 1;
        }
    }
    *tokens = joined;
}

/// `=` between `when`, `if` or `expect` and the end of the condition: a comparison was meant.
fn compare_in_conditions(tokens: &mut [Spanned<'_>], diagnostics: &mut Vec<Diagnostic>) {
    let mut in_condition = false;
    let mut list = 0u32;
    let mut previous = Token::Semicolon;
    for (token, span) in tokens {
        match *token {
            Token::When | Token::If | Token::Expect => (in_condition, list) = (true, 0),
            // Two operands in a row: the condition is over, only its brace is missing.
            Token::Name(_) if ends_operand(previous) => in_condition = false,
            Token::OpenBrace if in_condition && previous == Token::In => list += 1,
            Token::CloseBrace if list > 0 => list -= 1,
            Token::OpenBrace
            | Token::CloseBrace
            | Token::Semicolon
            | Token::Soft(
                Soft::Option
                | Soft::Flow
                | Soft::Table
                | Soft::Send
                | Soft::Receive
                | Soft::Transmit
                | Soft::Use
                | Soft::Include
                | Soft::Event
                | Soft::Emit
                | Soft::Observe
                | Soft::Param
                | Soft::Mutable,
            )
            | Token::Arrow
            | Token::Then
            | Token::Else
            | Token::On
            | Token::Let
            | Token::Const
            | Token::Set
            | Token::Test
            | Token::Given
            | Token::Fire
            | Token::Advance
            | Token::Connection => in_condition = false,
            Token::Assign if in_condition => {
                let message = "`=` assigns, it does not compare";
                diagnostics.push(
                    Diagnostic::new(Code::AssignInCondition, message, *span, "")
                        .help("to compare write `==`")
                        .suggest(*span, "=="),
                );
                *token = Token::Eq;
            }
            _ => {}
        }
        previous = *token;
    }
}

/// Whether an operand can end with this token.
fn ends_operand(token: Token) -> bool {
    use Token::*;
    matches!(
        token,
        Name(_) | Int(_) | Quantity(_) | Str(_) | Ip(_) | Prefix(_) | True | False | Bad | CloseParen
    )
}
