//! What a conditional jump tells on either side.

use super::scalar::{self, Scalar};
use super::state::State;
use super::value::Value;
use super::{Step, operand, read};
use crate::bpf::{JmpOp, Operand};

/// What is known where a jump is taken and where it is not; none if that cannot happen.
pub fn branch(
    state: &State,
    dst: u8,
    wide: bool,
    op: JmpOp,
    src: Operand,
) -> Step<(Option<State>, Option<State>)> {
    let value = read(state, dst)?;
    if !value.is_number() {
        return null_check(state, dst, wide, op, src);
    }
    let mut other = operand(state, src)?;
    if !wide && matches!(src, Operand::Imm(_)) {
        // 32-bit compares take a constant without its sign.
        other = other.low32();
    }
    let side = |holds| side(state, dst, wide, op, holds, src, other);
    Ok((side(true), side(false)))
}

/// What is known where a compare of numbers holds, or does not hold.
fn side(
    state: &State,
    dst: u8,
    wide: bool,
    op: JmpOp,
    holds: bool,
    src: Operand,
    other: Scalar,
) -> Option<State> {
    let mut state = state.clone();
    let mine = *state.registers.get(usize::from(dst))?;
    let (left, right) = scalar::assume_as_kernel(wide, op, holds, state.number(mine)?, other)?;
    let theirs = match src {
        Operand::Reg(register) => state.registers.get(usize::from(register)).copied(),
        Operand::Imm(_) => None,
    };
    match (mine, theirs) {
        // `op` with itself tells nothing.
        (Value::Event, Some(Value::Event)) => {}
        (Value::Event, _) => state.events = state.events.assume(wide, op, holds, other)?,
        (number, Some(Value::Event)) => {
            let number = state.number(number)?;
            state.events = state.events.assume(wide, op.swapped(), holds, number)?;
        }
        _ => {}
    }
    if let Value::Scalar(_) = mine {
        *state.registers.get_mut(usize::from(dst))? = Value::Scalar(left);
    }
    if let (Operand::Reg(register), Some(Value::Scalar(_))) = (src, theirs)
        && register != dst
    {
        *state.registers.get_mut(usize::from(register))? = Value::Scalar(right);
    }
    Some(state)
}

/// A pointer against 0: the only compare of anything but numbers.
fn null_check(
    state: &State,
    dst: u8,
    wide: bool,
    op: JmpOp,
    src: Operand,
) -> Step<(Option<State>, Option<State>)> {
    let value = read(state, dst)?;
    let zero = match src {
        Operand::Imm(imm) => imm == 0,
        Operand::Reg(_) => operand(state, src)?.known() == Some(0),
    };
    if !wide || !zero || !matches!(op, JmpOp::Eq | JmpOp::Ne) || value == Value::Mixed {
        return Err(format!("r{dst} is {}: it can only be compared with 0", value.kind()));
    }
    let (mut taken, mut passed) = (state.clone(), state.clone());
    if let Value::Maybe { origin, .. } = value {
        taken.settle(origin, op == JmpOp::Ne);
        passed.settle(origin, op == JmpOp::Eq);
    }
    Ok((Some(taken), Some(passed)))
}
