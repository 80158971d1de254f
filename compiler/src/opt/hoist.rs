//! Loads a field before a fork when several arms load it, so that no path loads it twice.
//!
//! A load costs one instruction, is allowed wherever its event is certain, and changes nothing; so
//! loading on a path that does not need it is cheaper than loading twice on one that does. Loads are
//! never moved before the dispatch on `op`: other events would pay for them, and some fields must not be
//! touched there. Nor are loads that not every kernel takes: what stands before them may ask whether this one does.

use std::collections::BTreeMap;

use tcpc_stdlib::kernel::KernelVersion;

use super::dom::dominators;
use super::memory::{LoadKey, holds_in, load_key, states};
use crate::ir::{Block, Func, InstData, Placed, Terminator, ValueData};

/// Runs the pass; the loads that it makes superfluous are left to [`super::reuse`].
pub fn hoist(func: &mut Func) {
    let dominators = dominators(func);
    let states = states(func);
    let mut homes: BTreeMap<LoadKey, Vec<(Block, Placed)>> = BTreeMap::new();
    for block in func.reverse_postorder() {
        let mut state = states.at_entry(block);
        for &placed in &func.blocks[block].insts {
            state.pass(func, &placed);
            if let InstData::LoadField { field, word } = func.insts[placed.inst]
                && field.since <= KernelVersion::FLOOR
            {
                homes.entry(load_key(field, word, state)).or_default().push((block, placed));
            }
        }
    }
    for (key, loads) in homes {
        let Some(&(first, placed)) = loads.first() else { continue };
        let mut home = first;
        let mut several = false;
        for &(block, _) in &loads[1..] {
            let common = dominators.common(home, block);
            if dispatches(func, common) {
                continue;
            }
            several |= block != home;
            home = common;
        }
        let holds = holds_in(&key, states.at_exit(home));
        if several && !loads.iter().any(|&(block, _)| block == home) && holds {
            insert(func, home, placed);
        }
    }
}

/// Whether a block, or one before it, decides by the event.
fn dispatches(func: &Func, block: Block) -> bool {
    block == func.entry || matches!(func.blocks[block].terminator, Terminator::Switch { .. })
}

fn insert(func: &mut Func, block: Block, load: Placed) {
    let inst = func.insts.push(func.insts[load.inst].clone());
    let result = func.values.push(ValueData::Result(inst));
    let span = func.blocks[block].span;
    func.blocks[block].insts.push(Placed { inst, result: Some(result), span });
}
