//! The standard library: complete policies with their tests, and modules for others, as source.

/// A policy of the standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name: `std::NAME` on the command line.
    pub name: &'static str,
    /// Its source.
    pub text: &'static str,
}

/// What `std::NAME` means in a policy: a module, or a policy that serves as one.
pub fn module(name: &str) -> Option<&'static Policy> {
    MODULES.iter().find(|module| module.name == name).or_else(|| policy(name))
}

/// The policy called `name`.
pub fn policy(name: &str) -> Option<&'static Policy> {
    POLICIES.iter().find(|policy| policy.name == name)
}

/// Modules without rules of their own, by name: for `use std::NAME`.
pub const MODULES: &[Policy] = &[Policy { name: "dc", text: include_str!("../modules/dc.tcp") }];

macro_rules! policies {
    ($($name:literal),* $(,)?) => {
        /// Every policy, by name.
        pub const POLICIES: &[Policy] = &[
            $(Policy { name: $name, text: include_str!(concat!("../policies/", $name, ".tcp")) },)*
        ];
    };
}

policies! {
    "ack_delay_request",
    "adaptive_iw",
    "appendix_a",
    "basertt",
    "bufs",
    "clamp",
    "cong",
    "congestion_request",
    "delayed_ack",
    "dumpstats",
    "ecn_response",
    "flow_class",
    "initial_window_option",
    "iw",
    "loss_response",
    "rwnd",
    "subnet_accounting",
    "synrto",
    "tcp_state",
    "timestamps",
    "tos_reflect",
    "user_timeout_option",
    "window_experiment",
}
