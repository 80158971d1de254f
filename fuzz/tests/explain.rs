//! Of generated policies too, what is explained and what is covered is what the bytes do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_compiler::object;
use tcpc_fuzz::agree::compiled;
use tcpc_fuzz::generate::{Made, policy};
use tcpc_fuzz::random::Random;
use tcpc_lang::hir::{RuleKind, Step};
use tcpc_runtime::coverage::Recorder;
use tcpc_runtime::explain::{Explanation, RuleOutcome, explain};
use tcpc_runtime::scenario::{Bench, Bytes, Wanted, run_tests_with};
use tcpc_runtime::vm::Image;

/// So many policies; how policies agree at length, `fuzz agree` shows.
const POLICIES: u64 = 40;

/// The names of the rules that fired, each once.
fn fired(explanation: &Explanation) -> Vec<&str> {
    let rules = explanation.events.iter().flat_map(|event| &event.rules);
    let fired = rules.filter(|rule| matches!(rule.outcome, RuleOutcome::Fired { .. }));
    let mut names: Vec<&str> = fired.map(|rule| rule.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Every rule that did not fire has a reason, with parts that the text has.
fn has_reasons(explanation: &Explanation) -> bool {
    explanation.events.iter().flat_map(|event| &event.rules).all(|rule| match &rule.outcome {
        RuleOutcome::NotFired { because } => {
            !because.is_empty() && because.iter().all(|cause| !cause.part.is_empty())
        }
        RuleOutcome::Fired { .. } | RuleOutcome::NotReached { .. } => true,
    })
}

fn explains(made: &Made, bytes: &[u8]) -> u64 {
    let program = &made.analysis.program;
    let object = object::read(bytes).unwrap();
    let image = Image::new(&object).unwrap();
    let mut compared = 0;
    for test in &program.tests {
        let mut steps: Vec<Step> = Vec::new();
        // Steps of other connections are left out, and so are those that cannot be.
        for step in test.steps.iter().filter(|step| !matches!(step, Step::Connection { .. })) {
            steps.push(step.clone());
            let mut bench = Bench::new(program, Bytes::new(&object, &image, program, &made.source));
            if steps.iter().try_for_each(|step| bench.step(step)).is_err() {
                steps.pop();
                continue;
            }
            if matches!(step, Step::Fire { .. } | Step::Transmit { .. }) {
                let explanation = explain(program, &made.source, &steps).unwrap();
                let mut ran = bench.last.rules.clone().unwrap();
                ran.sort_unstable();
                // A rule that sends is counted where it writes, and explained where it makes room too.
                let counted = |name: &&str| {
                    let rule = program.rules.iter().find(|rule| rule.name == **name).unwrap();
                    !matches!(rule.kind, RuleKind::Send(_)) || ran.iter().any(|other| other == name)
                };
                let told: Vec<&str> = fired(&explanation).into_iter().filter(counted).collect();
                assert_eq!(told, ran, "{step:?} of\n{}", made.source.text());
                assert!(has_reasons(&explanation), "{step:?} of\n{}", made.source.text());
                compared += 1;
            }
        }
    }
    compared
}

fn covers(made: &Made, bytes: &[u8]) {
    let program = &made.analysis.program;
    let mut recorder = Recorder::new(program, &made.source);
    let wanted = Wanted { recorder: Some(&mut recorder), ..Wanted::default() };
    let report = run_tests_with(bytes, program, &made.source, wanted).unwrap();
    assert_eq!(report.disagreements, [], "{}", made.source.text());
    let coverage = recorder.finish();
    let rules = coverage.files.values().flat_map(|file| file.rules.values());
    for rule in rules {
        let index = program.rules.iter().position(|other| other.name == rule.name).unwrap();
        if !matches!(program.rules[index].kind, RuleKind::Send(_)) {
            assert_eq!(Some(rule.hits), report.rules[index].hits, "{} of\n{}", rule.name, made.source.text());
        }
    }
}

#[test]
fn generated_policies_are_explained_and_covered_as_they_run() {
    let mut random = Random(7);
    let mut compared = 0;
    for _ in 0..POLICIES {
        let (made, _) = policy(&mut random);
        let Some(compiled) = compiled(&made, true).unwrap_or_else(|broken| panic!("{}", broken.what)) else {
            continue;
        };
        compared += explains(&made, &compiled.object);
        covers(&made, &compiled.object);
    }
    assert!(compared > 4 * POLICIES, "{compared} events are not many");
}
