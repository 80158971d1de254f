//! The policies of the standard library: the verifier takes each, and connections show what it does.

use std::time::Duration;

use tcpc_compiler::{Options, compile};
use tcpc_lang::modules::{NoFiles, load};
use tcpc_lang::source::SourceFile;
use tcpc_loader::{counters, detach, probe};
use tcpc_stdlib::policies::{POLICIES, policy};

use super::lab::{Lab, Pair, Side, lab};
use super::probes::*;
use super::wire::*;

/// The object of a policy, for another HZ than this kernel's: the loader must set it right.
fn object(name: &str, stats: bool) -> Vec<u8> {
    let host = probe::host_hz().unwrap();
    let hz = if host == 1000 { 100 } else { 1000 };
    let source = load(SourceFile::new(format!("{name}.tcp"), policy(name).unwrap().text), &NoFiles);
    let analysis = tcpc_lang::analyze(&source);
    assert!(analysis.is_valid(), "{name}: {:?}", analysis.diagnostics);
    compile(&analysis.program, &source, &Options { hz, stats }).unwrap().object
}

/// Attaches a policy to one side; how often its rules have run so far can be asked of the result.
fn attach(side: &Side, name: &str) -> Hits {
    Hits(side.attach(&object(name, true)).unwrap().pins)
}

/// Attaches a policy to both sides.
fn attach_both(lab: &Lab, name: &str) -> [Hits; 2] {
    [attach(&lab.client, name), attach(&lab.server, name)]
}

struct Hits(std::path::PathBuf);

impl Hits {
    /// Runs of all rules of an event.
    fn of(&self, event: &str) -> u64 {
        let found = counters(&self.0).unwrap();
        assert!(found.failures.is_empty(), "{:?}", found.failures);
        let rules = found.rules.iter().filter(|rule| rule.events.iter().any(|one| one == event));
        rules.map(|rule| rule.hits.unwrap()).sum()
    }
}

/// What a socket tells of a buffer that was set to so many bytes: twice as much as the host allows.
fn buffer(option: &str, bytes: u64) -> u32 {
    let cap = probe::buffer_cap(option).map_or(u64::MAX, |(_, cap)| cap);
    2 * bytes.min(cap) as u32
}

#[test]
fn the_verifier_takes_every_policy() {
    let Some(lab) = lab() else { return };
    for policy in POLICIES {
        for stats in [true, false] {
            if let Err(error) = lab.client.attach(&object(policy.name, stats)) {
                panic!("{}: {error}\n{error:?}", policy.name);
            }
            detach(&lab.client.cgroup, None).unwrap();
        }
    }
}

#[test]
fn synrto_sends_syns_early_inside_the_datacenter_only() {
    let Some(lab) = lab() else { return };
    let hits = attach(&lab.client, "synrto");
    let near = syn_times(&lab, Pair::V6, Duration::from_millis(300));
    assert!(near.len() >= 4, "{near:?}");
    assert!((8..100).contains(&near[1]), "{near:?}");
    let answered = hits.of("timeout_init");
    assert!(answered > 0);
    for pair in [Pair::V4, Pair::V6Far] {
        assert_eq!(syn_times(&lab, pair, Duration::from_millis(300)), [0], "{pair:?}");
    }
    assert_eq!(hits.of("timeout_init"), answered);
}

#[test]
fn synrto_sends_synacks_early_inside_the_datacenter_only() {
    let Some(lab) = lab() else { return };
    let hits = attach(&lab.server, "synrto");
    let near = synack_times(&lab, Pair::V6, Duration::from_millis(300));
    assert!(near.len() >= 3, "{near:?}");
    assert!((8..100).contains(&near[1]), "{near:?}");
    assert!(hits.of("timeout_init") > 0);
    assert_eq!(synack_times(&lab, Pair::V6Far, Duration::from_millis(300)), [0]);
}

#[test]
fn rwnd_opens_the_window_between_datacenters_only() {
    let Some(lab) = lab() else { return };
    attach_both(&lab, "rwnd");
    let forty = 40 * 1400..40 * 1500;
    let far = windows(&lab, Pair::V6Far, Role::Client);
    assert!(forty.contains(&far.opening), "{far:?}");
    let far = windows(&lab, Pair::V6Far, Role::Server);
    assert!(forty.contains(&far.opening), "{far:?}");
    for role in Role::BOTH {
        let near = windows(&lab, Pair::V6, role);
        assert!(!forty.contains(&near.opening), "{role:?} {near:?}");
    }
}

