//! "Did you mean": the most similar of the names that would be right.

/// The candidate nearest to `word`, if one is near enough to be what was meant: one slip in three
/// letters, where a slip is a letter too many, too few or wrong, or two neighbours swapped.
///
/// Of equally near candidates the first wins.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Nobody meant a word that is so much longer; and the distance costs the product of both lengths.
    if word.len() > 64 {
        return None;
    }
    let limit = (word.chars().count() / 3).max(1);
    let near = candidates.into_iter().filter(|candidate| *candidate != word);
    let measured = near.map(|candidate| (distance(word, candidate), candidate));
    measured
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, best)| best)
}

/// Slips between two words, in any case of letters (optimal string alignment).
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut slips = (row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                slips = slips.min(before[j - 1] + 1);
            }
            next.push(slips);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_are_one_slip() {
        assert_eq!(distance("whne", "when"), 1);
        assert_eq!(distance("snd_cwmd", "snd_cwnd"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn far_words_are_not_suggested() {
        assert_eq!(closest("onn", ["on", "let"]), Some("on"));
        assert_eq!(closest("x", ["on", "let"]), None);
        assert_eq!(closest("bananas", ["on", "let", "const"]), None);
    }
}
