//! The meaning of a policy beside its compiled bytes: it goes the same steps, and must come to the same.

use tcpc_lang::hir::{Program, Step};
use tcpc_lang::source::SourceFile;

use super::{Bench, Engine};
use crate::coverage::Recorder;
use crate::kept::Kept;
use crate::meaning::Meaning;

/// A test as the typed tree means it.
pub struct Shadow<'a, 'r> {
    bench: Bench<'a, Meaning<'a, &'r mut Recorder<'a>>>,
    /// The first difference: the step's line, and what differs.
    pub difference: Option<(u32, String)>,
    source: &'a SourceFile,
}

impl<'a, 'r> Shadow<'a, 'r> {
    /// A test that begins; a recorder is told what happens.
    pub fn new(
        program: &'a Program,
        source: &'a SourceFile,
        recorder: &'r mut Recorder<'a>,
    ) -> Shadow<'a, 'r> {
        let meaning = Meaning::observed(program, source, recorder);
        Shadow { bench: Bench::new(program, meaning), difference: None, source }
    }

    /// Turns to another connection.
    pub fn connect(&mut self, name: &str) {
        self.bench.connect(name);
    }

    /// Goes the step that the other has gone, and compares where both are.
    pub fn follow<E: Engine>(&mut self, step: &Step, other: &Bench<'_, E>, result: &Result<(), String>) {
        if self.difference.is_some() {
            return;
        }
        let line = match step {
            Step::Fire { span, .. } | Step::Transmit { span, .. } => self.source.line(span.start),
            _ => 0,
        };
        self.difference = match (self.bench.step(step), result) {
            (Ok(()), Ok(())) if line == 0 => None,
            (Ok(()), Ok(())) => self.compare(other),
            (Err(ours), Err(theirs)) if ours == *theirs => None,
            (Err(ours), Ok(())) => Some(format!("it should not go on: {ours}")),
            (_, Err(theirs)) => Some(format!("it does not go on: {theirs}")),
        }
        .map(|what| (line, what));
    }

    fn compare<E: Engine>(&self, other: &Bench<'_, E>) -> Option<String> {
        let (ours, theirs) = (&self.bench, other);
        let reply = |reply: Option<u32>| reply.map_or("no answer".to_owned(), |raw| raw.to_string());
        if ours.last.reply != theirs.last.reply {
            let [ours, theirs] = [&ours.last, &theirs.last].map(|last| reply(last.reply));
            return Some(format!("the answer is {theirs}, and should be {ours}"));
        }
        if ours.last.refused != theirs.last.refused {
            return Some("the kernel refuses something else".into());
        }
        if ours.world.sock != theirs.world.sock {
            return Some("the socket has other options or flags".into());
        }
        if ours.world.kernel != theirs.world.kernel {
            return Some("the kernel's clock or random numbers are others".into());
        }
        let counted = theirs.hits().iter().all(Option::is_some);
        let [ours, theirs] =
            [ours.kept(), theirs.kept()].map(|kept| if counted { kept } else { uncounted(kept) });
        kept_difference(&ours, &theirs)
    }
}

/// Without what an object need not count.
fn uncounted(kept: Kept) -> Kept {
    Kept { hits: Vec::new(), refused: Vec::new(), unsent: Vec::new(), ..kept }
}

fn kept_difference(ours: &Kept, theirs: &Kept) -> Option<String> {
    let parts = [
        (ours.hits == theirs.hits, "other rules ran"),
        (ours.counters == theirs.counters, "counters differ"),
        (ours.flows == theirs.flows, "what is kept for a connection differs"),
        (ours.tables == theirs.tables, "rows of tables differ"),
        (ours.histograms == theirs.histograms, "histograms differ"),
        (ours.records == theirs.records, "records differ"),
        (ours.experiments == theirs.experiments, "outcomes of experiments differ"),
        (ours == theirs, "what is kept differs"),
    ];
    parts.into_iter().find(|(same, _)| !same).map(|(_, what)| what.to_owned())
}
