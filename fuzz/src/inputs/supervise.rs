//! A run over one target: a worker, another one when it dies, and what they found.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use serde::Serialize;

use super::corpus::{Corpus, save};
use super::worker::{CURRENT, DEADLY, FOUND, HANGS, NEW, PROGRESS, Progress};
use super::{Target, corpus_folder, files_of};
use crate::budget::Budget;
use crate::random::Random;

/// Bytes of an input that is kept for later runs.
const SMALL: usize = 6 << 10;
/// How many workers may die before a run is given up.
const DEATHS: usize = 20;

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The target.
    pub target: &'static str,
    /// Inputs tried.
    pub executions: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Inputs that do harm.
    pub findings: Vec<Finding>,
    /// Inputs that reached something new, of those that were made in this run and of those that it began with.
    pub corpus: usize,
    /// Files that are kept in this repository.
    pub kept: usize,
}

/// An input that does harm.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its file among those that are kept, where every test run tries it again.
    pub file: String,
    /// What happens.
    pub what: String,
}

/// Runs a target in worker processes for as long as the budget says, and keeps at most so many of the small inputs that
/// reached something new, for later runs to begin with.
///
/// # Errors
/// Files cannot be written, or processes not started.
pub fn supervise(target: Target, budget: &Budget, keep: usize) -> io::Result<Summary> {
    let folder = tempfile::tempdir()?;
    let mut summary = Summary {
        target: target.name(),
        executions: 0,
        seconds: 0.0,
        findings: Vec::new(),
        corpus: 0,
        kept: 0,
    };
    let run = budget.start();
    for death in 0..DEATHS {
        let left = budget.left(run.seconds(), summary.executions);
        let Some(left) = left else { break };
        let status = start(target, folder.path(), &left.after(death as u64))?;
        let progress = fs::read(folder.path().join(PROGRESS)).unwrap_or_default();
        let progress: Progress = serde_json::from_slice(&progress).unwrap_or_default();
        let _ = fs::remove_file(folder.path().join(PROGRESS));
        summary.executions += progress.executions;
        summary.corpus = summary.corpus.max(progress.corpus);
        if status.success() {
            break;
        }
        let what = death_of(status, folder.path());
        let input = last_input(folder.path())?;
        save(&folder.path().join(DEADLY), "death", &input)?;
        let file = save(&corpus_folder(target), "death", &input)?;
        summary.findings.push(Finding { file, what });
    }
    for (name, input) in files_of(&folder.path().join(FOUND)) {
        let what = fs::read_to_string(folder.path().join(format!("{name}.txt")))?;
        summary.findings.push(Finding { file: save(&corpus_folder(target), "panic", &input)?, what });
    }
    keep_some(target, &files_of(&folder.path().join(NEW)), keep)?;
    summary.seconds = run.seconds();
    summary.kept = files_of(&corpus_folder(target)).len();
    Ok(summary)
}

/// Keeps the smallest inputs that reach what neither seeds nor kept ones do.
fn keep_some(target: Target, new: &[(String, Vec<u8>)], most: usize) -> io::Result<()> {
    if most == 0 {
        return Ok(());
    }
    let mut known = Corpus::default();
    let mut random = Random(0);
    let kept = files_of(&corpus_folder(target)).into_iter().map(|(_, bytes)| bytes);
    for input in target.seeds().into_iter().chain(kept) {
        known.offer(&mut random, &input, &target.run(&input));
    }
    let mut small: Vec<&Vec<u8>> =
        new.iter().map(|(_, bytes)| bytes).filter(|one| one.len() <= SMALL).collect();
    small.sort_by_key(|input| input.len());
    let mut left = most;
    for input in small {
        if left > 0 && known.offer(&mut random, input, &target.run(input)) {
            save(&corpus_folder(target), "kept", input)?;
            left -= 1;
        }
    }
    Ok(())
}

fn start(target: Target, folder: &Path, budget: &Budget) -> io::Result<ExitStatus> {
    Command::new(std::env::current_exe()?)
        .args(["inputs", target.name(), "--worker"])
        .arg(folder)
        .args(budget.arguments())
        .stdin(Stdio::null())
        .stderr(fs::File::create(folder.join("stderr"))?)
        .status()
}

/// Why a worker ended.
fn death_of(status: ExitStatus, folder: &Path) -> String {
    if status.code() == Some(HANGS) {
        return "it takes too long".to_owned();
    }
    let said = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    // What else is said is a backtrace.
    let first = said.trim().lines().next().unwrap_or("nothing is said").to_owned();
    match status.signal() {
        Some(signal) => format!("signal {signal}: {first}"),
        None => first,
    }
}

/// The input that a worker died of.
fn last_input(folder: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::read(folder.join(CURRENT))?;
    let (length, rest) = bytes.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    Ok(rest.get(..length).unwrap_or(rest).to_vec())
}
