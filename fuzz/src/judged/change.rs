//! Small changes of a typed tree.

use tcpc_lang::hir::{Expr, ExprKind, Program, Rule, RuleKind, Stmt, StmtKind, Value};

use crate::random::Random;

/// A change of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The condition goes into the body, which changes nothing.
    Wrap,
    /// The rule is not there.
    Drop,
    /// It stands after the next one.
    Swap,
    /// A constant in its condition is another one.
    Nudge,
    /// An `and` in its condition is an `or`, or the other way round.
    Turn,
    /// Its last statement is not there.
    Cut,
}

/// All of them.
pub const CHANGES: &[Change] =
    &[Change::Wrap, Change::Drop, Change::Swap, Change::Nudge, Change::Turn, Change::Cut];

impl Change {
    /// The policy with this change; `None` where there is nothing to change. Which rule it is depends on the text.
    pub fn of(self, program: &Program, text: &str) -> Option<Program> {
        let seed = text.bytes().fold(self as u64, |seed, byte| seed.rotate_left(5) ^ u64::from(byte));
        let mut random = Random(seed);
        let mut changed = program.clone();
        let count = changed.rules.len();
        let at = random.index(count);
        if self == Change::Swap {
            if at + 1 >= count {
                return None;
            }
            changed.rules.swap(at, at + 1);
            // Assignments and what is sent know their rules by number, which is for their names only.
            return Some(changed);
        }
        let rule = changed.rules.get_mut(at)?;
        match self {
            Change::Wrap if rule.kind == RuleKind::On => wrap(rule)?,
            Change::Drop => rule.events.clear(),
            Change::Nudge => {
                let mut skipped = random.index(3);
                nudge(rule.condition.as_mut()?, &mut skipped).then_some(())?;
            }
            Change::Turn => turn(rule.condition.as_mut()?, &mut random).then_some(())?,
            Change::Cut => drop(rule.body.pop()?),
            _ => return None,
        }
        Some(changed)
    }
}

fn wrap(rule: &mut Rule) -> Option<()> {
    let condition = rule.condition.take()?;
    let span = rule.span;
    let body = std::mem::take(&mut rule.body);
    rule.body = vec![Stmt { kind: StmtKind::If(condition, body, Vec::new()), span }];
    rule.sample = None;
    Some(())
}

/// Adds one to a number that something is compared with, so many further on.
fn nudge(expr: &mut Expr, skipped: &mut usize) -> bool {
    if let ExprKind::Compare(_, _, right) = &mut expr.kind
        && let ExprKind::Const(Value::Number(number)) = &mut right.kind
    {
        if *skipped == 0 {
            *number = number.saturating_add(1);
            return true;
        }
        *skipped -= 1;
    }
    expr.children_mut().into_iter().any(|child| nudge(child, skipped))
}

/// Turns one of the junctions that a condition is made of.
fn turn(expr: &mut Expr, random: &mut Random) -> bool {
    let deeper = match &mut expr.kind {
        ExprKind::And(left, right) | ExprKind::Or(left, right) => match random.below(3) {
            0 => false,
            1 => turn(left, random),
            _ => turn(right, random),
        },
        ExprKind::Not(inner) => return turn(inner, random),
        _ => return false,
    };
    if !deeper {
        expr.kind = match std::mem::replace(&mut expr.kind, ExprKind::HasReply) {
            ExprKind::And(left, right) => ExprKind::Or(left, right),
            ExprKind::Or(left, right) => ExprKind::And(left, right),
            other => other,
        };
    }
    true
}
