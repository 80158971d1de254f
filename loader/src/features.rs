//! What a host has of what a policy uses or asks for: as trying it says, else as its version does.

use tcpc_stdlib::feature::{Feature, FeatureKind, feature};
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::manifest::{Manifest, Requirement};

/// Something that can be found out about a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether it has this.
    Feature(Feature),
    /// Whether it takes so many bytes of constants.
    Constants(u64),
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Has,
    /// It has it not.
    HasNot,
    /// Nothing shows it.
    Unknown,
    /// Why it could not be tried.
    Failed(String),
}

/// Finds out what a kernel has.
pub trait Prober {
    /// An answer to each question. None is asked twice.
    fn answer(&self, questions: &[Question]) -> Vec<Answer>;
}

/// What a host has for one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// For each of the policy's constants that say what the kernel has: whether it has it, and what the policy uses
    /// on the strength of that.
    pub features: Vec<bool>,
    /// What the policy uses and the kernel has not.
    pub missing: Vec<Requirement>,
    /// Why something could not be tried, so that the version had to tell.
    pub untried: Option<String>,
}

/// Looks at everything that a policy needs above the floor. `constants` is the size of its constants in bytes.
pub fn find(manifest: &Manifest, constants: u64, kernel: KernelVersion, prober: &dyn Prober) -> Found {
    let needs = manifest.needs.iter().map(|need| question(&need.construct, need.kind, constants));
    let asks = manifest.features.iter().map(|ask| question(&ask.name, ask.kind, constants));
    let relies = manifest.features.iter().flat_map(|ask| &ask.relies_on);
    let relies = relies.map(|need| question(&need.construct, need.kind, constants));
    let mut questions: Vec<Question> = Vec::new();
    for question in needs.chain(asks).chain(relies).flatten() {
        if !questions.contains(&question) {
            questions.push(question);
        }
    }
    let answers = if questions.is_empty() { Vec::new() } else { prober.answer(&questions) };
    let mut untried = None;
    let mut has = |written: &str, kind: FeatureKind, since: &str| {
        let question = question(written, kind, constants);
        let at = question.and_then(|question| questions.iter().position(|known| *known == question));
        match at.and_then(|at| answers.get(at)) {
            Some(Answer::Has) => return true,
            Some(Answer::HasNot) => return false,
            Some(Answer::Failed(why)) => untried = Some(why.clone()),
            Some(Answer::Unknown) | None => {}
        }
        KernelVersion::parse(since).is_none_or(|since| since <= kernel)
    };
    let missing = manifest
        .needs
        .iter()
        .filter(|need| !has(&need.construct, need.kind, &need.kernel))
        .cloned()
        .collect();
    let features = manifest.features.iter().map(|ask| {
        // Each is asked, so that whatever could not be tried is told.
        let all =
            ask.relies_on.iter().filter(|need| !has(&need.construct, need.kind, &need.kernel)).count() == 0;
        has(&ask.name, ask.kind, &ask.kernel) && all
    });
    let features = features.collect();
    Found { features, missing, untried }
}

