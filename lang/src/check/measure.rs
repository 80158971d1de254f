//! Histograms (`observe`) and records for user space (`event`, `emit`), and what tests ask of them.

use std::collections::HashMap;

use tcpc_stdlib::event::event;
use tcpc_stdlib::manifest::state::{RECORD_BYTES_MAX, RECORD_HEADER};
use tcpc_stdlib::unit::{Type, Unit};

use super::declare::{GlobalKind, duplicate};
use super::suggest::{did_you_mean_or, undeclared, unknown_field};
use super::types::{Wanted, is_quantity};
use super::{Checker, words};
use crate::ast::{self, Expr as Ast, Item, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Histogram, HistogramId, Record, RecordField, RecordId, StmtKind};
use crate::source::{FileId, Span};

impl<'a> Checker<'a> {
    /// `observe NAME = EXPR`.
    pub(super) fn observe(&mut self, name: &'a Name, value: &'a Ast, span: Span) -> Option<StmtKind> {
        let value = self.value(value)?;
        if !is_quantity(value.ty) {
            let diagnostic = Diagnostic::new(
                Code::HistogramType,
                format!("a histogram is of numbers, and this is {}", words::a(value.ty)),
                value.span,
                "cannot be put in order",
            );
            return self.fail(diagnostic.help(format!(
                "`count {} by {}` counts each value by itself",
                name.text,
                self.source.slice(value.span)
            )));
        }
        let public = self.public_name(&name.text, name.span);
        let Some(&id) = self.histograms.get(&public) else {
            let id = HistogramId(self.program.histograms.len() as u32);
            let histogram = Histogram { name: public.clone(), ty: value.ty, span: name.span };
            self.program.histograms.push(histogram);
            self.histograms.insert(public, id);
            return Some(StmtKind::Observe(id, value));
        };
        let first = self.program.histograms.get(id.index())?;
        if first.ty != value.ty {
            let (ty, place) = (first.ty, first.span);
            let message = format!(
                "the histogram `{}` holds {} here, and {} elsewhere",
                name.text,
                words::a(value.ty),
                words::a(ty)
            );
            let diagnostic = Diagnostic::new(Code::HistogramType, message, span, words::a(value.ty));
            return self.fail(diagnostic.label(place, words::a(ty)).help("use two histograms"));
        }
        Some(StmtKind::Observe(id, value))
    }

    /// Every kind of records, in order.
    pub(super) fn records(&mut self, policy: &'a ast::Policy) {
        for item in &policy.items {
            let Item::Record(item) = item else { continue };
            self.globals.enter(self.source.file_at(item.span.start));
            // One that could not be declared was reported then.
            let declared = self.globals.get(&item.name.text).map(|global| global.name.span);
            if declared != Some(item.name.span) {
                if declared.is_none() {
                    self.globals.mark_broken(&item.name.text);
                }
                continue;
            }
            match self.record(item) {
                Some(record) => {
                    let id = RecordId(self.program.records.len() as u32);
                    self.program.records.push(record);
                    self.globals.set_record(&item.name.text, id);
                }
                None => self.globals.mark_broken(&item.name.text),
            }
        }
        self.globals.enter(FileId::POLICY);
    }

    fn record(&mut self, item: &'a ast::Record) -> Option<Record> {
        let name = &item.name;
        if event(&name.text).is_some() {
            return self.fail(
                Diagnostic::new(
                    Code::ReservedName,
                    format!("`{}` is an event of the kernel and cannot be declared again", name.text),
                    name.span,
                    "already an event of the kernel",
                )
                .help("choose another name"),
            );
        }
        let public = self.public_name(&name.text, name.span);
        let mut record = Record { name: public, fields: Vec::new(), span: name.span };
        let mut complete = true;
        for (field, ty) in &item.fields {
            let Some(ty) = self.record_field_type(ty) else {
                complete = false;
                continue;
            };
            if let Some(earlier) = record.fields.iter().find(|known| known.name == field.text) {
                let earlier = earlier.span;
                self.report(duplicate(&field.text, field.span, earlier));
                continue;
            }
            let offset = record.size();
            record.fields.push(RecordField { name: field.text.clone(), ty, offset, span: field.span });
        }
        if record.size() > RECORD_BYTES_MAX {
            let message = format!(
                "a record of `{}` has {} bytes, and records have at most {RECORD_BYTES_MAX}",
                name.text,
                record.size()
            );
            let diagnostic = Diagnostic::new(Code::RecordTooLarge, message, name.span, "too large");
            return self.fail(diagnostic.note(format!(
                "its head takes {RECORD_HEADER} bytes, an address 16, any other field 8: it is made on the \
                 program's stack"
            )));
        }
        complete.then_some(record)
    }

    fn record_field_type(&mut self, name: &Name) -> Option<Type> {
        let found = Type::named(&name.text).filter(|ty| Type::RECORDED.contains(ty));
        if found.is_some() {
            return found;
        }
        let diagnostic = Diagnostic::new(
            Code::RecordFieldType,
            format!("a field of a record cannot be of type `{}`", name.text),
            name.span,
            "not a type of a field",
        );
        let types = Type::RECORDED.iter().map(|ty| ty.name());
        self.fail(did_you_mean_or(diagnostic, &name.text, name.span, types.clone(), || {
            format!("a field is {}", words::list(types, "or"))
        }))
    }

