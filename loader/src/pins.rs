//! The directory of bpffs in which attached policies are found again.
//!
//! ```text
//! <bpffs>/tcpc/                   locked (flock) by whoever reads or changes what is below
//!     <cgroup id>/
//!         <policy>/
//!             link                the attachment; its presence makes the policy attached
//!             program
//!             record              see `record`
//!             map_bss, map_…      the maps, without the dots that bpffs forbids
//! ```

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tcpc_stdlib::manifest::POLICY_NAME_MAX;

use crate::error::LoaderError;
use crate::record::Record;
use crate::{mounts, sys};

/// Where a bpffs is by convention.
const CONVENTIONAL: &str = "/sys/fs/bpf";
/// Most bytes of a policy's name.
const NAME_MAX: usize = POLICY_NAME_MAX;

/// All pins of tcpc on this host.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Keeps other commands out until it is dropped. The store's directory goes with it if nothing is in it.
#[derive(Debug)]
pub struct Lock {
    root: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Refused, as it should be, while a policy is attached.
        let _ = fs::remove_dir(&self.root);
    }
}

/// The pins of one policy.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Their directory.
    pub directory: PathBuf,
    /// The cgroup's number.
    pub cgroup_id: u64,
    /// The policy's name.
    pub name: String,
}

impl Store {
    /// The store of this host, if there is one.
    pub(crate) fn find() -> Result<Option<Store>, LoaderError> {
        let Some(bpffs) = mounted_bpffs()? else { return Ok(None) };
        let root = bpffs.join("tcpc");
        Ok(root.is_dir().then_some(Store { root }))
    }

    /// The store of this host; mounts a bpffs and makes the directory where they are missing.
    pub(crate) fn find_or_make() -> Result<Store, LoaderError> {
        let bpffs = match mounted_bpffs()? {
            Some(path) => path,
            None => mount_bpffs()?,
        };
        let root = bpffs.join("tcpc");
        make_directory(&root)?;
        Ok(Store { root })
    }

    /// Waits until no other command changes pins. What was locked may have been removed meanwhile by the
    /// command before: then it is made and locked anew.
    pub(crate) fn lock(&self) -> Result<Lock, LoaderError> {
        let doing = || LoaderError::system(format!("lock `{}`", self.root.display()));
        loop {
            make_directory(&self.root)?;
            let file = match File::open(&self.root) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(doing())?,
            };
            file.lock().map_err(doing())?;
            let locked = file.metadata().map_err(doing())?;
            if fs::metadata(&self.root).is_ok_and(|there| there.ino() == locked.ino()) {
                return Ok(Lock { root: self.root.clone(), _file: file });
            }
        }
    }

    /// Every policy, in the order of cgroup and name. What a killed command left half-done is not one.
    pub(crate) fn entries(&self, _lock: &Lock) -> Result<Vec<Entry>, LoaderError> {
        let mut entries = Vec::new();
        for (cgroup, path) in subdirectories(&self.root)? {
            let Ok(cgroup_id) = cgroup.parse() else { continue };
            for (name, directory) in subdirectories(&path)? {
                if directory.join("link").exists() {
                    entries.push(Entry { directory, cgroup_id, name });
                }
            }
        }
        entries.sort_by(|a, b| (a.cgroup_id, &a.name).cmp(&(b.cgroup_id, &b.name)));
        Ok(entries)
    }

    /// Makes the empty directory of a policy. Leftovers in its place are removed.
    ///
    /// `None`: a policy of this name is attached to the cgroup.
    pub(crate) fn reserve(
        &self,
        _lock: &Lock,
        cgroup_id: u64,
        name: &str,
    ) -> Result<Option<Reserved>, LoaderError> {
        let parent = self.root.join(cgroup_id.to_string());
        let directory = parent.join(name);
        let entry = Entry { directory, cgroup_id, name: name.into() };
        if entry.directory.exists() {
            if entry.is_alive() {
                return Ok(None);
            }
            entry.remove()?;
        }
        make_directory(&parent)?;
        let reserved = Reserved { entry, keep: false };
        make_directory(&reserved.entry.directory)?;
        Ok(Some(reserved))
    }
}

impl Entry {
    /// What the kernel says of the link; `None` if there is no such pin.
    pub(crate) fn link(&self) -> Option<sys::LinkState> {
        let link = sys::open_pin(&self.directory.join("link")).ok()?;
        sys::link_state(link.as_fd()).ok()
    }

    /// Whether the program still runs: not once it was detached or its cgroup was removed.
    pub(crate) fn is_alive(&self) -> bool {
        // The kernel lets go of a removed cgroup some time later, so the directory is looked at too.
        let removed =
            |record: Record| fs::metadata(record.cgroup).map_or(true, |facts| facts.ino() != self.cgroup_id);
        self.link().is_some_and(|link| link.cgroup_id != 0) && !self.record().is_ok_and(removed)
    }

    /// The policy's record.
    pub(crate) fn record(&self) -> Result<Record, LoaderError> {
        Record::read(&self.directory)
    }

    /// Removes every pin, and the cgroup's directory if it was the last policy there.
    pub(crate) fn remove(&self) -> Result<(), LoaderError> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => {
                other.map_err(LoaderError::system(format!("remove `{}`", self.directory.display())))?;
            }
        }
        if let Some(parent) = self.directory.parent() {
            // Not empty is no failure: another policy is there.
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }
}

/// A directory that goes away again unless it is kept.
#[derive(Debug)]
pub(crate) struct Reserved {
    entry: Entry,
    keep: bool,
}

impl Reserved {
    /// Where to pin.
    pub fn directory(&self) -> &Path {
        &self.entry.directory
    }

