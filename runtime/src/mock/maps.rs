//! Maps without a kernel: hash and array, each also per CPU, on one CPU, hash maps that forget, and what sockets keep,
//! with addresses that stay.
//!
//! Values lie one after another, each in a slot of `stride` bytes; what a program may touch is
//! a slot's first `value_size` bytes.

use std::collections::BTreeMap;

use tcpc_compiler::object::{MapKind, ObjectMap};
use tcpc_stdlib::kernel::{BPF_EXIST, BPF_NOEXIST};

use super::ring::Ring;

/// The most bytes that the values of an array may take, all there from the start.
const ARRAY_BYTES_MAX: u64 = 64 << 20;
/// The most bytes that the values of a hash map may grow to: offsets have 31 bits.
const HASH_BYTES_MAX: u64 = i32::MAX as u64;

/// A map and its entries.
#[derive(Clone, Debug)]
pub struct MockMap {
    name: String,
    kind: Kind,
    locks: bool,
    /// For a map that forgets: when each slot was used last.
    used: Vec<u64>,
    uses: u64,
    key_size: usize,
    value_size: u32,
    max_entries: u32,
    entries: BTreeMap<Vec<u8>, u32>,
    free: Vec<u32>,
    values: Vec<u8>,
    ring: Option<Ring>,
}

/// How a map behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array,
    Hash,
    /// What was used least recently makes room.
    Lru,
    /// A key finds the longest prefix of it. It begins with its length in bits, in four bytes.
    Prefixes,
    /// Rows are those of sockets, by cookie, and there are as many as there are sockets.
    Sockets,
}

/// Bytes of the cookie that a socket is known by here.
const COOKIE_BYTES: usize = 8;

/// An error name of the kernel's that a map operation ends with.
pub type MapError = &'static str;

/// More sockets than a test can have.
const SOCKETS_MAX: u32 = 1 << 16;

impl Kind {
    /// How a map of this `BPF_MAP_TYPE_*` behaves on one CPU.
    fn of(number: u32) -> Option<Kind> {
        let is = |kind: MapKind| number == kind as u32;
        match () {
            () if is(MapKind::Array) || is(MapKind::PerCpuArray) => Some(Kind::Array),
            () if is(MapKind::Hash) || is(MapKind::PerCpuHash) => Some(Kind::Hash),
            () if is(MapKind::LruHash) || is(MapKind::LruPerCpuHash) => Some(Kind::Lru),
            () if is(MapKind::SockStorage) => Some(Kind::Sockets),
            () if is(MapKind::LpmTrie) => Some(Kind::Prefixes),
            () => None,
        }
    }
}

impl MockMap {
    /// An empty map of this shape.
    ///
    /// # Errors
    /// In words: its kind is not emulated, or its shape is impossible.
    pub fn new(shape: &ObjectMap) -> Result<MockMap, String> {
        let ObjectMap { name, kind, key_size, value_size, max_entries, .. } = shape.clone();
        if kind == MapKind::RingBuffer as u32 {
            return MockMap::of_ring(shape);
        }
        let Some(behaviour) = Kind::of(kind) else {
            return Err(format!("map `{name}` is of type {kind}, which the mock kernel does not have"));
        };
        let is_array = behaviour == Kind::Array;
        let (key_size, max_entries) = match behaviour {
            Kind::Sockets if key_size == 4 && max_entries == 0 => (COOKIE_BYTES as u32, SOCKETS_MAX),
            _ => (key_size, max_entries),
        };
        let stride = u64::from(value_size).next_multiple_of(8);
        let shape_ok = key_size > 0 && value_size > 0 && max_entries > 0 && (!is_array || key_size == 4);
        let bytes_max = if is_array { ARRAY_BYTES_MAX } else { HASH_BYTES_MAX };
        if !shape_ok || stride * u64::from(max_entries) > bytes_max {
            return Err(format!(
                "map `{name}` has keys of {key_size} bytes, values of {value_size} bytes and {max_entries} entries, which the mock kernel does not take"
            ));
        }
        let values = if is_array { vec![0; (stride * u64::from(max_entries)) as usize] } else { Vec::new() };
        let (entries, free) = (BTreeMap::new(), Vec::new());
        Ok(MockMap {
            name,
            kind: behaviour,
            locks: shape.locked,
            used: Vec::new(),
            uses: 0,
            key_size: key_size as usize,
            value_size,
            max_entries,
            entries,
            free,
            values,
            ring: None,
        })
    }

