//! Any object file with one sock_ops program, ours or clang's, as data. No bytes make it panic.

mod bytes;
mod lines;
mod types;

use ::object::elf::{EM_BPF, FileHeader64, R_BPF_64_32, R_BPF_64_64};
use ::object::read::elf::{ElfFile64, ElfSection64, ElfSymbol64, FileHeader};
use ::object::{
    Endianness, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SymbolKind,
};
use tcpc_stdlib::kernel::{ELF_SECTION, VERIFIED_MAX};
use tcpc_stdlib::kfunc::{Kfunc, kfunc};
use tcpc_stdlib::manifest::{self, Manifest};

use super::{DataSection, ObjectError, ObjectFile, ResolvedRelocation, ResolvedTarget};
use crate::bpf::Op;
use crate::bpf::insn::{self, Insn, SLOT_SIZE};

/// The most bytes of a data section that are read: far above what a policy needs.
const DATA_MAX: u64 = 64 << 20;

type Elf<'a> = ElfFile64<'a, Endianness>;
type Section<'a, 'b> = ElfSection64<'a, 'b, Endianness>;

/// Reads an object file.
///
/// # Errors
/// [`ObjectError`] says what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<ObjectFile, ObjectError> {
    let elf = open(bytes)?;
    let program = program(&elf)?;
    let types = match elf.section_by_name(".BTF") {
        Some(section) => Some(types::Types::parse(data(&section)?)?),
        None => None,
    };

    let data_sections: Vec<Section> = elf.sections().filter(|section| is_data(&name(section))).collect();
    let maps = match elf.section_by_name(".maps") {
        Some(section) => {
            let types = types.as_ref().ok_or_else(|| ObjectError::Btf("section `.BTF` is missing".into()))?;
            let symbols = symbols(&elf, &section)?;
            let maps = types::maps(types, &symbols)?;
            Some(MapTable { section: section.index(), offsets: maps.0, maps: maps.1 })
        }
        None => None,
    };

    let relocations = relocations(&elf, &program, maps.as_ref(), &data_sections)?;
    let lines = match (&types, elf.section_by_name(".BTF.ext")) {
        (Some(types), Some(section)) => {
            lines::lines(data(&section)?, types, &name(&program.section), program.start, program.code.len())?
        }
        _ => Vec::new(),
    };
    Ok(ObjectFile {
        data: data_sections.iter().map(|section| data_section(&elf, section)).collect::<Result<_, _>>()?,
        maps: maps.map_or_else(Vec::new, |table| table.maps),
        manifest: read_manifest(&elf)?,
        name: program.name,
        code: program.code,
        relocations,
        lines,
    })
}

/// The program, and where it lies in its section.
struct Program<'a, 'b> {
    section: Section<'a, 'b>,
    name: String,
    /// Byte offset of its first slot.
    start: u64,
    code: Vec<Insn>,
}

/// The maps of an object, with the offset in `.maps` of each.
struct MapTable {
    section: ::object::SectionIndex,
    offsets: Vec<u64>,
    maps: Vec<super::ObjectMap>,
}

fn open(bytes: &[u8]) -> Result<Elf<'_>, ObjectError> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(ObjectError::NotElf);
    }
    // Byte 4 is the word size (2: 64 bits), byte 5 the byte order (1: little-endian).
    if bytes.get(4..6).is_some_and(|ident| ident != [2, 1]) {
        return Err(ObjectError::NotBpf);
    }
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(damaged)?;
    if header.e_machine(header.endian().map_err(damaged)?) != EM_BPF {
        return Err(ObjectError::NotBpf);
    }
    Elf::parse(bytes).map_err(damaged)
}

