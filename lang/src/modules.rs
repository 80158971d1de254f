//! The files that a policy uses: found, read, and put behind its own in one source.
//!
//! ```text
//! policy ── use, include, set … from ──▶ path ── Files ──▶ text ──▶ one more file of the SourceFile
//!                                                            └── and the files that this one uses
//! ```
//!
//! Who reads is the caller's business: a [`Files`] has the bytes of a path, from a disk or from memory. A path
//! is relative to the file that names it and never leaves the folder of the policy, so that a policy can
//! be reviewed, copied and built as one folder. What cannot be read is a problem of the source;
//! the policy is checked all the same.

mod find;
mod join;
mod problems;

use std::collections::HashMap;

use crate::ast::ModuleName;
use crate::diag::Diagnostic;
use crate::source::{FileId, SourceFile, Span};

use find::{Kind, Mention, mentions};
pub(crate) use join::join;

/// So many files are enough for one policy.
pub const MOST_FILES: usize = 1000;

/// Where the files of policies are.
pub trait Files {
    /// The bytes of a file; the path is the policy's folder and the path from there, with `/`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable>;

    /// The names of the files in a folder (empty, or with a `/` at its end), for suggestions.
    fn names(&self, folder: &str) -> Vec<String> {
        let _ = folder;
        Vec::new()
    }
}

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// There is no such file.
    Missing,
    /// Something else, in a few words: `it is a directory`.
    Because(String),
}

/// No files at all: a policy can use the standard library only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, Unreadable> {
        Err(Unreadable::Missing)
    }
}

/// Paths and texts in memory.
impl<T: AsRef<str>, B: AsRef<[u8]>> Files for [(T, B)] {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        let found = self.iter().find(|(name, _)| name.as_ref() == path);
        found.map(|(_, bytes)| bytes.as_ref().to_vec()).ok_or(Unreadable::Missing)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let names = self.iter().filter_map(|(name, _)| name.as_ref().strip_prefix(folder));
        names.filter(|name| !name.contains('/')).map(str::to_owned).collect()
    }
}

/// Reads all the files that a policy uses, and that these use.
pub fn load<F: Files + ?Sized>(source: SourceFile, files: &F) -> SourceFile {
    let name = source.name();
    let root = name.rfind('/').map_or("", |at| &name[..=at]).to_owned();
    let known = HashMap::from([(Key::Text(source.file_name().to_owned()), FileId::POLICY)]);
    let mut loader = Loader { source, files, root, known, names: HashMap::new(), open: Vec::new() };
    loader.follow(FileId::POLICY);
    loader.source
}

/// What tells two files apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A module of the standard library.
    Std(String),
    /// A module, by its path from the policy's folder.
    Text(String),
    /// The elements of a set, as well.
    Data(String),
}

struct Loader<'f, F: ?Sized> {
    source: SourceFile,
    files: &'f F,
    /// The policy's folder, with a `/` at its end.
    root: String,
    known: HashMap<Key, FileId>,
    /// The modules' names, and where each was given.
    names: HashMap<String, Span>,
    /// The files that are being followed, outermost first, each with the place that names the next.
    open: Vec<(FileId, Span)>,
}

impl<F: Files + ?Sized> Loader<'_, F> {
    /// Loads what a file names.
    fn follow(&mut self, file: FileId) {
        for mention in mentions(&self.source, file) {
            self.open.push((file, mention.place));
            let target = self.target(file, &mention);
            self.open.pop();
            match target {
                Ok(target) => self.source.add_link(mention.place, Some(target)),
                Err(problem) => {
                    self.source.add_link(mention.place, None);
                    self.source.add_problem(*problem);
                }
            }
        }
    }

    /// The file that is meant, loaded.
    fn target(&mut self, from: FileId, mention: &Mention) -> Result<FileId, Box<Diagnostic>> {
        let key = self.key(from, mention)?;
        if let Some(&known) = self.known.get(&key) {
            return match self.open.iter().position(|(open, _)| *open == known) {
                Some(start) => Err(problems::cycle(&self.source, &self.open[start..])),
                None => Ok(known),
            };
        }
        if self.known.len() >= MOST_FILES {
            return Err(problems::too_many(mention.place));
        }
        let module = match mention.kind {
            Kind::Data => String::new(),
            Kind::Module => self.module_name(mention)?,
        };
        let (name, path, text) = match &key {
            Key::Std(name) => {
                let module = tcpc_stdlib::policies::module(name)
                    .ok_or_else(|| problems::unknown_std(name, mention.place))?;
                let path = format!("std/{name}.tcp");
                (path.clone(), path, module.text.to_owned())
            }
            Key::Text(path) | Key::Data(path) => {
                let name = format!("{}{path}", self.root);
                let bytes = self.files.read(&name).map_err(|why| {
                    let folder = name.rfind('/').map_or("", |at| &name[..=at]);
                    problems::unreadable(&name, &why, mention, &self.files.names(folder))
                })?;
                let text = String::from_utf8(bytes)
                    .map_err(|error| problems::not_text(&name, &error, mention.place))?;
                (name, path.clone(), text)
            }
        };
        let Some(file) = self.source.add(name, path, module, &text) else {
            return Err(problems::too_large(mention.place));
        };
        self.known.insert(key, file);
        if mention.kind == Kind::Module {
            self.names.insert(self.source.file(file).module.clone(), mention.place);
        }
        if mention.kind == Kind::Module {
            self.follow(file);
        }
        Ok(file)
    }

    fn key(&self, from: FileId, mention: &Mention) -> Result<Key, Box<Diagnostic>> {
        let path = match &mention.module {
            ModuleName::Std(path) => {
                let name =
                    path.strip_prefix("std::").ok_or_else(|| problems::not_std(path, mention.place))?;
                return Ok(Key::Std(name.to_owned()));
            }
            ModuleName::File(path) => path,
        };
        let beside = &self.source.file(from).path;
        let path = find::resolve(beside, path).map_err(|why| problems::bad_path(path, why, mention.place))?;
        Ok(match mention.kind {
            Kind::Module => Key::Text(path),
            Kind::Data => Key::Data(path),
        })
    }

    /// What a new module's rules and counters have in front of their names.
    fn module_name(&self, mention: &Mention) -> Result<String, Box<Diagnostic>> {
        let name = mention.alias.clone().unwrap_or_else(|| find::symbol(mention.module.stem()));
        if let Some(&earlier) = self.names.get(&name) {
            return Err(problems::same_name(&name, &mention.module, mention.place, earlier));
        }
        Ok(name)
    }
}