    /// A ring buffer, which has neither keys nor values.
    fn of_ring(shape: &ObjectMap) -> Result<MockMap, String> {
        let ObjectMap { name, max_entries, .. } = shape.clone();
        let ring = Ring::new(max_entries)
            .filter(|_| shape.key_size == 0 && shape.value_size == 0)
            .ok_or_else(|| format!("the ring buffer `{name}` has a shape that kernels do not take"))?;
        Ok(MockMap {
            name,
            kind: Kind::Hash,
            locks: false,
            used: Vec::new(),
            uses: 0,
            key_size: 0,
            value_size: 0,
            max_entries: 0,
            entries: BTreeMap::new(),
            free: Vec::new(),
            values: Vec::new(),
            ring: Some(ring),
        })
    }

    /// The ring buffer that it is, if it is one.
    pub fn ring(&self) -> Option<&Ring> {
        self.ring.as_ref()
    }

    /// As [`Self::ring`], to be written.
    pub fn ring_mut(&mut self) -> Option<&mut Ring> {
        self.ring.as_mut()
    }

    /// Whether each of its values begins with a lock.
    pub fn has_locks(&self) -> bool {
        self.locks
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> u32 {
        self.key_size as u32
    }

    /// Bytes of a value.
    pub fn value_size(&self) -> u32 {
        self.value_size
    }

    /// Every key with its value, in the order of the keys; an array's by index.
    pub fn rows(&self) -> Vec<(Vec<u8>, &[u8])> {
        let keys: Vec<(Vec<u8>, u32)> = if self.kind == Kind::Array {
            (0..self.max_entries).map(|index| (index.to_le_bytes().to_vec(), index)).collect()
        } else {
            self.entries.iter().map(|(key, slot)| (key.clone(), *slot)).collect()
        };
        keys.into_iter().filter_map(|(key, slot)| Some((key, self.value(slot)?))).collect()
    }

    /// `bpf_map_lookup_elem`: the offset of the key's value among [`Self::values`].
    pub fn lookup(&mut self, key: &[u8]) -> Option<u32> {
        let slot = if self.kind == Kind::Prefixes { self.longest(key)? } else { self.slot(key)? };
        self.touch(slot);
        Some(slot * self.stride())
    }

    /// The slot of the longest prefix of a key.
    fn longest(&self, key: &[u8]) -> Option<u32> {
        let length = |key: &[u8]| key.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let is_prefix = |prefix: &[u8]| {
            let bits = length(prefix);
            let bit = |key: &[u8], at: u32| key.get(4 + at as usize / 8).map(|byte| byte >> (7 - at % 8) & 1);
            bits <= length(key) && (0..bits).all(|at| bit(prefix, at) == bit(key, at))
        };
        let found = self.entries.iter().filter(|(prefix, _)| is_prefix(prefix));
        found.max_by_key(|(prefix, _)| length(prefix)).map(|(_, slot)| *slot)
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.slot(key).and_then(|slot| self.value(slot))
    }

    /// Whether a map of this type has all its elements from the start.
    pub fn is_array(kind: u32) -> bool {
        Kind::of(kind) == Some(Kind::Array)
    }

    /// Whether sockets keep its values.
    pub fn is_of_sockets(&self) -> bool {
        self.kind == Kind::Sockets
    }

    fn touch(&mut self, slot: u32) {
        self.uses += 1;
        let slot = slot as usize;
        if self.used.len() <= slot {
            self.used.resize(slot + 1, 0);
        }
        self.used[slot] = self.uses;
    }

    /// Forgets the key that was used least recently.
    fn forget(&mut self) {
        let used = |slot: u32| self.used.get(slot as usize).copied().unwrap_or(0);
        let oldest = self.entries.iter().min_by_key(|(_, slot)| used(**slot)).map(|(key, _)| key.clone());
        if let Some(slot) = oldest.and_then(|key| self.entries.remove(&key)) {
            self.free.push(slot);
        }
    }

    /// `bpf_map_update_elem`.
    ///
    /// # Errors
    /// `EINVAL` for an unknown flag; `EEXIST` and `ENOENT` for what a flag forbids; `E2BIG` when the map is full
    /// or the index is out of range.
    pub fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        if flags > BPF_EXIST {
            return Err("EINVAL");
        }
        let is_full = self.entries.len() >= self.max_entries as usize;
        let is_new = self.kind != Kind::Array && self.slot(key).is_none() && flags != BPF_EXIST;
        if self.kind == Kind::Lru && is_new && is_full {
            self.forget();
        }
        let slot = match self.slot(key) {
            Some(_) if flags == BPF_NOEXIST => return Err("EEXIST"),
            Some(slot) => slot,
            None if self.kind == Kind::Array => return Err("E2BIG"),
            None if flags == BPF_EXIST => return Err("ENOENT"),
            None if self.entries.len() >= self.max_entries as usize => return Err("E2BIG"),
            None => self.insert(key),
        };
        self.touch(slot);
        let at = (slot * self.stride()) as usize;
        if let Some(place) = self.values.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
        Ok(())
    }

