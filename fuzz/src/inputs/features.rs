//! What an input reached, as a set of numbers.

use std::collections::BTreeSet;

/// What happened on the way of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(BTreeSet<u64>);

impl Features {
    /// Something that was said. Numbers, and what the input itself says between backticks or quotes, do not matter.
    pub fn said(&mut self, kind: &str, text: &str) {
        let mut shape = String::new();
        for (index, part) in text.split(['`', '"']).enumerate() {
            if index % 2 == 1 {
                shape.push('`');
                continue;
            }
            for char in part.chars() {
                let char = if char.is_ascii_digit() { '0' } else { char };
                if char != '0' || !shape.ends_with('0') {
                    shape.push(char);
                }
            }
        }
        self.add(kind, shape.as_bytes());
    }

    /// How many there were of something, roughly: the number of its bits.
    pub fn amount(&mut self, kind: &str, number: usize) {
        self.add(kind, &(usize::BITS - number.leading_zeros()).to_le_bytes());
    }

    /// Something that stood before something else.
    pub fn pair(&mut self, kind: &str, one: u8, other: u8) {
        self.add(kind, &[one, other]);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }

    /// FNV-1a, as it is short and the same everywhere.
    fn add(&mut self, kind: &str, bytes: &[u8]) {
        self.0.insert(hash(kind.bytes().chain([0]).chain(bytes.iter().copied())));
    }
}

/// A number for bytes.
pub fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Features {
        let mut features = Features::default();
        features.said("message", text);
        features
    }

    #[test]
    fn what_is_said_counts_but_not_of_what() {
        assert_eq!(of("slot 7: `a` is 12 bytes"), of("slot 123: `bcd` is 1 bytes"));
        assert_ne!(of("slot 7: `a` is 12 bytes"), of("slot 7: `a` has 12 bytes"));
    }
}
