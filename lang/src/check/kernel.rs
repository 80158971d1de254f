//! `kernel has NAME`, and what it says of the kernels that come to a place: a construct behind it asks for
//! none that is newer.

use tcpc_stdlib::feature::{Feature, READING, feature, features};
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::option::OPTIONS;

use super::suggest::did_you_mean;
use super::{Checker, Place, fold};
use crate::ast::Name;
use crate::diag::{Code, Diagnostic};
use crate::hir::{CompareOp, Expr, ExprKind};
use crate::source::Span;

impl Checker<'_> {
    /// `kernel has NAME` or `kernel has reading NAME`.
    pub(super) fn kernel_has(&mut self, reading: bool, name: &Name, span: Span) -> Option<Expr> {
        let written = if reading { format!("{READING} {}", name.text) } else { name.text.clone() };
        let Some(feature) = feature(&written) else {
            return self.fail(unknown(reading, name));
        };
        if matches!(self.scope.place, Place::Constant) {
            return self.fail(
                Diagnostic::new(
                    Code::NotConstant,
                    "a constant is needed here",
                    span,
                    "only known when the policy is loaded",
                )
                .help("ask in a rule, or give the question a name: `let NAME = kernel has …`"),
            );
        }
        if feature.is_everywhere() {
            self.report(always(&feature, span));
        }
        Some(fold::test(ExprKind::KernelHas(feature), span))
    }

    /// Goes where a condition holds, or where it does not. Returns the oldest kernel that came so far.
    pub(super) fn enter(&mut self, condition: Option<&Expr>, holds: bool) -> KernelVersion {
        let outer = self.scope.kernel;
        let implied = condition.and_then(|condition| oldest(condition, holds));
        self.scope.kernel = outer.max(implied.unwrap_or(outer));
        outer
    }
}

/// The oldest kernel on which a condition can hold (or not hold), as far as it says.
fn oldest(condition: &Expr, holds: bool) -> Option<KernelVersion> {
    let both = |left: &Expr, right: &Expr| oldest(left, holds).max(oldest(right, holds));
    let either = |left: &Expr, right: &Expr| oldest(left, holds)?.min(oldest(right, holds)?).into();
    match &condition.kind {
        ExprKind::KernelHas(feature) if holds => Some(feature.since),
        ExprKind::Not(inner) => oldest(inner, !holds),
        ExprKind::Let(_, _, body) => oldest(body, holds),
        ExprKind::And(left, right) if holds => both(left, right),
        ExprKind::Or(left, right) if !holds => both(left, right),
        ExprKind::And(left, right) | ExprKind::Or(left, right) => either(left, right),
        ExprKind::Compare(op @ (CompareOp::Eq | CompareOp::Ne), left, right) => {
            let same = fold::constant_bool(right)? == (*op == CompareOp::Eq);
            oldest(left, holds == same)
        }
        _ => None,
    }
}

/// Whether a value is known when the program is loaded, by nothing but the kernel.
pub(super) fn is_of_the_kernel(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::KernelHas(_) => true,
        ExprKind::Not(inner) => is_of_the_kernel(inner),
        ExprKind::And(left, right) | ExprKind::Or(left, right) => {
            is_of_the_kernel(left) && is_of_the_kernel(right)
        }
        _ => false,
    }
}

fn always(feature: &Feature, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::ConstantTest,
        format!(
            "`kernel has {}` always holds: Linux has it since {}, and policies are for {} and newer",
            feature.written(),
            feature.since,
            KernelVersion::FLOOR
        ),
        span,
        "always true",
    )
    .help("leave it out")
}

fn unknown(reading: bool, name: &Name) -> Diagnostic {
    let text = name.text.as_str();
    if reading {
        let diagnostic = Diagnostic::new(
            Code::UnknownFeature,
            format!("no kernel lets a policy read an option `{text}`"),
            name.span,
            "no option that can be read",
        );
        let readable = OPTIONS.iter().filter(|option| option.get_since.is_some()).map(|option| option.name);
        return did_you_mean(diagnostic, text, name.span, readable);
    }
    let diagnostic = Diagnostic::new(
        Code::UnknownFeature,
        format!("`{text}` is nothing that a kernel has or has not"),
        name.span,
        "no option, field, event, argument or built-in name",
    );
    let newer: Vec<Feature> = features().filter(|one| !one.is_everywhere()).collect();
    let known = newer.iter().map(|one| one.name).chain(features().map(|one| one.name));
    let diagnostic = did_you_mean(diagnostic, text, name.span, known);
    if diagnostic.suggestion.is_some() {
        return diagnostic;
    }
    diagnostic.help("ask for what a policy names, as in `kernel has rto_max`, not for a version")
}
