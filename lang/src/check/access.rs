//! Reading the connection: what each event lets a policy see.

use tcpc_stdlib::builtin::{Builtin, BuiltinId};
use tcpc_stdlib::event::{EVENTS, Event, EventRole, Sock};
use tcpc_stdlib::field::{Availability, Field, Guard, Struct, field};
use tcpc_stdlib::option::{OptionValue, SockOption};

use super::names::not_constant;
use super::{Checker, Place, Term, fold, words};
use crate::diag::{Code, Diagnostic};
use crate::hir::{CompareOp, Expr, ExprKind, Role};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// A field of the context.
    pub(super) fn read_field(&mut self, field: &'static Field, span: Span) -> Option<Expr> {
        let value = Expr { kind: ExprKind::Field(field), ty: field.ty, span };
        match self.scope.place {
            Place::Constant => return self.fail(not_constant(span)),
            Place::Unused | Place::Test(_) => return Some(value),
            Place::Rule => {}
        }
        if field.kernel.starts_with("remote_") {
            self.require_peer(field.name, span)?;
        }
        let name = field.name;
        if let Some(event) = self.event_where(field, Availability::Dangerous) {
            return self.fail(
                Diagnostic::new(
                    Code::FieldUnsafeHere,
                    format!("`{name}` cannot be read in `{}`", event.name),
                    span,
                    "not readable here",
                )
                .note("on the server this event has only a request, and the kernel would read past its end")
                .help(format!("read it in {}", places(field))),
            );
        }
        if let Some(event) = self.event_where(field, Availability::Zero) {
            let message = match (field.of, field.guard) {
                // The kernel would show it, as it changes.
                (Struct::Sock | Struct::TcpSock, _) | (_, Guard::Unchecked) => {
                    format!("`{name}` cannot be read in `{}`: the socket is not locked there", event.name)
                }
                _ => format!("`{name}` always reads 0 in `{}`", event.name),
            };
            return self.fail(
                Diagnostic::new(Code::FieldNotHere, message, span, "not there in this event")
                    .help(format!("it can be read in {}", places(field))),
            );
        }
        if let Some(event) = self.event_where(field, Availability::Foreign) {
            return self.fail(
                Diagnostic::new(
                    Code::FieldNotHere,
                    format!("`{name}` is lost in `{}`", event.name),
                    span,
                    "not there in this event",
                )
                .note("the segment has left TCP, and the next layer keeps something else in this place")
                .help(format!("it can be read in {}", places(field))),
            );
        }
        if let Some(event) = self.event_where(field, Availability::ClientOnly) {
            self.server_read(name, "reads 0", event, span);
        }
        self.require(name, field.since, span);
        Some(value)
    }

    fn event_where(&self, field: &Field, wanted: Availability) -> Option<&'static Event> {
        self.scope.events.iter().copied().find(|event| field.availability(event) == wanted)
    }

    /// The value of a socket option.
    pub(super) fn read_option(&mut self, option: &'static SockOption, span: Span) -> Option<Expr> {
        let name = option.name;
        let value = Expr { kind: ExprKind::Option(option), ty: option.ty, span };
        if option.value == OptionValue::Bytes {
            let why = option.reserved.unwrap_or("it is bytes, not a value");
            return self.fail(Diagnostic::new(
                Code::OptionUnreadable,
                format!("`{name}` cannot be read: {why}"),
                span,
                "not a value",
            ));
        }
        match self.scope.place {
            Place::Constant => return self.fail(not_constant(span)),
            Place::Unused | Place::Test(_) => return Some(value),
            Place::Rule => {}
        }
        let Some(since) = option.get_since else {
            let mut diagnostic = Diagnostic::new(
                Code::OptionUnreadable,
                format!("`{name}` can be assigned, but no program can read it"),
                span,
                "cannot be read",
            );
            if name == "init_cwnd" || name == "cwnd_clamp" {
                diagnostic = diagnostic.help("the congestion window itself is `snd_cwnd`");
            }
            return self.fail(diagnostic);
        };
        if let Some(event) =
            self.scope.events.iter().find(|event| matches!(event.sock, Sock::Unlocked | Sock::None))
        {
            return self.fail(
                Diagnostic::new(
                    Code::NoSocketHere,
                    format!("socket options cannot be read in `{}`", event.name),
                    span,
                    "no socket that is locked",
                )
                .help("read it in `established`, or in an event that the connection itself raises"),
            );
        }
        if let Some(event) = self.scope.events.iter().copied().find(|event| event.sock == Sock::FullOrRequest)
        {
            self.server_read(name, "cannot be read and counts as 0", event, span);
        }
        self.require(format!("reading {name}"), since, span);
        Some(value)
    }

    /// Something that only the client sees in this event, unless a condition excludes the server.
    pub(super) fn server_read(&mut self, name: &str, what: &str, event: &Event, span: Span) {
        if self.scope.full_socket {
            return;
        }
        self.server_reads.push(
            Diagnostic::new(
                Code::ReadsZero,
                format!("`{name}` {what} on the server in `{}`", event.name),
                span,
                "the server has no socket yet",
            )
            .help(match full_socket_test(event) {
                "role == client" => {
                    "add `role == client` to the condition if only the client is meant".to_string()
                }
                test => format!("add `{test}` to the condition if only full sockets are meant"),
            }),
        );
    }

    /// The peer must be known in every event of the rule.
    pub(super) fn require_peer(&mut self, name: &str, span: Span) -> Option<()> {
        let Some(event) = self.scope.events.iter().find(|event| !event.has_remote) else { return Some(()) };
        let mut diagnostic = Diagnostic::new(
            Code::NoPeer,
            format!("`{name}` needs a peer, and `{}` has none", event.name),
            span,
            "nobody has connected yet",
        );
        if name == "port" || name == "remote_port" {
            diagnostic = diagnostic.help("the port that is listened on is `local_port`");
        }
        self.fail(diagnostic)
    }

    /// `port`.
    pub(super) fn either_port(&mut self, span: Span) -> Option<Term> {
        if matches!(self.scope.place, Place::Constant) {
            return self.fail(not_constant(span));
        }
        self.require_peer("port", span)?;
        Some(Term::EitherPort(span))
    }

    /// `role`.
    pub(super) fn role(&mut self, span: Span) -> Option<Term> {
        if matches!(self.scope.place, Place::Constant) {
            return self.fail(not_constant(span));
        }
        if let Some(event) = self.scope.events.iter().find(|event| event.role == EventRole::Unknown) {
            let told = EVENTS.iter().filter(|event| event.supported && event.role != EventRole::Unknown);
            return self.fail(
                Diagnostic::new(
                    Code::RoleUnknown,
                    format!("`role` cannot be told in `{}`", event.name),
                    span,
                    "client and server look the same here",
                )
                .help(format!("it is known in {}", words::list(told.map(|event| event.name), "and"))),
            );
        }
        Some(Term::Role(span))
    }

    /// `role == role` or its opposite; warns where the events leave no choice.
    pub(super) fn is_role(&mut self, role: Role, span: Span) -> Expr {
        let only = |wanted| {
            let events = &self.scope.events;
            !events.is_empty() && events.iter().all(|event| event.role == wanted)
        };
        let side = match (only(EventRole::Client), only(EventRole::Server)) {
            (true, _) => Some(Role::Client),
            (_, true) => Some(Role::Server),
            _ => None,
        };
        if let Some(side) = side {
            let end = if side == Role::Client { "client" } else { "server" };
            let always = if side == role { "always" } else { "never" };
            let events = words::events(&self.scope.events);
            self.report(
                Diagnostic::new(
                    Code::ConstantTest,
                    format!("this {always} holds: {events} only happens on the {end}"),
                    span,
                    format!("{always} holds"),
                )
                .help(if side == role {
                    "leave it out"
                } else {
                    "remove the rule, or choose another event"
                }),
            );
        }
        fold::test(ExprKind::IsRole(role), span)
    }

    /// A built-in name must exist in every event of the rule.
    pub(super) fn use_builtin(&mut self, builtin: &'static Builtin, span: Span) -> Option<()> {
        if matches!(self.scope.place, Place::Constant) && is_of_the_moment(builtin.id) {
            return self.fail(not_constant(span));
        }
        if !builtin.events.is_empty()
            && let Some(event) = self.scope.events.iter().find(|event| !builtin.events.contains(&event.name))
        {
            return self.fail(
                Diagnostic::new(
                    Code::BuiltinNotHere,
                    format!("`{}` is not known in `{}`", builtin.name, event.name),
                    span,
                    "not in this event",
                )
                .help(format!("use it in {}", words::list(builtin.events.iter().copied(), "or"))),
            );
        }
        if builtin.id == BuiltinId::SynTos && matches!(self.scope.place, Place::Rule) {
            self.syn_tos.get_or_insert(span);
        }
        self.require(builtin.name, builtin.since, span);
        Some(())
    }

    /// `syn_tos` needs a listener that saves SYNs.
    pub(super) fn warn_if_syn_is_not_saved(&mut self) {
        let Some(span) = self.syn_tos else { return };
        if self.program.assignments.iter().any(|row| row.option.name == "save_syn") {
            return;
        }
        self.report(
            Diagnostic::new(
                Code::SynNotSaved,
                "`syn_tos` is 0 unless the listener saves SYNs, and no rule here makes it do so",
                span,
                "probably 0",
            )
            .help("add `on tcp_listen { save_syn = 1 }`"),
        );
    }
}

