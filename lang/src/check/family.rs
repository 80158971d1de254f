//! Which address family a place is for: some socket options are of one family only, and fail on connections
//! of the other.

use tcpc_stdlib::kernel::{AF_INET, AF_INET6, MAPPED_FIRST, MAPPED_LAST};
use tcpc_stdlib::option::{OptionFamily, SockOption};
use tcpc_stdlib::unit::Type;

use super::Checker;
use crate::diag::{Code, Diagnostic};
use crate::hir::{CompareOp, Expr, ExprKind, Set, Value};
use crate::source::Span;

/// What is known of the family where a condition holds, and where it does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct FamilyOf {
    /// If it holds.
    pub holds: Option<u32>,
    /// If it does not.
    pub fails: Option<u32>,
}

impl FamilyOf {
    /// Looks at a condition.
    pub fn condition(condition: &Expr, sets: &[Set]) -> FamilyOf {
        let of = |expr: &Expr| FamilyOf::condition(expr, sets);
        let only_holds = |holds| FamilyOf { holds, fails: None };
        match &condition.kind {
            ExprKind::Not(inner) => of(inner).negated(),
            ExprKind::Let(_, _, body) => of(body),
            ExprKind::And(left, right) => {
                let (left, right) = (of(left), of(right));
                FamilyOf {
                    holds: left.holds.or(right.holds),
                    fails: left.fails.filter(|_| left.fails == right.fails),
                }
            }
            ExprKind::Or(left, right) => {
                let (left, right) = (of(left), of(right));
                FamilyOf {
                    holds: left.holds.filter(|_| left.holds == right.holds),
                    fails: left.fails.or(right.fails),
                }
            }
            ExprKind::Compare(op @ (CompareOp::Eq | CompareOp::Ne), left, right) => {
                let equal = match (left.ty, constant(left).or(constant(right))) {
                    (Type::Family, Some(Value::Number(number))) => {
                        let family = *number as u32;
                        FamilyOf { holds: Some(family), fails: Some(other(family)) }
                    }
                    (Type::Ip, Some(Value::Ip(address))) => only_holds(family_of(*address, *address)),
                    _ => FamilyOf::default(),
                };
                if *op == CompareOp::Eq { equal } else { equal.negated() }
            }
            ExprKind::In(_, set) => only_holds(sets.get(set.index()).and_then(family_of_set)),
            ExprKind::SamePrefix { v4: None, v6: Some(_) } => only_holds(Some(AF_INET6)),
            ExprKind::SamePrefix { v4: Some(_), v6: None } => only_holds(Some(AF_INET)),
            _ => FamilyOf::default(),
        }
    }

    fn negated(self) -> FamilyOf {
        FamilyOf { holds: self.fails, fails: self.holds }
    }
}

fn constant(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        ExprKind::Const(value) => Some(value),
        _ => None,
    }
}

fn other(family: u32) -> u32 {
    if family == AF_INET { AF_INET6 } else { AF_INET }
}

fn family_of(low: u128, high: u128) -> Option<u32> {
    match (low >= MAPPED_FIRST && high <= MAPPED_LAST, high < MAPPED_FIRST || low > MAPPED_LAST) {
        (true, _) => Some(AF_INET),
        (_, true) => Some(AF_INET6),
        _ => None,
    }
}

fn family_of_set(set: &Set) -> Option<u32> {
    if set.element != Type::Ip {
        return None;
    }
    let mut families = set.ranges.iter().map(|&(low, high)| family_of(low, high));
    let first = families.next()??;
    families.all(|family| family == Some(first)).then_some(first)
}

impl Checker<'_> {
    /// An option of one family where connections of the other come by, too.
    pub(super) fn warn_if_of_other_family(&mut self, option: &SockOption, span: Span) {
        let (needed, name, instead) = match option.family {
            OptionFamily::Any => return,
            OptionFamily::Inet => (AF_INET, "IPv4", "ipv4"),
            OptionFamily::Inet6 => (AF_INET6, "IPv6", "ipv6"),
        };
        let twin = match option.name {
            "tos" => Some("tclass"),
            "tclass" => Some("tos"),
            _ => None,
        };
        let (label, help) = match (self.scope.family, twin) {
            (Some(family), _) if family == needed => return,
            (Some(_), Some(twin)) => ("these are of the other family", format!("their option is `{twin}`")),
            (None, Some(twin)) => (
                "fails on connections of the other family",
                format!("add `family == {instead}` to the condition, and assign `{twin}` to the others"),
            ),
            (_, None) => (
                "fails on connections of the other family",
                format!("add `family == {instead}` to the condition"),
            ),
        };
        let message = format!("`{}` is for {name} connections", option.name);
        self.report(Diagnostic::new(Code::OtherFamily, message, span, label).help(help));
    }
}
