//! Turns each switch into branches: a chain for a few cases, halves for many.

use crate::ir::{
    Block, BlockCall, BlockData, Cond, CondOp, Func, InstData, Placed, Terminator, Value, ValueData,
};

/// Up to so many cases are compared one by one.
const CHAIN: usize = 6;

/// Runs the pass.
pub fn expand_switches(func: &mut Func) {
    for block in func.reverse_postorder() {
        if let Terminator::Switch { value, cases, default } = func.blocks[block].terminator.clone() {
            expand(func, block, value, &cases, default);
        }
    }
}

/// Ends `block` with the decision among `cases`.
fn expand(func: &mut Func, block: Block, value: Value, cases: &[(u32, Block)], default: Option<Block>) {
    let uniform = cases.iter().all(|&(_, target)| cases.first().is_some_and(|&(_, first)| first == target));
    match (cases, default) {
        ([], Some(default)) => jump(func, block, default),
        ([(_, only), ..], None) if uniform => jump(func, block, *only),
        ([(number, target)], Some(default)) => {
            compare(func, block, CondOp::Eq, value, *number, *target, default)
        }
        (few, _) if few.len() <= CHAIN => {
            let (number, target) = few[0];
            let rest = empty_block(func, block);
            compare(func, block, CondOp::Eq, value, number, target, rest);
            expand(func, rest, value, &few[1..], default);
        }
        (many, _) => {
            let (low, high) = many.split_at(many.len() / 2);
            let (below, above) = (empty_block(func, block), empty_block(func, block));
            compare(func, block, CondOp::Ge, value, high[0].0, above, below);
            expand(func, below, value, low, default);
            expand(func, above, value, high, default);
        }
    }
}

fn jump(func: &mut Func, block: Block, target: Block) {
    func.blocks[block].terminator = Terminator::Jump(BlockCall { block: target, args: Vec::new() });
}

fn compare(func: &mut Func, block: Block, op: CondOp, a: Value, number: u32, yes: Block, no: Block) {
    let inst = func.insts.push(InstData::Const(u64::from(number)));
    let b = func.values.push(ValueData::Result(inst));
    let span = func.blocks[block].span;
    func.blocks[block].insts.push(Placed { inst, result: Some(b), span });
    let call = |block| BlockCall { block, args: Vec::new() };
    func.blocks[block].terminator = Terminator::Branch(Cond { op, a, b }, call(yes), call(no));
}

fn empty_block(func: &mut Func, near: Block) -> Block {
    let span = func.blocks[near].span;
    func.blocks.push(BlockData { params: Vec::new(), insts: Vec::new(), terminator: Terminator::Exit, span })
}

/// Puts a block of its own on each edge from a branch to a block that is also reached otherwise, or that takes
/// parameters: what the register allocator moves on an edge then has a place.
pub fn split_edges(func: &mut Func) {
    let order = func.reverse_postorder();
    let mut edges = cranelift_entity::SecondaryMap::with_default(0u32);
    for &block in &order {
        match &func.blocks[block].terminator {
            Terminator::Branch(_, yes, no) => {
                [yes.block, no.block].into_iter().for_each(|target| edges[target] += 1)
            }
            terminator => terminator.targets().into_iter().for_each(|target| edges[target] += 1),
        }
    }
    for block in order {
        let Terminator::Branch(cond, mut yes, mut no) = func.blocks[block].terminator.clone() else {
            continue;
        };
        for call in [&mut yes, &mut no] {
            if edges[call.block] > 1 || !call.args.is_empty() {
                let middle = empty_block(func, block);
                func.blocks[middle].terminator = Terminator::Jump(call.clone());
                *call = BlockCall { block: middle, args: Vec::new() };
            }
        }
        func.blocks[block].terminator = Terminator::Branch(cond, yes, no);
    }
}
