//! `tcpc diff`: how two policies differ, and on which connection.

use std::path::PathBuf;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use serde_json::json;
use tcpc_analysis::diff::Side;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::suggest::closest;
use tcpc_stdlib::event::{EVENTS, Event, event};

use crate::completion;
use crate::diff::{Comparison, EventCompared, Found, Outcome, policies};
use crate::exit::Exit;
use crate::policy;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Labels, comments, the order of rules that do not meet and other ways of saying the same make no difference. What is said
of addresses, ports and constants is exact; where something could only be tried, that is said.

Exit status: 0 they are equivalent, 1 they differ, or it is not known whether they do, or a policy is wrong,
2 the command line is wrong, 3 a file cannot be read.

Examples:
  tcpc diff old.tcp new.tcp
  tcpc diff --event timeout_init old.tcp new.tcp
  git show HEAD:web.tcp | tcpc diff - web.tcp")]
pub struct Args {
    /// The policy before the change; `-` is standard input, `std::NAME` a policy of the standard library
    #[arg(value_name = "OLD", add = ArgValueCompleter::new(completion::files))]
    old: PathBuf,
    /// The policy after it
    #[arg(value_name = "NEW", add = ArgValueCompleter::new(completion::files))]
    new: PathBuf,
    /// Compare what they do in this event only
    #[arg(long, value_name = "EVENT", add = ArgValueCandidates::new(completion::kernel_events))]
    event: Option<String>,
}

/// Compares two policies.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    diff(args, ui).unwrap_or_else(|exit| exit)
}

fn diff(args: &Args, ui: &mut Ui) -> Result<Exit, Exit> {
    let only = args.event.as_deref().map(named).transpose().map_err(|problem| {
        ui.problem(&problem);
        Exit::Usage
    })?;
    let (old_source, old) = policy::understand(&args.old, ui)?;
    let (new_source, new) = policy::understand(&args.new, ui)?;
    let found = policies(
        Side { program: &old, source: &old_source },
        Side { program: &new, source: &new_source },
        only,
    );
    let names = [old_source.name(), new_source.name()];
    tell(&found, names, only, ui);
    ui.set("old", names[0]);
    ui.set("new", names[1]);
    ui.set("equivalent", found.is_equivalent());
    ui.set("different", found.differs());
    ui.set("declarations", json!(found.declarations));
    ui.set("events", json!(found.events));
    Ok(if found.is_equivalent() { Exit::Done } else { Exit::Policy })
}

/// The event of this name.
fn named(name: &str) -> Result<&'static Event, Diagnostic> {
    let known = || EVENTS.iter().filter(|event| event.supported).map(|event| event.name);
    event(name).filter(|event| event.supported).ok_or_else(|| {
        let problem = Diagnostic::without_place(Code::UnknownEvent, format!("unknown event `{name}`"));
        match closest(name, known()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help(format!("the events are {}", known().collect::<Vec<_>>().join(", "))),
        }
    })
}

fn tell(found: &Comparison, names: [&str; 2], only: Option<&Event>, ui: &mut Ui) {
    let [old, new] = names;
    let width = old.len().max(new.len());
    for declaration in &found.declarations {
        ui.say(format!("{} is declared in another way", declaration.what));
        ui.say(format!("  {old:width$}  {}", declaration.old));
        ui.say(format!("  {new:width$}  {}", declaration.new));
        ui.say("");
    }
    for EventCompared { event, found } in &found.events {
        match found {
            Found::Equivalent => {}
            Found::NotKnown { tried } => {
                ui.say(format!(
                    "{event}: no difference on {tried} connections that were tried; there may be one"
                ));
                ui.say("");
            }
            Found::Different { flow, what, old: before, new: after } => {
                ui.say(format!("{event}: they differ in {} on", what.join(", ")));
                ui.say(format!("  {flow}"));
                for (name, outcome) in [(old, before), (new, after)] {
                    match outcome {
                        Some(outcome) => ui.say(format!("  {name:width$}  {}", line(outcome, what))),
                        None => ui.say(format!("  {name:width$}  (this connection cannot be run here)")),
                    }
                }
                ui.say("");
            }
        }
    }
    let (mut different, mut unknown) = (0, 0);
    for event in &found.events {
        different += usize::from(matches!(event.found, Found::Different { .. }));
        unknown += usize::from(matches!(event.found, Found::NotKnown { .. }));
    }
    let events = |number: usize| format!("{number} event{}", if number == 1 { "" } else { "s" });
    let all = found.events.len();
    ui.say(match (different, unknown, found.declarations.is_empty()) {
        (0, 0, true) => match only {
            Some(event) => format!("`{old}` and `{new}` do the same in `{}`", event.name),
            None => format!("`{old}` and `{new}` are equivalent"),
        },
        (0, 0, false) => {
            format!("`{old}` and `{new}` differ in what they declare, and do the same in {}", events(all))
        }
        (0, unknown, _) => {
            format!(
                "`{old}` and `{new}`: no difference was found, and of {} it is not known that there is none",
                events(unknown)
            )
        }
        (different, ..) => format!("`{old}` and `{new}` differ in {different} of {}", events(all)),
    });
}

/// So many rules that ran are named.
const MOST_RULES: usize = 6;

/// What a policy does, as far as it matters.
fn line(outcome: &Outcome, what: &[String]) -> String {
    let values = what.iter().filter_map(|name| match (outcome.values.get(name), name.as_str()) {
        (Some(value), "reply") => Some(format!("reply {value}")),
        (None, "reply") => Some("no reply".to_owned()),
        (Some(value), _) => Some(format!("{name} = {value}")),
        (None, _) => None,
    });
    let values: Vec<String> = values.collect();
    let (first, more) = outcome.rules.split_at(outcome.rules.len().min(MOST_RULES));
    let mut rules = first.join(", ");
    if !more.is_empty() {
        rules += &format!(" and {} more rules", more.len());
    }
    match (rules.is_empty(), values.is_empty()) {
        (true, true) => "no rule runs".to_owned(),
        (true, false) => format!("no rule runs: {}", values.join(", ")),
        (false, true) => format!("{rules}: nothing of this"),
        (false, false) => format!("{rules}: {}", values.join(", ")),
    }
}
