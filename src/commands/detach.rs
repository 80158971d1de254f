//! `tcpc detach`: take a policy off a cgroup.

use std::path::PathBuf;

use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use crate::exit::Exit;
use crate::ui::Ui;
use crate::{completion, host_errors};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Connections keep what the policy did to them; new ones are the kernel's own again.

Examples:
  tcpc detach /sys/fs/cgroup/web
  tcpc detach /sys/fs/cgroup/web canary")]
pub struct Args {
    /// Directory of the cgroup
    #[arg(value_name = "CGROUP", add = ArgValueCandidates::new(completion::cgroups))]
    cgroup: PathBuf,
    /// Name of the policy; not needed if only one is attached
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::policies))]
    name: Option<String>,
}

/// Detaches.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    match tcpc_loader::detach(&args.cgroup, args.name.as_deref()) {
        Ok(detached) => {
            for one in &detached {
                let note = if one.was_alive { "" } else { " (its cgroup was gone already)" };
                ui.say(format!("detached `{}` from {}{note}", one.name, one.cgroup.display()));
            }
            let detached: Vec<_> = detached
                .iter()
                .map(|one| json!({ "name": one.name, "cgroup": one.cgroup, "program_id": one.program_id }))
                .collect();
            ui.set("detached", detached);
            Exit::Done
        }
        Err(error) => {
            ui.problem(&host_errors::error(&error));
            Exit::Host
        }
    }
}
