//! Connections like one that was found, where it is not certain that there is such a one.

use tcpc_analysis::formula::LeafId;
use tcpc_analysis::leaf::{Kind, LOCAL, REMOTE};
use tcpc_analysis::scene::World;
use tcpc_analysis::witness::Witness;
use tcpc_runtime::random::split_mix_64;
use tcpc_stdlib::kernel::is_mapped;

/// So many are tried.
const MOST: usize = 200;

/// The same connections in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        split_mix_64(&mut self.0)
    }

    /// A number of any size: small ones are as likely as large ones.
    fn number(&mut self, low: u128, high: u128) -> u128 {
        let bits = self.next() % 64;
        let number = u128::from(self.next() >> bits);
        match self.next() % 8 {
            0 => low,
            1 => high,
            2 => low.saturating_add(number).min(high),
            3 => high.saturating_sub(number).max(low),
            _ => number.clamp(low, high),
        }
    }
}

/// Connections with other values of all that conditions ask for.
pub fn like(world: &World, flow: &Witness) -> impl Iterator<Item = Witness> {
    let mut random = Random(0x7c9);
    (0..MOST).map(move |_| {
        let mut other = flow.clone();
        for leaf in world.leaves.ids().filter(|&leaf| can_vary(world, leaf)) {
            if random.next().is_multiple_of(4) {
                continue;
            }
            let value = match other.value(leaf) {
                // Of an address the host changes, so that the network stays.
                Some(address) if [LOCAL, REMOTE].contains(&leaf) => {
                    let host = if is_mapped(address) { 0xff } else { u128::from(u64::MAX) };
                    address & !host | u128::from(random.next()) & host
                }
                _ => {
                    let Some((low, high)) = world.leaves.get(leaf).domain.bounds() else { continue };
                    random.number(low, high)
                }
            };
            if world.leaves.get(leaf).domain.has(value) {
                other.values.insert(leaf, value);
            }
        }
        other
    })
}

fn can_vary(world: &World, leaf: LeafId) -> bool {
    match &world.leaves.get(leaf).kind {
        Kind::Field(field) => !["state", "is_fullsock", "family"].contains(&field.name),
        Kind::Arg(..) | Kind::Cell(_) | Kind::Param(..) | Kind::SynTos | Kind::HeaderField(..) => true,
        Kind::Option(_) | Kind::Role | Kind::Draw | Kind::Arm(_) | Kind::Member(_) => false,
        Kind::Segment | Kind::Received(_) | Kind::Kernel(_) | Kind::Later(_) | Kind::Other(_) => false,
    }
}

/// The connection with as many values of the first one as can be.
pub fn plainest(
    world: &World,
    first: &Witness,
    found: Witness,
    differs: &mut dyn FnMut(&Witness) -> bool,
) -> Witness {
    let mut plain = found;
    for leaf in world.leaves.ids() {
        let mut plainer = plain.clone();
        match first.value(leaf) {
            Some(value) => drop(plainer.values.insert(leaf, value)),
            None => drop(plainer.values.remove(&leaf)),
        }
        if plainer != plain && differs(&plainer) {
            plain = plainer;
        }
    }
    without_guesses(world, plain)
}

/// The connection without what depends on other values: that was guessed, and need not be so.
pub fn without_guesses(world: &World, mut flow: Witness) -> Witness {
    flow.values.retain(|&leaf, _| !matches!(world.leaves.get(leaf).kind, Kind::Later(_) | Kind::Other(_)));
    flow
}
