//! A filter that no test passes, with the names that may have been meant.

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::suggest::distance;

/// So many names are shown at most.
const MOST: usize = 5;

/// No test's name contains `text`; `names` are those that there are.
pub fn unmatched(text: &str, names: &[&str]) -> Diagnostic {
    let unmatched =
        Diagnostic::without_place(Code::UnmatchedFilter, format!("the name of no test contains `{text}`"));
    let quoted = |names: &[&str]| {
        names.iter().take(MOST).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let near = near(text, names);
    match names.len() {
        0 => unmatched.help("there are no tests: write some, `test \"NAME\" { … }`"),
        _ if !near.is_empty() => unmatched.help(format!("did you mean a part of {}?", quoted(&near))),
        count if count > MOST => {
            unmatched.help(format!("there are {count} tests, the first are {}", quoted(names)))
        }
        _ => unmatched.help(format!("there is {}", quoted(names))),
    }
}

/// The names with words like those of the text, the nearest first.
fn near<'n>(text: &str, names: &[&'n str]) -> Vec<&'n str> {
    let limit = (text.chars().count() / 3).max(1);
    let measured = names.iter().filter_map(|name| Some((slips(text, name)?, *name)));
    let mut near: Vec<_> = measured.filter(|(slips, _)| *slips <= limit).collect();
    near.sort_by_key(|(slips, _)| *slips);
    let mut names: Vec<&str> = near.into_iter().map(|(_, name)| name).collect();
    names.dedup();
    names
}

/// The slips between the text and as many words of the name; whether letters are large does not count.
fn slips(text: &str, name: &str) -> Option<usize> {
    if name.to_lowercase().contains(&text.to_lowercase()) {
        return Some(0);
    }
    let words: Vec<&str> = name.split_whitespace().collect();
    let width = text.split_whitespace().count().clamp(1, words.len().max(1));
    // Nobody meant a text that is so much longer, and the distance costs the product of both lengths.
    let short = text.len() <= 200 && name.len() <= 1000;
    short.then(|| words.windows(width).map(|part| distance(text, &part.join(" "))).min()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NAMES: &[&str] = &["a flow inside the datacenter", "another port", "IPv6 only"];

    #[test]
    fn words_that_are_alike_are_suggested() {
        assert_eq!(near("datacentre", NAMES), ["a flow inside the datacenter"]);
        assert_eq!(near("flow insde", NAMES), ["a flow inside the datacenter"]);
        assert_eq!(near("ipv6", NAMES), ["IPv6 only"]);
        assert!(near("bananas", NAMES).is_empty());
    }

    #[test]
    fn without_a_likeness_the_names_are_listed() {
        let help = |text, names: &[&str]| unmatched(text, names).help.remove(0);
        assert_eq!(help("bananas", &NAMES[1..]), "there is `another port`, `IPv6 only`");
        assert!(help("bananas", &[]).starts_with("there are no tests"));
        assert_eq!(help("bananas", &["a"; 9]), "there are 9 tests, the first are `a`, `a`, `a`, `a`, `a`");
    }
}
