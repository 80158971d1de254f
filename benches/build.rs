//! How long `tcpc build` takes, as a whole process: `cargo bench --bench build`.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 300;
const POLICIES: &[&str] = &["appendix_a", "synrto", "iw"];

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let tcpc = |arguments: &[&str]| {
        let start = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_tcpc"))
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}");
        start.elapsed()
    };
    measure("tcpc --version", || tcpc(&["--version"]));
    for name in POLICIES {
        let policy = format!("std::{name}");
        measure(&format!("tcpc build {policy}"), || tcpc(&["build", "--no-stats", &policy]));
    }
}

fn measure(name: &str, mut run: impl FnMut() -> Duration) {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run()).collect();
    times.sort();
    let [least, median, most] = [times[0], times[RUNS / 2], times[RUNS * 95 / 100]];
    println!("{name:28} median {median:8.2?}   least {least:8.2?}   95% below {most:8.2?}");
}
