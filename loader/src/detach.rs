//! Detaching, also where the cgroup is gone.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::attach::may_load;
use crate::cgroup::Cgroup;
use crate::error::LoaderError;
use crate::pins::{Entry, Store};
use crate::sys;

/// A policy that was detached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    /// Its name.
    pub name: String,
    /// The cgroup's directory.
    pub cgroup: PathBuf,
    /// The kernel's number for the program.
    pub program_id: u32,
    /// Whether it was still attached: it is not when the cgroup has gone.
    pub was_alive: bool,
}

/// Detaches the policy `name` from a cgroup, or its only one.
///
/// # Errors
/// None is attached there, none of this name, or several and none was named; the system refuses.
pub fn detach(cgroup: &Path, name: Option<&str>) -> Result<Vec<Detached>, LoaderError> {
    may_load()?;
    let place = Place::of(cgroup)?;
    let nothing = |elsewhere| LoaderError::NothingAttached { cgroup: place.path.clone(), elsewhere };
    let Some(store) = Store::find()? else { return Err(nothing(Vec::new())) };
    let lock = store.lock()?;
    let (here, elsewhere): (Vec<Found>, Vec<Found>) =
        store.entries(&lock)?.into_iter().map(Found::new).partition(|found| place.is(found));
    if here.is_empty() {
        return Err(nothing(elsewhere.into_iter().map(|found| (found.entry.name, found.cgroup)).collect()));
    }
    let chosen = choose(here, name, &place.path)?;
    chosen.iter().map(detach_one).collect()
}

/// The cgroup that is meant: by number if it is there, by path in any case.
struct Place {
    path: PathBuf,
    id: Option<u64>,
}

impl Place {
    fn of(cgroup: &Path) -> Result<Place, LoaderError> {
        match Cgroup::open(cgroup) {
            Ok(cgroup) => Ok(Place { path: cgroup.path, id: Some(cgroup.id) }),
            Err(LoaderError::CgroupMissing(path)) => {
                let doing = LoaderError::system(format!("understand the path `{}`", path.display()));
                Ok(Place { path: std::path::absolute(&path).map_err(doing)?, id: None })
            }
            Err(error) => Err(error),
        }
    }

    fn is(&self, found: &Found) -> bool {
        // By path only where another cgroup cannot be meant: one of the two has gone.
        self.id == Some(found.entry.cgroup_id)
            || (self.path == found.cgroup && (self.id.is_none() || !found.entry.is_alive()))
    }
}

/// A policy with the directory that it was attached to.
struct Found {
    entry: Entry,
    cgroup: PathBuf,
}

impl Found {
    fn new(entry: Entry) -> Found {
        // Pins of another version of tcpc can be detached all the same.
        let cgroup = match entry.record() {
            Ok(record) => PathBuf::from(record.cgroup),
            Err(_) => PathBuf::from(format!("cgroup {}", entry.cgroup_id)),
        };
        Found { entry, cgroup }
    }
}

/// Those of the policies on one cgroup that are meant.
fn choose(here: Vec<Found>, name: Option<&str>, cgroup: &Path) -> Result<Vec<Found>, LoaderError> {
    let mut names: Vec<String> = here.iter().map(|found| found.entry.name.clone()).collect();
    names.sort();
    names.dedup();
    match name {
        Some(name) if !names.iter().any(|one| one == name) => {
            Err(LoaderError::NoSuchPolicy { name: name.into(), cgroup: cgroup.into(), names })
        }
        Some(name) => Ok(here.into_iter().filter(|found| found.entry.name == name).collect()),
        None if names.len() > 1 => Err(LoaderError::WhichPolicy { cgroup: cgroup.into(), names }),
        None => Ok(here),
    }
}

/// Detaches at once, even if another process holds the link, and removes the pins.
fn detach_one(found: &Found) -> Result<Detached, LoaderError> {
    let Found { entry, cgroup } = found;
    let doing = || LoaderError::system(format!("detach `{}` from `{}`", entry.name, cgroup.display()));
    let link = sys::open_pin(&entry.directory.join("link")).map_err(doing())?;
    let before = sys::link_state(link.as_fd()).map_err(doing())?;
    let was_alive = entry.is_alive();
    if before.cgroup_id != 0 {
        match sys::detach_link(link.as_fd()) {
            // The cgroup went away in between.
            Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {}
            other => other.map_err(doing())?,
        }
    }
    entry.remove()?;
    Ok(Detached {
        name: entry.name.clone(),
        cgroup: cgroup.clone(),
        program_id: before.program_id,
        was_alive,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(name: &str) -> Found {
        let entry = Entry { directory: "/nowhere".into(), cgroup_id: 7, name: name.into() };
        Found { entry, cgroup: "/cg/web".into() }
    }

    fn chosen(names: &[&str], name: Option<&str>) -> Result<Vec<String>, LoaderError> {
        let here = names.iter().map(|name| found(name)).collect();
        let chosen = choose(here, name, Path::new("/cg/web"))?;
        Ok(chosen.into_iter().map(|found| found.entry.name).collect())
    }

    #[test]
    fn the_only_policy_needs_no_name() {
        assert_eq!(chosen(&["dc"], None).unwrap(), ["dc"]);
        assert_eq!(chosen(&["dc", "wan"], Some("wan")).unwrap(), ["wan"]);
    }

    #[test]
    fn several_policies_ask_for_a_name() {
        let error = chosen(&["wan", "dc"], None).unwrap_err();
        assert_eq!(error.to_string(), "2 policies are attached to `/cg/web`");
        assert_eq!(error.help().unwrap(), "name one of `dc`, `wan`: `tcpc detach /cg/web dc`");
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let error = chosen(&["dc"], Some("cd")).unwrap_err();
        assert_eq!(error.to_string(), "no policy `cd` is attached to `/cg/web`");
        assert_eq!(error.help().unwrap(), "attached there: `dc`");
    }

    #[test]
    fn a_gone_cgroup_is_found_by_its_path() {
        let place = Place { path: "/cg/web".into(), id: None };
        assert!(place.is(&found("dc")));
        // A new cgroup of the same path: the old policy is dead, and is found by path all the same.
        assert!(Place { path: "/cg/web".into(), id: Some(8) }.is(&found("dc")));
        assert!(!Place { path: "/cg/db".into(), id: Some(8) }.is(&found("dc")));
    }
}
