//! `tcpc experiment`: what the arms of an attached policy's experiments do differently.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use serde_json::Value;
use tcpc_lang::diag::{Code, Diagnostic};

use crate::exit::Exit;
use crate::experiment::{Report, page, text};
use crate::ui::Ui;
use crate::{completion, host_errors};

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Compare the arms by what was measured of the connections that have ended
    Report(Report_),
}

/// Arguments of `report`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The intervals are those of the difference of two means after Welch, and hold it with 95%. Quantiles are taken from a
histogram of powers of two. Nothing is compared below 30 connections of each arm.

Examples:
  tcpc experiment report
  tcpc experiment report window --policy web
  tcpc experiment report --page window.html")]
struct Report_ {
    /// Experiments [default: all of the policy]
    #[arg(value_name = "EXPERIMENT", add = ArgValueCandidates::new(completion::experiments))]
    names: Vec<String>,
    /// Name of the policy; not needed if only one is attached
    #[arg(long, value_name = "POLICY", add = ArgValueCandidates::new(completion::policies))]
    policy: Option<String>,
    /// Only a policy of this cgroup
    #[arg(long, value_name = "CGROUP", add = ArgValueCandidates::new(completion::cgroups))]
    cgroup: Option<PathBuf>,
    /// Also write a page with drawings, for a browser
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// Does what is asked.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let Action::Report(args) = &args.action;
    match report(args, ui) {
        Ok(exit) => exit,
        Err(diagnostic) => {
            ui.problem(&diagnostic);
            Exit::Host
        }
    }
}

fn report(args: &Report_, ui: &mut Ui) -> Result<Exit, Diagnostic> {
    let policy = tcpc_loader::find_one(args.policy.as_deref(), args.cgroup.as_deref());
    let policy = policy.map_err(|error| host_errors::error(&error))?;
    let found = tcpc_loader::experiments(&policy.pins).map_err(|error| host_errors::error(&error))?;
    let known: Vec<&str> = found.iter().map(|one| one.info.name.as_str()).collect();
    if let Some(unknown) = args.names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(no_experiment(&policy.name, unknown, &known));
    }
    if found.is_empty() {
        return Err(no_experiment(&policy.name, "", &known));
    }
    let wanted = |name: &str| args.names.is_empty() || args.names.iter().any(|one| one == name);
    let reports: Vec<Report> = found
        .iter()
        .filter(|one| wanted(&one.info.name))
        .filter_map(|one| Report::new(&one.info, &one.opened, &one.outcomes))
        .collect();
    ui.say(reports.iter().map(text).collect::<Vec<_>>().join("\n\n"));
    ui.set("experiments", reports.iter().map(Report::json).collect::<Vec<Value>>());
    if let Some(path) = &args.page {
        std::fs::write(path, page(&reports)).map_err(|error| {
            let message = format!("`{}` cannot be written: {error}", path.display());
            Diagnostic::without_place(Code::UnwritableFile, message)
        })?;
        ui.say(format!("\nwritten: {}", path.display()));
    }
    Ok(Exit::Done)
}

fn no_experiment(policy: &str, name: &str, known: &[&str]) -> Diagnostic {
    let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    match known.is_empty() {
        true => Diagnostic::without_place(
            Code::NoExperiment,
            format!("the policy `{policy}` has no experiment"),
        )
        .help("a policy declares one with `experiment NAME by KEY { arm A { … } arm B { … } measure srtt }`"),
        false => Diagnostic::without_place(
            Code::NoExperiment,
            format!("the policy `{policy}` has no experiment `{name}`"),
        )
        .help(format!("it has {}", quoted.join(", "))),
    }
}
