//! `tcpc test --coverage`: what the tests reached, as a table, as JSON, or as a trace file that `lcov` and `genhtml` read.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_runtime::coverage::{At, Coverage, FileCoverage, Missing, Tally, Ways};

use crate::exit::Exit;
use crate::policy;
use crate::ui::Ui;

/// So many missing things are named where the whole list is not printed.
const MOST: usize = 10;

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Asked {
    /// Tell which rules, branches and parts of conditions the tests reach
    #[arg(long, value_enum, value_name = "text|json|lcov", hide_possible_values = true)]
    #[arg(num_args = 0..=1, default_missing_value = "text")]
    coverage: Option<Form>,
    /// Write the coverage to this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    coverage_out: Option<PathBuf>,
    /// Fail if the tests reach less than this share of all rules, branches and conditions, such as `90%`
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    threshold: Option<usize>,
}

/// How coverage is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A table, and what is missing.
    Text,
    /// Everything.
    Json,
    /// Lines, rules and branches, for tools.
    Lcov,
}

fn percent(text: &str) -> Result<usize, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    number.filter(|share| *share <= 100).ok_or_else(|| "a share is written as `90%`, up to 100%".to_owned())
}

impl Asked {
    /// Whether anything is asked for.
    pub fn is_wanted(&self) -> bool {
        self.coverage.is_some() || self.coverage_out.is_some() || self.threshold.is_some()
    }

    fn form(&self) -> Form {
        self.coverage.unwrap_or(Form::Text)
    }

