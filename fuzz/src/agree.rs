//! What the compiled bytes do is what the language means: after each step of a sequence everything that can be observed
//! is the same, whether the typed tree is evaluated or the bytes are interpreted.

mod draws;
mod manifest;

use std::fmt::{Debug, Write};

use tcpc_compiler::{CompileError, Compiled, Options, compile, object};
use tcpc_lang::hir::Step;
use tcpc_runtime::kept::Kept;
use tcpc_runtime::meaning::Meaning;
use tcpc_runtime::scenario::{Bench, Bytes};
use tcpc_runtime::vm::Image;

use crate::generate::Made;
use crate::trial::{Broken, Tally};

/// The property of one policy: with statistics, and without.
///
/// # Errors
/// How it is broken.
pub fn agrees(made: &Made) -> Result<Tally, Broken> {
    let mut tally = Tally::new();
    for stats in [true, false] {
        let Some(compiled) = compiled(made, stats)? else {
            return Ok(vec![("too large for a program", 1)]);
        };
        tally.push(("instructions", compiled.slots as u64));
        tally.extend(runs_alike(made, &compiled, stats)?);
    }
    Ok(tally)
}

/// The policy's object; `None` if it is larger than a program may be.
///
/// # Errors
/// The compiler's own check refuses what it made.
pub fn compiled(made: &Made, stats: bool) -> Result<Option<Compiled>, Broken> {
    match compile(&made.analysis.program, &made.source, &Options { hz: 250, stats }) {
        Ok(compiled) => Ok(Some(compiled)),
        Err(CompileError::TooLarge(_)) => Ok(None),
        Err(CompileError::Internal(what)) => Err(Broken::new("compiler", what)),
    }
}

fn runs_alike(made: &Made, compiled: &Compiled, stats: bool) -> Result<Tally, Broken> {
    let program = &made.analysis.program;
    let unusable = |what: String| Broken::new("object", what);
    let object = object::read(&compiled.object).map_err(|error| unusable(error.to_string()))?;
    let image = Image::new(&object).map_err(|error| unusable(error.to_string()))?;
    manifest::names_what_is_there(program, &object)?;
    let mut pair = Pair {
        meaning: Bench::new(program, Meaning::new(program, &made.source)),
        bytes: Bench::new(program, Bytes::new(&object, &image, program, &made.source)),
        stats,
        done: Vec::new(),
        raised: 0,
        acted: 0,
    };
    let often = draws::compared_with(program);
    pair.meaning.world.kernel.often.clone_from(&often);
    pair.bytes.world.kernel.often = often;
    for test in &program.tests {
        pair.steps(&test.steps)?;
    }
    Ok(vec![("events raised", pair.raised), ("events in which rules ran", pair.acted)])
}

/// One policy on two models of one kernel.
struct Pair<'a> {
    meaning: Bench<'a, Meaning<'a>>,
    bytes: Bench<'a, Bytes<'a>>,
    stats: bool,
    /// The steps so far, as the report of a difference tells them.
    done: Vec<String>,
    raised: u64,
    acted: u64,
}

impl Pair<'_> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), Broken> {
        for step in steps {
            if let Step::Connection { name, steps } = step {
                let before = self.meaning.connect(name);
                self.bytes.connect(name);
                self.steps(steps)?;
                self.meaning.connect(&before);
                self.bytes.connect(&before);
                continue;
            }
            let (meant, done) = (self.meaning.step(step), self.bytes.step(step));
            self.done.push(told(step));
            // What cannot happen is no step, as long as both say so.
            self.same("whether it can happen", &meant, &done)?;
            if matches!(step, Step::Fire { .. } | Step::Transmit { .. }) && meant.is_ok() {
                self.raised += 1;
                self.acted +=
                    u64::from(self.meaning.last.rules.as_ref().is_some_and(|rules| !rules.is_empty()));
            }
            self.compare()?;
        }
        Ok(())
    }

    /// Everything that can be observed.
    fn compare(&self) -> Result<(), Broken> {
        let (meant, done) = (&self.meaning, &self.bytes);
        self.same("the reply", &meant.last.reply, &done.last.reply)?;
        if self.stats {
            self.same("the rules that ran", &meant.last.rules, &done.last.rules)?;
        }
        if self.stats {
            // Without counts two rules share what they do alike, and then the line is that of one of them.
            let (meant, mut done) = (meant.last.refused.clone(), done.last.refused.clone());
            // What a socket asks for stands in no line, and the bytes show the nearest.
            for (meant, done) in meant.iter().zip(&mut done).filter(|(meant, _)| meant.place.is_none()) {
                done.place.clone_from(&meant.place);
            }
            self.same("what was refused", &meant, &done)?;
        }
        self.same("the socket", &meant.world.sock, &done.world.sock)?;
        self.same("the kernel", &meant.world.kernel, &done.world.kernel)?;
        let (mut meant, mut done) = (meant.kept(), done.kept());
        if !self.stats {
            without_counts(&mut meant);
            without_counts(&mut done);
        }
        macro_rules! same {
            ($($part:ident),*) => { $(self.same(stringify!($part), &meant.$part, &done.$part)?;)* };
        }
        same!(
            hits,
            counters,
            flows,
            tables,
            histograms,
            records,
            lost,
            refused,
            unsent,
            experiments,
            params,
            sets
        );
        Ok(())
    }

    /// Compared as they are shown: not all of the model has equality, and all of it has an order.
    fn same(&self, what: &str, meant: &impl Debug, done: &impl Debug) -> Result<(), Broken> {
        let (meant, done) = (format!("{meant:?}"), format!("{done:?}"));
        if meant == done {
            return Ok(());
        }
        let mut text = format!("{what}: it should be, and it is (with statistics: {})\n", self.stats);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {}\n  {}\nafter",
            from_difference(&meant, &done),
            from_difference(&done, &meant)
        );
        for step in self.done.iter().rev().take(3).rev() {
            let _ = writeln!(text, "  {step}");
        }
        Err(Broken::new("disagreement", text))
    }
}

/// What only an object with statistics keeps.
fn without_counts(kept: &mut Kept) {
    kept.hits.clear();
    kept.refused.clear();
    kept.unsent.clear();
    kept.lost.clear();
}

/// A text from a little before it differs from another.
fn from_difference(text: &str, other: &str) -> String {
    let at = text.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    text.chars().skip(at.saturating_sub(60)).take(200).collect()
}

fn told(step: &Step) -> String {
    match step {
        Step::Fire { event, args, .. } => format!("fire {} {args:?}", event.name),
        Step::Transmit { segment, .. } => format!("transmit {}", segment.name),
        Step::Given(given) => {
            let mut text = format!("given {given:?}");
            text.truncate(text.char_indices().nth(120).map_or(text.len(), |(at, _)| at));
            text
        }
        Step::Advance(nanos) => format!("advance {nanos}ns"),
        Step::Expect(_) | Step::Connection { .. } => String::new(),
    }
}
