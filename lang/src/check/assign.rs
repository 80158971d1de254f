//! Assignments to socket options: what can be assigned, where, and which values.

use tcpc_stdlib::event::{Event, Sock};
use tcpc_stdlib::field::{FIELDS, Field, field};
use tcpc_stdlib::kernel::SAVE_SYN_LINK_SINCE;
use tcpc_stdlib::option::{Limit, OPTIONS, OptionValue, SockOption, Verdict, option};
use tcpc_stdlib::unit::Type;

use super::access::full_socket_test;
use super::suggest::did_you_mean;
use super::types::Wanted;
use super::{Checker, fold, words};
use crate::ast::{Expr as Ast, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{AssignId, Assignment, Expr, ExprKind, Value};
use crate::show::show;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `NAME = EXPR {or EXPR}`: one row for each alternative.
    pub(super) fn assign(&mut self, target: &'a Name, alternatives: &'a [Ast]) -> Option<Vec<AssignId>> {
        let option = self.assignable(target)?;
        let here = self.assignable_here(option, target.span);
        self.warn_if_of_other_family(option, target.span);
        if let Some(since) = option.set_since {
            self.require(option.name, since, target.span);
        }
        let mut ids = Vec::with_capacity(alternatives.len());
        let mut complete = here.is_some();
        for (index, alternative) in alternatives.iter().enumerate() {
            let Some(value) = self.option_value(option, alternative) else {
                complete = false;
                continue;
            };
            if option.name == "save_syn" && fold::constant_number(&value) == Some(2) {
                self.require("save_syn = 2", SAVE_SYN_LINK_SINCE, alternative.span);
            }
            ids.push(AssignId(self.program.assignments.len() as u32));
            self.program.assignments.push(Assignment {
                rule: self.scope.rule,
                option,
                value,
                has_fallback: index + 1 < alternatives.len(),
                span: alternative.span,
            });
        }
        complete.then_some(ids)
    }

    /// The option of this name, if a policy can assign it at all.
    fn assignable(&mut self, target: &Name) -> Option<&'static SockOption> {
        let text = target.text.as_str();
        let Some(option) = option(text) else { return self.not_an_option(target) };
        let why = match (option.reserved, option.set_since) {
            (Some(why), _) => why,
            (None, None) => "programs can only read it",
            _ => return Some(option),
        };
        self.fail(Diagnostic::new(
            Code::OptionReserved,
            format!("`{text}` cannot be assigned: {why}"),
            target.span,
            "not assignable",
        ))
    }

    fn not_an_option(&mut self, target: &Name) -> Option<&'static SockOption> {
        let (text, span) = (target.text.as_str(), target.span);
        let not_assignable = |what: &str| {
            let message = format!("`{text}` is {what} and cannot be assigned");
            Diagnostic::new(Code::NotAssignable, message, span, "not assignable")
        };
        let declared = self.scope.locals.iter().find(|local| local.name == text).map(|local| local.span);
        let declared = declared.or_else(|| self.globals.get(text).map(|global| global.name.span));
        if let Some(declared) = declared {
            return self.fail(
                not_assignable("a name of this policy")
                    .label(declared, "declared here")
                    .help("only socket options are assigned; a name keeps its value"),
            );
        }
        if field(text).is_some() {
            let mut diagnostic = not_assignable("a field that can only be read");
            if text == "snd_cwnd" {
                diagnostic = diagnostic.help(
                    "`init_cwnd` sets the initial congestion window, `cwnd_clamp` its ceiling, \
                     both when the connection is established",
                );
            } else if text == "snd_ssthresh" {
                diagnostic = diagnostic.help("`cwnd_clamp` sets the threshold along with the ceiling");
            }
            return self.fail(diagnostic);
        }
        let options = OPTIONS.iter().filter(|option| option.reserved.is_none()).map(|option| option.name);
        let (written, read): (Vec<&Field>, Vec<&Field>) =
            FIELDS.iter().filter(|field| !field.name.is_empty()).partition(|field| field.writable);
        if text == "reply" {
            return self.fail(not_assignable("the answer to the kernel").help("write `-> ANSWER`"));
        }
        let diagnostic = Diagnostic::new(
            Code::UnknownOption,
            format!("unknown socket option `{text}`"),
            span,
            "no such option",
        );
        let mut diagnostic =
            did_you_mean(diagnostic, text, span, options.chain(written.iter().map(|field| field.name)));
        if diagnostic.suggestion.is_none()
            && let Some(field) = super::suggest::closest(text, read.iter().map(|field| field.name))
        {
            diagnostic = diagnostic.help(format!("`{field}` is a field, which can only be read"));
        }
        self.fail(diagnostic)
    }

    /// Whether every event of the rule takes an assignment of the option.
    fn assignable_here(&mut self, option: &'static SockOption, span: Span) -> Option<()> {
        let mut possible = true;
        let mut limited: Vec<(&'static Limit, Vec<&'static str>)> = Vec::new();
        for event in self.scope.events.clone() {
            let limit = option.limit(event.name);
            // What loses a part of its effect on a socket loses all of it without one.
            let partial = limit.is_none_or(|limit| limit.verdict == Verdict::Partial);
            if let Some(refusal) = self.refusal(option.name, event, span).filter(|_| partial) {
                possible = false;
                self.report(refusal);
            } else if let Some(limit) = limit {
                match limited.iter_mut().find(|(other, _)| *other == limit) {
                    Some((_, events)) => events.push(event.name),
                    None => limited.push((limit, vec![event.name])),
                }
            }
        }
        for (limit, events) in limited {
            let mut problem = limitation(option, limit, &events, span);
            if self.scope.receives && events == ["parse_hdr_opt"] {
                problem.help = vec!["leave later segments out: `receive OPTION on syn, synack`".to_string()];
            }
            possible &= !problem.is_error();
            self.report(problem);
        }
        possible.then_some(())
    }

    /// Why the socket of an event takes no assignments, if it does not.
    pub(super) fn refusal(&self, name: &str, event: &Event, span: Span) -> Option<Diagnostic> {
        let at = event.name;
        match event.sock {
            Sock::Full => None,
            Sock::FullOrRequest if self.scope.full_socket => None,
            Sock::FullOrRequest => Some(
                Diagnostic::new(
                    Code::NoSocketHere,
                    format!("`{name}` cannot be assigned on the server in `{at}`: there is only a request"),
                    span,
                    "the server has no socket yet",
                )
                .help(format!(
                    "add `{}` to the condition, or assign it in `tcp_connect` or `established`",
                    full_socket_test(event)
                )),
            ),
            Sock::Unlocked | Sock::None => Some(
                Diagnostic::new(
                    Code::NoSocketHere,
                    format!("`{name}` cannot be assigned in `{at}`: the socket is not locked"),
                    span,
                    "no socket that is locked",
                )
                .help("assign it in `established`, or in an event such as `rtt`"),
            ),
        }
    }

    /// A value of an option; a constant is within its range, and whole in the kernel's unit.
    pub(super) fn option_value(&mut self, option: &'static SockOption, expr: &'a Ast) -> Option<Expr> {
        if option.ty == Type::Name {
            self.reject_bare_name(expr)?;
        }
        let value = self.value(expr)?;
        let who = format!("`{}`", option.name);
        let value = self.coerce(value, &Wanted { ty: option.ty, unit: option.unit, who: &who })?;
        let number = match fold::constant(&value) {
            Some(Value::Number(number)) => *number,
            Some(Value::Name(name)) => {
                let problem = invalid_name(option, name, value.span);
                return match problem {
                    Some(problem) => self.fail(problem),
                    None => Some(value),
                };
            }
            Some(Value::Ip(_)) => return Some(value),
            None if option.value == OptionValue::Name => {
                return self.fail(
                    super::names::not_constant(value.span).help("write the name in quotes: `\"cubic\"`"),
                );
            }
            None => {
                self.warn_if_loose_for(option, &value);
                return Some(value);
            }
        };
        let number = self.in_range(option, number, value.span)?;
        Some(Expr { kind: ExprKind::Const(Value::Number(number)), ..value })
    }

    /// A constant as the kernel takes it: rounded up to its unit, within its range.
    fn in_range(&mut self, option: &SockOption, value: u64, span: Span) -> Option<u64> {
        let scale = option.unit.scale().unwrap_or(1);
        let raw = value.div_ceil(scale);
        let (min, max) = (option.min.max(0) as u64, option.max.max(0) as u64);
        let in_language = |raw: u64| words::bound(option.ty, raw.saturating_mul(scale));
        if !(min..=max).contains(&raw) {
            return self.fail(
                Diagnostic::new(
                    Code::ValueOutOfRange,
                    format!(
                        "`{}` takes {} to {}, not {}",
                        option.name,
                        in_language(min),
                        in_language(max),
                        show(option.ty, value)
                    ),
                    span,
                    if raw < min { "too small" } else { "too large" },
                )
                .note(format!(
                    "`{}` is {}: {}",
                    option.name,
                    option.kernel,
                    option.doc.trim_end_matches('.')
                )),
            );
        }
        let rounded = raw.saturating_mul(scale);
        if rounded != value {
            let rounded = show(option.ty, rounded);
            self.report(
                Diagnostic::new(
                    Code::RoundedValue,
                    format!(
                        "`{}` counts in {}: {} becomes {rounded}",
                        option.name,
                        words::unit(option.unit),
                        show(option.ty, value),
                    ),
                    span,
                    "rounded up",
                )
                .suggest(span, rounded),
            );
        }
        Some(rounded)
    }
}

