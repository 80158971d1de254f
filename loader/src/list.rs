//! What is attached on this host.

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aya::programs::loaded_programs;

use crate::attach::may_load;
use crate::cgroup::Cgroup;
use crate::error::LoaderError;
use crate::find::open;
use crate::params::{Parameter, parameters};
use crate::pins::{Entry, Store};
use crate::record::Record;
use crate::sys;

/// An attached policy.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The cgroup's directory when it was attached; `None` if its record cannot be read.
    pub cgroup: Option<PathBuf>,
    /// The kernel's number for the cgroup.
    pub cgroup_id: u64,
    /// The kernel's number for the program.
    pub program_id: u32,
    /// The kernel's number for the link.
    pub link_id: u32,
    /// When it was attached.
    pub attached_at: Option<SystemTime>,
    /// Whether it still runs: not once its cgroup is removed.
    pub alive: bool,
    /// The directory of its pins.
    pub pins: PathBuf,
    /// Programs on the same cgroup that are no policies of tcpc.
    pub others: Vec<OtherProgram>,
    /// Its parameters that have another value than their default; none if they cannot be read.
    pub changed: Vec<Parameter>,
    /// What was recorded when it was attached.
    pub record: Option<Record>,
}

/// A sock_ops program that is attached to a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherProgram {
    /// The kernel's number for it.
    pub id: u32,
    /// Its name; empty if it has none.
    pub name: String,
}

impl fmt::Display for OtherProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "program {}", self.id),
            name => write!(f, "{name} (program {})", self.id),
        }
    }
}

/// Every policy that tcpc attached on this host, in the order of cgroup and name.
///
/// # Errors
/// The pins cannot be read.
pub fn list() -> Result<Vec<Listed>, LoaderError> {
    may_load()?;
    let Some(store) = Store::find()? else { return Ok(Vec::new()) };
    let lock = store.lock()?;
    let mut listed: Vec<Listed> = store.entries(&lock)?.into_iter().filter_map(describe).collect();
    let ours: Vec<u32> = listed.iter().map(|one| one.program_id).collect();
    for one in listed.iter_mut().filter(|one| one.alive) {
        if let Some(directory) = one.cgroup.as_deref().and_then(|path| open_if_same(path, one.cgroup_id)) {
            one.others = programs_of(&directory)?;
            one.others.retain(|program| !ours.contains(&program.id));
        }
    }
    Ok(listed)
}

/// `None` if the policy has gone since it was found.
fn describe(entry: Entry) -> Option<Listed> {
    let link = entry.link()?;
    let alive = entry.is_alive();
    let record = entry.record().ok();
    let mut changed = open(entry.clone()).and_then(|policy| parameters(&policy)).unwrap_or_default();
    changed.retain(|one| one.value != one.info.default);
    Some(Listed {
        cgroup: record.as_ref().map(|record| PathBuf::from(&record.cgroup)),
        cgroup_id: entry.cgroup_id,
        program_id: link.program_id,
        link_id: link.id,
        attached_at: record
            .as_ref()
            .map(|record| SystemTime::UNIX_EPOCH + Duration::from_secs(record.attached_at)),
        alive,
        pins: entry.directory,
        name: entry.name,
        others: Vec::new(),
        changed,
        record,
    })
}

/// The cgroup at this path, unless another one has taken its place.
fn open_if_same(path: &Path, id: u64) -> Option<File> {
    let cgroup = Cgroup::open(path).ok().filter(|cgroup| cgroup.id == id)?;
    cgroup.directory().ok()
}

/// The sock_ops programs that are attached to this very cgroup, in their order.
pub(crate) fn programs_of(cgroup: &File) -> Result<Vec<OtherProgram>, LoaderError> {
    let ids = sys::attached_programs(cgroup.as_fd())
        .map_err(LoaderError::system("ask what is attached to the cgroup"))?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // Programs come and go; one that has gone meanwhile has no name.
    let known: Vec<(u32, String)> = loaded_programs()
        .filter_map(Result::ok)
        .filter(|program| ids.contains(&program.id()))
        .map(|program| (program.id(), program.name_as_str().unwrap_or_default().into()))
        .collect();
    let name = |id| known.iter().find(|(known, _)| *known == id).map(|(_, name)| name.clone());
    Ok(ids.into_iter().map(|id| OtherProgram { id, name: name(id).unwrap_or_default() }).collect())
}
