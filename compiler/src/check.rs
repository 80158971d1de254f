//! The independent checker: re-derives the rules of the kernel's verifier, and some of our own, on the
//! final bytes of a program. It shares no code with lowering or register allocation, so that a bug there
//! is a failing test and not a refusal by somebody's kernel.
//!
//! An abstract interpreter walks the slots once, in order: jumps only go forward, so all paths to a slot
//! have been seen when it is reached, and what is known on each is joined there. Time is linear in the size
//! of the program, where the kernel's verifier follows every path.
//!
//! It concludes no more than a kernel since 5.10 does, so what passes here is accepted there; it refuses some
//! programs that kernels accept.
//!
//! What is checked:
//! - **Flow.** Every slot is a known operation and can be reached; jumps go forward, to an instruction; the
//!   program does not run off its end; at most as many slots as the kernel takes; no calls of other functions.
//! - **Registers.** Written before they are read; r10 is never written; r1 to r5 are gone after a call.
//! - **Numbers.** No division by a constant 0, no shift by the width or more.
//! - **Addresses.** Only sums and differences with numbers, on 64 bits; accesses aligned and within the frame,
//!   the value of a map, or a data section; pointers that may be NULL are compared with 0 first; read-only
//!   data is not written; frame bytes are written before they are read.
//! - **Context.** Never moved by an offset; loads and stores at a member's offset with its exact width;
//!   stores from a register, to `reply` and writable members only; guarded members never into the register
//!   that holds the context.
//! - **Structures** behind the context's `sk`, and what a helper makes of it: members are read with their exact
//!   width, and only those of the catalogue; nothing is written, and the pointers stay in registers and the frame.
//! - **Events**, learnt from compares of `op`: `reply` is written only where the event has a reply; members that
//!   can be wild are read, and options that can harm are set, only in events where they cannot.
//! - **Helpers.** Only with known signatures, and arguments that fit them.
//! - **Locks.** Taken and given back on every path, one at a time; nothing is called while one is held, and its bytes are
//!   not touched.
//! - **Kernel functions.** The same, and only in events where they do something.
//! - **Result.** Always 1: anything else cancels the replies of every program on the cgroup.

mod alu;
mod branch;
mod call;
mod context;
mod events;
mod flow;
mod kfunc;
mod memory;
mod scalar;
mod state;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use tcpc_stdlib::kernel::RETURN_OK;

use self::scalar::Scalar;
use self::state::{Lock, State};
use self::value::{Region, Value};
use crate::bpf::op::FRAME;
use crate::bpf::{Insn, Op, Operand};
use crate::object::{ObjectFile, ResolvedTarget};

/// A rule that a program breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckError {
    /// The slot that breaks it.
    pub slot: usize,
    /// How.
    pub message: String,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}: {}", self.slot, self.message)
    }
}

impl std::error::Error for CheckError {}

/// Checks the program of an object.
///
/// # Errors
/// The first rule that it breaks, in the order of its slots; flow comes first.
pub fn check(object: &ObjectFile) -> Result<(), CheckError> {
    let targets: BTreeMap<usize, &ResolvedTarget> =
        object.relocations.iter().map(|relocation| (relocation.slot, &relocation.target)).collect();
    flow::check(&object.code, |slot| matches!(targets.get(&slot), Some(ResolvedTarget::Kfunc(_))))?;
    let mut checker = Checker { object, targets, pending: BTreeMap::from([(0, State::entry())]) };
    // Slots without a pending state are on no path that can be taken, or second halves of loads.
    while let Some((slot, state)) = checker.pending.pop_first() {
        checker.step(slot, state).map_err(|message| CheckError { slot, message })?;
    }
    Ok(())
}

/// A step's refusal, without its slot.
type Step<T = ()> = Result<T, String>;

struct Checker<'a> {
    object: &'a ObjectFile,
    targets: BTreeMap<usize, &'a ResolvedTarget>,
    /// What is known before slots that are still to be checked.
    pending: BTreeMap<usize, State>,
}

