//! Type information as the compiler writes it: each type refers to those before it only, so that none is endless.
//!
//! The format is that of `include/uapi/linux/btf.h`.

use std::collections::BTreeMap;

/// Bytes of the header, and of a function's and of a line's record.
const HEADER: usize = 24;
const FUNCTION_RECORD: u32 = 8;
const LINE_RECORD: u32 = 16;
/// Magic number 0xeb9f, version 1, no flags.
const MAGIC: u32 = 0x0001_eb9f;

const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const CONST: u32 = 10;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;

/// What a map's definition says, as far as a policy's maps need it. A map that asks to be pinned is none of them.
const MEMBERS: &[&str] = &["type", "max_entries", "key", "value", "map_flags"];

/// Types by number, from 1; 0 is `void`.
pub struct Types<'a> {
    types: Vec<Type>,
    strings: &'a str,
}

struct Type {
    name: u32,
    kind: u32,
    /// Bytes of a value, or the number of a type that it is made of.
    size_or_type: u32,
    /// Bytes of a value; `None` if there are no values of it.
    size: Option<u32>,
    extras: Vec<u32>,
}

impl Type {
    /// Members, parameters, or variables of a section: so many words each.
    fn rows<const N: usize>(&self) -> &[[u32; N]] {
        self.extras.as_chunks().0
    }
}

impl<'a> Types<'a> {
    /// Reads section `.BTF`. `None` if anything in it is not as it should be.
    pub fn parse(bytes: &'a [u8]) -> Option<Types<'a>> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let [magic, length, types_at, types_length, strings_at, strings_length] = words(header)?[..] else {
            return None;
        };
        let is_whole = magic == MAGIC
            && length as usize == HEADER
            && types_at == 0
            && strings_at == types_length
            && rest.len() as u64 == u64::from(types_length) + u64::from(strings_length);
        let (types, strings) = rest.split_at_checked(types_length as usize).filter(|_| is_whole)?;
        let strings = std::str::from_utf8(strings).ok()?;
        let mut parsed = Types { types: Vec::new(), strings };
        let mut left = &words(types)?[..];
        while !left.is_empty() {
            left = parsed.take(left)?;
        }
        (strings.starts_with('\0') && strings.ends_with('\0')).then_some(parsed)
    }

