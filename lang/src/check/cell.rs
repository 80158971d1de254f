//! Reading and changing what a policy remembers.

use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::Sock;

use super::declare::GlobalKind;
use super::names::not_constant;
use super::suggest::{did_you_mean_or, undeclared};
use super::table::unit_of;
use super::types::{Wanted, is_quantity};
use super::{Checker, Place, fold, words};
use crate::ast::{self, ChangeOp, Expr as Ast, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Cell, Expr, ExprKind, Given, Row, StmtKind, TableId, Value};
use crate::source::{FileId, Span};

impl<'a> Checker<'a> {
    /// `flow.NAME`.
    pub(super) fn flow_cell(&mut self, object: Span, name: &Name, span: Span) -> Option<Expr> {
        let (row, index, cell) = self.cell_of_flow(object, name)?;
        match self.scope.place {
            Place::Constant => return self.fail(not_constant(span)),
            Place::Unused | Place::Test(_) => {}
            Place::Rule => {
                let shown = format!("flow.{}", name.text);
                if let Some(event) = self.scope.events.iter().find(|event| event.sock == Sock::None) {
                    let message = format!("`{shown}` cannot be read in `{}`: there is no socket", event.name);
                    return self.fail(
                        Diagnostic::new(Code::NoSocketHere, message, span, "no socket").help(
                            "read it in `established`, or in an event that the connection itself raises",
                        ),
                    );
                }
                let event = self.scope.events.iter().copied().find(|event| event.sock == Sock::FullOrRequest);
                if let Some(event) = event {
                    self.server_read(&shown, "is what it starts with", event, span);
                }
            }
        }
        Some(Expr { kind: ExprKind::Cell(row, index), ty: cell.ty, span })
    }

    /// `TABLE[KEYS].NAME`.
    pub(super) fn table_cell(&mut self, place: &'a ast::Place) -> Option<Expr> {
        let span = place.span;
        if matches!(self.scope.place, Place::Constant) {
            return self.fail(not_constant(span));
        }
        let (row, index, cell) = self.cell_of_table(place)?;
        if let (Place::Rule, Row::Table(id, _)) = (self.scope.place, &row)
            && let Some(table) = self.program.tables.get(id.index()).filter(|table| table.per_cpu)
        {
            let (name, declared) = (table.name.clone(), table.span);
            return self.fail(
                Diagnostic::new(
                    Code::SharedState,
                    format!("a rule sees the rows of `{name}` of one CPU only"),
                    span,
                    "a part of what was counted",
                )
                .label(declared, "kept for each CPU")
                .help("leave out `per_cpu`; the sum of all CPUs is shown by `tcpc table dump`"),
            );
        }
        Some(Expr { kind: ExprKind::Cell(row, index), ty: cell.ty, span })
    }

    /// `PLACE = EXPR`, `PLACE += EXPR`, `PLACE -= EXPR`.
    pub(super) fn change(&mut self, place: &'a ast::Place, op: ChangeOp, value: &'a Ast) -> Option<StmtKind> {
        let (row, index, cell) = self.cell_at(place)?;
        let shown = self.source.slice(place.span).to_string();
        let here = match row {
            Row::Flow => self.flow_is_ours(&shown, place.span),
            Row::Table(..) => Some(()),
        };
        if op != ChangeOp::Set && !is_quantity(cell.ty) {
            return self.fail(
                Diagnostic::new(
                    Code::OperatorType,
                    format!("`{}` needs a number, and `{shown}` is {}", op.text(), words::a(cell.ty)),
                    place.span,
                    format!("this is {}", words::a(cell.ty)),
                )
                .help("assign it with `=`"),
            );
        }
        let value = self.cell_value(&shown, &cell, value)?;
        here?;
        self.sound(&row, op, &value, &shown, place.span)?;
        Some(StmtKind::Change { row, cell: index, op, value })
    }

    /// `given PLACE = EXPR`.
    pub(super) fn given_cell(&mut self, place: &'a ast::Place, value: &'a Ast) -> Option<Given> {
        if place.keys.is_none() && place.object.text != "flow" {
            let message = format!("a test has no setting `{}`", self.source.slice(place.span));
            return self.fail(
                Diagnostic::new(Code::UnknownSetting, message, place.span, "no memory of the connection")
                    .help("what the peer sends is given as `given OPTION { FIELD = VALUE }`"),
            );
        }
        let (row, index, cell) = self.cell_at(place)?;
        if let Some(key) = row.keys().iter().find(|key| fold::constant(key).is_none()) {
            return self.fail(not_constant(key.span));
        }
        let shown = self.source.slice(place.span).to_string();
        let value = self.cell_value(&shown, &cell, value)?;
        match fold::constant(&value) {
            Some(Value::Number(number)) => Some(Given::Cell(row, index, *number)),
            _ => self.fail(not_constant(value.span)),
        }
    }