/// Finds the one function in the sections `sockops` and `sockops/...`.
fn program<'a, 'b>(elf: &'b Elf<'a>) -> Result<Program<'a, 'b>, ObjectError> {
    let mut found = Vec::new();
    for section in elf.sections().filter(|section| is_program(&name(section))) {
        let functions = elf.symbols().filter(|symbol| {
            symbol.kind() == SymbolKind::Text && symbol.section_index() == Some(section.index())
        });
        found.extend(functions.map(|symbol| (section.index(), symbol)));
    }
    let (index, symbol) = match found.as_slice() {
        [] => return Err(ObjectError::NoProgram),
        [(index, symbol)] => (*index, symbol),
        several => {
            let names = several.iter().map(|(_, symbol)| symbol_name(symbol)).collect();
            return Err(ObjectError::SeveralPrograms(names));
        }
    };
    let section = elf.section_by_index(index).map_err(damaged)?;
    let (start, size) = (symbol.address(), symbol.size());
    let slot = SLOT_SIZE as u64;
    if size > VERIFIED_MAX as u64 * slot {
        return Err(ObjectError::TooLarge(name(&section)));
    }
    let bytes = slice(data(&section)?, start, size);
    let aligned = start.is_multiple_of(slot) && size.is_multiple_of(slot) && size > 0;
    let bytes = bytes.filter(|_| aligned).ok_or_else(|| {
        ObjectError::Malformed(format!("the symbol `{}` is not a whole program", symbol_name(symbol)))
    })?;
    Ok(Program { section, name: symbol_name(symbol), start, code: insn::decode(bytes) })
}

/// Follows every relocation of a 64-bit load, and of a call that leaves the object, within the program.
fn relocations(
    elf: &Elf,
    program: &Program,
    maps: Option<&MapTable>,
    data: &[Section],
) -> Result<Vec<ResolvedRelocation>, ObjectError> {
    let mut resolved = Vec::new();
    let end = program.start + (program.code.len() * SLOT_SIZE) as u64;
    for (offset, relocation) in program.section.relocations() {
        if !(program.start..end).contains(&offset) {
            continue;
        }
        let slot = ((offset - program.start) / SLOT_SIZE as u64) as usize;
        let wrong = |why: &str| ObjectError::Relocation { slot: slot as u64, why: why.into() };
        let symbol = match relocation.target() {
            RelocationTarget::Symbol(index) => elf.symbol_by_index(index).map_err(damaged)?,
            _ => return Err(wrong("names no symbol")),
        };
        let insn = program.code.get(slot).filter(|_| offset.is_multiple_of(SLOT_SIZE as u64));
        match relocation.flags() {
            RelocationFlags::Elf { r_type: R_BPF_64_64 } => {}
            RelocationFlags::Elf { r_type: R_BPF_64_32 } if symbol.section_index().is_none() => {
                if insn.is_none_or(|insn| insn.op() != Op::CallLocal) {
                    return Err(wrong("is not at a call"));
                }
                let kfunc = called(&symbol_name(&symbol)).map_err(|why| wrong(&why))?;
                resolved.push(ResolvedRelocation { slot, target: ResolvedTarget::Kfunc(kfunc) });
                continue;
            }
            _ => continue,
        }
        let insn = insn.filter(|insn| insn.is_wide()).ok_or_else(|| wrong("is not at a 64-bit load"))?;
        let section = symbol.section_index().ok_or_else(|| wrong("names a symbol of another object"))?;
        let at = i64::try_from(symbol.address()).ok().and_then(|at| at.checked_add(i64::from(insn.imm)));
        let at = at.and_then(|at| u64::try_from(at).ok()).ok_or_else(|| wrong("leaves its section"))?;

        let target = if let Some(table) = maps.filter(|table| table.section == section) {
            let index = table.offsets.iter().position(|&offset| offset == at);
            ResolvedTarget::Map(index.ok_or_else(|| wrong("names no map"))?)
        } else {
            let index = data.iter().position(|candidate| candidate.index() == section);
            let index = index.ok_or_else(|| wrong("names neither a map nor data"))?;
            match u32::try_from(at).ok().filter(|_| data.get(index).is_some_and(|data| at <= data.size())) {
                Some(at) => ResolvedTarget::Data(index, at),
                None => return Err(wrong("leaves its section")),
            }
        };
        resolved.push(ResolvedRelocation { slot, target });
    }
    resolved.sort_by_key(|relocation| relocation.slot);
    if let Some(pair) = resolved.array_windows().find(|[a, b]| a.slot == b.slot) {
        return Err(ObjectError::Relocation { slot: pair[0].slot as u64, why: "is there twice".into() });
    }
    Ok(resolved)
}

