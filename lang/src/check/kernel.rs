//! `kernel has NAME`, and what it says of the kernels that come to a place: a construct behind it asks for
//! none that is newer.

use tcpc_stdlib::feature::{Feature, READING, feature, features};
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::option::OPTIONS;

use super::suggest::did_you_mean;
use super::{Checker, Place, fold};
use crate::ast::Name;
use crate::diag::{Code, Diagnostic};
use crate::hir::{CompareOp, Expr, ExprKind, Reliance, Requirement};
use crate::source::Span;

/// The kernels that come to a place.
#[derive(Clone, Debug)]
pub struct Kernels {
    /// The oldest one, going by first versions.
    oldest: KernelVersion,
    /// What was asked for on the way.
    asked: Vec<Feature>,
    /// What of that they surely have.
    certain: Vec<Feature>,
}

impl Default for Kernels {
    /// All.
    fn default() -> Kernels {
        Kernels { oldest: KernelVersion::FLOOR, asked: Vec::new(), certain: Vec::new() }
    }
}

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

    /// Goes where a condition holds, or where it does not. Returns what was known so far.
    pub(super) fn enter(&mut self, condition: Option<&Expr>, holds: bool) -> Kernels {
        let outer = self.scope.kernel.clone();
        if let Some(condition) = condition
            && let Some(implied) = oldest(condition, holds)
        {
            let inner = &mut self.scope.kernel;
            inner.oldest = inner.oldest.max(implied);
            certain(condition, holds, &mut inner.certain);
            condition.any(&mut |part| {
                if let ExprKind::KernelHas(feature) = part.kind {
                    inner.asked.push(feature);
                }
                false
            });
        }
        outer
    }

    /// Notes that a construct of a rule needs a certain kernel. Behind `kernel has` it needs none that is newer; if it was not
    /// asked for itself, what was asked for stands for it, too.
    pub(super) fn require(&mut self, construct: impl Into<String>, since: KernelVersion, span: Span) {
        if since <= KernelVersion::FLOOR || !matches!(self.scope.place, Place::Rule) {
            return;
        }
        let construct = construct.into();
        let kind = feature(&construct).map(|one| one.kind).unwrap_or_default();
        let needed = Requirement { construct, kind, since, span };
        if since > self.scope.kernel.oldest {
            if self.required.insert((needed.construct.clone(), span)) {
                self.program.requirements.push(needed);
            }
            return;
        }
        if self.scope.kernel.certain.iter().any(|had| had.written() == needed.construct) {
            return;
        }
        let reliances = &mut self.program.reliances;
        for asked in &self.scope.kernel.asked {
            let is_relied_on = asked.since >= since && asked.written() != needed.construct;
            // The first place says enough.
            let is_known = |row: &Reliance| row.asked == *asked && row.needed.construct == needed.construct;
            if is_relied_on && !reliances.iter().any(is_known) {
                reliances.push(Reliance { asked: *asked, needed: needed.clone() });
            }
        }
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

/// What a kernel surely has on which a condition holds (or does not hold).
fn certain(condition: &Expr, holds: bool, features: &mut Vec<Feature>) {
    match &condition.kind {
        ExprKind::KernelHas(feature) if holds => features.push(*feature),
        ExprKind::Not(inner) => certain(inner, !holds, features),
        ExprKind::And(left, right) if holds => {
            certain(left, holds, features);
            certain(right, holds, features);
        }
        ExprKind::Or(left, right) if !holds => {
            certain(left, holds, features);
            certain(right, holds, features);
        }
        _ => {}
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
