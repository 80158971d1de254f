//! BTF, the kernel's type information: a writer of the few kinds that an object needs.
//!
//! ```text
//! header 24 bytes │ types: name, kind and count, size or type, extras │ strings, NUL after each
//! ```
//!
//! The format is that of `include/uapi/linux/btf.h`. A type is known by its number, in the order of
//! the types from 1; 0 is `void`. Equal types are written once.

use std::collections::BTreeMap;

use super::DataType;

/// First two bytes of BTF and of its extension.
pub const MAGIC: u16 = 0xeb9f;
/// The only version there is.
pub const VERSION: u8 = 1;
/// Bytes of the header of BTF and of its extension without its youngest part.
pub const HEADER_SIZE: u32 = 24;

/// Kinds of types.
pub mod kind {
    #![allow(missing_docs)]
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// Linkage of functions and variables that other objects may see.
const GLOBAL: u32 = 1;
/// Linkage of functions that another object, or the kernel, has.
const EXTERN: u32 = 2;
/// Encoding of signed numbers.
const SIGNED: u32 = 1 << 24;

/// The number of a type.
pub type TypeId = u32;

/// A member of a struct: name, type, offset in bytes.
pub type Member<'a> = (&'a str, TypeId, u32);

/// Type information that is being written.
#[derive(Debug, Default)]
pub struct Btf {
    types: Vec<u8>,
    count: u32,
    seen: BTreeMap<Vec<u32>, TypeId>,
    strings: Strings,
}

impl Btf {
    /// The offset of `text` among the strings.
    pub fn string(&mut self, text: &str) -> u32 {
        self.strings.intern(text)
    }

    /// An integer of so many bytes.
    pub fn int(&mut self, name: &str, bytes: u32, signed: bool) -> TypeId {
        let encoding = if signed { SIGNED } else { 0 };
        self.push(name, kind::INT, 0, bytes, &[encoding | (bytes * 8)])
    }

    /// A pointer.
    pub fn pointer(&mut self, to: TypeId) -> TypeId {
        self.push("", kind::PTR, 0, to, &[])
    }

    /// A type that is not written.
    pub fn constant(&mut self, of: TypeId) -> TypeId {
        self.push("", kind::CONST, 0, of, &[])
    }

    /// So many of a type.
    pub fn array(&mut self, of: TypeId, count: u32) -> TypeId {
        let index = self.int("__ARRAY_SIZE_TYPE__", 4, false);
        self.push("", kind::ARRAY, 0, 0, &[of, index, count])
    }

    /// A struct; without a name if that is empty.
    pub fn structure(&mut self, name: &str, bytes: u32, members: &[Member]) -> TypeId {
        let mut extras = Vec::with_capacity(members.len() * 3);
        for &(name, ty, offset) in members {
            extras.extend([self.string(name), ty, offset * 8]);
        }
        self.push(name, kind::STRUCT, members.len() as u32, bytes, &extras)
    }

    /// A global function with these parameters.
    pub fn function(&mut self, name: &str, returns: TypeId, parameters: &[(&str, TypeId)]) -> TypeId {
        self.linked(name, GLOBAL, returns, parameters)
    }

    /// A function that the kernel has.
    pub fn extern_function(&mut self, name: &str, returns: TypeId, parameters: &[(&str, TypeId)]) -> TypeId {
        self.linked(name, EXTERN, returns, parameters)
    }

    fn linked(&mut self, name: &str, linkage: u32, returns: TypeId, parameters: &[(&str, TypeId)]) -> TypeId {
        let mut extras = Vec::with_capacity(parameters.len() * 2);
        for &(name, ty) in parameters {
            extras.extend([self.string(name), ty]);
        }
        let proto = self.push("", kind::FUNC_PROTO, parameters.len() as u32, returns, &extras);
        self.push(name, kind::FUNC, linkage, proto, &[])
    }

    /// A section with its global variables: name, type, offset and size of each.
    pub fn section(&mut self, name: &str, bytes: u32, variables: &[(&str, TypeId, u32, u32)]) -> TypeId {
        let mut extras = Vec::with_capacity(variables.len() * 3);
        for &(name, ty, offset, size) in variables {
            extras.extend([self.push(name, kind::VAR, 0, ty, &[GLOBAL]), offset, size]);
        }
        self.push(name, kind::DATASEC, variables.len() as u32, bytes, &extras)
    }

    /// A section of functions that the kernel has. As C compilers write it, with neither sizes nor offsets:
    /// nothing of it is in the object.
    pub fn extern_section(&mut self, name: &str, functions: &[TypeId]) -> TypeId {
        let extras: Vec<u32> = functions.iter().flat_map(|&function| [function, 0, 0]).collect();
        self.push(name, kind::DATASEC, functions.len() as u32, 0, &extras)
    }

    /// The type of a datum.
    pub fn data(&mut self, ty: &DataType) -> TypeId {
        match ty {
            DataType::U8 => self.int("unsigned char", 1, false),
            DataType::SpinLock => {
                let value = self.int("unsigned int", 4, false);
                self.structure("bpf_spin_lock", 4, &[("val", value, 0)])
            }
            DataType::I32 => self.int("int", 4, true),
            DataType::U32 => self.int("unsigned int", 4, false),
            DataType::U64 => self.int("unsigned long long", 8, false),
            DataType::Array(element, count) => {
                let element = self.data(element);
                self.array(element, *count)
            }
            DataType::Struct(name, members) => {
                let mut at = 0;
                let mut described: Vec<Member> = Vec::with_capacity(members.len());
                for (name, ty) in members {
                    let offset = u32::next_multiple_of(at, ty.align());
                    described.push((name, self.data(ty), offset));
                    at = offset + ty.size();
                }
                self.structure(name, ty.size(), &described)
            }
        }
    }

    /// The bytes of section `.BTF`.
    pub fn finish(self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.bytes.len() as u32);
        let mut bytes = header();
        for word in [0, types, types, strings] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(self.types);
        bytes.extend(self.strings.bytes);
        bytes
    }

    fn push(&mut self, name: &str, kind: u32, count: u32, size_or_type: u32, extras: &[u32]) -> TypeId {
        let mut words = vec![self.string(name), kind << 24 | count, size_or_type];
        words.extend(extras);
        if let Some(&id) = self.seen.get(&words) {
            return id;
        }
        self.types.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        self.count += 1;
        self.seen.insert(words, self.count);
        self.count
    }
}

/// What BTF and its extension begin with; offsets and lengths of the parts follow.
pub fn header() -> Vec<u8> {
    let mut bytes = Vec::from(MAGIC.to_le_bytes());
    bytes.extend([VERSION, 0]);
    bytes.extend(HEADER_SIZE.to_le_bytes());
    bytes
}

/// Strings, each kept once; the empty one is at 0.
#[derive(Debug)]
struct Strings {
    bytes: Vec<u8>,
    offsets: BTreeMap<String, u32>,
}

impl Default for Strings {
    fn default() -> Self {
        Strings { bytes: vec![0], offsets: BTreeMap::from([(String::new(), 0)]) }
    }
}

impl Strings {
    fn intern(&mut self, text: &str) -> u32 {
        if let Some(&offset) = self.offsets.get(text) {
            return offset;
        }
        let offset = self.bytes.len() as u32;
        self.bytes.extend(text.bytes());
        self.bytes.push(0);
        self.offsets.insert(text.to_owned(), offset);
        offset
    }
}