/// What to find out about a construct; nothing if only the version tells.
fn question(written: &str, kind: FeatureKind, constants: u64) -> Option<Question> {
    match kind {
        FeatureKind::Other => None,
        FeatureKind::LargeConstants => Some(Question::Constants(constants)),
        kind => feature(written).filter(|one| one.kind == kind).map(Question::Feature),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::RefCell;

    use tcpc_stdlib::kernel::v;
    use tcpc_stdlib::manifest::FeatureInfo;

    use super::*;

    /// A kernel that answers from a list, and notes what it was asked.
    struct Known {
        answers: Vec<(&'static str, Answer)>,
        asked: RefCell<Vec<Question>>,
    }

    impl Prober for Known {
        fn answer(&self, questions: &[Question]) -> Vec<Answer> {
            self.asked.borrow_mut().extend_from_slice(questions);
            let answer = |question: &Question| {
                let name = match question {
                    Question::Feature(feature) => feature.written(),
                    Question::Constants(bytes) => bytes.to_string(),
                };
                let known = self.answers.iter().find(|(known, _)| *known == name);
                known.map_or(Answer::Unknown, |(_, answer)| answer.clone())
            };
            questions.iter().map(answer).collect()
        }
    }

    fn known(answers: &[(&'static str, Answer)]) -> Known {
        Known { answers: answers.to_vec(), asked: RefCell::default() }
    }

    /// A policy that uses some things and asks for others.
    fn manifest(uses: &[&str], asks: &[&str]) -> Manifest {
        let need = |written: &&str| {
            let one = feature(written).unwrap();
            Requirement {
                construct: one.written(),
                kind: one.kind,
                kernel: one.since.to_string(),
                place: 1.into(),
            }
        };
        let ask = |written: &&str| {
            let one = feature(written).unwrap();
            let (symbol, name, kernel) = (one.symbol(), one.written(), one.since.to_string());
            FeatureInfo { symbol, name, kind: one.kind, kernel, relies_on: Vec::new() }
        };
        Manifest {
            needs: uses.iter().map(need).collect(),
            features: asks.iter().map(ask).collect(),
            ..Manifest::default()
        }
    }

    fn names(found: &Found) -> Vec<&str> {
        found.missing.iter().map(|need| need.construct.as_str()).collect()
    }

    #[test]
    fn what_is_tried_counts_more_than_the_version() {
        let policy = manifest(&["rto_max", "nodelay", "skb_hwtstamp"], &["txrehash", "reading sndbuf"]);
        let kernel = known(&[
            ("rto_max", Answer::Has),
            ("nodelay", Answer::HasNot),
            ("txrehash", Answer::HasNot),
            ("reading sndbuf", Answer::Has),
        ]);
        // `nodelay` and `txrehash` should be there and are not, `rto_max` and reading `sndbuf` are there early.
        let found = find(&policy, 0, v(5, 19), &kernel);
        assert_eq!(names(&found), ["nodelay", "skb_hwtstamp"]);
        assert_eq!((found.features, found.untried), (vec![false, true], None));
    }

    #[test]
    fn what_cannot_be_tried_is_told_by_the_version() {
        let policy = manifest(&["rto_max", "measured_rtt"], &["nodelay"]);
        let kernel =
            known(&[("rto_max", Answer::Failed("no".into())), ("nodelay", Answer::Failed("no".into()))]);
        let found = find(&policy, 0, v(6, 12), &kernel);
        assert_eq!(names(&found), ["rto_max"]);
        assert_eq!((found.features, found.untried), (vec![true], Some("no".into())));
    }

    #[test]
    fn only_what_is_asked_about_is_tried_and_once() {
        let kernel = known(&[]);
        find(&manifest(&[], &[]), 8 << 20, v(6, 1), &kernel);
        assert_eq!(*kernel.asked.borrow(), []);
        find(&manifest(&["rto_max", "rto_max"], &["rto_max"]), 8 << 20, v(6, 1), &kernel);
        assert_eq!(*kernel.asked.borrow(), [Question::Feature(feature("rto_max").unwrap())]);
    }

    #[test]
    fn an_answer_stands_for_all_that_relies_on_it() {
        let mut policy = manifest(&[], &["rto_max"]);
        policy.features[0].relies_on = manifest(&["nodelay", "skb_hwtstamp"], &[]).needs;
        let found = |nodelay| {
            let (rto_max, field) = (("rto_max", Answer::Has), ("skb_hwtstamp", Answer::Has));
            find(&policy, 0, v(5, 14), &known(&[rto_max, field, ("nodelay", nodelay)])).features
        };
        assert_eq!(found(Answer::Has), [true]);
        assert_eq!(found(Answer::HasNot), [false]);
    }

    #[test]
    fn constants_are_tried_in_their_size() {
        let need = Requirement {
            construct: "sets of 8 MB in all".into(),
            kind: FeatureKind::LargeConstants,
            kernel: "6.1".into(),
            place: 1.into(),
        };
        let policy = Manifest { needs: vec![need], ..Manifest::default() };
        let found = |answer| find(&policy, 8_388_608, v(5, 10), &known(&[("8388608", answer)]));
        assert!(found(Answer::Has).missing.is_empty());
        assert_eq!(names(&found(Answer::HasNot)), ["sets of 8 MB in all"]);
    }

    #[test]
    fn what_this_loader_does_not_know_is_told_by_the_version() {
        let ask = |kernel: &str| FeatureInfo {
            symbol: "kernel_has_wings".into(),
            name: "wings".into(),
            kind: FeatureKind::SetOption,
            kernel: kernel.into(),
            relies_on: Vec::new(),
        };
        let policy = Manifest { features: vec![ask("6.1"), ask("9.9")], ..Manifest::default() };
        assert_eq!(find(&policy, 0, v(6, 18), &known(&[])).features, [true, false]);
    }
}
