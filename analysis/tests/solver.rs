//! What is said of conditions is what their evaluation on many connections says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Flow, Random, condition};
use tcpc_analysis::scene::{Scene, World};
use tcpc_analysis::solve::{Answer, Solver};
use tcpc_analysis::witness;
use tcpc_lang::analyze;
use tcpc_lang::hir::Program;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::eval::Evaluator;
use tcpc_stdlib::event::event;

fn holds(program: &Program, flow: &Flow) -> bool {
    match &program.rules[0].condition {
        None => true,
        Some(condition) => Evaluator::new(program, &mut flow.clone()).condition(condition).unwrap(),
    }
}

#[test]
fn answers_agree_with_evaluation() {
    let mut random = Random(11);
    let (mut never, mut with, mut checked) = (0, 0, 0);
    for _ in 0..4000 {
        let name = random.pick(&["timeout_init", "active_established", "passive_established"]);
        let depth = 1 + random.below(3);
        let text = format!("on {name} when {} {{ stop }}", condition(&mut random, name, depth));
        let source = SourceFile::new("policy.tcp", text.as_str());
        let analysis = analyze(&source);
        assert!(analysis.is_valid(), "{text}: {:#?}", analysis.diagnostics);
        let program = &analysis.program;
        let mut world = World::new(event(name).unwrap());
        let mut scene = Scene::new(program, &source);
        let Some(written) = &program.rules[0].condition else { continue };
        let formula = scene.formula(&mut world, written);
        let mut asked = world.facts.clone();
        asked.push(formula);
        let mut solver = Solver::new(&world.leaves, 1_000_000);
        match solver.solve(asked.iter().cloned(), 1_000_000) {
            Answer::NotKnown => panic!("{text} took too long"),
            Answer::With(_) => {
                with += 1;
                let found = witness::find(&world, &mut solver, &asked, 1_000_000).unwrap();
                if found.is_exact {
                    checked += 1;
                    let flow = Flow::of(&found, &world, program);
                    assert!(holds(program, &flow), "{text}\n{}\n{flow:x?}", found.show(&world));
                }
            }
            Answer::Never => {
                never += 1;
                for _ in 0..200 {
                    let flow = Flow::random(world.event, program, &mut random);
                    assert!(!holds(program, &flow), "{text}\n{flow:x?}");
                }
            }
        }
    }
    assert!(never > 200 && with > 1000 && checked > 1000, "{never} {with} {checked}");
}
