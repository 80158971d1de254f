//! What the tests of policies reach: rules, the ways that branches go, and parts of conditions seen both ways.
//!
//! ```text
//! typed tree ── points ──▶ recorder ◀── told while tests run
//!                             └──▶ coverage, by file ──▶ merged
//! ```

mod points;
mod recorder;

use std::collections::BTreeMap;

use serde::Serialize;

pub use recorder::Recorder;

/// What was reached, by file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// The files of the policies that can be covered, in the order of their names.
    pub files: BTreeMap<String, FileCoverage>,
}

/// What was reached in a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FileCoverage {
    /// Rules, in the order of the text.
    pub rules: BTreeMap<At, RuleReached>,
    /// Conditions of rules, of `if` and of `if … then … else`.
    pub branches: BTreeMap<At, Ways>,
    /// Parts of conditions that are not made of others.
    pub conditions: BTreeMap<At, Ways>,
    /// How often the statements of a line were done, or the rule that begins there.
    pub lines: BTreeMap<u32, u64>,
}

/// A place in a file: line and column, both from 1.
pub type At = (u32, u32);

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RuleReached {
    /// Its name.
    pub name: String,
    /// How often it fired.
    pub hits: u64,
}

/// Something that holds or does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ways {
    /// Its text.
    pub text: String,
    /// Whether it is the whole condition of a rule, whose name this is then.
    pub rule: Option<String>,
    /// How often it held.
    pub yes: u64,
    /// How often it did not.
    pub no: u64,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Those that were reached.
    pub covered: usize,
    /// All.
    pub total: usize,
}

/// Something that no test reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Missing {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// What.
    pub what: String,
}

impl Tally {
    /// Hundredths, rounded down, so that only all is 100.
    pub fn percent(self) -> usize {
        (self.covered * 100).checked_div(self.total).unwrap_or(100)
    }

    fn plus(self, other: Tally) -> Tally {
        Tally { covered: self.covered + other.covered, total: self.total + other.total }
    }

    fn of(all: impl Iterator<Item = bool>) -> Tally {
        all.fold(Tally::default(), |tally, covered| tally.plus(Tally { covered: covered.into(), total: 1 }))
    }
}

impl FileCoverage {
    /// Rules that fired.
    pub fn rules(&self) -> Tally {
        Tally::of(self.rules.values().map(|rule| rule.hits > 0))
    }

    /// Ways that branches went, two for each.
    pub fn branches(&self) -> Tally {
        Tally::of(self.branches.values().flat_map(|ways| [ways.yes > 0, ways.no > 0]))
    }

    /// Parts of conditions that were seen both ways.
    pub fn conditions(&self) -> Tally {
        Tally::of(self.conditions.values().map(|ways| ways.yes > 0 && ways.no > 0))
    }

    /// All three.
    pub fn all(&self) -> Tally {
        self.rules().plus(self.branches()).plus(self.conditions())
    }

    /// What was not reached, in the order of the text; each thing once.
    pub fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        let mut add = |at: &At, what: String| missing.push((*at, what));
        for (at, rule) in self.rules.iter().filter(|(_, rule)| rule.hits == 0) {
            add(at, format!("the rule `{}` never fires", rule.name));
        }
        for (at, ways) in &self.branches {
            match (&ways.rule, ways.yes, ways.no) {
                (_, 1.., 1..) => {}
                // The rule itself is missing then.
                (Some(_), 0, _) => {}
                (Some(rule), _, 0) => add(at, format!("the condition of `{rule}` is never false")),
                (None, 0, 0) => add(at, format!("`if {}` is never reached", ways.text)),
                (None, 0, _) => add(at, format!("`if {}` is never true", ways.text)),
                (None, _, 0) => add(at, format!("`if {}` is never false", ways.text)),
            }
        }
        for (at, ways) in &self.conditions {
            // A condition of one part was told already.
            let whole = self.branches.get(at).is_some_and(|branch| branch.text == ways.text);
            match (ways.yes, ways.no) {
                (1.., 1..) => {}
                (0, 0) if !whole => add(at, format!("`{}` is never evaluated", ways.text)),
                (0, _) if !whole => add(at, format!("`{}` is never true", ways.text)),
                (_, 0) if !whole => add(at, format!("`{}` is never false", ways.text)),
                _ => {}
            }
        }
        missing.sort();
        missing.into_iter().map(|((line, column), what)| Missing { line, column, what }).collect()
    }
}

impl Coverage {
    /// Rules, branches, conditions and all of them, of all files.
    pub fn totals(&self) -> [Tally; 4] {
        let sum =
            |of: fn(&FileCoverage) -> Tally| self.files.values().map(of).fold(Tally::default(), Tally::plus);
        [FileCoverage::rules, FileCoverage::branches, FileCoverage::conditions, FileCoverage::all].map(sum)
    }

    /// Adds what the tests of another policy reached: modules can be common to both.
    pub fn add(&mut self, other: Coverage) {
        for (name, theirs) in other.files {
            let ours = self.files.entry(name).or_default();
            for (at, rule) in theirs.rules {
                let known = ours.rules.entry(at).or_default();
                *known = RuleReached { hits: known.hits + rule.hits, name: rule.name };
            }
            for (ours, theirs) in
                [(&mut ours.branches, theirs.branches), (&mut ours.conditions, theirs.conditions)]
            {
                for (at, ways) in theirs {
                    let known = ours.entry(at).or_default();
                    *known = Ways { yes: known.yes + ways.yes, no: known.no + ways.no, ..ways };
                }
            }
            for (line, count) in theirs.lines {
                *ours.lines.entry(line).or_default() += count;
            }
        }
    }
}
