//! Inputs that did harm once, and those that a long run kept, do none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_fuzz::budget::Budget;
use tcpc_fuzz::inputs::{Target, corpus_folder, files_of};
use tcpc_fuzz::random::Random;

#[test]
fn inputs_that_are_kept_do_no_harm() {
    for target in Target::ALL {
        for (name, input) in files_of(&corpus_folder(target)) {
            let tried = std::panic::catch_unwind(|| target.run(&input));
            assert!(tried.is_ok(), "{}/{name}", target.name());
        }
    }
}

/// Few, so that a test run stays short; long runs are those of the binary.
#[test]
fn inputs_that_nobody_means_well_with() {
    for target in Target::ALL {
        let seeds = target.seeds();
        let mut random = Random(0x5eed);
        for _ in Budget::of(150, 1).start() {
            let (one, other) = (random.one_of(&seeds).clone(), random.one_of(&seeds).clone());
            target.run(&target.mutate(&mut random, &one, &other));
        }
    }
}

#[test]
fn good_inputs_reach_something() {
    for target in Target::ALL {
        for seed in target.seeds() {
            assert!(target.run(&seed).iter().count() > 0, "{}", target.name());
        }
    }
}

#[test]
fn what_the_compiler_makes_has_the_form_that_can_be_loaded() {
    for object in Target::Object.seeds() {
        assert_eq!(tcpc_loader::check_form(&object).map_err(|error| error.to_string()), Ok(()));
    }
}
