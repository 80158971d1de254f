//! The directory that a policy is attached to.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::LoaderError;
use crate::list::{OtherProgram, programs_of};
use crate::{mounts, sys};

/// A cgroup of version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Its directory, absolute and free of links.
    pub path: PathBuf,
    /// The kernel's number for it: the inode number of the directory.
    pub id: u64,
    /// Whether it is the root of the hierarchy.
    pub is_root: bool,
}

impl Cgroup {
    /// Checks that `path` is a cgroup where a policy can be attached.
    ///
    /// # Errors
    /// The path is missing, is no directory, or is on another file system than cgroup2.
    pub fn open(path: &Path) -> Result<Cgroup, LoaderError> {
        let canonical = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LoaderError::CgroupMissing(path.into()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(LoaderError::CgroupNotADirectory(path.into()));
            }
            other => other.map_err(LoaderError::system(format!("open `{}`", path.display())))?,
        };
        let doing = || LoaderError::system(format!("look at `{}`", canonical.display()));
        let facts = fs::metadata(&canonical).map_err(doing())?;
        if !facts.is_dir() {
            return Err(LoaderError::CgroupNotADirectory(canonical));
        }
        let kind = sys::file_system(&canonical).map_err(doing())?;
        if kind != libc::CGROUP2_SUPER_MAGIC {
            return Err(LoaderError::NotCgroup2 {
                version1: kind == libc::CGROUP_SUPER_MAGIC,
                mount: cgroup2_mount()?,
                path: canonical,
            });
        }
        // The kernel documents `cgroup.type` as a file "which exists on non-root cgroups".
        let is_root = !canonical.join("cgroup.type").exists();
        Ok(Cgroup { id: facts.ino(), is_root, path: canonical })
    }

    /// The sock_ops programs that are attached to this very cgroup, policies or not, in their order.
    ///
    /// # Errors
    /// The kernel has no BPF, or does not let this process ask.
    pub fn programs(&self) -> Result<Vec<OtherProgram>, LoaderError> {
        programs_of(&self.directory()?)
    }

    /// Opens the directory, to attach to it or to query it.
    pub(crate) fn directory(&self) -> Result<File, LoaderError> {
        File::open(&self.path).map_err(LoaderError::system(format!("open `{}`", self.path.display())))
    }
}

/// Where cgroup2 is mounted on this host, if anywhere.
///
/// # Errors
/// The table of mounts cannot be read.
pub fn cgroup2_mount() -> Result<Option<PathBuf>, LoaderError> {
    Ok(mounts::points(&mounts::table()?, "cgroup2").into_iter().next())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_that_is_not_there_says_how_to_make_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = Cgroup::open(&folder.path().join("web")).unwrap_err();
        assert!(matches!(error, LoaderError::CgroupMissing(_)));
        // Outside of the cgroup2 mount it would not help to make it.
        let help = error.help().unwrap();
        match cgroup2_mount().unwrap() {
            Some(mount) => assert!(help.contains(&format!("`{}`", mount.display())), "{help}"),
            None => assert!(help.starts_with("make it first: `mkdir "), "{help}"),
        }
    }

    #[test]
    fn a_file_is_no_cgroup() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cgroup.procs");
        fs::write(&file, "").unwrap();
        assert!(matches!(Cgroup::open(&file), Err(LoaderError::CgroupNotADirectory(_))));
        assert!(matches!(Cgroup::open(&file.join("x")), Err(LoaderError::CgroupNotADirectory(_))));
    }

    #[test]
    fn a_directory_of_another_file_system_is_no_cgroup() {
        let folder = tempfile::tempdir().unwrap();
        let error = Cgroup::open(folder.path()).unwrap_err();
        assert!(matches!(error, LoaderError::NotCgroup2 { version1: false, .. }), "{error}");
    }
}
