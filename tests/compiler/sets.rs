//! Membership in sets of all sizes, compared with looking at each element.

use tcpc_lang::hir::Value;
use tcpc_stdlib::kernel::AF_INET;

use super::bench::{Bench, MAPPED};
use super::policy::Policy;
use super::random::Random;

/// An element of a set: its text, and both its ends.
#[derive(Clone)]
struct Element {
    text: String,
    low: u128,
    high: u128,
}

fn prefix(address: u128, bits: u32) -> Element {
    let host = u128::MAX.checked_shr(bits).unwrap_or(0);
    let low = address & !host;
    let text = format!("{}/{bits}", std::net::Ipv6Addr::from(low));
    Element { text, low, high: low | host }
}

fn prefix_v4(address: u32, bits: u32) -> Element {
    let host = u32::MAX.checked_shr(bits).unwrap_or(0);
    let low = address & !host;
    let text = format!("{}/{bits}", std::net::Ipv4Addr::from(low));
    Element { text, low: MAPPED | u128::from(low), high: MAPPED | u128::from(low | host) }
}

fn range(low: u64, high: u64) -> Element {
    let text = if low == high { low.to_string() } else { format!("{low}..{high}") };
    Element { text, low: low.into(), high: high.into() }
}

/// IPv4 is no part of an IPv6 prefix, although it is shown within `::/0`.
fn contains(elements: &[Element], probe: u128) -> bool {
    let is_v4 = probe >> 32 == 0xffff;
    let covers = |element: &Element| {
        let of_v4 = element.low >> 32 == 0xffff && element.high >> 32 == 0xffff;
        (element.low..=element.high).contains(&probe) && is_v4 == of_v4
    };
    elements.iter().any(covers)
}

/// Both sides of every border, both ends of everything, and some in between.
fn probes(elements: &[Element], random: &mut Random, last: u128) -> Vec<u128> {
    let mut probes = vec![0, 1, last, last - 1];
    for element in elements.iter().take(60).chain(elements.last()) {
        probes.extend([element.low.saturating_sub(1), element.low, element.high]);
        probes.extend([element.high.saturating_add(1).min(last)]);
    }
    probes.extend((0..30).map(|_| random.wide() & last));
    probes
}

fn policy(field: &str, elements: &[Element]) -> Policy {
    let texts: Vec<&str> = elements.iter().map(|element| element.text.as_str()).collect();
    let text = format!(
        "set S = {{ {} }}\non active_established when {field} in S {{ mark = 1 }}\n",
        texts.join(", ")
    );
    Policy::new("set.tcp", text)
}

fn check_addresses(elements: &[Element], random: &mut Random) {
    let mut bench = Bench::new(policy("remote_ip", elements).object(false));
    let v4 = (0..10).map(|_| MAPPED | u128::from(random.number() as u32)).collect::<Vec<_>>();
    let edges = [MAPPED - 1, MAPPED, MAPPED | 0xffff_ffff, MAPPED + (1 << 32)];
    for probe in probes(elements, random, u128::MAX).into_iter().chain(v4).chain(edges) {
        bench.give("remote_ip", Value::Ip(probe));
        let found = !bench.marks("active_established").is_empty();
        let address = std::net::Ipv6Addr::from(probe);
        let texts: Vec<&str> = elements.iter().take(20).map(|element| element.text.as_str()).collect();
        assert_eq!(found, contains(elements, probe), "{address} in {} of {texts:?}", elements.len());
    }
}

const SIZES: &[u64] = &[1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 100, 700, 2000];

#[test]
fn addresses() {
    let mut random = Random(1);
    for &size in SIZES {
        let v6 = |random: &mut Random| {
            let near = 0x2001_0db8_u128 << 96 | random.wide() >> 40;
            let address = random.one_of(&[random.0.into(), near, near & !0xffff_ffff]);
            let bits = random.one_of(&[128, 127, 65, 64, 63, 33, 32, 48, 96, 97, 44]);
            prefix(address | near, bits)
        };
        let v4 = |random: &mut Random| {
            prefix_v4(random.number() as u32, random.one_of(&[32, 31, 24, 25, 23, 16, 8]))
        };
        let six: Vec<Element> = (0..size).map(|_| v6(&mut random)).collect();
        let four: Vec<Element> = (0..size).map(|_| v4(&mut random)).collect();
        let both: Vec<Element> =
            six.iter().zip(&four).take(1000).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        for elements in [six, four, both] {
            check_addresses(&elements, &mut random);
        }
    }
}

