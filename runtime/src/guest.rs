//! The memory that a program can reach, at addresses of our own making.
//!
//! ```text
//! 63      56      32                 0
//! │ kind  │ index │ ORIGIN + offset  │      0 is no memory at all
//! ```
//!
//! An address is never a pointer of the host: a program that reaches outside gets an
//! [`AccessError`], whatever it does. The rules are those of the kernel's verifier: the context by
//! whole fields, the structures that it leads to by the members that the catalogue has, constants read-only, a
//! map's value only within itself.

use std::fmt;

use tcpc_stdlib::field::{Field, Struct, field_at, member_at};
use tcpc_stdlib::kernel::{REPLY_OFFSET, STACK_SIZE};
use tcpc_stdlib::manifest::state::VARIABLE_SECTION;

use crate::mock::maps::MockMap;

/// What the stack holds before the program writes to it: easy to recognise, and no useful value.
const UNWRITTEN: u8 = 0xa5;

/// Where a region begins in its part of the address space, so that what lies before it is no other region.
const ORIGIN: u32 = 1 << 31;

/// All memory of a program.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The context, as the event's socket fills it in.
    pub context: Vec<u8>,
    /// `struct bpf_sock`, likewise; a program finds its address in the context.
    pub sock: Vec<u8>,
    /// `struct bpf_tcp_sock`, likewise; a helper gives its address.
    pub tcp_sock: Vec<u8>,
    /// Whether the program wrote its answer.
    pub reply_written: bool,
    /// Kernel names of context fields whose load would leave the kernel's object in this event.
    pub dangerous: Vec<&'static str>,
    /// Data sections.
    pub data: Vec<Data>,
    /// Maps.
    pub maps: Vec<MockMap>,
    /// The address of the lock that the program holds.
    pub locked: Option<u64>,
    stack: Vec<u8>,
}

/// A data section.
#[derive(Clone, Debug)]
pub struct Data {
    /// Its name, for errors.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether the program may write it.
    pub writable: bool,
}

/// A place that an address can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// The context.
    Context,
    /// A structure that the context leads to; never [`Struct::SockOps`].
    Struct(Struct),
    /// The stack; its end is the frame pointer.
    Stack,
    /// A data section.
    Data(u32),
    /// A map itself, as helpers take it: no memory.
    Map(u32),
    /// The values of a map.
    Values(u32),
    /// The kernel's own context, as kernel functions take it: no memory.
    KernelContext,
}

/// A memory access that a program must not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError(String);

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Region {
    /// The address at `offset`.
    pub fn address(self, offset: u32) -> u64 {
        let (kind, index) = match self {
            Region::Context => (1, 0),
            Region::Stack => (2, 0),
            Region::Data(index) => (3, index),
            Region::Map(index) => (4, index),
            Region::Values(index) => (5, index),
            Region::Struct(of) => (6, of as u32),
            Region::KernelContext => (7, 0),
        };
        (kind << 56) | (u64::from(index) << 32) | u64::from(ORIGIN.wrapping_add(offset))
    }

    /// What an address names; the offset of an address before the region is a negative number's.
    pub fn of(address: u64) -> Option<(Region, u32)> {
        let index = (address >> 32) as u32 & 0x00ff_ffff;
        let region = match (address >> 56, index) {
            (1, 0) => Region::Context,
            (2, 0) => Region::Stack,
            (3, _) => Region::Data(index),
            (4, _) => Region::Map(index),
            (5, _) => Region::Values(index),
            (6, _) => {
                Region::Struct([Struct::Sock, Struct::TcpSock].into_iter().find(|of| *of as u32 == index)?)
            }
            (7, 0) => Region::KernelContext,
            _ => return None,
        };
        Some((region, (address as u32).wrapping_sub(ORIGIN)))
    }
}

/// The frame pointer: one past the last byte of the stack.
pub fn frame_pointer() -> u64 {
    Region::Stack.address(STACK_SIZE as u32)
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new(Vec::new(), Vec::new())
    }
}

impl Memory {
    /// Memory with these sections and maps and an empty context.
    pub fn new(data: Vec<Data>, maps: Vec<MockMap>) -> Memory {
        Memory {
            context: vec![0; Struct::SockOps.size()],
            sock: vec![0; Struct::Sock.size()],
            tcp_sock: vec![0; Struct::TcpSock.size()],
            reply_written: false,
            dangerous: Vec::new(),
            data,
            maps,
            locked: None,
            stack: vec![UNWRITTEN; STACK_SIZE],
        }
    }

