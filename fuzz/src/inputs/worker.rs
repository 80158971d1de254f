//! The process that tries inputs. It may hang or run out of memory: then another process finds its last input.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, MOST, save};
use super::trial::{Panic, attempt, keep_panics};
use super::{Target, corpus_folder, files_of, shrink};
use crate::budget::Budget;
use crate::random::Random;

/// Seconds that an input may take: a thousand times more than any needs, also on a busy machine.
const SECONDS: u64 = 30;
/// Bytes of memory that the process may take.
const MEMORY: u64 = 1 << 30;
/// How it ends when an input takes too long.
pub const HANGS: i32 = 86;
/// The input at hand, in the worker's folder; the first eight bytes are its length.
pub const CURRENT: &str = "current";
/// What it has done so far.
pub const PROGRESS: &str = "progress.json";
/// Inputs that reached something new.
pub const NEW: &str = "new";
/// Inputs that a worker before this one died of.
pub const DEADLY: &str = "deadly";
/// Inputs that fail, and what they say.
pub const FOUND: &str = "found";

/// What a worker has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Inputs tried.
    pub executions: u64,
    /// Inputs that reached something that none before did.
    pub corpus: usize,
}

/// Tries inputs until the budget is used up.
///
/// # Errors
/// The folder cannot be written.
pub fn work(target: Target, folder: &Path, budget: &Budget) -> io::Result<()> {
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) })?;
    keep_panics();
    let mut worker = Worker {
        target,
        folder,
        current: File::options().create(true).truncate(false).write(true).open(folder.join(CURRENT))?,
        clock: Arc::default(),
        corpus: Corpus::default(),
        places: HashSet::new(),
        progress: Progress::default(),
        saved: 0,
        random: Random(budget.seed),
    };
    watch(Arc::clone(&worker.clock));
    worker.begin()?;
    let mut told = Instant::now();
    for _ in budget.start() {
        let mut random = worker.random.split();
        let one = worker.corpus.choose(&mut random).to_vec();
        let other = worker.corpus.choose(&mut random).to_vec();
        worker.attempt(&target.mutate(&mut random, &one, &other))?;
        if told.elapsed() > Duration::from_secs(1) {
            told = Instant::now();
            worker.tell()?;
        }
    }
    worker.tell()
}

struct Worker<'f> {
    target: Target,
    folder: &'f Path,
    current: File,
    /// Milliseconds since its beginning at which the input at hand was begun.
    clock: Arc<Clock>,
    corpus: Corpus,
    /// Where it panicked already.
    places: HashSet<String>,
    progress: Progress,
    /// How many inputs were written down.
    saved: usize,
    random: Random,
}

impl Worker<'_> {
    /// Tries what there is already, but for what kills.
    fn begin(&mut self) -> io::Result<()> {
        let deadly = files_of(&self.folder.join(DEADLY));
        let is_deadly = |input: &Vec<u8>| deadly.iter().any(|(_, other)| other == input);
        let kept = files_of(&corpus_folder(self.target)).into_iter();
        let new = files_of(&self.folder.join(NEW)).into_iter();
        let seeds = self.target.seeds().into_iter().chain(kept.chain(new).map(|(_, bytes)| bytes));
        for seed in seeds.filter(|seed| !is_deadly(seed)).collect::<Vec<_>>() {
            self.attempt(&seed)?;
            self.corpus.add(seed);
        }
        Ok(())
    }

    fn attempt(&mut self, input: &[u8]) -> io::Result<()> {
        self.current.write_all_at(&(input.len() as u64).to_le_bytes(), 0)?;
        self.current.write_all_at(input, 8)?;
        self.clock.begin();
        self.progress.executions += 1;
        match attempt(self.target, input) {
            Ok(features) => {
                // What is written down is read again, all at once, when the run ends.
                if self.corpus.offer(&mut self.random, input, &features) && self.saved < MOST {
                    self.saved += 1;
                    save(&self.folder.join(NEW), "new", input)?;
                }
            }
            Err(panic) => self.found(input, &panic)?,
        }
        Ok(())
    }

    /// Keeps what panics, once for each place, as small as it can be made.
    fn found(&mut self, input: &[u8], panic: &Panic) -> io::Result<()> {
        if !self.places.insert(panic.place.clone()) {
            return Ok(());
        }
        let fails = |smaller: &[u8]| {
            self.clock.begin();
            attempt(self.target, smaller).is_err_and(|other| other.place == panic.place)
        };
        let small = shrink::shrink(input, fails);
        let name = save(&self.folder.join(FOUND), "panic", &small)?;
        fs::write(self.folder.join(format!("{name}.txt")), &panic.message)
    }

    fn tell(&mut self) -> io::Result<()> {
        self.progress.corpus = self.corpus.len();
        fs::write(self.folder.join(PROGRESS), serde_json::to_vec(&self.progress)?)
    }
}

/// When the input at hand was begun.
struct Clock {
    zero: Instant,
    begun: AtomicU64,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { zero: Instant::now(), begun: AtomicU64::new(0) }
    }
}

impl Clock {
    fn now(&self) -> u64 {
        self.zero.elapsed().as_secs()
    }

    fn begin(&self) {
        self.begun.store(self.now(), Ordering::Relaxed);
    }
}

/// Ends the process when an input takes too long.
fn watch(clock: Arc<Clock>) {
    thread::spawn(move || {
        while clock.now().saturating_sub(clock.begun.load(Ordering::Relaxed)) <= SECONDS {
            thread::sleep(Duration::from_millis(500));
        }
        exit(HANGS);
    });
}
