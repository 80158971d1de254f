//! What is said of a policy without running it is so when it runs: rules of which a lint says that they never run do not,
//! parts of conditions are what they are said always to be, and policies that are said to be equivalent do the same.

mod change;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tcpc::diff::{Found, policies};
use tcpc_analysis::diff::Side;
use tcpc_analysis::lint::lint;
use tcpc_lang::diag::Code;
use tcpc_lang::hir::{Expr, Program, RuleId, Step, Value};
use tcpc_lang::show::show_value;
use tcpc_lang::source::{SourceFile, Span};
use tcpc_runtime::meaning::Meaning;
use tcpc_runtime::meaning::observe::Observer;
use tcpc_runtime::mock::options;
use tcpc_runtime::scenario::Bench;
use tcpc_stdlib::option::OPTIONS;

use crate::generate::Made;
use crate::trial::{Broken, Tally};
use change::{CHANGES, Change};

/// The property of one policy.
///
/// # Errors
/// How it is broken.
pub fn judged(made: &Made) -> Result<Tally, Broken> {
    let mut tally = lints_hold(made)?;
    for change in CHANGES {
        tally.extend(verdict_holds(made, *change)?);
    }
    Ok(tally)
}

/// Listens to what rules and conditions turn out to be.
#[derive(Default)]
struct Watch {
    ran: BTreeSet<RuleId>,
    values: HashMap<(u32, u32), BTreeSet<u64>>,
}

impl Observer for Watch {
    fn rule(&mut self, rule: RuleId, runs: bool) {
        if runs {
            self.ran.insert(rule);
        }
    }

    fn value(&mut self, expr: &Expr, value: &Value) {
        if let Value::Number(number) = value {
            self.values.entry((expr.span.start, expr.span.end)).or_default().insert(*number);
        }
    }
}

fn lints_hold(made: &Made) -> Result<Tally, Broken> {
    let program = &made.analysis.program;
    let found = lint(program, &made.source, &made.analysis.diagnostics);
    let mut watch = Watch::default();
    for test in &program.tests {
        let mut bench = Bench::new(program, Meaning::observed(program, &made.source, watch));
        // What cannot happen is no step.
        steps(&mut bench, &test.steps, &mut |_, _| {});
        watch = bench.engine.observer;
    }
    for finding in &found {
        let Some(place) = finding.primary.as_ref().map(|label| label.span) else { continue };
        match finding.code {
            Code::ImpossibleRule | Code::UnreachableRule => {
                let name = finding.message.split('`').nth(1).unwrap_or_default();
                let rule = program.rules.iter().position(|rule| rule.name == name);
                if let Some(rule) = rule.filter(|rule| watch.ran.contains(&RuleId(*rule as u32))) {
                    let name = &program.rules[rule].name;
                    return Err(Broken::new("lint", format!("`{name}` ran: {}", finding.message)));
                }
            }
            Code::DecidedPart | Code::ConstantTest if alone(program, place) => {
                let always = u64::from(finding.message.contains("always holds"));
                let seen = watch.values.get(&(place.start, place.end));
                if seen.is_some_and(|seen| seen.iter().any(|value| *value != always)) {
                    return Err(Broken::new("lint", format!("it was another once: {}", finding.message)));
                }
            }
            _ => {}
        }
    }
    Ok(vec![("lints", found.len() as u64)])
}

/// Whether only one expression of the rules stands at a place.
fn alone(program: &Program, place: Span) -> bool {
    let mut there = 0;
    for rule in &program.rules {
        rule.any(program, &mut |part| {
            there += u32::from(part.span == place);
            false
        });
    }
    there == 1
}

/// Does the steps of a sequence, those of other connections too.
fn steps<O: Observer>(
    bench: &mut Bench<'_, Meaning<'_, O>>,
    sequence: &[Step],
    then: &mut dyn FnMut(&mut Bench<'_, Meaning<'_, O>>, bool),
) {
    for step in sequence {
        if let Step::Connection { name, steps: theirs } = step {
            let before = bench.connect(name);
            steps(bench, theirs, then);
            bench.connect(&before);
            continue;
        }
        let done = bench.step(step).is_ok();
        then(bench, done);
    }
}

/// A changed policy does what the verdict says.
fn verdict_holds(made: &Made, change: Change) -> Result<Tally, Broken> {
    let program = &made.analysis.program;
    let Some(changed) = change.of(program, made.source.text()) else { return Ok(Vec::new()) };
    let side = |program| Side { program, source: &made.source };
    let found = policies(side(program), side(&changed), None);
    let told = || format!("{change:?}\n{found:#?}");
    if change == Change::Wrap && found.differs() {
        return Err(Broken::new("difference", told()));
    }
    if !found.is_equivalent() {
        let unknown = found.events.iter().any(|event| matches!(event.found, Found::NotKnown { .. }));
        return Ok(vec![(if unknown { "not known" } else { "different" }, 1)]);
    }
    let (before, after) = (history(program, &made.source), history(&changed, &made.source));
    for (one, other) in before.iter().zip(&after) {
        // From where the kernel raises other events, as other ones are asked for, they are not compared.
        if one.0 != other.0 {
            break;
        }
        if one.1 != other.1 {
            let differing: Vec<String> = one
                .1
                .iter()
                .filter(|(name, value)| other.1.get(*name) != Some(*value))
                .map(|(name, value)| format!("{name}: {value}, and {:?}", other.1.get(name)))
                .collect();
            return Err(Broken::new("equivalence", format!("{}\n{}", differing.join("\n"), told())));
        }
    }
    Ok(vec![("equivalent", 1)])
}

/// What can be seen of a policy after each step, and whether the step could be done.
fn history(program: &Program, source: &SourceFile) -> Vec<(bool, BTreeMap<String, String>)> {
    let mut all = Vec::new();
    for test in &program.tests {
        let mut bench = Bench::new(program, Meaning::new(program, source));
        steps(&mut bench, &test.steps, &mut |bench, done| all.push((done, seen(bench))));
    }
    all
}

fn seen(bench: &mut Bench<'_, Meaning<'_>>) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    // Zero asks for the default, as no answer does.
    seen.insert("reply".to_owned(), format!("{:?}", bench.last.reply.filter(|reply| *reply != 0)));
    // What a policy needs is set by itself, and not by a rule.
    for option in OPTIONS.iter().filter(|option| option.reserved.is_none() && option.name != "save_syn") {
        seen.insert(
            option.name.to_owned(),
            show_value(option.ty, &options::value(&bench.world.sock, option)),
        );
    }
    seen.insert("sk_txhash".to_owned(), bench.world.sock.raw("sk_txhash").to_string());
    let kept = bench.kept();
    macro_rules! keep {
        ($($part:ident),*) => { $(seen.insert(stringify!($part).to_owned(), format!("{:?}", kept.$part));)* };
    }
    keep!(counters, flows, tables, histograms, records, lost, experiments);
    seen
}