/// What an assignment loses in these events.
fn limitation(option: &SockOption, limit: &Limit, events: &[&str], span: Span) -> Diagnostic {
    let (name, at, why) = (option.name, words::list(events.iter().copied(), "and"), limit.why);
    let (code, message, label) = match limit.verdict {
        Verdict::Ignored => {
            (Code::NoEffectHere, format!("`{name}` has no effect in {at}: {why}"), "without effect here")
        }
        Verdict::Forbidden => {
            (Code::NoEffectHere, format!("`{name}` cannot be assigned in {at}: {why}"), "not here")
        }
        Verdict::Partial => (
            Code::PartialEffect,
            format!("`{name}` has only a part of its effect in {at}: {why}"),
            "too late for a part of it",
        ),
    };
    let instead = words::list(limit.instead.iter().copied(), "or");
    Diagnostic::new(code, message, span, label).help(format!("assign it in {instead}"))
}

/// What is wrong with a name, if anything.
fn invalid_name(option: &SockOption, name: &str, span: Span) -> Option<Diagnostic> {
    let (min, max) = (option.min.max(0) as usize, option.max.max(0) as usize);
    let problem = if name.len() < min {
        "it is empty".to_string()
    } else if name.len() > max {
        format!("it has {} bytes, and {max} is the most", name.len())
    } else if let Some(wrong) = name.chars().find(|c| !c.is_ascii_graphic()) {
        format!("it has {wrong:?} in it")
    } else {
        return None;
    };
    let diagnostic = Diagnostic::new(
        Code::InvalidName,
        format!("this cannot be the name for `{}`: {problem}", option.name),
        span,
        "no such name",
    );
    Some(diagnostic)
}
