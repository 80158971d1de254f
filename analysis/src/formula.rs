//! Conditions as formulas: what is asked of the values of a connection, and `and`, `or` between.
//!
//! `not` stands at the questions only; the builders here push it there.

use std::sync::Arc;

use crate::ranges::Ranges;

/// A value of the connection, the event, the kernel or the policy: an index into [`crate::leaf::Leaves`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafId(pub u32);

/// A question that is answered by yes or no.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Atom {
    /// Whether a value is one of these.
    In(LeafId, Ranges),
    /// Whether `local_ip` and `remote_ip` agree in so many first bits of 128.
    Agree(u8),
}

/// A condition. A copy costs nothing.
pub type Formula = Arc<Node>;

/// The kinds of conditions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// Always holds.
    Yes,
    /// Never holds.
    No,
    /// Holds if the answer is this one.
    Is(Atom, bool),
    /// Holds if all of them hold; at least two.
    All(Vec<Formula>),
    /// Holds if one of them holds; at least two.
    Any(Vec<Formula>),
}

/// A condition that always holds or never.
pub fn constant(holds: bool) -> Formula {
    Arc::new(if holds { Node::Yes } else { Node::No })
}

/// Whether a value is one of these.
pub fn is_in(leaf: LeafId, values: Ranges) -> Formula {
    if values.is_empty() { constant(false) } else { Arc::new(Node::Is(Atom::In(leaf, values), true)) }
}

/// Whether both addresses agree in so many bits of 128.
pub fn agree(bits: u8) -> Formula {
    if bits == 0 { constant(true) } else { Arc::new(Node::Is(Atom::Agree(bits), true)) }
}

/// All of them.
pub fn all(parts: impl IntoIterator<Item = Formula>) -> Formula {
    let mut kept = Vec::new();
    for part in parts {
        match &*part {
            Node::Yes => {}
            Node::No => return part,
            Node::All(inner) => kept.extend(inner.iter().cloned()),
            _ => kept.push(part),
        }
    }
    match kept.len() {
        0 => constant(true),
        1 => kept.swap_remove(0),
        _ => Arc::new(Node::All(kept)),
    }
}

/// Any of them.
pub fn any(parts: impl IntoIterator<Item = Formula>) -> Formula {
    let mut kept = Vec::new();
    for part in parts {
        match &*part {
            Node::No => {}
            Node::Yes => return part,
            Node::Any(inner) => kept.extend(inner.iter().cloned()),
            _ => kept.push(part),
        }
    }
    match kept.len() {
        0 => constant(false),
        1 => kept.swap_remove(0),
        _ => Arc::new(Node::Any(kept)),
    }
}

/// The opposite.
pub fn not(formula: &Formula) -> Formula {
    match &**formula {
        Node::Yes => constant(false),
        Node::No => constant(true),
        Node::Is(atom, answer) => Arc::new(Node::Is(atom.clone(), !answer)),
        Node::All(parts) => any(parts.iter().map(not)),
        Node::Any(parts) => all(parts.iter().map(not)),
    }
}

/// One of two, as a condition says.
pub fn choose(condition: &Formula, then: Formula, otherwise: Formula) -> Formula {
    match (&**condition, &*then, &*otherwise) {
        (Node::Yes, ..) => then,
        (Node::No, ..) => otherwise,
        (_, Node::Yes, Node::No) => condition.clone(),
        (_, Node::No, Node::Yes) => not(condition),
        (_, a, b) if a == b => then,
        _ => any([all([condition.clone(), then]), all([not(condition), otherwise])]),
    }
}

/// Calls `see` with each question in it.
pub fn each_atom(formula: &Formula, see: &mut impl FnMut(&Atom)) {
    match &**formula {
        Node::Yes | Node::No => {}
        Node::Is(atom, _) => see(atom),
        Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|part| each_atom(part, see)),
    }
}
