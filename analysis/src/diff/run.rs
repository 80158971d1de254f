//! One way through an event, of both policies side by side.

use std::collections::{BTreeSet, HashMap};

use tcpc_lang::hir::{ChangeOp, Expr, ExprKind, ReplyValue, Rule, Stmt, StmtKind, Value};
use tcpc_stdlib::unit::Type;

use super::align::{Ends, Step};
use super::effect::{
    CELL, COUNTER, Channels, Deed, Effect, HISTOGRAM, RECORDS, REPLY, Val, channels, option_channel, show,
};
use crate::formula::{Formula, Node, all, any, constant, not};
use crate::ranges::Ranges;
use crate::scene::{Scene, World, is_condition, topic};

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

    fn statement(&mut self, world: &mut World, side: usize, stmt: &'p Stmt) -> Result<(), Open> {
        let program = self.sides[side].scene.program;
        let of = |name: Option<&String>| name.cloned().unwrap_or_default();
        match &stmt.kind {
            StmtKind::Assign(ids) => {
                let rows: Vec<_> = ids.iter().filter_map(|id| program.assignments.get(id.index())).collect();
                let Some(first) = rows.first() else { return Ok(()) };
                let values = self.values(world, side, rows.iter().map(|row| &row.value))?;
                let may_fail = first.option.ty == Type::Name
                    || first
                        .option
                        .set_since
                        .is_none_or(|since| since > tcpc_stdlib::kernel::KernelVersion::FLOOR)
                    || values.iter().any(|value| matches!(value, Val::Text(_)));
                let deed = Deed::Set(first.option.name.to_owned(), values, may_fail);
                let topics = topic::changed_by_option(first.option.name);
                self.kernel_effect(world, side, option_channel(first.option.name), deed, topics);
            }
            StmtKind::SetField(field, value) => {
                let value = self.value(world, side, value)?;
                let deed = Deed::Set(field.name.to_owned(), vec![value], false);
                self.kernel_effect(world, side, option_channel(field.name), deed, topic::changed_by_field());
            }
            StmtKind::Change { row, cell, op, value } => {
                let value = self.value(world, side, value)?;
                let state = &mut self.sides[side];
                let channel = format!("{CELL}{}", state.scene.row_key(world, row, *cell));
                let deed = Deed::Changed(*op, value);
                let topic = topic::of_cell(program, row, *cell);
                // What it makes of the cell depends on what that holds.
                state.scene.cell(world, &topic, row, *cell);
                change(world, &mut state.scene, topic, &format!("{channel} {deed:?}"));
                state.effects.push(Effect { channel, deed });
            }
            StmtKind::Count(id, key) => {
                let values = self.values(world, side, key)?;
                let name = of(program.counters.get(id.index()).map(|one| &one.name));
                self.effect(side, format!("{COUNTER}{name}"), Deed::Happened(String::new(), values));
            }
            StmtKind::Observe(id, value) => {
                let values = self.values(world, side, [value])?;
                let name = of(program.histograms.get(id.index()).map(|one| &one.name));
                self.effect(side, format!("{HISTOGRAM}{name}"), Deed::Happened(String::new(), values));
            }
            StmtKind::Emit(id, values) => {
                let values = self.values(world, side, values)?;
                let name = of(program.records.get(id.index()).map(|one| &one.name));
                self.effect(side, RECORDS.to_owned(), Deed::Happened(name, values));
            }
            StmtKind::Send(id) => {
                let Some(send) = program.sends.get(id.index()) else { return Ok(()) };
                let values = self.values(world, side, &send.values)?;
                let name = of(program.headers.get(send.header.index()).map(|one| &one.name));
                self.effect(side, "header options".to_owned(), Deed::Happened(name, values));
            }
            StmtKind::Open(id, arm) => {
                let name = of(program.experiments.get(id.index()).map(|one| &one.name));
                self.effect(
                    side,
                    format!("experiment {name}"),
                    Deed::Happened(format!("opened {arm}"), Vec::new()),
                );
            }
            StmtKind::Outcome(id, arm, values) => {
                let values = self.values(world, side, values)?;
                let experiment = program.experiments.get(id.index());
                let metrics = experiment.map_or(String::new(), |one| {
                    one.metrics.iter().map(|metric| format!(" {} {:?}", metric.name, metric.unit)).collect()
                });
                let name = of(experiment.map(|one| &one.name));
                let deed = Deed::Happened(format!("measured {arm}{metrics}"), values);
                self.effect(side, format!("experiment {name}"), deed);
            }
            StmtKind::Let(local, value) => self.sides[side].scene.bind(world, *local, value),
            StmtKind::If(condition, then, otherwise) => {
                let condition = self.sides[side].scene.formula(world, condition);
                let taken = if self.decide(condition)? { then } else { otherwise };
                self.block(world, side, taken)?;
            }
            StmtKind::Stop => self.sides[side].ended = true,
            StmtKind::Reply(reply) => {
                let (word, value) = match reply {
                    ReplyValue::Typed(value) => ("", value),
                    ReplyValue::Raw(value) => ("raw", value),
                };
                let value = self.value(world, side, value)?;
                // No answer and one that says so are the same.
                let is_default = world.event.reply.is_some_and(|reply| reply.ty == Type::Bool)
                    && value == Val::Known(Value::Number(0));
                if !is_default {
                    self.effect(side, REPLY.to_owned(), Deed::Set(word.to_owned(), vec![value], false));
                }
                self.sides[side].ended = true;
            }
        }
        Ok(())
    }

    fn effect(&mut self, side: usize, channel: String, deed: Deed) {
        self.sides[side].effects.push(Effect { channel, deed });
    }

    /// Something after which options and fields may read otherwise. To set something again to the same changes nothing.
    fn kernel_effect(
        &mut self,
        world: &mut World,
        side: usize,
        channel: String,
        deed: Deed,
        topics: Vec<String>,
    ) {
        let state = &mut self.sides[side];
        let last = state.effects.iter().rev().find(|effect| effect.channel == channel);
        if last.is_some_and(|last| last.deed == deed) {
            return;
        }
        let what = format!("{channel} {deed:?}");
        topics.into_iter().for_each(|topic| change(world, &mut state.scene, topic, &what));
        state.effects.push(Effect { channel, deed });
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

    /// How both have ended.
    fn compare(&mut self, world: &mut World) -> End {
        let [old, new] = [0, 1].map(|side| channels(&self.sides[side].effects));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let (mut when, mut what, mut is_exact) = (Vec::new(), Vec::new(), true);
        for name in names {
            let of = |channels: &Channels| channels.get(name).cloned().unwrap_or_default();
            let (old, new) = (of(&old), of(&new));
            if old == new {
                continue;
            }
            let hiding: Vec<usize> = old.iter().chain(&new).filter_map(Deed::common).collect();
            if let Some(&step) = hiding.last() {
                let idle = hiding.iter().filter_map(|step| self.passed.get(step)).map(not);
                return End::Hidden { step, when: all(idle), what: show(name) };
            }
            let (condition, certain) = self.differ(world, &old, &new);
            if !matches!(*condition, Node::No) {
                is_exact &= certain;
                when.push(condition);
                what.push(show(name));
            }
        }
        if when.is_empty() { End::Same } else { End::Differ { when: any(when), what, is_exact } }
    }

    /// When what was done to one thing differs, and whether that is certain.
    fn differ(&mut self, world: &mut World, old: &[Deed], new: &[Deed]) -> (Formula, bool) {
        let certainly = (constant(true), true);
        if old.len() != new.len() {
            return certainly;
        }
        let (mut when, mut certain) = (Vec::new(), true);
        for (old, new) in old.iter().zip(new) {
            let (old, new) = match (old, new) {
                (Deed::Set(a, old, _), Deed::Set(b, new, _)) if a == b => (old.as_slice(), new.as_slice()),
                (Deed::Happened(a, old), Deed::Happened(b, new)) if a == b => {
                    (old.as_slice(), new.as_slice())
                }
                (Deed::Changed(a, old), Deed::Changed(b, new)) if a == b => {
                    // Two subtractions can both stop at zero.
                    certain &= *a != ChangeOp::Sub || old == new;
                    (std::slice::from_ref(old), std::slice::from_ref(new))
                }
                _ => return certainly,
            };
            if old.len() != new.len() {
                return certainly;
            }
            for (old, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
                match (old, new) {
                    (Val::Known(_), Val::Known(_)) => when.push(constant(true)),
                    (Val::Known(known), Val::Text(text)) | (Val::Text(text), Val::Known(known)) => {
                        when.push(self.other_than(world, *text, known));
                    }
                    (Val::Text(_), Val::Text(_)) => {
                        certain = false;
                        when.push(constant(true));
                    }
                }
            }
        }
        (any(when), certain)
    }

    /// When a computed value is not this one.
    fn other_than(&mut self, world: &mut World, text: u32, known: &Value) -> Formula {
        let Some((scene, expr)) = self.texts.get(&text).cloned() else { return constant(true) };
        let number = match known {
            Value::Number(number) => (*number).into(),
            Value::Ip(address) => *address,
            Value::Name(_) => return constant(true),
        };
        let mut scene = scene;
        not(&scene.holds_in(world, expr, &Ranges::one(number)))
    }
}

