//! Little-endian words and strings out of bytes that may end anywhere.

/// The word at a byte offset.
pub fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// A part of the bytes, by the offset and the length that two words of a header give.
pub fn part(bytes: &[u8], from: usize, offset: u32, length: u32) -> Option<&[u8]> {
    let start = from.checked_add(offset as usize)?;
    bytes.get(start..start.checked_add(length as usize)?)
}

/// The string that begins at an offset and ends before a NUL.
pub fn string(bytes: &[u8], at: u32) -> Option<String> {
    let rest = bytes.get(at as usize..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    Some(String::from_utf8_lossy(rest.get(..end)?).into_owned())
}
