//! Drives rbpf from block to block and answers its traps.
//!
//! rbpf's helpers are plain functions without a state of their own, so the state of a run lies in a
//! thread-local while it lasts.

use std::cell::RefCell;

use rbpf::EbpfVmMbuff;
use tcpc_stdlib::helper::helper_by_id;
use tcpc_stdlib::kfunc::Kfunc;

use super::block::{Block, Next, Site, TRAP, atomic};
use super::{Call, Image, Outcome, UNSET, VmError};
use crate::guest::{Memory, Region};
use crate::mock::{HelperResult, World};

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// The state of a run.
struct Run {
    world: World,
    /// The program's r0 to r9.
    registers: [u64; 10],
    /// What the traps of the current block do, and how many were done.
    sites: Vec<Site>,
    done: usize,
    calls: Vec<Call>,
    variables: Vec<u64>,
    unlocked: Option<usize>,
    /// What went wrong, and at which slot. From then on traps do nothing, until the block ends.
    fault: Option<(usize, String)>,
}

impl Image {
    /// Runs the program once on the world's context, with at most this many steps.
    ///
    /// # Errors
    /// The program does something that the kernel would not let it do, or takes too long. What it changed
    /// until then stays changed.
    pub fn run(&self, world: &mut World, steps_max: u64) -> Result<Outcome, VmError> {
        let unset = UNSET as u64;
        let mut registers = [unset; 10];
        registers[1] = Region::Context.address(0);
        let run = Run {
            world: std::mem::take(world),
            registers,
            sites: Vec::new(),
            done: 0,
            calls: Vec::new(),
            variables: Vec::new(),
            unlocked: None,
            fault: None,
        };
        RUN.set(Some(run));
        let mut outcome = Outcome::default();
        let ended = self.blocks_in_turn(&mut outcome, steps_max);
        if let Some(run) = RUN.take() {
            *world = run.world;
            outcome.ret = run.registers[0];
            outcome.calls = run.calls;
            outcome.variables = run.variables;
            outcome.unlocked = run.unlocked;
        }
        ended.map(|()| outcome).map_err(|bad| self.error(bad))
    }

    fn blocks_in_turn(&self, outcome: &mut Outcome, steps_max: u64) -> Result<(), (usize, String)> {
        let mut vm = EbpfVmMbuff::new(None).map_err(broken(0))?;
        vm.register_helper(TRAP, trap).map_err(broken(0))?;
        let mut slot = 0;
        loop {
            let Ok(at) = self.blocks.binary_search_by_key(&slot, |block| block.start) else {
                return Err((slot, "is no beginning of a block".into()));
            };
            let block = &self.blocks[at];
            outcome.steps += block.steps as u64;
            if outcome.steps > steps_max {
                return Err((
                    slot,
                    format!("is reached after {steps_max} steps without an end: an endless loop"),
                ));
            }
            match outcome.trace.last_mut() {
                Some(last) if last.end == block.start => last.end = block.end,
                _ => outcome.trace.push(block.start..block.end),
            }
            vm.set_program(&block.code).map_err(broken(slot))?;
            let taken = vm.execute_program(&[], &enter(block)).map_err(broken(slot))?;
            if let Some(fault) = RUN.with_borrow_mut(|run| run.as_mut().and_then(|run| run.fault.take())) {
                return Err(fault);
            }
            slot = match block.next {
                Next::Exit => return Ok(()),
                Next::Slot(slot) => slot,
                Next::Either(then, _) if taken != 0 => then,
                Next::Either(_, otherwise) => otherwise,
            };
        }
    }
}

/// A refusal of the interpreter's, which [`super::block`] leaves no reason for.
fn broken(slot: usize) -> impl Fn(rbpf::lib::Error) -> (usize, String) {
    move |error| (slot, format!("cannot be interpreted: {error:?}"))
}

/// Makes ready for a block; the register file as bytes.
fn enter(block: &Block) -> Vec<u8> {
    RUN.with_borrow_mut(|run| {
        let run = run.as_mut()?;
        run.sites.clone_from(&block.sites);
        run.done = 0;
        Some(run.registers.iter().flat_map(|register| register.to_le_bytes()).collect())
    })
    .unwrap_or_default()
}

