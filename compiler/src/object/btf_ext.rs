//! `.BTF.ext`: which instructions belong to which function and to which line of the policy.
//!
//! The kernel refuses records that do not ascend, that lie on the second half of a 64-bit load, or a
//! function whose first instruction has none (`check_btf_line` in `kernel/bpf/verifier.c`).

use std::collections::HashMap;

use super::btf::{self, Btf, TypeId};
use super::{Line, ObjectSpec};
use crate::bpf::Op;
use crate::bpf::insn::SLOT_SIZE;

/// Bytes of one function record.
pub const FUNC_RECORD_SIZE: u32 = 8;
/// Bytes of one line record.
pub const LINE_RECORD_SIZE: u32 = 16;
/// Columns have so many bits, the lines the rest of the word.
pub const COLUMN_BITS: u32 = 10;

/// The most bytes of a source line that an object carries: the kernel's log is for people.
const TEXT_MAX: usize = 256;

/// The bytes of section `.BTF.ext`; the strings go into `btf`.
pub fn write(spec: &ObjectSpec, section: &str, function: TypeId, btf: &mut Btf) -> Vec<u8> {
    let section = btf.string(section);
    let functions = words(&[FUNC_RECORD_SIZE, section, 1, 0, function]);
    let lines = lines(spec, section, btf);

    let mut bytes = btf::header();
    bytes.extend(words(&[0, functions.len() as u32, functions.len() as u32, lines.len() as u32]));
    bytes.extend(functions);
    bytes.extend(lines);
    bytes
}

fn lines(spec: &ObjectSpec, section: u32, btf: &mut Btf) -> Vec<u8> {
    let records = records(spec);
    if records.is_empty() {
        return Vec::new();
    }
    let mut files: HashMap<usize, (u32, Vec<&str>)> = HashMap::new();

    let mut bytes = words(&[LINE_RECORD_SIZE, section, records.len() as u32]);
    for Line { slot, file, line, column } in records {
        let (file, lines) = files.entry(file).or_insert_with(|| {
            let (name, text) = spec.sources.get(file).map_or(("", ""), |(name, text)| (name, text));
            (btf.string(&printable(name)), text.lines().collect())
        });
        let file = *file;
        let text = (line as usize).checked_sub(1).and_then(|index| lines.get(index)).copied();
        let text = btf.string(&printable(text.unwrap_or_default()));
        let column_max = (1 << COLUMN_BITS) - 1;
        let place = line.min(u32::MAX >> COLUMN_BITS) << COLUMN_BITS | column.min(column_max);
        bytes.extend(words(&[(slot * SLOT_SIZE) as u32, file, text, place]));
    }
    bytes
}

/// The records that the kernel takes: of several at one slot the last; none on the second half of a 64-bit
/// load; one at the first slot.
fn records(spec: &ObjectSpec) -> Vec<Line> {
    let mut records: Vec<Line> = Vec::with_capacity(spec.lines.len());
    for &line in &spec.lines {
        let upper = spec.code.get(line.slot).is_some_and(|insn| insn.op() == Op::Upper);
        let slot = match records.is_empty() {
            true => 0,
            false => line.slot + usize::from(upper),
        };
        if slot >= spec.code.len() {
            continue;
        }
        while records.last().is_some_and(|last| last.slot >= slot) {
            records.pop();
        }
        records.push(Line { slot, ..line });
    }
    records
}

/// Text as a log can show it: one line without control characters, cut to a readable length.
fn printable(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