#[test]
fn bufs_enlarges_the_buffers_of_both_ends() {
    let Some(lab) = lab() else { return };
    attach_both(&lab, "bufs");
    let wanted = (buffer("sndbuf", 1_500_000), buffer("rcvbuf", 1_500_000));
    for pair in Pair::NEAR {
        let connection = connect(&lab, pair);
        for role in Role::BOTH {
            assert_eq!(buffers(connection.end(role)), wanted, "{pair:?} {role:?}");
        }
    }
}

#[test]
fn cong_asks_for_ecn_and_a_congestion_control_on_both_ends() {
    let Some(lab) = lab() else { return };
    // The fall-back is used, and counted as a failure of the first choice, where DCTCP is missing.
    let [client, server] = attach_both(&lab, "cong");
    let known = probe::congestion_controls().unwrap();
    let wanted = ["dctcp", "cubic"].into_iter().find(|name| known.iter().any(|one| one == name)).unwrap();
    for pair in Pair::NEAR {
        let connection = connect(&lab, pair);
        assert!(connection.opening(0).has(ECE | CWR), "{pair:?}");
        assert!(connection.opening(ACK).has(ECE), "{pair:?}");
        for role in Role::BOTH {
            assert!(has_ecn(connection.end(role)), "{pair:?} {role:?}");
            assert_eq!(congestion(connection.end(role)), wanted, "{pair:?} {role:?}");
        }
    }
    if wanted != "dctcp" {
        for hits in [client, server] {
            let failures = counters(&hits.0).unwrap().failures;
            // ENOENT, once a connection.
            assert!(failures.iter().all(|one| one.option == "congestion" && one.errno == 2), "{failures:?}");
            assert_eq!(failures.iter().map(|one| one.count).sum::<u64>(), 2, "{failures:?}");
        }
    }
}

#[test]
fn iw_sends_forty_segments_at_once() {
    let Some(lab) = lab() else { return };
    attach_both(&lab, "iw");
    for role in Role::BOTH {
        assert_eq!(initial_burst(&lab, Pair::V6, role), 40, "{role:?}");
    }
}

#[test]
fn clamp_bounds_the_congestion_window_inside_the_datacenter_only() {
    let Some(lab) = lab() else { return };
    attach_both(&lab, "clamp");
    for role in Role::BOTH {
        let near = largest_flight(&lab, Pair::V6, role);
        assert!((60..=100).contains(&near), "{role:?} {near}");
        let far = largest_flight(&lab, Pair::V6Far, role);
        assert!(far > 100, "{role:?} {far}");
    }
}

#[test]
fn tos_reflect_answers_in_the_class_of_the_syn() {
    let Some(lab) = lab() else { return };
    attach(&lab.server, "tos_reflect");
    for pair in Pair::NEAR {
        assert_eq!(answered_tos(&lab, pair, 0x28), 0x28, "{pair:?}");
        assert_eq!(answered_tos(&lab, pair, 0), 0, "{pair:?}");
    }
}

#[test]
fn appendix_a_tunes_connections_inside_the_datacenter_only() {
    let Some(lab) = lab() else { return };
    let [client, server] = attach_both(&lab, "appendix_a");
    let near = connect(&lab, Pair::V6);
    for role in Role::BOTH {
        let wanted = (buffer("sndbuf", 150_000), buffer("rcvbuf", 150_000));
        assert_eq!(buffers(near.end(role)), wanted, "{role:?}");
    }
    assert_eq!((client.of("timeout_init"), client.of("tcp_connect")), (1, 1));
    assert_eq!((client.of("active_established"), server.of("passive_established")), (1, 1));
    let far = connect(&lab, Pair::V6Far);
    assert_ne!(buffers(far.end(Role::Client)), buffers(near.end(Role::Client)));
    assert_eq!((client.of("active_established"), server.of("passive_established")), (1, 1));
}

#[test]
fn a_policy_without_an_answer_leaves_the_answer_of_another_one() {
    let Some(lab) = lab() else { return };
    // `rwnd` has rules for far pairs only, and runs for every event; `synrto` answers near ones.
    for order in [["synrto", "rwnd"], ["rwnd", "synrto"]] {
        for name in order {
            attach(&lab.client, name);
        }
        assert!(syn_times(&lab, Pair::V6, Duration::from_millis(100)).len() > 1, "{order:?}");
        for name in order {
            detach(&lab.client.cgroup, Some(name)).unwrap();
        }
    }
}