/// Something is changed. Where the same was done before, it reads the same.
fn change(world: &mut World, scene: &mut Scene<'_>, topic: String, what: &str) {
    let before = scene.epoch.of(&topic);
    // Zero is the time at which the event begins.
    let time = world.node(format!("after {before}: {what}")) + 1;
    scene.epoch.change(topic, time);
}

/// What may read otherwise after statements.
fn changed(program: &tcpc_lang::hir::Program, stmts: &[Stmt]) -> BTreeSet<String> {
    let mut topics = BTreeSet::new();
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::Assign(ids) => {
                let row = ids.first().and_then(|id| program.assignments.get(id.index()));
                topics.extend(topic::changed_by_option(row.map_or("", |row| row.option.name)));
            }
            StmtKind::SetField(..) => topics.extend(topic::changed_by_field()),
            StmtKind::Change { row, cell, .. } => drop(topics.insert(topic::of_cell(program, row, *cell))),
            StmtKind::If(_, then, otherwise) => {
                topics.extend(changed(program, then));
                topics.extend(changed(program, otherwise));
            }
            _ => {}
        }
    }
    topics
}

/// What the statements of a rule may do something to.
fn touched<'p>(mut scene: Scene<'p>, world: &mut World, stmts: &'p [Stmt]) -> BTreeSet<String> {
    let program = scene.program;
    let of = |name: Option<&String>| name.cloned().unwrap_or_default();
    let mut channels = BTreeSet::new();
    for stmt in stmts {
        let channel = match &stmt.kind {
            StmtKind::Assign(ids) => {
                let row = ids.first().and_then(|id| program.assignments.get(id.index()));
                option_channel(row.map_or("", |row| row.option.name))
            }
            StmtKind::SetField(field, _) => option_channel(field.name),
            StmtKind::Change { row, cell, .. } => format!("{CELL}{}", scene.row_key(world, row, *cell)),
            StmtKind::Count(id, _) => {
                format!("{COUNTER}{}", of(program.counters.get(id.index()).map(|one| &one.name)))
            }
            StmtKind::Observe(id, _) => {
                format!("{HISTOGRAM}{}", of(program.histograms.get(id.index()).map(|one| &one.name)))
            }
            StmtKind::Emit(..) => RECORDS.to_owned(),
            StmtKind::Send(_) => "header options".to_owned(),
            StmtKind::Open(id, _) | StmtKind::Outcome(id, ..) => {
                format!("experiment {}", of(program.experiments.get(id.index()).map(|one| &one.name)))
            }
            StmtKind::Reply(_) => REPLY.to_owned(),
            StmtKind::If(_, then, otherwise) => {
                channels.extend(touched(scene.clone(), world, then));
                channels.extend(touched(scene.clone(), world, otherwise));
                continue;
            }
            StmtKind::Let(local, value) => {
                scene.bind(world, *local, value);
                continue;
            }
            StmtKind::Stop => continue,
        };
        channels.insert(channel);
    }
    channels
}
