//! Rules that never run: their condition never holds, or earlier rules always end the event.

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::Expr;

use super::line::Line;
use super::{Linter, culprits, earlier, example, never, with_example};
use crate::formula::{Formula, not};
use crate::scene::World;
use crate::solve::Solver;

/// So many earlier rules are shown.
const MOST_SHOWN: usize = 4;

impl<'p> Linter<'p> {
    /// Which rules never run in the event.
    pub(super) fn idle(&mut self, world: &World, solver: &mut Solver<'_>, lines: &[Line<'p>]) -> Vec<bool> {
        let open: Vec<Formula> = lines.iter().map(|line| not(&line.ends)).collect();
        let mut idle = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            let reason = if never(world, solver, &[&line.runs]) {
                Some(self.impossible(world, solver, line))
            } else {
                let ending: Vec<usize> = (0..at).filter(|&earlier| lines[earlier].can_end()).collect();
                let before: Vec<&Formula> = ending.iter().map(|&earlier| &open[earlier]).collect();
                let all: Vec<&Formula> = [&line.runs].into_iter().chain(before.iter().copied()).collect();
                (!ending.is_empty() && never(world, solver, &all)).then(|| {
                    let guilty = culprits(world, solver, &[&line.runs], &before);
                    let guilty: Vec<&Line<'_>> =
                        guilty.iter().filter_map(|&at| earlier(lines, ending[at] + 1).last()).collect();
                    hidden(world, solver, line, &guilty)
                })
            };
            idle.push(reason.is_some());
            if let (Some(reason), Some(verdict)) = (reason, self.verdicts.get_mut(&line.id)) {
                verdict.idle += 1;
                verdict.reason.get_or_insert(reason);
            }
        }
        idle
    }

    /// A condition that never holds: which parts of it do not fit together.
    fn impossible(&self, world: &World, solver: &mut Solver<'_>, line: &Line<'p>) -> Diagnostic {
        let rule = line.rule;
        let parts: Vec<&Formula> = line.parts.iter().map(|(_, formula)| formula).collect();
        let guilty = culprits(world, solver, &[], &parts);
        let mut guilty: Vec<&Expr> =
            guilty.iter().filter_map(|&at| line.parts.get(at)).map(|(part, _)| *part).collect();
        guilty.sort_by_key(|part| part.span.start);
        guilty.dedup_by_key(|part| part.span);
        let last = guilty.pop();
        let label = match guilty.as_slice() {
            [] => "never holds in this event".to_owned(),
            [_] => "this never holds together with the other part".to_owned(),
            _ => "this never holds together with the other parts".to_owned(),
        };
        let whole = rule.condition.as_ref().map_or(rule.head, |condition| condition.span);
        let place = last.map_or(whole, |part| part.span);
        let message = format!("the rule `{}` can never run: its condition never holds", rule.name);
        let mut finding = Diagnostic::new(Code::ImpossibleRule, message, place, label);
        for part in guilty.into_iter().take(MOST_SHOWN) {
            finding = finding.label(part.span, "with this");
        }
        match last {
            Some(part) if within(part, rule.span) => {}
            _ => finding = finding.label(rule.head, "of this rule"),
        }
        finding.help("change one of these parts, or remove the rule")
    }
}

/// A rule that others always hide.
fn hidden(world: &World, solver: &mut Solver<'_>, line: &Line<'_>, guilty: &[&Line<'_>]) -> Diagnostic {
    let message = format!("the rule `{}` can never run", line.rule.name);
    let mut finding = Diagnostic::new(Code::UnreachableRule, message, line.rule.head, "never reached");
    let label = match guilty {
        [_] => "this rule ends the event whenever that one could run",
        _ => "this rule ends the event for some of its connections",
    };
    for earlier in guilty.iter().take(MOST_SHOWN) {
        finding = finding.label(earlier.rule.head, label);
    }
    if guilty.len() > MOST_SHOWN {
        finding = finding.note(format!("{} more rules end it for the others", guilty.len() - MOST_SHOWN));
    }
    let flow = example(world, solver, &[&line.runs]);
    let ends = match guilty {
        [one] => format!("`{}` ends the event", one.rule.name),
        _ => "one of them ends the event".to_owned(),
    };
    with_example(finding, flow, &ends)
        .help("move it before them, make their conditions narrower, or remove it")
}

/// Whether an expression is written within a span, and not where a name that it uses is defined.
pub(super) fn within(expr: &Expr, span: tcpc_lang::source::Span) -> bool {
    span.start <= expr.span.start && expr.span.end <= span.end
}
