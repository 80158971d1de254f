//! Rules that do again what another one did, and constants that a later rule always replaces.

use std::collections::HashMap;

use tcpc_lang::diag::{Code, Diagnostic};

use super::line::{Line, Write};
use super::{Linter, earlier, example, never, possible, with_example};
use crate::formula::{Formula, any, not};
use crate::scene::World;
use crate::solve::Solver;

/// So many earlier rules that write the same are compared with each one.
const MOST_COMPARED: usize = 32;

impl<'p> Linter<'p> {
    /// Compares the rules of an event that write the same options.
    pub(super) fn pairs(
        &mut self,
        world: &World,
        solver: &mut Solver<'_>,
        lines: &[Line<'p>],
        idle: &[bool],
    ) {
        let mut writers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            if idle.get(at) == Some(&true) {
                continue;
            }
            let mut before: Vec<usize> = line
                .writes
                .iter()
                .flat_map(|write| writers.get(write.what).into_iter().flatten().copied())
                .collect();
            before.sort_unstable();
            before.dedup();
            for &other in before.iter().rev().take(MOST_COMPARED) {
                self.pair(world, solver, lines, other, at);
            }
            for write in &line.writes {
                writers.entry(write.what).or_default().push(at);
            }
        }
    }

    /// An earlier and a later rule that write the same option.
    fn pair(
        &mut self,
        world: &World,
        solver: &mut Solver<'_>,
        lines: &[Line<'p>],
        first: usize,
        second: usize,
    ) {
        let (Some(early), Some(late)) = (lines.get(first), lines.get(second)) else { return };
        if !possible(world, solver, &[&early.runs, &late.runs]) {
            return;
        }
        let between = earlier(lines, second).get(first + 1..).unwrap_or(&[]);
        let same = early.only_writes && late.only_writes && values(early) == values(late);
        if same {
            let touched = |write: &Write| {
                between.iter().any(|line| {
                    line.rule.body.iter().any(|stmt| writes(self.program, stmt, write.what))
                        || line.reads(self.program, write.what)
                })
            };
            if !late.writes.iter().any(touched) && never(world, solver, &[&late.runs, &not(&early.runs)]) {
                let flow = example(world, solver, &[&late.runs]);
                self.repeats(late, early, flow, "this rule has done the same for each of its connections");
                return;
            }
        }
        for write in &early.writes {
            let Some(other) = late.writes.iter().rfind(|other| other.what == write.what) else { continue };
            if other.may_fail || other.values.len() != 1 {
                continue;
            }
            let read = |line: &Line<'_>| line.reads(self.program, write.what);
            if read(early) || read(late) || between.iter().any(read) {
                continue;
            }
            // It stays where the later rule does not run, or where the event ends before it.
            let stays: Vec<Formula> = between.iter().map(|line| line.ends.clone()).collect();
            let stays = any([early.ends.clone(), not(&late.runs)].into_iter().chain(stays));
            if !never(world, solver, &[&early.runs, &stays]) {
                continue;
            }
            let flow = example(world, solver, &[&early.runs]);
            if same {
                self.repeats(
                    early,
                    late,
                    flow,
                    "this rule does the same after it, for each of its connections",
                );
                return;
            }
            if write.values != other.values {
                self.lost(early, late, write, other, flow);
            }
        }
    }

    fn repeats(&mut self, idle: &Line<'p>, other: &Line<'p>, flow: Option<String>, label: &str) {
        let message =
            format!("the rule `{}` does nothing that `{}` does not do", idle.rule.name, other.rule.name);
        let finding = Diagnostic::new(Code::RepeatedRule, message, idle.rule.head, "makes no difference")
            .label(other.rule.head, label);
        let finding = with_example(finding, flow, "both run, and one would do")
            .help("remove it, or change what it is for");
        if let Some(verdict) = self.verdicts.get_mut(&idle.id) {
            verdict.repeats += 1;
            verdict.repeated.get_or_insert(finding);
        }
    }

    fn lost(
        &mut self,
        early: &Line<'p>,
        late: &Line<'p>,
        write: &Write,
        other: &Write,
        flow: Option<String>,
    ) {
        let text = |write: &Write| self.source.slice(write.span).to_owned();
        let message = format!(
            "`{}` never stays: the rule `{}` always assigns `{}` again",
            text(write),
            late.rule.name,
            write.what
        );
        let finding = Diagnostic::new(Code::LostToLaterRule, message, write.span, "never stays")
            .label(other.span, "this is what stays");
        let finding = with_example(finding, flow, &format!("both rules run, and `{}` stays", text(other)))
            .help("give the later rule a narrower condition, put it first, or remove one of the two");
        if let Some(verdict) = self.verdicts.get_mut(&early.id) {
            let known = verdict.lost.entry((write.span.start, write.span.end)).or_insert((0, finding));
            known.0 += 1;
        }
    }
}

/// What a rule writes, without places.
fn values<'l>(line: &'l Line<'_>) -> Vec<(&'l str, &'l [tcpc_lang::hir::Value])> {
    line.writes.iter().map(|write| (write.what, write.values.as_slice())).collect()
}

/// Whether a statement writes an option or field, or may.
fn writes(program: &tcpc_lang::hir::Program, stmt: &tcpc_lang::hir::Stmt, what: &str) -> bool {
    use tcpc_lang::hir::StmtKind;
    match &stmt.kind {
        StmtKind::Assign(ids) => {
            ids.iter().filter_map(|id| program.assignments.get(id.index())).any(|row| row.option.name == what)
        }
        StmtKind::SetField(field, _) => field.name == what,
        StmtKind::If(_, then, otherwise) => {
            then.iter().chain(otherwise).any(|stmt| writes(program, stmt, what))
        }
        _ => false,
    }
}
