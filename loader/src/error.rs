//! Why a host refuses: each variant is one clear sentence, with the way out in [`LoaderError::help`].

mod help;
mod message;

use std::io;
use std::path::PathBuf;

use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::manifest::{Place, Requirement};

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
}

impl std::error::Error for LoaderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoaderError::NoBpffs { error, .. } | LoaderError::System { error, .. } => Some(error),
            _ => None,
        }
    }
}