    fn cell_value(&mut self, shown: &str, cell: &Cell, value: &'a Ast) -> Option<Expr> {
        let value = self.value(value)?;
        self.coerce(value, &Wanted { ty: cell.ty, unit: unit_of(cell.ty), who: &format!("`{shown}`") })
    }

    fn cell_at(&mut self, place: &'a ast::Place) -> Option<(Row, u8, Cell)> {
        match (&place.keys, &place.cell) {
            (None, Some(cell)) => self.cell_of_flow(place.object.span, cell),
            _ => self.cell_of_table(place),
        }
    }

    fn cell_of_flow(&mut self, object: Span, name: &Name) -> Option<(Row, u8, Cell)> {
        let file = self.globals.file();
        let Some(flow) = self.flows.get_mut(&file) else {
            if self.globals.has_gaps() {
                return None;
            }
            return self.fail(
                Diagnostic::new(
                    Code::UnknownCell,
                    "the policy keeps nothing for its connections",
                    object,
                    "not declared",
                )
                .help(format!("declare it: `flow {{ {}: int }}`", name.text)),
            );
        };
        flow.used = true;
        if flow.broken {
            return None;
        }
        let (first, all) = (flow.cells.start, flow.cells.clone());
        let mut cells = self.program.flow.as_ref()?.cells.get(all)?.to_vec();
        // Within a file they have no module in front.
        cells.iter_mut().for_each(|cell| cell.name = self.source.slice(cell.span).to_owned());
        let (index, cell) = self.cell_named(cells, name, "`flow`")?;
        Some((Row::Flow, first as u8 + index, cell))
    }

    fn cell_of_table(&mut self, place: &'a ast::Place) -> Option<(Row, u8, Cell)> {
        let id = self.table_named(&place.object)?;
        let table = self.program.tables.get(id.index())?.clone();
        let keys = place.keys.as_deref().unwrap_or_default();
        if keys.len() != table.keys.len() {
            let written: Vec<&str> = table.keys.iter().map(|key| key.name.as_str()).collect();
            return self.fail(
                Diagnostic::new(
                    Code::KeyCount,
                    format!(
                        "a key of `{}` has {} {}, and this one has {}",
                        table.name,
                        table.keys.len(),
                        if table.keys.len() == 1 { "part" } else { "parts" },
                        keys.len()
                    ),
                    place.span,
                    "another key",
                )
                .label(table.span, "declared here")
                .help(format!("write `{}[{}]`", table.name, written.join(", "))),
            );
        }
        let mut parts = Vec::with_capacity(keys.len());
        for (key, part) in keys.iter().zip(&table.keys) {
            let value = self.value(key);
            let who = format!("a key of `{}`", table.name);
            let wanted = Wanted { ty: part.ty, unit: unit_of(part.ty), who: &who };
            parts.extend(value.and_then(|value| self.coerce(value, &wanted)));
        }
        let Some(name) = &place.cell else {
            let example = table.cells.first().map_or("NAME", |cell| &cell.name);
            return self.fail(
                Diagnostic::new(
                    Code::UnknownCell,
                    format!("a row of `{}` is no value by itself", table.name),
                    place.span,
                    "which cell",
                )
                .help(format!("name one of its cells: `{}.{example}`", self.source.slice(place.span))),
            );
        };
        let (index, cell) = self.cell_named(table.cells, name, &format!("the table `{}`", table.name))?;
        (parts.len() == keys.len()).then_some((Row::Table(id, parts), index, cell))
    }

    fn cell_named(&mut self, cells: Vec<Cell>, name: &Name, whose: &str) -> Option<(u8, Cell)> {
        if let Some(index) = cells.iter().position(|cell| cell.name == name.text) {
            return Some((index as u8, cells.into_iter().nth(index)?));
        }
        let message = format!("{whose} has no `{}`", name.text);
        let diagnostic = Diagnostic::new(Code::UnknownCell, message, name.span, "no such cell");
        let names = || cells.iter().map(|cell| cell.name.as_str());
        self.fail(did_you_mean_or(diagnostic, &name.text, name.span, names(), || {
            format!("it has {}", words::list(names(), "and"))
        }))
    }

