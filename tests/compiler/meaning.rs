//! The policies' own tests.

use tcpc_runtime::report::{Report, render};
use tcpc_runtime::scenario::run_tests;

use super::policy::{self, Policy};

fn run(policy: &Policy) -> Report {
    let (source, analysis) = policy.analyzed();
    run_tests(&policy.compile(true).object, &analysis.program, &source, None).unwrap()
}

#[test]
fn every_policy_does_what_its_tests_say() {
    for policy in policy::all() {
        let report = run(&policy);
        assert!(report.failed() == 0 && report.passed() > 0, "{}", render(&report));
    }
}

#[test]
fn a_count_that_is_never_reached_leaves_nothing() {
    let text = "on tcp_connect { stop; count never; count by_peer by remote_ip }\n";
    let object = Policy::new("never.tcp", text).object(false);
    assert!(object.data.is_empty() && object.maps.is_empty());
    assert!(object.manifest.unwrap().counters.is_empty());
}

#[test]
fn a_rule_that_is_never_reached_has_no_hits() {
    let text = "on tcp_connect { stop }\nlate: on tcp_connect { mark = 1 }\n\
                test \"late\" { fire tcp_connect expect not rule late and rule late == 0 }\n";
    let report = run(&Policy::new("late.tcp", text));
    assert!(report.passed() == 1, "{}", render(&report));
}

#[test]
fn no_two_things_that_a_loader_looks_for_have_one_name() {
    let long = "a_very_long_name";
    let text = format!(
        "on tcp_connect {{ count {long}_1 by remote_ip; count {long}_2 by remote_ip; count hz by remote_ip }}\n\
         on timeout_init when role == client -> srtt * 2\n\
         on base_rtt when remote_port == 1 -> 10us\n"
    );
    for name in ["hz.tcp", "ticks_per_second.tcp", "mark.tcp"] {
        let compiled = Policy::new(name, text.clone()).compile(true);
        let object = tcpc_compiler::object::read(&compiled.object).unwrap();
        let globals = object.data.iter().flat_map(|data| &data.symbols).map(|(name, ..)| name);
        let maps = object.maps.iter().map(|map| &map.name);
        let mut names: Vec<&String> = globals.chain(maps).chain([&object.name]).collect();
        let count = names.len();
        assert_eq!(object.maps.len(), 3, "{name}");
        names.sort();
        names.dedup();
        assert!(names.len() == count || name == "hz.tcp", "{name}: {names:?}");
        // Constants that a loader sets by name alone: no map's and no program's name is that long.
        let set = compiled.manifest.jiffies.iter().map(|one| &one.symbol).chain(&compiled.manifest.hz_symbol);
        let set = set.chain(compiled.manifest.features.iter().map(|one| &one.symbol));
        for symbol in set {
            assert!(symbol.len() > tcpc_stdlib::manifest::PROGRAM_NAME_MAX, "{symbol}");
        }
    }
}
