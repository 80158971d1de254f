//! Experiments: arms are rules under one more condition, outcomes are rules of their own.

use tcpc_stdlib::builtin::{BuiltinId, WHOLE};
use tcpc_stdlib::event::{ESTABLISHED, Event, event};
use tcpc_stdlib::field::field;
use tcpc_stdlib::kernel::tcp_state;
use tcpc_stdlib::manifest::state::MetricUnit;
use tcpc_stdlib::unit::{NANOS_PER_SECOND, Type, Unit};

use super::declare::duplicate;
use super::rule::Ended;
use super::suggest::did_you_mean_or;
use super::types::Wanted;
use super::{Checker, Place, Scope, fold, words};
use crate::ast::{self, ExperimentPart, Expr as Ast, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{
    ArithOp, Arm, Cell, CompareOp, Experiment, ExperimentId, Expr, ExprKind, Flow, Key, Metric, Row, Rule,
    RuleId, RuleKind, Stmt, StmtKind,
};
use crate::source::Span;

/// What can be measured without saying how.
const METRICS: &[&str] = &["retransmit_rate", "srtt", "bytes", "duration"];
/// The cell of a connection's memory that says since when it is established.
const SINCE: &str = "_established_at";
/// The most arms.
const ARMS_MAX: usize = 16;

/// The arm that rules are checked for.
#[derive(Clone)]
pub(super) struct InArm<'a> {
    id: ExperimentId,
    arm: u8,
    keys: &'a [ast::Key],
}

impl<'a> Checker<'a> {
    /// An experiment, and the rules in it.
    pub(super) fn experiment(&mut self, item: &'a ast::Experiment, ended: &mut Ended) {
        let arms: Vec<(&'a Name, &'a [ast::Rule])> = item
            .parts
            .iter()
            .filter_map(|part| match part {
                ExperimentPart::Arm(name, rules) => Some((name, rules.as_slice())),
                _ => None,
            })
            .collect();
        let id = ExperimentId(self.program.experiments.len() as u32);
        let shares = self.shares(item, &arms);
        let keys: Option<Vec<Key>> = item.keys.iter().map(|key| self.key(key)).collect();
        self.program.experiments.push(Experiment {
            name: self.public_name(&item.name.text, item.name.span),
            key: if item.keys.is_empty() {
                "connection".into()
            } else {
                self.source.slice(item.by).to_string()
            },
            keys: keys.clone().unwrap_or_default(),
            arms: shares,
            metrics: Vec::new(),
            span: item.name.span,
        });
        if keys.is_none() {
            return;
        }
        for (arm, (_, rules)) in (0u8..).zip(&arms) {
            self.arm = Some(InArm { id, arm, keys: &item.keys });
            for rule in *rules {
                self.rule(rule, ended);
            }
            self.arm = None;
        }
        self.outcomes(item, id, arms.len());
    }

