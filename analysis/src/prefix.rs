//! Two addresses that agree in some first bits and not in more, each out of ranges.

use crate::ranges::Ranges;

/// A local and a remote address that agree in the first `agree` bits of 128 and do not agree in the first `differ`, if
/// there are such. `differ` above 128 asks for nothing. Counts the pairs of ranges that it looks at.
///
/// It is exact. In blocks of `agree` bits in which both have addresses, only the outermost can be cut off; what lies
/// between is whole, as the second one is. In a block it is enough to look at the extremes: if these agree in `differ`
/// bits, all do.
pub fn find(local: &Ranges, remote: &Ranges, agree: u8, differ: u8, work: &mut u64) -> Option<(u128, u128)> {
    if agree >= differ {
        return None;
    }
    let mut first = 0;
    for &(low, high) in local.parts() {
        let reach = (start(low, agree), end(high, agree));
        // Both are in ascending order: what ended before this one ends before the next one.
        while remote.parts().get(first).is_some_and(|range| range.1 < reach.0) {
            first += 1;
        }
        for &range in remote.parts().get(first..).unwrap_or(&[]) {
            *work = work.saturating_sub(1);
            if range.0 > reach.1 || *work == 0 {
                break;
            }
            if let Some(found) = in_ranges((low, high), range, agree, differ) {
                return Some(found);
            }
        }
    }
    None
}

/// The same of one range each.
fn in_ranges(local: (u128, u128), remote: (u128, u128), agree: u8, differ: u8) -> Option<(u128, u128)> {
    let low = start(local.0.max(remote.0), agree).max(start(local.0, agree)).max(start(remote.0, agree));
    let last = start(local.1.min(remote.1), agree);
    // The blocks that both reach into begin where the later one begins.
    if low > last {
        return None;
    }
    let second = end(low, agree).checked_add(1).filter(|block| *block <= last);
    [Some(low), second, Some(last)]
        .into_iter()
        .flatten()
        .find_map(|block| in_block(local, remote, (block, end(block, agree)), differ))
}

/// The same in one block, in which all addresses agree.
fn in_block(
    local: (u128, u128),
    remote: (u128, u128),
    block: (u128, u128),
    differ: u8,
) -> Option<(u128, u128)> {
    let cut = |range: (u128, u128)| (range.0.max(block.0), range.1.min(block.1));
    let (local, remote) = (cut(local), cut(remote));
    if local.0 > local.1 || remote.0 > remote.1 {
        return None;
    }
    let pairs = [(local.0, remote.0), (local.0, remote.1), (local.1, remote.0), (local.1, remote.1)];
    pairs.into_iter().find(|&(a, b)| differ > 128 || start(a, differ) != start(b, differ))
}

/// The first address that agrees with this one in so many bits.
fn start(address: u128, bits: u8) -> u128 {
    address & !host(bits)
}

/// The last one.
fn end(address: u128, bits: u8) -> u128 {
    address | host(bits)
}

/// The bits behind the first ones.
fn host(bits: u8) -> u128 {
    u128::MAX.checked_shr(bits.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The upper six bits of an address, spread so that ranges begin and end inside of blocks.
    fn ranges() -> impl Strategy<Value = Ranges> {
        let range = (0u128..64, 0u128..64).prop_map(|(low, high)| (low << 122, high << 122));
        prop::collection::vec(range, 0..4).prop_map(Ranges::of)
    }

    fn same(a: u128, b: u128, bits: u8) -> bool {
        bits == 0 || (a ^ b) >> (128 - u32::from(bits)) == 0
    }

    proptest! {
        #[test]
        fn it_finds_a_pair_where_there_is_one(local in ranges(), remote in ranges(), agree in 0u8..8, differ in 1u8..9) {
            let differ = if differ == 8 { 129 } else { differ };
            let points = |ranges: &Ranges| (0..64u128).map(|n| n << 122).filter(|&n| ranges.has(n)).collect::<Vec<_>>();
            let fits = |a, b| same(a, b, agree) && (differ > 128 || !same(a, b, differ));
            let found = find(&local, &remote, agree, differ, &mut 1_000_000);
            if let Some((a, b)) = found {
                prop_assert!(local.has(a) && remote.has(b) && fits(a, b));
            } else {
                for a in points(&local) {
                    for b in points(&remote) {
                        prop_assert!(!fits(a, b), "{a:x} {b:x}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_whole_block_between_two_cut_off_ones() {
        // /126 blocks of four: the first and the last have one address each.
        let range = Ranges::span(3, 8);
        let (a, b) = find(&range, &range, 126, 127, &mut 100).unwrap();
        assert!(a / 4 == b / 4 && a / 2 != b / 2, "{a} {b}");
        assert_eq!(find(&Ranges::span(3, 4), &Ranges::span(3, 4), 126, 127, &mut 100), None);
        assert_eq!(find(&Ranges::one(9), &Ranges::one(9), 128, 129, &mut 100), Some((9, 9)));
    }
}
