//! `tcpc watch`: the records that an attached policy gives.

mod filter;
mod line;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap_complete::engine::ArgValueCandidates;
use serde_json::{Map, Value, json};
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::suggest::closest;
use tcpc_loader::{Emitted, LoaderError, Watcher, Woken};

use crate::exit::Exit;
use crate::ui::Ui;
use crate::{completion, host_errors};
pub use filter::{Filter, duration};

/// How often it is looked whether records were lost.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of lines that are printed at once.
const BATCH: usize = 64 << 10;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
A policy declares records with `event` and gives them with `emit`. The oldest that nobody has read come first. Each is
read once: a second `tcpc watch` on the same policy is refused. It ends with Ctrl-C, or when the policy is detached, and
then says how many records there were, and how many found no room in the buffer.

A filter is FIELD, one of = != < <= > >=, and a value as a policy writes it; an address can be compared with a prefix.
Records without the field are not shown; of several filters all must hold.

Examples:
  tcpc watch
  tcpc watch web closed --filter 'srtt>10ms' --filter peer=10.0.0.0/8
  tcpc watch web --format json --for 10s")]
pub struct Args {
    /// Policy, as `tcpc list` shows it; not needed if only one is attached
    #[arg(value_name = "POLICY", add = ArgValueCandidates::new(completion::policies))]
    policy: Option<String>,
    /// Events [default: all]
    #[arg(value_name = "EVENT", add = ArgValueCandidates::new(completion::events))]
    events: Vec<String>,
    /// Only a policy of this cgroup
    #[arg(long, value_name = "CGROUP", add = ArgValueCandidates::new(completion::cgroups))]
    cgroup: Option<PathBuf>,
    /// Only records of which this holds, such as `srtt>10ms`
    #[arg(long, value_name = "FILTER", add = ArgValueCandidates::new(completion::fields))]
    filter: Vec<String>,
    /// End after so many records
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after this time, such as `10s`
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
}

/// Prints records until there are enough.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let opened =
        tcpc_loader::find_one(args.policy.as_deref(), args.cgroup.as_deref()).and_then(Watcher::open);
    let mut watcher = match opened {
        Ok(watcher) => watcher,
        Err(error) => return failed(&error, ui),
    };
    let filter = match Filter::new(&args.events, &args.filter, watcher.records()) {
        Ok(filter) => filter,
        Err(problem) => {
            ui.problem(&problem);
            return Exit::Usage;
        }
    };
    match watch(args, &filter, &mut watcher, ui) {
        Ok(()) => Exit::Done,
        Err(error) => failed(&error, ui),
    }
}

fn failed(error: &LoaderError, ui: &mut Ui) -> Exit {
    ui.problem(&host_errors::error(error));
    Exit::Host
}

fn watch(args: &Args, filter: &Filter, watcher: &mut Watcher, ui: &mut Ui) -> Result<(), LoaderError> {
    let records = watcher.records().to_vec();
    let end = args.time.map(|time| Instant::now() + time);
    let left = |shown: u64| args.count.is_none_or(|count| shown < count);
    let first = watcher.lost()?;
    if first.iter().any(|lost| *lost > 0) {
        tell_lost("before", &names(&records, &first, &[]), ui);
    }
    let mut before = first.clone();
    let mut looked = Instant::now();
    let mut shown = 0;
    let mut ended = false;
    while !ended {
        let now = Instant::now();
        let pause = end.map_or(LOOK, |end| LOOK.min(end.saturating_duration_since(now)));
        ended = watcher.wait(pause)? == Woken::Interrupted || end.is_some_and(|end| Instant::now() >= end);
        ended |= !watcher.is_attached();
        let mut full = true;
        while full && left(shown) && !ui.is_deaf() {
            let mut text = String::new();
            full = false;
            watcher.take(|record: Emitted| {
                if filter.holds(&record) {
                    line::push(&mut text, &record, &records, ui.is_json());
                    shown += 1;
                }
                full = text.len() >= BATCH;
                left(shown) && !full
            })?;
            ui.lines(&text);
            // What comes after the end is left for the next who watches.
            full &= !ended;
        }
        ended |= !left(shown) || ui.is_deaf();
        if (looked.elapsed() >= LOOK || ended) && watcher.is_attached() {
            looked = Instant::now();
            let lost = watcher.lost()?;
            let more = names(&records, &lost, &before);
            if !more.is_empty() && !ended {
                tell_lost("now", &more, ui);
            }
            before = lost;
        }
    }
    summarize(shown, &names(&records, &before, &first), ui);
    Ok(())
}

/// Events of which records were lost since, and how many.
fn names(
    records: &[tcpc_stdlib::manifest::state::RecordInfo],
    lost: &[u64],
    before: &[u64],
) -> Vec<(String, u64)> {
    let since = |index: usize, lost: u64| lost.saturating_sub(before.get(index).copied().unwrap_or(0));
    let counts = lost.iter().enumerate().map(|(index, lost)| since(index, *lost));
    let named = records.iter().zip(counts).filter(|(_, count)| *count > 0);
    named.map(|(record, count)| (record.name.clone(), count)).collect()
}

fn tell_lost(when: &str, lost: &[(String, u64)], ui: &mut Ui) {
    ui.note(format!("lost {when}: {}", list(lost)));
    ui.stream(&json!({ "lost": object(lost), "when": when }));
}

fn summarize(shown: u64, lost: &[(String, u64)], ui: &mut Ui) {
    let total: u64 = lost.iter().map(|(_, count)| count).sum();
    let which = if lost.is_empty() { String::new() } else { format!(" ({})", list(lost)) };
    ui.note(format!("{shown} {}, {total} lost{which}", if shown == 1 { "record" } else { "records" }));
    ui.stream(&json!({ "records": shown, "lost": object(lost) }));
}

fn list(lost: &[(String, u64)]) -> String {
    lost.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

fn object(lost: &[(String, u64)]) -> Map<String, Value> {
    lost.iter().map(|(name, count)| (name.clone(), (*count).into())).collect()
}

/// An event or a field that is not there, with what was probably meant.
fn unknown<'n>(code: Code, what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Diagnostic {
    let known: Vec<&str> = known.collect();
    let diagnostic = Diagnostic::without_place(code, format!("the policy has no {what} `{name}`"));
    match closest(name, known.iter().copied()) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
        None => diagnostic.help(format!("there are `{}`", known.join("`, `"))),
    }
}