    fn to_file(&self) -> Option<&Path> {
        self.coverage_out.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// Whether the coverage is for standard output.
    pub fn is_printed(&self) -> bool {
        self.is_wanted() && self.to_file().is_none()
    }

    /// Whether a program reads it there.
    pub fn takes_output(&self) -> bool {
        self.is_printed() && self.form() != Form::Text
    }

    /// Writes the coverage, and compares it with what is asked for.
    pub fn report(&self, coverage: &Coverage, ui: &mut Ui) -> Exit {
        let document = match self.form() {
            Form::Text => text(coverage),
            Form::Json => format!("{:#}\n", as_json(coverage)),
            Form::Lcov => lcov(coverage),
        };
        ui.set("coverage", as_json(coverage));
        match self.to_file() {
            Some(path) => {
                if let Err(problem) = policy::write_file(path, document.as_bytes()) {
                    ui.problem(&problem);
                    return Exit::Host;
                }
            }
            None if self.form() == Form::Text => ui.say(format!("\n{document}")),
            None => ui.say(document),
        }
        let [.., all] = coverage.totals();
        match self.threshold {
            Some(share) if all.percent() < share => {
                let listed = self.to_file().is_none() && self.form() == Form::Text;
                ui.problem(&too_little(coverage, all, share, listed));
                Exit::Policy
            }
            _ => Exit::Done,
        }
    }
}

fn too_little(coverage: &Coverage, all: Tally, share: usize, listed: bool) -> Diagnostic {
    let Tally { covered, total } = all;
    let what =
        format!("the tests reach {}% ({covered} of {total}), and {share}% are asked for", all.percent());
    let mut problem = Diagnostic::without_place(Code::LittleCoverage, what);
    let missing: Vec<String> = missing_of(coverage).map(|(file, missing)| place(file, &missing)).collect();
    if !listed {
        for one in missing.iter().take(MOST) {
            problem = problem.note(one.clone());
        }
        if missing.len() > MOST {
            problem = problem.note(format!("and {} more", missing.len() - MOST));
        }
    }
    problem.help("write tests that reach what is missing; `--coverage` lists all of it")
}

fn missing_of(coverage: &Coverage) -> impl Iterator<Item = (&str, Missing)> {
    coverage
        .files
        .iter()
        .flat_map(|(name, file)| file.missing().into_iter().map(move |one| (name.as_str(), one)))
}

fn place(file: &str, Missing { line, column, what }: &Missing) -> String {
    format!("{file}:{line}:{column}: {what}")
}

/// How something in a file is counted.
type Count = fn(&FileCoverage) -> Tally;

/// Columns of the table.
const COLUMNS: [(&str, Count); 4] = [
    ("rules", FileCoverage::rules),
    ("branches", FileCoverage::branches),
    ("conditions", FileCoverage::conditions),
    ("all", FileCoverage::all),
];

fn text(coverage: &Coverage) -> String {
    let mut rows = vec![("coverage".to_owned(), COLUMNS.map(|(name, _)| name.to_owned()))];
    for (name, file) in &coverage.files {
        rows.push((name.clone(), COLUMNS.map(|(_, of)| cell(of(file)))));
    }
    if coverage.files.len() != 1 {
        rows.push(("all files".to_owned(), coverage.totals().map(cell)));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut shown = String::new();
    for (name, cells) in rows {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>14}")).collect();
        let _ = writeln!(shown, "{name:width$}{}", cells.concat());
    }
    let missing: Vec<String> = missing_of(coverage).map(|(file, missing)| place(file, &missing)).collect();
    if !missing.is_empty() {
        let _ = writeln!(shown, "\nnot covered:\n{}", missing.join("\n"));
    }
    shown
}

fn cell(tally: Tally) -> String {
    match tally {
        Tally { total: 0, .. } => "-".to_owned(),
        Tally { covered, total } => format!("{covered}/{total} {:>4}", format!("{}%", tally.percent())),
    }
}

fn as_json(coverage: &Coverage) -> Value {
    let files = coverage.files.iter().map(|(name, file)| {
        let rules = file.rules.iter().map(|((line, column), rule)| {
            json!({ "name": rule.name, "line": line, "column": column, "hits": rule.hits })
        });
        let lines = file.lines.iter().map(|(line, count)| json!({ "line": line, "count": count }));
        json!({
            "file": name,
            "rules": rules.collect::<Vec<_>>(),
            "branches": ways_as_json(&file.branches),
            "conditions": ways_as_json(&file.conditions),
            "lines": lines.collect::<Vec<_>>(),
            "missing": file.missing(),
            "totals": totals_as_json(COLUMNS.map(|(_, of)| of(file))),
        })
    });
    json!({ "files": files.collect::<Vec<_>>(), "totals": totals_as_json(coverage.totals()) })
}

fn ways_as_json(all: &BTreeMap<At, Ways>) -> Vec<Value> {
    let one = |((line, column), Ways { text, rule, yes, no }): (&At, &Ways)| json!({ "line": line, "column": column, "text": text, "rule": rule, "true": yes, "false": no });
    all.iter().map(one).collect()
}

fn totals_as_json(totals: [Tally; 4]) -> Value {
    let named = COLUMNS.into_iter().zip(totals).map(|((name, _), Tally { covered, total })| {
        let percent = Tally { covered, total }.percent();
        (name.to_owned(), json!({ "covered": covered, "total": total, "percent": percent }))
    });
    Value::Object(named.collect())
}

/// A trace file of `lcov`: rules are its functions; branches are whole conditions and their parts, each with the way that
/// it was true and the way that it was false.
fn lcov(coverage: &Coverage) -> String {
    let mut trace = String::from("TN:\n");
    for (name, file) in &coverage.files {
        let _ = writeln!(trace, "SF:{name}");
        for ((line, _), rule) in &file.rules {
            let _ = writeln!(trace, "FN:{line},{}", rule.name);
        }
        for rule in file.rules.values() {
            let _ = writeln!(trace, "FNDA:{},{}", rule.hits, rule.name);
        }
        let Tally { covered, total } = file.rules();
        let _ = writeln!(trace, "FNF:{total}\nFNH:{covered}");
        // A condition of one part is one branch.
        let parts = file
            .conditions
            .iter()
            .filter(|(at, part)| file.branches.get(at).is_none_or(|branch| branch.text != part.text));
        let (mut found, mut hit) = (0, 0);
        for (block, ((line, _), ways)) in file.branches.iter().chain(parts).enumerate() {
            for (way, count) in [ways.yes, ways.no].into_iter().enumerate() {
                let taken = if ways.yes + ways.no == 0 { "-".to_owned() } else { count.to_string() };
                let _ = writeln!(trace, "BRDA:{line},{block},{way},{taken}");
                found += 1;
                hit += usize::from(count > 0);
            }
        }
        let _ = writeln!(trace, "BRF:{found}\nBRH:{hit}");
        for (line, count) in &file.lines {
            let _ = writeln!(trace, "DA:{line},{count}");
        }
        let reached = file.lines.values().filter(|count| **count > 0).count();
        let _ = writeln!(trace, "LF:{}\nLH:{reached}\nend_of_record", file.lines.len());
    }
    trace
}
