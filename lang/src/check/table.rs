//! Declarations of what a policy remembers: `flow { … }` and tables.

use std::ops::Range;

use tcpc_stdlib::field::field;
use tcpc_stdlib::option::option;
use tcpc_stdlib::unit::{Type, Unit};

use super::declare::duplicate;
use super::suggest::{did_you_mean, did_you_mean_or};
use super::types::{Wanted, is_quantity};
use super::{Checker, Place, Scope, words};
use crate::ast::{self, Item, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Cell, Flow, Key, Table, TableId, Value};
use crate::source::{FileId, Span};

/// Rows of a table at most.
const ROWS_MAX: u64 = 1 << 20;
/// Parts of a key at most: a key stands on the stack while its row is looked up.
const KEYS_MAX: usize = 4;
/// Cells at most, of a table's row and of the connection's memory.
const CELLS_MAX: usize = 32;

/// The unit that a bare number for a cell of a type was probably meant in.
pub(super) fn unit_of(ty: Type) -> Unit {
    match ty {
        Type::Duration => Unit::Milliseconds,
        Type::Size => Unit::Bytes,
        Type::Rate => Unit::BytesPerSecond,
        Type::Bool => Unit::Bool,
        Type::Packets => Unit::Packets,
        _ => Unit::Plain,
    }
}

/// What stands after a table's keys.
#[derive(Default)]
struct Clauses {
    max: Option<u32>,
    lru: bool,
    per_cpu: Option<Span>,
}

/// What a file keeps for connections.
pub(super) struct FlowOf {
    /// Its cells among all.
    pub cells: Range<usize>,
    /// The word `flow`.
    pub span: Span,
    /// Whether its declaration is wrong.
    pub broken: bool,
    /// Whether it is used.
    pub used: bool,
}

impl<'a> Checker<'a> {
    /// What the policy remembers.
    pub(super) fn state(&mut self, policy: &'a ast::Policy) {
        for item in &policy.items {
            self.globals.enter(self.source.file_at(item.span().start));
            match item {
                Item::Flow(flow) => self.flow(flow),
                Item::Table(item) => match self.table(item) {
                    Some(table) => {
                        let id = TableId(self.program.tables.len() as u32);
                        self.program.tables.push(table);
                        self.globals.set_table(&item.name.text, id);
                    }
                    None => self.globals.mark_broken(&item.name.text),
                },
                _ => {}
            }
        }
        self.globals.enter(FileId::POLICY);
    }

    fn flow(&mut self, item: &'a ast::Flow) {
        let word = Span { start: item.span.start, end: item.span.start + 4 };
        let file = self.globals.file();
        if let Some(FlowOf { span: earlier, .. }) = self.flows.get(&file) {
            let earlier = *earlier;
            return self.report(
                Diagnostic::new(Code::DuplicateName, "`flow` is declared twice", word, "declared again here")
                    .label(earlier, "first declared here")
                    .help("put all that is kept for a connection into one `flow`"),
            );
        }
        let cells = self.cells(&item.cells, word, "`flow`");
        let broken = cells.is_none();
        let mut cells = cells.unwrap_or_default();
        for cell in &mut cells {
            cell.name = self.public_name(&cell.name, cell.span);
        }
        let flow = self.program.flow.get_or_insert(Flow { cells: Vec::new(), span: word });
        let first = flow.cells.len();
        flow.cells.extend(cells);
        let all = first..flow.cells.len();
        if all.end > CELLS_MAX {
            let message = format!(
                "all that is kept for a connection has {} cells, and {CELLS_MAX} is the most",
                all.end
            );
            self.report(Diagnostic::new(Code::TableShape, message, word, "with those of modules"));
        }
        self.flows.insert(file, FlowOf { cells: all, span: word, broken, used: false });
    }

