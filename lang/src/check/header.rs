//! TCP header options: their declarations, and reading what came in.

use tcpc_stdlib::builtin::{Builtin, BuiltinId};
use tcpc_stdlib::header::{EXID, EXPERIMENTAL, EXPERIMENTAL_KINDS, PREAMBLE, SPACE_MAX, kernel_kind};
use tcpc_stdlib::unit::Type;

use super::declare::{GlobalKind, duplicate};
use super::names::not_constant;
use super::suggest::{undeclared, unknown_field};
use super::{Checker, Place, Term, fold, words};
use crate::ast::{self, Expr as Ast, ExprKind as AstKind, Item, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, HeaderField, HeaderId, HeaderOption};
use crate::source::{FileId, Span};

/// The name of a field that is always 0.
const BLANK: &str = "_";

impl<'a> Checker<'a> {
    /// Every header option, in order.
    pub(super) fn headers(&mut self, policy: &'a ast::Policy) {
        for item in &policy.items {
            let Item::Header(item) = item else { continue };
            self.globals.enter(self.source.file_at(item.span.start));
            match self.header(item) {
                Some(header) => {
                    self.reject_shared(&header);
                    let id = HeaderId(self.program.headers.len() as u32);
                    self.program.headers.push(header);
                    self.globals.set_header(&item.name.text, id);
                }
                None => self.globals.mark_broken(&item.name.text),
            }
        }
        self.globals.enter(FileId::POLICY);
    }

    fn header(&mut self, item: &'a ast::Header) -> Option<HeaderOption> {
        let (kind, exid) = self.header_kind(item)?;
        let mut at = 8 * u16::from(PREAMBLE + if exid.is_some() { EXID } else { 0 });
        let mut fields: Vec<HeaderField> = Vec::new();
        let mut complete = true;
        for (name, ty) in &item.fields {
            let Some(bits) = self.header_field_bits(ty) else {
                complete = false;
                continue;
            };
            let earlier = fields.iter().find(|field| field.name == name.text && name.text != BLANK);
            if let Some(earlier) = earlier.map(|field| field.span) {
                self.report(duplicate(&name.text, name.span, earlier));
            }
            fields.push(HeaderField { name: name.text.clone(), bits, at, span: name.span });
            at = at.saturating_add(bits.into());
        }
        if !complete {
            return None;
        }
        if at > 8 * u16::from(SPACE_MAX) {
            return self.fail(
                Diagnostic::new(
                    Code::HeaderSpace,
                    format!("the option `{}` has {} bytes, and all options of a segment have {SPACE_MAX}", item.name.text, at.div_ceil(8)),
                    item.name.span,
                    "does not fit into any segment",
                )
                .note(format!("its kind and its length take {PREAMBLE} bytes, the identifier of an experiment {EXID} more")),
            );
        }
        if !at.is_multiple_of(8) {
            let missing = 8 - at % 8;
            return self.fail(
                Diagnostic::new(
                    Code::HeaderShape,
                    format!("the fields of `{}` end within a byte", item.name.text),
                    item.fields.last().map_or(item.span, |(name, ty)| name.span.to(ty.span)),
                    match missing {
                        1 => "one bit is left of the last byte".to_string(),
                        _ => format!("{missing} bits are left of the last byte"),
                    },
                )
                .help(format!("fill the byte with a blank field: `_: u{missing}`")),
            );
        }
        let name = self.public_name(&item.name.text, item.name.span);
        Some(HeaderOption { name, kind, exid, fields, span: item.name.span })
    }