    /// The arms with their numbers.
    fn shares(&mut self, item: &ast::Experiment, arms: &[(&'a Name, &'a [ast::Rule])]) -> Vec<Arm> {
        let wrong = |message: String, span: Span, label: &str| {
            Diagnostic::new(Code::ExperimentShape, message, span, label)
        };
        if !(2..=ARMS_MAX).contains(&arms.len()) {
            let message = format!(
                "an experiment has 2 to {ARMS_MAX} arms, and `{}` has {}",
                item.name.text,
                arms.len()
            );
            self.report(
                wrong(message, item.name.span, "nothing to compare")
                    .help("write each as `arm NAME { RULES }`; one without rules leaves the kernel's own: `arm plain { }`"),
            );
        }
        for (index, (name, _)) in arms.iter().enumerate() {
            if let Some((earlier, _)) = arms[..index].iter().find(|(other, _)| other.text == name.text) {
                let earlier = earlier.span;
                self.report(duplicate(&name.text, name.span, earlier));
            }
        }
        let mut splits = item.parts.iter().filter_map(|part| match part {
            ExperimentPart::Split(shares, span) => Some((shares, *span)),
            _ => None,
        });
        let split = splits.next();
        if let Some((_, again)) = splits.next() {
            self.report(wrong("the shares are given twice".into(), again, "again here"));
        }
        let weights = match split {
            None => vec![1; arms.len()],
            Some((shares, span)) if shares.len() != arms.len() => {
                let message = format!("there are {} shares for {} arms", shares.len(), arms.len());
                self.report(wrong(message, span, "one for each arm").help("as in `split 50/50`"));
                vec![1; arms.len()]
            }
            Some((shares, span)) => {
                if shares.iter().any(|share| !(1..=u64::from(u32::MAX)).contains(share)) {
                    self
                        .report(wrong("a share is a whole number from 1 on".into(), span, "not a share").help(
                        "shares are weights: `split 99/1` gives the second arm one connection in a hundred",
                    ));
                }
                shares.clone()
            }
        };
        let total: u64 = weights.iter().sum::<u64>().max(1);
        let mut below = 0u64;
        let bounds = weights.iter().map(|weight| {
            let low = u128::from(below) * u128::from(WHOLE) / u128::from(total);
            below = below.saturating_add(*weight);
            (low as u64, (u128::from(below) * u128::from(WHOLE) / u128::from(total)) as u64)
        });
        arms.iter()
            .zip(bounds)
            .map(|((name, _), (low, high))| Arm { name: name.text.clone(), low, high })
            .collect()
    }

    /// Whether the connection is in the arm whose rules are checked, if they are those of one.
    pub(super) fn in_this_arm(&mut self, span: Span) -> Option<Expr> {
        let InArm { id, arm, keys } = self.arm.clone()?;
        self.in_arm(id, arm, keys, span)
    }

