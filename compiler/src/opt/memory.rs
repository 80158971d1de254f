//! The state of the socket along the paths: which loads of a field that can change see the same value.
//!
//! A state is a number. A helper call or a write to the context begins a new one, and so does a block
//! that paths with different states lead to.

use cranelift_entity::SecondaryMap;
use tcpc_stdlib::field::{Field, Struct};

use crate::ir::{Block, Func, InstData};

/// The states at the borders of all blocks.
pub struct States {
    entry: SecondaryMap<Block, u32>,
    exit: SecondaryMap<Block, u32>,
}

/// Computes the states. One pass is enough: every edge goes forward.
pub fn states(func: &Func) -> States {
    let order = func.reverse_postorder();
    let mut states = States { entry: SecondaryMap::new(), exit: SecondaryMap::new() };
    let mut reached: SecondaryMap<Block, bool> = SecondaryMap::new();
    // A block's own state, where paths meet in it with different ones: no other begins with this number.
    let mut fresh = func.insts.len() as u32 + 1;
    for &block in &order {
        let mut state = states.entry[block];
        for placed in &func.blocks[block].insts {
            if changes_socket(&func.insts[placed.inst]) {
                state = placed.inst.as_u32() + 1;
            }
        }
        states.exit[block] = state;
        for successor in func.successors(block) {
            if !reached[successor] {
                reached[successor] = true;
                states.entry[successor] = state;
            } else if states.entry[successor] != state {
                states.entry[successor] = fresh;
                fresh += 1;
            }
        }
    }
    states
}

impl States {
    /// The state at the beginning of a block.
    pub fn at_entry(&self, block: Block) -> u32 {
        self.entry[block]
    }

    /// The state at the end of a block.
    pub fn at_exit(&self, block: Block) -> u32 {
        self.exit[block]
    }
}

/// Whether fields that can change may read differently after an instruction.
pub fn changes_socket(inst: &InstData) -> bool {
    match inst {
        InstData::Call { helper, .. } => !helper.is_constant(),
        InstData::StoreField { .. } => true,
        _ => false,
    }
}

/// The state that begins with an instruction that changes the socket.
pub fn state_after(inst: crate::ir::Inst) -> u32 {
    inst.as_u32() + 1
}

/// What a load of a field depends on: its place, and the state if it can change. The pointer to its structure
/// is the same throughout one run.
pub type LoadKey = (Struct, u16, u8, Option<u32>);

/// The key of a field's word in a state.
pub fn load_key(field: &Field, word: u8, state: u32) -> LoadKey {
    let fixed = field.stable && !field.writable;
    (field.of, field.offset, word, (!fixed).then_some(state))
}
