//! Object files: what goes into one, how it is written, how any is read back.
//!
//! ```text
//! ObjectSpec ── write ──▶ ELF bytes ── read ──▶ ObjectFile
//!             sockops .text-less program, .maps, .rodata, .bss, .data, license, .BTF, .BTF.ext, .tcpc
//! ```

mod btf;
mod btf_ext;
mod elf;
mod error;
mod kfuncs;
mod read;
#[cfg(test)]
pub(crate) mod tests;

use tcpc_stdlib::kernel::{BPF_F_NO_PREALLOC, MAP_TYPE_RINGBUF, MAP_TYPE_SK_STORAGE};
use tcpc_stdlib::kfunc::Kfunc;
use tcpc_stdlib::manifest::Manifest;

pub use elf::{WriteError, write};
pub use error::ObjectError;
pub use read::read;

use crate::bpf::Insn;

/// Everything that is written into an object.
#[derive(Clone, Debug)]
pub struct ObjectSpec {
    /// Symbol of the program: letters, digits, `_`; at most 15 bytes.
    pub name: String,
    /// Its instructions. Those that load an address have src 0 and imm 0, as relocations fill them in.
    pub code: Vec<Insn>,
    /// Addresses and calls to fill in.
    pub relocations: Vec<Relocation>,
    /// Whether the kernel functions may be missing, as the calls are then not reached.
    pub weak_calls: bool,
    /// Which instruction belongs to which place of the source; ascending, the first at slot 0.
    pub lines: Vec<Line>,
    /// Hash maps and the like.
    pub maps: Vec<MapSpec>,
    /// Constants, in the order of their offsets in `.rodata`.
    pub rodata: Vec<Global>,
    /// Zero-initialised numbers, in the order of their offsets in `.bss`.
    pub bss: Vec<Global>,
    /// Names and texts of the source files, the policy's own first, for the kernel's log.
    pub sources: Vec<(String, String)>,
    /// Numbers that others change, in the order of their offsets in `.data`.
    pub data: Vec<Global>,
    /// What the object says of itself.
    pub manifest: Manifest,
}

/// A load of an address or a call, to be filled in by the loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// First slot of the two-slot load, or the slot of the call.
    pub slot: usize,
    /// What it loads the address of, or calls.
    pub target: Target,
}

/// What a relocation names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A map of `.maps`, by index into [`ObjectSpec::maps`].
    Map(usize),
    /// A constant, by index into [`ObjectSpec::rodata`].
    Rodata(usize),
    /// A zero-initialised number, by index into [`ObjectSpec::bss`].
    Bss(usize),
    /// A number that others change, by index into [`ObjectSpec::data`].
    Data(usize),
    /// A kernel function; the slot is [`crate::bpf::insn::call_extern`].
    Kfunc(&'static Kfunc),
}

/// The source place of the instructions from `slot` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// First slot.
    pub slot: usize,
    /// The file, by index into [`ObjectSpec::sources`].
    pub file: usize,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// A map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapSpec {
    /// Its name: letters, digits, `_`; at most 15 bytes.
    pub name: String,
    /// Its kind.
    pub kind: MapKind,
    /// Type of its keys.
    pub key: DataType,
    /// Type of its values.
    pub value: DataType,
    /// Most entries.
    pub max_entries: u32,
}

