//! BTF as it is found in a file: as much of it as tells the shapes of maps.

use super::bytes::{part, string, word};
use crate::object::btf::{HEADER_SIZE, MAGIC, kind};
use crate::object::{ObjectError, ObjectMap};

/// The name of the kernel's lock.
const LOCK: &str = "bpf_spin_lock";
/// How deep types may be nested.
const DEPTH_MAX: u32 = 32;

/// Type information of a file.
pub struct Types<'a> {
    types: Vec<Type<'a>>,
    strings: &'a [u8],
}

#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    kind: u32,
    /// Size in bytes, or the number of another type.
    size_or_type: u32,
    extras: &'a [u8],
}

impl<'a> Types<'a> {
    /// Reads section `.BTF`.
    pub fn parse(bytes: &'a [u8]) -> Result<Types<'a>, ObjectError> {
        Types::parts(bytes)
            .and_then(|(types, strings)| Some(Types { types: split(types)?, strings }))
            .ok_or_else(|| ObjectError::Btf("section `.BTF` is cut off or of an unknown version".into()))
    }

    fn parts(bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        if word(bytes, 0)? & 0xffff != u32::from(MAGIC) || word(bytes, 4)? < HEADER_SIZE {
            return None;
        }
        let header = word(bytes, 4)? as usize;
        let types = part(bytes, header, word(bytes, 8)?, word(bytes, 12)?)?;
        let strings = part(bytes, header, word(bytes, 16)?, word(bytes, 20)?)?;
        Some((types, strings))
    }

    /// The string at an offset; empty if there is none.
    pub fn string(&self, at: u32) -> String {
        string(self.strings, at).unwrap_or_default()
    }

    fn get(&self, id: u32) -> Option<Type<'a>> {
        self.types.get((id as usize).checked_sub(1)?).copied()
    }

    /// The type behind names and qualifiers.
    fn resolve(&self, mut id: u32) -> Option<Type<'a>> {
        for _ in 0..DEPTH_MAX {
            let ty = self.get(id)?;
            match ty.kind {
                kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::RESTRICT | kind::TYPE_TAG => {
                    id = ty.size_or_type;
                }
                _ => return Some(ty),
            }
        }
        None
    }

    /// Bytes of a value of a type.
    fn size(&self, id: u32, depth: u32) -> Option<u32> {
        let ty = self.resolve(id)?;
        match ty.kind {
            kind::INT | kind::ENUM | kind::ENUM64 | kind::FLOAT | kind::STRUCT | kind::UNION => {
                Some(ty.size_or_type)
            }
            kind::PTR => Some(8),
            kind::ARRAY => {
                let depth = depth.checked_sub(1)?;
                self.size(word(ty.extras, 0)?, depth)?.checked_mul(word(ty.extras, 8)?)
            }
            _ => None,
        }
    }

    /// Whether a type is a struct whose first member is the kernel's lock.
    fn begins_with_lock(&self, id: u32) -> bool {
        let member = self.resolve(id).filter(|ty| ty.kind == kind::STRUCT).and_then(|ty| {
            let (id, offset) = (word(ty.extras, 4)?, word(ty.extras, 8)?);
            self.resolve(id).filter(|member| offset == 0 && member.kind == kind::STRUCT)
        });
        member.is_some_and(|member| self.string(member.name) == LOCK)
    }

    /// The type that a pointer points to.
    fn pointee(&self, id: u32) -> Option<u32> {
        self.resolve(id).filter(|ty| ty.kind == kind::PTR).map(|ty| ty.size_or_type)
    }

    /// A number that is written as a pointer to an array of so many.
    fn number(&self, id: u32) -> Option<u32> {
        let array = self.resolve(self.pointee(id)?).filter(|ty| ty.kind == kind::ARRAY)?;
        word(array.extras, 8)
    }
}

/// Cuts the types apart.
fn split(bytes: &[u8]) -> Option<Vec<Type<'_>>> {
    let mut types = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let info = word(bytes, at + 4)?;
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        let extra = match kind {
            kind::INT | kind::VAR | kind::DECL_TAG => 4,
            kind::ARRAY => 12,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
            kind::ENUM | kind::FUNC_PROTO => 8 * count,
            1..=kind::ENUM64 => 0,
            _ => return None,
        };
        let extras = part(bytes, at, 12, extra)?;
        types.push(Type { name: word(bytes, at)?, kind, size_or_type: word(bytes, at + 8)?, extras });
        at += 12 + extra as usize;
    }
    Some(types)
}

/// The maps of section `.maps`, each with its offset there, which its symbol gives.
pub fn maps(
    types: &Types,
    symbols: &[(String, u64, u64)],
) -> Result<(Vec<u64>, Vec<ObjectMap>), ObjectError> {
    let section = types
        .types
        .iter()
        .find(|ty| ty.kind == kind::DATASEC && types.string(ty.name) == ".maps")
        .ok_or_else(|| ObjectError::Btf("section `.maps` is not described".into()))?;
    let mut offsets = Vec::new();
    let mut maps = Vec::new();
    for entry in section.extras.chunks_exact(12) {
        let variable = word(entry, 0).and_then(|id| types.get(id)).filter(|ty| ty.kind == kind::VAR);
        let variable = variable.ok_or_else(|| ObjectError::Btf("section `.maps` holds no map".into()))?;
        let name = types.string(variable.name);
        let broken = || ObjectError::Btf(format!("the map `{name}` is not described in full"));
        let symbol = symbols.iter().find(|symbol| symbol.0 == name).ok_or_else(broken)?;
        offsets.push(symbol.1);
        maps.push(map(types, &name, variable.size_or_type).ok_or_else(broken)?);
    }
    Ok((offsets, maps))
}

/// A map from the members of the struct that defines it.
fn map(types: &Types, name: &str, id: u32) -> Option<ObjectMap> {
    let definition = types.resolve(id).filter(|ty| ty.kind == kind::STRUCT)?;
    let mut map = ObjectMap {
        name: name.to_owned(),
        kind: 0,
        key_size: 0,
        value_size: 0,
        max_entries: 0,
        locked: false,
    };
    for member in definition.extras.chunks_exact(12) {
        let id = word(member, 4)?;
        match types.string(word(member, 0)?).as_str() {
            "type" => map.kind = types.number(id)?,
            "max_entries" => map.max_entries = types.number(id)?,
            "key_size" => map.key_size = types.number(id)?,
            "value_size" => map.value_size = types.number(id)?,
            "key" => map.key_size = types.size(types.pointee(id)?, DEPTH_MAX)?,
            "value" => {
                let value = types.pointee(id)?;
                map.value_size = types.size(value, DEPTH_MAX)?;
                map.locked = types.begins_with_lock(value);
            }
            _ => {}
        }
    }
    (map.kind != 0).then_some(map)
}
