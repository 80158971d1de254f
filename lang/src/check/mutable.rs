//! Sets that can be changed while the policy runs.

use tcpc_stdlib::unit::{Type, Unit};

use super::declare::GlobalKind;
use super::sets::show_prefix;
use super::suggest::closest;
use super::types::{Wanted, mismatch};
use super::{Checker, Place, Scope, Term, fold, words};
use crate::ast::{self, Expr as Ast, ExprKind as AstKind, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Given, MutableSet, MutableSetId, Value};
use crate::read::network;
use crate::source::Span;

/// What a set that can be changed can have in it.
const ELEMENTS: &[Type] = &[Type::Prefix, Type::Ip, Type::Port];
/// The most elements that a set can be declared with: both of its maps together stay within what a host can have.
const MOST: u64 = 1 << 24;

impl<'a> Checker<'a> {
    /// Makes a set that can be changed.
    pub(super) fn mutable_set(&mut self, item: &'a ast::MutableSet) -> Option<MutableSetId> {
        self.within(Scope::new(Place::Constant), |checker| {
            let element = checker.mutable_element(&item.element);
            let max = checker.mutable_limit(item);
            let (element, max) = (element?, max?);
            let elements = checker.mutable_elements(&item.elements, element)?;
            if elements.len() > max as usize {
                return checker.fail(
                    Diagnostic::new(
                        Code::MutableLimit,
                        format!(
                            "`{}` starts with {} elements, and {max} is its most",
                            item.name.text,
                            elements.len()
                        ),
                        item.name.span,
                        "too many elements",
                    )
                    .help(format!("write `max {}` or more", elements.len())),
                );
            }
            let id = MutableSetId(checker.program.mutable_sets.len() as u32);
            let name = checker.public_name(&item.name.text, item.name.span);
            let set = MutableSet { name, element, max, elements, span: item.name.span };
            checker.program.mutable_sets.push(set);
            Some(id)
        })
    }

    fn mutable_element(&mut self, name: &Name) -> Option<Type> {
        let found = ELEMENTS.iter().find(|ty| ty.name() == name.text);
        if found.is_some() {
            return found.copied();
        }
        let diagnostic = Diagnostic::new(
            Code::MutableElement,
            format!("a set that can be changed has no elements of the type `{}`", name.text),
            name.span,
            "not an element",
        )
        .help("its elements are `prefix`, `ip` or `port`");
        self.fail(match closest(&name.text, ELEMENTS.iter().map(|ty| ty.name())) {
            Some(meant) => diagnostic.suggest(name.span, meant),
            None => diagnostic,
        })
    }

    /// `max N`.
    fn mutable_limit(&mut self, item: &'a ast::MutableSet) -> Option<u32> {
        let Some((word, number)) = &item.limit else {
            return self.fail(
                Diagnostic::new(
                    Code::MutableLimit,
                    format!("`{}` does not say how many elements it can have", item.name.text),
                    item.name.span,
                    "without a limit",
                )
                .help(format!("write `{}: {} max 65536`", item.name.text, item.element.text)),
            );
        };
        if word.text != "max" {
            return self.fail(
                Diagnostic::new(
                    Code::MutableLimit,
                    format!("unexpected name `{}`", word.text),
                    word.span,
                    "expected `max`",
                )
                .help("write `max N`, the most elements that the set can have")
                .suggest(word.span, "max"),
            );
        }
        let wanted = Wanted { ty: Type::Int, unit: Unit::Plain, who: "the limit of a set" };
        match self.constant(number, &wanted)? {
            Value::Number(max @ 1..=MOST) => Some(max as u32),
            _ => self.fail(Diagnostic::new(
                Code::MutableLimit,
                format!("a set can have 1 to {MOST} elements"),
                number.span,
                "not a limit",
            )),
        }
    }

    /// Elements that are written in the policy, each once, in order.
    fn mutable_elements(&mut self, written: &'a [Ast], element: Type) -> Option<Vec<(u128, u8)>> {
        let found: Vec<_> = written.iter().map(|expr| self.mutable_member(expr, element)).collect();
        let mut members: Vec<(u128, u8)> = found.into_iter().collect::<Option<_>>()?;
        members.sort_unstable();
        members.dedup();
        Some(members)
    }