/// The one helper that blocks call.
fn trap(r1: u64, r2: u64, r3: u64, r4: u64, r5: u64) -> u64 {
    RUN.with_borrow_mut(|run| match run.as_mut() {
        Some(run) if run.fault.is_none() => run.trap([r1, r2, r3, r4, r5]),
        _ => 0,
    })
}

impl Run {
    fn trap(&mut self, args: [u64; 5]) -> u64 {
        let Some(site) = self.sites.get(self.done).copied() else { return 0 };
        self.done += 1;
        let [base, value, compared, ..] = args;
        let memory = &mut self.world.memory;
        let at = |off: i16| base.wrapping_add(off as u64);
        let (slot, result) = match site {
            Site::Load { slot, size, off } => {
                if memory.is_variable(at(off)) {
                    self.variables.push(at(off));
                }
                (slot, memory.load(at(off), size.bytes()))
            }
            Site::Store { slot, size, off } => {
                if self.unlocked.is_none() && memory.lacks_lock(at(off)) {
                    self.unlocked = Some(slot);
                }
                (slot, memory.store(at(off), size.bytes(), value).map(|()| 0))
            }
            Site::Atomic { slot, size, off, kind } => {
                (slot, modify(memory, kind, at(off), size.bytes(), value, compared))
            }
            Site::Call { slot, helper } => return self.call(slot, helper, args),
            Site::CallKernel { slot, kfunc } => return self.call_kernel(slot, kfunc, args),
            Site::SaveLow => {
                self.registers[1..=5].copy_from_slice(&args);
                return 0;
            }
            Site::SaveHigh => {
                let [r6, r7, r8, r9, r0] = args;
                self.registers[6..].copy_from_slice(&[r6, r7, r8, r9]);
                self.registers[0] = r0;
                return 0;
            }
        };
        result.unwrap_or_else(|error| {
            self.fault = Some((slot, error.to_string()));
            0
        })
    }

    fn call(&mut self, slot: usize, id: u32, args: [u64; 5]) -> u64 {
        let Some(helper) = helper_by_id(id) else {
            self.fault = Some((slot, format!("calls helper {id}, which sock_ops programs do not have")));
            return 0;
        };
        match self.world.call(helper, args) {
            Ok(HelperResult { value, option }) => {
                self.calls.push(Call { slot, helper: helper.name, result: value, option });
                value
            }
            Err(what) => {
                self.fault = Some((slot, format!("calls `{}`: {what}", helper.name)));
                0
            }
        }
    }

    fn call_kernel(&mut self, slot: usize, kfunc: &'static Kfunc, args: [u64; 5]) -> u64 {
        match self.world.call_kernel(kfunc, args) {
            Ok(value) => {
                self.calls.push(Call { slot, helper: kfunc.name, result: value, option: None });
                value
            }
            Err(what) => {
                self.fault = Some((slot, format!("calls `{}`: {what}", kfunc.name)));
                0
            }
        }
    }
}

/// An atomic operation; gives the old value.
fn modify(
    memory: &mut Memory,
    kind: i32,
    address: u64,
    size: u8,
    value: u64,
    compared: u64,
) -> Result<u64, crate::guest::AccessError> {
    let old = memory.load(address, size)?;
    let mask = if size == 8 { u64::MAX } else { (1 << (8 * u32::from(size))) - 1 };
    let new = match kind & !atomic::FETCH {
        atomic::OR => old | value,
        atomic::AND => old & value,
        atomic::XOR => old ^ value,
        _ if kind == atomic::XCHG => value,
        _ if kind == atomic::CMPXCHG && old != compared & mask => old,
        _ if kind == atomic::CMPXCHG => value,
        _ => old.wrapping_add(value),
    };
    // The kernel refuses atomics on the context, as `write` does and `store` would not.
    memory.write(address, &new.to_le_bytes()[..usize::from(size)])?;
    Ok(old)
}
