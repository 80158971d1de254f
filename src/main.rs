//! The `tcpc` command: arguments in, exit code out.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod exit;
mod experiment;
mod host_errors;
mod parameters;
mod policy;
mod reference;
mod render;
mod table;
mod ui;
mod values;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let mut ui = ui::Ui::new(cli.format, cli.color);
    let exit = commands::run(cli.command, &mut ui);
    ui.finish(exit).into()
}
