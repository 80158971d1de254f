//! The form that an object must have before it is loaded: the library that does it takes much for granted, and panics
//! or asks for all memory where that does not hold.
//!
//! ```text
//! sockops        one program, the whole section; relocations at loads and at calls
//! .maps .rodata .data .bss    as their symbols and types say
//! .BTF .BTF.ext  [`types`]    license .tcpc    anything
//! ```
//!
//! No other section may be there: it would be a program or a map of another kind, which no policy has. All of it holds
//! for what the compiler makes.

mod types;

use std::collections::BTreeMap;

use object::elf::{R_BPF_64_32, R_BPF_64_64};
use object::{
    Architecture, BinaryFormat, Endianness, Object, ObjectSection, ObjectSymbol, RelocationFlags,
    RelocationTarget, SectionIndex, SymbolKind,
};
use tcpc_stdlib::kernel::ELF_SECTION;
use tcpc_stdlib::manifest::SECTION;

use crate::error::LoaderError;
use types::Types;

/// Sections that an object may have, beside the program's.
const SECTIONS: &[&str] = &[
    "",
    ".strtab",
    ".symtab",
    ".shstrtab",
    ".relsockops",
    "license",
    ".maps",
    ".rodata",
    ".data",
    ".bss",
    ".BTF",
    ".BTF.ext",
    SECTION,
];
/// Sections that become maps.
const DATA: &[&str] = &[".maps", ".rodata", ".data", ".bss"];
/// The most bytes that all sections may take together: far above what a policy needs.
const BYTES_MAX: u64 = 64 << 20;
/// Bytes of an instruction.
const SLOT_SIZE: u64 = 8;
/// `BPF_LD | BPF_IMM | BPF_DW`, the load of an address, and `BPF_JMP | BPF_CALL`.
const LOAD: u8 = 0x18;
const CALL: u8 = 0x85;

type File<'a> = object::File<'a>;

/// Whether an object has the form that can be loaded.
///
/// # Errors
/// [`LoaderError::BadObject`] says what is wrong with it.
pub fn check_form(bytes: &[u8]) -> Result<(), LoaderError> {
    let bad = |error: object::Error| LoaderError::BadObject(error.to_string().to_lowercase());
    let file = File::parse(bytes).map_err(bad)?;
    is_bpf(&file).and_then(|()| sections(&file)).map_err(LoaderError::BadObject)
}

fn is_bpf(file: &File) -> Result<(), String> {
    let is_elf = file.format() == BinaryFormat::Elf && file.architecture() == Architecture::Bpf;
    match is_elf && file.is_64() && file.endianness() == Endianness::Little {
        true => Ok(()),
        false => Err("it is no little-endian ELF file for BPF".into()),
    }
}

fn sections(file: &File) -> Result<(), String> {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut left = BYTES_MAX;
    for section in file.sections() {
        let name = section.name().map_err(|_| "a section has no name".to_owned())?;
        let wrong = |what: &str| Err(format!("its section `{name}` {what}"));
        if name != ELF_SECTION && !SECTIONS.contains(&name) {
            return wrong("is none that a policy has");
        }
        if !name.is_empty() && sizes.insert(name, section.size()).is_some() {
            return wrong("is there twice");
        }
        let Some(rest) = left.checked_sub(section.size()) else { return wrong("is too large") };
        left = rest;
        let whole = if name == ".bss" { Ok(0) } else { section.data().map(<[u8]>::len) };
        if section.address() != 0 || whole.is_err() {
            return wrong("is damaged");
        }
        if name != ELF_SECTION && section.relocations().next().is_some() {
            return wrong("has relocations");
        }
    }
    symbols(file)?;
    program(file)?;
    types(file, &sizes).ok_or_else(|| "its type information is damaged".to_owned())
}

/// Type and line information.
fn types(file: &File, sizes: &BTreeMap<&str, u64>) -> Option<()> {
    let bytes = |name| file.section_by_name(name).and_then(|section| section.data().ok());
    let types = Types::parse(bytes(".BTF")?)?;
    types.check_sections(sizes)?;
    match bytes(".BTF.ext") {
        Some(bytes) => types.check_records(bytes, *sizes.get(ELF_SECTION)?),
        None => Some(()),
    }
}

/// Every symbol lies within its section.
fn symbols(file: &File) -> Result<(), String> {
    for symbol in file.symbols() {
        let name = symbol.name().map_err(|_| "a symbol has no name".to_owned())?;
        let Some(index) = symbol.section_index() else { continue };
        let section = file.section_by_index(index).ok();
        let end = symbol.address().checked_add(symbol.size());
        if section.zip(end).is_none_or(|(section, end)| end > section.size()) {
            return Err(format!("its symbol `{name}` is damaged"));
        }
    }
    Ok(())
}

/// One program, and relocations that fit its instructions.
fn program(file: &File) -> Result<(), String> {
    let section = file.section_by_name(ELF_SECTION).ok_or("it has no sock_ops program")?;
    let here = |symbol: &object::Symbol| {
        symbol.kind() == SymbolKind::Text && symbol.section_index() == Some(section.index())
    };
    let programs: Vec<_> = file.symbols().filter(here).collect();
    let size = section.size();
    let is_whole = matches!(&programs[..], [one] if (one.address(), one.size()) == (0, size));
    if !is_whole || size == 0 || !size.is_multiple_of(SLOT_SIZE) {
        return Err("its program is damaged".into());
    }
    let code = section.data().unwrap_or_default();
    let data: Vec<SectionIndex> =
        DATA.iter().filter_map(|name| Some(file.section_by_name(name)?.index())).collect();
    for (offset, relocation) in section.relocations() {
        let symbol = match relocation.target() {
            RelocationTarget::Symbol(index) => file.symbol_by_index(index).ok(),
            _ => None,
        };
        let at = usize::try_from(offset).ok().filter(|_| offset.is_multiple_of(SLOT_SIZE));
        let opcode = at.and_then(|at| code.get(at)).copied();
        let fits = symbol.is_some_and(|symbol| match (relocation.flags(), symbol.section_index()) {
            (RelocationFlags::Elf { r_type: R_BPF_64_64 }, Some(index)) => {
                opcode == Some(LOAD) && data.contains(&index) && offset + SLOT_SIZE < size
            }
            (RelocationFlags::Elf { r_type: R_BPF_64_32 }, None) => opcode == Some(CALL),
            _ => false,
        });
        if !fits {
            return Err(format!("its relocation at byte {offset} is damaged"));
        }
    }
    Ok(())
}
