//! The policies that are tested, and how each is compiled.

use std::fs;
use std::path::Path;

use tcpc_compiler::object::{self, ObjectFile};
use tcpc_compiler::{CompileError, Compiled, Options, compile};
use tcpc_lang::modules::{NoFiles, load};
use tcpc_lang::source::SourceFile;
use tcpc_lang::{Analysis, analyze};

/// A policy: its file's name and its text.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    pub text: String,
}

impl Policy {
    pub fn new(name: &str, text: impl Into<String>) -> Policy {
        Policy { name: name.into(), text: text.into() }
    }

    /// What is known of its text; nothing may be wrong with it.
    pub fn analyzed(&self) -> (SourceFile, Analysis) {
        let source = load(SourceFile::new(&self.name, &self.text), &NoFiles);
        let analysis = analyze(&source);
        let wrong = analysis.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
        assert!(wrong.is_none(), "{}: {wrong:?}", self.name);
        (source, analysis)
    }

    /// Compiled for 250 ticks a second, which divide hardly anything.
    pub fn try_compile(&self, stats: bool) -> Result<Compiled, CompileError> {
        let (source, analysis) = self.analyzed();
        compile(&analysis.program, &source, &Options { hz: 250, stats })
    }

    pub fn compile(&self, stats: bool) -> Compiled {
        self.try_compile(stats).unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
    }

    pub fn object(&self, stats: bool) -> ObjectFile {
        object::read(&self.compile(stats).object).unwrap()
    }
}

/// The folder of this suite's own policies.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compiler/policies"))
}

/// This suite's policies, by name. Whatever else lies in the folder is a mistake.
pub fn own() -> Vec<Policy> {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        assert!(path.extension().is_some_and(|ending| ending == "tcp"), "{} is no policy", path.display());
        Policy::new(path.file_name().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// This suite's policies and those of the standard library.
pub fn all() -> Vec<Policy> {
    let library = tcpc_stdlib::policies::POLICIES.iter();
    let library = library.map(|policy| Policy::new(&format!("{}.tcp", policy.name), policy.text));
    own().into_iter().chain(library).collect()
}

/// The objects of all policies, counting and not: name and object.
pub fn objects() -> Vec<(String, ObjectFile)> {
    let both = |policy: Policy| [true, false].map(|stats| (policy.name.clone(), policy.object(stats)));
    all().into_iter().flat_map(both).collect()
}
