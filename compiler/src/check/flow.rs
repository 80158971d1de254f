//! The shape of a program: known operations, forward jumps, everything reachable, an end.

use super::CheckError;
use tcpc_stdlib::kernel::VERIFIED_MAX;

use crate::bpf::{Insn, Op};

/// The slot that a jump goes to; checked to be within the program by [`check`].
pub fn target(slot: usize, insn: Insn) -> usize {
    (slot + 1).saturating_add_signed(isize::from(insn.off))
}

/// Checks all that can be said without knowing values. Calls in the slots that `leaves` holds of leave the object.
pub fn check(code: &[Insn], leaves: impl Fn(usize) -> bool) -> Result<(), CheckError> {
    let error = |slot, message: String| Err(CheckError { slot, message });
    if code.is_empty() {
        return error(0, "the program is empty".into());
    }
    if code.len() > VERIFIED_MAX {
        return error(
            VERIFIED_MAX,
            format!("the program has {} slots, more than {VERIFIED_MAX}", code.len()),
        );
    }

    let mut reached = vec![false; code.len()];
    reached[0] = true;
    let mut slot = 0;
    while let Some(insn) = code.get(slot) {
        let op = insn.op();
        match op {
            Op::Unknown => return error(slot, format!("{insn} is not an instruction of version 3")),
            Op::CallLocal if !leaves(slot) => {
                return error(slot, "calls of functions of the object are not checked".into());
            }
            Op::Upper => return error(slot, "the second half of a 64-bit load without its first".into()),
            _ => {}
        }
        if !reached[slot] {
            return error(slot, "the instruction cannot be reached".into());
        }
        let width = if op == Op::Exit || op == Op::Goto { 0 } else { 1 + usize::from(insn.is_wide()) };
        if insn.is_wide() && code.get(slot + 1).is_none_or(|next| next.op() != Op::Upper) {
            return error(slot, "the 64-bit load lacks its second half".into());
        }
        if width > 0 {
            match reached.get_mut(slot + width) {
                Some(next) => *next = true,
                None => return error(slot, "the program runs off its end".into()),
            }
        }
        if matches!(op, Op::Jump { .. } | Op::Goto) {
            if insn.off < 0 {
                return error(slot, "the jump goes backwards".into());
            }
            let to = target(slot, *insn);
            match code.get(to) {
                None => return error(slot, "the jump leaves the program".into()),
                Some(insn) if insn.op() == Op::Upper => {
                    return error(slot, "the jump goes into a 64-bit load".into());
                }
                Some(_) => reached[to] = true,
            }
        }
        slot += 1 + usize::from(insn.is_wide());
    }
    Ok(())
}
