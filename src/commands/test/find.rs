//! The policies that a command line names: files, and what is in folders.

use std::path::{Path, PathBuf};

use tcpc_lang::diag::{Code, Diagnostic};

/// The files, and the policies below the folders in the order of their names.
pub fn policies(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut files = Vec::new();
    paths.iter().try_for_each(|path| find(path, &mut files))?;
    Ok(files)
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Diagnostic> {
    if path.to_string_lossy().starts_with("std::") || !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Diagnostic::without_place(Code::UnreadableFile, format!("cannot read `{}`: {error}", path.display()))
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let kind = entry.file_type().map_err(failed)?;
        let path = entry.path();
        // Links are not followed into folders: they can lead in circles.
        if !hidden && (kind.is_dir() || path.extension().is_some_and(|ending| ending == "tcp")) {
            entries.push(path);
        }
    }
    entries.sort();
    entries.iter().try_for_each(|entry| find(entry, files))
}
