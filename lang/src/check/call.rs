//! Calls: built-in functions, and the policy's own.

use tcpc_stdlib::builtin::{BUILTINS, Builtin, BuiltinId, WHOLE, builtin};
use tcpc_stdlib::unit::{Type, Unit};

use super::declare::GlobalKind;
use super::names::wrong_use;
use super::suggest::did_you_mean;
use super::types::{Wanted, has_unit, is_quantity, retype};
use super::{Checker, LocalName, Place, Term, fold};
use crate::ast::{Expr as Ast, Let, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Local, LocalId};
use crate::source::Span;

/// An argument, with its name where it was given.
type Args = [(Option<Name>, Ast)];

impl<'a> Checker<'a> {
    /// `NAME(ARGS)`.
    pub(super) fn call(&mut self, name: &'a Name, args: &'a Args, span: Span) -> Option<Term> {
        let text = name.text.as_str();
        let function = self.globals.use_name(text).map(|row| row.kind.clone());
        match function {
            Some(GlobalKind::Let(item)) if item.params.is_some() => return self.call_own(item, args, span),
            Some(_) => {
                let help = format!("use it without parentheses: `{text}`");
                return self.fail(wrong_use(format!("`{text}` is not a function"), name.span, help));
            }
            None => {}
        }
        let Some(row) = builtin(text) else { return self.unknown_function(name) };
        if matches!(row.id, BuiltinId::Received | BuiltinId::Sent) {
            return self.has_header(row, args, name.span, span).map(Term::Value);
        }
        if row.signature.contains('(') {
            if row.id != BuiltinId::SamePrefix {
                self.reject_names(args);
            }
            self.use_builtin(row, name.span)?;
            return self.call_builtin(row, args, name.span, span).map(Term::Value);
        }
        let help = format!("use it without parentheses: `{text}`");
        self.fail(wrong_use(format!("`{text}` is not a function"), name.span, help))
    }

    fn unknown_function(&mut self, name: &Name) -> Option<Term> {
        if self.globals.is_broken(&name.text) {
            return None;
        }
        if let Some(unknown) = self.unknown_in_module(&name.text, name.span) {
            return self.fail(unknown);
        }
        let is_function = |name: &&str| {
            let row = self.globals.get(name);
            row.is_some_and(|row| matches!(row.kind, GlobalKind::Let(item) if item.params.is_some()))
        };
        let own: Vec<&str> = self.globals.visible().into_iter().filter(is_function).collect();
        let built_in = BUILTINS.iter().filter(|row| row.signature.contains('(')).map(|row| row.name);
        let diagnostic = Diagnostic::new(
            Code::UnknownFunction,
            format!("unknown function `{}`", name.text),
            name.span,
            "no such function",
        );
        self.fail(match self.globals.module_with(&name.text) {
            Some(_) => self.name_the_module(diagnostic, &name.text, name.span),
            None => did_you_mean(diagnostic, &name.text, name.span, own.into_iter().chain(built_in)),
        })
    }

    fn call_builtin(
        &mut self,
        row: &'static Builtin,
        args: &'a Args,
        name: Span,
        span: Span,
    ) -> Option<Expr> {
        match row.id {
            BuiltinId::SamePrefix => self.same_prefix(args, name, span),
            BuiltinId::Min | BuiltinId::Max | BuiltinId::Clamp => self.extremum(row, args, span),
            BuiltinId::Hash => self.hash(row, args, span),
            BuiltinId::Sample => self.sample(row, args, span),
            BuiltinId::Now | BuiltinId::Random => {
                self.arity(row, args, 0, span)?;
                let ty = if row.id == BuiltinId::Now { Type::Duration } else { Type::Int };
                if row.id == BuiltinId::Random {
                    self.not_in_tests(row.name, span)?;
                }
                Some(Expr { kind: ExprKind::Call(row.id, Vec::new()), ty, span })
            }
            BuiltinId::Port | BuiltinId::Role | BuiltinId::SynTos | BuiltinId::Received | BuiltinId::Sent => {
                None
            }
        }
    }

