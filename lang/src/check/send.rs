//! `send`: which header options go into which segments.

use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::{Event, event};
use tcpc_stdlib::header::{SEGMENTS, Segment, segment};
use tcpc_stdlib::unit::{Type, Unit};

use super::header::owner;
use super::suggest::did_you_mean_or;
use super::types::Wanted;
use super::{Checker, declare::duplicate, fold, words};
use crate::ast::{Expr as Ast, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, HeaderId, HeaderOption, Send, SendId, Value};
use crate::source::Span;

/// A rule that sends an option, for those after it.
pub(super) struct Sent {
    pub header: HeaderId,
    pub segments: Vec<&'static Segment>,
    /// When it does, segments aside; always if `None`.
    pub condition: Option<Expr>,
    pub head: Span,
}

/// The events that a rule with `send` stands for.
pub(super) fn sending_events() -> Vec<&'static Event> {
    ["hdr_opt_len", "write_hdr_opt"].into_iter().filter_map(event).collect()
}

impl<'a> Checker<'a> {
    /// The option of a `send`, if a policy may send it.
    pub(super) fn sendable(&mut self, name: &Name) -> Option<HeaderId> {
        let id = self.header_named(name)?;
        let header = self.program.headers.get(id.index())?;
        let Some(owner) = owner(header) else { return Some(id) };
        let message =
            format!("`{}` cannot be sent: the kernel writes this option itself ({owner})", name.text);
        self.fail(
            Diagnostic::new(Code::HeaderKind, message, name.span, "the kernel's own")
                .label(header.span, "declared here")
                .help("it can be received; to send something of your own, use another kind"),
        )
    }

    /// The segments of a `send`, each once.
    pub(super) fn segments(&mut self, names: &[Name]) -> Vec<&'static Segment> {
        let mut segments: Vec<(&'static Segment, Span)> = Vec::new();
        for name in names {
            let Some(found) = segment(&name.text) else {
                let known = SEGMENTS.iter().map(|segment| segment.name);
                let diagnostic = Diagnostic::new(
                    Code::UnknownSegment,
                    format!("there is no segment `{}`", name.text),
                    name.span,
                    "no such segment",
                );
                self.report(did_you_mean_or(diagnostic, &name.text, name.span, known.clone(), || {
                    format!("segments are {}", words::list(known, "and"))
                }));
                continue;
            };
            match segments.iter().find(|(segment, _)| *segment == found) {
                Some(&(_, earlier)) => self.report(
                    Diagnostic::new(
                        Code::RepeatedEvent,
                        format!("`{}` is named twice in this rule", found.name),
                        name.span,
                        "again here",
                    )
                    .label(earlier, "first here"),
                ),
                None => segments.push((found, name.span)),
            }
        }
        segments.into_iter().map(|(segment, _)| segment).collect()
    }

    /// The values of the fields: what is not named is 0.
    pub(super) fn sent_fields(&mut self, header: HeaderId, given: &'a [(Name, Ast)]) -> Option<Vec<Expr>> {
        let fields = self.program.headers.get(header.index())?.fields.clone();
        let mut values: Vec<Option<(Expr, Span)>> = vec![None; fields.len()];
        let mut complete = true;
        for (name, value) in given {
            let index = self.header_field_named(header, name);
            let value = match index.and_then(|index| fields.get(usize::from(index))) {
                Some(field) => self.sent_value(&name.text, field.bits, value),
                None => self.value(value),
            };
            let (Some(index), Some(value)) = (index, value) else {
                complete = false;
                continue;
            };
            let Some(place) = values.get_mut(usize::from(index)) else { continue };
            if let Some((_, earlier)) = place {
                let earlier = *earlier;
                self.report(duplicate(&name.text, name.span, earlier));
            } else {
                *place = Some((value, name.span));
            }
        }
        self.flush_server_reads();
        let span = given.last().map_or(Span::default(), |(name, _)| name.span);
        let zero = || fold::number(0, Type::Int, span);
        complete
            .then(|| values.into_iter().map(|value| value.map_or_else(zero, |(value, _)| value)).collect())
    }

    /// A value of a field; a constant fits into its bits.
    fn sent_value(&mut self, name: &str, bits: u8, value: &'a Ast) -> Option<Expr> {
        let who = format!("`{name}`");
        let checked = self.value(value)?;
        let checked = self.coerce(checked, &Wanted { ty: Type::Int, unit: Unit::Plain, who: &who })?;
        let max = u64::MAX >> (64 - u32::from(bits));
        match fold::constant_number(&checked) {
            Some(number) if number > max => self.fail(Diagnostic::new(
                Code::ValueOutOfRange,
                format!("`{name}` is a `u{bits}`: 0 to {max}, not {number}"),
                value.span,
                "too large",
            )),
            _ => Some(checked),
        }
    }

    /// The values of a header option in a test.
    pub(super) fn given_fields(&mut self, header: HeaderId, given: &'a [(Name, Ast)]) -> Option<Vec<u64>> {
        let values = self.sent_fields(header, given)?;
        let mut numbers = Vec::with_capacity(values.len());
        for value in &values {
            match fold::constant(value) {
                Some(Value::Number(number)) => numbers.push(*number),
                _ => return self.fail(super::names::not_constant(value.span)),
            }
        }
        Some(numbers)
    }

