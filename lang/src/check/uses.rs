//! The modules that a file uses, and the names that it has from them.

use super::Checker;
use super::declare::{GlobalKind, Globals, duplicate};
use super::suggest::did_you_mean;
use crate::ast::{self, Item, Name, Use};
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// A module that a file has a name for.
pub struct Module<'a> {
    /// Its file; none if it could not be read.
    pub file: Option<FileId>,
    /// Where it is named.
    item: &'a Use,
    used: bool,
}

/// A name that a file has from a module.
pub struct Import<'a> {
    /// The name, as it stands in braces.
    name: &'a Name,
    used: bool,
}

impl<'a> Globals<'a> {
    /// All names that mean something in the file at hand, without those of modules.
    pub fn visible(&self) -> Vec<&'a str> {
        self.names_of(self.file()).map(|names| names.by_name.keys().copied().collect()).unwrap_or_default()
    }

    /// What the name would be with the module that has it.
    pub fn module_with(&self, name: &str) -> Option<String> {
        let names = self.names_of(self.file())?;
        let mut modules: Vec<&str> = names.modules.keys().copied().collect();
        modules.sort_unstable();
        let has = |module: &&str| {
            names.modules.get(*module).and_then(|module| self.own(module.file?, name)).is_some()
        };
        modules.into_iter().find(has).map(|module| format!("{module}::{name}"))
    }

    /// Notes that a name that stands somewhere comes from a module.
    pub fn note_use(&mut self, name: &str) {
        let Some(names) = self.names_here() else { return };
        match name.rsplit_once("::") {
            Some((module, _)) => {
                if let Some(module) = names.modules.get_mut(module) {
                    module.used = true;
                }
            }
            None => {
                if let Some(import) = names.imports.get_mut(name) {
                    import.used = true;
                }
            }
        }
    }
}

impl<'a> Checker<'a> {
    /// Gives all files the names that they have from modules.
    pub(super) fn uses(&mut self, policy: &'a ast::Policy) {
        for item in &policy.items {
            let Item::Use(item) = item else { continue };
            self.globals.enter(self.source.file_at(item.span.start));
            let file = self.source.link(item.place);
            match &item.names {
                Some(names) => {
                    names.iter().for_each(|name| self.import(name, item, file));
                    if item.alias.is_some() {
                        self.name_module(item, file);
                    }
                }
                None => self.name_module(item, file),
            }
        }
    }

    /// `use MODULE`: what stands before `::`.
    fn name_module(&mut self, item: &'a Use, file: Option<FileId>) {
        let (name, place) = match &item.alias {
            Some(alias) => (alias.text.as_str(), alias.span),
            None => (item.module.stem(), item.place),
        };
        let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name && !item.include {
            return self.report(
                Diagnostic::new(
                    Code::WrongUseOfName,
                    format!("`{name}` cannot stand before `::`"),
                    place,
                    "not a name of the language",
                )
                .help(format!("give the module one: `use {} as NAME`", item.module)),
            );
        }
        let Some(names) = self.globals.names_here() else { return };
        let again =
            names.modules.get(name).filter(|known| known.file != file || known.item.include == item.include);
        if let Some(known) = again {
            let (earlier, same) = (known.item.place, known.file == file);
            // Twice the same rules: that was said when they were put in; so was what is wrong with its file.
            if (same && item.include) || file.is_none() {
                return;
            }
            return self.report(duplicate(name, place, earlier));
        }
        let used = item.include || item.names.is_some();
        names.modules.entry(name).or_insert(Module { file, item, used }).used |= used;
    }

    /// One of the names of `use MODULE { NAMES }`.
    fn import(&mut self, name: &'a Name, item: &'a Use, file: Option<FileId>) {
        let Some(file) = file else { return self.globals.mark_broken(&name.text) };
        let Some(index) = self.globals.own(file, &name.text) else {
            if !self.globals.is_broken_in(file, &name.text) {
                let unknown = self.not_in_module(&name.text, file, name.span);
                self.report(unknown);
            }
            return self.globals.mark_broken(&name.text);
        };
        if let Some(earlier) = self.globals.get(&name.text).map(|earlier| earlier.name.span) {
            let earlier = self.globals.import_place(&name.text).unwrap_or(earlier);
            let diagnostic = duplicate(&name.text, name.span, earlier);
            let stem = item.module.stem();
            return self.report(
                match self.source.file_at(earlier.start) == self.source.file_at(name.span.start) {
                    true => {
                        let other = format!(
                            "or leave it out here, and write `use {}` and `{stem}::{}`",
                            item.module, name.text
                        );
                        diagnostic.help(other)
                    }
                    false => diagnostic,
                },
            );
        }
        if let Some(row) = self.globals.row(index) {
            row.used = true;
        }
        if let Some(names) = self.globals.names_here() {
            names.by_name.insert(&name.text, index);
            names.imports.insert(&name.text, Import { name, used: false });
        }
    }

    /// What is wrong with `MODULE::NAME`, which means nothing.
    pub(super) fn unknown_in_module(&self, text: &str, span: Span) -> Option<Diagnostic> {
        let (module, name) = text.rsplit_once("::")?;
        let place = Span { start: span.end - name.len() as u32, end: span.end };
        if let Some(file) = self.globals.module(module) {
            return Some(self.not_in_module(name, file, place));
        }
        let place = Span { start: span.start, end: span.start + module.len() as u32 };
        let message = format!("there is no module `{module}` here");
        let diagnostic = Diagnostic::new(Code::UnknownModule, message, place, "no such module");
        let known = self.globals.module_names();
        let diagnostic = did_you_mean(diagnostic, module, place, known.iter().copied());
        Some(match (module.strip_prefix("std::").unwrap_or(module), &diagnostic.suggestion) {
            (name, None) if tcpc_stdlib::policies::module(name).is_some() => {
                diagnostic.help(format!("name it before: `use std::{name}`, then `{name}::…`"))
            }
            (_, None) => diagnostic.help(format!("name it before: `use \"./{module}.tcp\"`")),
            _ => diagnostic,
        })
    }

