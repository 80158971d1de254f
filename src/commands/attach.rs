//! `tcpc attach`: a policy to a cgroup, where it stays.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::ValueHint;
use clap_complete::engine::ArgValueCompleter;
use serde_json::json;
use tcpc_compiler::Options;
use tcpc_loader::{AttachRequest, Attached};
use tcpc_stdlib::unit::Type;

use crate::exit::Exit;
use crate::parameters::Settings;
use crate::policy::Input;
use crate::ui::Ui;
use crate::{completion, host_errors, policy};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The policy stays attached when the command ends, beside whatever else is attached to the cgroup; it works on
connections whose socket was made by a process in the cgroup. `tcpc detach` undoes it.

Examples:
  tcpc attach /sys/fs/cgroup/web policy.tcp
  tcpc attach /sys/fs/cgroup/web policy.o --name canary
  tcpc attach /sys/fs/cgroup/web policy.tcp --set syn_rto=20ms
  tcpc attach /sys/fs/cgroup/web std::dumpstats --ring-size 4MiB")]
pub struct Args {
    /// Directory of the cgroup (cgroup2)
    #[arg(value_name = "CGROUP", value_hint = ValueHint::DirPath)]
    cgroup: PathBuf,
    /// Object file, or a policy to be built on the spot (`std::NAME` for one of the standard library)
    #[arg(value_name = "FILE", add = ArgValueCompleter::new(completion::files))]
    file: PathBuf,
    /// Name to attach it under [default: the policy's file name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Allow the root of the hierarchy: the policy then applies to every connection of this host
    #[arg(long)]
    root: bool,
    /// Do not count rule hits and failed assignments (for a policy that is built on the spot)
    #[arg(long)]
    no_stats: bool,
    /// Size of the buffer for records, such as `4MiB`: for a policy that gives more than `tcpc watch` can read at once
    #[arg(long, value_name = "SIZE", value_parser = ring_size)]
    ring_size: Option<u32>,
    #[command(flatten)]
    parameters: Settings,
}

/// What a buffer for records can have. The kernel takes powers of two.
const RING_SIZES: RangeInclusive<u64> = 64 << 10..=1 << 30;

fn ring_size(text: &str) -> Result<u32, String> {
    let bytes = tcpc_lang::read::number(Type::Size, text).ok();
    let bytes = bytes.filter(|bytes| RING_SIZES.contains(bytes)).and_then(u64::checked_next_power_of_two);
    bytes.and_then(|bytes| u32::try_from(bytes).ok()).ok_or_else(|| {
        "a size from `64KiB` to `1GiB` is needed; it is rounded up to a power of two".to_owned()
    })
}

/// Attaches; whatever fails, nothing stays behind.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let object = match object(args, ui) {
        Ok(object) => object,
        Err(exit) => return exit,
    };
    let parameters = match start_values(args, &object, ui) {
        Ok(parameters) => parameters,
        Err(exit) => return exit,
    };
    let request = AttachRequest {
        cgroup: args.cgroup.clone(),
        object,
        name: args.name.clone(),
        allow_root: args.root,
        parameters,
        ring_bytes: args.ring_size,
    };
    match tcpc_loader::attach(request) {
        Ok(attached) => {
            report(&attached, ui);
            Exit::Done
        }
        Err(error) => {
            ui.problem(&host_errors::error(&error));
            Exit::Host
        }
    }
}

/// What parameters are to start with. What else may be wrong with the object, the loader says.
fn start_values(args: &Args, object: &[u8], ui: &mut Ui) -> Result<Vec<(String, u64)>, Exit> {
    let manifest = tcpc_compiler::object::read(object).ok().and_then(|object| object.manifest);
    let manifest = manifest.unwrap_or_default();
    args.parameters.values(&manifest.policy, &manifest.state.params).map_err(|problem| {
        ui.problem(&problem);
        Exit::Usage
    })
}

/// The object's bytes; a policy is built for this host.
fn object(args: &Args, ui: &mut Ui) -> Result<Vec<u8>, Exit> {
    match policy::read_input(&args.file).map_err(|problem| policy::report_unreadable(&problem, ui))? {
        Input::Object(bytes) => Ok(bytes),
        Input::Policy(source) => {
            let analysis = policy::check(&source, ui)?;
            let options = Options { hz: policy::hz_or_host(None), stats: !args.no_stats };
            Ok(policy::compile(&source, &analysis, &options, ui)?.object)
        }
    }
}

fn report(attached: &Attached, ui: &mut Ui) {
    for warning in &attached.warnings {
        ui.problem(&host_errors::warning(warning));
    }
    let cgroup = attached.cgroup.display();
    ui.say(format!("attached `{}` to {cgroup} (program {})", attached.name, attached.program_id));
    for rounding in &attached.roundings {
        ui.say(format!("  {}: {rounding}", rounding.place));
    }
    for (name, has) in &attached.features {
        ui.say(format!("  kernel has {name}: {}", if *has { "yes" } else { "no" }));
    }
    if !attached.others.is_empty() {
        let others: Vec<String> = attached.others.iter().map(ToString::to_string).collect();
        ui.say(format!("  it shares the cgroup with {}", others.join(", ")));
    }
    ui.say(format!("undo it with: tcpc detach {cgroup} {}", attached.name));
    ui.set(
        "attached",
        json!({
            "name": attached.name,
            "cgroup": attached.cgroup,
            "program_id": attached.program_id,
            "link_id": attached.link_id,
            "pins": attached.pins,
            "hz": attached.hz,
            "kernel_has": attached.features.iter().cloned().collect::<BTreeMap<_, _>>(),
            "roundings": attached.roundings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    );
}
