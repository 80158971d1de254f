//! `fuzz inputs`: inputs that nobody means well with.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::inputs::supervise::{Summary, supervise};
use tcpc_fuzz::inputs::{Target, trial, worker};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
What does harm is put into `fuzz/corpus/TARGET/`, where `cargo test -p tcpc-fuzz` tries it again.

Examples:
  nice -n 19 cargo run --release -p tcpc-fuzz -- inputs source --minutes 60 --summary source.json
  cargo run --release -p tcpc-fuzz -- inputs object --input fuzz/corpus/object/panic-0123456789abcdef")]
pub struct Args {
    /// What takes the inputs
    #[arg(value_name = "TARGET")]
    target: Target,
    #[command(flatten)]
    budget: Budget,
    /// Write what was done and found to this file, as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Keep so many of the small inputs that reached something new in `fuzz/corpus/TARGET/`
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep: usize,
    /// Try only this file, and say what it reaches
    #[arg(long, value_name = "FILE", conflicts_with = "summary")]
    input: Option<PathBuf>,
    /// Be the process that tries the inputs, with its files in this folder
    #[arg(long, value_name = "FOLDER", hide = true)]
    worker: Option<PathBuf>,
}

/// 1 if something was found.
pub fn run(args: &Args) -> ExitCode {
    let done = match (&args.worker, &args.input) {
        (Some(folder), _) => worker::work(args.target, folder, &args.budget).map(|()| true),
        (_, Some(file)) => fs::read(file).and_then(|input| one(args.target, &input)),
        _ => supervise(args.target, &args.budget, args.keep).and_then(|summary| tell(args, &summary)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(3)
        }
    }
}

fn one(target: Target, input: &[u8]) -> io::Result<bool> {
    trial::keep_panics();
    let tried = trial::attempt(target, input);
    match &tried {
        Ok(features) => writeln!(io::stdout(), "it reaches {} features", features.iter().count())?,
        Err(panic) => writeln!(io::stdout(), "{}", panic.message)?,
    }
    Ok(tried.is_ok())
}

fn tell(args: &Args, summary: &Summary) -> io::Result<bool> {
    if let Some(file) = &args.summary {
        fs::write(file, serde_json::to_vec_pretty(summary)?)?;
    }
    let mut out = io::stdout();
    let Summary { target, executions, seconds, findings, corpus, .. } = summary;
    writeln!(out, "{target}: {executions} inputs in {seconds:.0} s, {corpus} worth keeping")?;
    for finding in findings {
        writeln!(out, "\nfuzz/corpus/{target}/{}\n{}", finding.file, finding.what)?;
    }
    Ok(findings.is_empty())
}