    fn table(&mut self, item: &'a ast::Table) -> Option<Table> {
        let name = &item.name;
        let mut keys: Vec<Key> = Vec::new();
        for key in &item.keys {
            keys.extend(self.key(key));
        }
        let clauses = self.clauses(item);
        let cells = self.cells(&item.cells, name.span, &format!("the table `{}`", name.text));
        let clauses = clauses?;
        let cells = cells?;
        if keys.len() != item.keys.len() {
            return None;
        }
        if keys.len() > KEYS_MAX {
            return self.fail(Diagnostic::new(
                Code::TableShape,
                format!("a key of {} parts is too long: {KEYS_MAX} is the most", keys.len()),
                item.keys.first().map_or(name.span, |key| key.name.span),
                "too many parts",
            ));
        }
        if let Some(word) = clauses.per_cpu {
            self.only_counts(&cells, &item.cells, word)?;
        }
        Some(Table {
            name: self.public_name(&name.text, name.span),
            keys,
            cells,
            max: clauses.max?,
            lru: clauses.lru,
            per_cpu: clauses.per_cpu.is_some(),
            locked: false,
            span: name.span,
        })
    }

    /// `max N`, `lru`, `per_cpu`.
    fn clauses(&mut self, item: &ast::Table) -> Option<Clauses> {
        let mut clauses = Clauses::default();
        let mut complete = true;
        for (word, number) in &item.clauses {
            match (word.text.as_str(), number) {
                ("max", Some((number @ 1..=ROWS_MAX, _))) => clauses.max = Some(*number as u32),
                ("max", Some((number, span))) => {
                    complete = false;
                    self.report(Diagnostic::new(
                        Code::TableShape,
                        format!("a table has 1 to {ROWS_MAX} rows, not {number}"),
                        *span,
                        if *number == 0 { "too few" } else { "too many" },
                    ));
                }
                ("lru", None) => clauses.lru = true,
                ("per_cpu", None) => clauses.per_cpu = Some(word.span),
                (text, _) => {
                    complete = false;
                    let diagnostic = Diagnostic::new(
                        Code::UnexpectedToken,
                        format!("unexpected name `{text}`"),
                        word.span,
                        "expected `max`, `lru`, `per_cpu` or `{`",
                    );
                    let words = ["max", "lru", "per_cpu"];
                    let diagnostic = match words.contains(&text) {
                        true => diagnostic.help("write `max 65536 lru`"),
                        false => did_you_mean(diagnostic, text, word.span, words),
                    };
                    self.report(diagnostic);
                }
            }
        }
        if complete && clauses.max.is_none() {
            return self.fail(
                Diagnostic::new(
                    Code::TableShape,
                    format!("the table `{}` does not say how many rows it can have", item.name.text),
                    item.name.span,
                    "without a limit",
                )
                .help("say it after the key: `max 65536`"),
            );
        }
        complete.then_some(clauses)
    }

    /// Each CPU's rows begin with zeros, and what they say together is their sum.
    fn only_counts(&mut self, cells: &[Cell], items: &[ast::Cell], word: Span) -> Option<()> {
        let mut complete = true;
        for (cell, item) in cells.iter().zip(items) {
            let problem = match cell {
                Cell { ty, .. } if !is_quantity(*ty) => format!("{} cannot be added up", words::a(*ty)),
                Cell { default: 0, .. } => continue,
                _ => "the rows of all CPUs begin with 0".to_string(),
            };
            complete = false;
            self.report(
                Diagnostic::new(
                    Code::TableShape,
                    format!("`{}` cannot be kept for each CPU: {problem}", cell.name),
                    item.name.span,
                    "not only counted",
                )
                .label(word, "what the table says is the sum over all CPUs")
                .help("leave out `per_cpu`"),
            );
        }
        complete.then_some(())
    }

