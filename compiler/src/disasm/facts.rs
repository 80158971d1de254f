//! What is known of the registers before each instruction, as far as comments need it.

use std::collections::{BTreeMap, BTreeSet};

use tcpc_stdlib::field::{Struct, field_at};
use tcpc_stdlib::signature::{Outcome, signature};

use crate::bpf::op::FRAME;
use crate::bpf::{AluOp, Insn, Op, Operand};

/// What a register holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fact {
    /// Something.
    #[default]
    Unknown,
    /// The context.
    Context,
    /// The number of the event.
    Event,
    /// A structure that the context leads to, or NULL.
    Struct(Struct),
    /// A number.
    Number(i64),
}

/// What each register holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts([Fact; FRAME as usize + 1]);

impl Facts {
    /// What a register holds.
    pub fn get(&self, register: u8) -> Fact {
        self.0.get(usize::from(register)).copied().unwrap_or_default()
    }

    fn set(&mut self, register: u8, fact: Fact) {
        if let Some(place) = self.0.get_mut(usize::from(register)) {
            *place = fact;
        }
    }

    /// Keeps what holds on both paths.
    fn meet(&mut self, other: &Facts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = match (*mine, theirs) {
                (a, b) if a == b => a,
                // NULL instead of the pointer.
                (Fact::Struct(of), Fact::Number(0)) | (Fact::Number(0), Fact::Struct(of)) => Fact::Struct(of),
                _ => Fact::Unknown,
            };
        }
    }

    /// What holds after an instruction.
    fn after(&mut self, insn: Insn) {
        let Insn { dst, src, imm, off, .. } = insn;
        match insn.op() {
            Op::Alu { wide, op: AluOp::Mov, src: from } => {
                let fact = match from {
                    Operand::Imm(imm) if wide => Fact::Number(i64::from(imm)),
                    Operand::Imm(imm) => Fact::Number(i64::from(imm as u32)),
                    Operand::Reg(src) => self.get(src),
                };
                let whole = wide || fact != Fact::Context;
                self.set(dst, if whole { fact } else { Fact::Unknown });
            }
            Op::Load(_) => {
                let field =
                    u16::try_from(off).ok().and_then(field_at).filter(|_| self.get(src) == Fact::Context);
                let fact = match field.map(|(field, _)| field.kernel) {
                    Some("op") => Fact::Event,
                    Some("sk") => Fact::Struct(Struct::Sock),
                    _ => Fact::Unknown,
                };
                self.set(dst, fact);
            }
            Op::Alu { .. } | Op::Swap { .. } | Op::LoadImm64(_) => self.set(dst, Fact::Unknown),
            Op::Call(_) | Op::CallLocal | Op::CallKernel(_) => {
                (0..=5).for_each(|register| self.set(register, Fact::Unknown));
                let helper = matches!(insn.op(), Op::Call(_)).then_some(imm);
                let called = helper
                    .and_then(|id| u32::try_from(id).ok())
                    .and_then(signature)
                    .map(|signature| signature.outcome);
                if called == Some(Outcome::TcpSockOrNull) {
                    self.set(0, Fact::Struct(Struct::TcpSock));
                }
            }
            // An atomic that fetches writes its source, or r0.
            Op::Atomic(..) if imm != crate::bpf::op::ATOMIC_ADD => {
                self.set(src, Fact::Unknown);
                self.set(0, Fact::Unknown);
            }
            Op::Unknown => *self = Facts::default(),
            _ => {}
        }
    }
}

/// The slot that a jump goes to.
pub fn target(slot: usize, insn: Insn) -> Option<usize> {
    match insn.op() {
        Op::Jump { .. } | Op::Goto => (slot + 1).checked_add_signed(isize::from(insn.off)),
        _ => None,
    }
}

/// Visits every instruction with what is known before it. Second halves of 64-bit loads are skipped.
///
/// One pass: nothing is known where a backward jump arrives.
pub fn walk(code: &[Insn], mut visit: impl FnMut(usize, &Facts)) {
    let jumps = code.iter().enumerate().filter_map(|(slot, insn)| Some((slot, target(slot, *insn)?)));
    let loops: BTreeSet<usize> = jumps.filter(|(slot, to)| to <= slot).map(|(_, to)| to).collect();
    let mut pending: BTreeMap<usize, Facts> = BTreeMap::new();
    let mut entry = Facts::default();
    entry.set(1, Fact::Context);
    // None after an instruction that never goes on to the next slot.
    let mut current = Some(entry);

    let mut slot = 0;
    while let Some(&insn) = code.get(slot) {
        let mut facts = match (current, pending.remove(&slot)) {
            _ if loops.contains(&slot) => Facts::default(),
            (Some(mut facts), Some(other)) => {
                facts.meet(&other);
                facts
            }
            (Some(facts), None) | (None, Some(facts)) => facts,
            (None, None) => Facts::default(),
        };
        visit(slot, &facts);
        if let Some(to) = target(slot, insn).filter(|to| *to > slot) {
            pending.entry(to).and_modify(|other| other.meet(&facts)).or_insert(facts);
        }
        facts.after(insn);
        current = (!matches!(insn.op(), Op::Exit | Op::Goto)).then_some(facts);
        let has_upper = insn.is_wide() && code.get(slot + 1).is_some_and(|next| next.op() == Op::Upper);
        slot += 1 + usize::from(has_upper);
    }
}
