//! What a name in an expression means, and the inlining of `let`s and functions.

use tcpc_stdlib::builtin::{BUILTINS, VALUE_WORDS, builtin, value_type};
use tcpc_stdlib::event::{EVENT_GROUPS, EVENTS};
use tcpc_stdlib::field::{FIELDS, field, kernel_field};
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, TCP_STATES, tcp_state};
use tcpc_stdlib::option::{OPTIONS, option};
use tcpc_stdlib::unit::Type;

use super::declare::GlobalKind;
use super::suggest::did_you_mean;
use super::{Checker, LocalName, Place, Scope, Term, fold};
use crate::ast;
use crate::diag::{Code, Diagnostic};
use crate::hir::{ExperimentId, Expr, ExprKind, Role};
use crate::source::Span;

/// How many `let`s and functions can stand in one another.
const MAX_INLINING: usize = 64;

impl<'a> Checker<'a> {
    /// The meaning of a name where it is used.
    pub(super) fn name(&mut self, text: &'a str, span: Span) -> Option<Term> {
        if let Some(local) = self.scope.locals.iter_mut().rev().find(|local| local.name == text) {
            local.used = true;
            return local.meaning.clone().map(|term| term.at(span));
        }
        if let Some(global) = self.globals.use_name(text) {
            return match global.kind.clone() {
                GlobalKind::Const(..) => self.const_value(text, span),
                GlobalKind::Let(item) if item.params.is_some() => self.fail(wrong_use(
                    format!("`{text}` is a function"),
                    span,
                    format!("call it: `{text}(…)`"),
                )),
                GlobalKind::Let(item) => self.inline(item, Vec::new(), span),
                GlobalKind::Set(..) => self.fail(wrong_use(
                    format!("`{text}` is a set, not a value"),
                    span,
                    format!("ask whether something is in it: `remote_ip in {text}`"),
                )),
                GlobalKind::Table(..) => self.fail(wrong_use(
                    format!("`{text}` is a table, not a value"),
                    span,
                    format!("read a cell of one of its rows: `{text}[KEY].NAME`"),
                )),
                GlobalKind::Record(..) => self.fail(wrong_use(
                    format!("`{text}` is an event of this policy and has no value of its own"),
                    span,
                    format!("rules give its records: `emit {text} {{ … }}`"),
                )),
                GlobalKind::Param(item, id) => self.param_value(item, id?, span).map(Term::Value),
                GlobalKind::MutableSet(..) => self.fail(wrong_use(
                    format!("`{text}` is a set, not a value"),
                    span,
                    format!("ask whether something is in it: `remote_ip in {text}`"),
                )),
                GlobalKind::Experiment(item) => {
                    let index = self.experiments.iter().position(|known| std::ptr::eq(*known, item))?;
                    Some(Term::Experiment(ExperimentId(index as u32), span))
                }
                GlobalKind::Header(..) => self.fail(wrong_use(
                    format!("`{text}` is a header option, not a value"),
                    span,
                    format!("ask whether it came in, `received({text})`, or read a field: `{text}.FIELD`"),
                )),
            };
        }
        if self.globals.is_broken(text) {
            return None;
        }
        self.vocabulary(text, span)
    }

    /// The meaning of a name that the language brings along.
    fn vocabulary(&mut self, text: &'a str, span: Span) -> Option<Term> {
        if text == "flow" {
            return self.fail(wrong_use(
                "`flow` is no value by itself".into(),
                span,
                "name one of its cells: `flow.NAME`".into(),
            ));
        }
        if text == "reply" {
            self.only_in_tests("the reply", span)?;
            let Place::Test(answer) = self.scope.place else { return None };
            return self.last_reply(answer, span).map(Term::Value);
        }
        if let Some(arg) = self.event_arg(text, span) {
            return Some(Term::Value(arg));
        }
        if let Some(field) = field(text) {
            return self.read_field(field, span).map(Term::Value);
        }
        if let Some(option) = option(text) {
            return self.read_option(option, span).map(Term::Value);
        }
        let constant = |value: u64, ty| Some(Term::Value(fold::number(value, ty, span)));
        match text {
            "port" => return self.either_port(span),
            "role" => return self.role(span),
            "syn_tos" => return self.builtin_value("syn_tos", span).map(Term::Value),
            "client" => return Some(Term::End(Role::Client, span)),
            "server" => return Some(Term::End(Role::Server, span)),
            "ipv4" => return constant(AF_INET.into(), Type::Family),
            "ipv6" => return constant(AF_INET6.into(), Type::Family),
            _ => {}
        }
        if let Some(number) = tcp_state(text) {
            return constant(number.into(), Type::State);
        }
        if let Some(builtin) = builtin(text) {
            return self.fail(wrong_use(
                format!("`{text}` is a function"),
                span,
                format!("call it, as in `{}`", builtin.example),
            ));
        }
        if EVENTS.iter().any(|event| event.name == text)
            || EVENT_GROUPS.iter().any(|group| group.name == text)
        {
            let upper = text.to_uppercase();
            let diagnostic = wrong_use(
                format!("`{text}` is an event, not a value"),
                span,
                format!("events stand after `on`: `on {text} …`"),
            );
            return self.fail(match tcp_state(&upper) {
                Some(_) => diagnostic.help(format!("the TCP state is `{upper}`")).suggest(span, upper),
                None => diagnostic,
            });
        }
        self.unknown_name(text, span)
    }

