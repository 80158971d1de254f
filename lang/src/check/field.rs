//! Assignments to the fields that the kernel lets programs write.

use tcpc_stdlib::field::{Field, field};

use super::types::Wanted;
use super::{Checker, fold};
use crate::ast::{Expr as Ast, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, StmtKind, Value};
use crate::show::show;
use crate::source::Span;

/// The field of this name, if a policy can assign it.
pub(super) fn writable_field(name: &str) -> Option<&'static Field> {
    field(name).filter(|field| field.writable)
}

impl<'a> Checker<'a> {
    /// `FIELD = EXPR`. There are no fall-backs, for the kernel takes every number.
    pub(super) fn set_field(
        &mut self,
        field: &'static Field,
        target: &'a Name,
        alternatives: &'a [Ast],
    ) -> Option<StmtKind> {
        let here = self.writable_here(field, target.span);
        self.require(field.name, field.since, target.span);
        let [value] = alternatives else {
            return self.fail(
                Diagnostic::new(
                    Code::OperatorType,
                    format!("`{}` has no fall-backs: the kernel takes every value of a field", field.name),
                    target.span,
                    "one value only",
                )
                .help("`or` tries values of a socket option; choose one here with `if C then A else B`"),
            );
        };
        let value = self.value(value)?;
        let who = format!("`{}`", field.name);
        let value = self.coerce(value, &Wanted { ty: field.ty, unit: field.unit, who: &who })?;
        self.fits(field, &value)?;
        here.map(|()| StmtKind::SetField(field, value))
    }

    /// A constant fits into the field.
    fn fits(&mut self, field: &Field, value: &Expr) -> Option<()> {
        let max = u64::MAX >> (64 - 8 * u32::from(field.size));
        match fold::constant(value) {
            Some(Value::Number(number)) if *number > max => self.fail(Diagnostic::new(
                Code::ValueOutOfRange,
                format!("`{}` takes 0 to {max}, not {}", field.name, show(field.ty, *number)),
                value.span,
                "too large",
            )),
            _ => Some(()),
        }
    }

    /// Whether every event of the rule has a socket of its own to write to.
    fn writable_here(&mut self, field: &'static Field, span: Span) -> Option<()> {
        let name = field.name;
        let mut possible = true;
        for event in self.scope.events.clone() {
            let refusal = self.refusal(name, event, span).or_else(|| {
                (!event.has_remote).then(|| {
                    Diagnostic::new(
                        Code::NoEffectHere,
                        format!(
                            "`{name}` has no effect in `{}`: accepted sockets have their own",
                            event.name
                        ),
                        span,
                        "without effect here",
                    )
                    .help("assign it in `passive_established`")
                })
            });
            if let Some(refusal) = refusal {
                possible = false;
                self.report(refusal);
            }
        }
        possible.then_some(())
    }
}
