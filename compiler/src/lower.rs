//! Typed program to IR.
//!
//! ```text
//! entry: switch op ─▶ event: guard ─▶ rules ─▶ guard ─▶ rules ─▶ exit
//! ```
//!
//! Lowering is naive where a pass can clean up after it: constants are folded by the builder, fields
//! are loaded wherever they are mentioned. Conditions become branches, never a number that is tested
//! again. No event without a rule is touched, and no reply is written unless a rule answers: the
//! kernel's default and the answers of other programs stand.

mod action;
mod address;
mod cond;
mod count;
mod enable;
mod experiment;
mod expr;
mod feature;
mod header;
mod measure;
mod plan;
mod prerequisite;
mod reply;
mod set;
mod state;
mod steer;

use std::collections::HashMap;

use tcpc_lang::hir::{HeaderId, LocalId, Program, Rule, RuleKind, Stmt, StmtKind};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::{Field, kernel_field};
use tcpc_stdlib::helper::{Helper, helper};
use tcpc_stdlib::manifest::state::StateInfo;
use tcpc_stdlib::manifest::{CounterInfo, FeatureInfo, JiffiesInfo};

use crate::Options;
use crate::ir::{Block, Builder, Func, InstData, Terminator};
pub use enable::Enabling;
use expr::Operand;
use header::Arrived;
use plan::{Guarded, Plan};
use state::Kept;
use steer::Steered;

/// The IR of a program, and what the object will say of itself that only lowering knows.
pub struct Lowered {
    /// The program.
    pub func: Func,
    /// Symbols of the rules' hit counters, if they are counted.
    pub hits: Vec<Option<String>>,
    /// Symbols of the assignments' failure counters, if they are counted.
    pub failures: Vec<Option<String>>,
    /// Symbols of the counters of header options that the kernel did not take, if they are counted.
    pub unsent: Vec<Option<String>>,
    /// Counters that the policy declares.
    pub counters: Vec<CounterInfo>,
    /// Constants that depend on HZ.
    pub jiffies: Vec<JiffiesInfo>,
    /// The constant that holds HZ, if it is read.
    pub hz_symbol: Option<String>,
    /// What the program remembers, measures, reports and is steered by.
    pub state: StateInfo,
    /// Constants that say what the kernel has.
    pub features: Vec<FeatureInfo>,
    /// Whether the program calls kernel functions only where the kernel has them.
    pub may_lack_kfuncs: bool,
}

/// Lowers a program.
pub fn lower(program: &Program, source: &SourceFile, options: &Options) -> Lowered {
    let mut lowerer = Lowerer::new(program, source, options);
    lowerer.lower_program();
    lowerer.complete_counters();
    lowerer.complete_measures();
    Lowered {
        func: lowerer.b.finish(),
        hits: lowerer.hits,
        failures: lowerer.failures,
        unsent: lowerer.unsent,
        counters: lowerer.counters,
        jiffies: lowerer.jiffies,
        hz_symbol: lowerer.hz_symbol,
        state: lowerer.state,
        features: lowerer.features,
        may_lack_kfuncs: lowerer.may_lack_kfuncs,
    }
}

struct Lowerer<'a> {
    program: &'a Program,
    source: &'a SourceFile,
    options: &'a Options,
    b: Builder,
    /// Where every path ends.
    exit: Block,
    /// The event whose rules are being lowered.
    event: Option<&'static Event>,
    locals: HashMap<LocalId, Operand>,
    hits: Vec<Option<String>>,
    failures: Vec<Option<String>>,
    unsent: Vec<Option<String>>,
    counters: Vec<CounterInfo>,
    jiffies: Vec<JiffiesInfo>,
    hz_symbol: Option<String>,
    state: StateInfo,
    features: Vec<FeatureInfo>,
    may_lack_kfuncs: bool,
    /// The header options that may have come in with the event.
    arrived: HashMap<HeaderId, Arrived>,
    /// The maps of what is remembered, and the row that is being changed.
    kept: Kept,
    /// What an operator can change.
    steered: Steered,
}

