//! Inputs made of other inputs.

mod bytes;
pub mod elf;
mod json;
mod tokens;

use crate::random::Random;

/// No input grows beyond this.
pub const LONGEST: usize = 64 << 10;

/// How many changes are made at once: mostly one.
fn times(random: &mut Random) -> u64 {
    1 + (0..4).filter(|_| random.one_in(3)).count() as u64
}

/// A text: mostly its tokens are moved about, at times its bytes.
pub fn text(random: &mut Random, one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut input = one.to_vec();
    for _ in 0..times(random) {
        match random.below(6) {
            0 => bytes::change(random, &mut input, other),
            _ => tokens::change(random, &mut input, other),
        }
    }
    input.truncate(LONGEST);
    input
}

/// An object file: its structure is kept where chance does not want otherwise.
pub fn object(random: &mut Random, one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut input = one.to_vec();
    for _ in 0..times(random) {
        match random.below(8) {
            0 => bytes::change(random, &mut input, other),
            1 => {
                let changed = elf::description(&input).map(|text| json::change(random, text));
                if let Some(described) = changed.and_then(|text| elf::with_description(&input, &text)) {
                    input = described;
                }
            }
            _ => elf::change(random, &mut input),
        }
    }
    input.truncate(LONGEST);
    input
}

/// A JSON document.
pub fn json(random: &mut Random, one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut input = one.to_vec();
    for _ in 0..times(random) {
        match random.below(6) {
            0 => bytes::change(random, &mut input, other),
            _ => input = json::change(random, &input),
        }
    }
    input.truncate(LONGEST);
    input
}

/// A number that is a border of something.
fn border(random: &mut Random) -> u64 {
    const BORDERS: &[u64] = &[
        0,
        1,
        2,
        7,
        8,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0xffff,
        0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fff8,
        0xffff_ffff,
        0x1_0000_0000,
        0x7fff_ffff_ffff_ffff,
        0x8000_0000_0000_0000,
        0xffff_ffff_ffff_fff8,
        0xffff_ffff_ffff_ffff,
    ];
    let near = random.below(3);
    random.one_of(BORDERS).wrapping_add(near).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Target;

    #[test]
    fn an_input_of_nothing_can_be_mutated() {
        for target in Target::ALL {
            for seed in 0..200 {
                let mut random = Random(seed);
                let input = target.mutate(&mut random, b"", b"");
                target.mutate(&mut random, &input, b"x");
            }
        }
    }

    #[test]
    fn most_mutants_differ() {
        for target in Target::ALL {
            let seeds = target.seeds();
            let mut random = Random(1);
            let same = (0..200).filter(|_| {
                let one = random.one_of(&seeds).clone();
                target.mutate(&mut random, &one, &seeds[0]) == one
            });
            assert!(same.count() < 60, "{}", target.name());
        }
    }
}