    fn extremum(&mut self, row: &'static Builtin, args: &'a Args, span: Span) -> Option<Expr> {
        let count = if row.id == BuiltinId::Clamp { 3 } else { 2 };
        self.arity(row, args, count, span)?;
        let values: Vec<Option<Expr>> = args.iter().map(|(_, arg)| self.value(arg)).collect();
        let mut values = values.into_iter().collect::<Option<Vec<Expr>>>()?.into_iter();
        let first = values.next()?;
        if !is_quantity(first.ty) && first.ty != Type::Port {
            return self.fail(self.argument(row, first.ty, first.span));
        }
        // The second operand can change what the first is taken for, and the third both.
        let (first, second, mut ty) = self.unify(first, values.next()?, "combined")?;
        let mut unified = vec![first, second];
        for value in values {
            let last = unified.pop()?;
            let (last, value, joint) = self.unify(last, value, "combined")?;
            unified.extend([last, value]);
            ty = joint;
        }
        let unified: Vec<Expr> = unified.into_iter().map(|value| retype(value, ty)).collect();
        if let [_, low, high] = unified.as_slice()
            && let (Some(low_value), Some(high_value)) =
                (fold::constant_number(low), fold::constant_number(high))
            && low_value > high_value
        {
            return self.fail(
                Diagnostic::new(
                    Code::EmptyRange,
                    "the lower bound is above the upper one",
                    low.span.to(high.span),
                    "no value lies between",
                )
                .help("exchange them: `clamp(x, low, high)`"),
            );
        }
        Some(fold::extremum(row.id, unified, ty, span))
    }

    fn hash(&mut self, row: &'static Builtin, args: &'a Args, span: Span) -> Option<Expr> {
        if args.is_empty() {
            return self.fail(arguments(row.signature, "at least one", 0, span));
        }
        let values: Vec<Option<Expr>> = args.iter().map(|(_, arg)| self.value(arg)).collect();
        let values: Vec<Expr> = values.into_iter().collect::<Option<_>>()?;
        if let Some(name) = values.iter().find(|value| value.ty == Type::Name) {
            return self.fail(self.argument(row, Type::Name, name.span));
        }
        Some(Expr { kind: ExprKind::Call(row.id, values), ty: Type::Int, span })
    }

    fn sample(&mut self, row: &'static Builtin, args: &'a Args, span: Span) -> Option<Expr> {
        self.arity(row, args, 1, span)?;
        self.not_in_tests(row.name, span)?;
        let (_, share) = args.first()?;
        let share = match self.percent_param(share) {
            Some(param) => param,
            None => fold::number(self.share(share)?, Type::Percent, share.span),
        };
        Some(Expr { kind: ExprKind::Call(row.id, vec![share]), ty: Type::Bool, span })
    }

    /// A constant share, in 2^-32; one that decides nothing is remarked.
    pub(super) fn share(&mut self, share: &'a crate::ast::Expr) -> Option<u64> {
        let wanted = Wanted { ty: Type::Percent, unit: Unit::Plain, who: "`sample`" };
        let value = self.constant(share, &wanted)?;
        let crate::hir::Value::Number(number) = value else { return None };
        if number > WHOLE {
            return self.fail(Diagnostic::new(
                Code::ValueOutOfRange,
                "a share is at most 100%",
                share.span,
                "more than all",
            ));
        }
        if number == 0 || number == WHOLE {
            let always = if number == 0 { "never" } else { "always" };
            self.report(Diagnostic::new(
                Code::ConstantTest,
                format!("this {always} holds"),
                share.span,
                format!("{always} drawn"),
            ));
        }
        Some(number)
    }

    /// `same_prefix(n)`, `same_prefix(v4: a, v6: b)`.
    fn same_prefix(&mut self, args: &'a Args, name: Span, span: Span) -> Option<Expr> {
        self.require_peer("same_prefix", name)?;
        let (v4, v6) = match args {
            [(None, bits)] => {
                let bits = self.bits(bits, 128, "an IPv6 address")?;
                ((bits <= 32).then_some(bits), Some(bits))
            }
            [(Some(a), a_bits), (Some(b), b_bits)] => {
                let (v4, v6) = match (a.text.as_str(), b.text.as_str()) {
                    ("v4", "v6") => (a_bits, b_bits),
                    ("v6", "v4") => (b_bits, a_bits),
                    _ => return self.fail(prefix_arguments(span)),
                };
                let v4 = self.bits(v4, 32, "an IPv4 address");
                let v6 = self.bits(v6, 128, "an IPv6 address");
                (Some(v4?), Some(v6?))
            }
            [(Some(only), bits)] if only.text == "v4" => {
                (Some(self.bits(bits, 32, "an IPv4 address")?), None)
            }
            [(Some(only), bits)] if only.text == "v6" => {
                (None, Some(self.bits(bits, 128, "an IPv6 address")?))
            }
            _ => return self.fail(prefix_arguments(span)),
        };
        Some(fold::test(ExprKind::SamePrefix { v4, v6 }, span))
    }