    /// `kind N`, `kind N id M`, `experimental M`.
    fn header_kind(&mut self, item: &ast::Header) -> Option<(u8, Option<u16>)> {
        let (number, span) = item.number;
        let id = match &item.id {
            Some((word, _)) if word.text != "id" => {
                return self.fail(
                    Diagnostic::new(
                        Code::UnexpectedToken,
                        format!("unexpected name `{}`", word.text),
                        word.span,
                        "expected `id` or `{`",
                    )
                    .help("an experiment is told by its identifier: `kind 253 id 0xCC01`"),
                );
            }
            Some((_, id)) => Some(*id),
            None => None,
        };
        let (kind, id) = match item.word.text.as_str() {
            "experimental" if id.is_none() => (u64::from(EXPERIMENTAL), Some((number, span))),
            "kind" => (number, id),
            word => {
                return self.fail(
                    Diagnostic::new(
                        Code::UnexpectedToken,
                        format!("unexpected name `{word}`"),
                        item.word.span,
                        "expected `kind` or `experimental`",
                    )
                    .help(
                        "write `option NAME = kind 28 { … }`, or `option NAME = experimental 0xCC01 { … }`",
                    ),
                );
            }
        };
        let wrong = |message: String, label: &str| Diagnostic::new(Code::HeaderKind, message, span, label);
        let Ok(kind) = u8::try_from(kind) else {
            return self.fail(wrong(format!("a kind is 2 to 255, not {kind}"), "too large"));
        };
        if kind < 2 {
            return self.fail(
                wrong(format!("kind {kind} only separates options"), "no option of its own")
                    .help("choose a kind that is free, or an experiment: `experimental 0xCC01`"),
            );
        }
        match id {
            Some((_, place)) if !EXPERIMENTAL_KINDS.contains(&kind) => self.fail(
                Diagnostic::new(
                    Code::HeaderKind,
                    format!("kind {kind} has no identifiers"),
                    place,
                    "not for this kind",
                )
                .help("identifiers tell the experiments of kinds 253 and 254 apart; leave it out"),
            ),
            Some((id, place)) => match u16::try_from(id) {
                Ok(id) => Some((kind, Some(id))),
                Err(_) => self.fail(Diagnostic::new(
                    Code::HeaderKind,
                    format!("the identifier of an experiment has 16 bits, and {id:#x} has more"),
                    place,
                    "too large",
                )),
            },
            None if EXPERIMENTAL_KINDS.contains(&kind) => self.fail(
                wrong(format!("kind {kind} is shared by all experiments"), "which experiment")
                    .help(format!("name it by its identifier: `kind {kind} id 0xCC01`")),
            ),
            None => Some((kind, None)),
        }
    }

    /// The bits of `u1` to `u64`.
    fn header_field_bits(&mut self, ty: &Name) -> Option<u8> {
        let bits = ty.text.strip_prefix('u').and_then(|bits| bits.parse::<u8>().ok());
        if let Some(bits @ 1..=64) = bits {
            return Some(bits);
        }
        self.fail(
            Diagnostic::new(
                Code::HeaderShape,
                format!("`{}` is no type of a field", ty.text),
                ty.span,
                "expected `u1` to `u64`",
            )
            .help("a field is an unsigned number of so many bits, in network order"),
        )
    }

    /// Two options that a segment could not tell apart.
    fn reject_shared(&mut self, header: &HeaderOption) {
        let same = |other: &&HeaderOption| other.kind == header.kind && other.exid == header.exid;
        let Some(other) = self.program.headers.iter().find(same) else { return };
        let what = match header.exid {
            Some(id) => format!("kind {} with the identifier {id:#06x}", header.kind),
            None => format!("kind {}", header.kind),
        };
        let diagnostic = Diagnostic::new(
            Code::SameHeader,
            format!("`{}` and `{}` are both of {what}", other.name, header.name),
            header.span,
            "of the same kind",
        )
        .label(other.span, "as this one")
        .help("one option can be sent and received under several conditions: keep one of them");
        self.report(diagnostic);
    }

    /// The header option of this name.
    pub(super) fn header_named(&mut self, name: &Name) -> Option<HeaderId> {
        if let Some(global) = self.globals.use_name(&name.text)
            && let GlobalKind::Header(id) = global.kind
        {
            return id;
        }
        if self.globals.is_broken(&name.text) {
            return None;
        }
        if let Some(unknown) = self.unknown_in_module(&name.text, name.span) {
            return self.fail(unknown);
        }
        let declared = self.globals.get(&name.text).map(|global| global.name.span);
        let known = self.program.headers.iter().map(|header| header.name.as_str());
        let message = format!("there is no header option `{}`", name.text);
        let diagnostic = Diagnostic::new(Code::UnknownHeader, message, name.span, "no such option");
        let example = format!("option {} = experimental 0xCC01 {{ … }}", name.text);
        self.fail(undeclared(diagnostic, name, declared, known, &example))
    }