/// The kernel function of this name.
fn called(name: &str) -> Result<&'static Kfunc, String> {
    kfunc(name).ok_or_else(|| format!("calls `{name}`, which is no kernel function that is known here"))
}

/// A data section with its symbols; zeros stand for the bytes of one that has none in the file.
fn data_section(elf: &Elf, section: &Section) -> Result<DataSection, ObjectError> {
    let section_name = name(section);
    if section.size() > DATA_MAX {
        return Err(ObjectError::TooLarge(section_name));
    }
    let mut bytes = data(section)?.to_vec();
    bytes.resize(section.size() as usize, 0);
    let mut symbols: Vec<(String, u32, u32)> = Vec::new();
    for (name, at, size) in self::symbols(elf, section)? {
        match (u32::try_from(at), u32::try_from(size)) {
            (Ok(at), Ok(size)) if slice(&bytes, at.into(), size.into()).is_some() => {
                symbols.push((name, at, size));
            }
            _ => return Err(ObjectError::Malformed(format!("the symbol `{name}` leaves `{section_name}`"))),
        }
    }
    symbols.sort_by_key(|symbol| symbol.1);
    let writable = !section_name.starts_with(".rodata");
    Ok(DataSection { name: section_name, bytes, writable, symbols })
}

fn read_manifest(elf: &Elf) -> Result<Option<Manifest>, ObjectError> {
    let Some(section) = elf.section_by_name(manifest::SECTION) else {
        return Ok(None);
    };
    let manifest: Manifest =
        serde_json::from_slice(data(&section)?).map_err(|error| ObjectError::Manifest(error.to_string()))?;
    if manifest.format > manifest::FORMAT {
        let why = format!("it has format {}, this version reads up to {}", manifest.format, manifest::FORMAT);
        return Err(ObjectError::Manifest(why));
    }
    Ok(Some(manifest))
}

/// Symbols of data in a section: name, offset, size.
fn symbols(elf: &Elf, section: &Section) -> Result<Vec<(String, u64, u64)>, ObjectError> {
    let here = elf.symbols().filter(|symbol| {
        symbol.section_index() == Some(section.index())
            && symbol.kind() != SymbolKind::Section
            && symbol.size() > 0
    });
    Ok(here.map(|symbol| (symbol_name(&symbol), symbol.address(), symbol.size())).collect())
}

fn is_program(name: &str) -> bool {
    name.strip_prefix(ELF_SECTION).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_data(name: &str) -> bool {
    [".rodata", ".data", ".bss"]
        .iter()
        .any(|kind| name.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

fn name(section: &Section) -> String {
    String::from_utf8_lossy(section.name_bytes().unwrap_or_default()).into_owned()
}

fn symbol_name(symbol: &ElfSymbol64<Endianness>) -> String {
    String::from_utf8_lossy(symbol.name_bytes().unwrap_or_default()).into_owned()
}

fn data<'a>(section: &Section<'a, '_>) -> Result<&'a [u8], ObjectError> {
    section.data().map_err(damaged)
}

fn slice(bytes: &[u8], at: u64, size: u64) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    bytes.get(at..at.checked_add(usize::try_from(size).ok()?)?)
}

fn damaged(error: ::object::Error) -> ObjectError {
    ObjectError::Malformed(error.to_string())
}
