//! Sets: elements of one kind, as disjoint ascending ranges.

use tcpc_stdlib::kernel::{MAPPED_BITS, MAPPED_FIRST, MAPPED_LAST, is_mapped};
use tcpc_stdlib::unit::{Type, Unit};

use super::declare::GlobalKind;
use super::types::{Wanted, has_unit};
use super::{Checker, Place, Term, fold, words};
use crate::ast::{self, Expr as Ast, ExprKind as AstKind};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Set, SetId, Value};
use crate::show::show_ip;
use crate::source::{FileId, Span};

/// So many overlaps of one set are told: lists from elsewhere can have thousands.
const MOST_OVERLAPS: usize = 10;

/// An element: its smallest and its largest member, and its place.
#[derive(Clone, Copy, Debug)]
struct Element {
    low: u128,
    high: u128,
    span: Span,
}

impl<'a> Checker<'a> {
    /// Makes the policy's sets and evaluates its constants, in the order of the source.
    pub(super) fn sets(&mut self) {
        for index in 0..self.globals.rows().len() {
            let Some(row) = self.globals.row(index) else { break };
            let file = row.file;
            self.globals.enter(file);
            let Some(row) = self.globals.row(index) else { break };
            match row.kind.clone() {
                // Working a constant out ahead of its uses is no use.
                GlobalKind::Const(item, _) => {
                    let used = row.used;
                    self.const_value(&item.name.text, item.span);
                    if let Some(row) = self.globals.row(index) {
                        row.used = used;
                    }
                }
                GlobalKind::Set(item, _) => {
                    if let Some(id) = self.set(Some(&item.name), &item.elements, None, item.name.span)
                        && let Some(row) = self.globals.row(index)
                    {
                        row.kind = GlobalKind::Set(item, Some(id));
                    }
                }
                GlobalKind::Param(item, _) => {
                    let id = self.param(item);
                    if let Some(row) = self.globals.row(index) {
                        row.kind = GlobalKind::Param(item, id);
                    }
                }
                GlobalKind::MutableSet(item, _) => {
                    let id = self.mutable_set(item);
                    if let Some(row) = self.globals.row(index) {
                        row.kind = GlobalKind::MutableSet(item, id);
                    }
                }
                GlobalKind::Let(_)
                | GlobalKind::Header(..)
                | GlobalKind::Table(..)
                | GlobalKind::Record(..)
                | GlobalKind::Experiment(_) => {}
            }
        }
        self.globals.enter(FileId::POLICY);
    }

    /// A set; `wanted` is the type of what is looked for in it, if that is known.
    pub(super) fn set(
        &mut self,
        name: Option<&ast::Name>,
        elements: &'a [Ast],
        wanted: Option<Type>,
        span: Span,
    ) -> Option<SetId> {
        if elements.is_empty() {
            let what = name.map_or("this set".to_string(), |name| format!("the set `{}`", name.text));
            self.report(Diagnostic::new(
                Code::EmptySet,
                format!("{what} is empty: nothing is in it"),
                span,
                "no elements",
            ));
        }
        let mut kind = wanted.map(|ty| (ty, None));
        let mut members = Vec::new();
        let mut complete = true;
        for element in elements {
            complete &= self.element(element, &mut kind, &mut members).is_some();
        }
        if !complete {
            return None;
        }
        let element = kind.map_or(Type::Int, |(ty, _)| ty);
        let ranges = self.merge(members);
        let id = SetId(self.program.sets.len() as u32);
        let name = name.map(|name| self.public_name(&name.text, name.span));
        self.program.sets.push(Set { name, element, ranges, span });
        Some(id)
    }

    /// Adds one written element to `members`; the first one says what kind the others must be.
    fn element(
        &mut self,
        expr: &'a Ast,
        kind: &mut Option<(Type, Option<Span>)>,
        members: &mut Vec<Element>,
    ) -> Option<()> {
        let span = expr.span;
        let (low, high) = match &expr.kind {
            AstKind::Range(low, high) => {
                let low = self.member(low, kind);
                let high = self.member(high, kind);
                (low?, high?)
            }
            _ => match self.constant_term(expr)? {
                Term::Prefix(address, length, _) => {
                    self.same_kind(Type::Ip, Type::Prefix, span, kind)?;
                    return self.prefix(address, length, span, members);
                }
                term => {
                    let member = self.term_member(term, span, kind)?;
                    (member, member)
                }
            },
        };
        if low > high {
            return self.fail(
                Diagnostic::new(
                    Code::EmptyRange,
                    "this range ends before it begins",
                    span,
                    "nothing is in it",
                )
                .help("the smaller end comes first"),
            );
        }
        members.push(Element { low, high, span });
        Some(())
    }

    fn member(&mut self, expr: &'a Ast, kind: &mut Option<(Type, Option<Span>)>) -> Option<u128> {
        let term = self.constant_term(expr)?;
        self.term_member(term, expr.span, kind)
    }

    /// A term where only constants are wanted; names of blocks and parameters can stand for some.
    pub(super) fn constant_term(&mut self, expr: &'a Ast) -> Option<Term> {
        let place = std::mem::replace(&mut self.scope.place, Place::Constant);
        let term = self.term(expr);
        self.scope.place = place;
        term
    }

