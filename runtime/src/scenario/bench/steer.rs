//! What an operator does between two events: parameters are set.

use tcpc_lang::hir::{MutableSetId, ParamId};

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

    /// Adds elements to a set, as `tcpc set add` does.
    pub(super) fn add_elements(
        &mut self,
        _set: MutableSetId,
        _elements: &[(u128, u8)],
    ) -> Result<(), String> {
        Err("the object has no such set".into())
    }

    /// What is in a set.
    pub(super) fn set_elements(&self, _set: MutableSetId) -> Option<Vec<(u128, u8)>> {
        None
    }
}
