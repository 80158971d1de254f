//! `test` blocks: their steps, and what their expectations can ask for.

use std::collections::HashMap;

use tcpc_stdlib::event::{Arg, EVENT_GROUPS, Event, EventRole};
use tcpc_stdlib::unit::{Type, Unit, jiffies};

use super::declare::duplicate;
use super::send::sending_events;
use super::suggest::did_you_mean_or;
use super::types::Wanted;
use super::{Checker, Place, Scope, words};
use crate::ast::{self, Expr as Ast, Item, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Role, Step, Test, Value};
use crate::source::Span;

/// What is known of a connection of a test.
#[derive(Default)]
pub struct Connection {
    /// The last event fired on it.
    pub last: Option<&'static Event>,
    /// Whether the last step on it sent a segment.
    pub transmitted: bool,
    /// The family of its addresses, and the place of the first.
    pub family: Option<(u32, Span)>,
    /// Whether `family` was given by itself.
    pub family_given: bool,
    /// Which end it is seen from.
    pub role: Option<(Role, Span)>,
}

/// A test on its way.
pub struct Case {
    /// Its connections by name; the first has none.
    pub connections: HashMap<String, Connection>,
    /// The connection that the next step is about.
    pub current: String,
    /// Ticks per second of the mock kernel.
    pub hz: u32,
    expects: bool,
}

impl Case {
    /// The connection that the next step is about.
    pub fn connection(&mut self) -> &mut Connection {
        self.connections.entry(self.current.clone()).or_default()
    }
}

/// Ticks per second of the mock kernel, unless a test says otherwise.
const HZ_DEFAULT: u32 = 1000;

impl<'a> Checker<'a> {
    /// Every test, in order.
    pub(super) fn tests(&mut self, policy: &'a ast::Policy) {
        let mut names: HashMap<&str, Span> = HashMap::new();
        for item in &policy.items {
            let Item::Test(test) = item else { continue };
            if let Some(earlier) = names.insert(&test.name, test.name_span) {
                self.report(duplicate(&test.name, test.name_span, earlier));
            }
            self.scope = Scope::new(Place::Test(None));
            let mut case =
                Case { connections: HashMap::new(), current: String::new(), hz: HZ_DEFAULT, expects: false };
            let steps = self.steps(&test.steps, &mut case);
            if !case.expects {
                self.report(
                    Diagnostic::new(
                        Code::NothingExpected,
                        format!("the test \"{}\" expects nothing", test.name),
                        test.name_span,
                        "cannot fail",
                    )
                    .help("say what must hold: `fire timeout_init expect reply == 10ms`"),
                );
            }
            self.program.tests.push(Test { name: test.name.clone(), steps, span: test.name_span });
        }
    }

    fn steps(&mut self, steps: &'a [ast::Step], case: &mut Case) -> Vec<Step> {
        let mut checked = Vec::new();
        for step in steps {
            match step {
                ast::Step::Given(settings) => {
                    self.scope.place = Place::Constant;
                    for setting in settings {
                        self.given(setting, case, &mut checked);
                    }
                }
                ast::Step::Fire { event, args, expect, span } => {
                    checked.extend(self.fire(event, args, *span, case));
                    if let Some(expect) = expect {
                        checked.extend(self.expect(expect, case));
                    }
                }
                ast::Step::Transmit { segment, expect, span } => {
                    checked.extend(self.transmit(segment, *span, case));
                    if let Some(expect) = expect {
                        checked.extend(self.expect(expect, case));
                    }
                }
                ast::Step::Advance(time) => {
                    self.scope.place = Place::Constant;
                    let wanted = Wanted { ty: Type::Duration, unit: Unit::Milliseconds, who: "`advance`" };
                    if let Some(Value::Number(nanos)) = self.constant(time, &wanted) {
                        checked.push(Step::Advance(nanos));
                    }
                }
                ast::Step::Expect(expect) => checked.extend(self.expect(expect, case)),
                ast::Step::Connection { name, steps, .. } => {
                    let outer = std::mem::replace(&mut case.current, name.text.clone());
                    let steps = self.steps(steps, case);
                    case.current = outer;
                    checked.push(Step::Connection { name: name.text.clone(), steps });
                }
                ast::Step::Error(_) => {}
            }
        }
        checked
    }

    fn expect(&mut self, expect: &'a Ast, case: &mut Case) -> Option<Step> {
        case.expects = true;
        self.scope.place = Place::Test(case.connection().last);
        self.scope.transmitted = case.connection().transmitted;
        let expectation = self.test(expect)?;
        Some(Step::Expect(expectation))
    }

