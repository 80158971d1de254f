//! `in`: an element on the left, a set of any form on the right.

use tcpc_stdlib::unit::Type;

use super::declare::GlobalKind;
use super::types::mismatch;
use super::{Checker, Term, access, fold};
use crate::ast::{Expr as Ast, ExprKind as AstKind};
use crate::diag::{Code, Diagnostic};
use crate::hir::{CompareOp, Expr, ExprKind, SetId, Value};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `element in members`.
    pub(super) fn membership(&mut self, element: &'a Ast, members: &'a Ast, span: Span) -> Option<Expr> {
        let element = self.term(element)?;
        match element {
            Term::EitherPort(at) => {
                let (local, remote) = access::both_ports(at)?;
                if let Some((item, id)) = self.mutable_named(members) {
                    let local = self.in_mutable(local, item, id?, members.span, span)?;
                    let remote = self.in_mutable(remote, item, id?, members.span, span)?;
                    return Some(fold::junction(false, vec![local, remote], span));
                }
                let set = self.members(members, Type::Port)?;
                let local = self.member_of(local, set, members.span, span)?;
                let remote = self.member_of(remote, set, members.span, span)?;
                Some(fold::junction(false, vec![local, remote], span))
            }
            term => {
                let element = self.as_value(term)?;
                if element.ty == Type::Name {
                    return self.name_in(element, members, span);
                }
                if let Some((item, id)) = self.mutable_named(members) {
                    return self.in_mutable(element, item, id?, members.span, span);
                }
                let set = self.members(members, element.ty)?;
                self.member_of(element, set, members.span, span)
            }
        }
    }

    /// The set that is meant by what stands on the right of `in`.
    fn members(&mut self, members: &'a Ast, wanted: Type) -> Option<SetId> {
        match &members.kind {
            AstKind::List(elements) => self.set(None, elements, Some(wanted), members.span),
            AstKind::Range(..) | AstKind::Prefix(..) => {
                self.set(None, std::slice::from_ref(members), Some(wanted), members.span)
            }
            AstKind::Name(name) => {
                let is_local = self.scope.locals.iter().any(|local| local.name == *name);
                if !is_local
                    && let Some(row) = self.globals.use_name(name)
                    && let GlobalKind::Set(_, id) = row.kind
                {
                    return id;
                }
                match self.term(members)? {
                    Term::Prefix(..) => {
                        self.set(None, std::slice::from_ref(members), Some(wanted), members.span)
                    }
                    term => self.fail(not_a_set(term.ty(), members.span)),
                }
            }
            AstKind::Str(text) => {
                let diagnostic = not_a_set(Type::Name, members.span);
                let bare = "addresses, prefixes and ports stand without quotes";
                self.fail(diagnostic.help(bare).suggest(members.span, text.as_str()))
            }
            _ => {
                let ty = self.term(members)?.ty();
                self.fail(not_a_set(ty, members.span))
            }
        }
    }

    fn member_of(&mut self, element: Expr, id: SetId, right: Span, span: Span) -> Option<Expr> {
        let set = &self.program.sets[id.index()];
        let largest = set.ranges.last().map_or(0, |&(_, high)| high);
        let plain = matches!(element.ty, Type::Port | Type::Packets | Type::Int) && set.element == Type::Int;
        if set.element != element.ty && !plain && !set.ranges.is_empty() {
            let declared = set.span;
            let mut diagnostic = mismatch(element.ty, set.element, element.span, right, "in a set");
            diagnostic.message =
                format!("{} is never in a set of {}", super::words::a(element.ty), plural(set.element));
            diagnostic.primary =
                Some(crate::diag::Label { span: right, text: format!("a set of {}", plural(set.element)) });
            if declared != right {
                diagnostic = diagnostic.label(declared, "declared here");
            }
            return self.fail(diagnostic);
        }
        if element.ty == Type::Port && largest > u128::from(u16::MAX) {
            let declared = set.span;
            return self.fail(
                Diagnostic::new(
                    Code::PortRange,
                    format!("this set has {largest} in it, which is no port: ports are 0 to 65535"),
                    right,
                    "used for a port here",
                )
                .label(declared, "declared here"),
            );
        }
        let member = match fold::constant(&element) {
            Some(Value::Number(number)) => Some(u128::from(*number)),
            Some(Value::Ip(address)) => Some(*address),
            _ => None,
        };
        if let Some(member) = member {
            let holds = set.ranges.iter().any(|&(low, high)| (low..=high).contains(&member));
            return Some(fold::boolean(holds, span));
        }
        Some(fold::test(ExprKind::In(Box::new(element), id), span))
    }

    /// `congestion in { "dctcp", "cubic" }`: names have no order, so each is compared.
    fn name_in(&mut self, element: Expr, members: &'a Ast, span: Span) -> Option<Expr> {
        let AstKind::List(names) = &members.kind else {
            let ty = self.term(members)?.ty();
            return self.fail(not_a_set(ty, members.span));
        };
        let mut tests = Vec::with_capacity(names.len());
        for name in names {
            let value = self.value(name)?;
            tests.push(self.compare(CompareOp::Eq, element.clone(), value, name.span)?);
        }
        Some(fold::junction(false, tests, span))
    }
}

fn not_a_set(ty: Type, span: Span) -> Diagnostic {
    let this = super::words::a(ty);
    let diagnostic = Diagnostic::new(
        Code::NotASet,
        format!("`in` needs a set, a prefix or a range, and this is {this}"),
        span,
        format!("this is {this}"),
    );
    diagnostic.help("compare with `==`, or write a set: `{ … }`")
}

fn plural(ty: Type) -> &'static str {
    match ty {
        Type::Ip | Type::Prefix => "addresses",
        Type::Port => "ports",
        Type::Int => "plain numbers",
        Type::Packets => "numbers of packets",
        Type::Duration => "durations",
        Type::Size => "sizes",
        Type::Rate => "rates",
        Type::Percent => "percentages",
        Type::State => "TCP states",
        Type::Family => "address families",
        Type::Bool => "bools",
        Type::Name => "names",
        Type::Role => "roles",
    }
}
