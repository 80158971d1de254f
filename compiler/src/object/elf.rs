//! The ELF file: sections, symbols and relocations, in the shapes that libbpf and aya both take.

use std::collections::BTreeMap;
use std::fmt;

use ::object::elf::{R_BPF_64_32, R_BPF_64_64};
use ::object::write::{Object, Relocation as ElfRelocation, SectionId, StandardSegment, Symbol, SymbolId};
use ::object::write::{SymbolFlags, SymbolSection};
use ::object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolKind, SymbolScope,
};
use tcpc_stdlib::kernel::ELF_SECTION;
use tcpc_stdlib::kfunc::Kfunc;
use tcpc_stdlib::manifest;

use super::btf::{Btf, TypeId};
use super::{Global, MapSpec, ObjectSpec, Target, btf_ext, kfuncs, layout};
use crate::bpf::insn::{self, SLOT_SIZE};

/// The licence that every object declares: some helpers ask for it.
const LICENSE: &[u8] = b"GPL\0";
/// Bytes of one member of a map's definition: a pointer whose type says it all.
const MAP_MEMBER_SIZE: u32 = 8;

/// An [`ObjectSpec`] that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// A relocation names a map or a number that the spec does not have, or no 64-bit load or call.
    Relocation {
        /// The slot it gives.
        slot: usize,
    },
    /// A global has more bytes than its type.
    Global(String),
    /// The manifest or the container failed; the text says how.
    Container(String),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Relocation { slot } => write!(f, "the relocation at slot {slot} names nothing"),
            WriteError::Global(name) => write!(f, "`{name}` has more bytes than its type"),
            WriteError::Container(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for WriteError {}

/// The bytes of an object file; equal specs give equal bytes.
///
/// # Errors
/// The spec contradicts itself: a bug of whoever made it.
pub fn write(spec: &ObjectSpec) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer {
        elf: Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little),
        btf: Btf::default(),
    };
    let program = writer.program(spec);
    writer.section("license", SectionKind::Data, LICENSE, 1);
    let maps = writer.maps(&spec.maps);
    let rodata = writer.filled(".rodata", SectionKind::ReadOnlyData, &spec.rodata)?;
    let bss = writer.bss(&spec.bss);
    let data = writer.filled(manifest::state::VARIABLE_SECTION, SectionKind::Data, &spec.data)?;
    let kfuncs = writer.kfuncs(spec);

    for relocation in &spec.relocations {
        let wrong = WriteError::Relocation { slot: relocation.slot };
        let (symbol, r_type) = match relocation.target {
            Target::Map(index) => (maps.get(index), R_BPF_64_64),
            Target::Rodata(index) => (rodata.get(index), R_BPF_64_64),
            Target::Bss(index) => (bss.get(index), R_BPF_64_64),
            Target::Data(index) => (data.get(index), R_BPF_64_64),
            Target::Kfunc(kfunc) => (kfuncs.get(kfunc.name), R_BPF_64_32),
        };
        let fits = spec.code.get(relocation.slot).is_some_and(|insn| match r_type {
            R_BPF_64_32 => *insn == insn::call_extern(),
            _ => insn.is_wide(),
        });
        match symbol {
            Some(&symbol) if fits => writer.relocate(program, relocation.slot, symbol, r_type)?,
            _ => return Err(wrong),
        }
    }
    writer.finish(spec)
}

struct Writer {
    elf: Object<'static>,
    btf: Btf,
}

impl Writer {
    fn program(&mut self, spec: &ObjectSpec) -> SectionId {
        let section =
            self.section(ELF_SECTION, SectionKind::Text, &insn::encode(&spec.code), SLOT_SIZE as u64);
        let size = (spec.code.len() * SLOT_SIZE) as u32;
        self.symbol(section, &spec.name, SymbolKind::Text, 0, size);
        section
    }

    /// Section `.maps`: a struct of null pointers for each map, whose members' types are its shape.
    fn maps(&mut self, maps: &[MapSpec]) -> Vec<SymbolId> {
        if maps.is_empty() {
            return Vec::new();
        }
        let types: Vec<(TypeId, u32)> = maps.iter().map(|map| self.map_type(map)).collect();
        let total = types.iter().map(|(_, size)| size).sum();
        let section = self.section(".maps", SectionKind::Data, &vec![0; total as usize], 8);

        let mut at = 0;
        let mut symbols = Vec::with_capacity(maps.len());
        let mut variables = Vec::with_capacity(maps.len());
        for (map, (ty, size)) in maps.iter().zip(types) {
            symbols.push(self.symbol(section, &map.name, SymbolKind::Data, at, size));
            variables.push((map.name.as_str(), ty, at, size));
            at += size;
        }
        self.btf.section(".maps", total, &variables);
        symbols
    }

    /// `struct { int (*type)[KIND]; int (*max_entries)[N]; KEY *key; VALUE *value; }`, and its size.
    fn map_type(&mut self, map: &MapSpec) -> (TypeId, u32) {
        let described: Vec<_> = [("key", &map.key), ("value", &map.value)]
            .into_iter()
            // A ring buffer has neither.
            .filter(|(_, ty)| ty.size() > 0)
            .map(|(name, ty)| (name, self.btf.data(ty)))
            .collect();
        let mut members =
            vec![("type", self.number(map.kind as u32)), ("max_entries", self.number(map.max_entries))];
        members.extend(described.into_iter().map(|(name, ty)| (name, self.btf.pointer(ty))));
        if map.kind.flags() != 0 {
            members.push(("map_flags", self.number(map.kind.flags())));
        }
        let members: Vec<_> =
            (0..).zip(members).map(|(index, (name, ty))| (name, ty, index * MAP_MEMBER_SIZE)).collect();
        let size = members.len() as u32 * MAP_MEMBER_SIZE;
        (self.btf.structure("", size, &members), size)
    }

