//! The binary `fuzz`: long runs of what `cargo test` tries for a moment.

#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tries policies and inputs that nobody wrote by hand.
#[derive(Parser, Debug)]
#[command(name = "fuzz")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Inputs that nobody means well with
    Inputs(commands::inputs::Args),
}

/// 0: nothing was found; 1: something was; 2: the command line is wrong.
fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Inputs(args) => commands::inputs::run(&args),
    }
}