/// The kinds of maps, with the kernel's `BPF_MAP_TYPE_*` number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    /// `BPF_MAP_TYPE_HASH`.
    Hash = 1,
    /// `BPF_MAP_TYPE_ARRAY`.
    Array = 2,
    /// `BPF_MAP_TYPE_PERCPU_HASH`.
    PerCpuHash = 5,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`.
    PerCpuArray = 6,
    /// `BPF_MAP_TYPE_LRU_HASH`.
    LruHash = 9,
    /// `BPF_MAP_TYPE_LPM_TRIE`: the longest prefix that a key begins with.
    LpmTrie = 11,
    /// `BPF_MAP_TYPE_LRU_PERCPU_HASH`.
    LruPerCpuHash = 10,
    /// `BPF_MAP_TYPE_SK_STORAGE`: values that live with sockets, as many as there are.
    SockStorage = MAP_TYPE_SK_STORAGE as isize,
    /// `BPF_MAP_TYPE_RINGBUF`: no keys, no values, `max_entries` is its size in bytes.
    RingBuffer = MAP_TYPE_RINGBUF as isize,
}

impl MapKind {
    /// The flags that the kernel wants for it.
    pub fn flags(self) -> u32 {
        match self {
            MapKind::SockStorage | MapKind::LpmTrie => BPF_F_NO_PREALLOC,
            _ => 0,
        }
    }
}

/// A constant or a number that the program changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// Its symbol.
    pub name: String,
    /// Its type.
    pub ty: DataType,
    /// Its bytes in the object; empty stands for zeros (always so in `.bss`).
    pub bytes: Vec<u8>,
}

/// The types that maps and globals have, as BTF says them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataType {
    /// `unsigned char`.
    U8,
    /// `int`.
    I32,
    /// `unsigned int`.
    U32,
    /// `unsigned long long`.
    U64,
    /// `struct bpf_spin_lock`, padded to 8 bytes by what follows it.
    SpinLock,
    /// So many of a type.
    Array(Box<DataType>, u32),
    /// Named members, one after another, each aligned to its size.
    Struct(String, Vec<(String, DataType)>),
}

impl DataType {
    /// Size in bytes.
    pub fn size(&self) -> u32 {
        match self {
            DataType::U8 => 1,
            DataType::I32 | DataType::U32 | DataType::SpinLock => 4,
            DataType::U64 => 8,
            DataType::Array(element, count) => element.size() * count,
            DataType::Struct(_, members) => {
                let end =
                    members.iter().fold(0, |at: u32, (_, ty)| at.next_multiple_of(ty.align()) + ty.size());
                end.next_multiple_of(self.align())
            }
        }
    }

    /// Alignment in bytes.
    pub fn align(&self) -> u32 {
        match self {
            DataType::U8 => 1,
            DataType::I32 | DataType::U32 | DataType::SpinLock => 4,
            DataType::U64 => 8,
            DataType::Array(element, _) => element.align(),
            DataType::Struct(_, members) => members.iter().map(|(_, ty)| ty.align()).max().unwrap_or(1),
        }
    }
}

/// Offsets of globals in their section, in order, and the section's size.
pub fn layout(globals: &[Global]) -> (Vec<u32>, u32) {
    let mut at = 0u32;
    let offsets = globals
        .iter()
        .map(|global| {
            at = at.next_multiple_of(global.ty.align());
            let offset = at;
            at += global.ty.size();
            offset
        })
        .collect();
    (offsets, at.next_multiple_of(8))
}

/// An object as it was read: ours or any other with a sock_ops program. All names and offsets are
/// checked to be within the file.
#[derive(Clone, Debug, Default)]
pub struct ObjectFile {
    /// Name of the program.
    pub name: String,
    /// Its instructions, as in the file.
    pub code: Vec<Insn>,
    /// Addresses and calls to be filled in.
    pub relocations: Vec<ResolvedRelocation>,
    /// Maps, from `.maps` and its BTF.
    pub maps: Vec<ObjectMap>,
    /// Data sections (`.rodata`, `.bss`, `.data`), with their symbols.
    pub data: Vec<DataSection>,
    /// Line information, from `.BTF.ext`.
    pub lines: Vec<ObjectLine>,
    /// What the object says of itself, if it is one of ours.
    pub manifest: Option<Manifest>,
}

/// A relocation of an object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedRelocation {
    /// First slot of the load, or the slot of the call.
    pub slot: usize,
    /// What it names.
    pub target: ResolvedTarget,
}

/// What a relocation of an object file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedTarget {
    /// Index into [`ObjectFile::maps`].
    Map(usize),
    /// Index into [`ObjectFile::data`], and the offset in it.
    Data(usize, u32),
    /// A kernel function that is called.
    Kfunc(&'static Kfunc),
}

/// A map of an object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMap {
    /// Its name.
    pub name: String,
    /// `BPF_MAP_TYPE_*`.
    pub kind: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most entries.
    pub max_entries: u32,
    /// Whether its values begin with a `struct bpf_spin_lock`.
    pub locked: bool,
}

/// A data section of an object file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSection {
    /// `.rodata`, `.bss`, `.data`.
    pub name: String,
    /// Its bytes; zeros for `.bss`.
    pub bytes: Vec<u8>,
    /// Whether programs may write it.
    pub writable: bool,
    /// Its symbols: name, offset, size.
    pub symbols: Vec<(String, u32, u32)>,
}

/// A line record of an object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectLine {
    /// First slot.
    pub slot: usize,
    /// File name.
    pub file: String,
    /// Text of the line.
    pub text: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}
