//! Dominators: which blocks stand on every path to a block.

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;

use crate::ir::{Block, Func};

/// The dominator tree of a function without loops.
pub struct Dominators {
    parent: SecondaryMap<Block, PackedOption<Block>>,
    depth: SecondaryMap<Block, u32>,
    /// When a walk of the tree enters a block and when it has left all below it.
    walk: SecondaryMap<Block, (u32, u32)>,
}

/// Computes the dominators. One pass is enough: every edge goes forward.
pub fn dominators(func: &Func) -> Dominators {
    let order = func.reverse_postorder();
    let mut tree =
        Dominators { parent: SecondaryMap::new(), depth: SecondaryMap::new(), walk: SecondaryMap::new() };
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
    tree.number(func.entry, &order);
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

    /// Whether `a` stands on every path to `b` (each block does so to itself). For blocks that can be
    /// reached; takes the same time however deep they are.
    pub fn dominates(&self, a: Block, b: Block) -> bool {
        let ((enter, leave), (at, _)) = (self.walk[a], self.walk[b]);
        enter <= at && at < leave
    }

    /// Walks the tree from its root, counting.
    fn number(&mut self, root: Block, order: &[Block]) {
        let mut children: SecondaryMap<Block, Vec<Block>> = SecondaryMap::new();
        for &block in order {
            if let Some(parent) = self.parent[block].expand() {
                children[parent].push(block);
            }
        }
        let mut clock = 0;
        let mut stack = vec![(root, 0)];
        while let Some((block, next)) = stack.pop() {
            if next == 0 {
                self.walk[block].0 = clock;
                clock += 1;
            }
            match children[block].get(next) {
                Some(&child) => stack.extend([(block, next + 1), (child, 0)]),
                None => self.walk[block].1 = clock,
            }
        }
    }
}
