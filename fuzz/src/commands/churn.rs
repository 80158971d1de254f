//! `fuzz churn`: what policies do on real connections is what their models say. Needs root.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::churn::churn;
use tcpc_fuzz::trial::Finding;
use tcpc_lab::Host;

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    budget: Budget,
    /// Begin with this trial
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Write what was counted to this file, for `fuzz report`
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// Runs, and tells what was found.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints")]
pub fn run(args: &Args) -> ExitCode {
    let host = match Host::probe() {
        Ok(host) => host,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    tcpc_lab::cgroups::sweep();
    let told = |finding: &Finding| {
        eprintln!("trial {}: {}: {}\n{}", finding.trial, finding.kind, finding.what, finding.policy);
    };
    let summary = churn(&host, args.from, &args.budget, &told);
    println!(
        "churn: {} policies in {:.0}s, {} findings",
        summary.programs,
        summary.seconds,
        summary.findings.len()
    );
    for (what, count) in &summary.tally {
        println!("{what}: {count}");
    }
    if let Some(file) = &args.summary {
        let written = serde_json::to_string_pretty(&summary).map_err(|error| error.to_string());
        let written =
            written.and_then(|text| fs::write(file, text + "\n").map_err(|error| error.to_string()));
        if let Err(error) = written {
            eprintln!("{}: {error}", file.display());
            return ExitCode::from(2);
        }
    }
    if summary.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