#[test]
fn the_ends_of_the_address_space() {
    let mut random = Random(2);
    let all = u128::MAX;
    let ends = [prefix(0, 128), prefix(all, 128), prefix_v4(0, 32), prefix_v4(u32::MAX, 32)];
    let fill: Vec<Element> = (1..6).map(|number| prefix(number << 100, 30)).collect();
    check_addresses(&ends, &mut random);
    check_addresses(&[&ends[..], &fill].concat(), &mut random);
    for whole in [prefix(0, 0), prefix_v4(0, 0), prefix(0, 1), prefix(all, 1), prefix(all, 3)] {
        check_addresses(std::slice::from_ref(&whole), &mut random);
        check_addresses(&[&fill[..], &[whole]].concat(), &mut random);
    }
    check_addresses(&[prefix(0, 0), prefix_v4(0, 0)], &mut random);
    check_addresses(&[prefix(0, 96), prefix(0x1_0000_0000_0000, 96)], &mut random);
}

#[test]
fn ports() {
    let mut random = Random(3);
    for &size in SIZES {
        let mut elements: Vec<Element> = (0..size)
            .map(|_| {
                let low = random.below(65_536);
                range(low, (low + random.one_of(&[0, 0, 1, 7])).min(65_535))
            })
            .collect();
        elements.extend([range(0, 0), range(65_535, 65_535)].into_iter().take(size as usize % 3));
        for field in ["remote_port", "local_port"] {
            let mut bench = Bench::new(policy(field, &elements).object(false));
            for probe in probes(&elements, &mut random, 65_535) {
                bench.give(field, Value::Number(probe as u64));
                let found = !bench.marks("active_established").is_empty();
                assert_eq!(found, contains(&elements, probe), "{field} {probe} of {size}");
            }
        }
    }
}

#[test]
fn numbers_up_to_the_largest() {
    let mut random = Random(4);
    let top = u64::MAX;
    let sets = [
        vec![range(top, top)],
        vec![range(0, top)],
        vec![range(1, top)],
        vec![range(0, 0), range(top - 1, top)],
        vec![range(0, 1), range(5, 5), range(9, 9), range(1 << 32, 1 << 33), range(top, top)],
        vec![range(1, 1), range(3, 3), range(1 << 31, 1 << 32), range(1 << 63, top - 1), range(70, 80)],
    ];
    for elements in sets {
        let mut bench = Bench::new(policy("bytes_acked / 1B", &elements).object(false));
        for probe in probes(&elements, &mut random, top.into()) {
            bench.give("bytes_acked", Value::Number(probe as u64));
            let found = !bench.marks("active_established").is_empty();
            assert_eq!(found, contains(&elements, probe), "{probe}");
        }
    }
}

#[test]
fn one_set_is_asked_for_several_fields() {
    let text = "set S = { 1, 5, 9, 13, 17 }\n\
                on active_established when remote_port in S and local_port in S and snd_cwnd in S { mark = 1 }\n";
    let mut bench = Bench::new(Policy::new("shared.tcp", text).object(false));
    for (remote, local, window) in [(1, 5, 9), (17, 17, 17), (1, 5, 10), (2, 5, 9), (1, 6, 9)] {
        bench.give("remote_port", Value::Number(remote));
        bench.give("local_port", Value::Number(local));
        bench.give("snd_cwnd", Value::Number(window));
        let all = [remote, local, window].iter().all(|number| number % 4 == 1);
        assert_eq!(!bench.marks("active_established").is_empty(), all);
    }
    assert_eq!(bench.world.sock.current_family(), AF_INET);
}
