//! The names that a policy gives: which there are, and which are never used.

use std::collections::{HashMap, HashSet};

use tcpc_stdlib::builtin::{BUILTINS, VALUE_WORDS};
use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::field::field;
use tcpc_stdlib::kernel::tcp_state;
use tcpc_stdlib::option::option;

use super::uses::{Import, Module};
use super::{Checker, Place, Scope, Term};
use crate::ast::{self, Item, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{HeaderId, MutableSetId, ParamId, RecordId, SetId, TableId};
use crate::source::{FileId, Span};

/// Words before the name in a declaration, also of constructs that this version does not have.
const DECLARING: &[&str] =
    &["const", "let", "set", "param", "mutable", "table", "flow", "event", "option", "experiment"];

/// The declarations of a policy and its modules, by name.
#[derive(Default)]
pub struct Globals<'a> {
    /// The file whose names are meant.
    file: FileId,
    /// What names mean in each file.
    files: Vec<Names<'a>>,
    rows: Vec<Global<'a>>,
    has_gaps: bool,
}

/// What names mean in a file.
#[derive(Default)]
pub struct Names<'a> {
    pub by_name: HashMap<&'a str, usize>,
    /// Modules, by what stands before `::`.
    pub modules: HashMap<&'a str, Module<'a>>,
    /// Which of the names come from modules.
    pub imports: HashMap<&'a str, Import<'a>>,
    /// Names whose declaration could not be read: whatever is said of them would be a guess.
    broken: HashSet<&'a str>,
}

/// One declaration.
pub struct Global<'a> {
    /// Where it stands.
    pub file: FileId,
    pub name: &'a Name,
    pub kind: GlobalKind<'a>,
    pub used: bool,
}

/// What was declared.
#[derive(Clone)]
pub enum GlobalKind<'a> {
    /// A constant, and its value once it is known (`Some(None)` if it is wrong).
    Const(&'a ast::Const, Option<Option<Term>>),
    /// A `let`, or a function.
    Let(&'a ast::Let),
    /// A set, and its id once it was made.
    Set(&'a ast::Set, Option<SetId>),
    /// A parameter, and its id once it was made.
    Param(&'a ast::Param, Option<ParamId>),
    /// A set that can be changed, and its id once it was made.
    MutableSet(&'a ast::MutableSet, Option<MutableSetId>),
    /// A header option, and its id once it was made.
    Header(Option<HeaderId>),
    /// A table, and its id once it was made.
    Table(Option<TableId>),
    /// A kind of records, and its id once it was made.
    Record(Option<RecordId>),
    /// An experiment, which is used where it stands.
    Experiment(&'a ast::Experiment),
}

impl<'a> Globals<'a> {
    /// No declarations, of so many files.
    pub fn new(files: usize) -> Globals<'a> {
        let files = std::iter::repeat_with(Names::default).take(files).collect();
        Globals { files, ..Globals::default() }
    }

    /// From now on names mean what they mean in this file; returns the one before.
    pub fn enter(&mut self, file: FileId) -> FileId {
        std::mem::replace(&mut self.file, file)
    }

    /// Looks a name up and notes that it is used.
    pub fn use_name(&mut self, name: &str) -> Option<&mut Global<'a>> {
        let index = self.find(name)?;
        self.note_use(name);
        let row = self.rows.get_mut(index)?;
        row.used = true;
        Some(row)
    }

    /// Looks a name up, `NAME` or `MODULE::NAME`.
    pub fn get(&self, name: &str) -> Option<&Global<'a>> {
        self.rows.get(self.find(name)?)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let names = self.files.get(self.file.index())?;
        let Some((module, name)) = name.rsplit_once("::") else { return names.by_name.get(name).copied() };
        self.own(names.modules.get(module)?.file?, name)
    }

    /// What a file itself declares under a name.
    pub fn own(&self, file: FileId, name: &str) -> Option<usize> {
        let index = *self.files.get(file.index())?.by_name.get(name)?;
        (self.rows.get(index)?.file == file).then_some(index)
    }

    /// Whether this name has a declaration that could not be read.
    pub fn is_broken(&self, name: &str) -> bool {
        let Some(names) = self.files.get(self.file.index()) else { return false };
        let Some((module, name)) = name.rsplit_once("::") else { return names.broken.contains(name) };
        let Some(module) = names.modules.get(module) else { return false };
        module.file.is_none_or(|file| self.files[file.index()].broken.contains(name))
    }

    /// Whether there are declarations or uses that could not be read.
    pub fn has_gaps(&self) -> bool {
        self.has_gaps
    }

    /// Notes the name that an unreadable item of a file seems to declare.
    fn add_broken(&mut self, file: FileId, text: Option<&'a str>) {
        self.has_gaps = true;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.unwrap_or("").split(|c| !is_part(c)).filter(|word| !word.is_empty());
        let mut words = words.skip_while(|word| DECLARING.contains(word));
        self.names(file).broken.extend(words.next());
    }

    /// What names mean in the file at hand.
    pub fn names_here(&mut self) -> Option<&mut Names<'a>> {
        self.files.get_mut(self.file.index())
    }

    /// What names mean in a file.
    pub fn names_of(&self, file: FileId) -> Option<&Names<'a>> {
        self.files.get(file.index())
    }

    /// The file at hand.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Whether this name of a file has a declaration that could not be read.
    pub fn is_broken_in(&self, file: FileId, name: &str) -> bool {
        self.names_of(file).is_some_and(|names| names.broken.contains(name))
    }

    fn names(&mut self, file: FileId) -> &mut Names<'a> {
        if self.files.len() <= file.index() {
            self.files.resize_with(file.index() + 1, Names::default);
        }
        &mut self.files[file.index()]
    }

    /// Notes that a declaration is wrong: whatever is said of its uses would be a guess.
    pub fn mark_broken(&mut self, name: &'a str) {
        let file = self.file;
        self.names(file).broken.insert(name);
    }

    /// Notes the id of a header option. A second declaration of the name changes nothing.
    pub fn set_header(&mut self, name: &str, id: HeaderId) {
        let row = self.own(self.file, name).and_then(|index| self.rows.get_mut(index));
        if let Some(Global { kind: GlobalKind::Header(made @ None), .. }) = row {
            *made = Some(id);
        }
    }

    /// Notes the id of a kind of records. A second declaration of the name changes nothing.
    pub fn set_record(&mut self, name: &str, id: RecordId) {
        let row = self.own(self.file, name).and_then(|index| self.rows.get_mut(index));
        if let Some(Global { kind: GlobalKind::Record(made @ None), .. }) = row {
            *made = Some(id);
        }
    }

    /// Notes the id of a table. A second declaration of the name changes nothing.
    pub fn set_table(&mut self, name: &str, id: TableId) {
        let row = self.own(self.file, name).and_then(|index| self.rows.get_mut(index));
        if let Some(Global { kind: GlobalKind::Table(made @ None), .. }) = row {
            *made = Some(id);
        }
    }

    /// Every declaration, in the order of the source.
    pub fn rows(&self) -> &[Global<'a>] {
        &self.rows
    }

    /// One declaration, to be filled in.
    pub fn row(&mut self, index: usize) -> Option<&mut Global<'a>> {
        self.rows.get_mut(index)
    }
}

