//! One file for each command: its arguments and what it does.

pub mod attach;
pub mod build;
pub mod check;
pub mod completions;
pub mod detach;
pub mod diff;
pub mod disasm;
pub mod doc;
pub mod experiment;
pub mod explain;
pub mod list;
pub mod param;
pub mod set;
pub mod stats;
pub mod table;
pub mod test;
pub mod watch;

use crate::cli::Command;
use crate::exit::Exit;
use crate::ui::Ui;

/// Runs a command.
pub fn run(command: Command, ui: &mut Ui) -> Exit {
    match command {
        Command::Check(args) => check::run(&args, ui),
        Command::Build(args) => build::run(&args, ui),
        Command::Test(args) => test::run(&args, ui),
        Command::Diff(args) => diff::run(&args, ui),
        Command::Attach(args) => attach::run(&args, ui),
        Command::Detach(args) => detach::run(&args, ui),
        Command::List(args) => list::run(&args, ui),
        Command::Stats(args) => stats::run(&args, ui),
        Command::Param(args) => param::run(&args, ui),
        Command::Experiment(args) => experiment::run(&args, ui),
        Command::Table(args) => table::run(&args, ui),
        Command::Set(args) => set::run(&args, ui),
        Command::Watch(args) => watch::run(&args, ui),
        Command::Disasm(args) => disasm::run(&args, ui),
        Command::Doc(args) => doc::run(&args, ui),
        Command::Completions(args) => completions::run(&args, ui),
        Command::Explain(args) => explain::run(&args, ui),
    }
}
