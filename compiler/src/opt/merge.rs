//! Makes one of several blocks that do the same and then go to the same place.
//!
//! Blocks are looked at from the end, so that equal tails of any length become one.

use std::collections::HashMap;
use std::fmt::Write;

use cranelift_entity::SecondaryMap;

use tcpc_stdlib::signature::{Signature, signature};

use crate::ir::{Block, Func, InstData, Placed, Terminator, Value};

/// Runs the pass.
pub fn merge(func: &mut Func) {
    let mut same: SecondaryMap<Block, Option<Block>> = SecondaryMap::new();
    let mut known: HashMap<String, Block> = HashMap::new();
    let used_outside = used_outside(func);
    for block in func.reverse_postorder().into_iter().rev() {
        func.blocks[block].terminator.map_targets(|target| same[target].unwrap_or(target));
        let needed = |placed: &Placed| {
            !func.insts[placed.inst].is_immediate()
                && placed.result.is_some_and(|result| used_outside[result])
        };
        let insts = &func.blocks[block].insts;
        if insts.iter().any(needed) || insts.iter().any(|placed| goes_through_param(func, block, placed)) {
            continue;
        }
        match known.entry(describe(func, block)) {
            std::collections::hash_map::Entry::Occupied(first) => same[block] = Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(block);
            }
        }
    }
}

/// Whether an instruction accesses memory through an address that is passed to its block: those that are passed to
/// another block may be of another map, and what is checked holds for accesses to one.
fn goes_through_param(func: &Func, block: Block, placed: &Placed) -> bool {
    match func.insts[placed.inst] {
        InstData::AtomicAdd { addr, .. } | InstData::Load { addr, .. } | InstData::Store { addr, .. } => {
            func.blocks[block].params.contains(&addr)
        }
        // A lock is that of one map.
        InstData::Call { helper, ref args } if signature(helper.id).is_some_and(Signature::locks) => {
            args.iter().any(|arg| func.blocks[block].params.contains(arg))
        }
        _ => false,
    }
}

/// Values that are used in another block than the one that makes them. (For numbers and addresses that means
/// nothing: they are made anew at each use.)
fn used_outside(func: &Func) -> SecondaryMap<Value, bool> {
    let mut home: SecondaryMap<Value, Option<Block>> = SecondaryMap::new();
    let mut outside = SecondaryMap::new();
    for block in func.reverse_postorder() {
        let data = &func.blocks[block];
        for &param in &data.params {
            home[param] = Some(block);
        }
        for placed in &data.insts {
            for value in func.insts[placed.inst].operands() {
                outside[value] = outside[value] || home[value] != Some(block);
            }
            if let Some(result) = placed.result {
                home[result] = Some(block);
            }
        }
        for value in data.terminator.operands() {
            outside[value] = outside[value] || home[value] != Some(block);
        }
    }
    outside
}

/// A block's text with its own values counted from its beginning: equal texts do the same.
fn describe(func: &Func, block: Block) -> String {
    let data = &func.blocks[block];
    let mut names: HashMap<Value, String> = HashMap::new();
    for (at, &param) in data.params.iter().enumerate() {
        names.insert(param, format!("p{at}"));
    }
    let name = |value: Value, names: &HashMap<Value, String>| match (names.get(&value), func.constant(value))
    {
        (_, Some(number)) => format!("#{number}"),
        (Some(name), _) => name.clone(),
        (None, None) => value.to_string(),
    };
    let mut text = format!("{} params;", data.params.len());
    for (at, placed) in data.insts.iter().enumerate() {
        let inst = &func.insts[placed.inst];
        if matches!(inst, InstData::Const(_)) {
            continue;
        }
        let mut shape = inst.clone();
        let operands: Vec<String> = inst.operands().into_iter().map(|value| name(value, &names)).collect();
        shape.map_operands(|_| Value::from_u32(0));
        let _ = write!(text, "{shape:?}({operands:?});");
        if let Some(result) = placed.result {
            names.insert(result, format!("r{at}"));
        }
    }
    let operands: Vec<String> =
        data.terminator.operands().into_iter().map(|value| name(value, &names)).collect();
    let mut shape: Terminator = data.terminator.clone();
    shape.map_operands(|_| Value::from_u32(0));
    let _ = write!(text, "{shape:?}({operands:?})");
    text
}
