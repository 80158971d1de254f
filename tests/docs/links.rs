//! Links between the documents lead somewhere.

use std::fs;
use std::path::PathBuf;

use crate::support::repository;

fn documents() -> Vec<PathBuf> {
    let in_folder =
        |folder: &str| fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = in_folder("").chain(in_folder("docs")).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    paths
}

/// What a heading is linked as.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("http") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let linked = fs::read_to_string(&path);
            let linked = linked.unwrap_or_else(|_| panic!("{}: no file `{target}`", document.display()));
            let found = linked.lines().any(|line| line.starts_with('#') && anchor(line) == place);
            assert!(place.is_empty() || found, "{}: no heading `{target}`", document.display());
        }
    }
}