    fn in_arm(&mut self, id: ExperimentId, arm: u8, keys: &'a [ast::Key], span: Span) -> Option<Expr> {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let term = self.name(&key.name.text, key.name.span)?;
            let value = self.as_value(term)?;
            values.push(value);
        }
        self.flush_server_reads();
        Some(fold::test(ExprKind::InArm(id, arm, values), span))
    }

    /// `EXPERIMENT == ARM`.
    pub(super) fn arm_test(
        &mut self,
        id: ExperimentId,
        op: CompareOp,
        right: &'a Ast,
        span: Span,
    ) -> Option<Expr> {
        let item = *self.experiments.get(id.index())?;
        let arms: Vec<&str> = item
            .parts
            .iter()
            .filter_map(|part| match part {
                ExperimentPart::Arm(name, _) => Some(name.text.as_str()),
                _ => None,
            })
            .collect();
        let name = match &right.kind {
            crate::ast::ExprKind::Name(name) => name.as_str(),
            _ => "",
        };
        let Some(arm) = arms.iter().position(|arm| *arm == name) else {
            let message = format!("the experiment `{}` has no arm like this", item.name.text);
            let diagnostic = Diagnostic::new(Code::UnknownName, message, right.span, "no such arm");
            let arms = arms.iter().copied();
            return self.fail(did_you_mean_or(diagnostic, name, right.span, arms.clone(), || {
                format!("its arms are {}", words::list(arms, "and"))
            }));
        };
        let inside = self.in_arm(id, arm as u8, &item.keys, span)?;
        Some(if op == CompareOp::Eq { inside } else { fold::not(inside, span) })
    }

    /// The rules that count what became of the connections.
    fn outcomes(&mut self, item: &'a ast::Experiment, id: ExperimentId, arms: usize) {
        let span = item.name.span;
        let closing: Vec<&'static Event> = event("state").into_iter().collect();
        let scope = Scope { events: closing.clone(), ..Scope::new(Place::Rule) };
        let (metrics, values): (Vec<Metric>, Vec<Expr>) =
            self.within(scope, |checker| checker.metrics(item)).into_iter().unzip();
        let timed = metrics.iter().any(|metric| metric.unit == MetricUnit::Milliseconds);
        if let Some(experiment) = self.program.experiments.get_mut(id.index()) {
            experiment.metrics = metrics;
        }

        let established: Vec<&'static Event> = ESTABLISHED.iter().filter_map(|name| event(name)).collect();
        let opened = |arm| StmtKind::Open(id, arm);
        let first = timed.then(|| self.begin(span));
        self.outcome_rule(item, id, arms, "opened", established, None, first, opened);

        let close = tcp_state("CLOSE").unwrap_or_default();
        let closed = event("state").and_then(|event| Some((1u8, event.args.get(1)?))).map(|(index, arg)| {
            let state = Expr { kind: ExprKind::Arg(index, arg), ty: arg.ty, span };
            fold::compare(CompareOp::Eq, state, fold::number(close.into(), Type::State, span), span)
        });
        let ended = move |arm| StmtKind::Outcome(id, arm, values.clone());
        self.outcome_rule(item, id, arms, "ended", closing, closed, None, ended);
    }

    /// The cell that says since when a connection is established; it is made for the first experiment that asks.
    fn since(&mut self, span: Span) -> u8 {
        let flow = self.program.flow.get_or_insert_with(|| Flow { cells: Vec::new(), span });
        if let Some(index) = flow.cells.iter().position(|cell| cell.name == SINCE) {
            return index as u8;
        }
        flow.cells.push(Cell { name: SINCE.to_string(), ty: Type::Duration, default: 0, span });
        flow.cells.len() as u8 - 1
    }

    /// Notes that a connection is established now.
    fn begin(&mut self, span: Span) -> StmtKind {
        StmtKind::Change { row: Row::Flow, cell: self.since(span), op: ast::ChangeOp::Set, value: now(span) }
    }

    /// A rule that does something for the arm that a connection is in.
    #[allow(clippy::too_many_arguments, reason = "the parts of a rule")]
    fn outcome_rule(
        &mut self,
        item: &'a ast::Experiment,
        id: ExperimentId,
        arms: usize,
        what: &str,
        events: Vec<&'static Event>,
        condition: Option<Expr>,
        first: Option<StmtKind>,
        act: impl Fn(u8) -> StmtKind,
    ) {
        let span = item.name.span;
        let scope = Scope { events: events.clone(), ..Scope::new(Place::Rule) };
        let body = self.within(scope, |checker| {
            let mut body: Vec<Stmt> = Vec::new();
            for arm in (0..arms as u8).rev() {
                let inside = checker.in_arm(id, arm, &item.keys, span)?;
                let then = vec![Stmt { kind: act(arm), span }];
                body = vec![Stmt { kind: StmtKind::If(inside, then, body), span }];
            }
            Some(body)
        });
        let Some(mut body) = body else { return };
        body.splice(0..0, first.map(|kind| Stmt { kind, span }));
        let name = self.public_name(&format!("{}_{what}", item.name.text), span);
        let rule = RuleId(self.program.rules.len() as u32);
        if let Some(earlier) = self.labels.insert(name.clone(), rule) {
            let earlier = self.program.rules.get(earlier.index()).map(|rule| rule.head);
            self.report(duplicate(&name, span, earlier.unwrap_or_default()));
        }
        self.program.rules.push(Rule {
            name,
            kind: RuleKind::On,
            events,
            sample: None,
            condition,
            body,
            span: item.span,
            head: span,
        });
    }

    /// What is measured: names, units, and values in these.
    fn metrics(&mut self, item: &'a ast::Experiment) -> Vec<(Metric, Expr)> {
        let mut metrics: Vec<(Metric, Expr)> = Vec::new();
        let mut seen: Vec<&'a Name> = Vec::new();
        let named = item.parts.iter().filter_map(|part| match part {
            ExperimentPart::Measure(metrics) => Some(metrics),
            _ => None,
        });
        for (name, value) in named.flatten() {
            if let Some(earlier) = seen.iter().find(|other| other.text == name.text) {
                let earlier = earlier.span;
                self.report(duplicate(&name.text, name.span, earlier));
                continue;
            }
            seen.push(name);
            let found = match value {
                Some(value) => self.own_metric(value),
                None => self.known_metric(name),
            };
            metrics.extend(found.map(|(unit, value)| (Metric { name: name.text.clone(), unit }, value)));
        }
        if seen.is_empty() {
            self.report(
                Diagnostic::new(
                    Code::ExperimentShape,
                    format!("the experiment `{}` measures nothing", item.name.text),
                    item.name.span,
                    "cannot be decided",
                )
                .help(format!("add `measure`: known are {}", words::list(METRICS.iter().copied(), "and"))),
            );
        }
        metrics
    }

    fn known_metric(&mut self, name: &'a Name) -> Option<(MetricUnit, Expr)> {
        let span = name.span;
        let read = |checker: &mut Self, name: &str| {
            let field = field(name)?;
            checker.read_field(field, span)
        };
        let arith = |op, left: Expr, right: Expr| {
            let kind = ExprKind::Arith(op, Box::new(left), Box::new(right));
            Expr { kind, ty: Type::Int, span }
        };
        let number = |value| fold::number(value, Type::Int, span);
        match name.text.as_str() {
            "retransmit_rate" => {
                let again = arith(ArithOp::Mul, read(self, "total_retrans")?, number(1_000_000));
                Some((MetricUnit::Millionths, arith(ArithOp::Div, again, read(self, "segs_out")?)))
            }
            "srtt" => {
                let nanos = read(self, "srtt")?;
                Some((MetricUnit::Microseconds, arith(ArithOp::Div, nanos, number(1_000))))
            }
            "bytes" => {
                let (sent, received) = (read(self, "bytes_acked")?, read(self, "bytes_received")?);
                Some((MetricUnit::Bytes, arith(ArithOp::Add, sent, received)))
            }
            "duration" => {
                let cell = self.since(span);
                let since = Expr { kind: ExprKind::Cell(Row::Flow, cell), ty: Type::Duration, span };
                let nanos = arith(ArithOp::Sub, now(span), since);
                let millis = arith(ArithOp::Div, nanos, number(NANOS_PER_SECOND / 1_000));
                Some((MetricUnit::Milliseconds, millis))
            }
            _ => {
                let diagnostic = Diagnostic::new(
                    Code::UnknownName,
                    format!("unknown metric `{}`", name.text),
                    span,
                    "nothing that is measured by itself",
                );
                self.fail(did_you_mean_or(diagnostic, &name.text, span, METRICS.iter().copied(), || {
                    format!("say what it is: `{} = EXPR`", name.text)
                }))
            }
        }
    }

    /// A value of the author's own, taken when the connection ends.
    fn own_metric(&mut self, value: &'a Ast) -> Option<(MetricUnit, Expr)> {
        let value = self.value(value)?;
        let span = value.span;
        let (unit, scale, value) = match value.ty {
            Type::Duration => (MetricUnit::Microseconds, NANOS_PER_SECOND / 1_000_000, value),
            Type::Size => (MetricUnit::Bytes, 1, value),
            _ => {
                let wanted = Wanted { ty: Type::Int, unit: Unit::Plain, who: "a metric" };
                (MetricUnit::Plain, 1, self.coerce(value, &wanted)?)
            }
        };
        let scale = fold::number(scale, Type::Int, span);
        let kind = ExprKind::Arith(ArithOp::Div, Box::new(value), Box::new(scale));
        Some((unit, Expr { kind, ty: Type::Int, span }))
    }
}

/// The time.
fn now(span: Span) -> Expr {
    Expr { kind: ExprKind::Call(BuiltinId::Now, Vec::new()), ty: Type::Duration, span }
}
