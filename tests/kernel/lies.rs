//! Objects that say of their maps what is not so: they are refused, before the kernel is told to write more bytes of a
//! key or a value than there is room for.

use tcpc_loader::{LoaderError, find, list, tables};

use super::lab::{Pair, lab};
use super::probes::connect;
use super::watch::object;

/// The object with something else in its description of itself, in as many bytes.
fn lying(mut object: Vec<u8>, truth: &str, lie: &str) -> Vec<u8> {
    assert!(lie.len() <= truth.len());
    let at = object.windows(truth.len()).position(|window| window == truth.as_bytes()).expect("it says so");
    let padded = format!("{lie:width$}", width = truth.len());
    object[at..at + truth.len()].copy_from_slice(padded.as_bytes());
    object
}

#[test]
fn a_set_whose_maps_are_of_another_kind_is_refused() {
    let Some(lab) = lab() else { return };
    let text = "mutable set BLOCKED: prefix max 8 = { 192.0.2.0/24 }\non timeout_init when remote_ip in BLOCKED -> 10ms";
    let object = lying(object("blocked", text), r#""element":"prefix""#, r#""element":"port""#);
    let error = lab.client.attach(&object).unwrap_err();
    assert!(error.to_string().contains("of another kind than the policy says"), "{error}");
    assert!(list().unwrap().iter().all(|one| one.cgroup.as_ref() != Some(&lab.client.cgroup)));
}

#[test]
fn a_set_whose_keys_have_another_size_is_refused() {
    let Some(lab) = lab() else { return };
    let text = "mutable set PEERS: ip max 8 = { 192.0.2.1 }\non timeout_init when remote_ip in PEERS -> 10ms";
    let object = lying(object("peers", text), r#""element":"ip""#, r#""element":"p""#);
    let error = lab.client.attach(&object).unwrap_err();
    assert!(error.to_string().contains("keys of 16 and values of 1 bytes"), "{error}");
}

#[test]
fn a_table_with_a_row_for_each_processor_is_read_as_one() {
    let Some(lab) = lab() else { return };
    let text =
        "table ports by remote_port max 8 per_cpu { n: int }\non tcp_connect { ports[remote_port].n += 1 }";
    let truth = r#""lru":false,"per_cpu":true"#;
    let object = lying(object("rows", text), truth, r#""lru":true,"per_cpu":false"#);
    lab.client.attach(&object).unwrap_or_else(|error| panic!("{error}"));
    drop(connect(&lab, Pair::V4));
    let policies = find(&["rows".to_owned()], Some(&lab.client.cgroup)).unwrap();
    let (policy, table) = tables::named(policies, "ports").unwrap().remove(0);
    let error = tables::dump(policy, table).unwrap_err();
    assert!(
        matches!(&error, LoaderError::BadRecord { reason, .. } if reason.contains("another kind")),
        "{error}"
    );
}
