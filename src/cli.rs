//! The command line's shape: what clap parses, and the help that it prints.

use clap::{Parser, Subcommand, ValueEnum};
use tcpc_stdlib::kernel::KernelVersion;

use crate::commands;

/// Program Linux TCP with a small policy language
#[derive(Parser, Debug)]
#[command(name = "tcpc", version, disable_help_subcommand = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// Print for people, or as JSON for programs
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "text|json")]
    #[arg(hide_possible_values = true, help_heading = GLOBAL)]
    pub format: Format,
    /// Colour the output
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "auto|always|never")]
    #[arg(hide_possible_values = true, help_heading = GLOBAL)]
    pub color: Color,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The heading of options that every command has.
const GLOBAL: &str = "Global options";

const AFTER_HELP: &str = "\
A policy is compiled to a BPF sock_ops program that a cgroup runs for each of its TCP connections.

Exit status: 0 done, 1 the policy or one of its tests is wrong, 2 the command line is wrong,
3 the host refused (a file, a permission, the kernel).";

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Check policies and report what is wrong
    Check(commands::check::Args),
    /// Compile a policy to a BPF object
    Build(commands::build::Args),
    /// Run the tests of policies without a kernel
    Test(commands::test::Args),
    /// Compare what two policies do
    Diff(commands::diff::Args),
    /// Attach a policy to a cgroup
    Attach(commands::attach::Args),
    /// Detach a policy from a cgroup
    Detach(commands::detach::Args),
    /// List the policies attached on this host
    List(commands::list::Args),
    /// Show what attached policies have counted
    Stats(commands::stats::Args),
    /// Show and set the parameters of an attached policy
    Param(commands::param::Args),
    /// Compare the arms of an attached policy's experiments
    Experiment(commands::experiment::Args),
    /// Show or empty the tables of attached policies
    Table(commands::table::Args),
    /// Show and change the sets of an attached policy
    Set(commands::set::Args),
    /// Print the records that an attached policy gives, as they come
    Watch(commands::watch::Args),
    /// Show the instructions of an object, with the policy lines they come from
    Disasm(commands::disasm::Args),
    /// Look up an event, a field, an option or any other name
    Doc(commands::doc::Args),
    /// Explain a diagnostic code, or what a policy does on a connection
    Explain(commands::explain::Args),
    /// Print what a shell needs to complete commands, options and names
    Completions(commands::completions::Args),
}

/// The kernel that a command is told of.
#[derive(clap::Args, Debug)]
pub struct Kernel {
    /// The oldest Linux that the policy is to run on, such as `5.10`: what is newer is an error
    #[arg(long = "kernel", value_name = "VERSION", value_parser = kernel_version)]
    pub version: Option<KernelVersion>,
}

/// Reads `5.10`, also as `uname -r` prints it.
fn kernel_version(text: &str) -> Result<KernelVersion, String> {
    let floor = KernelVersion::FLOOR;
    match KernelVersion::parse(text) {
        Some(version) if version >= floor => Ok(version),
        Some(_) => Err(format!("policies run on Linux {floor} and newer")),
        None => Err(format!("a version is written as `{floor}`")),
    }
}
