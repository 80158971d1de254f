//! Bytes, whatever they mean.

use std::ops::Range;

use super::border;
use crate::random::Random;

/// Bytes that mean something somewhere.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t \"\\{}()#-.,:/%`\xc3\xe2";

/// One change.
pub fn change(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let place = random.index(input.len() + 1);
    let range = part(random, input.len());
    match random.below(8) {
        0 => {
            if let Some(byte) = input.get_mut(place) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(place) {
                *byte = *random.one_of(BYTES);
            }
        }
        2 => input.insert(place, *random.one_of(BYTES)),
        3 => drop(input.drain(range)),
        4 => {
            let copy = input[range].to_vec();
            drop(input.splice(place..place, copy));
        }
        5 => {
            let taken = other[part(random, other.len())].to_vec();
            drop(input.splice(range, taken));
        }
        6 => input.truncate(place),
        _ => {
            let width = *random.one_of(&[1, 2, 4, 8]);
            let number = border(random).to_le_bytes();
            if let Some(bytes) = input.get_mut(place..place + width) {
                bytes.copy_from_slice(&number[..width]);
            }
        }
    }
}

/// A short part of so many bytes, now and then a long one.
fn part(random: &mut Random, length: usize) -> Range<usize> {
    let start = random.index(length + 1);
    let most = if random.one_in(8) { length } else { 32 };
    start..(start + random.index(most + 1)).min(length)
}
