//! `given`: the socket, the peer and the kernel that a test starts from.

use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::field::{FIELDS, Field, field};
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, ERRNOS, HZ_CHOICES, MAPPED_FIRST, errno_number, is_mapped, v};
use tcpc_stdlib::option::{OPTIONS, OptionValue, SockOption, option};
use tcpc_stdlib::unit::{Type, Unit};

use super::suggest::did_you_mean;
use super::test::Case;
use super::types::Wanted;
use super::{Checker, Term, fold, words};
use crate::ast::{self, Expr as Ast, Name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Given, Step, Value};
use crate::source::Span;

/// Settings that are neither fields nor options.
const SETTINGS: &[&str] = &["local", "remote", "role", "hz", "kernel", "wmem_max", "rmem_max", "syn_tos"];

impl<'a> Checker<'a> {
    /// One setting, as the steps that it stands for.
    pub(super) fn given(&mut self, given: &'a ast::Given, case: &mut Case, steps: &mut Vec<Step>) {
        let settings = match given {
            ast::Given::Kernel { version: (major, minor), .. } => vec![Given::Kernel(v(*major, *minor))],
            ast::Given::Header { name, fields, .. } => {
                let given = self
                    .header_named(name)
                    .and_then(|id| Some(Given::Header(id, self.given_fields(id, fields)?)));
                given.into_iter().collect()
            }
            ast::Given::Cell { place, value, .. } => self.given_cell(place, value).into_iter().collect(),
            ast::Given::Has { name, elements, .. } => self.given_has(name, elements).into_iter().collect(),
            ast::Given::Fails { name, value, errno, .. } => {
                self.fails(name, value.as_ref(), errno).into_iter().collect()
            }
            ast::Given::Value { name, value, port, span } => {
                self.setting(name, value, port.as_ref(), *span, case).unwrap_or_default()
            }
        };
        steps.extend(settings.into_iter().map(Step::Given));
    }

    fn setting(
        &mut self,
        name: &'a Name,
        value: &'a Ast,
        port: Option<&'a Ast>,
        span: Span,
        case: &mut Case,
    ) -> Option<Vec<Given>> {
        let text = name.text.as_str();
        if let Some(port) = port
            && !matches!(text, "local" | "remote")
        {
            return self.fail(
                Diagnostic::new(
                    Code::UnknownSetting,
                    format!("`{text}` has no port"),
                    port.span,
                    "only `local` and `remote` have one",
                )
                .help("write `given local = 10.0.0.1 port 40000`"),
            );
        }
        let one = |given| Some(vec![given]);
        if let Some(given) = self.given_param(name, value) {
            return given.map(|given| vec![given]);
        }
        match text {
            "local" | "remote" => self.end(name, value, port, span, case),
            "role" => match self.term(value)? {
                Term::End(role, _) => {
                    case.connection().role = Some((role, span));
                    one(Given::Role(role))
                }
                term => self.fail(Diagnostic::new(
                    Code::TypeMismatch,
                    "the role is `client` or `server`",
                    term.span(),
                    "not a role",
                )),
            },
            "hz" => {
                let hz = self.plain(value, Type::Int, "`hz`")?;
                let Some(&hz) = HZ_CHOICES.iter().find(|choice| u64::from(**choice) == hz) else {
                    let choices: Vec<String> = HZ_CHOICES.iter().map(u32::to_string).collect();
                    let choices = words::list(choices.iter().map(String::as_str), "or");
                    return self.fail(Diagnostic::new(
                        Code::ValueOutOfRange,
                        format!("a kernel has {choices} ticks per second"),
                        value.span,
                        "no such kernel",
                    ));
                };
                case.hz = hz;
                one(Given::Hz(hz))
            }
            "wmem_max" => one(Given::WmemMax(self.plain(value, Type::Size, "`wmem_max`")?)),
            "rmem_max" => one(Given::RmemMax(self.plain(value, Type::Size, "`rmem_max`")?)),
            "syn_tos" => {
                let tos = self.plain(value, Type::Int, "`syn_tos`")?;
                match u8::try_from(tos) {
                    Ok(tos) => one(Given::SynTos(tos)),
                    Err(_) => self.fail(Diagnostic::new(
                        Code::ValueOutOfRange,
                        format!("`syn_tos` is 0 to 255, not {tos}"),
                        value.span,
                        "too large",
                    )),
                }
            }
            "kernel" => self.fail(
                Diagnostic::new(Code::TypeMismatch, "the kernel is a version", value.span, "not a version")
                    .help("write `given kernel = 5.10`"),
            ),
            _ => {
                if let Some(field) = field(text) {
                    if field.ty == Type::Family {
                        case.connection().family_given = true;
                    }
                    return one(self.given_field(field, value)?);
                }
                if let Some(option) = self.given_option(name)? {
                    let value = self.option_value(option, value)?;
                    return one(Given::Option(option, fold::constant(&value)?.clone()));
                }
                self.unknown_setting(name)
            }
        }
    }