impl Checker<'_> {
    /// Checks one instruction and passes on what is known after it.
    fn step(&mut self, slot: usize, mut state: State) -> Step {
        let insn = self.object.code.get(slot).copied().unwrap_or_default();
        if state.lock == Lock::Unclear {
            return Err("a lock is held on some paths only".into());
        }
        match insn.op() {
            Op::Alu { wide, op, src } => alu::alu(&mut state, insn.dst, wide, op, src)?,
            Op::Swap { .. } => alu::swap(&mut state, insn.dst)?,
            Op::Load(size) => self.load(&mut state, slot, insn, size)?,
            Op::Store(size, value) => self.store(&mut state, insn, size, value)?,
            Op::Atomic(size, kind) => self.atomic(&state, insn, size, kind)?,
            Op::LoadImm64(source) => {
                let value = self.immediate(slot, insn, source)?;
                write(&mut state, insn.dst, value)?;
                self.flow(slot + 2, state);
                return Ok(());
            }
            Op::Jump { wide, op, src } => {
                let target = flow::target(slot, insn);
                let (taken, passed) = branch::branch(&state, insn.dst, wide, op, src)?;
                taken.into_iter().for_each(|state| self.flow(target, state));
                passed.into_iter().for_each(|state| self.flow(slot + 1, state));
                return Ok(());
            }
            Op::Goto => {
                self.flow(flow::target(slot, insn), state);
                return Ok(());
            }
            Op::Call(helper) => self.call(&mut state, slot, helper)?,
            Op::CallLocal if state.lock != Lock::Free => return Err("a call while a lock is held".into()),
            Op::CallLocal => self.call_kernel(&mut state, slot)?,
            Op::Exit if state.lock != Lock::Free => return Err("the program ends with a lock held".into()),
            Op::Exit => return exit(&state),
            Op::Upper | Op::CallKernel(_) | Op::Unknown => return Err(format!("`{insn}` is not allowed")),
        }
        self.flow(slot + 1, state);
        Ok(())
    }

    /// Joins what is known with what other paths to the slot know.
    fn flow(&mut self, slot: usize, state: State) {
        let joined = match self.pending.remove(&slot) {
            Some(other) => state.join(&other, slot),
            None => state,
        };
        self.pending.insert(slot, joined);
    }

    /// What a 64-bit load loads: a number or the address that its relocation names.
    fn immediate(&self, slot: usize, insn: Insn, source: u8) -> Step<Value> {
        if source != crate::bpf::op::pseudo::NONE {
            return Err("the load has a pseudo source before any loader saw it".into());
        }
        match self.targets.get(&slot) {
            Some(ResolvedTarget::Map(map)) => Ok(Value::Map(*map)),
            Some(ResolvedTarget::Data(section, at)) => {
                Ok(Value::memory(Region::Data(*section), i64::from(*at)))
            }
            Some(ResolvedTarget::Kfunc(_)) => Err("the load has the relocation of a call".into()),
            None => {
                let upper = self.object.code.get(slot + 1).map_or(0, |upper| upper.imm as u32);
                Ok(Value::constant(u64::from(upper) << 32 | u64::from(insn.imm as u32)))
            }
        }
    }
}

/// The value of a register, which must have been written.
fn read(state: &State, register: u8) -> Step<Value> {
    match state.registers.get(usize::from(register)) {
        Some(Value::Nothing) | None => Err(format!("r{register} is read but not written on every path")),
        Some(value) => Ok(*value),
    }
}

/// The number in a register.
fn number(state: &State, register: u8) -> Step<Scalar> {
    let value = read(state, register)?;
    state.number(value).ok_or_else(|| format!("r{register} is {}, not a number", value.kind()))
}

/// The number of a second operand, its sign extended to 64 bits.
fn operand(state: &State, operand: Operand) -> Step<Scalar> {
    match operand {
        Operand::Reg(register) => number(state, register),
        Operand::Imm(imm) => Ok(Scalar::constant(imm as i64 as u64)),
    }
}

fn write(state: &mut State, register: u8, value: Value) -> Step {
    match state.registers.get_mut(usize::from(register)) {
        Some(place) if register != FRAME => {
            *place = value;
            Ok(())
        }
        _ => Err(format!("r{register} is read-only")),
    }
}

/// The kernel takes 0 and 1; 0 would cancel the replies of all programs on the cgroup.
fn exit(state: &State) -> Step {
    let result = number(state, 0)?;
    match result.known() {
        Some(known) if known == RETURN_OK as u64 => Ok(()),
        Some(known) => Err(format!("the program ends with r0 = {known}, not {RETURN_OK}")),
        None => Err(format!("the program ends with an r0 that is not always {RETURN_OK}")),
    }
}
