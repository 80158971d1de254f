//! The compiled bytes do what the typed tree means: every test of the standard library, step by step, on both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_compiler::{Options, compile, object};
use tcpc_lang::analyze;
use tcpc_lang::hir::{Program, Step};
use tcpc_lang::source::SourceFile;
use tcpc_runtime::meaning::Meaning;
use tcpc_runtime::meaning::observe::{Effect, Observer};
use tcpc_runtime::scenario::{Bench, Bytes, Engine};
use tcpc_runtime::vm::Image;
use tcpc_stdlib::policies::POLICIES;

/// Both, side by side.
struct Both<'a> {
    bytes: Bench<'a, Bytes<'a>>,
    meaning: Bench<'a, Meaning<'a>>,
}

impl Both<'_> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            if let Step::Connection { name, steps } = step {
                let before = self.bytes.connect(name);
                assert_eq!(self.meaning.connect(name), before);
                self.steps(steps)?;
                self.bytes.connect(&before);
                self.meaning.connect(&before);
                continue;
            }
            let (bytes, meaning) = (self.bytes.step(step), self.meaning.step(step));
            assert_eq!(bytes, meaning, "{step:?}");
            bytes?;
            self.compare(step);
        }
        Ok(())
    }

    fn compare(&self, step: &Step) {
        let (bytes, meaning) = (&self.bytes, &self.meaning);
        assert_eq!(bytes.last.reply, meaning.last.reply, "the answer after {step:?}");
        assert_eq!(bytes.last.refused, meaning.last.refused, "what was refused after {step:?}");
        assert_eq!(bytes.kept(), meaning.kept(), "what is kept after {step:?}");
        assert_eq!(bytes.world.sock, meaning.world.sock, "the socket after {step:?}");
        assert_eq!(bytes.world.kernel, meaning.world.kernel, "the kernel after {step:?}");
    }
}

fn with<R>(name: &str, text: &str, act: impl FnOnce(&Program, &SourceFile, Vec<u8>) -> R) -> R {
    let source = SourceFile::new(name, text);
    let analysis = analyze(&source);
    assert!(analysis.is_valid(), "{name}: {:?}", analysis.diagnostics);
    let compiled = compile(&analysis.program, &source, &Options { hz: 250, stats: true }).unwrap();
    act(&analysis.program, &source, compiled.object)
}

#[test]
fn the_bytes_do_what_the_standard_library_means() {
    let mut steps = 0;
    for policy in POLICIES {
        with(policy.name, policy.text, |program, source, object| {
            let object = object::read(&object).unwrap();
            let image = Image::new(&object).unwrap();
            for test in &program.tests {
                let mut both = Both {
                    bytes: Bench::new(program, Bytes::new(&object, &image, program, source)),
                    meaning: Bench::new(program, Meaning::new(program, source)),
                };
                both.steps(&test.steps)
                    .unwrap_or_else(|error| panic!("{}: {}: {error}", policy.name, test.name));
                steps += test.steps.len();
            }
        });
    }
    assert!(steps > 200, "{steps} steps are not many");
}

#[derive(Default)]
struct Story(Vec<String>);

impl Observer for Story {
    fn rule(&mut self, rule: tcpc_lang::hir::RuleId, runs: bool) {
        self.0.push(format!("rule {} {runs}", rule.0));
    }
    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Replied(raw, _) => self.0.push(format!("answered {raw}")),
            Effect::Set(_, value, result) => self.0.push(format!("{value:?} {result:?}")),
            other => self.0.push(format!("{other:?}")),
        }
    }
}

#[test]
fn an_observer_is_told_what_happens_in_order() {
    let text = "\
        on timeout_init when remote_port == 80 -> 1s\n\
        on timeout_init -> 10ms\n\
        on timeout_init -> 20ms\n\
        on tcp_connect { congestion = \"bbr\" or \"cubic\" }\n\
        test \"t\" { given congestion \"bbr\" fails ENOENT; fire tcp_connect; fire timeout_init }\n";
    with("story.tcp", text, |program, source, _| {
        let mut story = Story::default();
        let mut bench = Bench::new(program, Meaning::observed(program, source, &mut story));
        for step in &program.tests[0].steps {
            bench.step(step).unwrap();
        }
        assert_eq!(bench.engine.kept(&bench.world).hits, [0, 1, 0, 1]);
        assert_eq!(
            story.0,
            [
                "rule 3 true",
                "Name(\"bbr\") Err(\"ENOENT\")",
                "Name(\"cubic\") Ok(())",
                "rule 0 false",
                "rule 1 true",
                "answered 10",
            ]
        );
    });
}
