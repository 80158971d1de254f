//! Numbers: integers, quantities, versions, and IPv4 addresses, which start as numbers do.

use logos::Lexer;

use super::unit::{self, Unit};
use super::{Token, address, bad, span_of};
use crate::ast::Quantity;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// Reads a word that starts with a digit, with the `%`, `/s` or `/LENGTH` that touches it.
pub fn number<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Token<'s> {
    if lexer.slice().matches('.').count() >= 2 {
        return address::dotted(lexer);
    }
    if lexer.remainder().starts_with('%') {
        return percent(lexer);
    }
    if lexer.slice().ends_with('B') && ends_in_per_second(lexer.remainder()) {
        lexer.bump(2);
    }
    match read(lexer.slice(), span_of(lexer)) {
        Ok(token) => token,
        Err(diagnostic) => bad(lexer, *diagnostic),
    }
}

/// Whether `/s` follows, and is not the start of a division by something like `/segs_out`.
fn ends_in_per_second(rest: &str) -> bool {
    rest.strip_prefix("/s").is_some_and(|rest| !rest.starts_with(is_word))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// `1%`. A word right after the sign shows that the remainder of a division was meant.
fn percent<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Token<'s> {
    let number = lexer.slice();
    let after = &lexer.remainder()[1..];
    if after.starts_with(is_word) {
        let span = span_of(lexer);
        let sign = Span { start: span.end, end: span.end + 1 };
        let diagnostic = Diagnostic::new(
            Code::MalformedNumber,
            "a `%` that touches a number makes a percentage",
            sign,
            "no space before it",
        )
        .help("for the remainder of a division write a space on both sides")
        .suggest(sign, " % ");
        return bad(lexer, diagnostic);
    }
    lexer.bump(1);
    let (span, parts) = (span_of(lexer), Parts::of(number));
    let token = match (parts.unit, unit::unit("%")) {
        ("", Some(percent)) => scale(&parts, percent, span),
        _ => Err(malformed(span, format!("`{number}%` is not a percentage"), "a number must touch the `%`")),
    };
    token.unwrap_or_else(|diagnostic| bad(lexer, *diagnostic))
}

/// `1.5MB` as `1`, `5`, `MB`.
struct Parts<'s> {
    whole: &'s str,
    fraction: Option<&'s str>,
    unit: &'s str,
}

impl Parts<'_> {
    fn of(text: &str) -> Parts<'_> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
        let (whole, rest) = text.split_at(digits(text));
        match rest.strip_prefix('.') {
            None => Parts { whole, fraction: None, unit: rest },
            Some(rest) => {
                let (fraction, unit) = rest.split_at(digits(rest));
                Parts { whole, fraction: Some(fraction), unit }
            }
        }
    }
}

/// An error is boxed: it is rare, and large beside a token.
type Read<'s> = Result<Token<'s>, Box<Diagnostic>>;

fn malformed(span: Span, message: impl Into<String>, label: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Code::MalformedNumber, message, span, label))
}

fn too_large(span: Span, text: &str, limit: impl Into<String>) -> Box<Diagnostic> {
    let shown: String = text.chars().take(24).collect();
    let dots = if shown.len() < text.len() { "…" } else { "" };
    let message = format!("the number `{shown}{dots}` is too large");
    Box::new(Diagnostic::new(Code::NumberTooLarge, message, span, "too large").help(limit))
}

fn read<'s>(text: &'s str, span: Span) -> Read<'s> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hexadecimal(text, digits, span);
    }
    let parts = Parts::of(text);
    if parts.whole.len() > 1 && parts.whole.starts_with('0') {
        let bare = parts.whole.trim_start_matches(['0', '_']);
        let bare = if bare.is_empty() { "0" } else { bare };
        let message = format!("the number `{text}` starts with a 0");
        let diagnostic = malformed(span, message, "is it decimal or octal?")
            .help("decimal numbers start with another digit, hexadecimal ones with `0x`; there are no octal ones")
            .suggest(span, format!("{bare}{}", &text[parts.whole.len()..]));
        return Err(Box::new(diagnostic));
    }
    match (parts.fraction, parts.unit) {
        (None, "") => match plain(parts.whole) {
            Some(value) => Ok(Token::Int(value)),
            None => Err(too_large(span, text, format!("numbers go up to {}", u64::MAX))),
        },
        (Some(fraction), "") => version(text, parts.whole, fraction, span),
        (_, written) => match unit::unit(written) {
            Some(unit) => scale(&parts, unit, span),
            None => Err(unknown_unit(text, written, span)),
        },
    }
}

