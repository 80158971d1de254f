//! The `tcpc` command: arguments in, exit code out.
//!
//! What it makes of texts that come from outside, and how it prints what it has to say of them, is public, for trials
//! with texts that nobody means well with.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod completion;
pub mod diff;
mod disk;
mod exit;
mod experiment;
mod host_errors;
mod parameters;
mod policy;
mod reference;
pub mod render;
mod table;
mod ui;
mod values;

use std::process::ExitCode;

use clap::Parser;

pub use commands::explain::explicable;
pub use commands::set::elements;
pub use commands::watch::{Filter, duration};
pub use parameters::values as parameter_values;

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    completion::answer();
    let cli = cli::Cli::parse();
    let mut ui = ui::Ui::new(cli.format, cli.color);
    let exit = commands::run(cli.command, &mut ui);
    ui.finish(exit).into()
}
