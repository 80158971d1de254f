//! `fuzz inputs`: inputs that nobody means well with.

use std::process::ExitCode;

use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::random::Random;

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    budget: Budget,
}

/// Runs.
pub fn run(args: &Args) -> ExitCode {
    let mut random = Random(args.budget.seed);
    let any = args.budget.start().all(|_| tcpc_lang::token::lex(&random.number().to_string()).0.len() == 1);
    if any { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
