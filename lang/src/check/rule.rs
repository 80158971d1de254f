//! Rules: their events, their condition, their name, and whether they can run at all.

use std::collections::HashMap;

use tcpc_stdlib::event::{EVENT_GROUPS, EVENTS, Event, event};
use tcpc_stdlib::header::{SEGMENTS, Segment};
use tcpc_stdlib::unit::Type;

use super::access::implies_full_socket;
use super::declare::duplicate;
use super::family::FamilyOf;
use super::send::sending_events;
use super::suggest::did_you_mean;
use super::{Checker, Place, Scope, fold, words};
use crate::ast::{self, Body, Item, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, HeaderId, Rule, RuleId, RuleKind, Send, Stmt, StmtKind};
use crate::source::Span;

/// What the head of a rule says.
#[derive(Default)]
struct Heading {
    /// The events that it stands for.
    events: Vec<&'static Event>,
    /// The option that it waits for.
    received: Option<HeaderId>,
    /// Whether it sends an option, and which.
    sends: bool,
    sent: Option<HeaderId>,
    /// The segments that it goes into.
    segments: Vec<&'static Segment>,
}

/// What a rule does.
enum Behaviour {
    /// Statements.
    Does(Vec<Stmt>),
    /// It sends an option with these values.
    Sends(HeaderId, Vec<Expr>),
}

/// A rule after which no other one of an event runs, by the event's number.
pub(super) type Ended = HashMap<u32, RuleId>;

impl<'a> Checker<'a> {
    /// Every rule, in order.
    pub(super) fn rules(&mut self, policy: &'a ast::Policy) {
        let mut ended = Ended::new();
        for item in &policy.items {
            match item {
                Item::Rule(rule) => self.in_file_of(rule.span, |checker| checker.rule(rule, &mut ended)),
                Item::Experiment(experiment) => {
                    self.in_file_of(experiment.span, |checker| checker.experiment(experiment, &mut ended));
                }
                _ => {}
            }
        }
        self.check_header_space();
    }

