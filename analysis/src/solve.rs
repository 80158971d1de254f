//! Whether conditions can hold together, and with what values.
//!
//! A backtracking search: what is left of each value is narrowed by all that must hold; of an alternative one after
//! the other is taken for true, those before it for false. It ends when nothing is left to decide or a value has
//! nothing left. Numbers are exact, whatever their ranges; the two addresses are of one family and may have to agree
//! in some bits and differ in others (see [`crate::prefix`]), which is exact too.
//!
//! Nothing is guessed: if the work is more than is allowed, the answer is that it is not known.

use std::collections::BTreeMap;

use crate::formula::{Atom, Formula, LeafId, Node, all, not};
use crate::leaf::{LOCAL, Leaves, REMOTE, mapped};
use crate::prefix;
use crate::ranges::Ranges;

/// What was found out.
#[derive(Clone, Debug)]
pub enum Answer {
    /// They never hold together.
    Never,
    /// They do with values such as these.
    With(Model),
    /// It would take too long to say.
    NotKnown,
}

impl Answer {
    /// Whether they certainly never hold together.
    pub fn is_never(&self) -> bool {
        matches!(self, Answer::Never)
    }

    /// Values with which they hold.
    pub fn model(self) -> Option<Model> {
        match self {
            Answer::With(model) => Some(model),
            _ => None,
        }
    }
}

/// Values with which conditions hold: any of these ranges, in the units of the leaves.
#[derive(Clone, Debug)]
pub struct Model {
    /// What is left of the values that were asked for.
    pub left: BTreeMap<LeafId, Ranges>,
    /// The local and the remote address, if they were asked for.
    pub ends: Option<(u128, u128)>,
}

impl Model {
    /// Whether there is certainly a connection with these values: none of them depends on others in a way that was
    /// not looked into.
    pub fn is_exact(&self, leaves: &Leaves) -> bool {
        self.left.keys().all(|&leaf| leaves.get(leaf).is_free)
    }
}

/// Answers questions about the values of one event.
#[derive(Debug)]
pub struct Solver<'l> {
    leaves: &'l Leaves,
    /// Steps that are left for all questions.
    pub work: u64,
}

/// What must hold so far.
#[derive(Clone)]
struct State {
    left: BTreeMap<LeafId, Ranges>,
    /// The addresses agree in so many bits.
    agree: u8,
    /// They do not agree in so many; 129 if nothing is known.
    differ: u8,
    /// Whether the addresses were looked at since something changed.
    settled: bool,
}

/// The next step of a search.
enum Step {
    Conflict,
    Holds,
    /// Take one of these, and go on with the rest.
    Decide(Vec<Formula>, Vec<Formula>),
}

