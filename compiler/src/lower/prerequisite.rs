//! What the kernel wants beside callback flags before it raises some events: socket options that a connection must
//! have, and calls that say which of its sends are meant.
//!
//! As with the flags, events whose rules are all sampled are asked for on the connections that are drawn. A policy that
//! runs without the events, on kernels that do not have them, asks for none there.

use tcpc_lang::hir::{Program, Requirement};
use tcpc_stdlib::builtin::WHOLE;
use tcpc_stdlib::enable::{EnablingCall, EnablingOption};
use tcpc_stdlib::feature::{Feature, FeatureKind, feature};
use tcpc_stdlib::kfunc::{Kfunc, kfunc};
use tcpc_stdlib::option::option;

use super::Lowerer;
use crate::ir::{CondOp, InstData};

/// The kernel function that gives the context which others take.
const CAST: &str = "bpf_cast_to_kern_ctx";

/// Something that is done first in an event.
#[derive(Clone, Copy, Debug)]
pub struct Prerequisite {
    what: Wanted,
    /// The share of connections that needs it, in 2^-32.
    share: u64,
    /// What the kernel must have for it, where the policy also runs on kernels that do not.
    only_if: Option<Feature>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Set a socket option.
    Option(&'static EnablingOption),
    /// Call a kernel function.
    Call(&'static EnablingCall),
}

impl Wanted {
    /// The events that need it, and one that every kernel has which can do it.
    fn events(self) -> (&'static [&'static str], Option<&'static str>) {
        match self {
            Wanted::Option(row) => (row.events, row.events.first().copied()),
            Wanted::Call(row) => (row.events, Some(row.within)),
        }
    }

    /// What is to be asked of the kernel first: nothing where the policy needs one of the events.
    fn only_if(self, program: &Program) -> Option<Feature> {
        let (events, asked) = self.events();
        let is_needed =
            |need: &Requirement| need.kind == FeatureKind::Event && events.contains(&need.construct.as_str());
        asked.filter(|_| !program.requirements.iter().any(is_needed)).and_then(feature)
    }
}

/// Notes that a share of the connections needs something.
pub fn widen(known: &mut Vec<Prerequisite>, what: Wanted, share: u64, program: &Program) {
    match known.iter_mut().find(|one| one.what == what) {
        Some(one) => one.share = one.share.max(share),
        None => known.push(Prerequisite { what, share, only_if: what.only_if(program) }),
    }
}

impl Lowerer<'_> {
    /// Does what an event begins with.
    pub fn lower_prerequisites(&mut self, prerequisites: &[Prerequisite]) {
        for one in prerequisites {
            let done = self.b.new_block();
            if let Some(feature) = one.only_if {
                let has = self.b.new_block();
                self.lower_kernel_has(feature, has, done);
                self.b.switch_to(has);
                self.may_lack_kfuncs |= matches!(one.what, Wanted::Call(_));
            }
            if one.share < WHOLE {
                let (drawn, share) = (self.draw(), self.b.number(one.share));
                let some = self.b.new_block();
                self.b.branch(CondOp::Lt, drawn, share, some, done);
                self.b.switch_to(some);
            }
            match one.what {
                Wanted::Option(row) => self.lower_enabling_option(row),
                Wanted::Call(row) => self.lower_enabling_call(row),
            }
            self.b.jump(done);
            self.b.switch_to(done);
        }
    }

    fn lower_enabling_option(&mut self, row: &EnablingOption) {
        if let Some(option) = option(row.option) {
            let value = self.b.number(row.value);
            self.set_number(option, value);
        }
    }

    fn lower_enabling_call(&mut self, row: &EnablingCall) {
        let context = self.b.value(InstData::Context);
        let own = self.b.call_kernel(kernel_function(CAST), vec![context]);
        let flags = self.b.number(row.flags);
        self.b.call_kernel(kernel_function(row.kfunc), vec![own, flags]);
    }
}

/// A kernel function that the compiler itself needs; the catalogue's tests show that it exists.
fn kernel_function(name: &str) -> &'static Kfunc {
    kfunc(name).unwrap_or(&tcpc_stdlib::kfunc::KFUNCS[0])
}
