//! Rules: their events, their condition, their name, and whether they can run at all.

use std::collections::HashMap;

use tcpc_stdlib::event::{EVENT_GROUPS, EVENTS, Event, event};
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::unit::Type;

use super::access::implies_full_socket;
use super::declare::duplicate;
use super::family::FamilyOf;
use super::suggest::did_you_mean;
use super::{Checker, Place, Scope, fold, words};
use crate::ast::{self, Body, Item, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Rule, RuleId, RuleKind, Stmt, StmtKind};
use crate::source::Span;

/// A rule after which no other one of an event runs, by the event's number.
type Ended = HashMap<u32, RuleId>;

impl<'a> Checker<'a> {
    /// Every rule, in order.
    pub(super) fn rules(&mut self, policy: &'a ast::Policy) {
        let mut ended = Ended::new();
        for item in &policy.items {
            if let Item::Rule(rule) = item {
                self.rule(rule, &mut ended);
            }
        }
    }

    fn rule(&mut self, rule: &'a ast::Rule, ended: &mut Ended) {
        let id = RuleId(self.program.rules.len() as u32);
        let events = self.rule_events(&rule.events);
        let head = head_span(rule);
        let name = self.rule_name(rule, &events, id);
        self.warn_if_hidden(&name, head, &events, ended);

        let scope = Scope {
            place: Place::Rule,
            events: events.clone(),
            full_socket: false,
            family: None,
            kernel: raised_since(&events),
            rule: id,
            locals: Vec::new(),
        };
        let mut sample = None;
        let (condition, body, ends) = self.within(scope, |checker| {
            sample = rule.sample.as_ref().and_then(|share| checker.share(share));
            let condition = rule.condition.as_ref().and_then(|condition| checker.test(condition));
            checker.scope.full_socket = condition.as_ref().is_some_and(implies_full_socket);
            let sets = &checker.program.sets;
            checker.scope.family = condition.as_ref().and_then(|test| FamilyOf::condition(test, sets).holds);
            // An event asks for its kernel too, unless the condition does.
            let raised = std::mem::replace(&mut checker.scope.kernel, KernelVersion::FLOOR);
            checker.enter(condition.as_ref(), true);
            for event in &events {
                checker.require(event.name, event.since, head);
            }
            checker.scope.kernel = checker.scope.kernel.max(raised);
            let (body, ends) = checker.body(&rule.body);
            (condition, body, ends)
        });
        let always =
            rule.condition.is_none() || condition.as_ref().and_then(fold::constant_bool) == Some(true);
        if always && sample.is_none() && ends {
            for event in &events {
                ended.entry(event.number).or_insert(id);
            }
        }
        if let Body::Block(statements) = &rule.body
            && statements.is_empty()
        {
            self.report(
                Diagnostic::new(
                    Code::EmptyRule,
                    format!("the rule `{name}` does nothing"),
                    rule.span,
                    "empty",
                )
                .help("its hits are counted all the same; `count NAME` says so"),
            );
        }
        let condition = with_sample(sample, condition.filter(|_| !always), head);
        self.program.rules.push(Rule {
            name,
            kind: RuleKind::On,
            events,
            sample,
            condition,
            body,
            span: rule.span,
            head,
        });
    }

    fn body(&mut self, body: &'a Body) -> (Vec<Stmt>, bool) {
        match body {
            Body::Block(statements) => self.block(statements),
            Body::Reply(reply) => {
                let kind = self.reply(reply);
                (kind.map(|kind| Stmt { kind, span: reply.span }).into_iter().collect(), true)
            }
        }
    }

    /// A condition that decides about statements; warns if it is no question.
    pub(super) fn test(&mut self, condition: &'a ast::Expr) -> Option<Expr> {
        let checked = self.condition(condition);
        self.flush_server_reads();
        let checked = checked?;
        if let Some(value) = fold::constant_bool(&checked) {
            let (message, label) = match value {
                true => ("this condition always holds", "always true"),
                false => ("this condition never holds", "always false"),
            };
            self.report(Diagnostic::new(Code::ConstantTest, message, condition.span, label));
        }
        Some(checked)
    }

    /// The events of a rule's head, groups spelt out, each once.
    fn rule_events(&mut self, names: &[Name]) -> Vec<&'static Event> {
        let mut events: Vec<(&'static Event, Span)> = Vec::new();
        for name in names {
            for found in self.events_of(name) {
                match events.iter().find(|(event, _)| event.number == found.number) {
                    Some(&(_, earlier)) => self.report(
                        Diagnostic::new(
                            Code::RepeatedEvent,
                            format!("`{}` is named twice in this rule", found.name),
                            name.span,
                            "again here",
                        )
                        .label(earlier, "first here"),
                    ),
                    None => events.push((found, name.span)),
                }
            }
        }
        events.into_iter().map(|(event, _)| event).collect()
    }

