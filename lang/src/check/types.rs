//! Which types go together, and what to say when they do not.

use tcpc_stdlib::kernel::tcp_state;
use tcpc_stdlib::unit::{Type, Unit};

use super::{Checker, fold, words};
use crate::diag::{Code, Diagnostic};
use crate::hir::{CompareOp, Expr, ExprKind, Value};
use crate::source::Span;

/// What a place needs.
pub struct Wanted<'w> {
    /// The type.
    pub ty: Type,
    /// The kernel's unit, for what a bare number was probably meant to be.
    pub unit: Unit,
    /// Who needs it, as the start of a sentence: `` `sndbuf` ``, `a condition`.
    pub who: &'w str,
}

impl<'a> Checker<'a> {
    /// Makes a value fit a place, or says why it does not.
    pub(super) fn coerce(&mut self, value: Expr, wanted: &Wanted) -> Option<Expr> {
        let constant = fold::constant_number(&value);
        match (value.ty, wanted.ty) {
            (have, want) if have == want => Some(value),
            (Type::Int | Type::Packets, Type::Int | Type::Packets) | (Type::Port, Type::Int) => {
                Some(retype(value, wanted.ty))
            }
            (Type::Int, Type::Port) if constant.is_some() => self.port(value),
            (Type::Int, Type::Duration | Type::Size | Type::Rate | Type::Percent) if constant.is_some() => {
                let number = constant.unwrap_or(0);
                let why = format!("{} needs {}", wanted.who, words::a(wanted.ty));
                self.fail(self.missing_unit(why, wanted.ty, wanted.unit, number, value.span))
            }
            (Type::Int, Type::Bool) if matches!(value.kind, ExprKind::RuleHits(_)) => {
                let span = value.span;
                Some(fold::compare(CompareOp::Gt, value, fold::number(0, Type::Int, span), span))
            }
            (have, want) if is_quantity(have) && is_quantity(want) => {
                let diagnostic = Diagnostic::new(
                    Code::UnitMismatch,
                    format!("{} needs {}, and this is {}", wanted.who, words::a(want), words::a(have)),
                    value.span,
                    format!("this is {}", words::a(have)),
                );
                self.fail(with_conversion(diagnostic, have, want))
            }
            (have, want) => {
                let mut diagnostic = Diagnostic::new(
                    Code::TypeMismatch,
                    format!("{} needs {}, and this is {}", wanted.who, words::a(want), words::a(have)),
                    value.span,
                    format!("this is {}", words::a(have)),
                );
                if want == Type::Bool {
                    diagnostic = match constant {
                        Some(number @ (0 | 1)) if have == Type::Int => {
                            let word = if number == 1 { "true" } else { "false" };
                            diagnostic.help(format!("write `{word}`")).suggest(value.span, word)
                        }
                        _ if wanted.who == CONDITION => diagnostic.help(format!(
                            "compare it, as in `{} {}`",
                            self.source.slice(value.span),
                            comparison(have)
                        )),
                        _ => diagnostic.help("write `true` or `false`, or a comparison"),
                    };
                }
                if want == Type::Name {
                    diagnostic = diagnostic.help("names stand in quotes, such as `\"cubic\"`");
                }
                self.fail(diagnostic)
            }
        }
    }

    /// An int constant as a port.
    pub(super) fn port(&mut self, value: Expr) -> Option<Expr> {
        if let Some(number) = fold::constant_number(&value)
            && number > u64::from(u16::MAX)
        {
            return self.fail(Diagnostic::new(
                Code::PortRange,
                format!("{number} is no port: ports are 0 to 65535"),
                value.span,
                "too large",
            ));
        }
        Some(retype(value, Type::Port))
    }

