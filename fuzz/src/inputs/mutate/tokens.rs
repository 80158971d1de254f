//! Texts of the language: tokens, lines and whole blocks of them.

use std::ops::Range;

use tcpc_lang::token::{KEYWORDS, lex};
use tcpc_stdlib::builtin::BUILTINS;
use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::field::FIELDS;
use tcpc_stdlib::option::OPTIONS;

use super::border;
use crate::random::Random;

/// One change; what is no text stays as it is.
pub fn change(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    let donor = String::from_utf8_lossy(other);
    let places = places(&text);
    let Some(place) = random_of(random, &places) else {
        input.extend_from_slice(other);
        return;
    };
    let (range, with) = match random.below(9) {
        // A token becomes another one: of this text, of the other one, or any.
        0 => (place, token(random, &text, &places)),
        1 => (place, token(random, &donor, &self::places(&donor))),
        2 => (place, word(random)),
        3 => (place.start..place.start, format!("{} ", word(random))),
        // A few tokens go, or come again elsewhere.
        4 => (run(random, &places), String::new()),
        5 => {
            let copied = run(random, &places);
            (place.start..place.start, format!("{} ", &text[copied]))
        }
        // Lines and blocks.
        6 => (place.start..place.start, format!("{}\n", block(random, &donor))),
        7 => (lines(random, &text), String::new()),
        _ => (lines(random, &text), format!("{}\n", block(random, &donor))),
    };
    let mut changed = text;
    changed.replace_range(range, &with);
    *input = changed.into_bytes();
}

/// Where the tokens are.
fn places(text: &str) -> Vec<Range<usize>> {
    lex(text).0.iter().map(|(_, span)| span.start as usize..span.end as usize).collect()
}

fn random_of(random: &mut Random, places: &[Range<usize>]) -> Option<Range<usize>> {
    places.get(random.index(places.len())).cloned()
}

fn token(random: &mut Random, text: &str, places: &[Range<usize>]) -> String {
    random_of(random, places).map_or_else(String::new, |place| text[place].to_owned())
}

/// From one token to one a little later.
fn run(random: &mut Random, places: &[Range<usize>]) -> Range<usize> {
    let first = random.index(places.len());
    let last = (first + random.index(8)).min(places.len().saturating_sub(1));
    match (places.get(first), places.get(last)) {
        (Some(first), Some(last)) => first.start..last.end,
        _ => 0..0,
    }
}

/// One to three lines.
fn lines(random: &mut Random, text: &str) -> Range<usize> {
    let starts: Vec<usize> = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let first = random.index(starts.len());
    let end = starts.get(first + 1 + random.index(3)).copied().unwrap_or(text.len());
    starts[first]..end
}

/// Some lines, up to where as many braces are closed as were opened.
fn block(random: &mut Random, text: &str) -> String {
    let start = lines(random, text).start;
    let mut depth = 0i32;
    let mut taken = String::new();
    for line in text[start..].lines().take(40) {
        depth += line.matches('{').count() as i32 - line.matches('}').count() as i32;
        taken.push_str(line);
        taken.push('\n');
        if depth <= 0 {
            break;
        }
    }
    taken
}

/// A word of the language or of the catalogue, a number, or something that is neither.
fn word(random: &mut Random) -> String {
    const ODD: &[&str] = &[
        "->",
        "==",
        "..",
        "{",
        "}",
        "(",
        ")",
        "=",
        "+=",
        "<<",
        "&",
        "%",
        "/",
        "*",
        "-",
        ",",
        ";",
        "::",
        "10.0.0.0/8",
        "::1",
        "2001:db8::/32",
        "\"dctcp\"",
        "\"\"",
        "std::datacenter",
        "é",
        "\u{202e}",
        "0.0.0.0/0",
        "1.5",
        "_",
    ];
    const UNITS: &[&str] =
        &["", "", "ns", "us", "ms", "s", "min", "B", "KB", "MiB", "GB", "bps", "Gbps", "MB/s", "%"];
    match random.below(8) {
        0 => (*random.one_of(KEYWORDS)).to_owned(),
        1 => random.one_of(EVENTS).name.to_owned(),
        2 => random.one_of(FIELDS).name.to_owned(),
        3 => random.one_of(OPTIONS).name.to_owned(),
        4 => random.one_of(BUILTINS).name.to_owned(),
        5 | 6 => {
            let number = if random.one_in(2) { random.below(200) } else { border(random) };
            format!("{number}{}", random.one_of(UNITS))
        }
        _ => (*random.one_of(ODD)).to_owned(),
    }
}