fn plain(digits: &str) -> Option<u64> {
    digits.replace('_', "").parse().ok()
}

fn hexadecimal<'s>(text: &str, digits: &str, span: Span) -> Read<'s> {
    let bare = digits.replace('_', "");
    if bare.is_empty() || !bare.chars().all(|c| c.is_ascii_hexdigit()) {
        let message = format!("`{text}` is not a hexadecimal number");
        return Err(malformed(span, message, "after `0x` come the digits 0 to 9 and a to f"));
    }
    match u64::from_str_radix(&bare, 16) {
        Ok(value) => Ok(Token::Int(value)),
        Err(_) => Err(too_large(span, text, format!("numbers go up to {:#x}", u64::MAX))),
    }
}

/// `5.10`: a fraction without a unit can only be the version of a kernel.
fn version<'s>(text: &str, major: &str, minor: &str, span: Span) -> Read<'s> {
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => Ok(Token::Version((major, minor))),
        _ => Err(fraction_without_unit(text, span)),
    }
}

/// `1.5` where a value is wanted.
pub fn fraction_without_unit(text: &str, span: Span) -> Box<Diagnostic> {
    let message = format!("`{text}` is neither an integer nor a quantity");
    let diagnostic = malformed(span, message, "a fraction needs a unit");
    Box::new(diagnostic.help(format!("write a unit, such as `{text}ms` or `{text}MB`, or a whole number")))
}

/// The value in canonical units: exact, except for percentages, which are rounded to the nearest
/// 2^-32.
fn scale<'s>(parts: &Parts, unit: &Unit, span: Span) -> Read<'s> {
    let written = || format!("{}.{}{}", parts.whole, parts.fraction.unwrap_or("0"), unit.text);
    let fraction = parts.fraction.unwrap_or("").replace('_', "");
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{}{fraction}", parts.whole.replace('_', ""));
    let limit = || too_large(span, &format!("{}{}", parts.whole, unit.text), limit_text(unit.quantity));
    // 2^64 has 20 digits, and the smallest unit that a fraction can resolve is 10^-13 of an hour.
    if fraction.len() > 18 {
        return Err(inexact(unit, written(), span));
    }
    let mantissa: u128 = match digits.parse() {
        Ok(value) if value <= u128::from(u64::MAX) * 1_000_000 => value,
        _ => return Err(limit()),
    };
    let Some(scaled) = mantissa.checked_mul(u128::from(unit.numerator)) else { return Err(limit()) };
    let divisor = 10u128.pow(fraction.len() as u32) * u128::from(unit.denominator);
    let value = match unit.quantity {
        Quantity::Percent => (scaled + divisor / 2) / divisor,
        _ if !scaled.is_multiple_of(divisor) => return Err(inexact(unit, written(), span)),
        _ => scaled / divisor,
    };
    match u64::try_from(value) {
        Ok(value) => Ok(Token::Quantity((unit.quantity, value))),
        Err(_) => Err(limit()),
    }
}

fn limit_text(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Duration => "durations go up to about 584 years",
        Quantity::Size => "sizes go up to about 18 exabytes",
        Quantity::Rate => "rates go up to about 18 exabytes per second",
        Quantity::Percent => "percentages go up to about 429496729600%",
    }
}

fn inexact(unit: &Unit, written: String, span: Span) -> Box<Diagnostic> {
    let canonical = match unit.quantity {
        Quantity::Duration => "nanoseconds",
        Quantity::Size => "bytes",
        _ => "bytes per second",
    };
    let message = format!("`{written}` is not a whole number of {canonical}");
    Box::new(malformed(span, message, "finer than can be stored").help("write fewer digits after the point"))
}

fn unknown_unit(text: &str, written: &str, span: Span) -> Box<Diagnostic> {
    let number = &text[..text.len() - written.len()];
    let place = Span { start: span.start + number.len() as u32, end: span.end };
    let message = format!("unknown unit `{written}`");
    let diagnostic = Diagnostic::new(Code::UnknownUnit, message, place, "not a unit");
    Box::new(match unit::similar(written) {
        Some(ours) if ours.eq_ignore_ascii_case(written) => {
            diagnostic.help(format!("case counts in units: write `{ours}`")).suggest(place, ours)
        }
        Some(ours) => diagnostic.help(format!("the unit is written `{ours}`")).suggest(place, ours),
        None => diagnostic.help(
            "units are `ns us ms s min h` for durations, `B KB MB GB KiB MiB GiB` for sizes, \
             `bps Kbps Mbps Gbps B/s KB/s MB/s GB/s` for rates, `%` for shares",
        ),
    })
}
