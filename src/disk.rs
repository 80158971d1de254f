//! Files that a policy uses, on the disk, and a memory of what was read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use tcpc_lang::diag::Diagnostic;
use tcpc_lang::modules::{Files, Unreadable};

use crate::policy::{MAX_BYTES, read_bytes, reason};

/// What a file held when it was read, in short; `None` if it could not be read.
pub type Fingerprint = Option<u64>;

/// The disk, and what was asked of it.
#[derive(Default)]
pub struct Disk {
    seen: RefCell<BTreeMap<PathBuf, Fingerprint>>,
}

impl Disk {
    /// Reads a file that the command line names, or standard input for `-`.
    pub fn read_input(&self, path: &Path) -> Result<Vec<u8>, Diagnostic> {
        let bytes = read_bytes(path);
        if path != Path::new("-") {
            self.note(path, bytes.as_deref().ok());
        }
        bytes
    }

    /// The files that were asked for, those that are not there too, each with what was found.
    pub fn into_seen(self) -> BTreeMap<PathBuf, Fingerprint> {
        self.seen.into_inner()
    }

    fn note(&self, path: &Path, bytes: Option<&[u8]>) {
        self.seen.borrow_mut().insert(path.to_owned(), bytes.map(digest));
    }
}

/// What a file holds now.
pub fn fingerprint(path: &Path) -> Fingerprint {
    read_module(path).ok().as_deref().map(digest)
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        let bytes = read_module(Path::new(path));
        self.note(Path::new(path), bytes.as_deref().ok());
        bytes
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let folder = if folder.is_empty() { "." } else { folder };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

fn read_module(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Because(reason(&error)),
    };
    // Only a file has an end: a pipe or a device could be read for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Unreadable::Because("it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(Unreadable::Because(format!("it is larger than {} MB", MAX_BYTES >> 20))),
        false => Ok(bytes),
    }
}