impl<'a> Lowerer<'a> {
    fn new(program: &'a Program, source: &'a SourceFile, options: &'a Options) -> Lowerer<'a> {
        let mut b = Builder::new();
        let exit = b.new_block();
        Lowerer {
            program,
            source,
            options,
            b,
            exit,
            event: None,
            locals: HashMap::new(),
            hits: vec![None; program.rules.len()],
            failures: vec![None; program.assignments.len()],
            unsent: vec![None; program.sends.len()],
            counters: Vec::new(),
            jiffies: Vec::new(),
            hz_symbol: None,
            state: StateInfo::default(),
            features: Vec::new(),
            may_lack_kfuncs: false,
            arrived: HashMap::new(),
            kept: Kept::default(),
            steered: Steered::default(),
        }
    }

    /// Dispatches on `op`. Events that have nothing but the same guarded rules share the guard: it is
    /// tested once, and the event is looked at again behind it.
    fn lower_program(&mut self) {
        self.declare_counters();
        self.declare_state();
        self.describe_measures();
        self.declare_params();
        self.declare_experiments();
        self.declare_mutable_sets();
        let plan = Plan::new(self.program);
        if let Some(rule) = self.program.rules.first() {
            self.b.set_span(rule.head);
        }
        let op = self.b.field(context_field("op"), 0);
        let dispatch = self.b.current();
        let mut cases = Vec::new();
        for group in &plan.groups {
            let block = self.b.new_block();
            self.b.switch_to(block);
            cases.extend(group.iter().map(|planned| (planned.event.number, block)));
            match group.as_slice() {
                [single] => {
                    self.event = Some(single.event);
                    if let Some(request) = plan.enabling.at(single.event) {
                        self.lower_enable(request);
                    }
                    self.load_variables(group);
                    self.look_for_headers(single.event, single.rules());
                    self.lower_guards(&single.guards);
                }
                several => self.lower_shared(op, several),
            }
        }
        self.b.switch_to(dispatch);
        match cases.is_empty() {
            true => self.b.jump(self.exit),
            false => self.switch(op, cases, Some(self.exit)),
        }
    }

    fn lower_shared(&mut self, op: crate::ir::Value, events: &[plan::Planned<'a>]) {
        let Some(Guarded { condition: Some(condition), .. }) =
            events.first().and_then(|one| one.guards.first())
        else {
            return self.b.jump(self.exit);
        };
        let again = self.b.new_block();
        self.event = events.first().map(|one| one.event);
        self.load_variables(events);
        self.lower_cond(condition, again, self.exit);
        let mut cases = Vec::new();
        for planned in events {
            let block = self.b.new_block();
            self.b.switch_to(block);
            self.event = Some(planned.event);
            self.look_for_headers(planned.event, planned.rules());
            if planned.guards.iter().all(|guarded| self.lower_rules(&guarded.rules)) {
                self.b.jump(self.exit);
            }
            cases.push((planned.event.number, block));
        }
        self.b.switch_to(again);
        self.switch(op, cases, None);
    }

    fn switch(&mut self, value: crate::ir::Value, mut cases: Vec<(u32, Block)>, default: Option<Block>) {
        cases.sort_unstable_by_key(|&(number, _)| number);
        self.b.terminate(Terminator::Switch { value, cases, default });
    }

    fn lower_guards(&mut self, guards: &[Guarded<'a>]) {
        for guarded in guards {
            self.b.forget_sometimes();
            let Some(condition) = guarded.condition else {
                if !self.lower_rules(&guarded.rules) {
                    return;
                }
                continue;
            };
            let (yes, next) = (self.b.new_block(), self.b.new_block());
            self.lower_cond(condition, yes, next);
            self.b.switch_to(yes);
            if self.lower_rules(&guarded.rules) {
                self.b.jump(next);
            }
            self.b.switch_to(next);
        }
        self.b.jump(self.exit);
    }

    /// Rules whose guard holds, one after another. Returns whether the event goes on after them; a
    /// block that does not is finished.
    fn lower_rules(&mut self, rules: &[(usize, &'a Rule)]) -> bool {
        rules.iter().all(|&(index, rule)| {
            let outer = self.b.set_span(rule.head);
            self.b.forget_sometimes();
            // An option that is sent is counted where it is written, not where room is made for it.
            let reserves = self.event.is_some_and(|event| event.name == "hdr_opt_len");
            if !(reserves && matches!(rule.kind, RuleKind::Send(_))) {
                self.count_hit(index);
            }
            let goes_on = self.lower_block(&rule.body);
            self.b.set_span(outer);
            goes_on
        })
    }

    /// Statements in order; false if the event ends in all of them.
    fn lower_block(&mut self, stmts: &[Stmt]) -> bool {
        stmts.chunk_by(Stmt::changes_row_of).all(|stmts| {
            let [stmt] = stmts else {
                self.lower_changes(stmts);
                return true;
            };
            let outer = self.b.set_span(stmt.span);
            let goes_on = self.lower_stmt(stmt);
            self.b.set_span(outer);
            goes_on
        })
    }

    fn lower_stmt(&mut self, stmt: &Stmt) -> bool {
        match &stmt.kind {
            StmtKind::Assign(alternatives) => self.lower_assign(alternatives),
            StmtKind::SetField(field, value) => {
                let value = self.lower_scalar(value);
                self.b.effect(InstData::StoreField { field, word: 0, value });
            }
            StmtKind::Open(experiment, arm) => self.lower_open(*experiment, *arm),
            StmtKind::Outcome(experiment, arm, values) => self.lower_outcome(*experiment, *arm, values),
            StmtKind::Send(send) => self.lower_send(*send),
            StmtKind::Change { .. } => self.lower_changes(std::slice::from_ref(stmt)),
            StmtKind::Count(counter, key) => self.lower_count(*counter, key.as_ref()),
            StmtKind::Observe(histogram, value) => self.lower_observe(*histogram, value),
            StmtKind::Emit(record, values) => self.lower_emit(*record, values),
            StmtKind::Let(local, value) => {
                let operand = self.lower_operand(value);
                self.locals.insert(*local, operand);
            }
            StmtKind::If(condition, then, otherwise) => return self.lower_if(condition, then, otherwise),
            StmtKind::Stop => {
                self.b.jump(self.exit);
                return false;
            }
            StmtKind::Reply(value) => {
                self.lower_reply(value);
                self.b.jump(self.exit);
                return false;
            }
        }
        true
    }

    fn lower_if(&mut self, condition: &tcpc_lang::hir::Expr, then: &[Stmt], otherwise: &[Stmt]) -> bool {
        let (yes, no, end) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.lower_cond(condition, yes, no);
        let mut goes_on = false;
        for (block, stmts) in [(yes, then), (no, otherwise)] {
            self.b.switch_to(block);
            if self.lower_block(stmts) {
                self.b.jump(end);
                goes_on = true;
            }
        }
        self.b.switch_to(end);
        if goes_on {
            self.b.forget_sometimes();
        }
        goes_on
    }
}

/// A row of the context that the compiler itself needs.
///
/// The catalogue's own test shows that these rows exist; a missing one would read `op`.
fn context_field(kernel: &str) -> &'static Field {
    kernel_field(kernel).unwrap_or(&tcpc_stdlib::field::FIELDS[0])
}

/// A helper that the compiler itself needs; as [`context_field`].
fn kernel_helper(name: &str) -> &'static Helper {
    helper(name).unwrap_or(&tcpc_stdlib::helper::HELPERS[0])
}
