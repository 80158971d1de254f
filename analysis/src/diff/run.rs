//! One way through an event, of both policies side by side.

mod compare;
mod statement;
mod touched;

use std::collections::{BTreeSet, HashMap};

use tcpc_lang::hir::{Expr, ExprKind, Rule, Stmt, Value};
use tcpc_stdlib::unit::Type;

use super::align::{Ends, Step};
use super::effect::{Deed, Effect, Val};
use crate::formula::{Formula, Node, constant, not};
use crate::scene::{Scene, World, is_condition};
use touched::{change, changed, touched};

/// Numbers that are drawn are counted from a multiple of this in each step, so that a step of both draws the same.
const DRAWS: u32 = 1000;

/// How a way ended.
pub enum End {
    /// It goes on as this condition says.
    Asks(Formula),
    /// Both have done the same.
    Same,
    /// They differ unless a common rule hides it.
    Hidden {
        /// The step of such a rule.
        step: usize,
        /// When no such rule runs, so that they do differ.
        when: Formula,
        /// In what.
        what: String,
    },
    /// They differ.
    Differ {
        /// If this holds.
        when: Formula,
        /// In what.
        what: Vec<String>,
        /// Whether it is certain: nothing was computed in another way.
        is_exact: bool,
    },
}

/// A policy on its way.
struct Side<'p> {
    scene: Scene<'p>,
    effects: Vec<Effect>,
    ended: bool,
}

/// Both on their way.
pub struct Run<'r, 'p> {
    steps: &'r [Step<'p>],
    sides: [Side<'p>; 2],
    opened: &'r BTreeSet<usize>,
    answers: &'r [bool],
    /// What holds on this way.
    path: Vec<Formula>,
    /// When the common rules that were not looked into run, by their steps.
    passed: HashMap<usize, Formula>,
    /// What texts of values stand for.
    texts: HashMap<u32, (Scene<'p>, &'p Expr)>,
}

/// A condition whose answer is not known.
struct Open(Formula);

impl<'r, 'p> Run<'r, 'p> {
    /// From the first rule.
    pub fn new(
        steps: &'r [Step<'p>],
        scenes: [Scene<'p>; 2],
        opened: &'r BTreeSet<usize>,
        answers: &'r [bool],
    ) -> Run<'r, 'p> {
        let sides = scenes.map(|scene| Side { scene, effects: Vec::new(), ended: false });
        Run { steps, sides, opened, answers, path: Vec::new(), passed: HashMap::new(), texts: HashMap::new() }
    }

    /// Runs to the end, or to the first condition that has no answer yet. What holds on this way is given too.
    pub fn run(mut self, world: &mut World) -> (End, Vec<Formula>) {
        let end = match self.all_steps(world) {
            Err(Open(condition)) => End::Asks(condition),
            Ok(()) => self.compare(world),
        };
        (end, self.path)
    }

