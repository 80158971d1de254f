//! Which registers and stack slots hold something: moves of nothing are left out.
//!
//! To move from the stack to the stack, the allocator frees a register for a moment: it saves one and restores it,
//! also one that holds nothing. The verifier lets no program read such a register, and no kernel a stack slot that was
//! not written.

use std::collections::HashSet;

use regalloc2::{Allocation, Block, Edit, Function, InstOrEdit, OperandKind, Output};

use super::MachFunc;

/// Registers and stack slots that were written on every path.
type Written = HashSet<Allocation>;

/// The moves whose source holds something, by block, in order.
pub fn useful_moves(mach: &MachFunc, allocation: &Output) -> Vec<Vec<bool>> {
    // Nothing is known of a block yet: that is no limit to what follows it.
    let mut at_end: Vec<Option<Written>> = vec![None; mach.blocks.len()];
    loop {
        let mut changed = false;
        for index in 0..mach.blocks.len() {
            let (end, _) = through(mach, allocation, index, at_begin(mach, &at_end, index));
            if at_end[index].as_ref() != Some(&end) {
                at_end[index] = Some(end);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    (0..mach.blocks.len())
        .map(|index| through(mach, allocation, index, at_begin(mach, &at_end, index)).1)
        .collect()
}

/// What was written on all ways into a block.
fn at_begin(mach: &MachFunc, at_end: &[Option<Written>], index: usize) -> Written {
    let mut ways =
        mach.block_preds(Block::new(index)).iter().filter_map(|block| at_end[block.index()].as_ref());
    let Some(first) = ways.next() else { return Written::new() };
    ways.fold(first.clone(), |all, way| &all & way)
}

/// What is written at the end of a block, and which of its moves have a source.
fn through(mach: &MachFunc, allocation: &Output, index: usize, mut written: Written) -> (Written, Vec<bool>) {
    let mut useful = Vec::new();
    for item in allocation.block_insts_and_edits(mach, Block::new(index)) {
        match item {
            InstOrEdit::Edit(Edit::Move { from, to }) => {
                let has_source = written.contains(from);
                useful.push(has_source);
                match has_source {
                    true => written.insert(*to),
                    false => written.remove(to),
                };
            }
            InstOrEdit::Inst(inst) => {
                for register in mach.inst_clobbers(inst) {
                    written.remove(&Allocation::reg(register));
                }
                let operands = mach.inst_operands(inst).iter().zip(allocation.inst_allocs(inst));
                let made = operands.filter(|(operand, _)| operand.kind() == OperandKind::Def);
                written.extend(made.map(|(_, place)| *place));
            }
        }
    }
    (written, useful)
}
