//! Why a host refuses: each variant is one clear sentence, with the way out in [`LoaderError::help`].

use std::fmt;
use std::io;
use std::path::PathBuf;

use tcpc_stdlib::feature::feature;
use tcpc_stdlib::kernel::{CGROUP_PROGRAMS_MAX, KernelVersion};
use tcpc_stdlib::kfunc::kfunc;
use tcpc_stdlib::manifest::{FORMAT, Place, Requirement};

use crate::refusal::Refusal;

/// Why a policy could not be attached, detached, listed or read.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoaderError {
    /// The path does not exist.
    CgroupMissing(PathBuf),
    /// The path is a file.
    CgroupNotADirectory(PathBuf),
    /// The directory is not on a cgroup2 file system.
    NotCgroup2 {
        /// The directory.
        path: PathBuf,
        /// Whether it is a cgroup of version 1.
        version1: bool,
        /// Where cgroup2 is mounted on this host.
        mount: Option<PathBuf>,
    },
    /// The root of the hierarchy, without being asked for by name.
    CgroupRoot(PathBuf),
    /// The process may not load and attach.
    NotPermitted {
        /// The capabilities that it lacks.
        missing: Vec<&'static str>,
    },
    /// No bpffs is mounted and none can be.
    NoBpffs {
        /// Where one was tried.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The policy uses something that the kernel has not.
    KernelLacks {
        /// The version that has it all.
        needs: KernelVersion,
        /// What runs here.
        running: KernelVersion,
        /// What is missing; empty if only the versions are known.
        missing: Vec<Requirement>,
    },
    /// The policy sets a congestion control that is not registered, without a fall-back.
    CongestionMissing {
        /// Its name.
        name: String,
        /// Where it stands.
        place: Place,
        /// Those that are registered.
        available: Vec<String>,
    },
    /// The policy calls a kernel function that it cannot call here.
    KernelFunction {
        /// Its name.
        name: String,
        /// What stands against it.
        why: NoKernelFunction,
    },
    /// The bytes are no object file, or one that aya cannot load.
    BadObject(String),
    /// An object file without a manifest.
    NoManifest,
    /// A manifest of a later version.
    NewerManifest(u32),
    /// A name that cannot be a directory of bpffs.
    BadName(String),
    /// A policy of this name is attached to the cgroup.
    AlreadyAttached {
        /// Its name.
        name: String,
        /// The cgroup.
        cgroup: PathBuf,
    },
    /// The cgroup or one above it has a program that shares with no other.
    Exclusive(PathBuf),
    /// The cgroup is full.
    TooManyPrograms(PathBuf),
    /// The kernel's verifier refused the program.
    Refused(Box<Refusal>),
    /// No policy is attached to the cgroup.
    NothingAttached {
        /// The cgroup.
        cgroup: PathBuf,
        /// What is attached elsewhere: name and cgroup.
        elsewhere: Vec<(String, PathBuf)>,
    },
    /// Policies are attached to the cgroup, none of this name.
    NoSuchPolicy {
        /// The name.
        name: String,
        /// The cgroup.
        cgroup: PathBuf,
        /// What is attached there.
        names: Vec<String>,
    },
    /// Several policies are attached to the cgroup and none was named.
    WhichPolicy {
        /// The cgroup.
        cgroup: PathBuf,
        /// What is attached there.
        names: Vec<String>,
    },
    /// The policy gives no records.
    NoRecords(String),
    /// Another process reads the policy's records.
    WatchedAlready(String),
    /// No policy is attached on this host.
    NoPolicy,
    /// No policy of this name is attached on this host.
    UnknownPolicy {
        /// The name.
        name: String,
        /// What is attached: name and cgroup.
        known: Vec<(String, PathBuf)>,
    },
    /// Several policies could be meant where one is.
    SeveralPolicies {
        /// The name that they share, if one was given.
        name: Option<String>,
        /// Name and cgroup of each.
        known: Vec<(String, PathBuf)>,
    },
    /// The policy has no parameter of this name.
    NoSuchParameter {
        /// The name.
        name: String,
        /// The policy.
        policy: String,
        /// Its parameters.
        names: Vec<String>,
    },
    /// The policy has no set of this name that can be changed.
    NoSuchSet {
        /// The name.
        name: String,
        /// The policy.
        policy: String,
        /// Its sets that can be changed.
        names: Vec<String>,
    },
    /// More elements than a set has room for.
    SetFull {
        /// The set.
        name: String,
        /// Elements that it would have.
        wanted: usize,
        /// Elements that it can have.
        max: usize,
        /// Elements that stay in it.
        has: usize,
    },
    /// A value outside of a parameter's range.
    ParameterRange {
        /// The parameter.
        name: String,
        /// The value, in the canonical unit of the parameter's type.
        value: u64,
        /// The least and the most that it can be.
        range: (u64, u64),
    },
    /// No policy that is meant has a table of this name.
    NoTable {
        /// The name.
        name: String,
        /// The tables that there are: name and policy.
        known: Vec<(String, String)>,
    },
    /// The pins of a policy cannot be understood.
    BadRecord {
        /// The pin directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Anything else that the system refused.
    System {
        /// What was being done, as the end of "cannot …".
        doing: String,
        /// What the kernel said.
        error: io::Error,
    },
}

/// Why a kernel function cannot be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKernelFunction {
    /// The kernel has no such function.
    Absent,
    /// The kernel does not say which functions it has.
    NoTypes,
    /// The kernel interprets programs, and such calls need compiled ones.
    NoJit,
}