    pub(super) fn rule(&mut self, rule: &'a ast::Rule, ended: &mut Ended) {
        let id = RuleId(self.program.rules.len() as u32);
        let mut heading = self.heading(&rule.head);
        let events = heading.events.clone();
        let head = head_span(rule);
        let name = self.rule_name(rule, &events, id);
        self.warn_if_hidden(&name, head, &events, ended);

        let scope = Scope {
            events: events.clone(),
            full_socket: heading.sends && heading.segments.iter().all(|segment| !segment.from_request),
            receives: heading.received.is_some(),
            sends_from_full_socket: heading.sends
                && heading.segments.iter().any(|segment| !segment.from_request),
            rule: id,
            ..Scope::new(Place::Rule)
        };
        let mut sample = None;
        let mut arm = None;
        let (condition, body, ends) = self.within(scope, |checker| {
            arm = checker.in_this_arm(head);
            sample = rule.sample.as_ref().and_then(|share| checker.share(share));
            let condition = rule.condition.as_ref().and_then(|condition| checker.test(condition));
            checker.scope.full_socket |= condition.as_ref().is_some_and(implies_full_socket);
            let sets = &checker.program.sets;
            checker.scope.family = condition.as_ref().and_then(|test| FamilyOf::condition(test, sets).holds);
            checker.enter(condition.as_ref(), true);
            // An event asks for its kernel, unless the condition asks whether it comes.
            for event in &events {
                checker.require(event.name, event.since, head);
            }
            let (body, ends) = checker.body(&rule.body, &heading);
            (condition, body, ends)
        });
        let always =
            rule.condition.is_none() || condition.as_ref().and_then(fold::constant_bool) == Some(true);
        if always && sample.is_none() && arm.is_none() && ends && heading.received.is_none() {
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
        let condition = match (arm, condition) {
            (Some(arm), Some(condition)) => Some(fold::junction(true, vec![arm, condition], head)),
            (arm, condition) => arm.or(condition),
        };
        let (kind, condition, body) = match (&heading.received, body) {
            (Some(option), Behaviour::Does(body)) => {
                let received = Expr { kind: ExprKind::Received(*option), ty: Type::Bool, span: head };
                let parts = std::iter::once(received).chain(condition).collect();
                (RuleKind::Receive(*option), Some(fold::junction(true, parts, head)), body)
            }
            (_, Behaviour::Sends(header, values)) => {
                if let Some(condition) = &condition {
                    self.require_steady(condition);
                }
                let whole = self.send_condition(header, &mut heading.segments, condition.as_ref(), head);
                let send = Send { rule: id, header, segments: heading.segments, values, span: rule.span };
                let send = self.add_send(send, condition, head);
                let body = vec![Stmt { kind: StmtKind::Send(send), span: rule.span }];
                (RuleKind::Send(send), whole, body)
            }
            (None, Behaviour::Does(body)) => (RuleKind::On, condition, body),
        };
        self.program.rules.push(Rule { name, kind, events, sample, condition, body, span: rule.span, head });
    }

    /// What the head of a rule says.
    fn heading(&mut self, head: &ast::Head) -> Heading {
        match head {
            ast::Head::On(names) => Heading { events: self.rule_events(names), ..Heading::default() },
            ast::Head::Receive(option, segments) => {
                let received = self.header_named(option);
                let named = self.segments(segments);
                let segments = if segments.is_empty() { SEGMENTS.iter().collect() } else { named };
                let mut events: Vec<&'static Event> =
                    segments.iter().filter_map(|segment: &&Segment| event(segment.received_in)).collect();
                events.sort_by_key(|event| event.number);
                events.dedup();
                Heading { events, received, ..Heading::default() }
            }
            ast::Head::Send(option, segments) => Heading {
                events: sending_events(),
                sent: self.sendable(option),
                segments: self.segments(segments),
                sends: true,
                ..Heading::default()
            },
        }
    }

    /// What a rule does, and whether it always ends the event.
    fn body(&mut self, body: &'a Body, heading: &Heading) -> (Behaviour, bool) {
        match body {
            Body::Block(statements) => {
                let (statements, ends) = self.block(statements);
                (Behaviour::Does(statements), ends)
            }
            Body::Reply(reply) => {
                let kind = self.reply(reply);
                let statements = kind.map(|kind| Stmt { kind, span: reply.span }).into_iter().collect();
                (Behaviour::Does(statements), true)
            }
            Body::Fields(fields) => {
                let values =
                    heading.sent.and_then(|header| Some((header, self.sent_fields(header, fields)?)));
                (
                    values.map_or(Behaviour::Does(Vec::new()), |(header, values)| {
                        Behaviour::Sends(header, values)
                    }),
                    false,
                )
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
                        format!("no policy can have rules for `{}`", name.text),
                        name.span,
                        "never raised for a policy",
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
                let name = self.public_name(&label.text, label.span);
                if let Some(earlier) = self.labels.get(&name) {
                    let earlier = self.program.rules.get(earlier.index()).map(|rule| rule.head);
                    self.report(duplicate(&label.text, label.span, earlier.unwrap_or_default()));
                }
                name
            }
            None => {
                let what = match (&rule.head, events) {
                    (ast::Head::Receive(option, _), _) => format!("receive_{}", option.text),
                    (ast::Head::Send(option, _), _) => format!("send_{}", option.text),
                    (ast::Head::On(names), []) => joined(names.iter().map(|name| name.text.as_str())),
                    (ast::Head::On(_), events) => joined(events.iter().map(|event| event.name)),
                };
                let (line, column) = self.source.line_column(rule.span.start);
                let name = self.public_name(&format!("{what}@{line}"), rule.span);
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

/// The label, or `on` and the events.
fn head_span(rule: &ast::Rule) -> Span {
    let start = Span { start: rule.span.start, end: rule.span.start };
    rule.head.names().last().map_or(rule.span, |name| start.to(name.span))
}

fn joined<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(",")
}

/// What a statement that ends the event is made of.
pub fn ends_event(kind: &StmtKind) -> bool {
    matches!(kind, StmtKind::Stop | StmtKind::Reply(_))
}