    /// A number as a type: a pointer to an array of so many.
    fn number(&mut self, number: u32) -> TypeId {
        let int = self.btf.int("int", 4, true);
        let array = self.btf.array(int, number);
        self.btf.pointer(array)
    }

    /// A section of globals that have bytes.
    fn filled(
        &mut self,
        name: &str,
        kind: SectionKind,
        globals: &[Global],
    ) -> Result<Vec<SymbolId>, WriteError> {
        if globals.is_empty() {
            return Ok(Vec::new());
        }
        let (offsets, size) = layout(globals);
        let mut bytes = vec![0; size as usize];
        for (global, &offset) in globals.iter().zip(&offsets) {
            let room = bytes.get_mut(offset as usize..).and_then(|rest| rest.get_mut(..global.bytes.len()));
            match room.filter(|room| room.len() <= global.ty.size() as usize) {
                Some(room) => room.copy_from_slice(&global.bytes),
                None => return Err(WriteError::Global(global.name.clone())),
            }
        }
        let section = self.section(name, kind, &bytes, 8);
        Ok(self.globals(section, name, globals, &offsets, size))
    }

    fn bss(&mut self, globals: &[Global]) -> Vec<SymbolId> {
        if globals.is_empty() {
            return Vec::new();
        }
        let (offsets, size) = layout(globals);
        let section = self.section(".bss", SectionKind::UninitializedData, &[], 8);
        self.elf.append_section_bss(section, u64::from(size), 8);
        self.globals(section, ".bss", globals, &offsets, size)
    }

    /// Kernel functions: symbols that no section defines, and their types in `.ksyms`.
    fn kfuncs(&mut self, spec: &ObjectSpec) -> BTreeMap<&'static str, SymbolId> {
        let called = kfuncs::called(&spec.relocations);
        kfuncs::describe(&called, &mut self.btf);
        let symbol = |kfunc: &&Kfunc| Symbol {
            name: kfunc.name.as_bytes().to_vec(),
            value: 0,
            size: 0,
            kind: SymbolKind::Unknown,
            scope: SymbolScope::Unknown,
            weak: spec.weak_calls,
            section: SymbolSection::Undefined,
            flags: SymbolFlags::None,
        };
        called.iter().map(|kfunc| (kfunc.name, self.elf.add_symbol(symbol(kfunc)))).collect()
    }

    fn globals(
        &mut self,
        section: SectionId,
        name: &str,
        globals: &[Global],
        offsets: &[u32],
        size: u32,
    ) -> Vec<SymbolId> {
        let mut symbols = Vec::with_capacity(globals.len());
        let mut variables = Vec::with_capacity(globals.len());
        for (global, &offset) in globals.iter().zip(offsets) {
            let mut ty = self.btf.data(&global.ty);
            if name == ".rodata" {
                ty = self.btf.constant(ty);
            }
            symbols.push(self.symbol(section, &global.name, SymbolKind::Data, offset, global.ty.size()));
            variables.push((global.name.as_str(), ty, offset, global.ty.size()));
        }
        self.btf.section(name, size, &variables);
        symbols
    }

    /// Type information, line information and the manifest: what needs all the rest to be there.
    fn finish(mut self, spec: &ObjectSpec) -> Result<Vec<u8>, WriteError> {
        let context = self.btf.structure("bpf_sock_ops", 0, &[]);
        let context = self.btf.pointer(context);
        let result = self.btf.int("int", 4, true);
        let function = self.btf.function(&spec.name, result, &[("ctx", context)]);

        let ext = btf_ext::write(spec, ELF_SECTION, function, &mut self.btf);
        let btf = std::mem::take(&mut self.btf).finish();
        let manifest = serde_json::to_vec(&spec.manifest).map_err(container)?;
        self.section(".BTF", SectionKind::Other, &btf, 4);
        self.section(".BTF.ext", SectionKind::Other, &ext, 4);
        self.section(manifest::SECTION, SectionKind::Other, &manifest, 1);
        self.elf.write().map_err(container)
    }

    fn section(&mut self, name: &str, kind: SectionKind, bytes: &[u8], align: u64) -> SectionId {
        let segment = self.elf.segment_name(StandardSegment::Data).to_vec();
        let section = self.elf.add_section(segment, name.as_bytes().to_vec(), kind);
        if !bytes.is_empty() {
            self.elf.append_section_data(section, bytes, align);
        }
        section
    }

    fn symbol(&mut self, section: SectionId, name: &str, kind: SymbolKind, at: u32, size: u32) -> SymbolId {
        self.elf.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value: u64::from(at),
            size: u64::from(size),
            kind,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    }

    fn relocate(
        &mut self,
        section: SectionId,
        slot: usize,
        symbol: SymbolId,
        r_type: u32,
    ) -> Result<(), WriteError> {
        let relocation = ElfRelocation {
            offset: (slot * SLOT_SIZE) as u64,
            symbol,
            addend: 0,
            flags: RelocationFlags::Elf { r_type },
        };
        self.elf.add_relocation(section, relocation).map_err(container)
    }
}

fn container(error: impl fmt::Display) -> WriteError {
    WriteError::Container(error.to_string())
}
