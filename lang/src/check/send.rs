//! `send`: which header options go into which segments.

use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::{Event, event};
use tcpc_stdlib::field::Guard;
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

/// Why a condition cannot decide what is sent, and what to do instead.
const BETWEEN: &str = "can change between reserving room and writing";
const DRAW_ONCE: &str = "`sample 1%` before `when` draws once for each connection, `hash(remote_ip, remote_port)` always gives the same";
const NO_SEGMENT: &str = "not known yet where the kernel computes how large segments can be";
const NAME_IT: &str = "name the segments after `on`: `syn`, `synack`, `established`, `fin`";

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

    /// A condition is asked three times: for the segment size, for the room in a segment, and for the writing. It must
    /// answer the same.
    pub(super) fn require_steady(&mut self, condition: &Expr) {
        let mut unsteady = None;
        condition.any(&mut |expr| {
            unsteady = match &expr.kind {
                ExprKind::Call(id @ (BuiltinId::Random | BuiltinId::Sample | BuiltinId::Now), _) => {
                    let row = tcpc_stdlib::builtin::BUILTINS.iter().find(|row| row.id == *id);
                    Some((row.map_or("", |row| row.name), expr.span, BETWEEN, DRAW_ONCE))
                }
                ExprKind::Cell(..) => Some((self.source.slice(expr.span), expr.span, BETWEEN, DRAW_ONCE)),
                ExprKind::Field(field) if field.guard == Guard::Skb => {
                    Some((field.name, expr.span, NO_SEGMENT, NAME_IT))
                }
                ExprKind::Arg(..) => Some((self.source.slice(expr.span), expr.span, NO_SEGMENT, NAME_IT)),
                _ => None,
            };
            unsteady.is_some()
        });
        let Some((name, span, why, help)) = unsteady else { return };
        let message = format!("`{name}` cannot decide what is sent");
        self.report(Diagnostic::new(Code::UnsteadySend, message, span, why).help(help));
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
        let mut problems: Vec<Diagnostic> = SEGMENTS
            .iter()
            .filter_map(|segment| {
                let on = |sent: &Sent| sent.segments.contains(&segment);
                let always = self.options_sent(|sent| on(sent) && sent.condition.is_none());
                let who = || format!("the options on `{}`", segment.name);
                overflow(segment.space, &always)
                    .map(|at| no_room(Code::HeaderSpace, &who(), segment.space, &always, at))
                    .or_else(|| {
                        let ever = self.options_sent(on);
                        let at = overflow(segment.space, &ever)?;
                        Some(no_room(Code::HeaderMayNotFit, &who(), segment.space, &ever, at))
                    })
            })
            .collect();
        if problems.iter().all(|problem| problem.code != Code::HeaderSpace) {
            problems.extend(self.no_room_for_data());
        }
        problems.into_iter().for_each(|problem| self.report(problem));
    }

    /// Where the kernel computes how large segments can be, the options of all that carry data are in it at once.
    fn no_room_for_data(&self) -> Option<Diagnostic> {
        let kinds: Vec<&Segment> = SEGMENTS.iter().filter(|segment| segment.carries_data).collect();
        let on = |sent: &Sent| kinds.iter().filter(|kind| sent.segments.contains(kind)).count();
        let each_has_some =
            kinds.iter().all(|kind| self.sends.iter().any(|sent| sent.segments.contains(kind)));
        // What goes on all of them is counted with each.
        let differ = self.sends.iter().any(|sent| (1..kinds.len()).contains(&on(sent)));
        if !(each_has_some && differ) {
            return None;
        }
        let space = kinds.iter().map(|kind| kind.space).min()?;
        let options = self.options_sent(|sent| on(sent) > 0);
        let at = overflow(space, &options)?;
        let names = words::list(kinds.iter().map(|kind| kind.name), "and");
        let who = format!("the options on {names} together");
        Some(no_room(Code::HeaderSpace, &who, space, &options, at).note(
            "where the kernel computes how large segments can be, it does not say which: there is to be room for all",
        ))
    }

    /// The options of some rules that send, each once.
    fn options_sent(&self, of: impl Fn(&Sent) -> bool) -> Vec<(&HeaderOption, Span)> {
        let mut options: Vec<(&HeaderOption, Span)> = Vec::new();
        for sent in self.sends.iter().filter(|sent| of(sent)) {
            let Some(header) = self.program.headers.get(sent.header.index()) else { continue };
            if options.iter().all(|(known, _)| known.name != header.name) {
                options.push((header, sent.head));
            }
        }
        options
    }
}

/// Bytes of these options together: the kernel rounds them up to words.
fn length(options: &[(&HeaderOption, Span)]) -> u32 {
    options.iter().map(|(header, _)| u32::from(header.length())).sum::<u32>().next_multiple_of(4)
}

/// The first of these options that there is no room for.
fn overflow(space: u8, options: &[(&HeaderOption, Span)]) -> Option<usize> {
    (0..options.len()).find(|&at| length(&options[..=at]) > u32::from(space))
}

/// That there is no room for one of some options.
fn no_room(code: Code, who: &str, space: u8, options: &[(&HeaderOption, Span)], at: usize) -> Diagnostic {
    let total = length(options);
    let take = if code == Code::HeaderSpace { "take" } else { "can take" };
    let message = format!("{who} {take} {total} bytes, and the kernel leaves {space}");
    let mut diagnostic = Diagnostic::new(code, message, options[at].1, "no room for this one");
    for (header, place) in &options[..at] {
        diagnostic = diagnostic.label(*place, format!("takes {} bytes", header.length()));
    }
    diagnostic
        .note("a header has 40 bytes for options; the kernel's own, time stamps among them, take the rest")
        .help("make the options shorter, or send some of them on other segments")
}
