//! What a program does beside its rules so that the kernel raises some events, where that is no callback flag.

/// A socket option that a connection must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnablingOption {
    /// The option.
    pub option: &'static str,
    /// Its value, in the kernel's unit.
    pub value: u64,
    /// The events that need it; all came with the same kernel.
    pub events: &'static [&'static str],
}

/// A call that must be made in one event so that others follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnablingCall {
    /// The event in which it is made.
    pub within: &'static str,
    /// The kernel function, which takes the kernel's own context and a number.
    pub kfunc: &'static str,
    /// The number.
    pub flags: u64,
    /// The events that need it.
    pub events: &'static [&'static str],
}

/// Options that are set when a connection is established. `SK_BPF_CB_FLAGS` has one flag,
/// `SK_BPF_CB_TX_TIMESTAMPING`.
pub const ENABLING_OPTIONS: &[EnablingOption] = &[EnablingOption {
    option: "sk_bpf_cb_flags",
    value: 1,
    events: &["tstamp_sendmsg", "tstamp_sched", "tstamp_snd_sw", "tstamp_snd_hw", "tstamp_ack"],
}];

/// Calls: which sends are stamped is decided when they begin.
pub const ENABLING_CALLS: &[EnablingCall] = &[EnablingCall {
    within: "tstamp_sendmsg",
    kfunc: "bpf_sock_ops_enable_tx_tstamp",
    flags: 0,
    events: &["tstamp_sched", "tstamp_snd_sw", "tstamp_snd_hw", "tstamp_ack"],
}];

/// The option that an event needs.
pub fn enabling_option(event: &str) -> Option<&'static EnablingOption> {
    ENABLING_OPTIONS.iter().find(|row| row.events.contains(&event))
}

/// The call that an event needs.
pub fn enabling_call(event: &str) -> Option<&'static EnablingCall> {
    ENABLING_CALLS.iter().find(|row| row.events.contains(&event))
}

/// Whether enabling calls are made in an event: what a kernel without the event does not offer.
pub fn has_calls(event: &str) -> bool {
    ENABLING_CALLS.iter().any(|row| row.within == event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::event;
    use crate::kfunc::{ParameterType, kfunc};
    use crate::option::option;

    #[test]
    fn rows_name_what_there_is() {
        for row in ENABLING_OPTIONS {
            let since = |name: &&str| event(name).map(|event| event.since);
            assert!(row.events.iter().all(|name| since(name) == since(&row.events[0])), "{row:?}");
            assert!(option(row.option).is_some_and(|option| option.reserved.is_some()), "{row:?}");
            assert!(row.events.iter().all(|name| event(name).is_some()), "{row:?}");
        }
        for row in ENABLING_CALLS {
            let types: Vec<ParameterType> = kfunc(row.kfunc)
                .map(|kfunc| kfunc.parameters.iter().map(|parameter| parameter.ty).collect())
                .unwrap_or_default();
            assert_eq!(types, [ParameterType::KernelContext, ParameterType::Number]);
            assert!(kfunc(row.kfunc).is_some_and(|kfunc| kfunc.events.contains(&row.within)));
            assert!(row.events.iter().all(|name| event(name).is_some()), "{row:?}");
        }
    }
}
