//! Type information that a kernel would refuse is made into some that it takes, byte for byte in its place.
//!
//! ```text
//! FUNC bpf_cast_to_kern_ctx, extern             ──▶  FUNC bpf_cast_to_kern_ctx, global
//! DATASEC .ksyms: n functions, 12 bytes each    ──▶  struct of n numbers, 12 bytes each
//! ```
//!
//! The format is that of `include/uapi/linux/btf.h`.

/// Bytes of the common part of a type: name, kind and count, size or type.
const TYPE_SIZE: usize = 12;
/// Bytes of a section's entry (type, offset, size) and of a struct's member (name, type, offset in bits).
const ENTRY_SIZE: usize = 12;

const INT: u32 = 1;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const ENUM64: u32 = 19;

/// `BTF_FUNC_GLOBAL` and `BTF_FUNC_EXTERN`: what stands for a count in a function.
const GLOBAL: u32 = 1;
const EXTERN: u32 = 2;

/// The section of functions that the kernel has.
const KERNEL_SYMBOLS: &[u8] = b".ksyms\0";

/// Hides functions that the kernel has, and their section. `None` if the bytes are no type information.
pub fn hide_kernel_functions(btf: &mut [u8]) -> Option<()> {
    let header = word(btf, 4)? as usize;
    let mut at = header.checked_add(word(btf, 8)? as usize)?;
    let end = at.checked_add(word(btf, 12)? as usize)?;
    let strings = header.checked_add(word(btf, 16)? as usize)?;
    // Neither part is cut off.
    btf.get(..end).and_then(|_| btf.get(strings..)?.get(..word(btf, 20)? as usize))?;
    let (mut id, mut number) = (1, None);
    while at < end {
        let info = word(btf, at + 4)?;
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        match kind {
            INT => number = number.or(Some((id, word(btf, at + 8)?))),
            FUNC if count == EXTERN => put(btf, at + 4, kind << 24 | GLOBAL)?,
            DATASEC if is_kernel_symbols(btf, strings, word(btf, at)?) => {
                section_to_struct(btf, at, count, number?)?;
            }
            _ => {}
        }
        at = at.checked_add(TYPE_SIZE + extra(kind, count))?;
        id += 1;
    }
    Some(())
}

fn is_kernel_symbols(btf: &[u8], strings: usize, name: u32) -> bool {
    let start = strings.saturating_add(name as usize);
    btf.get(start..).is_some_and(|rest| rest.starts_with(KERNEL_SYMBOLS))
}

/// A section as a struct without names, its members numbers of this type and size.
fn section_to_struct(btf: &mut [u8], at: usize, count: u32, (number, size): (u32, u32)) -> Option<()> {
    put(btf, at, 0)?;
    put(btf, at + 4, STRUCT << 24 | count)?;
    put(btf, at + 8, size.wrapping_mul(count))?;
    for index in 0..count {
        let entry = at + TYPE_SIZE + index as usize * ENTRY_SIZE;
        put(btf, entry, 0)?;
        put(btf, entry + 4, number)?;
        put(btf, entry + 8, index.wrapping_mul(size).wrapping_mul(8))?;
    }
    Some(())
}

/// Bytes after the common part of a type.
fn extra(kind: u32, count: u32) -> usize {
    let count = count as usize;
    match kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * count,
        ENUM | FUNC_PROTO => 8 * count,
        _ => 0,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn put(bytes: &mut [u8], at: usize, word: u32) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = word.to_le_bytes();
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An int, a prototype, a function that the kernel has, and its section.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0f\0.ksyms\0";
        let types = [
            [1, INT << 24, 4, 1 << 24 | 32].as_slice(),
            &[0, FUNC_PROTO << 24, 1],
            &[5, FUNC << 24 | EXTERN, 2],
            &[7, DATASEC << 24 | 1, 0, 3, 0, 0],
        ]
        .concat();
        let size = 4 * types.len() as u32;
        let mut btf = vec![0x9f, 0xeb, 1, 0];
        for number in [24, 0, size, size, strings.len() as u32].into_iter().chain(types) {
            btf.extend(number.to_le_bytes());
        }
        btf.extend(strings);
        btf
    }

    #[test]
    fn functions_become_global_and_their_section_a_struct() {
        let mut btf = sample();
        let length = btf.len();
        hide_kernel_functions(&mut btf).unwrap();
        assert_eq!(btf.len(), length);
        let words: Vec<u32> = (10..19).map(|index| word(&btf, 4 * (index + 3)).unwrap()).collect();
        assert_eq!(words, [5, FUNC << 24 | GLOBAL, 2, 0, STRUCT << 24 | 1, 4, 0, 1, 0]);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = sample();
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            assert_eq!(hide_kernel_functions(&mut cut), None, "{length}");
        }
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 0xff;
            let _ = hide_kernel_functions(&mut wrong);
        }
    }
}
