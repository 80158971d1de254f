//! What the loader reports, as diagnostics with codes.

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::suggest::closest;
use tcpc_loader::{LoaderError, Warning};

/// An error of the loader. A verifier's refusal carries the whole log.
pub fn error(error: &LoaderError) -> Diagnostic {
    let mut diagnostic = Diagnostic::without_place(code(error), error.to_string());
    if let LoaderError::Refused(refusal) = error {
        if let Some(line) = &refusal.line {
            diagnostic = diagnostic.note(match &line.place {
                Some((file, number)) => format!("at {file}:{number}: `{}`", line.text),
                None => format!("at the line `{}`", line.text),
            });
        }
        diagnostic = diagnostic.note(format!("the kernel's log:\n{}", refusal.log.trim_end()));
    }
    if let LoaderError::UnknownPolicy { name, known } = error
        && let Some(meant) = closest(name, known.iter().map(|(name, _)| name.as_str()))
    {
        diagnostic = diagnostic.help(format!("did you mean `{meant}`?"));
    }
    if let LoaderError::NoTable { name, known } = error
        && let Some(meant) = closest(name, known.iter().map(|(table, _)| table.as_str()))
    {
        diagnostic = diagnostic.help(format!("did you mean `{meant}`?"));
    }
    match error.help() {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// A warning of the loader.
pub fn warning(warning: &Warning) -> Diagnostic {
    let code = match warning {
        Warning::Congestion { .. } => Code::CongestionSkipped,
        Warning::Buffer { .. } => Code::BufferCapped,
        Warning::NoIpv6 => Code::NoIpv6,
        Warning::NotTried(_) => Code::NotTried,
    };
    let diagnostic = Diagnostic::without_place(code, warning.to_string());
    match warning.help() {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn code(error: &LoaderError) -> Code {
    match error {
        LoaderError::CgroupMissing(_)
        | LoaderError::CgroupNotADirectory(_)
        | LoaderError::NotCgroup2 { .. } => Code::NoCgroup,
        LoaderError::CgroupRoot(_) => Code::CgroupRoot,
        LoaderError::NotPermitted { .. } => Code::NotPermitted,
        LoaderError::NoBpffs { .. } => Code::NoBpffs,
        LoaderError::KernelLacks { .. } => Code::KernelLacks,
        LoaderError::CongestionMissing { .. } => Code::CongestionMissing,
        LoaderError::KernelFunction { .. } => Code::KernelFunctionMissing,
        LoaderError::BadObject(_) | LoaderError::NoManifest | LoaderError::NewerManifest(_) => {
            Code::ObjectUnloadable
        }
        LoaderError::BadName(_) => Code::BadPolicyName,
        LoaderError::AlreadyAttached { .. } => Code::AlreadyAttached,
        LoaderError::Exclusive(_) | LoaderError::TooManyPrograms(_) => Code::CgroupTaken,
        LoaderError::Refused(_) => Code::VerifierRefused,
        LoaderError::NothingAttached { .. }
        | LoaderError::NoSuchPolicy { .. }
        | LoaderError::NoPolicy
        | LoaderError::UnknownPolicy { .. } => Code::NotAttached,
        LoaderError::WhichPolicy { .. } | LoaderError::SeveralPolicies { .. } => Code::WhichPolicy,
        LoaderError::NoSuchParameter { .. } => Code::NoParameter,
        LoaderError::ParameterRange { .. } => Code::ParameterValue,
        LoaderError::NoTable { .. } => Code::NoTable,
        LoaderError::NoSuchSet { .. } => Code::NoMutableSet,
        LoaderError::SetFull { .. } => Code::SetFull,
        LoaderError::BadRecord { .. } => Code::PinsDamaged,
        LoaderError::NoRecords(_) => Code::NotWatchable,
        LoaderError::WatchedAlready(_) => Code::WatchedAlready,
        _ => Code::HostFailure,
    }
}
