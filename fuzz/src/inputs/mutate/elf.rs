//! Object files: headers, symbols, relocations, types, instructions, each field for itself.
//!
//! Offsets are those of the 64-bit little-endian ELF format (`include/uapi/linux/elf.h`) and of BTF.

use std::ops::Range;

use tcpc_stdlib::manifest;

use super::border;
use crate::random::Random;

const HEADER: usize = 64;
const SECTION: usize = 64;
/// Widths of the fields of the file's header after its magic, of a section's header, of a symbol, of a relocation, of
/// an instruction; types are words.
const HEADER_FIELDS: &[usize] = &[8, 8, 2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2];
const SECTION_FIELDS: &[usize] = &[4, 4, 8, 8, 8, 8, 4, 4, 8, 8];
const SYMBOL_FIELDS: &[usize] = &[4, 1, 1, 2, 8, 8];
const RELOCATION_FIELDS: &[usize] = &[8, 4, 4];
const INSN_FIELDS: &[usize] = &[1, 1, 2, 4];
const WORDS: &[usize] = &[4];
const BYTES: &[usize] = &[1];

const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHT_REL: u32 = 9;

/// A section: where its header and its bytes are.
struct Section {
    header: usize,
    kind: u32,
    name: String,
    range: Range<usize>,
}

/// Changes one field.
pub fn change(random: &mut Random, object: &mut [u8]) {
    let sections = sections(object);
    let Some(section) = sections.get(random.index(sections.len())) else { return };
    let (range, fields) = match random.below(12) {
        0 => (0..HEADER, HEADER_FIELDS),
        1..=4 => (section.header..section.header + SECTION, SECTION_FIELDS),
        _ => (section.range.clone(), fields_of(section)),
    };
    let entry: usize = fields.iter().sum();
    let start = range.start.saturating_add(random.index(range.len() / entry) * entry);
    let chosen = random.index(fields.len());
    let at = start.saturating_add(fields[..chosen].iter().sum());
    let width = fields[chosen];
    let length = object.len() as u64;
    let donor = random.index(object.len() + 1);
    let donor: [u8; 8] =
        object.get(donor..donor + 8).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    let Some(field) = object.get_mut(at..at.saturating_add(width)) else { return };
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(field);
    let old = u64::from_le_bytes(bytes);
    let new = match random.below(8) {
        0 => old.wrapping_add(1),
        1 => old.wrapping_sub(1),
        2 => old ^ 1 << random.below(8 * width as u64),
        3 => length.wrapping_add(random.below(3)).wrapping_sub(1),
        4 => random.below(16),
        5 => u64::from_le_bytes(donor),
        6 => old.wrapping_mul(2),
        _ => border(random),
    };
    field.copy_from_slice(&new.to_le_bytes()[..width]);
}

fn fields_of(section: &Section) -> &'static [usize] {
    match section.kind {
        SHT_SYMTAB => SYMBOL_FIELDS,
        SHT_REL => RELOCATION_FIELDS,
        SHT_STRTAB => BYTES,
        _ if section.name.starts_with("sockops") => INSN_FIELDS,
        _ if section.name.starts_with(".BTF") => WORDS,
        _ => BYTES,
    }
}

/// What an object says of itself.
pub fn description(object: &[u8]) -> Option<&[u8]> {
    let section = sections(object).into_iter().find(|section| section.name == manifest::SECTION)?;
    object.get(section.range)
}

/// The object with another description of itself, which stands at its end.
pub fn with_description(object: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let section = sections(object).into_iter().find(|section| section.name == manifest::SECTION)?;
    let offset = object.len() as u64;
    let mut changed = [object, text].concat();
    // Offset and size.
    changed.get_mut(section.header + 24..section.header + 32)?.copy_from_slice(&offset.to_le_bytes());
    let size = text.len() as u64;
    changed.get_mut(section.header + 32..section.header + 40)?.copy_from_slice(&size.to_le_bytes());
    Some(changed)
}

/// The sections, as far as they can be found.
fn sections(object: &[u8]) -> Vec<Section> {
    let number = |at: usize, width: usize| {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(object.get(at..at.checked_add(width)?)?);
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let (Some(table), Some(count), Some(names)) = (number(0x28, 8), number(0x3c, 2), number(0x3e, 2)) else {
        return Vec::new();
    };
    let header = |index: usize| table.checked_add(index * SECTION);
    let range = |header: usize| {
        let start = number(header.checked_add(24)?, 8)?;
        Some(start..start.checked_add(number(header.checked_add(32)?, 8)?)?)
    };
    let names = header(names).and_then(range).and_then(|range| object.get(range)).unwrap_or_default();
    let section = |index| {
        let header = header(index)?;
        let name = names.get(number(header, 4)?..)?.split(|byte| *byte == 0).next()?;
        Some(Section {
            header,
            kind: number(header.checked_add(4)?, 4)? as u32,
            name: String::from_utf8_lossy(name).into_owned(),
            range: range(header)?,
        })
    };
    (1..count).filter_map(section).collect()
}