    /// `local = ADDRESS port N`: its address and port, and the family that follows.
    fn end(
        &mut self,
        name: &'a Name,
        value: &'a Ast,
        port: Option<&'a Ast>,
        span: Span,
        case: &mut Case,
    ) -> Option<Vec<Given>> {
        let who = format!("`{}`", name.text);
        let wanted = Wanted { ty: Type::Ip, unit: Unit::Plain, who: &who };
        let address = self.constant(value, &wanted);
        let port = match port {
            Some(port) => Some(self.plain(port, Type::Port, "a port")?),
            None => None,
        };
        let Value::Ip(address) = address? else { return None };
        let (address_field, port_field) = match name.text.as_str() {
            "local" => (field("local_ip")?, field("local_port")?),
            _ => (field("remote_ip")?, field("remote_port")?),
        };
        let mut settings = vec![Given::Field(address_field, Value::Ip(address))];
        settings.extend(port.map(|port| Given::Field(port_field, Value::Number(port))));
        let family = if is_mapped(address) { AF_INET } else { AF_INET6 };
        match case.connection().family {
            Some((other, first)) if other != family && !is_unspecified(address) => {
                return self.fail(
                    Diagnostic::new(
                        Code::ImpossibleSocket,
                        "one end has an IPv4 address, the other an IPv6 address",
                        span,
                        "of the other family",
                    )
                    .label(first, "the other end")
                    .help("give both ends addresses of one family"),
                );
            }
            _ => case.connection().family = Some((family, span)),
        }
        if !case.connection().family_given {
            settings.push(Given::Field(field("family")?, Value::Number(family.into())));
        }
        Some(settings)
    }

    fn given_field(&mut self, field: &'static Field, value: &'a Ast) -> Option<Given> {
        let who = format!("`{}`", field.name);
        let constant = self.constant(value, &Wanted { ty: field.ty, unit: field.unit, who: &who })?;
        if let Value::Number(number) = constant
            && field.size == 4
            && number / field.unit.scale().unwrap_or(1) > u64::from(u32::MAX)
        {
            let most = u64::from(u32::MAX).saturating_mul(field.unit.scale().unwrap_or(1));
            return self.fail(Diagnostic::new(
                Code::ValueOutOfRange,
                format!("`{}` is at most {}", field.name, words::bound(field.ty, most)),
                value.span,
                "too large",
            ));
        }
        Some(Given::Field(field, constant))
    }

    /// The option of this name; `Some(None)` if there is none.
    fn given_option(&mut self, name: &Name) -> Option<Option<&'static SockOption>> {
        let Some(option) = option(&name.text) else { return Some(None) };
        if option.value == OptionValue::Bytes {
            return self.fail(Diagnostic::new(
                Code::UnknownSetting,
                format!("`{}` is bytes, and a test cannot give them", name.text),
                name.span,
                "not a value",
            ));
        }
        Some(Some(option))
    }

    /// `NAME ["VALUE"] fails ERRNO`.
    fn fails(&mut self, name: &'a Name, value: Option<&'a Ast>, errno: &Name) -> Option<Given> {
        let Some(option) = self.given_option(name)? else {
            let options = OPTIONS.iter().filter(|row| row.reserved.is_none()).map(|row| row.name);
            let diagnostic = Diagnostic::new(
                Code::UnknownSetting,
                format!("unknown socket option `{}`", name.text),
                name.span,
                "no such option",
            );
            let diagnostic = did_you_mean(diagnostic, &name.text, name.span, options);
            return self.fail(diagnostic);
        };
        let value = match value {
            Some(value) => Some(self.option_value(option, value)?),
            None => None,
        };
        let value = match value {
            Some(value) => Some(fold::constant(&value)?.clone()),
            None => None,
        };
        let Some(number) = errno_number(&errno.text) else {
            let diagnostic = Diagnostic::new(
                Code::UnknownSubject,
                format!("unknown error number `{}`", errno.text),
                errno.span,
                "no such error",
            );
            let known = ERRNOS.iter().map(|errno| errno.name);
            let diagnostic = did_you_mean(diagnostic, &errno.text, errno.span, known)
                .note("a test knows those that socket options can fail with, such as `ENOENT`");
            return self.fail(diagnostic);
        };
        Some(Given::Fails(option, value, number))
    }

    fn plain(&mut self, value: &'a Ast, ty: Type, who: &str) -> Option<u64> {
        let unit = if ty == Type::Size { Unit::Bytes } else { Unit::Plain };
        match self.constant(value, &Wanted { ty, unit, who })? {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn unknown_setting(&mut self, name: &Name) -> Option<Vec<Given>> {
        let text = name.text.as_str();
        let diagnostic = Diagnostic::new(
            Code::UnknownSetting,
            format!("a test has no setting `{text}`"),
            name.span,
            "no field, option or setting",
        );
        if text == "port" {
            let ports = diagnostic.help("say whose: `local_port` or `remote_port`");
            return self.fail(ports);
        }
        if EVENTS.iter().any(|event| event.args.iter().any(|arg| arg.name == text)) {
            let fire = diagnostic.help("arguments are given where the event is fired: `fire EVENT { … }`");
            return self.fail(fire);
        }
        let fields = FIELDS.iter().map(|field| field.name).filter(|name| !name.is_empty());
        let options = OPTIONS.iter().map(|option| option.name);
        let candidates = fields.chain(options).chain(SETTINGS.iter().copied());
        let diagnostic = did_you_mean(diagnostic, text, name.span, candidates);
        self.fail(diagnostic)
    }
}

/// `0.0.0.0` and `::` go with either family.
fn is_unspecified(address: u128) -> bool {
    address == 0 || address == MAPPED_FIRST
}
