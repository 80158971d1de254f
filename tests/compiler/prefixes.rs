//! Prefixes of every length, compared with looking at each bit.

use tcpc_lang::hir::Value;

use super::bench::{Bench, MAPPED};
use super::policy::Policy;

const SIX: u128 = 0x2401_db00_5a5a_a5a5_0f0f_f0f0_8001_7ffe;
const FOUR: u128 = MAPPED | 0xac1f_8003;

/// Rules that count, one for each length; the counters that went up for a pair of addresses.
fn matching(bench: &mut Bench, lengths: usize, local: u128, remote: u128) -> Vec<bool> {
    bench.give("local_ip", Value::Ip(local));
    bench.give("remote_ip", Value::Ip(remote));
    let before: Vec<u64> = (0..lengths).map(|bits| bench.counter(&format!("c{bits}"))).collect();
    bench.fire("tcp_connect");
    (0..lengths).map(|bits| bench.counter(&format!("c{bits}")) > before[bits]).collect()
}

fn bench(lengths: usize, condition: impl Fn(usize) -> String) -> Bench {
    let rule = |bits| format!("on tcp_connect when {} {{ count c{bits} }}\n", condition(bits));
    Bench::new(Policy::new("lengths.tcp", (0..lengths).map(rule).collect::<String>()).object(false))
}

/// The address itself, and with each bit of its last `width` turned.
fn turned(address: u128, width: u32) -> impl Iterator<Item = (usize, u128)> {
    let bits = (0..width).map(move |bit| (bit as usize, address ^ (1 << (width - 1 - bit))));
    std::iter::once((width as usize, address)).chain(bits)
}

#[test]
fn of_ipv6() {
    let shown = |bits: usize| {
        let masked = if bits == 0 { 0 } else { SIX & (u128::MAX << (128 - bits)) };
        format!("remote_ip in {}/{bits}", std::net::Ipv6Addr::from(masked))
    };
    let mut bench = bench(129, shown);
    for (agreeing, remote) in turned(SIX, 128) {
        let wanted: Vec<bool> = (0..129).map(|bits| bits <= agreeing).collect();
        assert_eq!(matching(&mut bench, 129, SIX, remote), wanted, "first {agreeing} bits");
    }
    assert_eq!(matching(&mut bench, 129, FOUR, FOUR), vec![false; 129], "IPv4 is in no prefix of IPv6");
}

#[test]
fn of_ipv4() {
    let shown = |bits: usize| {
        let masked = if bits == 0 { 0 } else { FOUR as u32 & (u32::MAX << (32 - bits)) };
        format!("remote_ip in {}/{bits}", std::net::Ipv4Addr::from(masked))
    };
    let mut bench = bench(33, shown);
    for (agreeing, remote) in turned(FOUR, 32) {
        let wanted: Vec<bool> = (0..33).map(|bits| bits <= agreeing).collect();
        assert_eq!(matching(&mut bench, 33, FOUR, remote), wanted, "first {agreeing} bits");
    }
    // The last bits alone are not enough: the words before them must mark IPv4.
    for foreign in [FOUR & 0xffff_ffff, FOUR | 1 << 127, FOUR | 1 << 64, FOUR ^ 1 << 32] {
        assert_eq!(matching(&mut bench, 33, SIX, foreign), vec![false; 33]);
    }
}

#[test]
fn shared_by_both_ends() {
    let mut six = bench(129, |bits| format!("same_prefix(v6: {bits})"));
    for (agreeing, remote) in turned(SIX, 128) {
        let wanted: Vec<bool> = (0..129).map(|bits| bits <= agreeing).collect();
        assert_eq!(matching(&mut six, 129, SIX, remote), wanted, "first {agreeing} bits");
    }
    assert_eq!(matching(&mut six, 129, FOUR, FOUR), vec![false; 129]);
    let mut four = bench(33, |bits| format!("same_prefix(v4: {bits})"));
    for (agreeing, remote) in turned(FOUR, 32) {
        let wanted: Vec<bool> = (0..33).map(|bits| bits <= agreeing).collect();
        assert_eq!(matching(&mut four, 33, FOUR, remote), wanted, "first {agreeing} bits");
    }
    assert_eq!(matching(&mut four, 33, SIX, SIX), vec![false; 33]);
}

#[test]
fn one_length_for_both_families() {
    let mut bench = bench(129, |bits| format!("same_prefix({bits})"));
    for (agreeing, remote) in turned(SIX, 128) {
        let wanted: Vec<bool> = (0..129).map(|bits| bits <= agreeing).collect();
        assert_eq!(matching(&mut bench, 129, SIX, remote), wanted, "first {agreeing} bits");
    }
    for (agreeing, remote) in turned(FOUR, 32) {
        let wanted: Vec<bool> = (0..129).map(|bits| bits <= agreeing).collect();
        assert_eq!(matching(&mut bench, 129, FOUR, remote), wanted, "first {agreeing} bits of IPv4");
    }
}