impl<'l> Solver<'l> {
    /// With so many steps.
    pub fn new(leaves: &'l Leaves, work: u64) -> Solver<'l> {
        Solver { leaves, work }
    }

    /// Whether all of these can hold together; gives up after so many steps.
    pub fn solve(&mut self, conditions: impl IntoIterator<Item = Formula>, most: u64) -> Answer {
        let spared = self.work.saturating_sub(most);
        self.work -= spared;
        let answer = self.search(conditions.into_iter().collect());
        self.work += spared;
        answer
    }

    fn search(&mut self, pending: Vec<Formula>) -> Answer {
        let state = State { left: BTreeMap::new(), agree: 0, differ: 129, settled: true };
        let mut open = vec![(state, pending)];
        while let Some((mut state, pending)) = open.pop() {
            match self.propagate(&mut state, pending) {
                Step::Conflict if self.work == 0 => return Answer::NotKnown,
                Step::Conflict => {}
                Step::Holds => {
                    let ends = self.ends(&state);
                    if self.work == 0 {
                        return Answer::NotKnown;
                    }
                    let asked = |leaf| state.left.contains_key(leaf);
                    let shown = asked(&LOCAL) || asked(&REMOTE) || state.agree > 0 || state.differ < 129;
                    return Answer::With(Model { left: state.left, ends: ends.filter(|_| shown) });
                }
                Step::Decide(alternatives, rest) => {
                    self.pay(rest.len() as u64);
                    // The first alternative is looked at first, so it goes onto the stack last.
                    for (at, taken) in alternatives.iter().enumerate().rev() {
                        let mut pending = rest.clone();
                        pending.push(all(alternatives[..at].iter().map(not)));
                        pending.push(taken.clone());
                        open.push((state.clone(), pending));
                    }
                }
            }
            if self.work == 0 {
                return Answer::NotKnown;
            }
        }
        Answer::Never
    }

    fn pay(&mut self, steps: u64) {
        self.work = self.work.saturating_sub(steps);
    }

    /// Draws all conclusions that need no decision.
    fn propagate(&mut self, state: &mut State, mut pending: Vec<Formula>) -> Step {
        loop {
            let mut undecided = Vec::new();
            let mut narrowed = false;
            while let Some(formula) = pending.pop() {
                self.pay(1);
                if self.work == 0 {
                    return Step::Conflict;
                }
                match &*formula {
                    Node::Yes => {}
                    Node::No => return Step::Conflict,
                    Node::Is(atom, answer) => {
                        narrowed = true;
                        if !self.assert(state, atom, *answer) {
                            return Step::Conflict;
                        }
                    }
                    Node::All(parts) => pending.extend(parts.iter().cloned()),
                    Node::Any(parts) => match self.reduce(state, parts) {
                        None => {}
                        Some(rest) => match rest.as_slice() {
                            [] => return Step::Conflict,
                            [only] => pending.push(only.clone()),
                            _ if rest.len() == parts.len() => undecided.push(formula),
                            _ => undecided.push(std::sync::Arc::new(Node::Any(rest))),
                        },
                    },
                }
            }
            if !state.settled {
                state.settled = true;
                if !self.settle(state) {
                    return Step::Conflict;
                }
            }
            pending = undecided;
            if !narrowed || pending.is_empty() {
                break;
            }
        }
        let few = |formula: &Formula| match &**formula {
            Node::Any(parts) => parts.len(),
            _ => 0,
        };
        match pending.iter().enumerate().min_by_key(|(_, formula)| few(formula)).map(|(at, _)| at) {
            None => Step::Holds,
            Some(at) => match &*pending.swap_remove(at) {
                Node::Any(parts) => Step::Decide(parts.clone(), pending),
                _ => Step::Conflict,
            },
        }
    }

    /// The alternatives that are still open; `None` if one holds.
    fn reduce(&mut self, state: &State, parts: &[Formula]) -> Option<Vec<Formula>> {
        let mut rest = Vec::with_capacity(parts.len());
        for part in parts {
            match self.holds(state, part) {
                Some(true) => return None,
                Some(false) => {}
                None => rest.push(part.clone()),
            }
        }
        Some(rest)
    }

    /// Whether a condition holds or fails whatever the values are that are left.
    fn holds(&mut self, state: &State, formula: &Formula) -> Option<bool> {
        match &**formula {
            Node::Yes => Some(true),
            Node::No => Some(false),
            Node::Is(atom, answer) => self.answer(state, atom).map(|holds| holds == *answer),
            Node::All(parts) => {
                let mut all = Some(true);
                for part in parts {
                    match self.holds(state, part) {
                        Some(false) => return Some(false),
                        None => all = None,
                        Some(true) => {}
                    }
                }
                all
            }
            Node::Any(parts) => {
                let mut any = Some(false);
                for part in parts {
                    match self.holds(state, part) {
                        Some(true) => return Some(true),
                        None => any = None,
                        Some(false) => {}
                    }
                }
                any
            }
        }
    }

    fn answer(&mut self, state: &State, atom: &Atom) -> Option<bool> {
        match atom {
            Atom::In(leaf, values) => {
                let left = state.left.get(leaf).unwrap_or(&self.leaves.get(*leaf).domain);
                self.work = self.work.saturating_sub(1 + left.parts().len().min(values.parts().len()) as u64);
                if left.misses(values) { Some(false) } else { left.is_in(values).then_some(true) }
            }
            Atom::Agree(bits) if *bits <= state.agree => Some(true),
            Atom::Agree(bits) if *bits >= state.differ => Some(false),
            Atom::Agree(_) => None,
        }
    }

    /// Takes an answer for given; false if that cannot be.
    fn assert(&mut self, state: &mut State, atom: &Atom, answer: bool) -> bool {
        match atom {
            Atom::In(leaf, values) => {
                let left = state.left.get(leaf).unwrap_or(&self.leaves.get(*leaf).domain);
                let steps = left.parts().len().min(values.parts().len()) as u64 + 1;
                let rest = if answer { left.and(values) } else { left.without(values) };
                self.pay(steps + rest.parts().len() as u64 / 4);
                state.settled &= ![LOCAL, REMOTE].contains(leaf);
                let possible = !rest.is_empty();
                state.left.insert(*leaf, rest);
                possible
            }
            Atom::Agree(bits) => {
                match answer {
                    true => state.agree = state.agree.max(*bits),
                    false => state.differ = state.differ.min(*bits),
                }
                state.settled = false;
                state.agree < state.differ
            }
        }
    }

    /// Makes both addresses of one family; false if no two addresses are left.
    fn settle(&mut self, state: &mut State) -> bool {
        if !self.leaves.has_remote {
            return true;
        }
        let v4 = mapped();
        for (one, other) in [(LOCAL, REMOTE), (REMOTE, LOCAL)] {
            let Some(left) = state.left.get(&one) else { continue };
            let (is_v4, is_v6) = (left.is_in(&v4), left.misses(&v4));
            if is_v4 || is_v6 {
                let free = &self.leaves.get(other).domain;
                let theirs = state.left.get(&other).unwrap_or(free);
                let rest = if is_v4 { theirs.and(&v4) } else { theirs.without(&v4) };
                if rest.is_empty() {
                    return false;
                }
                state.left.insert(other, rest);
            }
        }
        self.ends(state).is_some()
    }

    /// Two addresses that do all that they must.
    fn ends(&mut self, state: &State) -> Option<(u128, u128)> {
        let of = |leaf| state.left.get(&leaf).unwrap_or(&self.leaves.get(leaf).domain).clone();
        let (local, remote) = (of(LOCAL), of(REMOTE));
        if !self.leaves.has_remote {
            return Some((local.bounds()?.0, 0));
        }
        let v4 = mapped();
        let families = [(local.and(&v4), remote.and(&v4)), (local.without(&v4), remote.without(&v4))];
        families.iter().find_map(|(local, remote)| {
            prefix::find(local, remote, state.agree, state.differ, &mut self.work)
        })
    }
}