    /// The field of a header option.
    pub(super) fn header_field_named(&mut self, id: HeaderId, name: &Name) -> Option<u8> {
        let header = self.program.headers.get(id.index())?;
        let found = header.fields.iter().position(|field| field.name == name.text && name.text != BLANK);
        if let Some(index) = found {
            return Some(index as u8);
        }
        let fields = header.fields.iter().map(|field| field.name.as_str()).filter(|name| *name != BLANK);
        let message = format!("the option `{}` has no field `{}`", header.name, name.text);
        let diagnostic = Diagnostic::new(Code::UnknownHeaderField, message, name.span, "no such field");
        self.fail(unknown_field(diagnostic, name, fields))
    }

    /// `OPTION.FIELD`.
    pub(super) fn header_member(&mut self, object: &'a Name, field: &'a Name, span: Span) -> Option<Term> {
        let local = self.scope.locals.iter().find(|local| local.name == object.text).map(|local| local.span);
        if let Some(declared) = local {
            return self.fail(
                Diagnostic::new(
                    Code::UnknownHeader,
                    format!("`{}` has no fields", object.text),
                    object.span,
                    "not a header option",
                )
                .label(declared, "declared here"),
            );
        }
        let id = self.header_named(object)?;
        let index = self.header_field_named(id, field)?;
        self.received_here(&object.text, span)?;
        Some(Term::Value(Expr { kind: ExprKind::HeaderField(id, index), ty: Type::Int, span }))
    }

    /// `received(OPTION)`, in a test also `sent(OPTION)`.
    pub(super) fn has_header(
        &mut self,
        row: &'static Builtin,
        args: &'a [(Option<Name>, Ast)],
        name: Span,
        span: Span,
    ) -> Option<Expr> {
        let option = match args {
            [(None, Ast { kind: AstKind::Name(text), span })] => Name { text: text.clone(), span: *span },
            _ => {
                return self.fail(
                    Diagnostic::new(
                        Code::WrongArguments,
                        format!("`{}` takes the name of a header option", row.name),
                        span,
                        "not a header option",
                    )
                    .help(format!("as in `{}`", row.example)),
                );
            }
        };
        let id = self.header_named(&option)?;
        match row.id {
            BuiltinId::Sent => self.only_in_tests("what was sent", span)?,
            _ => self.received_here(row.name, name)?,
        }
        if let Place::Test(_) = self.scope.place
            && self.scope.transmitted != (row.id == BuiltinId::Sent)
        {
            let (what, other) = match self.scope.transmitted {
                true => ("the last step sent a segment", "sent"),
                false => ("the last step sent no segment", "received"),
            };
            return self.fail(
                Diagnostic::new(
                    Code::OnlyInTests,
                    format!("{what}: nothing is known about `{}`", row.name),
                    span,
                    "not after this step",
                )
                .help(format!("ask for `{other}({})`, or for this after another step", option.text)),
            );
        }
        Some(fold::test(ExprKind::Received(id), span))
    }

    /// Something must have come in where the policy looks at it.
    fn received_here(&mut self, name: &str, span: Span) -> Option<()> {
        match self.scope.place {
            Place::Constant => return self.fail(not_constant(span)),
            Place::Unused | Place::Test(_) => return Some(()),
            Place::Rule => {}
        }
        let events = tcpc_stdlib::builtin::builtin("received").map_or(&[][..], |row| row.events);
        let problem = match self.scope.events.iter().find(|event| !events.contains(&event.name)) {
            Some(event) => Some(format!("no segment is at hand in `{}`", event.name)),
            None if self.scope.sends_from_full_socket => Some("only a SYN-ACK answers a segment".to_string()),
            None => None,
        };
        let Some(problem) = problem else { return Some(()) };
        self.fail(
            Diagnostic::new(
                Code::HeaderNotHere,
                format!("`{name}` cannot be read here: {problem}"),
                span,
                "nothing came in",
            )
            .help(format!(
                "read it in a `receive` rule, in {}, or where an option is sent on `synack`",
                words::list(
                    events
                        .iter()
                        .copied()
                        .filter(|name| !name.ends_with("hdr_opt_len") && !name.starts_with("write")),
                    "or"
                )
            )),
        )
    }
}

/// Whether a policy cannot send an option of this kind, and why.
pub(super) fn owner(header: &HeaderOption) -> Option<&'static str> {
    let experiment = header.exid.and_then(|id| {
        tcpc_stdlib::header::KERNEL_EXIDS.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
    });
    experiment.or_else(|| kernel_kind(header.kind).map(|row| row.name))
}