    fn all_steps(&mut self, world: &mut World) -> Result<(), Open> {
        for (at, step) in self.steps.iter().enumerate() {
            if self.sides.iter().all(|side| side.ended) {
                break;
            }
            self.sides.iter_mut().for_each(|side| side.scene.begin_draws(at as u32 * DRAWS));
            match step.rules {
                [Some(rule), Some(_)] if self.can_stay_closed(at, step) => {
                    self.pass(world, at, step, rule)?
                }
                rules => {
                    for (side, rule) in rules.into_iter().enumerate() {
                        if let Some(rule) = rule {
                            self.rule(world, side, rule)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a step does the same to both, whatever it does.
    fn can_stay_closed(&self, at: usize, step: &Step<'p>) -> bool {
        let [old, new] = &self.sides;
        step.is_common
            && !self.opened.contains(&at)
            && !old.ended
            && !new.ended
            && step.ends != Ends::Sometimes
            && step.reads.iter().all(|topic| old.scene.epoch.of(topic) == new.scene.epoch.of(topic))
    }

    /// A rule that both have: it does something to both, or nothing to both.
    fn pass(&mut self, world: &mut World, at: usize, step: &Step<'p>, rule: &'p Rule) -> Result<(), Open> {
        let condition = self.condition(world, 0, rule);
        self.passed.insert(at, condition.clone());
        if step.ends == Ends::Always {
            if self.sides[0].effects == self.sides[1].effects {
                // Where it ends the event, both have done the same.
                self.path.push(not(&condition));
                return Ok(());
            }
            if !self.decide(condition)? {
                return Ok(());
            }
        }
        let touched = touched(self.sides[0].scene.clone(), world, &rule.body);
        let topics = changed(self.sides[0].scene.program, &rule.body);
        for side in &mut self.sides {
            let passed =
                touched.iter().map(|channel| Effect { channel: channel.clone(), deed: Deed::Common(at) });
            side.effects.extend(passed);
            let what = format!("rule {}", step.text);
            topics.iter().for_each(|topic| change(world, &mut side.scene, topic.clone(), &what));
            side.ended = step.ends == Ends::Always;
        }
        Ok(())
    }

    fn condition(&mut self, world: &mut World, side: usize, rule: &'p Rule) -> Formula {
        match &rule.condition {
            Some(condition) => self.sides[side].scene.formula(world, condition),
            None => constant(true),
        }
    }

    fn rule(&mut self, world: &mut World, side: usize, rule: &'p Rule) -> Result<(), Open> {
        if self.sides[side].ended {
            return Ok(());
        }
        let condition = self.condition(world, side, rule);
        if self.decide(condition)? {
            self.block(world, side, &rule.body)?;
        }
        Ok(())
    }

    /// Which way a condition goes here.
    fn decide(&mut self, condition: Formula) -> Result<bool, Open> {
        let answer = match &*condition {
            Node::Yes => return Ok(true),
            Node::No => return Ok(false),
            _ if self.path.contains(&condition) => return Ok(true),
            _ => {
                let Some((&answer, rest)) = self.answers.split_first() else { return Err(Open(condition)) };
                self.answers = rest;
                answer
            }
        };
        self.path.push(if answer { condition } else { not(&condition) });
        Ok(answer)
    }

    fn block(&mut self, world: &mut World, side: usize, stmts: &'p [Stmt]) -> Result<(), Open> {
        for stmt in stmts {
            if self.sides[side].ended {
                break;
            }
            self.statement(world, side, stmt)?;
        }
        Ok(())
    }
    fn values(
        &mut self,
        world: &mut World,
        side: usize,
        values: impl IntoIterator<Item = &'p Expr>,
    ) -> Result<Vec<Val>, Open> {
        values.into_iter().map(|value| self.value(world, side, value)).collect()
    }

    /// A value: a constant where the way decides about it.
    fn value(&mut self, world: &mut World, side: usize, expr: &'p Expr) -> Result<Val, Open> {
        let now = self.sides[side].scene.epoch.clone();
        let value = self.value_then(world, side, expr);
        self.sides[side].scene.epoch = now;
        value
    }

    fn value_then(&mut self, world: &mut World, side: usize, mut expr: &'p Expr) -> Result<Val, Open> {
        loop {
            if let Some((value, epoch)) = self.sides[side].scene.follow(expr) {
                self.sides[side].scene.epoch = epoch;
                expr = value;
                continue;
            }
            match &expr.kind {
                ExprKind::Const(value) => return Ok(Val::Known(value.clone())),
                ExprKind::Let(local, value, body) => {
                    self.sides[side].scene.bind(world, *local, value);
                    expr = body;
                }
                ExprKind::If(condition, then, otherwise) => {
                    let condition = self.sides[side].scene.formula(world, condition);
                    expr = if self.decide(condition)? { then } else { otherwise };
                }
                _ if expr.ty == Type::Bool
                    && is_condition(expr)
                    && !matches!(expr.kind, ExprKind::Local(_)) =>
                {
                    let condition = self.sides[side].scene.formula(world, expr);
                    let holds = self.decide(condition)?;
                    return Ok(Val::Known(Value::Number(holds.into())));
                }
                _ => {
                    let before = self.sides[side].scene.clone();
                    let key = self.sides[side].scene.key(world, expr);
                    self.texts.entry(key).or_insert((before, expr));
                    return Ok(Val::Text(key));
                }
            }
        }
    }
}