    fn fire(&mut self, name: &'a Name, args: &'a [(Name, Ast)], span: Span, case: &mut Case) -> Option<Step> {
        if let Some(group) = EVENT_GROUPS.iter().find(|group| group.name == name.text) {
            let events = words::list(group.events.iter().copied(), "or");
            return self.fail(
                Diagnostic::new(
                    Code::WrongUseOfName,
                    format!("`{}` stands for several events, and one is fired at a time", name.text),
                    name.span,
                    "which one",
                )
                .help(format!("fire {events}")),
            );
        }
        let event = self.events_of(name).first().copied()?;
        case.connection().last = Some(event);
        case.connection().transmitted = false;
        let impossible = match (event.role, case.connection().role) {
            (EventRole::Client, Some((Role::Server, given))) => Some(("client", given)),
            (EventRole::Server, Some((Role::Client, given))) => Some(("server", given)),
            _ => None,
        };
        if let Some((end, given)) = impossible {
            return self.fail(
                Diagnostic::new(
                    Code::ImpossibleSocket,
                    format!("`{}` only happens on the {end}", name.text),
                    name.span,
                    format!("only on the {end}"),
                )
                .label(given, "this is the other end")
                .help(format!("use `connection NAME {{ … }}` for the {end}'s end")),
            );
        }
        let mut words = [0; 4];
        self.scope.place = Place::Constant;
        for (arg, value) in args {
            let (index, raw) = self.argument_word(event, arg, value, case.hz)?;
            *words.get_mut(index)? = raw;
        }
        Some(Step::Fire { event, args: words, span })
    }

    /// `transmit SEGMENT`.
    fn transmit(&mut self, name: &'a Name, span: Span, case: &mut Case) -> Option<Step> {
        let segment = self.segments(std::slice::from_ref(name)).first().copied()?;
        case.connection().last = sending_events().pop();
        case.connection().transmitted = true;
        Some(Step::Transmit { segment, span })
    }

    /// An argument of a fired event: its index, and its value as the kernel would pass it.
    fn argument_word(
        &mut self,
        event: &'static Event,
        name: &Name,
        value: &'a Ast,
        hz: u32,
    ) -> Option<(usize, u32)> {
        let found = event.args.iter().enumerate().find(|(_, arg)| arg.name == name.text);
        let Some((index, arg)) = found else {
            let mut diagnostic = Diagnostic::new(
                Code::UnknownArgument,
                format!("`{}` has no argument `{}`", event.name, name.text),
                name.span,
                "no such argument",
            );
            diagnostic = match event.args {
                [] => diagnostic.help(format!("`{}` has no arguments at all", event.name)),
                args => {
                    let known = args.iter().map(|arg| arg.name);
                    did_you_mean_or(diagnostic, &name.text, name.span, known.clone(), || {
                        format!("it has {}", words::list(known, "and"))
                    })
                }
            };
            return self.fail(diagnostic);
        };
        let who = format!("`{}`", arg.name);
        let wanted = Wanted { ty: arg.ty, unit: arg.unit, who: &who };
        let Value::Number(number) = self.constant(value, &wanted)? else { return None };
        match u32::try_from(raw(arg, number, hz)) {
            Ok(raw) => Some((index, raw)),
            Err(_) => self.fail(Diagnostic::new(
                Code::ValueOutOfRange,
                format!("`{}` has 32 bits in the kernel", arg.name),
                value.span,
                "too large",
            )),
        }
    }

    /// `counter NAME`.
    pub(super) fn counter_value(&mut self, name: &Name, span: Span) -> Option<Expr> {
        self.only_in_tests("a counter", span)?;
        let Some(&id) = self.counters.get(name.text.as_str()) else {
            let known: Vec<String> = self.counters.keys().cloned().collect();
            let known = known.iter().map(String::as_str).collect();
            return self.unknown_subject("counter", "a rule makes one with `count NAME`", name, known);
        };
        if self.program.counters[id.index()].key.is_some() {
            return self.fail(Diagnostic::new(
                Code::UnknownSubject,
                format!("the counter `{}` has a value for each key, and a test reads only one", name.text),
                span,
                "kept by a key",
            ));
        }
        Some(Expr { kind: ExprKind::Counter(id), ty: Type::Int, span })
    }

    /// `rule NAME`.
    pub(super) fn rule_hits(&mut self, name: &Name, span: Span) -> Option<Expr> {
        self.only_in_tests("whether a rule ran", span)?;
        if let Some(&id) = self.labels.get(&name.text) {
            return Some(Expr { kind: ExprKind::RuleHits(id), ty: Type::Int, span });
        }
        let mut known: Vec<String> = self.labels.keys().cloned().collect();
        known.sort();
        let known = known.iter().map(String::as_str).collect();
        self.unknown_subject(
            "rule",
            "a rule has the name before its `on`, or its event and line",
            name,
            known,
        )
    }

    pub(super) fn unknown_subject(
        &mut self,
        what: &str,
        help: &str,
        name: &Name,
        mut known: Vec<&str>,
    ) -> Option<Expr> {
        known.sort_unstable();
        let diagnostic = Diagnostic::new(
            Code::UnknownSubject,
            format!("there is no {what} `{}`", name.text),
            name.span,
            format!("no such {what}"),
        );
        self.fail(did_you_mean_or(diagnostic, &name.text, name.span, known, || help.into()))
    }
}

/// A value as the kernel would pass it.
fn raw(arg: &Arg, number: u64, hz: u32) -> u64 {
    match arg.unit {
        Unit::Jiffies => jiffies(number, hz),
        unit => number / unit.scale().unwrap_or(1),
    }
}
