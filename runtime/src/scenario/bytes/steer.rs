//! What an operator does between two events: parameters are set, elements added.

use tcpc_lang::hir::{MutableSetId, ParamId};
use tcpc_stdlib::manifest::state::MutableSetInfo;

use super::Bytes;
use crate::mock::World;

impl Bytes<'_> {
    pub(super) fn param_symbol(&self, param: ParamId) -> Option<&str> {
        let name = &self.program.params.get(param.index())?.name;
        let info = self.manifest.state.params.iter().find(|info| info.name == *name)?;
        Some(&info.symbol)
    }

    /// Puts in what sets start with, as a loader does.
    pub(super) fn fill_sets(&self, world: &mut World) {
        for info in &self.manifest.state.sets {
            if info.has_prefixes() {
                info.maps.iter().for_each(|map| put(world, map, &info.key(MutableSetInfo::ALL_IPV4), 0));
            }
            info.first_elements().for_each(|element| put(world, &info.maps[0], &info.key(element), 1));
        }
    }

    /// What is in a set.
    pub(super) fn elements_of(&self, world: &World, set: MutableSetId) -> Option<Vec<(u128, u8)>> {
        let (info, map) = self.set(world, set)?;
        let map = world.memory.maps.iter().find(|one| one.name() == map)?;
        let rows = map.rows().into_iter().filter(|(_, value)| *value == [1]);
        rows.map(|(key, _)| info.element_of(&key)).collect()
    }

    /// A set, and the map of it that is asked.
    pub(super) fn set(&self, world: &World, set: MutableSetId) -> Option<(&MutableSetInfo, &str)> {
        let name = &self.program.mutable_sets.get(set.index())?.name;
        let info = self.manifest.state.sets.iter().find(|info| info.name == *name)?;
        let asked = self.number(world, &info.selector)?;
        Some((info, info.maps.get(asked as usize)?))
    }
}

/// Writes an element.
pub(super) fn put(world: &mut World, map: &str, key: &[u8], value: u8) {
    if let Some(map) = world.memory.maps.iter_mut().find(|one| one.name() == map) {
        // A test cannot give more elements than there is room for.
        let _ = map.update(key, &[value], 0);
    }
}
