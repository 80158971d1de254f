//! Where inputs are found and kept: in this repository.

use std::fs;
use std::path::{Path, PathBuf};

use super::Target;

/// A folder of the repository.
pub(super) fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)
}

/// Inputs of a target that are kept, those that hurt once among them.
pub fn corpus_folder(target: Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name())
}

/// The files of a folder, by name; none if it cannot be read.
pub fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let read = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some((name, fs::read(entry.path()).ok()?))
    });
    let mut files: Vec<(String, Vec<u8>)> = read.collect();
    files.sort();
    files
}
