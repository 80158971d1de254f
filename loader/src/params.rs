//! Parameters of an attached policy: reading them, and setting them while it runs.
//!
//! A parameter is one aligned 64-bit number in the array map of the section of variables. The kernel copies the value
//! of an array as a whole and not in one step, so a number is never changed by an update of the map: a program of a
//! few instructions stores it, run once by the kernel. A policy that reads it at that moment sees the number before
//! or the number after, never a mixture, and the numbers beside it are not touched. Of several parameters that are
//! set in one command each changes at once, but an event between two of them sees the one changed and the other not.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use aya::maps::MapData;
use aya_obj::generated::{
    BPF_ALU64, BPF_DW, BPF_EXIT, BPF_IMM, BPF_JMP, BPF_K, BPF_LD, BPF_MEM, BPF_MOV, BPF_PSEUDO_MAP_VALUE,
    BPF_STX,
};
use tcpc_stdlib::manifest::Manifest;
use tcpc_stdlib::manifest::state::{ParamInfo, VARIABLE_SECTION};

use crate::error::LoaderError;
use crate::find::Policy;
use crate::maps;
use crate::sys;
use crate::trial::slot;

/// A parameter and what it is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What the policy says of it.
    pub info: ParamInfo,
    /// Its value now, in the canonical unit of its type.
    pub value: u64,
}

/// The parameters of an attached policy, in the order of the source.
///
/// # Errors
/// The pins cannot be read or do not fit together.
pub fn parameters(policy: &Policy) -> Result<Vec<Parameter>, LoaderError> {
    let known = &policy.record.manifest.state.params;
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let variables = Variables::open(policy)?;
    known
        .iter()
        .map(|info| Ok(Parameter { info: info.clone(), value: variables.load(&info.symbol)? }))
        .collect()
}

/// Sets parameters of an attached policy; values are in the canonical unit of their type.
///
/// # Errors
/// A parameter that the policy does not have, or a value outside of its range: then none is set. The system refuses.
pub fn set_parameters(policy: &Policy, values: &[(String, u64)]) -> Result<(), LoaderError> {
    let chosen = choose(&policy.record.manifest, &policy.name, values)?;
    let variables = Variables::open(policy)?;
    chosen.iter().try_for_each(|(info, value)| variables.store(&info.symbol, *value))
}

/// Symbols and values of parameters that are not to start with their defaults.
///
/// # Errors
/// As [`set_parameters`].
pub fn start_values<'m>(
    manifest: &'m Manifest,
    values: &[(String, u64)],
) -> Result<Vec<(&'m str, u64)>, LoaderError> {
    let chosen = choose(manifest, &manifest.policy, values)?;
    Ok(chosen.into_iter().map(|(info, value)| (info.symbol.as_str(), value)).collect())
}

/// The parameters that are meant, each within its range.
fn choose<'m>(
    manifest: &'m Manifest,
    policy: &str,
    values: &[(String, u64)],
) -> Result<Vec<(&'m ParamInfo, u64)>, LoaderError> {
    let known = &manifest.state.params;
    let find = |(name, value): &(String, u64)| {
        let info =
            known.iter().find(|info| info.name == *name).ok_or_else(|| LoaderError::NoSuchParameter {
                name: name.clone(),
                policy: policy.to_owned(),
                names: known.iter().map(|info| info.name.clone()).collect(),
            })?;
        let (low, high) = info.range;
        match (low..=high).contains(value) {
            true => Ok((info, *value)),
            false => {
                Err(LoaderError::ParameterRange { name: name.clone(), value: *value, range: info.range })
            }
        }
    };
    values.iter().map(find).collect()
}

/// The numbers of a policy that others change.
pub(crate) struct Variables<'a> {
    policy: &'a Policy,
    map: MapData,
    size: usize,
}

impl<'a> Variables<'a> {
    /// Opens the map that is pinned for a policy.
    pub fn open(policy: &'a Policy) -> Result<Variables<'a>, LoaderError> {
        let opened = maps::open(&policy.pins, VARIABLE_SECTION, maps::ARRAYS)?;
        Ok(Variables { policy, map: opened.data, size: opened.value_size })
    }

    /// A number.
    pub fn load(&self, symbol: &str) -> Result<u64, LoaderError> {
        let at = self.offset(symbol)?;
        let mut bytes = vec![0; self.size];
        sys::read_element(self.map.fd().as_fd(), 0, &mut bytes)
            .map_err(LoaderError::system(format!("read `{symbol}`")))?;
        let number = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        number.map(u64::from_ne_bytes).ok_or_else(|| self.missing(symbol))
    }

    /// Stores a number in one step.
    pub fn store(&self, symbol: &str, value: u64) -> Result<(), LoaderError> {
        let at = self.offset(symbol)?;
        sys::run_once(&store_word(self.map.fd().as_fd(), at as u32, value))
            .map_err(LoaderError::system(format!("set `{symbol}`")))
    }

    fn offset(&self, symbol: &str) -> Result<usize, LoaderError> {
        let symbols = self.policy.record.symbols.iter();
        let mut found = symbols.filter(|one| one.name == symbol && one.section == VARIABLE_SECTION);
        let at = found.next().map(|one| one.offset as usize);
        at.filter(|at| at.is_multiple_of(8) && at.checked_add(8).is_some_and(|end| end <= self.size))
            .ok_or_else(|| self.missing(symbol))
    }

    fn missing(&self, symbol: &str) -> LoaderError {
        let reason = format!("there is no variable `{symbol}`");
        LoaderError::BadRecord { path: self.policy.pins.clone(), reason }
    }
}

/// A program that stores a 64-bit number at an offset of the value of an array map.
fn store_word(map: BorrowedFd<'_>, offset: u32, value: u64) -> Vec<u64> {
    let [low, high] = [value as u32, (value >> 32) as u32];
    vec![
        slot(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_VALUE as u8, 0, map.as_raw_fd()),
        slot(0, 0, 0, 0, offset as i32),
        slot(BPF_LD | BPF_DW | BPF_IMM, 2, 0, 0, low as i32),
        slot(0, 0, 0, 0, high as i32),
        slot(BPF_STX | BPF_MEM | BPF_DW, 1, 2, 0, 0),
        slot(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
        slot(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn manifest() -> Manifest {
        let info = ParamInfo {
            name: "syn_rto".into(),
            symbol: "param_syn_rto".into(),
            ty: "duration".into(),
            default: 10,
            range: (1, 1000),
            line: 1,
        };
        let mut manifest = Manifest::default();
        manifest.state.params.push(info);
        manifest
    }

    #[test]
    fn values_are_within_their_range_or_none_is_taken() {
        let manifest = manifest();
        let values = |value| [("syn_rto".to_owned(), value)];
        assert_eq!(start_values(&manifest, &values(1000)).unwrap(), [("param_syn_rto", 1000)]);
        for value in [0, 1001, u64::MAX] {
            let refused = start_values(&manifest, &values(value));
            assert!(matches!(refused, Err(LoaderError::ParameterRange { .. })), "{value}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let wrong = start_values(&manifest(), &[("syn_rtt".to_owned(), 5)]).unwrap_err();
        assert_eq!(wrong.help().unwrap(), "it has `syn_rto`");
    }
}