    /// `emit NAME { FIELD = EXPR … }`.
    pub(super) fn emit(&mut self, name: &'a Name, given: &'a [(Name, Ast)], span: Span) -> Option<StmtKind> {
        let id = self.record_named(name)?;
        let fields = self.program.records.get(id.index())?.fields.clone();
        let mut values: HashMap<u8, Option<Expr>> = HashMap::new();
        let mut places: HashMap<u8, Span> = HashMap::new();
        for (field, value) in given {
            let Some(index) = self.record_field_named(id, field) else { continue };
            if let Some(earlier) = places.insert(index, field.span) {
                self.report(duplicate(&field.text, field.span, earlier));
                continue;
            }
            let ty = fields.get(usize::from(index))?.ty;
            let who = format!("`{}.{}`", name.text, field.text);
            let value = self.value(value);
            let value =
                value.and_then(|value| self.coerce(value, &Wanted { ty, unit: usual_unit(ty), who: &who }));
            values.insert(index, value);
        }
        let missing: Vec<&str> = (0..)
            .zip(&fields)
            .filter(|(index, _)| !values.contains_key(index))
            .map(|(_, field)| field.name.as_str())
            .collect();
        if !missing.is_empty() && values.len() == given.len() {
            let what = words::list(missing.iter().copied(), "and");
            return self.fail(
                Diagnostic::new(
                    Code::MissingFields,
                    format!("the record `{}` is given without {what}", name.text),
                    span,
                    format!("{what} {} missing", if missing.len() == 1 { "is" } else { "are" }),
                )
                .help("a record has all fields of its event"),
            );
        }
        let values: Option<Vec<Expr>> =
            (0..fields.len() as u8).map(|index| values.remove(&index).flatten()).collect();
        Some(StmtKind::Emit(id, values.filter(|values| given.len() == values.len())?))
    }

    /// Whether a name is that of a kind of records.
    pub(super) fn is_record(&self, name: &Name) -> bool {
        self.globals.get(&name.text).is_some_and(|global| matches!(global.kind, GlobalKind::Record(_)))
    }

    fn record_named(&mut self, name: &Name) -> Option<RecordId> {
        if let Some(global) = self.globals.use_name(&name.text)
            && let GlobalKind::Record(id) = global.kind
        {
            return id;
        }
        if self.globals.is_broken(&name.text) {
            return None;
        }
        if let Some(unknown) = self.unknown_in_module(&name.text, name.span) {
            return self.fail(unknown);
        }
        let declared = self.globals.get(&name.text).map(|global| global.name.span);
        let known = self.program.records.iter().map(|record| record.name.as_str());
        let message = format!("there is no event `{}`", name.text);
        let diagnostic = Diagnostic::new(Code::UnknownRecord, message, name.span, "no event of this policy");
        let example = format!("event {} {{ srtt: duration }}", name.text);
        self.fail(undeclared(diagnostic, name, declared, known, &example))
    }

    fn record_field_named(&mut self, id: RecordId, name: &Name) -> Option<u8> {
        let record = self.program.records.get(id.index())?;
        if let Some(index) = record.fields.iter().position(|field| field.name == name.text) {
            return u8::try_from(index).ok();
        }
        let message = format!("the event `{}` has no field `{}`", record.name, name.text);
        let diagnostic = Diagnostic::new(Code::UnknownRecordField, message, name.span, "no such field");
        let fields = record.fields.iter().map(|field| field.name.as_str());
        self.fail(unknown_field(diagnostic, name, fields))
    }

    /// `observed NAME`.
    pub(super) fn observed(&mut self, name: &Name, span: Span) -> Option<Expr> {
        self.only_in_tests("what a histogram holds", span)?;
        let Some(&id) = self.histograms.get(name.text.as_str()) else {
            let known: Vec<String> = self.histograms.keys().cloned().collect();
            let known = known.iter().map(String::as_str).collect();
            return self.unknown_subject(
                "histogram",
                "a rule makes one with `observe NAME = VALUE`",
                name,
                known,
            );
        };
        Some(Expr { kind: ExprKind::Observed(id), ty: Type::Int, span })
    }

    /// `emitted NAME`.
    pub(super) fn emitted(&mut self, name: &Name, span: Span) -> Option<Expr> {
        self.only_in_tests("how many records there are", span)?;
        let id = self.record_named(name)?;
        Some(Expr { kind: ExprKind::Emitted(id), ty: Type::Int, span })
    }

    /// `EVENT.FIELD`.
    pub(super) fn record_member(&mut self, object: &'a Name, field: &'a Name, span: Span) -> Option<Expr> {
        self.only_in_tests("the last record", span)?;
        let id = self.record_named(object)?;
        let index = self.record_field_named(id, field)?;
        let ty = self.program.records.get(id.index())?.fields.get(usize::from(index))?.ty;
        Some(Expr { kind: ExprKind::RecordField(id, index), ty, span })
    }
}

/// The unit that a bare number was probably meant to have.
fn usual_unit(ty: Type) -> Unit {
    match ty {
        Type::Duration => Unit::Milliseconds,
        Type::Size => Unit::Bytes,
        Type::Rate => Unit::BytesPerSecond,
        Type::Bool => Unit::Bool,
        Type::Packets => Unit::Packets,
        _ => Unit::Plain,
    }
}