    /// Takes one type from the words, and leaves the rest.
    fn take<'w>(&mut self, words: &'w [u32]) -> Option<&'w [u32]> {
        let (&[name, info, size_or_type], rest) = words.split_first_chunk()?;
        let (kind, count) = (info >> 24, info & 0xff_ffff);
        let extras = match kind {
            INT | VAR => 1,
            ARRAY => 3,
            STRUCT | DATASEC => 3 * count as usize,
            FUNC_PROTO => 2 * count as usize,
            PTR | CONST | FUNC => 0,
            _ => return None,
        };
        let (extras, rest) = rest.split_at_checked(extras)?;
        let mut ty = Type { name, kind, size_or_type, size: None, extras: extras.to_vec() };
        self.string(name)?;
        ty.size = self.size(&ty, count)?;
        self.types.push(ty);
        Some(rest)
    }

    /// Checks a type, and gives its size; what it refers to was checked before.
    #[expect(clippy::option_option, reason = "the outer one says whether the type is as it should be")]
    fn size(&self, ty: &Type, count: u32) -> Option<Option<u32>> {
        let other = ty.size_or_type;
        let size = match ty.kind {
            INT => Some(other).filter(|size| matches!(size, 1 | 2 | 4 | 8)),
            PTR => self.get_or_void(other).map(|()| 8),
            CONST => self.get(other)?.size,
            ARRAY => {
                let &[of, index, length] = ty.extras.first_chunk()?;
                self.get(index)?;
                self.get(of)?.size?.checked_mul(length)
            }
            STRUCT => ty.rows().iter().all(|member| self.is_member(*member, other)).then_some(other),
            FUNC => return (self.get(other)?.kind == FUNC_PROTO && count <= 2).then_some(None),
            FUNC_PROTO => {
                let mut parameters = ty.rows::<2>().iter();
                let known = |&[name, of]: &[u32; 2]| self.string(name).is_some() && self.get(of).is_some();
                return parameters.all(known).then(|| self.get_or_void(other).map(|()| None)).flatten();
            }
            VAR => return self.get(other)?.size.map(|_| None),
            _ => return ty.rows().iter().all(|one| self.is_variable(*one, other)).then_some(None),
        };
        size.map(Some)
    }

    fn is_member(&self, [name, of, bits]: [u32; 3], whole: u32) -> bool {
        let size = self.get(of).and_then(|of| of.size);
        let end = size.and_then(|size| size.checked_add(bits / 8));
        self.string(name).is_some() && bits.is_multiple_of(8) && end.is_some_and(|end| end <= whole)
    }

    fn is_variable(&self, [of, offset, size]: [u32; 3], whole: u32) -> bool {
        let is_one = self.get(of).is_some_and(|of| matches!(of.kind, VAR | FUNC));
        is_one && offset.checked_add(size).is_some_and(|end| end <= whole)
    }

    fn get(&self, id: u32) -> Option<&Type> {
        self.types.get((id as usize).checked_sub(1)?)
    }

    fn get_or_void(&self, id: u32) -> Option<()> {
        (id as usize <= self.types.len()).then_some(())
    }

    fn string(&self, at: u32) -> Option<&'a str> {
        self.strings.get(at as usize..)?.split('\0').next()
    }

    /// Whether sections are as large as the file's, and what becomes a map is one that policies have.
    pub fn check_sections(&self, sizes: &BTreeMap<&str, u64>) -> Option<()> {
        for section in self.types.iter().filter(|ty| ty.kind == DATASEC) {
            let name = self.string(section.name)?;
            if sizes.get(name).is_some_and(|size| *size != u64::from(section.size_or_type)) {
                return None;
            }
            if name == ".maps" {
                section.rows().iter().try_for_each(|[variable, ..]: &[u32; 3]| self.check_map(*variable))?;
            }
        }
        Some(())
    }

    /// Numbers are pointers to arrays of so many; a key and a value are pointers to what they are.
    fn check_map(&self, variable: u32) -> Option<()> {
        let definition = self.get(self.get(variable)?.size_or_type).filter(|ty| ty.kind == STRUCT)?;
        for [name, pointer, _] in definition.rows::<3>() {
            let name = self.string(*name)?;
            let pointee = self.get(self.get(*pointer).filter(|ty| ty.kind == PTR)?.size_or_type)?;
            let is_described = matches!(name, "key" | "value");
            if !MEMBERS.contains(&name) || pointee.size.is_none() || !is_described && pointee.kind != ARRAY {
                return None;
            }
        }
        Some(())
    }

    /// Checks section `.BTF.ext` of a program of so many bytes.
    pub fn check_records(&self, bytes: &[u8], program: u64) -> Option<()> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let [magic, length, functions_at, functions_length, lines_at, lines_length] = words(header)?[..]
        else {
            return None;
        };
        let is_whole = magic == MAGIC
            && length as usize == HEADER
            && functions_at == 0
            && lines_at == functions_length
            && rest.len() as u64 == u64::from(functions_length) + u64::from(lines_length);
        let (functions, lines) = rest.split_at_checked(functions_length as usize).filter(|_| is_whole)?;
        self.records(functions, FUNCTION_RECORD, |[_, ty]: &[u32; 2]| {
            self.get(*ty).is_some_and(|ty| ty.kind == FUNC)
        })?;
        let mut end = 0;
        self.records(lines, LINE_RECORD, |[at, file, text, _]: &[u32; 4]| {
            let ascends = u64::from(*at) >= end && u64::from(*at) < program && at.is_multiple_of(8);
            end = u64::from(*at) + 8;
            ascends && self.string(*file).is_some() && self.string(*text).is_some()
        })
    }

    /// The size of a record, then sections: name, number of records, records.
    fn records<const N: usize>(
        &self,
        bytes: &[u8],
        size: u32,
        is_record: impl FnMut(&[u32; N]) -> bool,
    ) -> Option<()> {
        let words = words(bytes)?;
        let Some((&found, mut left)) = words.split_first() else { return Some(()) };
        let mut is_record = is_record;
        while let Some((&[name, count], rest)) = left.split_first_chunk() {
            self.string(name)?;
            let (records, rest) = rest.split_at_checked((count as usize).checked_mul(N)?)?;
            if count == 0 || !records.as_chunks().0.iter().all(&mut is_record) {
                return None;
            }
            left = rest;
        }
        (found == size && left.is_empty()).then_some(())
    }
}

/// Bytes as little-endian words; `None` if some are left over.
fn words(bytes: &[u8]) -> Option<Vec<u32>> {
    let (words, rest) = bytes.as_chunks();
    rest.is_empty().then(|| words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}
