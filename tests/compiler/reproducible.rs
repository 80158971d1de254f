//! An object is a pure function of the source and the options.

use super::policy::{self, Policy};

#[test]
fn the_same_source_gives_the_same_bytes() {
    for policy in policy::all() {
        for stats in [true, false] {
            assert_eq!(policy.compile(stats).object, policy.compile(stats).object, "{}", policy.name);
        }
    }
}

#[test]
fn the_folder_of_a_policy_does_not_matter() {
    for policy in policy::all() {
        let elsewhere = Policy::new(&format!("/some/where/else/{}", policy.name), policy.text.clone());
        assert_eq!(policy.compile(true).object, elsewhere.compile(true).object, "{}", policy.name);
    }
}

#[test]
fn the_papers_policy_is_small() {
    let text = tcpc_stdlib::policies::policy("appendix_a").unwrap().text;
    let slots = Policy::new("appendix_a.tcp", text).compile(false).slots;
    assert!(slots <= 78, "{slots} slots");
}
