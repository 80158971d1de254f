//! Dominators: which blocks stand on every path to a block.

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;

use crate::ir::{Block, Func};

/// The dominator tree of a function without loops.
pub struct Dominators {
    parent: SecondaryMap<Block, PackedOption<Block>>,
    depth: SecondaryMap<Block, u32>,
}

/// Computes the dominators. One pass is enough: every edge goes forward.
pub fn dominators(func: &Func) -> Dominators {
    let order = func.reverse_postorder();
    let mut tree = Dominators { parent: SecondaryMap::new(), depth: SecondaryMap::new() };
    for &block in &order {
        for successor in func.successors(block) {
            let parent = match tree.parent[successor].expand() {
                None => block,
                Some(other) => tree.common(other, block),
            };
            tree.parent[successor] = parent.into();
            tree.depth[successor] = tree.depth[parent] + 1;
        }
    }
    tree
}

impl Dominators {
    /// The last block on every path to both.
    pub fn common(&self, mut a: Block, mut b: Block) -> Block {
        while a != b {
            if self.depth[a] < self.depth[b] {
                std::mem::swap(&mut a, &mut b);
            }
            match self.parent[a].expand() {
                Some(parent) => a = parent,
                None => return a,
            }
        }
        a
    }

    /// Whether `a` stands on every path to `b` (each block does so to itself).
    pub fn dominates(&self, a: Block, mut b: Block) -> bool {
        while self.depth[b] > self.depth[a] {
            match self.parent[b].expand() {
                Some(parent) => b = parent,
                None => return false,
            }
        }
        a == b
    }
}
