//! The rules of one event as formulas: when each runs, when it ends the event, what it writes.

use std::sync::Arc;

use tcpc_lang::hir::{Expr, ExprKind, Program, Rule, RuleId, Stmt, StmtKind, Value};
use tcpc_lang::source::{SourceFile, Span};
use tcpc_stdlib::unit::Type;

use crate::formula::{Formula, all, any, constant, not};
use crate::scene::{Scene, World, topic};

/// A rule in one event.
#[derive(Debug)]
pub struct Line<'p> {
    /// Which one.
    pub id: RuleId,
    /// The rule.
    pub rule: &'p Rule,
    /// When its condition holds.
    pub runs: Formula,
    /// The parts of its condition that are joined by `and`.
    pub parts: Vec<(&'p Expr, Formula)>,
    /// When it ends the event.
    pub ends: Formula,
    /// What it always writes when it runs.
    pub writes: Vec<Write>,
    /// Whether it does nothing else, so that to run it twice is to run it once.
    pub only_writes: bool,
}

/// A constant that is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The option or field.
    pub what: &'static str,
    /// Its value, fall-backs included.
    pub values: Vec<Value>,
    /// Whether the kernel may well refuse it, so that what was there before stays.
    pub may_fail: bool,
    /// The statement.
    pub span: Span,
}

/// Something that holds at a place, and what is to be said of where that comes from.
#[derive(Clone, Debug)]
pub struct Given {
    /// What holds.
    pub formula: Formula,
    /// The reason.
    pub because: (Span, &'static str),
}

/// A condition and where it is asked.
#[derive(Debug)]
pub struct Question<'p> {
    /// The rule.
    pub rule: RuleId,
    /// The condition.
    pub condition: &'p Expr,
    /// Whether it is the rule's own, not that of a statement in it.
    pub is_head: bool,
    /// What holds there.
    pub given: Vec<Given>,
    /// Its scene, for its parts.
    pub scene: Scene<'p>,
}

/// The rules that an event has, and the conditions in them.
pub fn lines<'p>(
    program: &'p Program,
    source: &'p SourceFile,
    world: &mut World,
) -> (Vec<Line<'p>>, Vec<Question<'p>>) {
    let mut walk = Walk { program, scene: Scene::new(program, source), epochs: 0, questions: Vec::new() };
    let mut lines = Vec::new();
    for (index, rule) in program.rules.iter().enumerate() {
        if !rule.events.contains(&world.event) {
            continue;
        }
        lines.push(walk.rule(world, RuleId(index as u32), rule));
    }
    (lines, walk.questions)
}

/// Reasons.
pub const HOLDS: &str = "as this holds";
pub const FAILS: &str = "as this does not hold";

/// Calls `see` with each part that is joined by `and`.
fn conjuncts<'p>(expr: &'p Expr, see: &mut impl FnMut(&'p Expr)) {
    match &expr.kind {
        ExprKind::And(left, right) => {
            conjuncts(left, see);
            conjuncts(right, see);
        }
        _ => see(expr),
    }
}

struct Walk<'p> {
    program: &'p Program,
    scene: Scene<'p>,
    /// How often something was written.
    epochs: u32,
    questions: Vec<Question<'p>>,
}