    /// Makes ready for a run: the event's context, a stack without anything on it.
    pub fn begin(&mut self, context: Vec<u8>, dangerous: Vec<&'static str>) {
        self.context = context;
        self.dangerous = dangerous;
        self.reply_written = false;
        self.locked = None;
        self.stack.fill(UNWRITTEN);
    }

    /// What a load instruction reads, zero-extended.
    ///
    /// # Errors
    /// The bytes are not there, or are no field of the context.
    pub fn load(&self, address: u64, size: u8) -> Result<u64, AccessError> {
        let bytes = match Region::of(address) {
            Some((Region::Context, offset)) => {
                let field = check_context(offset, size, false)?;
                if self.dangerous.contains(&field.kernel) {
                    return Err(AccessError(format!(
                        "reads `{}` on a request socket, where the kernel reads past the socket's end",
                        field.kernel
                    )));
                }
                slice(&self.context, offset, size.into())
            }
            Some((Region::Struct(of), offset)) => {
                check_member(of, offset, size)?;
                slice(if of == Struct::Sock { &self.sock } else { &self.tcp_sock }, offset, size.into())
            }
            _ => Some(self.bytes(address, size.into())?),
        };
        let bytes = bytes.ok_or_else(|| outside("reads", size.into(), address))?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte)))
    }

    /// What a store instruction writes: the lowest `size` bytes of `value`.
    ///
    /// # Errors
    /// The bytes are not there, or may not be written.
    pub fn store(&mut self, address: u64, size: u8, value: u64) -> Result<(), AccessError> {
        let bytes = value.to_le_bytes();
        let bytes = bytes.get(..size.into()).unwrap_or(&bytes);
        let Some((Region::Context, offset)) = Region::of(address) else {
            return self.write(address, bytes);
        };
        check_context(offset, size, true)?;
        self.reply_written |= offset == u32::from(REPLY_OFFSET);
        copy(&mut self.context, offset, bytes).ok_or_else(|| outside("writes", size.into(), address))
    }

    /// Whether this is the address of a number that an operator changes.
    pub fn is_variable(&self, address: u64) -> bool {
        match Region::of(address) {
            Some((Region::Data(index), _)) => {
                self.data.get(index as usize).is_some_and(|data| data.name == VARIABLE_SECTION)
            }
            _ => false,
        }
    }

    /// Whether this is in a row that has a lock, and none is held.
    pub fn lacks_lock(&self, address: u64) -> bool {
        match Region::of(address) {
            Some((Region::Values(index), _)) => {
                self.locked.is_none() && self.maps.get(index as usize).is_some_and(MockMap::has_locks)
            }
            _ => false,
        }
    }

    /// Bytes that a helper reads. Helpers take no part of the context.
    ///
    /// # Errors
    /// The bytes are not there.
    pub fn bytes(&self, address: u64, length: u32) -> Result<&[u8], AccessError> {
        let found = match Region::of(address) {
            Some((Region::Stack, offset)) => slice(&self.stack, offset, length),
            Some((Region::Data(index), offset)) => {
                self.data.get(index as usize).and_then(|data| slice(&data.bytes, offset, length))
            }
            Some((Region::Values(index), offset)) => self
                .maps
                .get(index as usize)
                .and_then(|map| slice(map.values(offset, length)?, offset, length)),
            _ => None,
        };
        found.ok_or_else(|| outside("reads", length, address))
    }

    /// Bytes that a helper writes.
    ///
    /// # Errors
    /// The bytes are not there, or are constants.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), AccessError> {
        let length = bytes.len() as u32;
        let written = match Region::of(address) {
            Some((Region::Stack, offset)) => copy(&mut self.stack, offset, bytes),
            Some((Region::Data(index), offset)) => match self.data.get_mut(index as usize) {
                Some(data) if !data.writable => {
                    return Err(AccessError(format!("writes to `{}`, which is read-only", data.name)));
                }
                Some(data) => copy(&mut data.bytes, offset, bytes),
                None => None,
            },
            Some((Region::Values(index), offset)) => self
                .maps
                .get_mut(index as usize)
                .and_then(|map| copy(map.values_mut(offset, length)?, offset, bytes)),
            _ => None,
        };
        written.ok_or_else(|| outside("writes", length, address))
    }

    /// The map that a helper is given.
    ///
    /// # Errors
    /// The address is not that of a map.
    pub fn map(&mut self, address: u64) -> Result<(u32, &mut MockMap), AccessError> {
        let found = match Region::of(address) {
            Some((Region::Map(index), 0)) => self.maps.get_mut(index as usize).map(|map| (index, map)),
            _ => None,
        };
        found.ok_or_else(|| AccessError(format!("{address:#x} is no map")))
    }
}

