//! `tcpc check`: what is wrong with policies, and which kernel they need.

use std::path::PathBuf;

use serde_json::json;
use tcpc_compiler::describe::oldest_kernel;

use crate::exit::Exit;
use crate::policy;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  tcpc check policy.tcp\n  tcpc check --format json a.tcp b.tcp\n  tcpc check std::synrto"
)]
pub struct Args {
    /// Policy files; `-` is standard input, `std::NAME` a policy of the standard library
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks each file; the worst outcome is the exit code.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let mut worst = Exit::Done;
    let mut results = Vec::new();
    for file in &args.files {
        match policy::analyze(file, ui) {
            Ok((source, analysis)) => {
                let (kernel, because) = oldest_kernel(&analysis.program);
                ui.say(format!("{}: ok, runs on Linux {kernel} or newer", source.name()));
                for need in &because {
                    let line = source.line(need.span.start);
                    ui.say(format!("  line {line}: `{}` needs {}", need.construct, need.since));
                }
                results.push(json!({ "file": source.name(), "ok": true, "kernel": kernel.to_string() }));
            }
            Err(exit) => {
                results.push(json!({ "file": file.display().to_string(), "ok": false }));
                worst = if exit as u8 > worst as u8 { exit } else { worst };
            }
        }
    }
    ui.set("files", results);
    worst
}
