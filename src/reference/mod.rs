//! The catalogue for people: an entry for each name that a policy, the kernel or a diagnostic has.
//!
//! `tcpc doc` prints entries, `docs/reference.md` is made of them.

mod event;
mod field;
mod option;
mod word;

use tcpc_lang::check::closest;
use tcpc_stdlib::feature::{FeatureKind, READING, feature};

/// What the reference says of one name.
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// What a policy writes; the kernel's name where a policy cannot write it.
    pub name: &'static str,
    /// The event that an argument belongs to.
    pub of: Option<&'static str>,
    /// What else it is called, in the kernel's headers first of all.
    pub spellings: Vec<String>,
    /// Whether a policy can write it.
    pub usable: bool,
    /// What it means, in a line.
    pub meaning: String,
    /// What else is known.
    pub facts: Vec<Fact>,
    /// Sentences worth knowing.
    pub remarks: Vec<String>,
    /// A piece of a policy; may be empty.
    pub example: &'static str,
    /// The page about a diagnostic; empty for the others.
    pub page: &'static str,
}

/// A fact with its label.
pub struct Fact {
    /// A word or two.
    pub label: &'static str,
    /// The fact, in Markdown.
    pub text: String,
}

/// The kinds of entries, in the order of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What a rule is for.
    Event,
    /// A short name for several events.
    EventGroup,
    /// An argument of an event.
    Argument,
    /// A member of the context.
    Field,
    /// A socket option.
    Option,
    /// A word of the language.
    Word,
    /// A built-in name.
    Builtin,
    /// A type of the language.
    Type,
    /// A TCP state.
    State,
    /// An error number.
    Error,
    /// The code of a diagnostic.
    Diagnostic,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Kind] = &[
        Kind::Event,
        Kind::EventGroup,
        Kind::Argument,
        Kind::Field,
        Kind::Option,
        Kind::Word,
        Kind::Builtin,
        Kind::Type,
        Kind::State,
        Kind::Error,
        Kind::Diagnostic,
    ];

    /// What one of the kind is called.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::EventGroup => "group of events",
            Kind::Argument => "argument",
            Kind::Field => "field",
            Kind::Option => "socket option",
            Kind::Word => "word of the language",
            Kind::Builtin => "built-in name",
            Kind::Type => "type",
            Kind::State => "TCP state",
            Kind::Error => "error number",
            Kind::Diagnostic => "diagnostic",
        }
    }

    /// What several of the kind are called.
    pub const fn plural(self) -> &'static str {
        match self {
            Kind::Event => "events",
            Kind::EventGroup => "groups of events",
            Kind::Argument => "arguments",
            Kind::Field => "fields",
            Kind::Option => "socket options",
            Kind::Word => "words of the language",
            Kind::Builtin => "built-in names",
            Kind::Type => "types",
            Kind::State => "TCP states",
            Kind::Error => "error numbers",
            Kind::Diagnostic => "diagnostics",
        }
    }
}

impl Entry {
    fn new(kind: Kind, name: &'static str, meaning: impl Into<String>) -> Entry {
        Entry {
            kind,
            name,
            of: None,
            spellings: Vec::new(),
            usable: true,
            meaning: meaning.into(),
            facts: Vec::new(),
            remarks: Vec::new(),
            example: "",
            page: "",
        }
    }

    fn fact(mut self, label: &'static str, text: impl Into<String>) -> Entry {
        self.facts.push(Fact { label, text: text.into() });
        self
    }

    fn spelling(mut self, spelling: impl Into<String>) -> Entry {
        self.spellings.push(spelling.into());
        self
    }

    fn remark(mut self, remark: impl Into<String>) -> Entry {
        self.remarks.push(remark.into());
        self
    }

    /// Every name it has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name).chain(self.spellings.iter().map(String::as_str))
    }
}

/// Every entry, kind by kind.
pub fn entries() -> Vec<Entry> {
    let catalogue = event::entries().chain(field::entries()).chain(option::entries());
    catalogue.map(asked_for).chain(word::entries()).collect()
}

/// An entry that also says how a policy asks for what is not in every kernel.
fn asked_for(entry: Entry) -> Entry {
    let kinds: &[FeatureKind] = match entry.kind {
        Kind::Event => &[FeatureKind::Event],
        Kind::Argument => &[FeatureKind::Argument],
        Kind::Field => &[FeatureKind::Field],
        Kind::Option => &[FeatureKind::SetOption, FeatureKind::ReadOption],
        _ => &[],
    };
    let mut asked = Vec::new();
    for written in [entry.name.to_owned(), format!("{READING} {}", entry.name)] {
        let newer = feature(&written).filter(|one| !one.is_everywhere() && kinds.contains(&one.kind));
        asked.extend(newer.map(|_| code(&format!("kernel has {written}"))));
    }
    if asked.is_empty() { entry } else { entry.fact("Asked for", asked.join(", ")) }
}

/// The entries that are called so, in any case of letters. Callbacks may lack their `_CB`, functions may
/// have parentheses.
pub fn find<'e>(entries: &'e [Entry], name: &str) -> Vec<&'e Entry> {
    let wanted = key(name);
    entries.iter().filter(|entry| entry.names().any(|known| key(known) == wanted)).collect()
}

fn key(name: &str) -> String {
    let lower = name.trim().trim_end_matches("()").to_lowercase();
    lower.strip_suffix("_cb").unwrap_or(&lower).to_owned()
}

/// Names that may be meant by one that has no entry: the most similar one, else those that contain it.
pub fn similar<'e>(entries: &'e [Entry], name: &str) -> Vec<&'e str> {
    if let Some(closest) = closest(name, entries.iter().flat_map(Entry::names)) {
        return vec![closest];
    }
    let wanted = key(name);
    if wanted.len() < 3 {
        return Vec::new();
    }
    let mut containing: Vec<&str> =
        entries.iter().map(|entry| entry.name).filter(|known| key(known).contains(&wanted)).collect();
    containing.dedup();
    containing
}

/// A name as Markdown shows it.
pub fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// `` `a`, `b` `` or a dash.
pub fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(code).collect();
    if names.is_empty() { "-".into() } else { names.join(", ") }
}