impl<'a> Checker<'a> {
    /// Collects the declarations of the whole policy, so that their order does not matter.
    pub(super) fn declare(&mut self, policy: &'a ast::Policy) {
        for item in &policy.items {
            let file = self.source.file_at(item.span().start);
            self.globals.enter(file);
            let (name, kind) = match item {
                Item::Const(item) => (&item.name, GlobalKind::Const(item, None)),
                Item::Let(item) => (&item.name, GlobalKind::Let(item)),
                Item::Set(item) => (&item.name, GlobalKind::Set(item, None)),
                Item::Param(item) => (&item.name, GlobalKind::Param(item, None)),
                Item::MutableSet(item) => (&item.name, GlobalKind::MutableSet(item, None)),
                Item::Header(item) => (&item.name, GlobalKind::Header(None)),
                Item::Table(item) => (&item.name, GlobalKind::Table(None)),
                Item::Record(item) => (&item.name, GlobalKind::Record(None)),
                Item::Error(span) => {
                    self.globals.add_broken(file, Some(self.source.slice(*span)));
                    continue;
                }
                Item::Experiment(item) => {
                    self.experiments.push(item);
                    (&item.name, GlobalKind::Experiment(item))
                }
                Item::Use(_) | Item::Rule(_) | Item::Test(_) | Item::Flow(_) => continue,
            };
            if self.reject_reserved(name) {
                continue;
            }
            if let Some(earlier) = self.globals.get(&name.text) {
                let earlier = earlier.name.span;
                self.report(duplicate(&name.text, name.span, earlier));
                continue;
            }
            let used = matches!(kind, GlobalKind::Experiment(_));
            let row = self.globals.rows.len();
            self.globals.names(file).by_name.insert(&name.text, row);
            self.globals.rows.push(Global { file, name, kind, used });
        }
        self.uses(policy);
        self.parameters();
        self.globals.enter(FileId::POLICY);
    }