/// The verifier takes whole fields only, and writes only to `reply` and fields marked writable; the
/// flags of a segment may be read in parts.
fn check_context(offset: u32, size: u8, write: bool) -> Result<&'static Field, AccessError> {
    let found = u16::try_from(offset).ok().and_then(field_at);
    if let Some((field, word)) = found {
        let narrow = field.kernel == "skb_tcp_flags" && size < field.size && !write;
        if (field.size == size || narrow) && (!write || (field.writable && word == 0)) {
            return Ok(field);
        }
    }
    let verb = if write { "writes" } else { "reads" };
    Err(AccessError(match found {
        Some((field, _)) if write && field.size == size => {
            format!("writes `{}` of the context, which is read-only", field.kernel)
        }
        _ => format!("{verb} {size} bytes at offset {} of the context: no field is there", offset as i32),
    }))
}

/// Of a structure that the context leads to, the members that policies have use for are read whole.
fn check_member(of: Struct, offset: u32, size: u8) -> Result<(), AccessError> {
    let found = u16::try_from(offset).ok().and_then(|offset| member_at(of, offset));
    match found.is_some_and(|(field, _)| field.size == size) {
        true => Ok(()),
        false => Err(AccessError(format!(
            "reads {size} bytes at offset {} of `struct {}`: no member that is known is there",
            offset as i32,
            of.kernel()
        ))),
    }
}

fn slice(bytes: &[u8], offset: u32, length: u32) -> Option<&[u8]> {
    bytes.get(offset as usize..)?.get(..length as usize)
}

fn copy(bytes: &mut [u8], offset: u32, from: &[u8]) -> Option<()> {
    bytes.get_mut(offset as usize..)?.get_mut(..from.len())?.copy_from_slice(from);
    Some(())
}