    fn unknown_name(&mut self, text: &str, span: Span) -> Option<Term> {
        let locals: Vec<String> = self.scope.locals.iter().map(|local| local.name.clone()).collect();
        if let Some(unknown) = self.unknown_in_module(text, span) {
            return self.fail(unknown);
        }
        let globals = self.globals.visible();
        let args = self.scope.events.iter().flat_map(|event| event.args.iter().map(|arg| arg.name));
        let candidates = locals
            .iter()
            .map(String::as_str)
            .chain(globals)
            .chain(args)
            .chain(FIELDS.iter().map(|field| field.name).filter(|name| !name.is_empty()))
            .chain(BUILTINS.iter().map(|builtin| builtin.name))
            .chain(OPTIONS.iter().filter(|option| option.reserved.is_none()).map(|option| option.name))
            .chain(TCP_STATES.iter().map(|state| state.name))
            .chain(VALUE_WORDS.iter().copied());
        let diagnostic = Diagnostic::new(
            Code::UnknownName,
            format!("unknown name `{text}`"),
            span,
            "no field, option, constant or other name",
        );
        let diagnostic = match text {
            _ if self.globals.module_with(text).is_some() => self.name_the_module(diagnostic, text, span),
            "kernel" => {
                diagnostic.help("`kernel has NAME` asks for what a kernel has; versions are not compared")
            }
            _ => did_you_mean(diagnostic, text, span, candidates),
        };
        let unnamed = kernel_field(text).is_some_and(|field| field.name.is_empty());
        self.fail(match diagnostic.suggestion {
            None if unnamed => {
                diagnostic.note("the kernel's context has such a member, but a policy cannot name it")
            }
            _ => diagnostic,
        })
    }

    /// A name of the kernel's, such as a congestion control, must be in quotes.
    pub(super) fn reject_bare_name(&mut self, expr: &ast::Expr) -> Option<()> {
        let ast::ExprKind::Name(text) = &expr.kind else { return Some(()) };
        let is_local = self.scope.locals.iter().any(|local| local.name == *text);
        let is_known = is_local
            || self.globals.get(text).is_some()
            || self.globals.is_broken(text)
            || field(text).is_some()
            || option(text).is_some();
        if is_known {
            return Some(());
        }
        let quoted = format!("\"{text}\"");
        self.fail(
            Diagnostic::new(
                Code::UnknownName,
                format!("unknown name `{text}`"),
                expr.span,
                "a name of the kernel's stands in quotes",
            )
            .help(format!("write `{quoted}`"))
            .suggest(expr.span, quoted),
        )
    }

    /// The value of a constant of the policy.
    pub(super) fn const_value(&mut self, name: &str, span: Span) -> Option<Term> {
        let GlobalKind::Const(item, known) = self.globals.get(name)?.kind.clone() else { return None };
        if let Some(known) = known {
            return known.map(|term| term.at(span));
        }
        let scope = Scope::new(Place::Constant);
        let value = self.nested(&item.name, span, |checker| {
            checker.within(scope, |checker| {
                let term = checker.term(&item.value)?;
                checker.require_constant(term, item.value.span)
            })
        });
        if let Some(row) = self.globals.use_name(name) {
            row.kind = GlobalKind::Const(item, Some(value.clone()));
        }
        value.map(|term| term.at(span))
    }

    /// A value must be known while compiling.
    pub(super) fn require_constant(&mut self, term: Term, span: Span) -> Option<Term> {
        match &term {
            Term::Value(expr) if fold::constant(expr).is_none() => self.fail(not_constant(span)),
            Term::EitherPort(_) | Term::Role(_) | Term::Experiment(..) => self.fail(not_constant(span)),
            _ => Some(term),
        }
    }

    /// The body of a `let` or a function, with its arguments put in.
    pub(super) fn inline(&mut self, item: &'a ast::Let, args: Vec<LocalName>, span: Span) -> Option<Term> {
        let result = self.nested(&item.name, span, |checker| {
            let callers = std::mem::replace(&mut checker.scope.locals, args);
            let result = checker.term(&item.value);
            checker.scope.locals = callers;
            result
        });
        result.map(|term| term.at(span))
    }

