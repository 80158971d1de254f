//! `tcpc test --watch`: the tests again, each time that a file which they were made of is another one.
//!
//! A change is a difference between what a run read and what is there now. What the system tells of its files only
//! says when to look, so nothing is missed that changed during a run, and nothing runs for a file that was only touched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::json;
use tcpc_lang::diag::{Code, Diagnostic};

use super::{Args, find, once};
use crate::disk::{Disk, Fingerprint, fingerprint};
use crate::exit::Exit;
use crate::ui::Ui;

/// An editor writes in several steps: it has ended when so long nothing happens.
const QUIET: Duration = Duration::from_millis(100);

/// Runs the tests until ctrl-c, or until nobody reads the results any more.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let standard = |path: &&PathBuf| *path == Path::new("-") || path.to_string_lossy().starts_with("std::");
    if let Some(path) = args.paths.iter().find(standard) {
        let what = match path == Path::new("-") {
            true => "standard input never changes".to_owned(),
            false => format!("`{}` of the standard library never changes", path.display()),
        };
        ui.problem(&Diagnostic::without_place(Code::NothingToWatch, what).help("name files or folders"));
        return Exit::Usage;
    }
    let (mut watcher, events) = match watcher() {
        Ok(both) => both,
        Err(error) => {
            let what = format!("the system does not tell of changed files: {error}");
            ui.problem(&Diagnostic::without_place(Code::HostFailure, what).help("run without `--watch`"));
            return Exit::Host;
        }
    };
    loop {
        let disk = Disk::default();
        let exit = once(args, &disk, ui);
        ui.end_document(exit);
        let inputs = Inputs::of(args, disk);
        inputs.watch(&mut watcher);
        let count = inputs.files.len();
        ui.note(format!("watching {count} {}; ctrl-c ends", if count == 1 { "file" } else { "files" }));
        let mut changes = inputs.changes();
        while changes.is_empty() {
            if ui.is_deaf() || !wait(&events) {
                return exit;
            }
            changes = inputs.changes();
        }
        ui.say(format!("\nchanged: {}\n", changes.join(", ")));
        ui.set("changed", json!(changes));
    }
}

/// What tells that something happened, whatever it was, and where it is told.
fn watcher() -> notify::Result<(RecommendedWatcher, Receiver<()>)> {
    let (sender, events) = mpsc::channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Reading is no change; that some events were lost may be one.
        if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
            let _ = sender.send(());
        }
    })?;
    Ok((watcher, events))
}

/// Waits until something happens, and then until nothing does; false if nothing ever will.
fn wait(events: &Receiver<()>) -> bool {
    let happened = events.recv().is_ok();
    while events.recv_timeout(QUIET).is_ok() {}
    happened
}

/// What a run was made of.
struct Inputs {
    /// The files that were asked for, with what was found there.
    files: BTreeMap<PathBuf, Fingerprint>,
    /// What the command line names.
    paths: Vec<PathBuf>,
    /// The policies in there.
    policies: Vec<PathBuf>,
}

impl Inputs {
    fn of(args: &Args, disk: Disk) -> Inputs {
        let files = disk.into_seen();
        // The policies that were tested, not those that are there by now.
        let policies = match find::policies(&args.paths) {
            Ok(found) => found.into_iter().filter(|path| files.contains_key(path)).collect(),
            Err(_) => Vec::new(),
        };
        Inputs { files, paths: args.paths.clone(), policies }
    }

    /// The files that are not as they were, in the order of their names.
    fn changes(&self) -> Vec<String> {
        let mut changed: Vec<PathBuf> = self
            .files
            .iter()
            .filter(|(path, was)| fingerprint(path) != **was)
            .map(|(path, _)| path.clone())
            .collect();
        let policies = find::policies(&self.paths).unwrap_or_default();
        changed.extend(policies.into_iter().filter(|path| !self.policies.contains(path)));
        changed.sort();
        changed.dedup();
        changed.iter().map(|path| path.display().to_string()).collect()
    }

    /// Asks to be told of what happens in the folders of the files. Editors replace files, so that watching a file
    /// itself would end with the first change.
    fn watch(&self, watcher: &mut RecommendedWatcher) {
        let named = self.paths.iter().filter(|path| path.is_dir());
        let named = named.map(|path| (path.as_path(), RecursiveMode::Recursive));
        let beside = self.files.keys().map(|path| (folder_of(path), RecursiveMode::NonRecursive));
        // A folder that is watched with all below it stays so: it comes last.
        for (folder, mode) in beside.chain(named) {
            // One that vanished meanwhile shows as a change of its files.
            let _ = watcher.watch(folder, mode);
        }
    }
}

/// The folder that a file is in, or would be in if the folders were there.
fn folder_of(path: &Path) -> &Path {
    let folders = path.ancestors().skip(1);
    let mut folders =
        folders.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    folders.find(|folder| folder.is_dir()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use tcpc_lang::modules::Files;

    use super::*;

    fn inputs(paths: &[&Path], files: &[&Path]) -> Inputs {
        let disk = Disk::default();
        for file in files {
            let _ = disk.read(file.to_str().unwrap());
        }
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
        let policies = find::policies(&paths).unwrap();
        Inputs { files: disk.into_seen(), paths, policies }
    }

    #[test]
    fn another_text_is_a_change_and_a_touch_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.tcp");
        fs::write(&file, "one").unwrap();
        let inputs = inputs(&[&file], &[&file]);
        fs::write(&file, "one").unwrap();
        assert!(inputs.changes().is_empty());
        fs::write(&file, "two").unwrap();
        assert_eq!(inputs.changes(), [file.display().to_string()]);
    }

    #[test]
    fn a_file_that_comes_or_goes_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let [policy, module, other] =
            ["a.tcp", "nets/module.tcp", "b.tcp"].map(|name| folder.path().join(name));
        fs::write(&policy, "").unwrap();
        let inputs = inputs(&[folder.path()], &[&policy, &module]);
        assert!(inputs.changes().is_empty());
        assert_eq!(folder_of(&module), folder.path());
        fs::create_dir(module.parent().unwrap()).unwrap();
        fs::write(&module, "").unwrap();
        fs::write(&other, "").unwrap();
        fs::remove_file(&policy).unwrap();
        let named = [&policy, &other, &module].map(|path| path.display().to_string());
        assert_eq!(inputs.changes(), named);
    }
}
