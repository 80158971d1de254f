//! Inputs that reached something that none before them did.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::features::{Features, hash};
use crate::random::Random;

/// More inputs, or more bytes of them, are not kept; then others make room.
pub const MOST: usize = 4_000;
const MOST_BYTES: usize = 64 << 20;

/// Inputs to mutate, and what they reached.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    inputs: Vec<Vec<u8>>,
    bytes: usize,
    seen: HashSet<u64>,
}

impl Corpus {
    /// Keeps an input if it reached something new. Returns whether it did.
    pub fn offer(&mut self, random: &mut Random, input: &[u8], features: &Features) -> bool {
        let known = self.seen.len();
        self.seen.extend(features.iter());
        if self.seen.len() == known {
            return false;
        }
        while self.inputs.len() >= MOST || self.bytes + input.len() > MOST_BYTES && !self.is_empty() {
            self.bytes -= self.inputs.swap_remove(random.index(self.inputs.len())).len();
        }
        self.add(input.to_vec());
        true
    }

    /// Adds an input whatever it reaches.
    pub fn add(&mut self, input: Vec<u8>) {
        self.bytes += input.len();
        self.inputs.push(input);
    }

    /// One of them, the later ones more often.
    pub fn choose(&self, random: &mut Random) -> &[u8] {
        let count = self.inputs.len();
        let newest = count - count / 4;
        let at = if random.one_in(2) { random.index(count) } else { newest + random.index(count / 4) };
        self.inputs.get(at).map_or(&[], Vec::as_slice)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }
}

/// Writes an input to a folder, under a name that its bytes give. A second time is none.
///
/// # Errors
/// The folder cannot be written.
pub fn save(folder: &Path, kind: &str, input: &[u8]) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    let name = format!("{kind}-{:016x}", hash(input.iter().copied()));
    fs::write(folder.join(&name), input)?;
    Ok(name)
}
