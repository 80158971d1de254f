//! Register allocation by regalloc2: what it needs to know of a program, and of BPF.
//!
//! r0 to r5 do not survive a call, r6 to r9 do; r10 is the frame and never given away. All that does not
//! fit is spilled to the stack.

use regalloc2::{
    Algorithm, Block, Function, Inst, InstRange, MachineEnv, Operand, Output, PRegSet, RegClass,
    RegallocOptions, VReg,
};

use super::select::preg;
use super::{Kind, MachError, MachFunc};

/// Assigns registers.
pub fn allocate(mach: &MachFunc) -> Result<Output, MachError> {
    let set =
        |numbers: std::ops::Range<u8>| numbers.fold(PRegSet::empty(), |set, number| set.with(preg(number)));
    let env = MachineEnv {
        preferred_regs_by_class: [set(0..6), PRegSet::empty(), PRegSet::empty()],
        non_preferred_regs_by_class: [set(6..10), PRegSet::empty(), PRegSet::empty()],
        scratch_by_class: [None; 3],
        fixed_stack_slots: Vec::new(),
    };
    let options = RegallocOptions {
        verbose_log: false,
        validate_ssa: cfg!(debug_assertions),
        algorithm: Algorithm::Ion,
    };
    regalloc2::run(mach, &env, &options)
        .map_err(|error| MachError::Internal(format!("register allocation: {error}")))
}

impl Function for MachFunc {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }

    fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    fn entry_block(&self) -> Block {
        Block::new(0)
    }

    fn block_insns(&self, block: Block) -> InstRange {
        let block = &self.blocks[block.index()];
        InstRange::new(Inst::new(block.first), Inst::new(block.end))
    }

    fn block_succs(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].successors
    }

    fn block_preds(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].predecessors
    }

    fn block_params(&self, block: Block) -> &[VReg] {
        &self.blocks[block.index()].params
    }

    fn is_ret(&self, inst: Inst) -> bool {
        matches!(self.insts[inst.index()].kind, Kind::Exit)
    }

    fn is_branch(&self, inst: Inst) -> bool {
        matches!(self.insts[inst.index()].kind, Kind::Jump | Kind::Branch(..))
    }

    fn branch_blockparams(&self, block: Block, _inst: Inst, _successor: usize) -> &[VReg] {
        &self.blocks[block.index()].args
    }

    fn inst_operands(&self, inst: Inst) -> &[Operand] {
        &self.insts[inst.index()].operands
    }

    fn inst_clobbers(&self, inst: Inst) -> PRegSet {
        self.insts[inst.index()].clobbers
    }

    fn num_vregs(&self) -> usize {
        self.vregs
    }

    fn spillslot_size(&self, _class: RegClass) -> usize {
        1
    }
}
