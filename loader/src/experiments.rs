//! Reading what the experiments of an attached policy have measured.

use std::path::Path;

use tcpc_stdlib::manifest::state::{ExperimentInfo, OUTCOME_NUMBERS};

use crate::counters::Data;
use crate::error::LoaderError;
use crate::record::Record;

/// An experiment and its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// What it is.
    pub info: ExperimentInfo,
    /// Connections that were established, of each arm.
    pub opened: Vec<u64>,
    /// What is kept of each metric, [`OUTCOME_NUMBERS`] numbers, of each arm.
    pub outcomes: Vec<Vec<Vec<u64>>>,
}

/// The experiments of the policy whose pins are in this directory, all read in one go.
///
/// # Errors
/// The pins cannot be read or do not fit together.
pub fn experiments(pins: &Path) -> Result<Vec<Experiment>, LoaderError> {
    let record = Record::read(pins)?;
    let data = Data::read(pins, &record.symbols)?;
    let numbers = |symbol: &String| data.numbers(symbol, OUTCOME_NUMBERS as usize);
    let read = |info: &ExperimentInfo| {
        let opened = info.arms.iter().map(|arm| Ok(data.numbers(&arm.opened, 1)?[0]));
        let outcomes = info.arms.iter().map(|arm| arm.outcomes.iter().map(numbers).collect());
        Ok(Experiment {
            info: info.clone(),
            opened: opened.collect::<Result<_, LoaderError>>()?,
            outcomes: outcomes.collect::<Result<_, LoaderError>>()?,
        })
    };
    record.manifest.state.experiments.iter().map(read).collect()
}
