//! `NAME=VALUE` of the command line: read as in a policy, and checked against what the policy says of its parameters.

use clap_complete::engine::ArgValueCandidates;
use tcpc_compiler::describe::policy_name;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::Program;
use tcpc_lang::read::{self, type_named};
use tcpc_lang::show::show;
use tcpc_lang::source::SourceFile;
use tcpc_lang::suggest::closest;
use tcpc_stdlib::manifest::state::ParamInfo;
use tcpc_stdlib::unit::Type;

use crate::completion;

/// What parameters start with.
#[derive(clap::Args, Debug, Default)]
pub struct Settings {
    /// Value that a parameter starts with, written as in a policy; can be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", add = ArgValueCandidates::new(completion::settings_of_file))]
    settings: Vec<String>,
}

impl Settings {
    /// Names and values of the parameters that are set.
    pub fn values(&self, policy: &str, known: &[ParamInfo]) -> Result<Vec<(String, u64)>, Diagnostic> {
        values(&self.settings, policy, known)
    }

    /// Makes the values the defaults of the program's parameters.
    pub fn set_defaults(&self, source: &SourceFile, program: &mut Program) -> Result<(), Diagnostic> {
        let known: Vec<ParamInfo> = program
            .params
            .iter()
            .map(|param| ParamInfo {
                name: param.name.clone(),
                symbol: String::new(),
                ty: param.ty.name().to_owned(),
                default: param.default,
                range: param.range,
                line: source.line(param.span.start),
            })
            .collect();
        for (name, value) in self.values(&policy_name(source), &known)? {
            if let Some(param) = program.params.iter_mut().find(|param| param.name == name) {
                param.default = value;
            }
        }
        Ok(())
    }
}

/// Names and values of `NAME=VALUE`s. Of two for one parameter the last holds.
///
/// # Errors
/// One that names no parameter, or no value that it can have.
pub fn values(
    settings: &[String],
    policy: &str,
    known: &[ParamInfo],
) -> Result<Vec<(String, u64)>, Diagnostic> {
    let mut values: Vec<(String, u64)> = Vec::new();
    for setting in settings {
        let (name, value) = one(setting, policy, known)?;
        values.retain(|(other, _)| *other != name);
        values.push((name, value));
    }
    Ok(values)
}

/// The name and the value of `NAME=VALUE`, whatever they are.
///
/// # Errors
/// It is not of this form.
pub fn parts(setting: &str) -> Result<(&str, &str), Diagnostic> {
    let Some((name, text)) = setting.split_once('=') else {
        let what = format!("`{setting}` sets no parameter");
        return Err(Diagnostic::without_place(Code::ParameterValue, what).help("write `NAME=VALUE`"));
    };
    Ok((name.trim(), text.trim()))
}

fn one(setting: &str, policy: &str, known: &[ParamInfo]) -> Result<(String, u64), Diagnostic> {
    let (name, text) = parts(setting)?;
    let Some(info) = known.iter().find(|info| info.name == name) else {
        return Err(unknown(name, policy, known));
    };
    let wrong = |what: String| Diagnostic::without_place(Code::ParameterValue, what);
    let ty = type_of(info);
    let value = read::number(ty, text).map_err(|unreadable| {
        wrong(format!("`{text}` {}: `{name}` is a parameter of the type `{ty}`", unreadable.why))
            .help(unreadable.help)
    })?;
    let (low, high) = info.range;
    if (low..=high).contains(&value) {
        return Ok((name.to_owned(), value));
    }
    let what = format!("`{name}` is {} to {}, not {}", show(ty, low), show(ty, high), show(ty, value));
    Err(wrong(what).help("choose a value in this range, or change the range in the policy"))
}

/// A parameter that the policy does not have.
pub fn unknown(name: &str, policy: &str, known: &[ParamInfo]) -> Diagnostic {
    let what = format!("the policy `{policy}` has no parameter `{name}`");
    let diagnostic = Diagnostic::without_place(Code::NoParameter, what);
    let names: Vec<String> = known.iter().map(|info| format!("`{}`", info.name)).collect();
    match closest(name, known.iter().map(|info| info.name.as_str())) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
        None if names.is_empty() => {
            diagnostic.help("it has none: declare it in the policy, `param NAME = VALUE in LOW..HIGH`")
        }
        None => diagnostic.help(format!("it has {}", names.join(", "))),
    }
}

/// The type of a parameter; of a later version's types nothing is known but that they are numbers.
pub fn type_of(info: &ParamInfo) -> Type {
    type_named(&info.ty).unwrap_or(Type::Int)
}