    /// The work is done: the pins stay.
    pub fn keep(mut self) -> PathBuf {
        self.keep = true;
        self.entry.directory.clone()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.keep {
            // The error that led here is the one to report.
            let _ = self.entry.remove();
        }
    }
}

/// Whether a policy can be attached under this name.
pub(crate) fn check_name(name: &str) -> Result<(), LoaderError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=NAME_MAX).contains(&name.len()) && name.chars().all(fine) {
        Ok(())
    } else {
        Err(LoaderError::BadName(name.into()))
    }
}

/// The file name of a map's pin: `map_bss` for `.bss`.
pub(crate) fn map_pin(map: &str) -> String {
    let name = map.trim_start_matches('.').replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("map_{name}")
}

/// The bpffs to use: the conventional one if it is mounted, else the first.
fn mounted_bpffs() -> Result<Option<PathBuf>, LoaderError> {
    let points = mounts::points(&mounts::table()?, "bpf");
    let conventional = points.iter().find(|point| *point == Path::new(CONVENTIONAL));
    Ok(conventional.or(points.first()).cloned())
}

/// Mounts a bpffs at the conventional place.
fn mount_bpffs() -> Result<PathBuf, LoaderError> {
    let path = PathBuf::from(CONVENTIONAL);
    let failed = |error| LoaderError::NoBpffs { path: path.clone(), error };
    // Two commands at once must not mount two: the second would hide the pins in the first. Both
    // have opened the directory below the mount, so they meet at its lock.
    let below = File::open(&path).map_err(failed)?;
    below.lock().map_err(failed)?;
    match mounted_bpffs()? {
        Some(other) => Ok(other),
        None => sys::mount_bpffs(&path).map_err(failed).map(|()| path.clone()),
    }
}

fn make_directory(path: &Path) -> Result<(), LoaderError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(LoaderError::system(format!("make `{}`", path.display()))),
    }
}

/// Names and paths of the directories in a directory; none if it has gone meanwhile.
fn subdirectories(path: &Path) -> Result<Vec<(String, PathBuf)>, LoaderError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(LoaderError::system(format!("read `{}`", path.display())))?,
    };
    Ok(entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tcpc");
        fs::create_dir(&root).unwrap();
        (folder, Store { root })
    }

    #[test]
    fn names_are_what_bpffs_takes() {
        for name in ["dc", "my-policy_2", &"x".repeat(64)] {
            assert!(check_name(name).is_ok());
        }
        for name in ["", "dc.tcp", "a/b", "..", "ö", &"x".repeat(65)] {
            assert!(matches!(check_name(name), Err(LoaderError::BadName(_))), "{name}");
        }
        assert_eq!(map_pin(".bss"), "map_bss");
        assert_eq!(map_pin("by.peer"), "map_by_peer");
    }

    #[test]
    fn what_is_reserved_and_not_kept_leaves_nothing() {
        let (_folder, store) = store();
        let lock = store.lock().unwrap();
        let reserved = store.reserve(&lock, 7, "dc").unwrap().unwrap();
        fs::write(reserved.directory().join("program"), "").unwrap();
        drop(reserved);
        assert!(subdirectories(&store.root).unwrap().is_empty());
    }

    #[test]
    fn a_failure_leaves_other_policies_of_the_cgroup_alone() {
        let (_folder, store) = store();
        let lock = store.lock().unwrap();
        let kept = store.reserve(&lock, 7, "dc").unwrap().unwrap().keep();
        drop(store.reserve(&lock, 7, "wan").unwrap().unwrap());
        assert!(kept.is_dir());
    }

    #[test]
    fn half_done_work_of_a_killed_command_is_no_policy_and_is_replaced() {
        let (_folder, store) = store();
        let lock = store.lock().unwrap();
        let left = store.reserve(&lock, 7, "dc").unwrap().unwrap().keep();
        fs::write(left.join("program"), "").unwrap();
        assert!(store.entries(&lock).unwrap().is_empty());
        let reserved = store.reserve(&lock, 7, "dc").unwrap().unwrap();
        assert!(!reserved.directory().join("program").exists());
    }

    #[test]
    fn entries_come_in_order_and_strange_directories_are_ignored() {
        let (_folder, store) = store();
        for path in ["70/a", "7/b", "7/a", "x/a"] {
            fs::create_dir_all(store.root.join(path)).unwrap();
            fs::write(store.root.join(path).join("link"), "").unwrap();
        }
        let lock = store.lock().unwrap();
        let found: Vec<_> =
            store.entries(&lock).unwrap().into_iter().map(|e| (e.cgroup_id, e.name)).collect();
        assert_eq!(found, [(7, "a".into()), (7, "b".into()), (70, "a".to_string())]);
    }

    #[test]
    fn an_empty_store_goes_with_the_lock_and_comes_back_with_the_next() {
        let (_folder, store) = store();
        drop(store.lock().unwrap());
        assert!(!store.root.exists());
        let lock = store.lock().unwrap();
        let reserved = store.reserve(&lock, 7, "dc").unwrap().unwrap().keep();
        drop(lock);
        assert!(reserved.is_dir());
    }

    #[test]
    fn commands_at_once_never_hold_the_lock_together() {
        let (_folder, store) = store();
        let held = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = store.lock().unwrap();
                        assert_eq!(held.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        held.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }

    #[test]
    fn the_lock_keeps_others_out_until_it_is_dropped() {
        let (_folder, store) = store();
        let lock = store.lock().unwrap();
        let other = File::open(&store.root).unwrap();
        assert!(other.try_lock().is_err());
        drop(lock);
        assert!(other.try_lock().is_ok());
    }
}
