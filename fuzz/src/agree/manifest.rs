//! What an object says of itself is in it.

use std::collections::BTreeSet;

use tcpc_compiler::object::ObjectFile;
use tcpc_lang::hir::Program;

use crate::trial::Broken;

/// The numbers that commands show of a policy have each a place of its own, and arms have their shares.
///
/// # Errors
/// What is missing.
pub fn names_what_is_there(program: &Program, object: &ObjectFile) -> Result<(), Broken> {
    let Some(manifest) = &object.manifest else {
        return Err(Broken::new("object", "it has no manifest"));
    };
    let symbols: BTreeSet<&str> = object
        .data
        .iter()
        .flat_map(|section| section.symbols.iter().map(|(name, ..)| name.as_str()))
        .collect();
    let hits = manifest.rules.iter().filter_map(|rule| rule.hits.as_ref());
    let counters =
        manifest.counters.iter().filter(|counter| counter.key.is_none()).map(|counter| &counter.symbol);
    let full = manifest.counters.iter().filter_map(|counter| counter.full.as_ref());
    let arms = manifest.state.experiments.iter().flat_map(|experiment| &experiment.arms);
    let outcomes = arms.clone().flat_map(|arm| arm.outcomes.iter().chain([&arm.opened]));
    let mut named: Vec<&String> = hits.chain(counters).chain(full).chain(outcomes).collect();
    if let Some(missing) = named.iter().find(|name| !symbols.contains(name.as_str())) {
        return Err(Broken::new("object", format!("there is no {missing}")));
    }
    let count = named.len();
    named.sort();
    named.dedup();
    if named.len() < count {
        return Err(Broken::new("object", "two numbers have one place"));
    }
    for (said, meant) in manifest.state.experiments.iter().zip(&program.experiments) {
        let shares: Vec<u64> = said.arms.iter().map(|arm| arm.share).collect();
        let wanted: Vec<u64> = meant.arms.iter().map(|arm| arm.high - arm.low).collect();
        if shares != wanted {
            return Err(Broken::new(
                "object",
                format!("shares of {}: {shares:?}, and not {wanted:?}", said.name),
            ));
        }
    }
    Ok(())
}
