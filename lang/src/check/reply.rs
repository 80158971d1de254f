//! Replies: who asks, for what, and which answers the kernel understands.

use tcpc_stdlib::event::{EVENTS, Event, Reply};
use tcpc_stdlib::kernel::{HZ_CHOICES, TIMEOUT_INIT_MAX_SECONDS};
use tcpc_stdlib::unit::{NANOS_PER_SECOND, Type, Unit, jiffies_to_nanos};

use super::types::Wanted;
use super::{Checker, fold, words};
use crate::ast;
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, ReplyValue, StmtKind, Value};
use crate::show::show;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `-> EXPR`, `-> default`.
    pub(super) fn reply(&mut self, reply: &'a ast::Reply) -> Option<StmtKind> {
        let asked = self.asked(reply.span);
        let Some(value) = &reply.value else { return asked.map(|_| StmtKind::Stop) };
        let value = self.value(value);
        self.flush_server_reads();
        let (value, asked) = (value?, asked?);
        let Some((event, question)) = asked else { return Some(StmtKind::Stop) };
        if value.ty == Type::Int && question.ty == Type::Duration {
            return self.raw_reply(event, question, value);
        }
        let who = format!("`{}`", event.name);
        let value = self.coerce(value, &Wanted { ty: question.ty, unit: question.unit, who: &who })?;
        let value = match fold::constant_number(&value) {
            Some(number) => self.constant_reply(event, question, number, value)?,
            None => {
                self.warn_if_loose_reply(event, question, &value);
                value
            }
        };
        Some(StmtKind::Reply(ReplyValue::Typed(value)))
    }

    /// The question that every event of the rule asks; `Some(None)` if the rule has no valid event.
    fn asked(&mut self, span: Span) -> Option<Option<(&'static Event, Reply)>> {
        let events = self.scope.events.clone();
        let mut first: Option<(&'static Event, Reply)> = None;
        for event in events {
            let Some(question) = event.reply else { return self.fail(asks_nothing(event, span)) };
            match first {
                Some((other, earlier)) if earlier.ty != question.ty => {
                    return self.fail(
                        Diagnostic::new(
                            Code::TypeMismatch,
                            format!(
                                "`{}` asks for {}, and `{}` for {}",
                                other.name,
                                words::a(earlier.ty),
                                event.name,
                                words::a(question.ty)
                            ),
                            span,
                            "one answer for both",
                        )
                        .help("write a rule for each"),
                    );
                }
                Some(_) => {}
                None => first = Some((event, question)),
            }
        }
        Some(first)
    }

    /// A bare number where a duration is asked for: the kernel's own unit.
    fn raw_reply(&mut self, event: &'static Event, question: Reply, value: Expr) -> Option<StmtKind> {
        let span = value.span;
        let text = self.source.slice(span).to_string();
        let number = fold::constant_number(&value);
        if number == Some(0) {
            return self.fail(zero_reply(event, span));
        }
        if let Some(number) = number
            && number > question.max
        {
            return self.fail(too_large(event, &format!("{number} {}", words::unit(question.unit)), span));
        }
        let unit = words::unit(question.unit);
        let mut warning = Diagnostic::new(
            Code::RawReply,
            format!("a reply without a unit is in the kernel's unit: {unit}"),
            span,
            format!("{text} {unit}"),
        );
        warning = match (question.unit, number) {
            (Unit::Jiffies, Some(number)) => {
                let lasts = HZ_CHOICES
                    .iter()
                    .filter(|hz| **hz != 300)
                    .map(|&hz| format!("{} at HZ={hz}", show(Type::Duration, jiffies_to_nanos(number, hz))));
                let lasts: Vec<String> = lasts.collect();
                let plural = if number == 1 { "jiffy is" } else { "jiffies are" };
                warning
                    .note(format!("{number} {plural} {}", lasts.join(", ")))
                    .help(format!("write `{number}ms` for the same time on every kernel"))
            }
            (Unit::Jiffies, None) => {
                warning.note("how long a jiffy is depends on the kernel's HZ: 1ms to 10ms")
            }
            (_, Some(number)) => {
                warning.help(format!("write `{}`", words::literal(question.ty, question.unit, number)?))
            }
            (_, None) => warning,
        };
        if let Some(number) = number
            && text.starts_with(|first: char| first.is_ascii_digit())
        {
            let unit = if question.unit == Unit::Jiffies { Unit::Milliseconds } else { question.unit };
            warning = warning.suggest(span, words::literal(question.ty, unit, number)?);
        }
        self.report(warning);
        Some(StmtKind::Reply(ReplyValue::Raw(value)))
    }

    /// A constant reply with its unit: not zero, not more than the kernel understands.
    fn constant_reply(
        &mut self,
        event: &'static Event,
        question: Reply,
        number: u64,
        value: Expr,
    ) -> Option<Expr> {
        let span = value.span;
        if question.ty == Type::Bool {
            if number == 0 {
                self.report(
                    Diagnostic::new(
                        Code::DefaultReply,
                        format!(
                            "`false` leaves `{}` to the kernel, which decides as without a policy",
                            event.name
                        ),
                        span,
                        "the same as no answer",
                    )
                    .help("write `-> default`, which also lets other policies answer")
                    .suggest(span, "default"),
                );
            }
            return Some(value);
        }
        if number == 0 {
            return self.fail(zero_reply(event, span));
        }
        let most = match question.unit.scale() {
            Some(scale) => question.max.saturating_mul(scale),
            // The fastest clock is the first to count too far.
            None => jiffies_to_nanos(question.max, HZ_CHOICES.iter().copied().max().unwrap_or(1)),
        };
        if number > most {
            return self.fail(
                too_large(event, &show(question.ty, number), span)
                    .help(format!("at most {}", words::bound(question.ty, most))),
            );
        }
        let ceiling = TIMEOUT_INIT_MAX_SECONDS * NANOS_PER_SECOND;
        if question.unit == Unit::Jiffies && number > ceiling {
            self.report(
                Diagnostic::new(
                    Code::CappedReply,
                    format!("the kernel cuts `{}` to {}", event.name, show(Type::Duration, ceiling)),
                    span,
                    "above the ceiling",
                )
                .note("before Linux 5.18 there is no ceiling"),
            );
        }
        let scale = question.unit.scale().unwrap_or(1);
        let rounded = number.div_ceil(scale).saturating_mul(scale);
        if rounded != number {
            let (unit, shown) = (words::unit(question.unit), show(question.ty, rounded));
            let message =
                format!("`{}` counts in {unit}: {} becomes {shown}", event.name, show(question.ty, number));
            self.report(
                Diagnostic::new(Code::RoundedValue, message, span, "rounded up").suggest(span, shown),
            );
        }
        Some(Expr { kind: ExprKind::Const(Value::Number(rounded)), ..value })
    }

    /// `reply` in a test, after the event that asked.
    pub(super) fn last_reply(&mut self, answer: Option<&'static Event>, span: Span) -> Option<Expr> {
        let problem = match answer {
            Some(event) => match event.reply {
                Some(question) => {
                    return Some(Expr { kind: ExprKind::Reply(event), ty: question.ty, span });
                }
                None => format!("`{}` asks for no reply", event.name),
            },
            None => "no event was fired on this connection before".to_string(),
        };
        self.fail(
            Diagnostic::new(Code::NoReplyYet, format!("there is no reply here: {problem}"), span, "no reply")
                .help(format!("fire one of {} first", askers())),
        )
    }
}

fn asks_nothing(event: &Event, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NoReplyHere,
        format!("`{}` asks for no reply", event.name),
        span,
        "nobody reads this answer",
    )
    .help(format!("the events that ask are {}", askers()))
    .help("to end the event here, write `stop`")
}

fn zero_reply(event: &Event, span: Span) -> Diagnostic {
    let default = event.reply.map_or("", |question| question.default);
    Diagnostic::new(
        Code::ZeroReply,
        format!("a reply of zero to `{}` does not mean zero: it asks for the default", event.name),
        span,
        "zero means the default",
    )
    .note(format!("the default is: {default}"))
    .help("write `-> default` to leave it to the kernel")
    .suggest(span, "default")
}

fn too_large(event: &Event, shown: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::ReplyOutOfRange,
        format!("the kernel cannot take {shown} as the reply to `{}`", event.name),
        span,
        "too large",
    )
}

fn askers() -> String {
    let asks = EVENTS.iter().filter(|event| event.supported && event.reply.is_some());
    words::list(asks.map(|event| event.name), "and")
}
