//! `fuzz agree`: the compiled bytes do what the language means.

use std::process::ExitCode;

use tcpc_fuzz::agree::agrees;

use super::trials::{self, Trials};

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    trials: Trials,
}

/// Runs.
pub fn run(args: &Args) -> ExitCode {
    trials::run("agree", &args.trials, &agrees)
}
