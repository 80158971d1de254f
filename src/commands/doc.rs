//! `tcpc doc`: what the reference says of a name.

use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};
use tcpc_lang::diag::{Code, Diagnostic};

use crate::completion;
use crate::exit::Exit;
use crate::reference::{Entry, Kind, entries, find, similar};
use crate::ui::Ui;

/// Columns that lines are wrapped to.
const WIDTH: usize = 100;
/// So many similar names are shown at most.
const MOST_SIMILAR: usize = 8;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tcpc doc rto
  tcpc doc SO_SNDBUF
  tcpc doc table
  tcpc doc srtt_us --format json
  tcpc doc E0303")]
pub struct Args {
    /// An event, argument, field, socket option, word of the language, built-in name, type, TCP state, error number or diagnostic
    /// code, as a policy or as the kernel's headers call it; without one all names are listed
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::names))]
    name: Option<String>,
}

/// Prints all entries of the name, or the list.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let entries = entries();
    let Some(name) = &args.name else {
        ui.say(list(&entries));
        let names = entries.iter().map(|entry| {
            json!({ "kind": entry.kind.name(), "name": entry.name, "meaning": entry.meaning, "usable": entry.usable })
        });
        ui.set("names", names.collect::<Vec<Value>>());
        return Exit::Done;
    };
    let found = find(&entries, name);
    if found.is_empty() {
        ui.problem(&unknown(&entries, name));
        return Exit::Usage;
    }
    let texts: Vec<String> = found.iter().map(|entry| text(entry)).collect();
    ui.say(texts.join("\n"));
    ui.set("entries", found.into_iter().map(as_json).collect::<Vec<_>>());
    Exit::Done
}

fn unknown(entries: &[Entry], name: &str) -> Diagnostic {
    let unknown =
        Diagnostic::without_place(Code::UnknownEntry, format!("the reference has no entry `{name}`"));
    let similar: Vec<String> =
        similar(entries, name).into_iter().take(MOST_SIMILAR).map(|name| format!("`{name}`")).collect();
    let unknown = if similar.is_empty() {
        unknown
    } else {
        unknown.help(format!("did you mean {}?", similar.join(", ")))
    };
    unknown.help("`tcpc doc` lists all names")
}

fn as_json(entry: &Entry) -> Value {
    let facts = entry.facts.iter().map(|fact| json!({ "label": fact.label, "text": fact.text }));
    json!({
        "kind": entry.kind.name(),
        "name": entry.name,
        "of": entry.of,
        "spellings": entry.spellings,
        "usable": entry.usable,
        "meaning": entry.meaning,
        "facts": facts.collect::<Vec<_>>(),
        "remarks": entry.remarks,
        "example": entry.example,
        "page": entry.page,
    })
}

/// Names with their meanings under the name of their kind. What a policy cannot write is left out.
fn list(entries: &[Entry]) -> String {
    let mut shown = String::new();
    for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Diagnostic) {
        shown += &format!("{}:\n", kind.plural());
        let of_kind: Vec<&Entry> =
            entries.iter().filter(|entry| entry.kind == kind && entry.usable).collect();
        let width = of_kind.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        for entry in of_kind {
            let meaning = wrapped(&entry.meaning, width + 4);
            shown += &format!("  {:width$}  {meaning}\n", entry.name);
        }
        shown.push('\n');
    }
    shown + "diagnostics: `tcpc explain` lists them\n"
}

/// An entry for people.
fn text(entry: &Entry) -> String {
    let of = entry.of.map_or(String::new(), |event| format!(" of `{event}`"));
    let mut shown =
        format!("{}: {}{of}\n\n  {}\n", entry.name, entry.kind.name(), wrapped(&entry.meaning, 2));
    if !entry.facts.is_empty() {
        shown.push('\n');
    }
    let width = entry.facts.iter().map(|fact| fact.label.len()).max().unwrap_or(0);
    for fact in &entry.facts {
        shown += &format!("  {:width$}  {}\n", fact.label, wrapped(&fact.text, width + 4));
    }
    if !entry.remarks.is_empty() {
        shown.push('\n');
    }
    for remark in &entry.remarks {
        shown += &format!("  - {}\n", wrapped(remark, 4));
    }
    for block in [entry.example, entry.page].iter().filter(|block| !block.is_empty()) {
        shown.push('\n');
        for line in block.lines() {
            shown += format!("  {line}").trim_end();
            shown.push('\n');
        }
    }
    shown
}

/// Text that begins in a column and goes on in the same column of the next line.
fn wrapped(text: &str, column: usize) -> String {
    let (mut shown, mut at) = (String::new(), column);
    for word in text.split(' ') {
        let width = word.chars().count();
        if at > column && at + 1 + width > WIDTH {
            shown += &format!("\n{:column$}", "");
            at = column;
        } else if at > column {
            shown.push(' ');
            at += 1;
        }
        shown += word;
        at += width;
    }
    shown
}