    /// Two operands as values of one type, and that type.
    ///
    /// `doing` is what is done to them: `compared`, `added`, …
    pub(super) fn unify(&mut self, left: Expr, right: Expr, doing: &str) -> Option<(Expr, Expr, Type)> {
        let (a, b) = (left.ty, right.ty);
        if a == b {
            return Some((left, right, a));
        }
        let number = |expr: &Expr| fold::constant_number(expr).filter(|_| expr.ty == Type::Int);
        match (a, b) {
            (Type::Int | Type::Packets, Type::Int | Type::Packets) => {
                Some((retype(left, Type::Packets), retype(right, Type::Packets), Type::Packets))
            }
            (Type::Port, Type::Int) if number(&right).is_some() => {
                let right = self.port(right)?;
                Some((left, right, Type::Port))
            }
            (Type::Int, Type::Port) if number(&left).is_some() => {
                let left = self.port(left)?;
                Some((left, right, Type::Port))
            }
            (Type::Port, Type::Int) | (Type::Int, Type::Port) => {
                Some((retype(left, Type::Int), retype(right, Type::Int), Type::Int))
            }
            _ => {
                let bare = match (number(&left), number(&right)) {
                    (None, Some(value)) if has_unit(a) => Some((a, unit_of(&left), value, right.span)),
                    (Some(value), None) if has_unit(b) => Some((b, unit_of(&right), value, left.span)),
                    _ => None,
                };
                let diagnostic = match bare {
                    Some((ty, unit, value, span)) => {
                        let why = format!("{doing} with {}", words::a(ty));
                        self.missing_unit(why, ty, unit, value, span)
                    }
                    None => {
                        let diagnostic = mismatch(a, b, left.span, right.span, doing);
                        respell(respell(diagnostic, &left, b), &right, a)
                    }
                };
                self.fail(diagnostic)
            }
        }
    }

    fn missing_unit(&self, why: String, ty: Type, unit: Unit, number: u64, span: Span) -> Diagnostic {
        let text = self.source.slice(span);
        let message = format!("{} needs a unit, and `{text}` has none", words::a(ty));
        let diagnostic = Diagnostic::new(Code::MissingUnit, message, span, why);
        let Some(literal) = words::literal(ty, unit, number) else { return diagnostic };
        let in_bytes = format!("{number}B");
        let diagnostic = match ty {
            Type::Size if literal != in_bytes => {
                diagnostic.help(format!("if bytes are meant, write `{literal}` or `{in_bytes}`"))
            }
            Type::Size => diagnostic.help(format!("if bytes are meant, write `{literal}`")),
            Type::Rate => diagnostic
                .help(format!("if bytes per second are meant, as the kernel counts them, write `{literal}`")),
            _ => diagnostic.help(format!("write `{literal}` if that is meant")),
        };
        // A name stands for the number in other places too.
        let is_literal = self.source.slice(span).starts_with(|first: char| first.is_ascii_digit());
        if is_literal { diagnostic.suggest(span, literal) } else { diagnostic }
    }
}

/// Who needs a bool where something is asked.
pub const CONDITION: &str = "a condition";

/// How a value of a type is compared, as an example.
fn comparison(ty: Type) -> &'static str {
    match ty {
        Type::Duration => "> 10ms",
        Type::Size => "> 1MB",
        Type::Rate => "> 1Gbps",
        Type::Percent => "> 1%",
        Type::Port => "== 443",
        Type::Ip => "in 10.0.0.0/8",
        Type::Name => "== \"cubic\"",
        Type::State => "== ESTABLISHED",
        Type::Family => "== ipv6",
        Type::Role => "== client",
        Type::Bool | Type::Int | Type::Packets | Type::Prefix => "!= 0",
    }
}

/// The same value, taken for another type with the same canonical unit.
pub fn retype(expr: Expr, ty: Type) -> Expr {
    Expr { ty, ..expr }
}

/// Whether numbers of a type are counted.
pub fn is_quantity(ty: Type) -> bool {
    has_unit(ty) || matches!(ty, Type::Int | Type::Packets)
}

