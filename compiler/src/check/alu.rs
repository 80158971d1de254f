//! Arithmetic on numbers and addresses.

use super::scalar::Scalar;
use super::state::State;
use super::value::{OFFSET_MAX, Value};
use super::{Step, number, operand, read, write};
use crate::bpf::{AluOp, Operand};

/// `dst = dst op src`.
pub fn alu(state: &mut State, dst: u8, wide: bool, op: AluOp, src: Operand) -> Step {
    constant_operand(wide, op, src)?;
    let result = match op {
        AluOp::Mov => moved(state, wide, src)?,
        AluOp::Neg => Value::Scalar(number(state, dst)?.alu(wide, op, Scalar::constant(0))),
        _ => match read(state, dst)? {
            value if value.is_number() => sum_of_numbers(state, dst, wide, op, src)?,
            value => {
                let by = operand(state, src)?;
                displaced(value, wide, op, by).map_err(|why| format!("r{dst} is {}: {why}", value.kind()))?
            }
        },
    };
    write(state, dst, result)
}

/// A byte swap: the kernel concludes nothing of its result.
pub fn swap(state: &mut State, dst: u8) -> Step {
    number(state, dst)?;
    write(state, dst, Value::Scalar(Scalar::UNKNOWN))
}

/// Constants that the kernel refuses.
fn constant_operand(wide: bool, op: AluOp, src: Operand) -> Step {
    let width = if wide { 64 } else { 32 };
    match (op, src) {
        (AluOp::Div | AluOp::Mod, Operand::Imm(0)) => Err("division by a constant 0".into()),
        (AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, Operand::Imm(by)) if !(0..width).contains(&by) => {
            Err(format!("a shift by {by} of {width} bits"))
        }
        _ => Ok(()),
    }
}

fn moved(state: &State, wide: bool, src: Operand) -> Step<Value> {
    match src {
        Operand::Imm(imm) if wide => Ok(Value::constant(imm as i64 as u64)),
        Operand::Imm(imm) => Ok(Value::constant(u64::from(imm as u32))),
        Operand::Reg(register) => match read(state, register)? {
            // `op` has 32 bits: a copy of them is the whole.
            Value::Event => Ok(Value::Event),
            value if wide => Ok(value),
            value => match state.number(value) {
                Some(number) => Ok(Value::Scalar(number.low32())),
                None => Err(format!("r{register} is {}: only numbers have a lower half", value.kind())),
            },
        },
    }
}

/// A number and a number, or a number and an address.
fn sum_of_numbers(state: &State, dst: u8, wide: bool, op: AluOp, src: Operand) -> Step<Value> {
    let mine = number(state, dst)?;
    if let (Operand::Reg(register), AluOp::Add) = (src, op) {
        let value = read(state, register)?;
        if matches!(value, Value::Memory(_) | Value::Frame(_)) {
            return displaced(value, wide, op, mine)
                .map_err(|why| format!("r{register} is {}: {why}", value.kind()));
        }
    }
    Ok(Value::Scalar(mine.alu(wide, op, operand(state, src)?)))
}

/// An address so many bytes on or back.
fn displaced(value: Value, wide: bool, op: AluOp, by: Scalar) -> Step<Value> {
    if !wide || !matches!(op, AluOp::Add | AluOp::Sub) {
        return Err("no arithmetic but 64-bit sums and differences with numbers".into());
    }
    match value {
        Value::Frame(at) => {
            let by = by.known().ok_or("an offset in the frame that is not constant")? as i64;
            let at = if op == AluOp::Add { at.checked_add(by) } else { at.checked_sub(by) };
            let at = at.filter(|at| at.unsigned_abs() < OFFSET_MAX).ok_or("an offset out of range")?;
            Ok(Value::Frame(at))
        }
        Value::Memory(pointer) => {
            Ok(Value::Memory(pointer.moved(op, by).ok_or("an offset that is not bounded")?))
        }
        _ => Err("no arithmetic on it".into()),
    }
}