    /// `dc::ace` is an IPv6 address, whatever the module `dc` has.
    pub(super) fn reads_as_address(&self, span: Span) -> Option<Diagnostic> {
        let written = self.source.slice(span);
        let (module, name) = written.rsplit_once("::")?;
        let known = self.globals.names_of(self.globals.file())?.modules.get(module)?;
        self.globals.own(known.file?, name)?;
        let message = format!("`{written}` is an address, and also a name of the module `{module}`");
        let shown = &known.item.module;
        let help = format!(
            "write `use {shown} {{ {name} }}` and `{name}`, or give the module another name with `as`"
        );
        Some(Diagnostic::new(Code::WrongUseOfName, message, span, "reads as an address").help(help))
    }

    fn not_in_module(&self, name: &str, file: FileId, place: Span) -> Diagnostic {
        let path = &self.source.file(file).path;
        let message = format!("`{path}` has no name `{name}`");
        let diagnostic = Diagnostic::new(Code::NotInModule, message, place, "not in this module");
        let known = self.globals.own_names(file);
        let diagnostic = did_you_mean(diagnostic, name, place, known.iter().copied());
        if let Some(row) = self.globals.borrowed(file, name) {
            return diagnostic.help(format!("it has it from `{}`: use that", self.source.file(row).path));
        }
        if diagnostic.suggestion.is_some() {
            return diagnostic;
        }
        match super::words::list(known.iter().copied(), "and") {
            names if names.is_empty() => diagnostic.help("it gives no names at all"),
            names => diagnostic.help(format!("it has {names}")),
        }
    }

    /// `same_dc` where `dc::same_dc` is known.
    pub(super) fn name_the_module(&self, diagnostic: Diagnostic, name: &str, span: Span) -> Diagnostic {
        match self.globals.module_with(name) {
            Some(meant) => diagnostic.help(format!("a module has it: `{meant}`")).suggest(span, meant),
            None => diagnostic,
        }
    }

    /// Declarations of modules that are only used, as far as nothing uses them and they would take room in the
    /// object: header options, tables and the like.
    pub(super) fn idle(&self, policy: &ast::Policy) -> Vec<Span> {
        let mut whole = vec![FileId::POLICY];
        for item in &policy.items {
            whole.extend(match item {
                Item::Use(item) if item.include => self.source.link(item.place),
                _ => None,
            });
        }
        let rows = self.globals.rows().iter().filter(|row| !row.used && !whole.contains(&row.file));
        let rows = rows.filter(|row| {
            !matches!(row.kind, GlobalKind::Const(..) | GlobalKind::Let(_) | GlobalKind::Set(..))
        });
        let names: Vec<Span> = rows.map(|row| row.name.span).collect();
        let flows = self.flows.iter().filter(|(file, flow)| !flow.used && !whole.contains(file));
        let flows: Vec<Span> = flows.map(|(_, flow)| flow.span).collect();
        let declares = |item: &&Item| {
            let span = item.span();
            let within = |place: &Span| span.start <= place.start && place.end <= span.end;
            names.iter().chain(&flows).any(within)
        };
        policy.items.iter().filter(declares).map(Item::span).collect()
    }

    /// Warns about modules and names of modules that the policy does not use.
    pub(super) fn unused_modules(&mut self) {
        if self.globals.has_gaps() {
            return;
        }
        for (message, place) in self.globals.unused_uses() {
            self.report(
                Diagnostic::new(Code::UnusedModule, message, place, "not used in any rule or test")
                    .help("remove it"),
            );
        }
    }
}

impl Globals<'_> {
    /// The file that stands behind a name before `::`.
    fn module(&self, name: &str) -> Option<FileId> {
        self.names_of(self.file())?.modules.get(name)?.file
    }

    /// The names that can stand before `::`.
    fn module_names(&self) -> Vec<&str> {
        let names = self.names_of(self.file());
        names.map(|names| names.modules.keys().copied().collect()).unwrap_or_default()
    }

    /// The names that a file itself declares, sorted.
    fn own_names(&self, file: FileId) -> Vec<&str> {
        let rows = self.rows().iter().filter(|row| row.file == file);
        let mut names: Vec<&str> = rows.map(|row| row.name.text.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The file that another one has a name from.
    fn borrowed(&self, file: FileId, name: &str) -> Option<FileId> {
        let index = *self.names_of(file)?.by_name.get(name)?;
        self.rows().get(index).map(|row| row.file)
    }

    /// Where the file at hand names something of a module.
    fn import_place(&self, name: &str) -> Option<Span> {
        Some(self.names_of(self.file())?.imports.get(name)?.name.span)
    }

    fn unused_uses(&self) -> Vec<(String, Span)> {
        let Some(names) = self.names_of(FileId::POLICY) else { return Vec::new() };
        let modules = names.modules.values().filter(|module| !module.used);
        let modules =
            modules.map(|module| (format!("no name of {} is used", module.item.shown()), module.item.span));
        let imports = names.imports.values().filter(|import| !import.used);
        let imports = imports
            .map(|import| (format!("the name `{}` is never used", import.name.text), import.name.span));
        let mut unused: Vec<(String, Span)> = modules.chain(imports).collect();
        unused.sort_by_key(|(_, place)| place.start);
        unused
    }
}