    /// `bpf_map_delete_elem`.
    ///
    /// # Errors
    /// `EINVAL` for an array; `ENOENT` if the key is not there.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), MapError> {
        if self.kind == Kind::Array {
            return Err("EINVAL");
        }
        let slot = self.entries.remove(key).ok_or("ENOENT")?;
        self.free.push(slot);
        Ok(())
    }

    /// All values, if so many bytes from `offset` on are within one of them.
    pub fn values(&self, offset: u32, length: u32) -> Option<&[u8]> {
        self.is_within_value(offset, length).then_some(self.values.as_slice())
    }

    /// As [`Self::values`], to be written.
    pub fn values_mut(&mut self, offset: u32, length: u32) -> Option<&mut [u8]> {
        self.is_within_value(offset, length).then_some(self.values.as_mut_slice())
    }

    fn is_within_value(&self, offset: u32, length: u32) -> bool {
        let within = u64::from(offset % self.stride());
        within + u64::from(length) <= u64::from(self.value_size)
    }

    fn value(&self, slot: u32) -> Option<&[u8]> {
        let at = (slot * self.stride()) as usize;
        self.values.get(at..at + self.value_size as usize)
    }

    fn slot(&self, key: &[u8]) -> Option<u32> {
        if self.kind == Kind::Array {
            let index = u32::from_le_bytes(key.try_into().ok()?);
            (index < self.max_entries).then_some(index)
        } else {
            self.entries.get(key).copied()
        }
    }

    /// A slot for a new key: one that was freed, or a new one at the end, so that addresses stay.
    fn insert(&mut self, key: &[u8]) -> u32 {
        let stride = self.stride();
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.values.len() as u32 / stride;
            self.values.resize((slot + 1) as usize * stride as usize, 0);
            slot
        });
        self.entries.insert(key.to_vec(), slot);
        slot
    }

    /// Bytes from one value to the next: values are aligned to 8.
    fn stride(&self) -> u32 {
        self.value_size.next_multiple_of(8)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn map(kind: MapKind, max_entries: u32) -> MockMap {
        let name = "m".to_string();
        let kind = kind as u32;
        MockMap::new(&ObjectMap { name, kind, key_size: 4, value_size: 12, max_entries, locked: false })
            .unwrap()
    }

    #[test]
    fn a_full_hash_map_refuses_new_keys_only() {
        let mut hash = map(MapKind::Hash, 2);
        assert_eq!(hash.update(&[1, 0, 0, 0], &[1; 12], 0), Ok(()));
        assert_eq!(hash.update(&[2, 0, 0, 0], &[2; 12], 0), Ok(()));
        assert_eq!(hash.update(&[3, 0, 0, 0], &[3; 12], 0), Err("E2BIG"));
        assert_eq!(hash.update(&[2, 0, 0, 0], &[4; 12], 0), Ok(()));
        let rows = hash.rows();
        assert_eq!(rows.iter().map(|(key, value)| (key[0], value[0])).collect::<Vec<_>>(), [(1, 1), (2, 4)]);
    }

    #[test]
    fn flags_say_whether_the_key_must_be_there() {
        let mut hash = map(MapKind::Hash, 2);
        assert_eq!(hash.update(&[1, 0, 0, 0], &[1; 12], BPF_EXIST), Err("ENOENT"));
        assert_eq!(hash.update(&[1, 0, 0, 0], &[1; 12], BPF_NOEXIST), Ok(()));
        assert_eq!(hash.update(&[1, 0, 0, 0], &[1; 12], BPF_NOEXIST), Err("EEXIST"));
        assert_eq!(hash.update(&[1, 0, 0, 0], &[1; 12], 4), Err("EINVAL"));
    }

    #[test]
    fn values_stay_where_they_are_when_the_map_grows() {
        let mut hash = map(MapKind::Hash, 100);
        hash.update(&[9, 0, 0, 0], &[9; 12], 0).unwrap();
        let before = hash.lookup(&[9, 0, 0, 0]).unwrap();
        for key in 10..90 {
            hash.update(&[key, 0, 0, 0], &[0; 12], 0).unwrap();
        }
        assert_eq!(hash.lookup(&[9, 0, 0, 0]), Some(before));
        assert_eq!(hash.delete(&[9, 0, 0, 0]), Ok(()));
        assert_eq!(hash.delete(&[9, 0, 0, 0]), Err("ENOENT"));
        assert_eq!(hash.lookup(&[9, 0, 0, 0]), None);
    }

    #[test]
    fn an_array_has_all_its_indices_and_no_others() {
        let mut array = map(MapKind::Array, 2);
        assert_eq!(array.lookup(&[1, 0, 0, 0]), Some(16));
        assert_eq!(array.lookup(&[2, 0, 0, 0]), None);
        assert_eq!(array.update(&[2, 0, 0, 0], &[0; 12], 0), Err("E2BIG"));
        assert_eq!(array.update(&[1, 0, 0, 0], &[0; 12], BPF_NOEXIST), Err("EEXIST"));
        assert_eq!(array.delete(&[1, 0, 0, 0]), Err("EINVAL"));
    }

    #[test]
    fn a_value_ends_before_the_next_begins() {
        let array = map(MapKind::Array, 2);
        assert!(array.values(8, 4).is_some());
        assert!(array.values(8, 8).is_none());
        assert!(array.values(16, 8).is_some());
    }

    #[test]
    fn maps_of_other_kinds_and_sizes_are_refused() {
        let shape = |kind, max_entries| ObjectMap {
            name: "m".into(),
            kind,
            key_size: 4,
            value_size: 8,
            max_entries,
            locked: false,
        };
        assert!(MockMap::new(&shape(28, 1)).is_err());
        assert!(MockMap::new(&shape(1, 0)).is_err());
        assert!(MockMap::new(&shape(1, u32::MAX)).is_err());
        assert!(MockMap::new(&shape(2, 1 << 24)).is_err());
        assert!(MockMap::new(&shape(1, 1 << 24)).is_ok());
    }
}
