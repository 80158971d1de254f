//! A smaller input that fails in the same way.

/// Attempts that are made at most: each is a run of the input.
const ATTEMPTS: usize = 1_500;

/// Takes away parts, large ones first, as long as the rest still fails.
pub fn shrink(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut attempts = 0;
    let mut size = best.len() / 2;
    while size > 0 && attempts < ATTEMPTS {
        let mut at = 0;
        while at < best.len() && attempts < ATTEMPTS {
            let end = (at + size).min(best.len());
            let smaller = [&best[..at], &best[end..]].concat();
            attempts += 1;
            if fails(&smaller) {
                best = smaller;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_is_left() {
        let fails = |input: &[u8]| input.contains(&b'x') && input.contains(&b'y');
        assert_eq!(shrink(b"abcxdefghijklymno", fails), b"xy");
        assert_eq!(shrink(b"xy", fails), b"xy");
    }
}
