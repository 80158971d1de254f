//! Drops instructions whose result nobody uses and that have no effect; what only told earlier passes something is one.

use cranelift_entity::SecondaryMap;

use crate::ir::{Func, Value};

/// Runs the pass, from the end to the beginning.
pub fn sweep(func: &mut Func) {
    let mut used: SecondaryMap<Value, bool> = SecondaryMap::new();
    for block in func.reverse_postorder().into_iter().rev() {
        for value in func.blocks[block].terminator.operands() {
            used[value] = true;
        }
        let mut kept = Vec::new();
        for placed in func.blocks[block].insts.iter().rev() {
            let inst = &func.insts[placed.inst];
            if inst.has_effect() || placed.result.is_some_and(|result| used[result]) {
                inst.operands().into_iter().for_each(|value| used[value] = true);
                kept.push(*placed);
            }
        }
        kept.reverse();
        func.blocks[block].insts = kept;
    }
}