impl LoaderError {
    /// A system error; `doing` ends the sentence "cannot …".
    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> LoaderError {
        let doing = doing.into();
        move |error| LoaderError::System { doing, error }
    }

    /// The way out, if there is one to name.
    pub fn help(&self) -> Option<String> {
        use LoaderError::*;
        Some(match self {
            CgroupMissing(path) => match crate::cgroup::cgroup2_mount() {
                Ok(Some(mount)) if !path.starts_with(&mount) => {
                    format!("cgroup2 is mounted at `{}`: make or name a directory there", mount.display())
                }
                _ => format!("make it first: `mkdir {}`", path.display()),
            },
            CgroupNotADirectory(path) => {
                let parent = path.parent().unwrap_or(path);
                format!("name the cgroup's directory: `{}`", parent.display())
            }
            NotCgroup2 { mount: Some(mount), .. } => {
                format!("cgroup2 is mounted at `{}`: make or name a directory there", mount.display())
            }
            NotCgroup2 { mount: None, .. } => {
                "mount cgroup2 first: `mount -t cgroup2 none /sys/fs/cgroup`".into()
            }
            CgroupRoot(_) => "name a cgroup below it, or say `--root` to mean every connection".into(),
            NotPermitted { .. } => "run it as root, for example with `sudo`".into(),
            NoBpffs { path, .. } => format!("mount it as root: `mount -t bpf bpf {}`", path.display()),
            KernelLacks { missing, .. } => match missing.as_slice() {
                [] => return None,
                [one] => match feature(&one.construct) {
                    Some(_) => format!(
                        "Linux has it since {}; use it only where `kernel has {}`",
                        one.kernel, one.construct
                    ),
                    None => format!("Linux has it since {}", one.kernel),
                },
                several => {
                    let since = |one: &Requirement| format!("`{}` since {}", one.construct, one.kernel);
                    let list: Vec<String> = several.iter().map(since).collect();
                    format!("Linux has {}; `kernel has NAME` asks for one", list.join(", "))
                }
            },
            CongestionMissing { name, available, .. } => format!(
                "load its module (`modprobe tcp_{name}`) or name a fall-back; registered here: {}",
                ticked(available)
            ),
            KernelFunction { name, why: NoKernelFunction::Absent } => match kfunc(name) {
                Some(kfunc) => {
                    format!("it came with Linux {}: update the kernel, or do without", kfunc.since)
                }
                None => "build the policy anew with `tcpc build`".into(),
            },
            KernelFunction { why: NoKernelFunction::NoTypes, .. } => {
                "boot a kernel that was built with `CONFIG_DEBUG_INFO_BTF`, or do without".into()
            }
            KernelFunction { why: NoKernelFunction::NoJit, .. } => {
                "turn it on: `sysctl -w net.core.bpf_jit_enable=1`".into()
            }
            BadObject(_) => "build it anew with `tcpc build`".into(),
            NoManifest => "attach an object that `tcpc build` made, or its source".into(),
            NewerManifest(_) => "use the version of tcpc that built it, or a newer one".into(),
            BadName(_) => "use letters, digits, `_` and `-`, at most 64 of them".into(),
            AlreadyAttached { name, cgroup } => format!(
                "detach it first (`tcpc detach {} {name}`), or attach this one under another name",
                cgroup.display()
            ),
            Exclusive(path) => {
                format!("see what is attached: `bpftool cgroup show {} effective`", path.display())
            }
            TooManyPrograms(path) => {
                format!("detach one of them: `bpftool cgroup show {}`", path.display())
            }
            Refused(_) => {
                "this is a bug of the compiler: please report it with the policy and the log".into()
            }
            NothingAttached { elsewhere, .. } if elsewhere.is_empty() => {
                "no policy is attached anywhere on this host".into()
            }
            NothingAttached { elsewhere, .. } => format!("attached elsewhere: {}", places(elsewhere)),
            NoRecords(_) => "a policy declares records with `event` and gives them with `emit`".into(),
            WatchedAlready(_) => "a record goes to one reader only: end the other one first".into(),
            NoPolicy => "attach one with `tcpc attach CGROUP FILE`".into(),
            UnknownPolicy { known, .. } => format!("attached: {}", places(known)),
            SeveralPolicies { name: None, known } => format!("name one: {}", places(known)),
            SeveralPolicies { name: Some(_), known } => {
                let first = known.first().map_or(String::new(), |(_, path)| path.display().to_string());
                format!("say which: `--cgroup {first}`; they are {}", places(known))
            }
            NoTable { known, .. } if known.is_empty() => "no policy that is meant has tables".into(),
            NoTable { known, .. } => {
                let known: Vec<String> =
                    known.iter().map(|(table, policy)| format!("`{table}` of `{policy}`")).collect();
                format!("there are {}", known.join(", "))
            }
            NoSuchPolicy { names, .. } => format!("attached there: {}", ticked(names)),
            WhichPolicy { cgroup, names } => {
                let first = names.first().map_or("", String::as_str);
                format!("name one of {}: `tcpc detach {} {first}`", ticked(names), cgroup.display())
            }
            NoSuchParameter { names, .. } if names.is_empty() => {
                "declare it in the policy: `param NAME = VALUE in LOW..HIGH`".into()
            }
            NoSuchParameter { names, .. } => format!("it has {}", ticked(names)),
            BadRecord { path, .. } => format!("remove it by hand: `rm -r {}`", path.display()),
            NoSuchSet { names, .. } if names.is_empty() => {
                "declare it in the policy: `mutable set NAME: prefix max 65536`".into()
            }
            NoSuchSet { names, .. } => format!("it has {}", ticked(names)),
            SetFull { max, has, .. } => {
                format!("there is room for {} more; its limit is in the policy", max.saturating_sub(*has))
            }
            ParameterRange { .. } | System { .. } => return None,
        })
    }
}

/// `line 7 of the policy`, `line 7 of std/dc.tcp`.
fn whole_place(place: &Place) -> String {
    match &place.file {
        Some(_) => place.to_string(),
        None => format!("{place} of the policy"),
    }
}

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

impl std::error::Error for LoaderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoaderError::NoBpffs { error, .. } | LoaderError::System { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// `` `a`, `b` ``.
fn ticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// `` `a` to `/cgroup/b`, … ``.
fn places(policies: &[(String, PathBuf)]) -> String {
    let list: Vec<String> =
        policies.iter().map(|(name, path)| format!("`{name}` to `{}`", path.display())).collect();
    list.join(", ")
}
