//! `tcpc set`: the sets of an attached policy that can be changed.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::read::{self, type_named};
use tcpc_lang::show::show_element;
use tcpc_loader::{Element, LoaderError, Policy, Set};
use tcpc_stdlib::unit::Type;

use super::param::Which;
use crate::exit::Exit;
use crate::ui::Ui;
use crate::{completion, host_errors, policy};

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Show the elements of a set
    List(List),
    /// Add elements
    Add(Change),
    /// Remove elements
    Del(Change),
    /// Replace all elements in one step
    Replace(Replace),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  tcpc set list BLOCKED")]
struct List {
    /// The set
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::sets))]
    name: String,
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
If one of the elements is wrong, or there is no room for all, the set stays as it is.

Examples:
  tcpc set add BLOCKED 192.0.2.0/24 2001:db8::/32
  tcpc set del PORTS 8080 --policy web")]
struct Change {
    /// The set
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::sets))]
    name: String,
    /// Elements, written as in a policy
    #[arg(value_name = "ELEMENT", required = true, add = ArgValueCandidates::new(completion::elements))]
    elements: Vec<String>,
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
The file has one element on a line; `#` begins a comment. The policy sees the elements before or those after, never
something in between. If a line is wrong, or there is no room for all, the set stays as it is.

Examples:
  tcpc set replace BLOCKED --from blocked.txt
  fetch-list | tcpc set replace BLOCKED --from -")]
struct Replace {
    /// The set
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::sets))]
    name: String,
    /// Where the elements are; `-` is standard input
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    which: Which,
}

/// Shows or changes.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let done = match &args.action {
        Action::List(list) => self::list(list, ui),
        Action::Add(change) => self::change(change, true, ui),
        Action::Del(change) => self::change(change, false, ui),
        Action::Replace(replace) => self::replace(replace, ui),
    };
    done.map_or_else(|exit| exit, |()| Exit::Done)
}

fn list(args: &List, ui: &mut Ui) -> Result<(), Exit> {
    let policy = args.which.find(ui)?;
    let set = open(&policy, &args.name, ui)?;
    let ty = element_type(&set);
    let elements = set.elements().map_err(|error| refused(&error, ui))?;
    let shown: Vec<String> =
        elements.iter().map(|&(address, length)| show_element(ty, address, length)).collect();
    if !shown.is_empty() {
        ui.say(shown.join("\n"));
    }
    ui.set("set", args.name.as_str());
    ui.set("type", set.info.element.as_str());
    ui.set("max", set.info.max);
    ui.set("elements", shown);
    Ok(())
}

fn change(args: &Change, add: bool, ui: &mut Ui) -> Result<(), Exit> {
    let policy = args.which.find(ui)?;
    let set = open(&policy, &args.name, ui)?;
    let ty = element_type(&set);
    let mut elements = Vec::new();
    for text in &args.elements {
        elements.push(element(ty, text, "").map_err(|problem| {
            ui.problem(&problem);
            Exit::Usage
        })?);
    }
    let done = if add { set.add(&elements) } else { set.remove(&elements) };
    let done = done.map_err(|error| refused(&error, ui))?;
    let what = if add { "added to" } else { "removed from" };
    ui.say(format!("{done} {what} `{}`", args.name));
    ui.set("set", args.name.as_str());
    ui.set(if add { "added" } else { "removed" }, done);
    Ok(())
}

fn replace(args: &Replace, ui: &mut Ui) -> Result<(), Exit> {
    let policy = args.which.find(ui)?;
    let bytes = policy::read_bytes(&args.from).map_err(|problem| policy::report_unreadable(&problem, ui))?;
    let set = open(&policy, &args.name, ui)?;
    let ty = element_type(&set);
    let file = args.from.display().to_string();
    let elements = elements(ty, &file, &String::from_utf8_lossy(&bytes)).map_err(|problem| {
        ui.problem(&problem);
        Exit::Usage
    })?;
    let count = set.replace(&elements).map_err(|error| refused(&error, ui))?;
    let plural = if count == 1 { "" } else { "s" };
    ui.say(format!("`{}` has {count} element{plural}", args.name));
    ui.set("set", args.name.as_str());
    ui.set("count", count);
    Ok(())
}

/// The elements of a file.
///
/// # Errors
/// The first line that has none.
pub fn elements(ty: Type, file: &str, text: &str) -> Result<Vec<Element>, Diagnostic> {
    let mut elements = Vec::new();
    for (line, number) in text.lines().zip(1u32..) {
        let line = line.split('#').next().unwrap_or("").trim();
        if !line.is_empty() {
            elements.push(element(ty, line, &format!("{file}:{number}: "))?);
        }
    }
    Ok(elements)
}

fn element(ty: Type, text: &str, place: &str) -> Result<Element, Diagnostic> {
    read::element(ty, text).map_err(|unreadable| {
        let what = format!("{place}`{text}` {}", unreadable.why);
        Diagnostic::without_place(Code::BadElement, what).help(unreadable.help)
    })
}

fn open<'p>(policy: &'p Policy, name: &str, ui: &mut Ui) -> Result<Set<'p>, Exit> {
    Set::open(policy, name).map_err(|error| refused(&error, ui))
}

fn element_type(set: &Set) -> Type {
    type_named(&set.info.element).unwrap_or(Type::Prefix)
}

fn refused(error: &LoaderError, ui: &mut Ui) -> Exit {
    ui.problem(&host_errors::error(error));
    Exit::Host
}