    fn table_named(&mut self, name: &Name) -> Option<TableId> {
        if let Some(global) = self.globals.use_name(&name.text)
            && let GlobalKind::Table(id) = global.kind
        {
            return id;
        }
        if self.globals.is_broken(&name.text) {
            return None;
        }
        if let Some(unknown) = self.unknown_in_module(&name.text, name.span) {
            return self.fail(unknown);
        }
        let local = self.scope.locals.iter().find(|local| local.name == name.text).map(|local| local.span);
        let declared = local.or(self.globals.get(&name.text).map(|global| global.name.span));
        let message = format!("there is no table `{}`", name.text);
        let diagnostic = Diagnostic::new(Code::UnknownTable, message, name.span, "no such table");
        let known = self.program.tables.iter().map(|table| table.name.as_str());
        let example = format!("table {} by remote_ip max 65536 {{ NAME: int }}", name.text);
        self.fail(undeclared(diagnostic, name, declared, known, &example))
    }

    /// The connection's memory is changed under the socket's lock.
    fn flow_is_ours(&mut self, shown: &str, span: Span) -> Option<()> {
        let events = self.scope.events.clone();
        let refusals: Vec<Diagnostic> =
            events.iter().filter_map(|event| self.refusal(shown, event, span)).collect();
        let possible = refusals.is_empty();
        refusals.into_iter().for_each(|refusal| self.report(refusal));
        possible.then_some(())
    }

    /// Whether no change can be lost to another CPU's; a row that a change depends on is locked for it.
    fn sound(&mut self, row: &Row, op: ChangeOp, value: &Expr, shown: &str, span: Span) -> Option<()> {
        let Row::Table(id, _) = row else { return Some(()) };
        let table = self.program.tables.get(id.index())?.clone();
        let reads_itself = op == ChangeOp::Set && value.any(&mut |part| is_cell_of(part, row));
        if table.per_cpu && op != ChangeOp::Add {
            return self.fail(
                Diagnostic::new(
                    Code::SharedState,
                    format!("`{shown}` can only be added to: `{}` has rows for each CPU", table.name),
                    span,
                    "changes the row of one CPU only",
                )
                .label(table.span, "kept for each CPU")
                .help("leave out `per_cpu`, or count with `+=`"),
            );
        }
        if op == ChangeOp::Add || (op == ChangeOp::Set && !reads_itself) {
            return Some(());
        }
        if table.lru {
            let (what, help) = match op {
                ChangeOp::Sub => ("be subtracted from", "or count both ways with `+=` and compare the two"),
                _ => ("depend on what it was", "or add to it with `+=`"),
            };
            return self.fail(
                Diagnostic::new(
                    Code::SharedState,
                    format!("`{shown}` cannot {what}: rows of an `lru` table have no lock"),
                    span,
                    "another CPU's change could be lost",
                )
                .label(table.span, "`lru`")
                .help(format!("leave out `lru`, {help}")),
            );
        }
        if let Some(part) = entangled(value, row) {
            return self.fail(
                Diagnostic::new(
                    Code::SharedState,
                    "this calls the kernel with what the row holds, and the row is locked meanwhile",
                    part,
                    "not while the row is locked",
                )
                .help("keep the value in a `let` before; another CPU may change the row in between"),
            );
        }
        if let Some(table) = self.program.tables.get_mut(id.index()) {
            table.locked = true;
        }
        Some(())
    }

    /// Warns if nobody uses what is kept for connections.
    pub(super) fn warn_if_flow_is_unused(&mut self) {
        let Some(flow) = self.flows.get(&FileId::POLICY).filter(|flow| !flow.used) else { return };
        let span = flow.span;
        self.report(
            Diagnostic::new(Code::UnusedName, "`flow` is never used", span, "not used in any rule or test")
                .help("remove it"),
        );
    }
}

fn is_cell_of(expr: &Expr, row: &Row) -> bool {
    matches!(&expr.kind, ExprKind::Cell(other, _) if other.is_same(row))
}

/// A call in a value that cannot be made before the row is read.
fn entangled(value: &Expr, row: &Row) -> Option<Span> {
    let calls = match &value.kind {
        ExprKind::Cell(other, _) => !other.is_same(row),
        ExprKind::Call(BuiltinId::Sample, _) => true,
        _ => false,
    };
    let depends = |part: &&Expr| part.any(&mut |part| is_cell_of(part, row));
    if calls && value.children().iter().any(depends) {
        return Some(value.span);
    }
    value.children().into_iter().find_map(|child| entangled(child, row))
}