    /// The events that a name stands for; none if it is wrong.
    pub(super) fn events_of(&mut self, name: &Name) -> Vec<&'static Event> {
        if let Some(group) = EVENT_GROUPS.iter().find(|group| group.name == name.text) {
            return group.events.iter().filter_map(|name| event(name)).collect();
        }
        match event(&name.text) {
            Some(found) if found.supported => vec![found],
            Some(_) => {
                let good = EVENTS.iter().filter(|event| event.supported).map(|event| event.name);
                self.report(
                    Diagnostic::new(
                        Code::UnsupportedEvent,
                        format!("the event `{}` is not in this version yet", name.text),
                        name.span,
                        "not supported yet",
                    )
                    .help(format!("supported are {}", words::list(good, "and"))),
                );
                Vec::new()
            }
            None => {
                self.unknown_event(name);
                Vec::new()
            }
        }
    }

    fn unknown_event(&mut self, name: &Name) {
        let groups = EVENT_GROUPS.iter().map(|group| group.name);
        let candidates =
            EVENTS.iter().filter(|event| event.number != 0).map(|event| event.name).chain(groups);
        let mut diagnostic = Diagnostic::new(
            Code::UnknownEvent,
            format!("unknown event `{}`", name.text),
            name.span,
            "no such event",
        );
        diagnostic = did_you_mean(diagnostic, &name.text, name.span, candidates);
        if diagnostic.help.is_empty() {
            let good = EVENTS.iter().filter(|event| event.supported).map(|event| event.name);
            diagnostic = diagnostic.help(format!("the events are {}", words::list(good, "and")));
        }
        self.report(diagnostic);
    }

    /// The label, or events and line; a second rule in one line also says its column.
    fn rule_name(&mut self, rule: &ast::Rule, events: &[&'static Event], id: RuleId) -> String {
        let name = match &rule.label {
            Some(label) => {
                if let Some(earlier) = self.labels.get(&label.text) {
                    let earlier = self.program.rules.get(earlier.index()).map(|rule| rule.head);
                    self.report(duplicate(&label.text, label.span, earlier.unwrap_or_default()));
                }
                label.text.clone()
            }
            None => {
                let names: Vec<&str> = match events {
                    [] => rule.events.iter().map(|name| name.text.as_str()).collect(),
                    events => events.iter().map(|event| event.name).collect(),
                };
                let (line, column) = self.source.line_column(rule.span.start);
                let name = format!("{}@{line}", names.join(","));
                if self.labels.contains_key(&name) { format!("{name}:{column}") } else { name }
            }
        };
        self.labels.entry(name.clone()).or_insert(id);
        name
    }

    /// Warns about a rule whose events an earlier rule always ends.
    fn warn_if_hidden(&mut self, name: &str, head: Span, events: &[&'static Event], ended: &Ended) {
        let hidden: Option<Vec<RuleId>> =
            events.iter().map(|event| ended.get(&event.number).copied()).collect();
        let Some(first) = hidden.and_then(|rules| rules.first().copied()) else { return };
        let mut warning = Diagnostic::new(
            Code::UnreachableRule,
            format!("the rule `{name}` can never run"),
            head,
            "never reached",
        );
        if let Some(earlier) = self.program.rules.get(first.index()) {
            warning = warning
                .label(earlier.head, "this rule always ends the event")
                .help("give the earlier rule a condition, or move this one before it");
        }
        self.report(warning);
    }
}

/// A rule with `sample` is tested as one with the draw in front of its condition.
fn with_sample(share: Option<u64>, condition: Option<Expr>, head: Span) -> Option<Expr> {
    let Some(share) = share else { return condition };
    let drawn = Expr { kind: ExprKind::Sampled(share), ty: Type::Bool, span: head };
    Some(match condition {
        None => drawn,
        Some(condition) => {
            let span = condition.span;
            Expr { kind: ExprKind::And(Box::new(drawn), Box::new(condition)), ty: Type::Bool, span }
        }
    })
}

/// The oldest kernel on which a rule with these events can run.
fn raised_since(events: &[&Event]) -> KernelVersion {
    let first = events.iter().map(|event| event.since).min();
    first.unwrap_or(KernelVersion::FLOOR).max(KernelVersion::FLOOR)
}

/// The label, or `on` and the events.
fn head_span(rule: &ast::Rule) -> Span {
    let start = Span { start: rule.span.start, end: rule.span.start };
    rule.events.last().map_or(rule.span, |event| start.to(event.span))
}

/// What a statement that ends the event is made of.
pub fn ends_event(kind: &StmtKind) -> bool {
    matches!(kind, StmtKind::Stop | StmtKind::Reply(_))
}
