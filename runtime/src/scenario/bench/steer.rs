//! What an operator does between two events: parameters are set, elements added.

use tcpc_lang::hir::{MutableSetId, ParamId};
use tcpc_stdlib::manifest::state::MutableSetInfo;

use super::Bench;

impl Bench<'_> {
    /// Sets a parameter, as `tcpc param set` does.
    pub(super) fn set_param(&mut self, param: ParamId, value: u64) -> Result<(), String> {
        let missing = || "the object has no such parameter".to_owned();
        let symbol = self.param_symbol(param).ok_or_else(missing)?;
        self.store(&symbol, value).ok_or_else(missing)
    }

    /// What a parameter is set to.
    pub(super) fn param_value(&self, param: ParamId) -> Option<u64> {
        self.number(&self.param_symbol(param)?)
    }

    fn param_symbol(&self, param: ParamId) -> Option<String> {
        let name = &self.program.params.get(param.index())?.name;
        let info = self.manifest.state.params.iter().find(|info| info.name == *name)?;
        Some(info.symbol.clone())
    }

    /// Writes a 64-bit number of the program's data.
    fn store(&mut self, symbol: &str, value: u64) -> Option<()> {
        let (section, at) = self.place(symbol)?;
        let place = self.world.memory.data.get_mut(section)?.bytes.get_mut(at..at + 8)?;
        place.copy_from_slice(&value.to_le_bytes());
        Some(())
    }

    /// Puts in what sets start with, as a loader does.
    pub(super) fn fill_sets(&mut self) {
        for info in self.manifest.state.sets.clone() {
            if info.has_prefixes() {
                info.maps.iter().for_each(|map| self.put(map, &info.key(MutableSetInfo::ALL_IPV4), 0));
            }
            info.first_elements().for_each(|element| self.put(&info.maps[0], &info.key(element), 1));
        }
    }

    /// Adds elements to a set, as `tcpc set add` does.
    pub(super) fn add_elements(&mut self, set: MutableSetId, elements: &[(u128, u8)]) -> Result<(), String> {
        let (info, map) = self.set(set).ok_or("the object has no such set")?;
        elements.iter().for_each(|&element| self.put(&map, &info.key(element), 1));
        Ok(())
    }

    /// What is in a set.
    pub(super) fn set_elements(&self, set: MutableSetId) -> Option<Vec<(u128, u8)>> {
        let (info, map) = self.set(set)?;
        let map = self.world.memory.maps.iter().find(|one| one.name() == map)?;
        let rows = map.rows().into_iter().filter(|(_, value)| *value == [1]);
        rows.map(|(key, _)| info.element_of(&key)).collect()
    }

    /// A set, and the map of it that is asked.
    fn set(&self, set: MutableSetId) -> Option<(MutableSetInfo, String)> {
        let name = &self.program.mutable_sets.get(set.index())?.name;
        let info = self.manifest.state.sets.iter().find(|info| info.name == *name)?;
        let asked = self.number(&info.selector)?;
        Some((info.clone(), info.maps.get(asked as usize)?.clone()))
    }

    fn put(&mut self, map: &str, key: &[u8], value: u8) {
        if let Some(map) = self.world.memory.maps.iter_mut().find(|one| one.name() == map) {
            // A test cannot give more elements than there is room for.
            let _ = map.update(key, &[value], 0);
        }
    }
}
