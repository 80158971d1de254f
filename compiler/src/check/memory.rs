//! Loads and stores.

use tcpc_stdlib::kernel::STACK_SIZE;

use super::scalar::Scalar;
use super::state::State;
use super::value::{Pointer, Region, Value};
use super::{Checker, Step, number, read, write};
use crate::bpf::op::ATOMIC_ADD;
use crate::bpf::{Insn, Operand, Size};

/// Bytes of the lock at the beginning of a value.
const LOCK_BYTES: i64 = 4;

impl Checker<'_> {
    /// `dst = *(src + off)`.
    pub fn load(&self, state: &mut State, slot: usize, insn: Insn, size: Size) -> Step {
        let (off, bytes) = (i64::from(insn.off), size.bytes());
        let value = match read(state, insn.src)? {
            Value::Context => super::context::load(state, slot, insn, size)?,
            Value::Struct(of) => super::context::load_member(of, insn, size)?,
            Value::Frame(at) => {
                let at = in_frame(at + off, i64::from(bytes), true)?;
                let value = state.load(at, usize::from(bytes));
                value.ok_or_else(|| format!("frame bytes at {} are read but not all written", below(at)))?
            }
            Value::Memory(pointer) => {
                self.access(pointer, off, i64::from(bytes), i64::from(bytes), false)?;
                Value::Scalar(Scalar::of_bytes(bytes))
            }
            other => return Err(format!("r{} is {}: it cannot be read from", insn.src, other.kind())),
        };
        write(state, insn.dst, value)
    }

    /// `*(dst + off) = value`.
    pub fn store(&self, state: &mut State, insn: Insn, size: Size, value: Operand) -> Step {
        let (off, bytes) = (i64::from(insn.off), i64::from(size.bytes()));
        let stored = match value {
            Operand::Reg(register) => read(state, register)?,
            Operand::Imm(imm) => Value::constant(imm as i64 as u64),
        };
        match read(state, insn.dst)? {
            Value::Context => super::context::store(state, insn, size, value),
            Value::Frame(at) => {
                let at = in_frame(at + off, bytes, true)?;
                if size != Size::DW && !stored.is_number() {
                    return Err(format!("a part of {} is stored", stored.kind()));
                }
                state.store(at, bytes as usize, stored);
                Ok(())
            }
            Value::Memory(pointer) => {
                if !stored.is_number() {
                    return Err(format!("{} is stored where others can read it", stored.kind()));
                }
                self.access(pointer, off, bytes, bytes, true)
            }
            other => Err(format!("r{} is {}: it cannot be written to", insn.dst, other.kind())),
        }
    }

    /// `*(dst + off) += src`, atomically.
    pub fn atomic(&self, state: &State, insn: Insn, size: Size, kind: i32) -> Step {
        let (off, bytes) = (i64::from(insn.off), i64::from(size.bytes()));
        if kind != ATOMIC_ADD {
            return Err("an atomic other than an addition needs kernel 5.12".into());
        }
        number(state, insn.src)?;
        match read(state, insn.dst)? {
            Value::Memory(pointer) => self.access(pointer, off, bytes, bytes, true),
            other => Err(format!("r{} is {}: it cannot be added to atomically", insn.dst, other.kind())),
        }
    }

    /// Checks an access of so many bytes, aligned to a power of two, to a map's value or a data section.
    pub fn access(&self, pointer: Pointer, off: i64, bytes: i64, align: i64, write: bool) -> Step {
        let (name, size, writable) = match pointer.region {
            Region::MapValue(map) => {
                let map = self.object.maps.get(map).ok_or("the map does not exist")?;
                if map.locked && pointer.bounds(off).0 < LOCK_BYTES {
                    return Err(format!("the lock in a value of `{}` is accessed", map.name));
                }
                (&map.name, i64::from(map.value_size), true)
            }
            Region::Data(section) => {
                let section = self.object.data.get(section).ok_or("the data section does not exist")?;
                (&section.name, section.bytes.len() as i64, section.writable)
            }
        };
        let (first, last) = pointer.bounds(off);
        if first < 0 || last + bytes > size {
            return Err(format!("bytes {first} to {} of `{name}`, which has {size}", last + bytes));
        }
        if !pointer.is_aligned(off, align as u64) {
            return Err(format!("an access to `{name}` that is not always aligned to {align} bytes"));
        }
        if write && !writable {
            return Err(format!("`{name}` is read-only"));
        }
        Ok(())
    }
}

/// The place in the frame, from its lowest byte, of an access at an offset from its end.
pub fn in_frame(at: i64, bytes: i64, aligned: bool) -> Step<usize> {
    let size = STACK_SIZE as i64;
    if at < -size || at + bytes > 0 {
        return Err(format!("{bytes} bytes at {at} leave the frame of {size} bytes"));
    }
    if aligned && at.rem_euclid(bytes) != 0 {
        return Err(format!("{bytes} bytes at {at} of the frame are not aligned"));
    }
    Ok((at + size) as usize)
}

/// An offset from the end of the frame, for people.
fn below(at: usize) -> i64 {
    at as i64 - STACK_SIZE as i64
}