impl<'p> Walk<'p> {
    fn rule(&mut self, world: &mut World, id: RuleId, rule: &'p Rule) -> Line<'p> {
        let mut parts = Vec::new();
        if let Some(condition) = &rule.condition {
            self.ask(id, condition, true, &[]);
            conjuncts(condition, &mut |part| parts.push((part, self.scene.formula(world, part))));
        }
        let runs = all(parts.iter().map(|(_, formula)| formula.clone()));
        let place = rule.condition.as_ref().map_or(rule.head, |condition| condition.span);
        let mut path = vec![Given { formula: runs.clone(), because: (place, HOLDS) }];
        let ended = self.block(world, id, &rule.body, &mut path);
        let mut writes = Vec::new();
        let mut only_writes = !rule.body.is_empty();
        for stmt in &rule.body {
            match self.write(stmt) {
                Some(write) => writes.push(write),
                None => only_writes = false,
            }
        }
        Line { id, rule, ends: all([runs.clone(), ended]), runs, parts, writes, only_writes }
    }

    fn ask(&mut self, rule: RuleId, condition: &'p Expr, is_head: bool, given: &[Given]) {
        let (given, scene) = (given.to_vec(), self.scene.clone());
        self.questions.push(Question { rule, condition, is_head, given, scene });
    }

    /// Something was written.
    fn changes(&mut self, topics: Vec<String>) {
        self.epochs += 1;
        topics.into_iter().for_each(|topic| self.scene.epoch.change(topic, self.epochs));
    }

    /// When a block ends the event. `path` is what holds before each statement.
    fn block(&mut self, world: &mut World, id: RuleId, stmts: &'p [Stmt], path: &mut Vec<Given>) -> Formula {
        let mut ended = constant(false);
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::Assign(ids) => {
                    let row = ids.first().and_then(|id| self.program.assignments.get(id.index()));
                    self.changes(topic::changed_by_option(row.map_or("", |row| row.option.name)));
                }
                StmtKind::SetField(..) => self.changes(topic::changed_by_field()),
                StmtKind::Change { row, cell, .. } => {
                    self.changes(vec![topic::of_cell(self.program, row, *cell)]);
                }
                StmtKind::Let(local, value) => self.scene.bind(world, *local, value),
                StmtKind::If(condition, then, otherwise) => {
                    self.ask(id, condition, false, path);
                    let holds = self.scene.formula(world, condition);
                    let depth = path.len();
                    let given = |formula, because| Given { formula, because: (condition.span, because) };
                    path.push(given(holds.clone(), HOLDS));
                    let in_then = self.block(world, id, then, path);
                    path.truncate(depth);
                    path.push(given(not(&holds), FAILS));
                    let in_otherwise = self.block(world, id, otherwise, path);
                    path.truncate(depth);
                    let here = any([all([holds.clone(), in_then]), all([not(&holds), in_otherwise])]);
                    path.push(given(not(&here), "as this did not end the event"));
                    ended = any([ended, here]);
                }
                StmtKind::Stop | StmtKind::Reply(_) => return constant(true),
                StmtKind::Send(_)
                | StmtKind::Open(..)
                | StmtKind::Outcome(..)
                | StmtKind::Count(..)
                | StmtKind::Observe(..)
                | StmtKind::Emit(..) => {}
            }
        }
        ended
    }

    /// The constant that a statement writes.
    fn write(&self, stmt: &Stmt) -> Option<Write> {
        let constant = |expr: &Expr| match &expr.kind {
            ExprKind::Const(value) => Some(value.clone()),
            _ => None,
        };
        match &stmt.kind {
            StmtKind::Assign(ids) => {
                let rows: Vec<_> =
                    ids.iter().filter_map(|id| self.program.assignments.get(id.index())).collect();
                let first = rows.first()?;
                let values: Option<Vec<Value>> = rows.iter().map(|row| constant(&row.value)).collect();
                let may_fail = first.option.ty == Type::Name || first.option.set_since.is_none_or(is_new);
                Some(Write { what: first.option.name, values: values?, may_fail, span: stmt.span })
            }
            StmtKind::SetField(field, value) => {
                let values = vec![constant(value)?];
                Some(Write { what: field.name, values, may_fail: false, span: stmt.span })
            }
            _ => None,
        }
    }
}

/// Whether some kernels that policies run on lack it.
fn is_new(since: tcpc_stdlib::kernel::KernelVersion) -> bool {
    since > tcpc_stdlib::kernel::KernelVersion::FLOOR
}

impl Line<'_> {
    /// Whether it may look at an option or field.
    pub fn reads(&self, program: &Program, what: &str) -> bool {
        self.rule.any(program, &mut |expr| match &expr.kind {
            ExprKind::Option(option) => option.name == what,
            ExprKind::Field(field) => field.name == what,
            _ => false,
        })
    }

    /// Whether it ends the event for some connections.
    pub fn can_end(&self) -> bool {
        !matches!(*Arc::clone(&self.ends), crate::formula::Node::No)
    }
}
