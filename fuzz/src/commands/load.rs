//! `fuzz load`: what the checker takes, the running kernel's verifier takes. Needs the privileges that loading needs.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use tcpc_fuzz::verify::is_taken;

use super::trials::{self, Trials};

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    trials: Trials,
    /// Keep the objects in this folder, so that other kernels can be asked: `NUMBER-KERNEL.o`, with the kernel that one needs
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Keep so many at most
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    most: u64,
}

/// Runs.
pub fn run(args: &Args) -> ExitCode {
    let kept = AtomicU64::new(0);
    let keep = |object: &[u8], kernel: &str| {
        let Some(folder) = &args.keep else { return };
        let number = kept.fetch_add(1, Ordering::Relaxed);
        if number < args.most {
            // What cannot be written is missed by whoever looks for it.
            let _ = fs::create_dir_all(folder);
            let _ = fs::write(folder.join(format!("{number:05}-{kernel}.o")), object);
        }
    };
    trials::run("load", &args.trials, &|made| is_taken(made, &keep))
}
