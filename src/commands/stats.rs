//! `tcpc stats`: what attached policies have counted.

mod document;
mod rates;
mod text;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};
use tcpc_loader::{Counters, LoaderError, Policy};

use crate::exit::Exit;
use crate::ui::Ui;
use crate::{completion, host_errors};
use rates::Rates;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
A policy is named as `tcpc list` shows it. Numbers count from the moment it was attached; --watch shows how fast they
grow. There is nothing to set them back with: a count between reading and clearing would be lost.

With --format json, --watch prints one document a line.

Examples:
  tcpc stats
  tcpc stats web --top 5
  tcpc stats web --cgroup /sys/fs/cgroup/web --format json
  tcpc stats --watch 1")]
pub struct Args {
    /// Policies [default: all that are attached]
    #[arg(value_name = "POLICY", add = ArgValueCandidates::new(completion::policies))]
    policies: Vec<String>,
    /// Only those of one cgroup
    #[arg(long, value_name = "CGROUP", add = ArgValueCandidates::new(completion::cgroups))]
    cgroup: Option<PathBuf>,
    /// Keys of each counter that are shown, those with the highest counts; 0 for all
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Show them again and again, with what was added a second
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    watch: Option<Duration>,
    /// End --watch after so many times
    #[arg(long, value_name = "N", requires = "watch")]
    count: Option<u64>,
}

/// `0.5`, `2`: more than nothing and less than a day.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds from 0.1 to 86400 is needed".to_owned()),
    }
}

/// A policy and what it had counted at a moment.
pub struct Reading {
    policy: Policy,
    counters: Counters,
    at: Instant,
}

/// Shows the numbers once, or until nobody reads them any more.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    match show(args, ui) {
        Ok(()) => Exit::Done,
        Err(error) => {
            ui.problem(&host_errors::error(&error));
            Exit::Host
        }
    }
}

fn show(args: &Args, ui: &mut Ui) -> Result<(), LoaderError> {
    let mut before = read(args)?;
    let Some(pause) = args.watch else {
        let none = Rates::none();
        for (index, reading) in before.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            ui.say(format!("{gap}{}", text::policy(reading, args.top, &none)));
        }
        let policies: Vec<Value> =
            before.iter().map(|reading| document::policy(reading, args.top, &none)).collect();
        ui.set("policies", policies);
        return Ok(());
    };
    let mut times = 0;
    while args.count.is_none_or(|count| times < count) && !ui.is_deaf() {
        std::thread::sleep(pause);
        let now = read(args)?;
        let mut policies = Vec::new();
        for reading in &now {
            let rates = Rates::between(before.iter().find(|one| one.is_of(reading)), reading);
            ui.say(format!("{}\n", text::policy(reading, args.top, &rates)));
            policies.push(document::policy(reading, args.top, &rates));
        }
        ui.stream(&json!({ "policies": policies }));
        before = now;
        times += 1;
    }
    Ok(())
}

impl Reading {
    /// Whether both are of one attachment: counts of one that was attached anew begin anew.
    fn is_of(&self, other: &Reading) -> bool {
        let identity = |one: &Reading| (one.policy.pins.clone(), one.policy.record.attached_at);
        identity(self) == identity(other)
    }
}

fn read(args: &Args) -> Result<Vec<Reading>, LoaderError> {
    let policies = tcpc_loader::find(&args.policies, args.cgroup.as_deref())?;
    let read = |policy: Policy| {
        let counters = tcpc_loader::counters(&policy.pins)?;
        Ok(Reading { policy, counters, at: Instant::now() })
    };
    policies.into_iter().map(read).collect()
}
