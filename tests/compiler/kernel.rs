//! What the running kernel's verifier says. Programs are loaded, never attached.
//!
//! Needs root; elsewhere the tests print that they are skipped, and with `TCPC_REQUIRE_KERNEL=1` they fail.

use std::io::Write;

use aya::EbpfLoader;
use aya::programs::SockOps;

use super::policy::{self, Policy};
use super::{expressions, limits, programs, state};

/// Whether programs can be loaded here.
pub fn permitted() -> bool {
    let missing = tcpc_loader::probe::missing_capabilities().unwrap();
    if missing.is_empty() {
        return true;
    }
    assert!(
        std::env::var_os("TCPC_REQUIRE_KERNEL").is_none_or(|value| value != "1"),
        "no kernel test: {} is missing",
        missing.join(", ")
    );
    // `eprintln!` would be captured with the output of a test that passes.
    let name = std::thread::current().name().unwrap_or("kernel test").to_string();
    std::io::stderr().write_all(format!("{name}: skipped: not permitted\n").as_bytes()).unwrap();
    false
}

/// Loads a policy's object as a loader does, constants for this kernel included.
pub fn load(policy: &Policy, stats: bool) {
    let compiled = policy.compile(stats);
    let mut loader = EbpfLoader::new();
    let ticks = 250u32;
    for one in &compiled.manifest.jiffies {
        loader.override_global(&one.symbol, &ticks, true);
    }
    if let Some(symbol) = &compiled.manifest.hz_symbol {
        loader.override_global(symbol, &ticks, true);
    }
    // An older kernel lacks the functions, and takes the rest.
    let object = tcpc_loader::resolve(&compiled.object)
        .or_else(|_| tcpc_loader::without_calls(&compiled.object))
        .unwrap();
    let name = tcpc_compiler::object::read(&compiled.object).unwrap().name;
    let mut loaded = loader.load(&object).unwrap_or_else(|error| panic!("{}: {error}", policy.name));
    let program: &mut SockOps = loaded.program_mut(&name).unwrap().try_into().unwrap();
    program.load().unwrap_or_else(|error| panic!("{}: {error}", policy.name));
}

#[test]
fn every_policy_is_accepted() {
    if !permitted() {
        return;
    }
    for (at, policy) in policy::all().into_iter().enumerate() {
        load(&policy, at % 2 == 0);
    }
}

#[test]
fn a_policy_may_be_called_like_what_is_in_it() {
    if !permitted() {
        return;
    }
    let text = "on tcp_connect { count hz by remote_ip; count flows by remote_port }\n\
                on timeout_init when role == client -> srtt * 2\n";
    for name in ["hz.tcp", "flows.tcp", "license.tcp", "count_flows.tcp"] {
        load(&Policy::new(name, text), true);
    }
}

#[test]
fn time_stamps_go_with_every_policy_of_the_library() {
    if !permitted() {
        return;
    }
    let asked = "on tstamp_ack when kernel has tstamp_ack { count zz_acked by remote_port }";
    let sampled = "on tstamp_sched sample 5% { count zz_queued }";
    for (at, policy) in tcpc_stdlib::policies::POLICIES.iter().enumerate() {
        for rules in [asked.to_owned(), format!("{asked}\n{sampled}")] {
            load(&Policy::new(policy.name, format!("{}\n{rules}\n", policy.text)), at % 2 == 0);
        }
    }
}

#[test]
fn random_policies_are_accepted() {
    if !permitted() {
        return;
    }
    let policies = programs::policies(8, 25).into_iter().chain(expressions::policies(9, 15));
    let policies = policies.chain(state::policies(10, 40));
    for (at, policy) in policies.enumerate() {
        load(&policy, at % 2 == 0);
    }
}

#[test]
fn large_policies_are_accepted() {
    if !permitted() {
        return;
    }
    load(&limits::table_of_100_000(), false);
    for policy in limits::many_rules() {
        load(&policy, false);
    }
}
