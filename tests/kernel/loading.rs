//! Attaching, detaching and listing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tcpc_compiler::bpf::Size;
use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::object::Line;
use tcpc_loader::{
    AttachRequest, Cgroup, Listed, LoaderError, attach, cgroup2_mount, counters, detach, list, probe,
};
use tcpc_stdlib::manifest::CongestionUse;

use super::lab::{Pair, Side, lab};
use super::probes::syn_times;
use super::programs;

fn listed(side: &Side) -> Vec<Listed> {
    list().unwrap().into_iter().filter(|one| one.cgroup.as_ref() == Some(&side.cgroup)).collect()
}

/// Where the pins of a side's policies are once one is attached.
fn pins_of(side: &Side, pins: &Path) -> std::path::PathBuf {
    let id = Cgroup::open(&side.cgroup).unwrap().id;
    assert_eq!(pins.parent().unwrap().file_name().unwrap().to_str().unwrap(), id.to_string());
    pins.parent().unwrap().into()
}

#[test]
fn an_attached_policy_is_listed_and_detached() {
    let Some(lab) = lab() else { return };
    let attached = lab.client.attach(&programs::bytes(&programs::idle("idle"))).unwrap();
    let pins = pins_of(&lab.client, &attached.pins);
    let [one] = &listed(&lab.client)[..] else { panic!("not listed once") };
    assert_eq!((one.name.as_str(), one.alive), ("idle", true));
    assert_eq!((one.program_id, one.link_id), (attached.program_id, attached.link_id));
    assert!(one.attached_at.is_some() && one.others.is_empty());
    assert_eq!(one.record.as_ref().unwrap().manifest.policy, "idle");

    let gone = detach(&lab.client.cgroup, None).unwrap();
    assert_eq!((gone[0].name.as_str(), gone[0].was_alive), ("idle", true));
    assert!(listed(&lab.client).is_empty());
    assert!(!pins.exists());
    let again = detach(&lab.client.cgroup, None).unwrap_err();
    assert!(matches!(again, LoaderError::NothingAttached { .. }), "{again}");
}

#[test]
fn jiffies_are_those_of_this_kernel_and_hits_are_counted() {
    let Some(lab) = lab() else { return };
    let attached = lab.client.attach(&programs::timeout("rto", 10_000_001)).unwrap();
    assert_eq!(attached.hz, probe::host_hz().unwrap());
    // No tick divides this duration.
    assert_eq!(attached.roundings.len(), 1);
    assert!(attached.roundings[0].given > attached.roundings[0].asked);
    assert_eq!(counters(&attached.pins).unwrap().rules[0].hits, Some(0));
    let times = syn_times(&lab, Pair::V4, Duration::from_millis(100));
    assert!(times.len() > 1, "{times:?}");
    let hits = counters(&attached.pins).unwrap().rules[0].hits.unwrap();
    assert!(hits >= times.len() as u64 - 1, "{hits} hits of {times:?}");
}

#[test]
fn a_refused_program_shows_the_line_of_the_policy_and_leaves_nothing() {
    let Some(lab) = lab() else { return };
    let mut spec = programs::of_code("refused", vec![mov64_imm(0, 1), ldx(Size::W, 2, 1, 400), exit()]);
    spec.lines.push(Line { slot: 1, file: 0, line: 2, column: 1 });
    let error = lab.client.attach(&programs::bytes(&spec)).unwrap_err();
    let LoaderError::Refused(refusal) = error else { panic!("{error}") };
    assert!(refusal.reason.contains("invalid bpf_context access off=400"), "{}", refusal.reason);
    assert!(refusal.log.contains(&refusal.reason));
    let line = refusal.line.unwrap();
    assert_eq!(line.text, "on second -> 2");
    // Kernels before 6.9 show the text only.
    if let Some(place) = line.place {
        assert_eq!(place, ("refused.tcp".into(), 2));
    }
    assert!(listed(&lab.client).is_empty());
    // The cgroup's pin directory is gone as well.
    let attached = lab.client.attach(&programs::bytes(&programs::idle("idle"))).unwrap();
    let pins = pins_of(&lab.client, &attached.pins);
    assert_eq!(fs::read_dir(pins).unwrap().count(), 1);
}