    /// A `let` that nobody uses: its parameters can be anything.
    pub(super) fn inline_unused(&mut self, item: &'a ast::Let) {
        let params = item.params.iter().flatten().map(|param| LocalName {
            name: param.text.clone(),
            span: param.span,
            meaning: None,
            used: false,
        });
        let params = params.collect();
        self.inline(item, params, item.span);
    }

    /// Works a name out, unless that needs the name itself.
    fn nested(
        &mut self,
        name: &'a ast::Name,
        used: Span,
        work: impl FnOnce(&mut Self) -> Option<Term>,
    ) -> Option<Term> {
        if let Some(start) = self.inlining.iter().position(|(outer, _)| outer.span == name.span) {
            return self.recursion(name, start);
        }
        if self.inlining.len() >= MAX_INLINING {
            return self.fail(Diagnostic::new(
                Code::TooComplex,
                format!("more than {MAX_INLINING} names are defined by one another"),
                name.span,
                "too deep",
            ));
        }
        self.inlining.push((name, used));
        let result = self.in_file_of(name.span, work);
        self.inlining.pop();
        if self.inlining.is_empty() {
            self.inlined = 0;
        }
        result
    }

    fn recursion(&mut self, name: &ast::Name, start: usize) -> Option<Term> {
        let cycle: Vec<&str> = self.inlining[start..].iter().map(|(name, _)| name.text.as_str()).collect();
        let message = match cycle.as_slice() {
            [_] => format!("`{}` is defined by itself", name.text),
            _ => format!("`{}` is defined by itself: {} → `{}`", name.text, arrows(&cycle), name.text),
        };
        self.fail(
            Diagnostic::new(Code::RecursiveName, message, name.span, "part of a circle")
                .note("functions are put in where they are called, so that every policy ends"),
        )
    }

    fn event_arg(&mut self, text: &str, span: Span) -> Option<Expr> {
        let events = &self.scope.events;
        let find = |event: &&'static tcpc_stdlib::event::Event| {
            event.args.iter().enumerate().find(|(_, arg)| arg.name == text)
        };
        if matches!(self.scope.place, Place::Unused) {
            // Nobody says for which event it would be.
            let (index, arg) = EVENTS.iter().find_map(|event| find(&event))?;
            return Some(Expr { kind: ExprKind::Arg(index as u8, arg), ty: arg.ty, span });
        }
        let (index, arg) = events.iter().find_map(find)?;
        // The same word can be a field in events without such an argument.
        if !events.iter().all(|event| find(event).is_some_and(|(at, _)| at == index)) {
            return None;
        }
        self.require(arg.name, arg.since, span);
        Some(Expr { kind: ExprKind::Arg(index as u8, arg), ty: arg.ty, span })
    }

    fn builtin_value(&mut self, name: &'static str, span: Span) -> Option<Expr> {
        let builtin = builtin(name)?;
        self.use_builtin(builtin, span)?;
        Some(Expr { kind: ExprKind::Call(builtin.id, Vec::new()), ty: value_type(builtin.id)?, span })
    }
}

impl Term {
    /// The same, as seen from a use of its name.
    pub(super) fn at(self, span: Span) -> Term {
        match self {
            Term::Value(expr) => Term::Value(Expr { span, ..expr }),
            Term::Prefix(address, length, _) => Term::Prefix(address, length, span),
            Term::EitherPort(_) => Term::EitherPort(span),
            Term::Role(_) => Term::Role(span),
            Term::End(role, _) => Term::End(role, span),
            Term::Default(_) => Term::Default(span),
            Term::Experiment(id, _) => Term::Experiment(id, span),
        }
    }

    /// Its place.
    pub(super) fn span(&self) -> Span {
        match self {
            Term::Value(expr) => expr.span,
            Term::Prefix(_, _, span) | Term::End(_, span) => *span,
            Term::EitherPort(span) | Term::Role(span) | Term::Default(span) => *span,
            Term::Experiment(_, span) => *span,
        }
    }

    /// Its type.
    pub(super) fn ty(&self) -> Type {
        match self {
            Term::Value(expr) => expr.ty,
            Term::Prefix(..) => Type::Prefix,
            Term::EitherPort(_) => Type::Port,
            Term::Role(_) | Term::End(..) => Type::Role,
            Term::Default(_) | Term::Experiment(..) => Type::Bool,
        }
    }
}

fn arrows(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ")
}

/// A name that is something else than what it is used as.
pub fn wrong_use(message: String, span: Span, help: String) -> Diagnostic {
    let label = message.split_once("` is ").map_or("not a value", |(_, what)| what).to_string();
    Diagnostic::new(Code::WrongUseOfName, message, span, label).help(help)
}

/// A constant is needed.
pub fn not_constant(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::NotConstant,
        "a constant is needed here",
        span,
        "only known when the kernel calls the policy",
    )
}
