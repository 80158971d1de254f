//! Reads what these tests need of the kernel's BTF: structures and the constants of enumerations.
//!
//! The format is that of `Documentation/bpf/btf.rst` in the kernel.

use std::collections::HashMap;

const MAGIC: u16 = 0xeb9f;

/// A member of a structure; those of anonymous unions count as the structure's own.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: String,
    /// In bytes from the start of the structure.
    pub offset: u32,
    type_id: u32,
}

/// Structures by type number and by name, and all constants by name.
pub struct Btf {
    composites: HashMap<u32, (String, u32, Vec<Member>)>,
    constants: HashMap<String, i64>,
    /// Names of parameters by the number of the prototype, and numbers of prototypes by the function's name.
    parameters: HashMap<u32, Vec<String>>,
    functions: HashMap<String, u32>,
}

impl Btf {
    /// Understands the bytes; `None` if they are no BTF of this machine's byte order.
    pub fn parse(bytes: &[u8]) -> Option<Btf> {
        let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if bytes.get(..2)? != MAGIC.to_ne_bytes() {
            return None;
        }
        let header = word(4)? as usize;
        let (types, types_end) = (header + word(8)? as usize, header + (word(8)? + word(12)?) as usize);
        let strings = header + word(16)? as usize;
        let name = |offset: u32| {
            let text = bytes.get(strings + offset as usize..)?;
            let end = text.iter().position(|byte| *byte == 0)?;
            String::from_utf8(text[..end].to_vec()).ok()
        };

        let mut btf = Btf {
            composites: HashMap::new(),
            constants: HashMap::new(),
            parameters: HashMap::new(),
            functions: HashMap::new(),
        };
        let (mut at, mut id) = (types, 1);
        while at < types_end {
            let (type_name, info, size) = (word(at)?, word(at + 4)?, word(at + 8)?);
            let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            let bitfields = info >> 31 == 1;
            at += 12;
            let extra = match kind {
                // An integer, a variable, the tag of a declaration.
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 => 12 * count,
                6 | 13 => 8 * count,
                15 | 19 => 12 * count,
                _ => 0,
            };
            match kind {
                4 | 5 => {
                    let mut members = Vec::new();
                    for member in (at..at + extra).step_by(12) {
                        let bits = word(member + 8)?;
                        let bits = if bitfields { bits & 0x00ff_ffff } else { bits };
                        members.push(Member {
                            name: name(word(member)?)?,
                            offset: bits / 8,
                            type_id: word(member + 4)?,
                        });
                    }
                    btf.composites.insert(id, (name(type_name)?, size, members));
                }
                6 => {
                    for value in (at..at + extra).step_by(8) {
                        btf.constants.insert(name(word(value)?)?, i64::from(word(value + 4)? as i32));
                    }
                }
                19 => {
                    for value in (at..at + extra).step_by(12) {
                        let number = u64::from(word(value + 8)?) << 32 | u64::from(word(value + 4)?);
                        btf.constants.insert(name(word(value)?)?, number as i64);
                    }
                }
                12 => {
                    btf.functions.insert(name(type_name)?, size);
                }
                13 => {
                    let names = (at..at + extra).step_by(8).map(|parameter| name(word(parameter)?));
                    btf.parameters.insert(id, names.collect::<Option<_>>()?);
                }
                _ => {}
            }
            at += extra;
            id += 1;
        }
        Some(btf)
    }

    /// Value of an enumeration's constant.
    pub fn constant(&self, name: &str) -> Option<i64> {
        self.constants.get(name).copied()
    }

    /// Names of a function's parameters.
    pub fn function(&self, name: &str) -> Option<&[String]> {
        self.parameters.get(self.functions.get(name)?).map(Vec::as_slice)
    }

    /// Names of all constants.
    pub fn constants(&self) -> impl Iterator<Item = &str> {
        self.constants.keys().map(String::as_str)
    }

    /// Size in bytes and members of a structure.
    pub fn structure(&self, name: &str) -> Option<(u32, Vec<Member>)> {
        let (_, size, members) = self.composites.values().find(|(found, ..)| found == name)?;
        let mut flat = Vec::new();
        self.flatten(members, 0, &mut flat);
        Some((*size, flat))
    }

    fn flatten(&self, members: &[Member], base: u32, flat: &mut Vec<Member>) {
        for member in members {
            let offset = base + member.offset;
            match self.composites.get(&member.type_id) {
                Some((_, _, inner)) if member.name.is_empty() => self.flatten(inner, offset, flat),
                _ => flat.push(Member { offset, ..member.clone() }),
            }
        }
    }
}
