//! Callback flags: the kernel raises some events only on sockets that ask for them.
//!
//! A connection asks when it is established, in either role. Flags that others have set stay. An event whose
//! rules are all sampled is asked for on the connections that are drawn, so that the others cost nothing.

use std::collections::BTreeMap;

use tcpc_lang::hir::Program;
use tcpc_stdlib::builtin::{HASH_FACTOR, HASH_START};

use super::{Lowerer, context_field, kernel_helper};
use crate::ir::{BinaryOp, CondOp, InstData, Value};

/// The share that is everyone, in 2^-32.
const ALL: u64 = 1 << 32;

/// The flags that a program's rules need, and the share of connections that needs each.
pub struct Enabling {
    /// Flags by share, in 2^-32.
    by_share: BTreeMap<u64, u32>,
}

impl Enabling {
    /// Reads the rules; `None` if they need no flag.
    pub fn new(program: &Program) -> Option<Enabling> {
        let mut shares: BTreeMap<u32, u64> = BTreeMap::new();
        for rule in &program.rules {
            for event in rule.events.iter().filter(|event| event.flag != 0) {
                let share = shares.entry(event.flag).or_default();
                *share = (*share).max(rule.sample.unwrap_or(ALL));
            }
        }
        let mut by_share = BTreeMap::new();
        for (flag, share) in shares {
            *by_share.entry(share).or_default() |= flag;
        }
        (!by_share.is_empty()).then_some(Enabling { by_share })
    }
}

impl Lowerer<'_> {
    /// Adds the flags to the socket's.
    pub fn lower_enable(&mut self, enabling: &Enabling) {
        let done = self.b.new_block();
        let always = enabling.by_share.get(&ALL).copied().unwrap_or(0);
        let sampled: Vec<(u64, u32)> = enabling
            .by_share
            .iter()
            .filter(|(share, _)| **share < ALL)
            .map(|(share, flags)| (*share, *flags))
            .collect();
        let mut wanted = self.b.number(u64::from(always));
        let mut sampled = sampled.into_iter().rev();
        if always == 0
            && let Some((largest, flags)) = sampled.next()
        {
            let (drawn, largest) = (self.draw(), self.b.number(largest));
            let some = self.b.new_block();
            self.b.branch(CondOp::Lt, drawn, largest, some, done);
            self.b.switch_to(some);
            wanted = self.b.number(u64::from(flags));
        }
        for (share, flags) in sampled {
            let (drawn, share) = (self.draw(), self.b.number(share));
            let more = self.b.binary_imm(BinaryOp::Or, wanted, u64::from(flags));
            wanted = self.select(CondOp::Lt, drawn, share, more, wanted);
        }
        let present = self.b.field(context_field("bpf_sock_ops_cb_flags"), 0);
        let flags = self.b.binary(BinaryOp::Or, present, wanted);
        let context = self.b.value(InstData::Context);
        self.b.call(kernel_helper("bpf_sock_ops_cb_flags_set"), vec![context, flags]);
        self.b.jump(done);
        self.b.switch_to(done);
    }

    /// The number that is drawn for this connection, as [`tcpc_stdlib::builtin::draw`] says.
    pub fn draw(&mut self) -> Value {
        let context = self.b.value(InstData::Context);
        let cookie = self.b.call(kernel_helper("bpf_get_socket_cookie"), vec![context]);
        let mut mixed = self.b.binary_imm(BinaryOp::Xor, cookie, HASH_START);
        for _ in 0..2 {
            let spread = self.b.binary_imm(BinaryOp::Mul, mixed, HASH_FACTOR);
            let upper = self.b.binary_imm(BinaryOp::Shr, spread, 32);
            mixed = self.b.binary(BinaryOp::Xor, spread, upper);
        }
        self.b.binary_imm(BinaryOp::And, mixed, u64::from(u32::MAX))
    }
}
