//! Jumps: a jump to a block that only jumps goes to where that one goes; a block with one predecessor
//! that only jumps to it is joined with that one; a branch whose sides are equal is a jump.

use cranelift_entity::SecondaryMap;

use crate::ir::{Block, Func, Terminator};

/// Skips what only jumps.
pub fn thread(func: &mut Func) {
    skip_empty(func);
    drop_idle_branches(func);
    skip_empty(func);
}

/// Where a jump to `block` ends, when blocks that only jump are skipped.
fn destination(func: &Func, mut block: Block) -> Block {
    loop {
        let data = &func.blocks[block];
        match &data.terminator {
            Terminator::Jump(call)
                if data.insts.is_empty() && data.params.is_empty() && call.args.is_empty() =>
            {
                block = call.block;
            }
            _ => return block,
        }
    }
}

fn skip_empty(func: &mut Func) {
    for block in func.reverse_postorder() {
        let mut terminator = func.blocks[block].terminator.clone();
        terminator.map_targets(|target| destination(func, target));
        func.blocks[block].terminator = terminator;
    }
}

fn drop_idle_branches(func: &mut Func) {
    for block in func.reverse_postorder() {
        let terminator = &mut func.blocks[block].terminator;
        match terminator {
            Terminator::Branch(_, yes, no) if yes == no => *terminator = Terminator::Jump(yes.clone()),
            _ => {}
        }
    }
}

/// Joins blocks; last, since short blocks are easier to find equal ones of.
pub fn join(func: &mut Func) {
    let mut predecessors = SecondaryMap::with_default(0u32);
    let order = func.reverse_postorder();
    for &block in &order {
        for successor in func.successors(block) {
            predecessors[successor] += 1;
        }
    }
    let mut gone = SecondaryMap::with_default(false);
    for &block in &order {
        if gone[block] {
            continue;
        }
        while let Terminator::Jump(call) = &func.blocks[block].terminator {
            let next = call.block;
            if predecessors[next] != 1 || !func.blocks[next].params.is_empty() {
                break;
            }
            gone[next] = true;
            let insts = std::mem::take(&mut func.blocks[next].insts);
            let terminator = std::mem::replace(&mut func.blocks[next].terminator, Terminator::Exit);
            let span = func.blocks[next].span;
            let data = &mut func.blocks[block];
            data.insts.extend(insts);
            data.terminator = terminator;
            data.span = span;
        }
    }
}
