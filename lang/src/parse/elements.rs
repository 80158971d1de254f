//! The elements of a set that stand in a file of their own, one on a line.

use crate::ast::{Expr, ExprKind};
use crate::diag::{Code, Diagnostic};
use crate::parse::MOST_DIAGNOSTICS;
use crate::parse::build::error_expr;
use crate::source::{FileId, SourceFile, Span};
use crate::token::{Spanned, Token, lex_from};

/// Reads a file of elements. Lines that hold none are reported.
pub fn elements(source: &SourceFile, file: FileId) -> (Vec<Expr>, Vec<Diagnostic>) {
    let place = source.file(file).span;
    if let Some(at) = source.slice(place).find('\0') {
        return (Vec::new(), vec![source.not_text(place.start as usize + at)]);
    }
    let text = source.text_up_to(file);
    let (tokens, mut diagnostics) = lex_from(text, place.start as usize);
    let same_line = |one: &Spanned, next: &Spanned| {
        text.get(one.1.end as usize..next.1.start as usize).is_none_or(|between| !between.contains('\n'))
    };
    let mut elements = Vec::new();
    for line in tokens.chunk_by(same_line) {
        match element(line) {
            Ok(element) => elements.push(element),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
        if diagnostics.len() > MOST_DIAGNOSTICS {
            diagnostics.truncate(MOST_DIAGNOSTICS);
            let more = "there are more errors in this file; they show once these are mended";
            let last = diagnostics.pop().map(|last| last.note(more));
            diagnostics.extend(last);
            break;
        }
    }
    (elements, diagnostics)
}

/// `10.0.0.0/8`, `443`, `8000..8999`.
fn element(line: &[Spanned]) -> Result<Expr, Box<Diagnostic>> {
    let (rest, element) = match line {
        [low, (Token::DotDot, _), high, rest @ ..] => {
            let (low, high) = (literal(low)?, literal(high)?);
            let span = low.span.to(high.span);
            (rest, Expr { kind: ExprKind::Range(Box::new(low), Box::new(high)), span })
        }
        [one, rest @ ..] => (rest, literal(one)?),
        [] => return Ok(error_expr(0, 0)),
    };
    match rest.first() {
        None => Ok(element),
        Some((_, place)) => Err(Box::new(unexpected("more than one element on a line", *place))),
    }
}

fn literal(&(token, span): &Spanned) -> Result<Expr, Box<Diagnostic>> {
    let kind = match token {
        Token::Int(number) => ExprKind::Int(number),
        Token::Quantity((quantity, number)) => ExprKind::Quantity(quantity, number),
        Token::Ip(address) => ExprKind::Ip(address),
        Token::Prefix((address, length)) => ExprKind::Prefix(address, length),
        // It was reported.
        Token::Bad => ExprKind::Error,
        _ => return Err(Box::new(unexpected("this is no element of a set", span))),
    };
    Ok(Expr { kind, span })
}

fn unexpected(message: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::UnexpectedToken, message, span, "not expected in a file of elements")
        .help("write one address, prefix, port or range on each line; `#` begins a comment")
}
