//! `tcpc param`: the parameters of an attached policy.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};
use tcpc_lang::read::natural_range;
use tcpc_lang::show::show;
use tcpc_loader::{LoaderError, Parameter, Policy};

use crate::exit::Exit;
use crate::parameters::{parts, type_of, unknown, values};
use crate::ui::Ui;
use crate::{completion, host_errors, table};

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Show parameters: value, range and default
    Get(Get),
    /// Set parameters while the policy runs
    Set(Set),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tcpc param get
  tcpc param get syn_rto --policy web --format json")]
struct Get {
    /// Only this parameter
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::parameters))]
    name: Option<String>,
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
A value is written as in a policy. The policy goes on running and uses it from the next event on; each parameter
changes in one step. If one of the values is wrong, none is set.

Examples:
  tcpc param set syn_rto=20ms
  tcpc param set syn_rto=20ms near=false --policy canary --cgroup /sys/fs/cgroup/web")]
struct Set {
    /// Parameters and their values
    #[arg(value_name = "NAME=VALUE", required = true, add = ArgValueCandidates::new(completion::settings))]
    settings: Vec<String>,
    #[command(flatten)]
    which: Which,
}

/// Which policy is meant.
#[derive(clap::Args, Debug)]
pub struct Which {
    /// Name of the policy; not needed if only one is attached
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(completion::policies))]
    policy: Option<String>,
    /// Directory of its cgroup; not needed if its name is attached to one only
    #[arg(long, value_name = "CGROUP", add = ArgValueCandidates::new(completion::cgroups))]
    cgroup: Option<PathBuf>,
}

impl Which {
    /// The policy, if one is meant for certain.
    pub fn find(&self, ui: &mut Ui) -> Result<Policy, Exit> {
        tcpc_loader::find_one(self.policy.as_deref(), self.cgroup.as_deref())
            .map_err(|error| refused(&error, ui))
    }
}

/// Shows or sets.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let done = match &args.action {
        Action::Get(get) => self::get(get, ui),
        Action::Set(set) => self::set(set, ui),
    };
    done.unwrap_or_else(|exit| exit)
}

fn get(args: &Get, ui: &mut Ui) -> Result<Exit, Exit> {
    let policy = args.which.find(ui)?;
    let mut found = tcpc_loader::parameters(&policy).map_err(|error| refused(&error, ui))?;
    if let Some(name) = &args.name {
        found.retain(|one| one.info.name == *name);
        if found.is_empty() {
            ui.problem(&unknown(name, &policy.name, &policy.record.manifest.state.params));
            return Err(Exit::Usage);
        }
    }
    ui.say(match found.is_empty() {
        true => format!("the policy `{}` has no parameters", policy.name),
        false => text(&found),
    });
    report(&policy, found.iter().map(|one| to_json(one, one.value)).collect(), ui);
    Ok(Exit::Done)
}

fn set(args: &Set, ui: &mut Ui) -> Result<Exit, Exit> {
    // What is wrong on any host is said before this one is asked.
    if let Some(problem) = args.settings.iter().find_map(|setting| parts(setting).err()) {
        ui.problem(&problem);
        return Err(Exit::Usage);
    }
    let policy = args.which.find(ui)?;
    let values = values(&args.settings, &policy.name, &policy.record.manifest.state.params);
    let values = values.map_err(|problem| {
        ui.problem(&problem);
        Exit::Usage
    })?;
    let before = tcpc_loader::parameters(&policy).map_err(|error| refused(&error, ui))?;
    tcpc_loader::set_parameters(&policy, &values).map_err(|error| refused(&error, ui))?;
    let mut changed = Vec::new();
    for one in &before {
        let Some((_, value)) = values.iter().find(|(name, _)| *name == one.info.name) else { continue };
        let (old, new) = (shown(one, one.value), shown(one, *value));
        ui.say(match one.value == *value {
            true => format!("{} = {new} (as before)", one.info.name),
            false => format!("{} = {new} (was {old})", one.info.name),
        });
        changed.push(to_json(one, *value));
    }
    report(&policy, changed, ui);
    Ok(Exit::Done)
}

fn report(policy: &Policy, parameters: Vec<Value>, ui: &mut Ui) {
    ui.set("policy", policy.name.as_str());
    ui.set("cgroup", policy.cgroup.display().to_string());
    ui.set("parameters", parameters);
}

fn refused(error: &LoaderError, ui: &mut Ui) -> Exit {
    ui.problem(&host_errors::error(error));
    Exit::Host
}

/// A value as a policy writes it.
pub fn shown(one: &Parameter, number: u64) -> String {
    show(type_of(&one.info), number)
}

fn text(parameters: &[Parameter]) -> String {
    let mut rows = vec![["PARAMETER", "VALUE", "RANGE", "DEFAULT"].map(str::to_owned)];
    rows.extend(parameters.iter().map(|one| {
        let range = match one.info.range {
            range if range == natural_range(type_of(&one.info)) => "any".to_owned(),
            (low, u64::MAX) => format!("{} and more", shown(one, low)),
            (low, high) => format!("{}..{}", shown(one, low), shown(one, high)),
        };
        [one.info.name.clone(), shown(one, one.value), range, shown(one, one.info.default)]
    }));
    table::text(&rows)
}

/// A parameter with one of its values, for programs.
pub fn to_json(one: &Parameter, value: u64) -> Value {
    let (low, high) = one.info.range;
    json!({
        "name": one.info.name,
        "type": one.info.ty,
        "value": shown(one, value),
        "number": value,
        "range": [shown(one, low), shown(one, high)],
        "default": shown(one, one.info.default),
        "line": one.info.line,
    })
}
