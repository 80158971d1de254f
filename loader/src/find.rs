//! Attached policies by name, for the commands that look into one.
//!
//! A policy is named as `tcpc list` shows it. The same name may be attached to several cgroups: then the
//! cgroup tells them apart.

use std::path::{Path, PathBuf};

use crate::attach::may_load;
use crate::cgroup::Cgroup;
use crate::error::LoaderError;
use crate::pins::{Entry, Store};
use crate::record::Record;

/// An attached policy that can be looked into.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// The cgroup's directory when it was attached.
    pub cgroup: PathBuf,
    /// The directory of its pins.
    pub pins: PathBuf,
    /// Whether it still runs: not once its cgroup is removed.
    pub alive: bool,
    /// What was recorded when it was attached.
    pub record: Record,
}

/// The policies of these names, or all if none is named; of one cgroup only if one is given.
///
/// The order is that of the names, and of cgroup and name where all are meant.
///
/// # Errors
/// A name that nothing is attached under; nothing is attached at all, or to that cgroup; the pins of one that is
/// meant are damaged; the system refuses.
pub fn find(names: &[String], cgroup: Option<&Path>) -> Result<Vec<Policy>, LoaderError> {
    may_load()?;
    let store = Store::find()?;
    let lock = store.as_ref().map(Store::lock).transpose()?;
    let all = match (&store, &lock) {
        (Some(store), Some(lock)) => store.entries(lock)?,
        _ => Vec::new(),
    };
    choose(there(all, cgroup)?, names)?.into_iter().map(open).collect()
}

/// The one policy of this name, or the only one if none is named; of one cgroup only if one is given.
///
/// # Errors
/// As [`find`], and if several policies could be meant.
pub fn find_one(name: Option<&str>, cgroup: Option<&Path>) -> Result<Policy, LoaderError> {
    let names: Vec<String> = name.map(str::to_owned).into_iter().collect();
    let mut found = find(&names, cgroup)?;
    match (found.pop(), found.is_empty()) {
        (Some(policy), true) => Ok(policy),
        (last, _) => {
            found.extend(last);
            let known = found.into_iter().map(|policy| (policy.name, policy.cgroup)).collect();
            Err(LoaderError::SeveralPolicies { name: name.map(str::to_owned), known })
        }
    }
}

/// Those that are attached to a cgroup, or all; there is at least one.
fn there(all: Vec<Entry>, cgroup: Option<&Path>) -> Result<Vec<Entry>, LoaderError> {
    let Some(path) = cgroup else {
        return if all.is_empty() { Err(LoaderError::NoPolicy) } else { Ok(all) };
    };
    let (path, id) = match Cgroup::open(path) {
        Ok(cgroup) => (cgroup.path, Some(cgroup.id)),
        // The policies of a cgroup that was removed keep what they counted.
        Err(LoaderError::CgroupMissing(path)) => (std::path::absolute(&path).unwrap_or(path), None),
        Err(error) => return Err(error),
    };
    let is_there = |entry: &Entry| id.map_or_else(|| place(entry) == path, |id| id == entry.cgroup_id);
    let (here, elsewhere): (Vec<Entry>, Vec<Entry>) = all.into_iter().partition(is_there);
    match here.is_empty() {
        true => Err(LoaderError::NothingAttached { cgroup: path, elsewhere: known(&elsewhere) }),
        false => Ok(here),
    }
}

/// Those of these names, each once.
fn choose(attached: Vec<Entry>, names: &[String]) -> Result<Vec<Entry>, LoaderError> {
    if names.is_empty() {
        return Ok(attached);
    }
    let mut chosen: Vec<Entry> = Vec::new();
    for name in names {
        if chosen.iter().any(|entry| entry.name == *name) {
            continue;
        }
        let before = chosen.len();
        chosen.extend(attached.iter().filter(|entry| entry.name == *name).cloned());
        if chosen.len() == before {
            return Err(LoaderError::UnknownPolicy { name: name.clone(), known: known(&attached) });
        }
    }
    Ok(chosen)
}

pub(crate) fn open(entry: Entry) -> Result<Policy, LoaderError> {
    let record = entry.record()?;
    let alive = entry.is_alive();
    let cgroup = PathBuf::from(&record.cgroup);
    Ok(Policy { name: entry.name, cgroup, pins: entry.directory, alive, record })
}

/// The cgroup's directory when the policy was attached, if that can be told.
fn place(entry: &Entry) -> PathBuf {
    entry
        .record()
        .map_or_else(|_| format!("cgroup {}", entry.cgroup_id).into(), |record| record.cgroup.into())
}

fn known(entries: &[Entry]) -> Vec<(String, PathBuf)> {
    entries.iter().map(|entry| (entry.name.clone(), place(entry))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chosen(attached: &[&str], names: &[&str]) -> Result<Vec<String>, LoaderError> {
        let entry = |name: &&str| Entry { directory: "/nowhere".into(), cgroup_id: 7, name: (*name).into() };
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let chosen = choose(attached.iter().map(entry).collect(), &names)?;
        Ok(chosen.into_iter().map(|entry| entry.name).collect())
    }

    #[test]
    fn without_a_name_all_are_meant() {
        assert_eq!(chosen(&["dc", "wan"], &[]).unwrap(), ["dc", "wan"]);
    }

    #[test]
    fn names_come_in_their_order_and_once() {
        assert_eq!(chosen(&["dc", "wan", "web"], &["web", "dc", "web"]).unwrap(), ["web", "dc"]);
        assert_eq!(chosen(&["dc", "dc", "wan"], &["dc"]).unwrap(), ["dc", "dc"]);
    }

    #[test]
    fn an_unknown_name_lists_what_is_attached() {
        let error = chosen(&["dc"], &["dc", "wan"]).unwrap_err();
        assert_eq!(error.to_string(), "no policy `wan` is attached on this host");
        assert_eq!(error.help().unwrap(), "attached: `dc` to `cgroup 7`");
    }

    #[test]
    fn where_nothing_is_attached_the_way_out_is_said() {
        let error = there(Vec::new(), None).unwrap_err();
        assert_eq!(error.to_string(), "no policy is attached on this host");
        assert_eq!(error.help().unwrap(), "attach one with `tcpc attach CGROUP FILE`");
    }
}