#[test]
fn policies_share_a_cgroup_under_different_names() {
    let Some(lab) = lab() else { return };
    let object = programs::bytes(&programs::idle("idle"));
    lab.client.attach(&object).unwrap();
    let second = lab.client.attach(&object).unwrap_err();
    assert!(matches!(second, LoaderError::AlreadyAttached { .. }), "{second}");
    let other = lab.client.attach_as(&object, Some("other")).unwrap();
    assert_eq!(other.others.len(), 1);
    assert_eq!(other.others[0].name, "idle");

    let which = detach(&lab.client.cgroup, None).unwrap_err();
    assert!(matches!(which, LoaderError::WhichPolicy { .. }), "{which}");
    let wrong = detach(&lab.client.cgroup, Some("none")).unwrap_err();
    assert!(matches!(wrong, LoaderError::NoSuchPolicy { .. }), "{wrong}");
    detach(&lab.client.cgroup, Some("idle")).unwrap();
    assert_eq!(listed(&lab.client).len(), 1);
    assert!(listed(&lab.client)[0].alive);
}

#[test]
fn a_policy_can_be_detached_when_its_cgroup_is_gone() {
    let Some(lab) = lab() else { return };
    let attached = lab.client.attach(&programs::bytes(&programs::idle("idle"))).unwrap();
    fs::remove_dir(&lab.client.cgroup).unwrap();
    let [one] = &listed(&lab.client)[..] else { panic!("not listed once") };
    assert!(!one.alive);
    let gone = detach(&lab.client.cgroup, None).unwrap();
    assert!(!gone[0].was_alive);
    assert!(!attached.pins.exists());
}

#[test]
fn a_new_cgroup_of_the_same_path_does_not_inherit_a_policy() {
    let Some(lab) = lab() else { return };
    let object = programs::bytes(&programs::idle("idle"));
    lab.client.attach(&object).unwrap();
    fs::remove_dir(&lab.client.cgroup).unwrap();
    fs::create_dir(&lab.client.cgroup).unwrap();
    assert!(!listed(&lab.client)[0].alive);
    lab.client.attach(&object).unwrap();
    let alive: Vec<bool> = listed(&lab.client).iter().map(|one| one.alive).collect();
    assert_eq!(alive.iter().filter(|alive| **alive).count(), 1, "{alive:?}");
    // Both are meant by the path and the name.
    assert_eq!(detach(&lab.client.cgroup, None).unwrap().len(), 2);
}

#[test]
fn attaching_at_once_gives_each_name_to_one() {
    let Some(lab) = lab() else { return };
    let object = programs::bytes(&programs::idle("idle"));
    let results: Vec<_> = std::thread::scope(|scope| {
        let side = &lab.client;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| side.attach(&object))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(error, LoaderError::AlreadyAttached { .. }), "{error}");
    }
    assert_eq!(listed(&lab.client).len(), 1);
}

#[test]
fn the_root_must_be_asked_for() {
    let Some(_lab) = lab() else { return };
    let root = cgroup2_mount().unwrap().unwrap();
    if !Cgroup::open(&root).unwrap().is_root {
        return super::lab::skip("the root of the hierarchy is not visible here");
    }
    let error = attach(AttachRequest {
        cgroup: root,
        object: programs::bytes(&programs::idle("idle")),
        name: None,
        allow_root: false,
        parameters: Vec::new(),
        ring_bytes: None,
    });
    assert!(matches!(error, Err(LoaderError::CgroupRoot(_))));
}

#[test]
fn what_this_host_lacks_is_found_before_anything_is_loaded() {
    let Some(lab) = lab() else { return };
    let mut spec = programs::idle("cong");
    let missing = |has_fallback| CongestionUse { name: "no_such".into(), has_fallback, place: 1.into() };
    spec.manifest.congestion = vec![missing(false)];
    let error = lab.client.attach(&programs::bytes(&spec)).unwrap_err();
    assert!(matches!(error, LoaderError::CongestionMissing { .. }), "{error}");
    spec.manifest.congestion = vec![missing(true)];
    let attached = lab.client.attach(&programs::bytes(&spec)).unwrap();
    assert_eq!(attached.warnings.len(), 1);

    let mut spec = programs::idle("new");
    spec.manifest.kernel = "99.0".into();
    let error = lab.client.attach(&programs::bytes(&spec)).unwrap_err();
    assert!(matches!(error, LoaderError::KernelLacks { .. }), "{error}");
    let error = lab.client.attach_as(&programs::bytes(&programs::idle("idle")), Some("a.b")).unwrap_err();
    assert!(matches!(error, LoaderError::BadName(_)), "{error}");
}