    /// When an option goes into these segments: as the rule says, unless an earlier one sends it already. `None` for
    /// segments in which an earlier one always does.
    pub(super) fn send_condition(
        &mut self,
        header: HeaderId,
        segments: &mut Vec<&'static Segment>,
        condition: Option<&Expr>,
        head: Span,
    ) -> Option<Expr> {
        let mut first = None;
        let mut unless = Vec::new();
        for earlier in self.sends.iter().filter(|earlier| earlier.header == header) {
            let shared: Vec<&'static Segment> =
                segments.iter().copied().filter(|segment| earlier.segments.contains(segment)).collect();
            if shared.is_empty() {
                continue;
            }
            match &earlier.condition {
                None => {
                    segments.retain(|segment| !shared.contains(segment));
                    first.get_or_insert(earlier.head);
                }
                Some(condition) if shared.len() == segments.len() => unless.push(condition.clone()),
                Some(condition) => {
                    let segment = fold::test(ExprKind::IsSegment(shared), head);
                    unless.push(fold::junction(true, vec![segment, condition.clone()], head));
                }
            }
        }
        if segments.is_empty()
            && let Some(earlier) = first
        {
            self.report(
                Diagnostic::new(
                    Code::UnreachableRule,
                    "this option is always sent by an earlier rule",
                    head,
                    "never reached",
                )
                .label(earlier, "this rule sends it in the same segments")
                .help("give the earlier rule a condition, or move this one before it"),
            );
        }
        let is_segment = fold::test(ExprKind::IsSegment(segments.clone()), head);
        let mut parts = vec![is_segment];
        parts.extend(condition.cloned());
        parts.extend(unless.into_iter().map(|condition| fold::not(condition, head)));
        Some(fold::junction(true, parts, head))
    }

    /// A condition is asked twice, for the room and for the writing: it must answer the same.
    pub(super) fn require_steady(&mut self, condition: &Expr) {
        let mut unsteady = None;
        condition.any(&mut |expr| {
            match &expr.kind {
                ExprKind::Call(id @ (BuiltinId::Random | BuiltinId::Sample | BuiltinId::Now), _) => {
                    let row = tcpc_stdlib::builtin::BUILTINS.iter().find(|row| row.id == *id);
                    unsteady = Some((row.map_or("", |row| row.name), expr.span));
                }
                ExprKind::Cell(..) => unsteady = Some((self.source.slice(expr.span), expr.span)),
                _ => {}
            }
            unsteady.is_some()
        });
        let Some((name, span)) = unsteady else { return };
        self.report(
            Diagnostic::new(
                Code::UnsteadySend,
                format!("`{name}` cannot decide what is sent"),
                span,
                "can change between reserving room and writing",
            )
            .help("`sample 1%` before `when` draws once for each connection, `hash(remote_ip, remote_port)` always gives the same"),
        );
    }

    /// Keeps a rule that sends.
    pub(super) fn add_send(&mut self, send: Send, condition: Option<Expr>, head: Span) -> SendId {
        let id = SendId(self.program.sends.len() as u32);
        self.sends.push(Sent { header: send.header, segments: send.segments.clone(), condition, head });
        self.program.sends.push(send);
        id
    }

    /// The options of a segment must fit into what the kernel leaves.
    pub(super) fn check_header_space(&mut self) {
        let mut problems = Vec::new();
        for segment in SEGMENTS {
            let mut always: Vec<(&HeaderOption, Span)> = Vec::new();
            let mut ever: Vec<(&HeaderOption, Span)> = Vec::new();
            for sent in self.sends.iter().filter(|sent| sent.segments.contains(&segment)) {
                let Some(header) = self.program.headers.get(sent.header.index()) else { continue };
                let is_new =
                    |list: &[(&HeaderOption, Span)]| list.iter().all(|(known, _)| known.name != header.name);
                if sent.condition.is_none() && is_new(&always) {
                    always.push((header, sent.head));
                }
                if is_new(&ever) {
                    ever.push((header, sent.head));
                }
            }
            if let Some(problem) = overflow(segment, &always, true) {
                problems.push(problem);
            } else {
                problems.extend(overflow(segment, &ever, false));
            }
        }
        problems.into_iter().for_each(|problem| self.report(problem));
    }
}

/// What is wrong with the sum of these options, if anything.
fn overflow(segment: &Segment, options: &[(&HeaderOption, Span)], always: bool) -> Option<Diagnostic> {
    // The kernel rounds the sum up to words.
    let length = |options: &[(&HeaderOption, Span)]| {
        options.iter().map(|(header, _)| u32::from(header.length())).sum::<u32>().next_multiple_of(4)
    };
    let space = u32::from(segment.space);
    let first = (1..=options.len()).find(|count| length(&options[..*count]) > space)?;
    let (_, head) = options[first - 1];
    let total = length(options);
    let (code, message) = match always {
        true => (
            Code::HeaderSpace,
            format!("the options on `{}` take {total} bytes, and the kernel leaves {space}", segment.name),
        ),
        false => (
            Code::HeaderMayNotFit,
            format!(
                "the options on `{}` can take {total} bytes, and the kernel leaves {space}",
                segment.name
            ),
        ),
    };
    let mut diagnostic = Diagnostic::new(code, message, head, "no room for this one");
    for (header, place) in &options[..first - 1] {
        diagnostic = diagnostic.label(*place, format!("takes {} bytes", header.length()));
    }
    Some(
        diagnostic
            .note(
                "a header has 40 bytes for options; the kernel's own, time stamps among them, take the rest",
            )
            .help("make the options shorter, or send some of them on other segments"),
    )
}
