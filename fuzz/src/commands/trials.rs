//! What the runs on generated policies have in common.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::trial::{Finding, Plan, Property, run as run_trials};

/// How a run is made.
#[derive(clap::Args, Debug)]
pub struct Trials {
    #[command(flatten)]
    budget: Budget,
    /// Begin with this trial
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Trials at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// End after so many findings
    #[arg(long, value_name = "N", default_value_t = 10)]
    findings: usize,
    /// Try so many policies to cut one down that shows something
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    cuts: usize,
    /// Write what was counted to this file, for `fuzz report`
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// Runs, and tells what was found.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints")]
pub fn run(name: &str, trials: &Trials, property: &Property) -> ExitCode {
    let Trials { threads, from, findings, cuts, .. } = *trials;
    let plan = Plan { name, threads, from, findings, cuts };
    let told = |finding: &Finding| {
        eprintln!("trial {}: {}: {}\n{}", finding.trial, finding.kind, finding.what, finding.policy);
    };
    let summary = run_trials(plan, &trials.budget, property, &told);
    let taken = summary.programs as f64 / (summary.programs + summary.refused).max(1) as f64;
    println!(
        "{name}: {} policies in {:.0}s, {} findings",
        summary.programs,
        summary.seconds,
        summary.findings.len()
    );
    println!("the checker took {:.1}% of what was generated", taken * 100.0);
    for (what, count) in &summary.tally {
        println!("{what}: {count}");
    }
    if let Some(file) = &trials.summary {
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
