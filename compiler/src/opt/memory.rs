//! The state of the socket along the paths: which loads of a field that can change see the same value.
//!
//! A helper call or a write to the context begins a new state, and so does a block that paths with different states
//! lead to. So it is with stretches, between which nothing that was loaded is kept.

use cranelift_entity::SecondaryMap;
use tcpc_stdlib::field::{Field, Struct};

use crate::ir::{Block, Func, Inst, InstData, Placed};

/// What loads depend on, at a place of the program.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Fields that can change read the same in it.
    socket: Since,
    /// What was loaded in it is not loaded again.
    stretch: Since,
}

/// Where a state began.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Since {
    /// With the program.
    #[default]
    Entry,
    /// With an instruction.
    Inst(Inst),
    /// Where paths with different states meet.
    Meeting(Block),
}

/// The states at the borders of all blocks.
pub struct States {
    entry: SecondaryMap<Block, State>,
    exit: SecondaryMap<Block, State>,
}

/// Computes the states. One pass is enough: every edge goes forward.
pub fn states(func: &Func) -> States {
    let order = func.reverse_postorder();
    let mut states = States { entry: SecondaryMap::new(), exit: SecondaryMap::new() };
    let mut reached: SecondaryMap<Block, bool> = SecondaryMap::new();
    let meet =
        |known: Since, other: Since, at: Block| if known == other { known } else { Since::Meeting(at) };
    for &block in &order {
        let mut state = states.entry[block];
        func.blocks[block].insts.iter().for_each(|placed| state.pass(func, placed));
        states.exit[block] = state;
        for successor in func.successors(block) {
            if !reached[successor] {
                reached[successor] = true;
                states.entry[successor] = state;
            } else {
                let known = states.entry[successor];
                states.entry[successor] = State {
                    socket: meet(known.socket, state.socket, successor),
                    stretch: meet(known.stretch, state.stretch, successor),
                };
            }
        }
    }
    states
}

impl States {
    /// The state at the beginning of a block.
    pub fn at_entry(&self, block: Block) -> State {
        self.entry[block]
    }

    /// The state at the end of a block.
    pub fn at_exit(&self, block: Block) -> State {
        self.exit[block]
    }
}

impl State {
    /// Goes on behind an instruction.
    pub fn pass(&mut self, func: &Func, placed: &Placed) {
        match &func.insts[placed.inst] {
            InstData::Forget => self.stretch = Since::Inst(placed.inst),
            inst if changes_socket(inst) => self.socket = Since::Inst(placed.inst),
            _ => {}
        }
    }
}

/// Whether fields that can change may read differently after an instruction.
fn changes_socket(inst: &InstData) -> bool {
    match inst {
        InstData::Call { helper, .. } => !helper.is_constant(),
        InstData::StoreField { .. } => true,
        _ => false,
    }
}

/// What a load of a field depends on: its place, the stretch, and the state of the socket if the field can change. The
/// pointer to its structure is the same throughout one run.
pub type LoadKey = (Struct, u16, u8, Since, Option<Since>);

/// The key of a field's word in a state.
pub fn load_key(field: &Field, word: u8, state: State) -> LoadKey {
    let fixed = field.stable && !field.writable;
    (field.of, field.offset, word, state.stretch, (!fixed).then_some(state.socket))
}

/// Whether the load of a key gives the same at another place, in that state.
pub fn holds_in(key: &LoadKey, state: State) -> bool {
    key.3 == state.stretch && key.4.is_none_or(|socket| socket == state.socket)
}
