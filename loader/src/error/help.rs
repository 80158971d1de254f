//! What can be done about a refusal.

use std::path::PathBuf;

use tcpc_stdlib::feature::feature;
use tcpc_stdlib::kfunc::kfunc;
use tcpc_stdlib::manifest::Requirement;

use super::{LoaderError, NoKernelFunction};

impl LoaderError {
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
            Refused(refusal) if refusal.is_too_complex() => {
                "the verifier follows every way through the rules of an event, and gave up: give the event of this line \
                 fewer rules, or rules with fewer conditions"
                    .into()
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