    fn bits(&mut self, expr: &'a Ast, most: u64, of: &str) -> Option<u8> {
        let wanted = Wanted { ty: Type::Int, unit: Unit::Plain, who: "the length of a prefix" };
        let crate::hir::Value::Number(bits) = self.constant(expr, &wanted)? else { return None };
        if bits > most {
            return self.fail(Diagnostic::new(
                Code::PrefixLength,
                format!("{of} has {most} bits, not {bits}"),
                expr.span,
                "too many",
            ));
        }
        u8::try_from(bits).ok()
    }

    /// A function of the policy: its body, with names for arguments that are worth keeping.
    fn call_own(&mut self, item: &'a Let, args: &'a Args, span: Span) -> Option<Term> {
        let params = item.params.as_deref().unwrap_or_default();
        self.reject_names(args);
        if params.len() != args.len() {
            let names: Vec<&str> = params.iter().map(|param| param.text.as_str()).collect();
            let signature = format!("{}({})", item.name.text, names.join(", "));
            return self.fail(
                arguments(&signature, &params.len().to_string(), args.len(), span)
                    .label(item.name.span, "defined here"),
            );
        }
        let mut bound: Vec<(LocalId, Expr)> = Vec::new();
        let mut locals = Vec::with_capacity(params.len());
        for (param, (_, arg)) in params.iter().zip(args) {
            let meaning = match self.term(arg) {
                Some(Term::Value(value)) if is_worth_a_name(&value) => {
                    let id = self.new_local(&param.text, value.ty);
                    let local = Expr { kind: ExprKind::Local(id), ty: value.ty, span: value.span };
                    bound.push((id, value));
                    Some(Term::Value(local))
                }
                other => other,
            };
            locals.push(LocalName { name: param.text.clone(), span: param.span, meaning, used: false });
        }
        let body = self.inline(item, locals, span)?;
        let Term::Value(mut body) = body else { return Some(body) };
        for (id, value) in bound.into_iter().rev() {
            body = fold::bind(id, value, body, span);
        }
        Some(Term::Value(body))
    }

    /// A new local of the program.
    pub(super) fn new_local(&mut self, name: &str, ty: Type) -> LocalId {
        let id = LocalId(self.program.locals.len() as u32);
        self.program.locals.push(Local { name: name.to_string(), ty });
        id
    }

    fn reject_names(&mut self, args: &Args) {
        for name in args.iter().filter_map(|(name, _)| name.as_ref()) {
            self.report(Diagnostic::new(
                Code::WrongArguments,
                "arguments have no names here",
                name.span,
                "leave the name out",
            ));
        }
    }

    fn arity(&mut self, row: &Builtin, args: &Args, count: usize, span: Span) -> Option<()> {
        if args.len() == count {
            return Some(());
        }
        let wanted = if count == 0 { "none".to_string() } else { count.to_string() };
        self.fail(arguments(row.signature, &wanted, args.len(), span))
    }

    fn not_in_tests(&mut self, name: &str, span: Span) -> Option<()> {
        match self.scope.place {
            Place::Test(_) => self.fail(Diagnostic::new(
                Code::NotInTests,
                format!("`{name}` is drawn anew each time: a test cannot expect it"),
                span,
                "never the same",
            )),
            _ => Some(()),
        }
    }

    fn argument(&self, row: &Builtin, ty: Type, span: Span) -> Diagnostic {
        let this = super::words::a(ty);
        Diagnostic::new(
            Code::TypeMismatch,
            format!("`{}` does not take {this}", row.name),
            span,
            format!("this is {this}"),
        )
        .note(format!("it is written `{}`", row.signature))
    }
}

/// Whether a value is bound to a name when a function uses it: not if reading it again costs and
/// means the same.
fn is_worth_a_name(value: &Expr) -> bool {
    let plain = matches!(value.kind, ExprKind::Const(_) | ExprKind::Local(_) | ExprKind::Field(_))
        || matches!(value.kind, ExprKind::Arg(..));
    !plain && (has_unit(value.ty) || !matches!(value.ty, Type::Name | Type::Prefix))
}

fn arguments(signature: &str, wanted: &str, given: usize, span: Span) -> Diagnostic {
    let plural = if wanted == "1" || wanted == "at least one" { "argument" } else { "arguments" };
    let wanted = if wanted == "none" { "no".to_string() } else { wanted.to_string() };
    Diagnostic::new(
        Code::WrongArguments,
        format!("`{signature}` takes {wanted} {plural}, and {given} were given"),
        span,
        "wrong number of arguments",
    )
}

fn prefix_arguments(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::WrongArguments,
        "`same_prefix` takes one length, or one for each family",
        span,
        "wrong arguments",
    )
    .help("write `same_prefix(44)` or `same_prefix(v4: 24, v6: 44)`")
}
