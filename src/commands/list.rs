//! `tcpc list`: what is attached on this host.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tcpc_loader::Listed;

use super::param::{shown, to_json as parameter};
use crate::exit::Exit;
use crate::ui::Ui;
use crate::{host_errors, table};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
CHANGED are the parameters that have another value than the policy gives them, BESIDE the other programs of the cgroup.

Examples:
  tcpc list
  tcpc list --format json")]
pub struct Args {}

/// Lists.
pub fn run(_args: &Args, ui: &mut Ui) -> Exit {
    match tcpc_loader::list() {
        Ok(listed) => {
            if listed.is_empty() {
                ui.say("no policy is attached");
            } else {
                ui.say(text(&listed));
            }
            ui.set("policies", listed.iter().map(to_json).collect::<Vec<_>>());
            Exit::Done
        }
        Err(error) => {
            ui.problem(&host_errors::error(&error));
            Exit::Host
        }
    }
}

fn text(listed: &[Listed]) -> String {
    let mut rows = vec![["POLICY", "CGROUP", "PROGRAM", "SINCE", "CHANGED", "BESIDE"].map(str::to_owned)];
    rows.extend(listed.iter().map(|one| {
        let path = one.cgroup.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
        let cgroup = if one.alive { path } else { format!("{path} (removed)") };
        let others: Vec<String> = one.others.iter().map(ToString::to_string).collect();
        let beside = if others.is_empty() { "-".to_owned() } else { others.join(", ") };
        let changed: Vec<String> =
            one.changed.iter().map(|one| format!("{}={}", one.info.name, shown(one, one.value))).collect();
        let changed = if changed.is_empty() { "-".to_owned() } else { changed.join(", ") };
        [one.name.clone(), cgroup, one.program_id.to_string(), age(one.attached_at), changed, beside]
    }));
    table::text(&rows)
}

/// How long ago, in its largest unit.
fn age(since: Option<SystemTime>) -> String {
    let Some(elapsed) = since.and_then(|since| since.elapsed().ok()) else { return "-".to_owned() };
    match elapsed.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}min", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

fn to_json(one: &Listed) -> Value {
    let since = one.attached_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|at| at.as_secs());
    json!({
        "name": one.name,
        "cgroup": one.cgroup,
        "program_id": one.program_id,
        "link_id": one.link_id,
        "attached_at": since,
        "alive": one.alive,
        "pins": one.pins,
        "changed": one.changed.iter().map(|one| parameter(one, one.value)).collect::<Vec<_>>(),
        "others": one.others.iter().map(|other| json!({ "id": other.id, "name": other.name })).collect::<Vec<_>>(),
    })
}