    fn mutable_member(&mut self, expr: &'a Ast, element: Type) -> Option<(u128, u8)> {
        if matches!(expr.kind, AstKind::Range(..)) {
            return self.fail(
                Diagnostic::new(
                    Code::MutableElement,
                    "a set that can be changed has no ranges in it",
                    expr.span,
                    "a range",
                )
                .help("write each element, or prefixes for addresses"),
            );
        }
        let value = match self.constant_term(expr)? {
            Term::Prefix(address, length, span) if element == Type::Prefix => {
                let low = network(address, length);
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
                return Some((low, length));
            }
            Term::Prefix(_, _, span) => return self.fail(misfit(Type::Prefix, element, span)),
            term => self.as_value(term)?,
        };
        match (element, fold::constant(&value)) {
            (Type::Prefix | Type::Ip, Some(Value::Ip(address))) => Some((*address, 128)),
            (Type::Port, Some(Value::Number(_))) if matches!(value.ty, Type::Int | Type::Port) => {
                let port = fold::constant_number(&self.port(value)?)?;
                Some((port.into(), 128))
            }
            (_, None) => self.fail(self.unknown_yet(&value, expr.span)),
            _ => self.fail(misfit(value.ty, element, value.span)),
        }
    }

    /// The set that can be changed of this name, and its id if it could be made.
    pub(super) fn mutable_named(
        &mut self,
        members: &Ast,
    ) -> Option<(&'a ast::MutableSet, Option<MutableSetId>)> {
        let AstKind::Name(name) = &members.kind else { return None };
        if self.scope.locals.iter().any(|local| local.name == *name) {
            return None;
        }
        let GlobalKind::MutableSet(item, id) = self.globals.get(name)?.kind else { return None };
        self.globals.use_name(name);
        Some((item, id))
    }

    /// `element in NAME`.
    pub(super) fn in_mutable(
        &mut self,
        element: Expr,
        item: &'a ast::MutableSet,
        id: MutableSetId,
        right: Span,
        span: Span,
    ) -> Option<Expr> {
        let has = self.program.mutable_sets.get(id.index())?.element;
        let fits = match has {
            Type::Port => matches!(element.ty, Type::Port | Type::Int),
            _ => element.ty == Type::Ip,
        };
        if matches!(self.scope.place, Place::Constant) {
            return self.fail(
                Diagnostic::new(
                    Code::NotConstant,
                    "a constant is needed here, and this set can change while the policy runs",
                    span,
                    "a set that can be changed",
                )
                .label(item.name.span, "declared here")
                .help("use an immutable set: `set NAME = { … }`"),
            );
        }
        if fits {
            return Some(fold::test(ExprKind::InMutable(Box::new(element), id), span));
        }
        let mut diagnostic = mismatch(element.ty, has, element.span, right, "in a set");
        diagnostic.message = format!("{} is never in a set of {}s", words::a(element.ty), has.name());
        self.fail(diagnostic.label(item.name.span, "declared here"))
    }

    /// `given NAME has ELEMENTS`.
    pub(super) fn given_has(&mut self, name: &'a Name, elements: &'a [Ast]) -> Option<Given> {
        let found = self.globals.get(&name.text).map(|global| global.kind.clone());
        let Some(GlobalKind::MutableSet(_, id)) = found else {
            if self.globals.is_broken(&name.text) {
                return None;
            }
            let message = format!("`{}` is no set that can be changed", name.text);
            return self.fail(
                Diagnostic::new(Code::UnknownSetting, message, name.span, "no such set")
                    .help(format!("declare it: `mutable set {}: prefix max 1000`", name.text)),
            );
        };
        self.globals.use_name(&name.text);
        let set = self.program.mutable_sets.get(id?.index())?;
        let (element, max) = (set.element, set.max);
        let elements = self.mutable_elements(elements, element)?;
        if elements.len() > max as usize {
            return self.fail(Diagnostic::new(
                Code::MutableLimit,
                format!("`{}` can have {max} elements, not {}", name.text, elements.len()),
                name.span,
                "too many elements",
            ));
        }
        Some(Given::Has(id?, elements))
    }
}

fn misfit(have: Type, element: Type, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::new(
        Code::MixedSet,
        format!("{} cannot be in a set of the type `{element}`", words::a(have)),
        span,
        format!("this is {}", words::a(have)),
    );
    match (have, element) {
        (Type::Prefix, Type::Ip) => diagnostic.help("declare the set as `prefix` to have both in it"),
        (Type::Name, _) => diagnostic.help("elements stand without quotes"),
        _ => diagnostic.help("make another set for it"),
    }
}
