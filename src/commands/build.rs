//! `tcpc build`: a policy to an object file.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap_complete::engine::ArgValueCompleter;
use serde_json::json;
use tcpc_compiler::{Compiled, Options};
use tcpc_lang::diag::{Code, Diagnostic};

use crate::cli::Kernel;
use crate::completion;
use crate::exit::Exit;
use crate::parameters::Settings;
use crate::policy;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The object loads with `tcpc attach`, bpftool, libbpf and aya. Durations in timer ticks are computed for
one HZ: `tcpc attach` sets them for the kernel it loads into; for other loaders build with that kernel's --hz.

Examples:
  tcpc build policy.tcp
  tcpc build policy.tcp -o /tmp/policy.o --hz 1000
  tcpc build policy.tcp --kernel 5.15
  tcpc build policy.tcp --set syn_rto=20ms
  tcpc build std::clamp --no-stats --emit asm")]
pub struct Args {
    /// Policy file; `-` is standard input, `std::NAME` a policy of the standard library
    #[arg(value_name = "FILE", add = ArgValueCompleter::new(completion::files))]
    file: PathBuf,
    /// Where to write [default: the policy's name with `.o` here; standard output for `--emit`]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Timer ticks per second of the kernel it is for [default: this host's]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(24..=10_000))]
    hz: Option<u32>,
    #[command(flatten)]
    kernel: Kernel,
    /// Do not count rule hits and failed assignments
    #[arg(long)]
    no_stats: bool,
    #[command(flatten)]
    parameters: Settings,
    /// Show a stage of the compilation instead of writing an object
    #[arg(long, value_enum, value_name = "ir|asm", hide_possible_values = true)]
    emit: Option<Emit>,
}

/// A stage to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// The intermediate representation after all passes.
    Ir,
    /// The instructions, with policy lines, field and helper names.
    Asm,
}

/// Builds; nothing is written unless all went well.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    build(args, ui).unwrap_or_else(|exit| exit)
}

fn build(args: &Args, ui: &mut Ui) -> Result<Exit, Exit> {
    if ui.is_json() && args.output.as_deref() == Some(Path::new("-")) {
        let what = "`-o -` and `--format json` both want standard output";
        ui.problem(&Diagnostic::without_place(Code::UnwritableFile, what).help("name a file with `-o`"));
        return Err(Exit::Usage);
    }
    let options = Options { hz: policy::hz_or_host(args.hz), stats: !args.no_stats };
    let (_, compiled) = policy::build(&args.file, &options, args.kernel.version, &args.parameters, ui)?;
    match args.emit {
        Some(stage) => {
            let text = if stage == Emit::Ir { &compiled.ir } else { &compiled.asm };
            match &args.output {
                Some(path) => write(path, text.as_bytes(), ui)?,
                None => ui.say(text),
            }
            ui.set("text", text.as_str());
        }
        None => {
            let output = args.output.clone().unwrap_or_else(|| policy::default_output(&args.file));
            write(&output, &compiled.object, ui)?;
            if output.as_os_str() != "-" {
                summarize(&output, &compiled, ui);
            }
        }
    }
    Ok(Exit::Done)
}

fn write(path: &Path, bytes: &[u8], ui: &mut Ui) -> Result<(), Exit> {
    policy::write_file(path, bytes).map_err(|problem| {
        ui.problem(&problem);
        Exit::Host
    })
}

fn summarize(output: &Path, compiled: &Compiled, ui: &mut Ui) {
    let manifest = &compiled.manifest;
    let (rules, slots, kernel) = (manifest.rules.len(), compiled.slots, &manifest.kernel);
    let plural = if rules == 1 { "" } else { "s" };
    ui.say(format!(
        "{}: {rules} rule{plural}, {slots} instructions, for Linux {kernel} or newer at HZ={}",
        output.display(),
        manifest.hz
    ));
    for need in manifest.needs.iter().filter(|need| need.kernel == *kernel) {
        ui.say(format!("  {}: `{}` needs {}", need.place, need.construct, need.kernel));
    }
    let roundings = policy::roundings(compiled);
    for rounding in &roundings {
        ui.say(format!("  {rounding}"));
    }
    ui.set("output", output.display().to_string());
    ui.set("instructions", slots);
    ui.set("kernel", kernel.as_str());
    ui.set("hz", manifest.hz);
    ui.set("roundings", json!(roundings));
    ui.set("rules", json!(manifest.rules));
}
