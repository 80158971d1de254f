//! Computes once: a value that was computed or loaded in a block that dominates is used again.

use std::collections::HashMap;

use cranelift_entity::SecondaryMap;

use super::dom::dominators;
use super::memory::{LoadKey, State, load_key, states};
use crate::ir::{BinaryOp, Block, Func, InstData, Map, UnaryOp, Value};

/// What makes two values equal.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Load(LoadKey),
    Const(u64),
    /// A call of a helper that takes the context or its socket and always gives the same.
    Call(u32),
    Unary(UnaryOp, Value),
    Binary(BinaryOp, Value, Value),
    /// A row in a state: calls may make rows.
    LookUp(Map, Vec<Value>, State),
    LookUpSock(Map, State),
}

/// Runs the pass.
pub fn reuse(func: &mut Func) {
    let dominators = dominators(func);
    let states = states(func);
    let mut known: HashMap<Key, Vec<(Block, Value)>> = HashMap::new();
    let mut same: SecondaryMap<Value, Option<Value>> = SecondaryMap::new();
    for block in func.reverse_postorder() {
        let mut state = states.at_entry(block);
        let mut kept = Vec::new();
        for placed in std::mem::take(&mut func.blocks[block].insts) {
            func.insts[placed.inst].map_operands(|value| same[value].unwrap_or(value));
            state.pass(func, &placed);
            let key = key(&func.insts[placed.inst], state);
            if let (Some(key), Some(result)) = (key, placed.result) {
                let equals = known.entry(key).or_default();
                if let Some(&(_, value)) = equals.iter().find(|(home, _)| dominators.dominates(*home, block))
                {
                    same[result] = Some(value);
                    continue;
                }
                equals.push((block, result));
            }
            kept.push(placed);
        }
        func.blocks[block].insts = kept;
        func.blocks[block].terminator.map_operands(|value| same[value].unwrap_or(value));
    }
}

fn key(inst: &InstData, state: State) -> Option<Key> {
    match *inst {
        InstData::Const(number) => Some(Key::Const(number)),
        InstData::LoadField { field, word } => Some(Key::Load(load_key(field, word, state))),
        InstData::LoadMember { field, .. } => Some(Key::Load(load_key(field, 0, state))),
        InstData::Unary(op, value) => Some(Key::Unary(op, value)),
        InstData::Binary(op, a, b) => Some(Key::Binary(op, a, b)),
        InstData::LookUp { map, ref key, .. } => Some(Key::LookUp(map, key.clone(), state)),
        InstData::LookUpSock { map, .. } => Some(Key::LookUpSock(map, state)),
        InstData::Call { helper, .. } if helper.is_constant() => Some(Key::Call(helper.id)),
        _ => None,
    }
}