    /// Parameters have names of their own too.
    fn parameters(&mut self) {
        let functions = self.globals.rows.iter().filter_map(|row| match row.kind {
            GlobalKind::Let(item) => Some((row.file, item.params.as_deref()?)),
            _ => None,
        });
        for (file, params) in functions.collect::<Vec<(FileId, &'a [Name])>>() {
            self.globals.enter(file);
            for (index, param) in params.iter().enumerate() {
                self.reject_reserved(param);
                let earlier = params.iter().take(index).find(|other| other.text == param.text);
                let earlier = earlier.or(self.globals.get(&param.text).map(|global| global.name));
                if let Some(earlier) = earlier {
                    let earlier = earlier.span;
                    self.report(duplicate(&param.text, param.span, earlier));
                }
            }
        }
    }

    /// A declared name must not hide one of the language's; whether it would.
    pub(super) fn reject_reserved(&mut self, name: &Name) -> bool {
        let text = name.text.as_str();
        let meaning = if field(text).is_some() {
            "a field of the socket"
        } else if option(text).is_some() {
            "a socket option"
        } else if BUILTINS.iter().any(|builtin| builtin.name == text) {
            "built in"
        } else if tcp_state(text).is_some() {
            "a TCP state"
        } else if VALUE_WORDS.contains(&text) || matches!(text, "reply" | "flow") {
            "a word of the language"
        } else if EVENTS.iter().any(|event| event.args.iter().any(|arg| arg.name == text)) {
            "an argument of an event"
        } else {
            return false;
        };
        self.report(
            Diagnostic::new(
                Code::ReservedName,
                format!("`{text}` is {meaning} and cannot be declared again"),
                name.span,
                format!("already {meaning}"),
            )
            .help("choose another name"),
        );
        true
    }

    /// Warns about what nobody uses, and checks it as far as that can be done without a use.
    pub(super) fn unused(&mut self) {
        // What could not be read might use them.
        let certain = !self.globals.has_gaps();
        // Without rules it is a module, and the names are for others.
        let certain = certain && !self.program.rules.is_empty();
        let too_complex = self.diagnostics.iter().any(|found| found.code == Code::TooComplex);
        if too_complex {
            // Names that were not reached are no finding, and each could be as large again.
            return;
        }
        if certain {
            self.warn_if_flow_is_unused();
        }
        let unused: Vec<(&'a Name, GlobalKind<'a>)> = self
            .globals
            .rows()
            .iter()
            .filter(|row| !row.used && row.file == FileId::POLICY)
            .map(|row| (row.name, row.kind.clone()))
            .collect();
        for (name, kind) in unused {
            let what = match &kind {
                GlobalKind::Const(..) => "constant",
                GlobalKind::Let(item) if item.params.is_some() => "function",
                GlobalKind::Let(_) => "name",
                GlobalKind::Set(..) | GlobalKind::MutableSet(..) => "set",
                GlobalKind::Param(..) => "parameter",
                GlobalKind::Header(..) => "header option",
                GlobalKind::Table(..) => "table",
                GlobalKind::Record(..) => "event",
                GlobalKind::Experiment(_) => "experiment",
            };
            match kind {
                // It was worked out already; one that is wrong needs no second complaint.
                GlobalKind::Const(_, Some(None)) => continue,
                GlobalKind::Const(..) => {}
                GlobalKind::Let(item) => self.within(Scope::new(Place::Unused), |checker| {
                    checker.inline_unused(item);
                }),
                GlobalKind::Header(None)
                | GlobalKind::Table(None)
                | GlobalKind::Record(None)
                | GlobalKind::Param(_, None)
                | GlobalKind::MutableSet(_, None)
                | GlobalKind::Experiment(_) => continue,
                GlobalKind::Set(..)
                | GlobalKind::Header(..)
                | GlobalKind::Table(..)
                | GlobalKind::Record(..)
                | GlobalKind::Param(..)
                | GlobalKind::MutableSet(..) => {}
            }
            self.server_reads.clear();
            if !certain {
                continue;
            }
            self.report(
                Diagnostic::new(
                    Code::UnusedName,
                    format!("the {what} `{}` is never used", name.text),
                    name.span,
                    "not used in any rule or test",
                )
                .help("remove it"),
            );
        }
    }
}

/// One name for two things.
pub fn duplicate(name: &str, again: Span, first: Span) -> Diagnostic {
    Diagnostic::new(Code::DuplicateName, format!("`{name}` is declared twice"), again, "declared again here")
        .label(first, "first declared here")
        .help("give one of them another name")
}