/// What makes sure of a full socket in an event.
pub fn full_socket_test(event: &Event) -> &'static str {
    match event.role {
        EventRole::Unknown => "is_fullsock",
        _ => "role == client",
    }
}

/// Whether a condition that holds makes sure that there is a full socket.
pub fn implies_full_socket(condition: &Expr) -> bool {
    match &condition.kind {
        ExprKind::IsRole(role) => *role == Role::Client,
        ExprKind::Field(field) => field.name == "is_fullsock",
        ExprKind::And(left, right) => implies_full_socket(left) || implies_full_socket(right),
        ExprKind::Or(left, right) => implies_full_socket(left) && implies_full_socket(right),
        ExprKind::Not(inner) => excludes_full_socket(inner),
        ExprKind::Let(_, _, body) => implies_full_socket(body),
        ExprKind::Compare(CompareOp::Eq, left, right) => match fold::constant_bool(right) {
            Some(true) => implies_full_socket(left),
            Some(false) => excludes_full_socket(left),
            None => false,
        },
        _ => false,
    }
}

/// Whether a condition that does not hold makes sure that there is a full socket.
pub fn excludes_full_socket(condition: &Expr) -> bool {
    match &condition.kind {
        ExprKind::IsRole(role) => *role == Role::Server,
        ExprKind::Not(inner) => implies_full_socket(inner),
        ExprKind::Or(left, right) => excludes_full_socket(left) || excludes_full_socket(right),
        _ => false,
    }
}

/// The events that hold a field's value, as a list.
fn places(field: &Field) -> String {
    let good = |event: &&Event| event.supported && field.availability(event) == Availability::Yes;
    words::list(EVENTS.iter().filter(good).map(|event| event.name), "or")
}

/// Both ports, for what is said of either.
pub fn both_ports(span: Span) -> Option<(Expr, Expr)> {
    let port = |name| {
        let field = field(name)?;
        Some(Expr { kind: ExprKind::Field(field), ty: field.ty, span })
    };
    Some((port("local_port")?, port("remote_port")?))
}

/// Whether a built-in's value depends on more than its arguments.
fn is_of_the_moment(id: BuiltinId) -> bool {
    !matches!(id, BuiltinId::Min | BuiltinId::Max | BuiltinId::Clamp | BuiltinId::Hash)
}
