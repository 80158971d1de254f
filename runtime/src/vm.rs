//! Runs the bytecode of an object, whatever it is, on rbpf's interpreter.
//!
//! ```text
//! ObjectFile ── Image::new ──▶ blocks, data, maps ── run ──▶ Outcome, or VmError
//!                                   ▲ World: mock kernel, socket, memory
//! ```
//!
//! A program is cut into blocks without loops ([`block`]); between two of them the budget of steps
//! is looked at, and within one every memory access and every helper call is a trap back to
//! [`engine`]. So no program can hang the host, reach its memory, or make it panic.

mod block;
mod engine;

use std::fmt;
use std::ops::Range;

use tcpc_compiler::bpf::{Insn, Op, insn};
use tcpc_compiler::object::{ObjectFile, ResolvedTarget};
use tcpc_stdlib::kfunc::{KFUNCS, Kfunc};
use tcpc_stdlib::option::SockOption;

use crate::guest::{Data, Memory, Region};
use crate::mock::maps::MockMap;
use block::Block;

/// Instructions that a run may take unless the caller says otherwise: what the verifier looks at, at
/// most.
pub const STEPS_MAX: u64 = 1_000_000;
/// What registers hold that the kernel leaves undefined.
pub const UNSET: i32 = 0x5eed_0bad;
/// The most bytes that all arrays of an object may take together.
const MAPS_BYTES_MAX: u64 = 256 << 20;

/// A program that is ready to run, with the data and the maps that it starts with.
#[derive(Clone, Debug)]
pub struct Image {
    blocks: Vec<Block>,
    data: Vec<Data>,
    maps: Vec<MockMap>,
    /// First slots with their files and lines.
    lines: Vec<(usize, (String, u32))>,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The program's return value.
    pub ret: u64,
    /// Instructions executed.
    pub steps: u64,
    /// Slots executed, in order, as runs of slots that followed one another.
    pub trace: Vec<Range<usize>>,
    /// Helpers and kernel functions called, in order.
    pub calls: Vec<Call>,
    /// Addresses of numbers that an operator changes (`.data`), each as often as it was loaded.
    pub variables: Vec<u64>,
    /// The first slot that stored to a row with a lock which was not held.
    pub unlocked: Option<usize>,
}

/// A call of a helper or of a kernel function.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The slot of the call.
    pub slot: usize,
    /// The name of what is called.
    pub helper: &'static str,
    /// What it returned.
    pub result: u64,
    /// The socket option that it set or read, and its bytes.
    pub option: Option<(&'static SockOption, Vec<u8>)>,
}

/// Why a program could not be run, or did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmError {
    /// The slot at fault.
    pub slot: Option<usize>,
    /// The policy's file and line, if the object says them.
    pub line: Option<(String, u32)>,
    /// What is wrong with it, with the slot as the subject.
    pub what: String,
}

impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(slot) = self.slot {
            write!(f, "slot {slot}")?;
        }
        if let Some((file, line)) = &self.line {
            write!(f, " (line {line} of `{file}`)")?;
        }
        let colon = if self.slot.is_some() { ": " } else { "" };
        write!(f, "{colon}{}", self.what)
    }
}

impl std::error::Error for VmError {}

impl Image {
    /// Checks a program, gives its addresses their values and makes it ready.
    ///
    /// # Errors
    /// The program is not one that the kernel could take, or uses maps that the mock kernel does not have.
    pub fn new(object: &ObjectFile) -> Result<Image, VmError> {
        let plain = |what| VmError { slot: None, line: None, what };
        let mut image = Image {
            blocks: Vec::new(),
            data: object
                .data
                .iter()
                .map(|section| Data {
                    name: section.name.clone(),
                    bytes: section.bytes.clone(),
                    writable: section.writable,
                })
                .collect(),
            maps: Vec::new(),
            lines: object.lines.iter().map(|line| (line.slot, (line.file.clone(), line.line))).collect(),
        };
        let arrays: u64 = object.maps.iter().filter(|map| MockMap::is_array(map.kind)).map(map_bytes).sum();
        if arrays > MAPS_BYTES_MAX {
            return Err(plain(format!("the maps take {arrays} bytes, more than the mock kernel gives")));
        }
        image.maps = object.maps.iter().map(MockMap::new).collect::<Result<_, _>>().map_err(plain)?;
        let code = relocated(object).map_err(|bad| image.error(bad))?;
        image.blocks = block::blocks(&code).map_err(|bad| image.error(bad))?;
        Ok(image)
    }

    /// The memory that a program starts with: data as in the object, maps empty.
    pub fn memory(&self) -> Memory {
        Memory::new(self.data.clone(), self.maps.clone())
    }

    fn error(&self, (slot, what): (usize, String)) -> VmError {
        let at = self.lines.partition_point(|(first, _)| *first <= slot);
        let line = self.lines.get(at.wrapping_sub(1)).map(|(_, place)| place.clone());
        VmError { slot: Some(slot), line, what }
    }
}

fn map_bytes(map: &tcpc_compiler::object::ObjectMap) -> u64 {
    u64::from(map.value_size).next_multiple_of(8) * u64::from(map.max_entries)
}

/// The program with guest addresses in the loads that a loader fills in, and the catalogue's numbers in the calls.
fn relocated(object: &ObjectFile) -> Result<Vec<Insn>, block::BadCode> {
    let mut code = object.code.clone();
    if let Some(slot) = code.iter().position(|insn| matches!(insn.op(), Op::CallKernel(_))) {
        return Err((slot, "calls a kernel function by a number of some kernel".into()));
    }
    for relocation in &object.relocations {
        let slot = relocation.slot;
        let address = match relocation.target {
            ResolvedTarget::Map(index) => Region::Map(index as u32).address(0),
            ResolvedTarget::Data(index, offset) => Region::Data(index as u32).address(offset),
            ResolvedTarget::Kfunc(kfunc) => {
                *call_at(&mut code, slot)? = insn::call_kernel(number(kfunc));
                continue;
            }
        };
        let [lower, upper] = match code.get_mut(slot..slot.saturating_add(2)) {
            Some([lower, upper]) if matches!(lower.op(), Op::LoadImm64(_)) => [lower, upper],
            _ => return Err((slot, "is no load that an address could be filled in".into())),
        };
        lower.src = 0;
        lower.imm = address as u32 as i32;
        upper.imm = (address >> 32) as u32 as i32;
    }
    Ok(code)
}

/// The call at a slot.
fn call_at(code: &mut [Insn], slot: usize) -> Result<&mut Insn, block::BadCode> {
    let call = code.get_mut(slot).filter(|insn| insn.op() == Op::CallLocal);
    call.ok_or((slot, "is no call that could leave the object".into()))
}

/// What stands for the number that a kernel function has in the type information of a real kernel.
fn number(kfunc: &Kfunc) -> i32 {
    KFUNCS.iter().position(|row| row == kfunc).map_or(-1, |at| at as i32)
}

#[cfg(test)]
mod tests;
