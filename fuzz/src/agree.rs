//! What the compiled bytes do is what the language means.

use tcpc_compiler::{CompileError, Compiled, Options, compile};

use crate::generate::Made;
use crate::trial::{Broken, Tally};

/// The property of one policy.
///
/// # Errors
/// How it is broken.
pub fn agrees(made: &Made) -> Result<Tally, Broken> {
    let mut tally = Tally::new();
    for stats in [true, false] {
        let Some(compiled) = compiled(made, stats)? else {
            return Ok(vec![("too large", 1)]);
        };
        tally.push(("instructions", compiled.slots as u64));
    }
    Ok(tally)
}

/// The policy's object; `None` if it is larger than a program may be.
///
/// # Errors
/// The compiler's own check refuses what it made.
pub fn compiled(made: &Made, stats: bool) -> Result<Option<Compiled>, Broken> {
    match compile(&made.analysis.program, &made.source, &Options { hz: 250, stats }) {
        Ok(compiled) => Ok(Some(compiled)),
        Err(CompileError::TooLarge(_)) => Ok(None),
        Err(CompileError::Internal(what)) => Err(Broken::new("compiler", what)),
    }
}
