//! Kernel functions that sock_ops programs call by name and not by number ("kfuncs").
//!
//! Prototypes are those of `bpf_cast_to_kern_ctx` in `kernel/bpf/helpers.c` and of
//! `bpf_sock_ops_enable_tx_tstamp` in `net/core/filter.c`. A loader finds each in the type information of the
//! running kernel; the kernel takes such calls only where it has a JIT compiler.

use crate::kernel::{KernelVersion, v};

/// One kernel function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kfunc {
    /// Its name, by which a loader finds it.
    pub name: &'static str,
    /// First kernel that offers it to sock_ops.
    pub since: KernelVersion,
    /// Its parameters, in r1 and the registers after it.
    pub parameters: &'static [Parameter],
    /// Its result, in r0.
    pub outcome: Outcome,
    /// The events where it does something; empty: all.
    pub events: &'static [&'static str],
    /// One line for people.
    pub doc: &'static str,
}

/// A parameter of a kernel function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What the kernel calls it.
    pub name: &'static str,
    /// What it must be.
    pub ty: ParameterType,
}

/// What an argument of a kernel function must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// The context that the program was given (`void *`).
    Context,
    /// The kernel's own context, as [`Outcome::KernelContext`] gives it.
    KernelContext,
    /// A number (`u64`).
    Number,
}

/// What a kernel function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel's own context behind the program's (`void *`, which the verifier knows better).
    KernelContext,
    /// 0 or a negative error number (`int`).
    Errno,
}

/// The kernel's own context of a sock_ops program.
pub const KERNEL_CONTEXT: &str = "bpf_sock_ops_kern";

/// The kernel function of this name.
pub fn kfunc(name: &str) -> Option<&'static Kfunc> {
    KFUNCS.iter().find(|kfunc| kfunc.name == name)
}

/// Every kernel function that generated programs call.
pub const KFUNCS: &[Kfunc] = &[
    Kfunc {
        name: "bpf_cast_to_kern_ctx",
        since: v(6, 2),
        parameters: &[Parameter { name: "obj", ty: ParameterType::Context }],
        outcome: Outcome::KernelContext,
        events: &[],
        doc: "The kernel's own context behind the program's.",
    },
    Kfunc {
        name: "bpf_sock_ops_enable_tx_tstamp",
        since: v(6, 15),
        parameters: &[
            Parameter { name: "skops", ty: ParameterType::KernelContext },
            Parameter { name: "flags", ty: ParameterType::Number },
        ],
        outcome: Outcome::Errno,
        events: &["tstamp_sendmsg"],
        doc: "The last byte of this send call is stamped on its way; the flags are 0.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::event;

    #[test]
    fn every_row_is_found_by_its_name_and_names_events() {
        for row in KFUNCS {
            assert_eq!(kfunc(row.name), Some(row));
            assert!(row.events.iter().all(|name| event(name).is_some()), "{row:?}");
            assert!(row.parameters.len() <= 5, "{row:?}");
        }
    }
}
