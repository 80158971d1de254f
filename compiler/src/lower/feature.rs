//! What the kernel has: constants that a loader sets, and that the verifier knows when it reads the program.

use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::manifest::FeatureInfo;

use super::Lowerer;
use crate::ir::{Block, CondOp, InstData, Size};
use crate::object::{DataType, Global};

impl Lowerer<'_> {
    /// Branches to `yes` if the kernel has it, else to `no`.
    ///
    /// The constant is 0 in the object, which so runs on the floor as it is. Nothing here may be decided before
    /// the program is loaded; then the verifier, to which constants of a frozen map are numbers, removes
    /// the branch that is not taken before it looks at what that does.
    pub fn lower_kernel_has(&mut self, feature: Feature, yes: Block, no: Block) {
        let symbol = feature.symbol();
        let global = Global { name: symbol.clone(), ty: DataType::U32, bytes: 0u32.to_le_bytes().to_vec() };
        let constant = self.b.constant(global);
        if self.features.iter().all(|known| known.symbol != symbol) {
            self.features.push(FeatureInfo {
                symbol,
                name: feature.written(),
                kind: feature.kind,
                kernel: feature.since.to_string(),
                relies_on: Vec::new(),
            });
        }
        let addr = self.b.value(InstData::ConstantAddr(constant, 0));
        let has = self.b.value(InstData::Load { size: Size::Word, addr, offset: 0 });
        let zero = self.b.number(0);
        self.b.branch(CondOp::Ne, has, zero, yes, no);
    }
}
