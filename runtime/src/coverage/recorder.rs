//! Counts what is told while tests run.

use std::collections::{BTreeMap, HashMap};

use tcpc_lang::hir::{Expr, Program, RuleId, Stmt, StmtKind, Value};
use tcpc_lang::source::{FileId, SourceFile, Span};
use tcpc_stdlib::event::Event;

use super::points::{Points, is_made};
use super::{At, Coverage, FileCoverage, RuleReached, Ways};
use crate::meaning::observe::Observer;
use crate::written::Written;

/// Counts what the tests of one policy reach.
pub struct Recorder<'a> {
    written: Written<'a>,
    points: Points,
    /// How often each held, and how often not.
    branches: Vec<(u64, u64)>,
    conditions: Vec<(u64, u64)>,
    /// How often each rule fired.
    hits: Vec<u64>,
    /// How often each line's statements were done, by the offset that the line is found by.
    statements: BTreeMap<u32, u64>,
    /// The rule that is at work, and the ways that its `if`s went.
    running: Option<(RuleId, HashMap<*const Stmt, bool>)>,
}

impl<'a> Recorder<'a> {
    /// Nothing was reached yet.
    pub fn new(program: &'a Program, source: &'a SourceFile) -> Recorder<'a> {
        let written = Written { program, source };
        let points = Points::new(program, written);
        Recorder {
            written,
            branches: vec![(0, 0); points.branches.len()],
            conditions: vec![(0, 0); points.conditions.len()],
            points,
            hits: vec![0; program.rules.len()],
            statements: BTreeMap::new(),
            running: None,
        }
    }

    /// The rule that was at work has ended: its statements are counted along the ways that it took.
    fn end_rule(&mut self) {
        let program = self.written.program;
        if let Some((id, ways)) = self.running.take()
            && let Some(rule) = program.rules.get(id.index())
        {
            self.count(&rule.body, &ways);
        }
    }

    /// Counts statements up to the end of the event. Returns whether it ended.
    fn count(&mut self, stmts: &[Stmt], ways: &HashMap<*const Stmt, bool>) -> bool {
        for stmt in stmts {
            *self.statements.entry(stmt.span.start).or_default() += 1;
            let ended = match &stmt.kind {
                StmtKind::Stop | StmtKind::Reply(_) => true,
                StmtKind::If(_, then, otherwise) => match ways.get(&std::ptr::from_ref(stmt)) {
                    Some(true) => self.count(then, ways),
                    Some(false) => self.count(otherwise, ways),
                    None => true,
                },
                _ => false,
            };
            if ended {
                return true;
            }
        }
        false
    }

    /// What was reached, by file. The standard library is covered by its own tests, not by those of who uses it.
    pub fn finish(mut self) -> Coverage {
        self.end_rule();
        let mut coverage = Coverage::default();
        let Written { program, source } = self.written;
        let written = self.written;
        let mut within = |span: Span, add: &dyn Fn(&mut FileCoverage, At)| {
            let id = source.file_at(span.start);
            let file = source.file(id);
            if id == FileId::POLICY || !file.path.starts_with("std/") {
                add(coverage.files.entry(file.name.clone()).or_default(), source.line_column(span.start));
            }
        };
        for (rule, hits) in program.rules.iter().zip(&self.hits).filter(|(rule, _)| !is_made(rule)) {
            within(rule.head, &|file, at| {
                file.rules.insert(at, RuleReached { name: rule.name.clone(), hits: *hits });
                most(&mut file.lines, at.0, *hits);
            });
            for_each_statement(&rule.body, &mut |stmt| {
                let count = self.statements.get(&stmt.span.start).copied().unwrap_or(0);
                within(stmt.span, &|file, at| most(&mut file.lines, at.0, count));
            });
        }
        for ((span, rule), (yes, no)) in self.points.branches.iter().zip(&self.branches) {
            let ways = Ways { text: written.span(*span), rule: rule.clone(), yes: *yes, no: *no };
            within(*span, &|file, at| file.branches.entry(at).or_default().join(&ways));
        }
        for ((span, text), (yes, no)) in self.points.conditions.iter().zip(&self.conditions) {
            let ways = Ways { text: text.clone(), rule: None, yes: *yes, no: *no };
            within(*span, &|file, at| file.conditions.entry(at).or_default().join(&ways));
        }
        coverage
    }
}

impl Ways {
    /// What stands in one place is one: a name that is used by several others.
    fn join(&mut self, other: &Ways) {
        *self = Ways { yes: self.yes + other.yes, no: self.no + other.no, ..other.clone() };
    }
}

/// A line with several statements was done as often as the one that was done most.
fn most(lines: &mut BTreeMap<u32, u64>, line: u32, count: u64) {
    let known = lines.entry(line).or_default();
    *known = count.max(*known);
}

fn for_each_statement(stmts: &[Stmt], act: &mut impl FnMut(&Stmt)) {
    for stmt in stmts {
        act(stmt);
        if let StmtKind::If(_, then, otherwise) = &stmt.kind {
            for_each_statement(then, act);
            for_each_statement(otherwise, act);
        }
    }
}

fn count((yes, no): &mut (u64, u64), holds: bool) {
    *if holds { yes } else { no } += 1;
}

impl Observer for Recorder<'_> {
    fn event(&mut self, _: &'static Event) {
        self.end_rule();
    }

    fn rule(&mut self, rule: RuleId, runs: bool) {
        self.end_rule();
        if runs {
            if let Some(hits) = self.hits.get_mut(rule.index()) {
                *hits += 1;
            }
            self.running = Some((rule, HashMap::new()));
        }
    }

    fn value(&mut self, expr: &Expr, value: &Value) {
        let holds = *value == Value::Number(1);
        let place: *const Expr = expr;
        if let Some(ways) = self.points.branch_of.get(&place).and_then(|index| self.branches.get_mut(*index))
        {
            count(ways, holds);
        }
        if let Some(ways) =
            self.points.condition_of.get(&place).and_then(|index| self.conditions.get_mut(*index))
        {
            count(ways, holds);
        }
    }

    fn branch(&mut self, stmt: &Stmt, holds: bool) {
        if let Some((_, ways)) = &mut self.running {
            ways.insert(stmt, holds);
        }
    }
}
