//! `fuzz report`: writes the page that says what was tried and found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tcpc_fuzz::report::page;

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The folder with the summaries of runs
    #[arg(value_name = "DIR")]
    runs: PathBuf,
    /// Where the page goes
    #[arg(long, value_name = "FILE", default_value = "docs/trust.md")]
    page: PathBuf,
}

/// Writes the page.
#[expect(clippy::print_stderr, reason = "a command prints")]
pub fn run(args: &Args) -> ExitCode {
    match read(&args.runs).and_then(|files| page(&files)).and_then(|text| {
        fs::write(&args.page, text).map_err(|error| format!("{}: {error}", args.page.display()))
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, fs::read_to_string(&path).map_err(told)?);
    }
    Ok(files)
}
