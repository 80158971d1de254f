//! Addresses and prefixes, and the paths (`std::dc`) that look like them.
//!
//! An address is 128 bits; an IPv4 one is written as `::ffff:a.b.c.d`, and its /n is a /(96 + n).
//! Host bits of a prefix are kept as written: to judge them is the checker's business.

use std::net::{Ipv4Addr, Ipv6Addr};

use logos::Lexer;

use super::{Token, bad, span_of};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// Reads digits with two or more dots, and the length that touches them.
pub fn dotted<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Token<'s> {
    let written = lexer.slice();
    match written.parse::<Ipv4Addr>() {
        Ok(ip) => with_length(lexer, u128::from(ip.to_ipv6_mapped()), 32),
        Err(_) => {
            let span = span_of(lexer);
            skip_length(lexer);
            bad(lexer, malformed_ipv4(written, span))
        }
    }
}

/// Reads a word with two or more colons, and the length that touches it.
pub fn colons<'s>(lexer: &mut Lexer<'s, Token<'s>>) -> Token<'s> {
    let written = lexer.slice();
    if let Ok(ip) = written.parse::<Ipv6Addr>() {
        return with_length(lexer, u128::from(ip), 128);
    }
    let is_name = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if written.split("::").all(|part| is_name(part) && !part.contains(':')) {
        return Token::Path(written);
    }
    let span = span_of(lexer);
    skip_length(lexer);
    bad(lexer, malformed_ipv6(written, span))
}

/// The length after `/`: digits that touch it.
fn length<'s>(lexer: &Lexer<'s, Token<'s>>) -> Option<&'s str> {
    let rest = lexer.remainder().strip_prefix('/')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    rest[..end].starts_with(|c: char| c.is_ascii_digit()).then(|| &rest[..end])
}

fn skip_length<'s>(lexer: &mut Lexer<'s, Token<'s>>) {
    if let Some(length) = length(lexer) {
        lexer.bump(1 + length.len());
    }
}

/// An address whose family has `bits` bits, or a prefix if a length follows.
fn with_length<'s>(lexer: &mut Lexer<'s, Token<'s>>, ip: u128, bits: u8) -> Token<'s> {
    let Some(length) = length(lexer) else { return Token::Ip(ip) };
    let start = span_of(lexer).end + 1;
    let place = Span { start, end: start + length.len() as u32 };
    lexer.bump(1 + length.len());
    match length.parse::<u8>() {
        Ok(length) if length <= bits => Token::Prefix((ip, 128 - bits + length)),
        _ => {
            let family = if bits == 32 { "IPv4" } else { "IPv6" };
            let message = format!("the prefix length `{length}` is out of range");
            let label = format!("{family} prefixes are 0 to {bits} bits long");
            bad(lexer, Diagnostic::new(Code::MalformedAddress, message, place, label))
        }
    }
}

fn malformed_ipv4(written: &str, span: Span) -> Diagnostic {
    let report = |place: Span, label: String| {
        Diagnostic::new(Code::MalformedAddress, format!("`{written}` is not an IPv4 address"), place, label)
    };
    let mut start = span.start;
    for part in written.split('.') {
        let place = Span { start, end: start + part.len() as u32 };
        start = place.end + 1;
        if !part.chars().all(|c| c.is_ascii_digit()) {
            return report(place, format!("`{part}` is not a number"));
        }
        if part.len() > 1 && part.starts_with('0') {
            return report(place, "starts with a 0".into()).help("write the numbers without leading zeros");
        }
        if part.parse::<u8>().is_err() {
            return report(place, "each number is 0 to 255".into());
        }
    }
    let count = written.split('.').count();
    report(span, format!("it has {count} numbers, an address has 4"))
}

fn malformed_ipv6(written: &str, span: Span) -> Diagnostic {
    let label = if let Some(c) = written.chars().find(|&c| !c.is_ascii_hexdigit() && c != ':' && c != '.') {
        format!("`{c}` is not a hexadecimal digit")
    } else if written.contains(":::") || written.matches("::").count() > 1 {
        "`::` can stand once, for the zeros that are left out".into()
    } else if let Some(long) = written.split(':').find(|part| part.len() > 4 && !part.contains('.')) {
        format!("`{long}` has more than four digits")
    } else if written.contains('.') {
        "ends in a malformed IPv4 address".into()
    } else {
        let groups = written.split(':').filter(|part| !part.is_empty()).count();
        let hint = if groups < 8 && !written.contains("::") { "; write `::` for zeros" } else { "" };
        format!("it has {groups} groups of digits, an address has 8{hint}")
    };
    Diagnostic::new(Code::MalformedAddress, format!("`{written}` is not an IPv6 address"), span, label)
}
