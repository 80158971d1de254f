//! `docs/reference.md` and the tables in `docs/language.md`: the catalogue for people.

use std::fs;

use crate::catalogue::{Entry, Kind, code, entries, names};
use crate::markdown::{table, with_part};
use crate::support::{assert_file, repository};

const HEAD: &str = "\
# Reference

Everything that a policy can name: events, fields, socket options, words, built-in names. What they are for and how they
go together is in [language.md](language.md). A kernel version is the first that has a thing; as policies need Linux
5.10 anyway, an older version means “always”. `tcpc doc NAME` prints what is said here of one name.

This page is made from the catalogue in `stdlib/src/`.
";

#[test]
fn the_reference_page_is_current() {
    let all = entries();
    let table = |kind, name, facts: &[&'static str]| table_of(&all, kind, name, facts);
    let parts = [
        HEAD.to_owned(),
        events(&all),
        format!("## Arguments\n\n{}", table(Kind::Argument, "Argument", &["Event", "Type", "Linux"])),
        format!(
            "## Fields\n\nMembers of `struct bpf_sock_ops`, each in the unit of its type; “kernel” and “unit” are \
             the kernel's own. “Client” means\nthat the field reads 0 on the server in the events that ask for a \
             reply, where the server has only a request.\n\n{}",
            table(Kind::Field, "Field", &["Type", "Kernel", "Unit", "Linux", "Readable"])
        ),
        format!(
            "## Socket options\n\nWhat rules assign, and conditions read. “Set” and “read” are the first kernels \
             where a program can.\n\n{}\n### What to know of single options\n\n{}",
            table(Kind::Option, "Option", &["Type", "Values", "Kernel", "Set", "Read"]),
            remarks(&all)
        ),
        format!(
            "## Words of the language\n\n`tcpc doc WORD` shows an example of each.\n\n{}",
            table(Kind::Word, "Word", &["Written"])
        ),
        format!("## Built-in names\n\n{}", builtins(&all)),
        format!("## Types\n\n{}", table(Kind::Type, "Type", &["Written"])),
        format!("## TCP states\n\n{}.\n", names(usable(&all, Kind::State).map(|state| state.name))),
        format!(
            "## Error numbers\n\nWhat an assignment can fail with.\n\n{}",
            table(Kind::Error, "Error", &[])
        ),
    ];
    assert_file(&repository("docs/reference.md"), &parts.join("\n"));
}

#[test]
fn the_tables_of_the_language_page_are_current() {
    let path = repository("docs/language.md");
    let page = fs::read_to_string(&path).unwrap();
    assert_file(&path, &with_part(&page, "events", &event_overview(&entries())));
}

/// Entries of a kind that a policy can write.
fn usable(all: &[Entry], kind: Kind) -> impl Iterator<Item = &Entry> {
    all.iter().filter(move |entry| entry.kind == kind && entry.usable)
}

fn fact(entry: &Entry, label: &str) -> String {
    let found = entry.facts.iter().find(|fact| fact.label == label);
    found.map_or("-".to_owned(), |fact| fact.text.clone())
}

/// Name, facts, meaning.
fn table_of(all: &[Entry], kind: Kind, name: &'static str, facts: &[&'static str]) -> String {
    let head: Vec<&str> = [name].into_iter().chain(facts.iter().copied()).chain(["Meaning"]).collect();
    let rows = usable(all, kind).map(|entry| {
        let facts = facts.iter().map(|label| fact(entry, label));
        [code(entry.name)].into_iter().chain(facts).chain([entry.meaning.clone()]).collect()
    });
    table(&head, rows)
}

fn event_overview(all: &[Entry]) -> String {
    let rows = usable(all, Kind::Event).map(|event| {
        let reply = fact(event, "Reply");
        let reply = reply.split(',').next().unwrap().to_owned();
        vec![code(event.name), fact(event, "End"), reply, event.meaning.clone()]
    });
    table(&["Event", "End", "Reply", "When"], rows)
}

fn events(all: &[Entry]) -> String {
    let mut page = String::from("## Events\n");
    for event in usable(all, Kind::Event) {
        page += &format!("\n### `{}`\n\n{}\n\n", event.name, event.meaning);
        // Arguments have a table of their own.
        for fact in event.facts.iter().filter(|fact| fact.label != "Argument") {
            page += &format!("- {}: {}\n", fact.label, fact.text);
        }
        page += &format!("\n```tcp\n{}\n```\n", event.example);
    }
    for group in usable(all, Kind::EventGroup) {
        page +=
            &format!("\n`{}` stands for {}\n", group.name, group.meaning.trim_start_matches("Stands for "));
    }
    let later = all.iter().filter(|entry| entry.kind == Kind::Event && !entry.usable);
    page + "\nThe kernel also raises these; policies cannot have rules for them yet: "
        + &names(later.map(|event| event.name))
        + ".\n"
}

fn remarks(all: &[Entry]) -> String {
    let told = usable(all, Kind::Option).filter(|option| !option.remarks.is_empty());
    told.map(|option| format!("- `{}`: {}\n", option.name, option.remarks.join(" "))).collect()
}

fn builtins(all: &[Entry]) -> String {
    let rows = usable(all, Kind::Builtin)
        .map(|row| vec![fact(row, "Written"), fact(row, "Where"), row.meaning.clone(), code(row.example)]);
    table(&["Written", "Where", "Meaning", "Example"], rows)
}
