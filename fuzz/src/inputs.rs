//! Inputs that nobody means well with: no input makes tcpc panic, hang or take all memory.
//!
//! ```text
//! seeds, corpus ── mutate ──▶ input ── target ──▶ features of what happened ──▶ corpus, if one is new
//!                                 └── panic, hang, out of memory ──▶ finding
//! ```
//!
//! What an input reached is told by what tcpc said of it: codes, the shapes of messages, pairs of instructions. That
//! is cheap, needs no instrumented build, and changes when another branch is taken that matters to a user. A worker
//! process tries the inputs; another one watches it, for a worker that runs out of memory cannot tell of it.

pub mod corpus;
pub mod features;
mod json;
mod mutate;
mod object;
mod places;
mod sets;
mod shrink;
mod source;
pub mod supervise;
pub mod trial;
pub mod worker;

pub use places::{corpus_folder, files_of};

use crate::random::Random;
use features::Features;

/// What takes an input from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// The text of a policy, with the files that it uses
    Source,
    /// An object file, as `disasm`, `test --object` and `attach` take it
    Object,
    /// What an object and a pinned record say of a policy, in JSON
    Json,
    /// Elements of sets, values of parameters, filters, durations
    Sets,
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 4] = [Target::Source, Target::Object, Target::Json, Target::Sets];

    /// Its name: a subcommand, and a folder of the corpus.
    pub fn name(self) -> &'static str {
        match self {
            Target::Source => "source",
            Target::Object => "object",
            Target::Json => "json",
            Target::Sets => "sets",
        }
    }

    /// The target of this name.
    pub fn named(name: &str) -> Option<Target> {
        Target::ALL.into_iter().find(|target| target.name() == name)
    }

    /// Inputs that are meant well, or wrong as people are.
    pub fn seeds(self) -> Vec<Vec<u8>> {
        match self {
            Target::Source => source::seeds(),
            Target::Object => object::seeds(),
            Target::Json => json::seeds(),
            Target::Sets => sets::seeds(),
        }
    }

    /// An input made of one or two others.
    pub fn mutate(self, random: &mut Random, one: &[u8], other: &[u8]) -> Vec<u8> {
        match self {
            Target::Source | Target::Sets => mutate::text(random, one, other),
            Target::Object => mutate::object(random, one, other),
            Target::Json => mutate::json(random, one, other),
        }
    }

    /// Does with an input what tcpc does. A panic is a bug.
    pub fn run(self, input: &[u8]) -> Features {
        let mut features = Features::default();
        match self {
            Target::Source => source::run(input, &mut features),
            Target::Object => object::run(input, &mut features),
            Target::Json => json::run(input, &mut features),
            Target::Sets => sets::run(input, &mut features),
        }
        features
    }
}