    fn term_member(
        &mut self,
        term: Term,
        span: Span,
        kind: &mut Option<(Type, Option<Span>)>,
    ) -> Option<u128> {
        let value = self.as_value(term)?;
        let wanted = kind.map_or(value.ty, |(ty, _)| ty);
        let fits = wanted == value.ty || (value.ty == Type::Int && (has_unit(wanted) || is_number(wanted)));
        if !fits {
            self.same_kind(value.ty, value.ty, span, kind)?;
        }
        let value = match wanted {
            Type::Ip | Type::State | Type::Family => value,
            ty if is_number(ty) || has_unit(ty) => {
                self.coerce(value, &Wanted { ty, unit: Unit::Plain, who: "an element of this set" })?
            }
            ty => {
                return self.fail(
                    Diagnostic::new(
                        Code::MixedSet,
                        format!("{} cannot be in a set", words::a(ty)),
                        span,
                        "not an element",
                    )
                    .help("sets hold addresses, prefixes, ports and other numbers"),
                );
            }
        };
        kind.get_or_insert((value.ty, Some(span)));
        match fold::constant(&value) {
            Some(Value::Number(number)) => Some((*number).into()),
            Some(Value::Ip(address)) => Some(*address),
            _ => self.fail(super::names::not_constant(span)),
        }
    }

    /// All elements must be of one kind; `shown` is the type to name.
    fn same_kind(
        &mut self,
        ty: Type,
        shown: Type,
        span: Span,
        kind: &mut Option<(Type, Option<Span>)>,
    ) -> Option<()> {
        let (wanted, first) = *kind.get_or_insert((ty, Some(span)));
        if wanted == ty {
            return Some(());
        }
        let this = words::a(shown);
        let mut diagnostic = Diagnostic::new(
            Code::MixedSet,
            format!("{this} cannot be with {} in one set", words::a(wanted)),
            span,
            format!("this is {this}"),
        );
        match first {
            Some(first) => {
                diagnostic = diagnostic.label(first, format!("this is {}", words::a(wanted)));
                diagnostic = diagnostic.help("make two sets");
            }
            None => {
                diagnostic.message = format!("{} is never equal to {this}", words::a(wanted));
            }
        }
        self.fail(diagnostic)
    }

    /// The addresses of a prefix.
    fn prefix(&mut self, address: u128, length: u8, span: Span, members: &mut Vec<Element>) -> Option<()> {
        let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        let (low, high) = (address & !host, address | host);
        if low != address {
            let right = show_prefix(low, length);
            self.report(
                Diagnostic::new(
                    Code::HostBits,
                    format!("this prefix has bits set behind its length: it is `{right}`"),
                    span,
                    "bits behind the length",
                )
                .help(format!("write `{right}`"))
                .suggest(span, right),
            );
        }
        // `::/0` means all of IPv6, and an IPv4 peer is not part of it although it is shown as one.
        if length < MAPPED_BITS && low <= MAPPED_FIRST && MAPPED_LAST <= high {
            members.push(Element { low, high: MAPPED_FIRST - 1, span });
            members.push(Element { low: MAPPED_LAST + 1, high, span });
        } else {
            members.push(Element { low, high, span });
        }
        Some(())
    }

    /// Sorts the elements and joins those that touch; warns about those that overlap.
    fn merge(&mut self, mut members: Vec<Element>) -> Vec<(u128, u128)> {
        members.sort_by_key(|member| (member.low, member.high));
        let mut merged: Vec<(u128, u128)> = Vec::new();
        // The element that reaches farthest so far.
        let mut widest: Option<Element> = None;
        let mut overlaps: Vec<Diagnostic> = Vec::new();
        for member in members {
            if let Some(other) = widest
                && member.low <= other.high
            {
                let (first, second) = in_order(other.span, member.span);
                let what = if (other.low, other.high) == (member.low, member.high) {
                    "stands twice in this set"
                } else {
                    "overlaps another element of this set"
                };
                let text = self.source.slice(second).to_string();
                overlaps.push(
                    Diagnostic::new(Code::OverlappingSet, format!("`{text}` {what}"), second, "this one")
                        .label(first, "and this one"),
                );
            }
            match merged.last_mut() {
                Some((_, high)) if member.low <= high.saturating_add(1) => *high = member.high.max(*high),
                _ => merged.push((member.low, member.high)),
            }
            if widest.is_none_or(|other| member.high > other.high) {
                widest = Some(member);
            }
        }
        if overlaps.len() > MOST_OVERLAPS {
            let more = overlaps.split_off(MOST_OVERLAPS).len();
            let last =
                overlaps.pop().map(|last| last.note(format!("{more} more elements of this set overlap")));
            overlaps.extend(last);
        }
        overlaps.into_iter().for_each(|overlap| self.report(overlap));
        merged
    }
}

/// Whether values of a type are numbers without a unit.
fn is_number(ty: Type) -> bool {
    matches!(ty, Type::Int | Type::Packets | Type::Port)
}

fn in_order(a: Span, b: Span) -> (Span, Span) {
    if a.start <= b.start { (a, b) } else { (b, a) }
}

/// A prefix as it is written.
pub(super) fn show_prefix(address: u128, length: u8) -> String {
    let is_v4 = length >= MAPPED_BITS && is_mapped(address);
    format!("{}/{}", show_ip(address), if is_v4 { length - 96 } else { length })
}
