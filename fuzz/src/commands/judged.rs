//! `fuzz judged`: what is said of policies without running them is so when they run.

use std::process::ExitCode;

use tcpc_fuzz::judged::judged;

use super::trials::{self, Trials};

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    trials: Trials,
}

/// Runs.
pub fn run(args: &Args) -> ExitCode {
    trials::run("judged", &args.trials, &judged)
}
