//! The lab sees an untouched kernel's own values, so that what it sees of policies means something.

use std::time::Duration;

use super::lab::{Pair, lab};
use super::probes::*;
use super::wire::*;

#[test]
fn an_untouched_client_sends_its_second_syn_after_a_second() {
    let Some(lab) = lab() else { return };
    let times = syn_times(&lab, Pair::V6, Duration::from_millis(1300));
    assert_eq!(times.len(), 2, "{times:?}");
    assert!((980..1300).contains(&times[1]), "{times:?}");
}

#[test]
fn an_untouched_server_sends_its_second_synack_after_a_second() {
    let Some(lab) = lab() else { return };
    let times = synack_times(&lab, Pair::V4, Duration::from_millis(1300));
    assert_eq!(times.len(), 2, "{times:?}");
    assert!((980..1300).contains(&times[1]), "{times:?}");
}

#[test]
fn untouched_ends_use_what_the_system_is_set_to() {
    let Some(lab) = lab() else { return };
    for pair in Pair::NEAR {
        let connection = connect(&lab, pair);
        assert_eq!(connection.opening(0).flags & (ECE | CWR), 0);
        for role in Role::BOTH {
            let socket = connection.end(role);
            assert_eq!(congestion(socket), "reno");
            assert!(!has_ecn(socket));
            assert_eq!(congestion_window(socket), 10);
        }
    }
}

#[test]
fn untouched_ends_begin_with_ten_segments_and_grow() {
    let Some(lab) = lab() else { return };
    for role in Role::BOTH {
        assert_eq!(initial_burst(&lab, Pair::V6, role), 10, "{role:?}");
        assert!(largest_flight(&lab, Pair::V4, role) > 100, "{role:?}");
    }
}

#[test]
fn untouched_ends_offer_windows_of_64_kilobytes() {
    let Some(lab) = lab() else { return };
    for pair in Pair::NEAR {
        for role in Role::BOTH {
            let windows = windows(&lab, pair, role);
            assert!((50_000..=65_535).contains(&windows.opening), "{role:?} {windows:?}");
            assert!((50_000..=70_000).contains(&windows.first), "{role:?} {windows:?}");
        }
    }
}

#[test]
fn an_untouched_server_does_not_reflect_the_type_of_service() {
    let Some(lab) = lab() else { return };
    for pair in Pair::NEAR {
        assert_eq!(answered_tos(&lab, pair, 0x28), 0);
    }
}
