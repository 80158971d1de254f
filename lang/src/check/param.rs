//! Parameters: what can be one, which values it can have, and whether the kernel takes all of these.

use tcpc_stdlib::event::{Event, Reply};
use tcpc_stdlib::kernel::HZ_CHOICES;
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::{Type, Unit, jiffies_to_nanos};

use super::declare::GlobalKind;
use super::suggest::closest;
use super::types::Wanted;
use super::{Checker, Place, Scope, fold, words};
use crate::ast::{self, Expr as Ast, ExprKind as AstKind, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Given, Param, ParamId, Value};
use crate::read::natural_range;
use crate::show::show;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// Makes a parameter.
    pub(super) fn param(&mut self, item: &'a ast::Param) -> Option<ParamId> {
        self.within(Scope::new(Place::Constant), |checker| checker.param_inner(item))
    }

    fn param_inner(&mut self, item: &'a ast::Param) -> Option<ParamId> {
        let declared = match &item.ty {
            Some(name) => Some(self.param_type(name)?),
            None => None,
        };
        let value = self.value(&item.value)?;
        let ty = declared.unwrap_or(value.ty);
        if !Type::NUMBERS.contains(&ty) {
            return self.fail(no_param(&format!("{} cannot be a parameter", words::a(ty)), value.span));
        }
        let who = format!("the parameter `{}`", item.name.text);
        let wanted = Wanted { ty, unit: Unit::Plain, who: &who };
        let default = self.number_of(value, &wanted, item.value.span)?;
        let range = match &item.range {
            Some(range) => self.param_range(range, &wanted)?,
            None => natural_range(ty),
        };
        if !(range.0..=range.1).contains(&default) {
            let place = item.range.as_ref().map_or(item.span, |range| range.span);
            return self.fail(
                outside(&item.name.text, ty, default, range, item.value.span).label(place, "the range"),
            );
        }
        let id = ParamId(self.program.params.len() as u32);
        let name = self.public_name(&item.name.text, item.name.span);
        self.program.params.push(Param { name, ty, default, range, span: item.name.span });
        Some(id)
    }

    /// A type by name, if parameters can have it.
    fn param_type(&mut self, name: &Name) -> Option<Type> {
        if let Some(ty) = Type::NUMBERS.iter().find(|ty| ty.name() == name.text) {
            return Some(*ty);
        }
        let known = Type::ALL.iter().any(|ty| ty.name() == name.text);
        let message = match known {
            true => format!("a parameter cannot be of the type `{}`", name.text),
            false => format!("there is no type `{}`", name.text),
        };
        let diagnostic = no_param(&message, name.span);
        self.fail(match closest(&name.text, Type::NUMBERS.iter().map(|ty| ty.name())) {
            Some(meant) if !known => {
                diagnostic.help(format!("did you mean `{meant}`?")).suggest(name.span, meant)
            }
            _ => diagnostic,
        })
    }

    fn number_of(&mut self, value: Expr, wanted: &Wanted, span: Span) -> Option<u64> {
        let value = self.coerce(value, wanted)?;
        match fold::constant(&value) {
            Some(Value::Number(number)) => Some(*number),
            _ => self.fail(self.unknown_yet(&value, span)),
        }
    }

    /// `LOW..HIGH`.
    fn param_range(&mut self, range: &'a Ast, wanted: &Wanted) -> Option<(u64, u64)> {
        let AstKind::Range(low, high) = &range.kind else {
            let text = self.source.slice(range.span);
            return self.fail(
                Diagnostic::new(
                    Code::ParameterRange,
                    "a parameter's range has two ends",
                    range.span,
                    "not a range",
                )
                .help(format!("write `in {text}..HIGH`")),
            );
        };
        if wanted.ty == Type::Bool {
            return self.fail(
                Diagnostic::new(Code::ParameterRange, "a bool has no range", range.span, "only two values")
                    .help("remove it: a parameter that is a bool is `true` or `false`"),
            );
        }
        let (low_value, high_value) = (self.value(low)?, self.value(high)?);
        let low = self.number_of(low_value, wanted, low.span)?;
        let high = self.number_of(high_value, wanted, high.span)?;
        let natural = natural_range(wanted.ty);
        if high > natural.1 {
            return self.fail(
                Diagnostic::new(
                    Code::ParameterRange,
                    format!("{} is at most {}", words::a(wanted.ty), show(wanted.ty, natural.1)),
                    range.span,
                    "too far",
                )
                .help("make the range smaller"),
            );
        }
        if low > high {
            return self.fail(
                Diagnostic::new(
                    Code::EmptyRange,
                    "this range ends before it begins",
                    range.span,
                    "nothing is in it",
                )
                .help("the smaller end comes first"),
            );
        }
        Some((low, high))
    }

    /// A parameter where its value is used.
    pub(super) fn param_value(&mut self, item: &'a ast::Param, id: ParamId, span: Span) -> Option<Expr> {
        let param = self.program.params.get(id.index())?;
        let expr = Expr { kind: ExprKind::Param(id, param.range), ty: param.ty, span };
        if matches!(self.scope.place, Place::Constant) {
            let problem = self.unknown_yet(&expr, span).label(item.name.span, "declared here");
            return self.fail(problem);
        }
        Some(expr)
    }

    /// A parameter that is a share, if this is one: `sample` draws anew at each call, so it need be no constant.
    pub(super) fn percent_param(&mut self, expr: &'a Ast) -> Option<Expr> {
        let AstKind::Name(name) = &expr.kind else { return None };
        if self.scope.locals.iter().any(|local| local.name == *name) {
            return None;
        }
        let GlobalKind::Param(item, Some(id)) = self.globals.get(name)?.kind else { return None };
        let is_share = self.program.params.get(id.index())?.ty == Type::Percent;
        self.globals.use_name(name);
        is_share.then(|| self.param_value(item, id, expr.span)).flatten()
    }

    /// A constant is needed, and this is none.
    pub(super) fn unknown_yet(&self, value: &Expr, span: Span) -> Diagnostic {
        let is_param = |expr: &Expr| matches!(expr.kind, ExprKind::Param(..));
        if !value.any(&mut { is_param }) {
            return super::names::not_constant(span);
        }
        Diagnostic::new(
            Code::NotConstant,
            "a constant is needed here, and a parameter can change while the policy runs",
            span,
            "a parameter",
        )
        .help("use a `const`, and build again to change it")
    }

    /// `given NAME = VALUE` of a parameter; `None` if there is no parameter of this name.
    pub(super) fn given_param(&mut self, name: &'a Name, value: &'a Ast) -> Option<Option<Given>> {
        let GlobalKind::Param(_, id) = self.globals.get(&name.text)?.kind else { return None };
        self.globals.use_name(&name.text);
        Some(id.and_then(|id| self.given_param_value(name, id, value)))
    }

    fn given_param_value(&mut self, name: &Name, id: ParamId, value: &'a Ast) -> Option<Given> {
        let Param { ty, range, .. } = *self.program.params.get(id.index())?;
        let who = format!("the parameter `{}`", name.text);
        let found = self.value(value)?;
        let number = self.number_of(found, &Wanted { ty, unit: Unit::Plain, who: &who }, value.span)?;
        if (range.0..=range.1).contains(&number) {
            return Some(Given::Param(id, number));
        }
        self.fail(outside(&name.text, ty, number, range, value.span))
    }

    /// Warns if a parameter that is assigned to an option can be what the kernel does not take.
    pub(super) fn warn_if_loose_for(&mut self, option: &SockOption, value: &Expr) {
        let scale = option.unit.scale().unwrap_or(1);
        let bound = |raw: i64| (raw.max(0) as u64).saturating_mul(scale);
        if option.ty != Type::Bool {
            self.warn_if_loose(&format!("`{}`", option.name), value, (bound(option.min), bound(option.max)));
        }
    }

    /// The same of an answer: zero would mean the default.
    pub(super) fn warn_if_loose_reply(&mut self, event: &Event, question: Reply, value: &Expr) {
        if question.ty == Type::Bool {
            return;
        }
        let most = match question.unit.scale() {
            Some(scale) => question.max.saturating_mul(scale),
            None => jiffies_to_nanos(question.max, HZ_CHOICES.iter().copied().max().unwrap_or(1)),
        };
        self.warn_if_loose(&format!("a reply to `{}`", event.name), value, (1, most));
    }

    fn warn_if_loose(&mut self, who: &str, value: &Expr, (least, most): (u64, u64)) {
        let ExprKind::Param(id, (low, high)) = value.kind else { return };
        if least <= low && high <= most {
            return;
        }
        let Some(param) = self.program.params.get(id.index()) else { return };
        let (name, ty, declared) = (param.name.clone(), param.ty, param.span);
        let text = |number| words::bound(ty, number);
        let diagnostic = Diagnostic::new(
            Code::LooseParameter,
            format!(
                "{who} is {} to {}, and `{name}` can be {} to {}",
                text(least),
                text(most),
                text(low),
                text(high)
            ),
            value.span,
            "can be what the kernel does not take",
        )
        .label(declared, "declared here");
        let (low, high) = (low.max(least), high.min(most));
        self.report(match low <= high {
            true => diagnostic.help(format!(
                "give the parameter a range: `param {name} = … in {}..{}`",
                show(ty, low),
                show(ty, high)
            )),
            false => diagnostic,
        });
    }
}

fn no_param(message: &str, span: Span) -> Diagnostic {
    let types = words::list(Type::NUMBERS.iter().map(|ty| ty.name()), "or");
    Diagnostic::new(Code::ParameterType, message, span, "not a number that can be set")
        .help(format!("parameters are of the type {types}"))
}

fn outside(name: &str, ty: Type, number: u64, (low, high): (u64, u64), span: Span) -> Diagnostic {
    let message = format!("`{name}` is {} to {}, not {}", show(ty, low), show(ty, high), show(ty, number));
    let label = if number < low { "too small" } else { "too large" };
    Diagnostic::new(Code::ParameterRange, message, span, label)
}
