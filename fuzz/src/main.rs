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
    /// Generated policies: the compiled bytes do what the language means
    Agree(commands::agree::Args),
    /// Generated policies: the running kernel's verifier takes them
    Load(commands::load::Args),
    /// The page that says what was tried and found
    Report(commands::report::Args),
    /// Generated policies: what lints and `diff` say of them is so
    Judged(commands::judged::Args),
    /// Generated policies: on real connections they do what their models say
    Churn(commands::churn::Args),
    /// Inputs that nobody means well with
    Inputs(commands::inputs::Args),
}

/// 0: nothing was found; 1: something was; 2: the command line is wrong.
fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Agree(args) => commands::agree::run(&args),
        Command::Load(args) => commands::load::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Judged(args) => commands::judged::run(&args),
        Command::Churn(args) => commands::churn::run(&args),
        Command::Inputs(args) => commands::inputs::run(&args),
    }
}
