//! Moves conversions from a field to the constant it is compared with, so that they cost nothing:
//! `port == 443` swaps the bytes of 443, `srtt < 3ms` divides 3 ms into the kernel's unit.

use crate::ir::{BinaryOp, BlockCall, Cond, CondOp, Func, InstData, Terminator, UnaryOp, Value, ValueData};

/// Runs the pass over all branches.
pub fn simplify(func: &mut Func) {
    for block in func.reverse_postorder() {
        while let Terminator::Branch(cond, yes, no) = &func.blocks[block].terminator {
            let Some(simpler) = simpler(func, cond) else { break };
            let (yes, no) = (yes.clone(), no.clone());
            let terminator = rebuild(func, block, simpler, yes, no);
            func.blocks[block].terminator = terminator;
        }
    }
}

/// What a comparison is equal to.
enum Simpler {
    /// Another comparison, with a constant.
    Compare(CondOp, Value, u64),
    /// A fixed answer.
    Always(bool),
}

fn simpler(func: &Func, cond: &Cond) -> Option<Simpler> {
    let constant = func.constant(cond.b)?;
    match (cond.op, func.def(cond.a)?) {
        (CondOp::Eq | CondOp::Ne, InstData::Unary(op @ UnaryOp::SwapBytes32, value))
            if func.fits_32(*value) =>
        {
            if op.apply(op.apply(constant)) != constant {
                return Some(Simpler::Always(cond.op == CondOp::Ne));
            }
            Some(Simpler::Compare(cond.op, *value, op.apply(constant)))
        }
        (CondOp::Eq | CondOp::Ne, InstData::Binary(BinaryOp::And, value, mask)) if constant == 0 => {
            let mask = func.constant(*mask)?;
            // A single test; only worth it when it replaces "not equal", as there is no opposite test.
            (cond.op == CondOp::Ne).then_some(Simpler::Compare(CondOp::Test, *value, mask))
        }
        (op, InstData::Binary(BinaryOp::Mul, value, factor)) => {
            let factor = func.constant(*factor)?;
            // Without overflow: 2^32 times the factor stays far below 2^64.
            (func.fits_32(*value) && factor > 1 && factor <= u64::from(u32::MAX)).then_some(())?;
            Some(divide(op, *value, constant, factor)?)
        }
        _ => None,
    }
}

/// `value * factor op constant`, without the multiplication.
fn divide(op: CondOp, value: Value, constant: u64, factor: u64) -> Option<Simpler> {
    let exact = constant.is_multiple_of(factor);
    let (floor, ceiling) = (constant / factor, constant.div_ceil(factor));
    Some(match op {
        CondOp::Eq | CondOp::Ne if !exact => Simpler::Always(op == CondOp::Ne),
        CondOp::Eq | CondOp::Ne | CondOp::Le | CondOp::Gt => Simpler::Compare(op, value, floor),
        CondOp::Lt | CondOp::Ge => Simpler::Compare(op, value, ceiling),
        CondOp::Test => return None,
    })
}

fn rebuild(
    func: &mut Func,
    block: crate::ir::Block,
    simpler: Simpler,
    yes: BlockCall,
    no: BlockCall,
) -> Terminator {
    match simpler {
        Simpler::Always(true) => Terminator::Jump(yes),
        Simpler::Always(false) => Terminator::Jump(no),
        Simpler::Compare(op, a, number) => {
            let inst = func.insts.push(InstData::Const(number));
            let b = func.values.push(ValueData::Result(inst));
            let span = func.blocks[block].span;
            func.blocks[block].insts.push(crate::ir::Placed { inst, result: Some(b), span });
            Terminator::Branch(Cond { op, a, b }, yes, no)
        }
    }
}