/// Whether numbers of a type are written with a unit.
pub fn has_unit(ty: Type) -> bool {
    matches!(ty, Type::Duration | Type::Size | Type::Rate | Type::Percent)
}

/// Two types that do not go together.
pub fn mismatch(a: Type, b: Type, left: Span, right: Span, doing: &str) -> Diagnostic {
    let code = if is_quantity(a) && is_quantity(b) { Code::UnitMismatch } else { Code::TypeMismatch };
    let message = match doing {
        "added" => format!("{} cannot be added to {}", words::a(b), words::a(a)),
        "subtracted" => format!("{} cannot be subtracted from {}", words::a(b), words::a(a)),
        "divided" => format!("{} cannot be divided by {}", words::a(a), words::a(b)),
        _ => format!("{} cannot be {doing} with {}", words::a(a), words::a(b)),
    };
    let diagnostic = Diagnostic::new(code, message, right, format!("this is {}", words::a(b)))
        .label(left, format!("this is {}", words::a(a)));
    match (a, b) {
        (Type::Ip, Type::Prefix) => diagnostic.help("ask whether it is in the prefix, with `in`"),
        _ => with_conversion(diagnostic, a, b),
    }
}

/// Help for a constant that says the right thing in the wrong spelling: `1` for `true`, a state or an
/// address in quotes.
fn respell(diagnostic: Diagnostic, constant: &Expr, wanted: Type) -> Diagnostic {
    let spelling = match (fold::constant(constant), wanted) {
        (Some(Value::Number(0)), Type::Bool) if constant.ty == Type::Int => "false".to_string(),
        (Some(Value::Number(1)), Type::Bool) if constant.ty == Type::Int => "true".to_string(),
        (Some(Value::Name(text)), Type::State) if tcp_state(&text.to_uppercase()).is_some() => {
            text.to_uppercase()
        }
        (Some(Value::Name(text)), Type::Family | Type::Ip | Type::Port) => text.clone(),
        _ => return diagnostic,
    };
    let why = if constant.ty == Type::Name { "only names of the kernel stand in quotes: " } else { "" };
    diagnostic.help(format!("{why}write `{spelling}`")).suggest(constant.span, spelling)
}

/// How to come from one type to the other, where there is a way.
fn with_conversion(diagnostic: Diagnostic, a: Type, b: Type) -> Diagnostic {
    use Type::{Duration, Int, Packets, Percent, Rate, Size};
    let help = match (a, b) {
        (Duration, Int | Packets) => "a duration divided by a duration is a plain number: `srtt / 1ms`",
        (Int | Packets, Duration) => "a plain number times a duration is a duration: `snd_cwnd * 1ms`",
        (Size, Packets) | (Packets, Size) => {
            "packets times the segment size are a size, as in `snd_cwnd * mss_cache`"
        }
        (Size, Int) | (Int, Size) => "a size divided by a size is a plain number, as in `bytes_acked / 1KB`",
        (Rate, Int | Packets) | (Int | Packets, Rate) => {
            "a rate divided by a rate is a plain number, as in `max_pacing_rate / 1Mbps`"
        }
        (Percent, _) | (_, Percent) => "a percentage of something is written `srtt * 50%`",
        (Duration, Size) | (Size, Duration) => "one is time, the other an amount of data",
        (Duration, Rate) | (Rate, Duration) => "one is time, the other data per second",
        (Size, Rate) | (Rate, Size) => "one is an amount of data, the other data per second",
        _ => return diagnostic,
    };
    diagnostic.help(help)
}

/// The unit in which the kernel counts what an expression reads.
fn unit_of(expr: &Expr) -> Unit {
    match &expr.kind {
        ExprKind::Field(field) => field.unit,
        ExprKind::Option(option) => option.unit,
        ExprKind::Arg(_, arg) => arg.unit,
        ExprKind::Arith(_, left, _) => unit_of(left),
        _ => Unit::Plain,
    }
}
