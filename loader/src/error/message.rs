//! What a refusal says.

use std::fmt;

use tcpc_stdlib::kernel::CGROUP_PROGRAMS_MAX;
use tcpc_stdlib::manifest::{FORMAT, Place, Requirement};

use super::{LoaderError, NoKernelFunction};

impl fmt::Display for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use LoaderError::*;
        match self {
            CgroupMissing(path) => write!(f, "there is no cgroup `{}`", path.display()),
            CgroupNotADirectory(path) => write!(f, "`{}` is not a directory", path.display()),
            NotCgroup2 { path, version1: true, .. } => {
                write!(f, "`{}` is a cgroup of version 1, where no policy can be attached", path.display())
            }
            NotCgroup2 { path, .. } => write!(f, "`{}` is not a cgroup", path.display()),
            CgroupRoot(path) => write!(
                f,
                "`{}` is the root of the hierarchy: the policy would apply to every connection of this host",
                path.display()
            ),
            NotPermitted { missing } => {
                write!(f, "this process may not load and attach programs: it lacks {}", missing.join(" and "))
            }
            NoBpffs { path, error } => {
                write!(f, "no bpffs is mounted, and it cannot be mounted at `{}`: {error}", path.display())
            }
            KernelLacks { needs, running, missing } => match missing.as_slice() {
                [] => write!(f, "the policy needs Linux {needs}, and this host runs {running}"),
                [one] => write!(
                    f,
                    "this kernel, Linux {running}, lacks `{}`, which {} uses",
                    one.construct,
                    whole_place(&one.place)
                ),
                [rest @ .., last] => {
                    let shown = |one: &Requirement| format!("`{}` ({})", one.construct, one.place);
                    let rest: Vec<String> = rest.iter().map(shown).collect();
                    write!(f, "this kernel, Linux {running}, lacks {} and {}", rest.join(", "), shown(last))
                }
            },
            CongestionMissing { name, place, .. } => {
                write!(f, "congestion control `{name}` ({place}) is not registered on this host")
            }
            KernelFunction { name, why } => {
                write!(f, "the policy calls the kernel function `{name}`, and this kernel ")?;
                f.write_str(match why {
                    NoKernelFunction::Absent => "does not have it",
                    NoKernelFunction::NoTypes => {
                        "does not say which it has: `/sys/kernel/btf/vmlinux` is missing"
                    }
                    NoKernelFunction::NoJit => "takes no such call while its JIT compiler is off",
                })
            }
            BadObject(reason) => write!(f, "the object cannot be loaded: {reason}"),
            NoManifest => write!(f, "the object was not built by tcpc: it has no description of itself"),
            NewerManifest(format) => write!(
                f,
                "the object describes itself in format {format}, and this tcpc reads up to format {FORMAT}"
            ),
            BadName(name) => write!(f, "`{name}` cannot be the name of a policy"),
            AlreadyAttached { name, cgroup } => {
                write!(f, "a policy `{name}` is attached to `{}` already", cgroup.display())
            }
            Exclusive(path) => write!(
                f,
                "`{}` or a cgroup above it has a sock_ops program that was attached to stay alone",
                path.display()
            ),
            TooManyPrograms(path) => {
                write!(
                    f,
                    "`{}` has {CGROUP_PROGRAMS_MAX} sock_ops programs, and takes no more",
                    path.display()
                )
            }
            Refused(refusal) => write!(f, "the kernel's verifier refused the program: {}", refusal.reason),
            NothingAttached { cgroup, .. } => {
                write!(f, "no policy is attached to `{}`", cgroup.display())
            }
            NoSuchPolicy { name, cgroup, .. } => {
                write!(f, "no policy `{name}` is attached to `{}`", cgroup.display())
            }
            WhichPolicy { cgroup, names } => {
                write!(f, "{} policies are attached to `{}`", names.len(), cgroup.display())
            }
            NoRecords(name) => write!(f, "the policy `{name}` gives no records"),
            WatchedAlready(name) => write!(f, "another process watches the policy `{name}`"),
            NoPolicy => f.write_str("no policy is attached on this host"),
            UnknownPolicy { name, .. } => write!(f, "no policy `{name}` is attached on this host"),
            SeveralPolicies { name: Some(name), known } => {
                write!(f, "{} policies `{name}` are attached on this host", known.len())
            }
            SeveralPolicies { name: None, known } => {
                write!(f, "{} policies are attached, and one is meant", known.len())
            }
            NoSuchParameter { name, policy, .. } => {
                write!(f, "the policy `{policy}` has no parameter `{name}`")
            }
            NoSuchSet { name, policy, .. } => {
                write!(f, "the policy `{policy}` has no set `{name}` that can be changed")
            }
            SetFull { name, wanted, max, .. } => {
                write!(f, "the set `{name}` can have {max} elements, not {wanted}")
            }
            ParameterRange { name, value, range: (low, high) } => {
                write!(f, "the parameter `{name}` is {low} to {high}, not {value}")
            }
            NoTable { name, .. } => write!(f, "there is no table `{name}`"),
            BadRecord { path, reason } => {
                write!(f, "the pins in `{}` cannot be understood: {reason}", path.display())
            }
            System { doing, error } => write!(f, "cannot {doing}: {error}"),
        }
    }
}

/// `line 7 of the policy`, `line 7 of std/dc.tcp`.
fn whole_place(place: &Place) -> String {
    match &place.file {
        Some(_) => place.to_string(),
        None => format!("{place} of the policy"),
    }
}
