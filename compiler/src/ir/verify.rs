//! What makes IR well-formed. Checked after each pass in debug builds and in every test:
//!
//! - the entry block has no parameters and no predecessors, and no edge leads backwards;
//! - an edge passes as many values as its target has parameters; targets of a switch have none;
//! - every value is made once, and every use is dominated by what makes it (numbers and addresses aside:
//!   they are made anew at each use);
//! - an instruction stands in at most one place, and has a result exactly if its kind makes one;
//! - field words exist and are the context's, members are those of other structures, written fields are writable, slot accesses lie within their slot;
//! - the cases of a switch ascend; a table search has as many key words as its table.

use std::collections::HashSet;

use cranelift_entity::{EntityRef, SecondaryMap};

use tcpc_stdlib::field::Struct;

use super::{Block, Func, InstData, Terminator, Value};

/// Checks a function; the error says what is wrong, for the compiler's authors.
///
/// # Errors
/// The first rule that is broken.
pub fn verify(func: &Func) -> Result<(), String> {
    let order = func.reverse_postorder();
    let mut position = SecondaryMap::with_default(usize::MAX);
    for (at, &block) in order.iter().enumerate() {
        position[block] = at;
    }
    let mut placed = HashSet::new();
    let mut made: SecondaryMap<Value, Option<(Block, usize)>> = SecondaryMap::new();
    for &block in &order {
        for &param in &func.blocks[block].params {
            define(&mut made, param, block, 0)?;
        }
        for (at, one) in func.blocks[block].insts.iter().enumerate() {
            if !placed.insert(one.inst) {
                return Err(format!("{} stands in two places", one.inst));
            }
            if func.insts[one.inst].has_result() != one.result.is_some() {
                return Err(format!("{} in {block} has no result or one too many", one.inst));
            }
            if let Some(result) = one.result {
                define(&mut made, result, block, at + 1)?;
            }
            check_inst(func, &func.insts[one.inst])
                .map_err(|what| format!("{} in {block}: {what}", one.inst))?;
        }
        check_edges(func, block, &position)?;
    }
    if !func.blocks[func.entry].params.is_empty() {
        return Err("the entry block has parameters".into());
    }
    check_uses(func, &order, &position, &made)
}

fn define(
    made: &mut SecondaryMap<Value, Option<(Block, usize)>>,
    value: Value,
    block: Block,
    at: usize,
) -> Result<(), String> {
    match made[value].replace((block, at)) {
        Some(_) => Err(format!("{value} is made twice")),
        None => Ok(()),
    }
}

fn check_inst(func: &Func, inst: &InstData) -> Result<(), String> {
    match inst {
        InstData::LoadField { field, word } if *word >= field.words || field.of != Struct::SockOps => {
            Err("no such word in the context".into())
        }
        InstData::LoadMember { field, .. } if field.words > 1 || field.of == Struct::SockOps => {
            Err("no such member behind a pointer".into())
        }
        InstData::StoreField { field, word, .. } if *word >= field.words || !field.writable => {
            Err("the field cannot be written".into())
        }
        InstData::LoadSlot { size, slot, offset } | InstData::StoreSlot { size, slot, offset, .. }
            if u32::from(*offset) + size.bytes() > func.slots[*slot] =>
        {
            Err("the access leaves its slot".into())
        }
        InstData::Call { args, .. } | InstData::CallKernel { args, .. } if args.len() > 5 => {
            Err("too many arguments".into())
        }
        InstData::LookUp { key, widths, slot, .. }
            if key.len() != widths.len()
                || widths.iter().map(|width| width.bytes()).sum::<u32>() > func.slots[*slot] =>
        {
            Err("the key does not fit into its slot".into())
        }
        InstData::TableFind { table, key } if key.len() != usize::from(func.tables[*table].words) => {
            Err("the key has another shape than the table".into())
        }
        _ => Ok(()),
    }
}

fn check_edges(func: &Func, block: Block, position: &SecondaryMap<Block, usize>) -> Result<(), String> {
    let terminator = &func.blocks[block].terminator;
    for target in terminator.targets() {
        if position[target] <= position[block] {
            return Err(format!("{block} goes back to {target}"));
        }
    }
    let calls = match terminator {
        Terminator::Jump(call) => vec![call],
        Terminator::Branch(_, yes, no) => vec![yes, no],
        Terminator::Switch { cases, default, .. } => {
            if !cases.is_sorted_by(|a, b| a.0 < b.0) || (default.is_none() && cases.is_empty()) {
                return Err(format!("{block}: the cases do not ascend"));
            }
            if terminator.targets().iter().any(|&target| !func.blocks[target].params.is_empty()) {
                return Err(format!("{block}: a switch passes no values"));
            }
            Vec::new()
        }
        Terminator::Exit => Vec::new(),
    };
    match calls.iter().find(|call| call.args.len() != func.blocks[call.block].params.len()) {
        Some(call) => Err(format!("{block} passes the wrong number of values to {}", call.block)),
        None => Ok(()),
    }
}

fn check_uses(
    func: &Func,
    order: &[Block],
    position: &SecondaryMap<Block, usize>,
    made: &SecondaryMap<Value, Option<(Block, usize)>>,
) -> Result<(), String> {
    let dominators = super::super::opt::dominators(func);
    let check = |value: Value, block: Block, at: usize| match made[value] {
        _ if func.def(value).is_some_and(InstData::is_immediate) => Ok(()),
        Some((home, _))
            if home != block && position[home] != usize::MAX && dominators.dominates(home, block) =>
        {
            Ok(())
        }
        Some((home, made_at)) if home == block && made_at <= at => Ok(()),
        _ => Err(format!("{value} is used in {block} before it is made")),
    };
    for &block in order {
        let data = &func.blocks[block];
        for (at, one) in data.insts.iter().enumerate() {
            for value in func.insts[one.inst].operands() {
                check(value, block, at)?;
            }
        }
        for value in data.terminator.operands() {
            check(value, block, data.insts.len())?;
        }
    }
    debug_assert!(func.entry.index() < func.blocks.len());
    Ok(())
}
