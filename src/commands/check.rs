//! `tcpc check`: what is wrong with policies, and which kernel they need.

use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;
use tcpc_compiler::Options;
use tcpc_compiler::needs::oldest;

use crate::cli::Kernel;
use crate::completion;
use crate::exit::Exit;
use crate::parameters::Settings;
use crate::policy;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tcpc check policy.tcp
  tcpc check --format json a.tcp b.tcp
  tcpc check --kernel 5.15 policy.tcp
  tcpc check std::synrto")]
pub struct Args {
    /// Policy files; `-` is standard input, `std::NAME` a policy of the standard library
    #[arg(required = true, value_name = "FILE", add = ArgValueCompleter::new(completion::files))]
    files: Vec<PathBuf>,
    #[command(flatten)]
    kernel: Kernel,
}

/// Checks each file; the worst outcome is the exit code.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    // Compiled like `tcpc build` does it: only that shows whether a program gets too large, or its sets.
    let options = Options { hz: policy::hz_or_host(None), stats: true };
    let mut worst = Exit::Done;
    let mut results = Vec::new();
    for file in &args.files {
        match policy::build(file, &options, args.kernel.version, &Settings::default(), ui) {
            Ok((source, compiled)) => {
                let (kernel, because) = oldest(&compiled.needs);
                ui.say(format!("{}: ok, runs on Linux {kernel} or newer", source.name()));
                for need in &because {
                    let place = source.place(need.span.start);
                    ui.say(format!("  {place}: `{}` needs {}", need.construct, need.since));
                }
                let needs = compiled.needs.iter().map(|need| {
                    let place = source.place(need.span.start);
                    json!({
                        "construct": need.construct,
                        "kernel": need.since.to_string(),
                        "line": place.line,
                        "file": place.file,
                    })
                });
                let needs: Vec<_> = needs.collect();
                results.push(json!({ "file": source.name(), "ok": true, "kernel": kernel.to_string(), "needs": needs }));
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