    /// A type's name, or that of a field or an option of this type.
    pub(super) fn key(&mut self, key: &ast::Key) -> Option<Key> {
        let (text, span) = (key.name.text.as_str(), key.name.span);
        let named = Type::ALL.iter().copied().find(|ty| ty.name() == text);
        let found = named.or(field(text).map(|field| field.ty)).or(option(text).map(|option| option.ty));
        let Some(ty) = found else {
            let diagnostic = Diagnostic::new(
                Code::UnknownName,
                format!("unknown name `{text}`"),
                span,
                "no type, field or option that could be a key",
            );
            let types = Type::CELLS.iter().map(|ty| ty.name()).chain(["ip"]);
            let fields = tcpc_stdlib::field::FIELDS.iter().map(|field| field.name);
            let candidates = types.chain(fields.filter(|name| !name.is_empty()));
            return self.fail(did_you_mean(diagnostic, text, span, candidates));
        };
        if ty != Type::Ip && !Type::CELLS.contains(&ty) {
            let diagnostic = Diagnostic::new(
                Code::CellType,
                format!("{} cannot be a part of a key", words::a(ty)),
                span,
                "not a key",
            );
            return self.fail(match ty {
                Type::Prefix => diagnostic.help("cut an address to a prefix: `remote_ip/(24, 48)`"),
                _ => diagnostic,
            });
        }
        let cut = match key.cut {
            None => None,
            Some((.., span)) if ty != Type::Ip => {
                return self.fail(Diagnostic::new(
                    Code::CellType,
                    format!("only addresses are cut to a prefix, and `{text}` is {}", words::a(ty)),
                    span,
                    "not an address",
                ));
            }
            Some((bits, None, span)) => {
                return self.fail(
                    Diagnostic::new(
                        Code::PrefixLength,
                        "an address is cut by family",
                        span,
                        "of which family",
                    )
                    .help(format!("write the bits of IPv4 and of IPv6: `{text}/({}, 48)`", bits.min(32))),
                );
            }
            Some((v4, Some(v6), span)) => match (u8::try_from(v4), u8::try_from(v6)) {
                (Ok(v4 @ 0..=32), Ok(v6 @ 0..=128)) => Some((v4, v6)),
                _ => {
                    return self.fail(Diagnostic::new(
                        Code::PrefixLength,
                        "an IPv4 address has 32 bits and an IPv6 address has 128",
                        span,
                        "more bits than an address has",
                    ));
                }
            },
        };
        Some(Key { name: text.to_string(), ty, cut })
    }

    fn cells(&mut self, items: &'a [ast::Cell], place: Span, whose: &str) -> Option<Vec<Cell>> {
        let mut cells: Vec<Cell> = Vec::with_capacity(items.len());
        let mut complete = true;
        for item in items {
            let earlier = cells.iter().find(|cell| cell.name == item.name.text).map(|cell| cell.span);
            if let Some(earlier) = earlier {
                self.report(duplicate(&item.name.text, item.name.span, earlier));
            }
            match self.cell(item) {
                Some(cell) => cells.push(cell),
                None => complete = false,
            }
        }
        let problem = match items.len() {
            0 => "holds nothing".to_string(),
            count if count > CELLS_MAX => format!("has {count} cells, and {CELLS_MAX} is the most"),
            _ => return complete.then_some(cells),
        };
        let diagnostic = Diagnostic::new(Code::TableShape, format!("{whose} {problem}"), place, "");
        self.fail(match items.len() {
            0 => diagnostic.help("say what is kept: `{ flows: int }`"),
            _ => diagnostic,
        })
    }

    fn cell(&mut self, item: &'a ast::Cell) -> Option<Cell> {
        let ty = self.cell_type(&item.ty)?;
        let default = match &item.default {
            None => 0,
            Some(value) => {
                let who = format!("`{}`", item.name.text);
                let wanted = Wanted { ty, unit: unit_of(ty), who: &who };
                let scope = Scope::new(Place::Constant);
                match self.within(scope, |checker| checker.constant(value, &wanted))? {
                    Value::Number(number) => number,
                    _ => return None,
                }
            }
        };
        Some(Cell { name: item.name.text.clone(), ty, default, span: item.name.span })
    }

    fn cell_type(&mut self, name: &Name) -> Option<Type> {
        if let Some(ty) = Type::CELLS.iter().copied().find(|ty| ty.name() == name.text) {
            return Some(ty);
        }
        let is_type = Type::ALL.iter().any(|ty| ty.name() == name.text);
        let what = if is_type { "is no type that can be kept" } else { "is no type" };
        let diagnostic = Diagnostic::new(
            Code::CellType,
            format!("`{}` {what}", name.text),
            name.span,
            "not a cell's type",
        );
        let types = Type::CELLS.iter().map(|ty| ty.name());
        self.fail(did_you_mean_or(diagnostic, &name.text, name.span, types.clone(), || {
            format!("the types are {}", words::list(types, "and"))
        }))
    }
}