fn outside(verb: &str, length: u32, address: u64) -> AccessError {
    let place = match Region::of(address) {
        Some((Region::Context, _)) => "through the context, which only loads and stores reach".to_string(),
        Some((Region::Struct(of), _)) => {
            format!("through `struct {}`, of which only loads reach the members", of.kernel())
        }
        Some((Region::Stack, offset)) => {
            let from_top = i64::from(offset as i32) - STACK_SIZE as i64;
            format!("at r10{from_top:+}, outside the stack of {STACK_SIZE} bytes")
        }
        Some((Region::Data(_), offset)) => format!("at offset {}, outside the data section", offset as i32),
        Some((Region::Map(_), _)) => "through the address of a map instead of a value's".to_string(),
        Some((Region::Values(_), offset)) => {
            format!("at offset {}, outside a value of the map", offset as i32)
        }
        Some((Region::KernelContext, _)) => "through the kernel's own context".to_string(),
        None if address < 1 << 16 => format!("through a null pointer ({address:#x})"),
        None => format!("at {address:#x}, which is no memory of the program"),
    };
    AccessError(format!("{verb} {length} bytes {place}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tcpc_stdlib::kernel::CONTEXT_SIZE;

    fn memory() -> Memory {
        let data = |name: &str, writable| Data { name: name.into(), bytes: vec![0; 16], writable };
        Memory::new(vec![data(".rodata", false), data(".bss", true)], Vec::new())
    }

    #[test]
    fn addresses_name_their_region() {
        let structures = [Region::Struct(Struct::Sock), Region::Struct(Struct::TcpSock)];
        let others = [Region::Context, Region::Stack, Region::Data(3), Region::Map(7), Region::Values(9)];
        for region in others.into_iter().chain(structures) {
            assert_eq!(Region::of(region.address(12)), Some((region, 12)));
        }
        assert_eq!(Region::of(6 << 56), None);
        assert_eq!(Region::of(0), None);
    }

    #[test]
    fn an_access_over_the_end_is_refused_though_it_begins_inside() {
        let memory = memory();
        assert_eq!(memory.load(Region::Data(0).address(8), 8), Ok(0));
        let error = memory.load(Region::Data(0).address(12), 8).unwrap_err();
        assert_eq!(error.to_string(), "reads 8 bytes at offset 12, outside the data section");
    }

    #[test]
    fn the_stack_is_512_bytes() {
        let mut memory = memory();
        let top = frame_pointer();
        assert_eq!(memory.store(top - 512, 8, 1), Ok(()));
        assert_eq!(memory.load(top - 512, 8), Ok(1));
        let error = memory.store(top - 520, 8, 1).unwrap_err();
        assert_eq!(error.to_string(), "writes 8 bytes at r10-520, outside the stack of 512 bytes");
        assert!(memory.store(top - 4, 8, 1).is_err());
    }

    #[test]
    fn constants_are_read_only() {
        let mut memory = memory();
        let error = memory.store(Region::Data(0).address(0), 4, 1).unwrap_err();
        assert_eq!(error.to_string(), "writes to `.rodata`, which is read-only");
        assert_eq!(memory.store(Region::Data(1).address(0), 4, 1), Ok(()));
    }

    #[test]
    fn the_context_is_read_by_whole_fields() {
        let memory = memory();
        assert!(memory.load(Region::Context.address(20), 4).is_ok());
        assert!(memory.load(Region::Context.address(168), 8).is_ok());
        assert!(memory.load(Region::Context.address(20), 2).is_err());
        assert!(memory.load(Region::Context.address(20), 8).is_err());
        assert!(memory.load(Region::Context.address(21), 4).is_err());
        assert!(memory.load(Region::Context.address(224), 4).is_err());
        // The one field with narrow loads.
        assert!(memory.load(Region::Context.address(212), 1).is_ok());
    }

    #[test]
    fn only_the_reply_and_the_hash_of_the_context_are_written() {
        let mut memory = memory();
        assert!(memory.store(Region::Context.address(4), 4, 7).is_ok());
        assert!(memory.reply_written);
        assert!(memory.store(Region::Context.address(164), 4, 7).is_ok());
        assert!(memory.store(Region::Context.address(8), 4, 7).is_err());
        let error = memory.store(Region::Context.address(76), 4, 7).unwrap_err();
        assert_eq!(error.to_string(), "writes `snd_cwnd` of the context, which is read-only");
    }

    #[test]
    fn structures_of_the_socket_are_read_by_known_members_and_never_written() {
        let mut memory = memory();
        memory.tcp_sock[100] = 7;
        let tcp_sock = Region::Struct(Struct::TcpSock);
        assert_eq!(memory.load(tcp_sock.address(100), 4), Ok(7));
        assert!(memory.load(tcp_sock.address(100), 8).is_err());
        assert!(memory.load(tcp_sock.address(102), 4).is_err());
        // `rtt_min`, which is read through the context.
        let error = memory.load(tcp_sock.address(8), 4).unwrap_err().to_string();
        assert_eq!(
            error,
            "reads 4 bytes at offset 8 of `struct bpf_tcp_sock`: no member that is known is there"
        );
        assert!(memory.load(tcp_sock.address(112), 4).is_err());
        let error = memory.store(Region::Struct(Struct::Sock).address(0), 4, 1).unwrap_err().to_string();
        assert_eq!(error, "writes 4 bytes through `struct bpf_sock`, of which only loads reach the members");
        assert!(memory.bytes(tcp_sock.address(100), 4).is_err());
    }

    #[test]
    fn a_dangerous_field_is_refused() {
        let mut memory = memory();
        assert!(memory.load(Region::Context.address(92), 4).is_ok());
        memory.begin(vec![0; CONTEXT_SIZE], vec!["rtt_min"]);
        let error = memory.load(Region::Context.address(92), 4).unwrap_err();
        assert!(error.to_string().starts_with("reads `rtt_min` on a request socket"), "{error}");
    }

    #[test]
    fn null_pointers_are_called_by_name() {
        let error = memory().load(8, 4).unwrap_err();
        assert_eq!(error.to_string(), "reads 4 bytes through a null pointer (0x8)");
    }
}
