//! Line records out of `.BTF.ext`.

use super::bytes::{part, word};
use super::types::Types;
use crate::bpf::insn::SLOT_SIZE;
use crate::object::btf::{HEADER_SIZE, MAGIC};
use crate::object::btf_ext::{COLUMN_BITS, LINE_RECORD_SIZE};
use crate::object::{ObjectError, ObjectLine};

/// The records of the program that begins at byte `start` of `section` and has so many slots.
pub fn lines(
    bytes: &[u8],
    types: &Types,
    section: &str,
    start: u64,
    slots: usize,
) -> Result<Vec<ObjectLine>, ObjectError> {
    let records = records(bytes, types, section);
    let records = records.ok_or_else(|| ObjectError::Btf("section `.BTF.ext` is cut off".into()))?;
    let mut lines = Vec::new();
    for record in records {
        let [at, file, text, place] = record;
        let Some(slot) = u64::from(at).checked_sub(start).map(|at| at as usize / SLOT_SIZE) else {
            continue;
        };
        if slot < slots {
            lines.push(ObjectLine {
                slot,
                file: types.string(file),
                text: types.string(text),
                line: place >> COLUMN_BITS,
                column: place & ((1 << COLUMN_BITS) - 1),
            });
        }
    }
    lines.sort_by_key(|line| line.slot);
    Ok(lines)
}

/// The records of a section: byte offset, file name, text, line and column.
fn records(bytes: &[u8], types: &Types, section: &str) -> Option<Vec<[u32; 4]>> {
    if word(bytes, 0)? & 0xffff != u32::from(MAGIC) || word(bytes, 4)? < HEADER_SIZE {
        return None;
    }
    let all = part(bytes, word(bytes, 4)? as usize, word(bytes, 16)?, word(bytes, 20)?)?;
    if all.is_empty() {
        return Some(Vec::new());
    }
    let size = word(all, 0)?;
    if size < LINE_RECORD_SIZE {
        return None;
    }
    let mut found = Vec::new();
    let mut rest = all.get(4..)?;
    while !rest.is_empty() {
        let (name, count) = (word(rest, 0)?, word(rest, 4)?);
        let records = part(rest, 8, 0, count.checked_mul(size)?)?;
        if types.string(name) == section {
            found.extend(records.chunks_exact(size as usize).filter_map(|record| {
                Some([word(record, 0)?, word(record, 4)?, word(record, 8)?, word(record, 12)?])
            }));
        }
        rest = rest.get(8 + records.len()..)?;
    }
    Some(found)
}
