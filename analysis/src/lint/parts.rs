//! Parts of conditions that what stands before them has decided, in every event and at every place where they are asked.

use std::collections::BTreeMap;

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::{Expr, ExprKind, Rule};
use tcpc_lang::source::{SourceFile, Span};

use super::line::{FAILS, Given, HOLDS, Question};
use super::rules::within;
use super::{Linter, culprits, never};
use crate::formula::{Formula, not};
use crate::scene::{Scene, World};
use crate::solve::Solver;

/// What is known of the parts of conditions, by their places.
#[derive(Debug, Default)]
pub struct Parts {
    seen: BTreeMap<(u32, u32), Part>,
}

/// A part: one place, which can have been asked in several events.
#[derive(Debug)]
struct Part {
    /// What it always is, if it always is the same.
    always: Option<bool>,
    /// What decides it.
    because: Vec<(Span, &'static str)>,
    /// What it is a part of.
    whole: Whole,
}

/// What a part is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    /// It is the condition of a rule.
    Rule,
    /// It is the condition of an `if`.
    If,
    /// Of an `and`, an `or`, a `not`.
    Operation,
}

impl<'p> Linter<'p> {
    /// Looks at the parts of all conditions of an event.
    pub(super) fn look_at_parts(&mut self, world: &mut World, questions: Vec<Question<'p>>) {
        for mut question in questions {
            let Some(rule) = self.program.rules.get(question.rule.index()) else { continue };
            let mut look = Look { parts: &mut self.parts, rule, work: self.work };
            let whole = if question.is_head { Whole::Rule } else { Whole::If };
            look.visit(world, &mut question.scene, question.condition, &question.given, whole);
            self.work = look.work;
        }
    }
}

struct Look<'l> {
    parts: &'l mut Parts,
    rule: &'l Rule,
    work: u64,
}

impl Look<'_> {
    fn visit<'p>(
        &mut self,
        world: &mut World,
        scene: &mut Scene<'p>,
        expr: &'p Expr,
        given: &[Given],
        whole: Whole,
    ) -> Formula {
        let formula = scene.formula(world, expr);
        let (place, rule) = (expr.span, self.rule.span);
        if place.end < rule.start || rule.end < place.start {
            // It is what a name stands for, which can be good for more than this rule.
            return formula;
        }
        // What the head of the rule adds to its condition was written there.
        let is_own = place.start >= self.rule.head.end && !expr.any(&mut |part| !within(part, rule));
        if is_own {
            let always = self.decided(world, given, &formula);
            self.note(world, expr, &formula, given, always, whole);
            if always.is_some() {
                self.silence(expr);
                return formula;
            }
        }
        match &expr.kind {
            ExprKind::And(left, right) => {
                let left = (self.visit(world, scene, left, given, Whole::Operation), left);
                let mut given = given.to_vec();
                given.push(Given { formula: left.0, because: (left.1.span, HOLDS) });
                self.visit(world, scene, right, &given, Whole::Operation);
            }
            ExprKind::Or(left, right) => {
                let left = (self.visit(world, scene, left, given, Whole::Operation), left);
                let mut given = given.to_vec();
                given.push(Given { formula: not(&left.0), because: (left.1.span, FAILS) });
                self.visit(world, scene, right, &given, Whole::Operation);
            }
            ExprKind::Not(inner) => {
                self.visit(world, scene, inner, given, Whole::Operation);
            }
            _ => {}
        }
        formula
    }

    /// The parts of what is decided decide nothing here, so that what they are in other events is not all that they are.
    fn silence(&mut self, whole: &Expr) {
        whole.any(&mut |part| {
            let key = (part.span.start, part.span.end);
            if part.span != whole.span {
                let silent = Part { always: None, because: Vec::new(), whole: Whole::Operation };
                self.parts.seen.entry(key).or_insert(silent).always = None;
            }
            false
        });
    }

    /// What a part always is where it is asked.
    fn decided(&mut self, world: &World, given: &[Given], formula: &Formula) -> Option<bool> {
        let mut solver = Solver::new(&world.leaves, self.work);
        let conditions: Vec<&Formula> = given.iter().map(|given| &given.formula).collect();
        let opposite = not(formula);
        let mut always = |against: &Formula| {
            let asked: Vec<&Formula> = conditions.iter().copied().chain([against]).collect();
            never(world, &mut solver, &asked)
        };
        let answer = if always(formula) { Some(false) } else { always(&opposite).then_some(true) };
        // Where the place itself is never reached, nothing is said of it.
        let answer = answer.filter(|_| !never(world, &mut solver, &conditions));
        self.work = solver.work;
        answer
    }

    fn note(
        &mut self,
        world: &World,
        expr: &Expr,
        formula: &Formula,
        given: &[Given],
        always: Option<bool>,
        whole: Whole,
    ) {
        let key = (expr.span.start, expr.span.end);
        if let Some(part) = self.parts.seen.get_mut(&key) {
            if part.always != always {
                part.always = None;
            }
            return;
        }
        let mut because = Vec::new();
        if let Some(always) = always {
            let mut solver = Solver::new(&world.leaves, self.work);
            let against = if always { not(formula) } else { formula.clone() };
            let conditions: Vec<&Formula> = given.iter().map(|given| &given.formula).collect();
            let guilty = if never(world, &mut solver, &[&against]) {
                Vec::new()
            } else {
                culprits(world, &mut solver, &[&against], &conditions)
            };
            because = guilty.iter().filter_map(|&at| Some(given.get(at)?.because)).collect();
            self.work = solver.work;
        }
        self.parts.seen.insert(key, Part { always, because, whole });
    }
}

impl Parts {
    /// What is to be said. A rule of which something else is said is left alone.
    pub fn findings(self, source: &SourceFile, silent: &[Span]) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        for ((start, end), part) in self.seen {
            let span = Span { start, end };
            let Some(always) = part.always else { continue };
            let known = silent.iter().any(|other| start <= other.start && other.end <= end);
            // Of a rule whose condition never holds more is said elsewhere.
            if known || (part.whole == Whole::Rule && !always) {
                continue;
            }
            let text = source.slice(span);
            let word = if always { "always" } else { "never" };
            let code = if part.because.is_empty() { Code::ConstantTest } else { Code::DecidedPart };
            let message = match part.because.is_empty() {
                true => format!("`{text}` {word} holds"),
                false => format!("`{text}` {word} holds where it is asked"),
            };
            let mut finding = Diagnostic::new(code, message, span, format!("{word} holds here"));
            for (place, because) in part.because {
                finding = finding.label(place, because);
            }
            let help = match (part.whole, always) {
                (Whole::Rule, _) => "leave out the condition, or say what was meant",
                (Whole::If, true) => "leave out the `if`, or say what was meant",
                (Whole::If, false) => "leave out the branch, or say what was meant",
                (Whole::Operation, _) => "leave it out, or say what was meant",
            };
            findings.push(finding.help(help));
        }
        findings
    }
}
