//! Random policies over the whole language, each with a random sequence of events.
//!
//! What there is to be said comes from the catalogue: an event, a field, an option or a built-in name that is added there
//! is generated from then on, where its row says that it is legal. Nearly all that comes out is well typed; the real
//! front end decides ([`policy`] tries again where it refuses).

mod cond;
mod declare;
mod expr;
mod files;
pub mod literal;
mod rule;
mod scope;
mod sequence;
mod stmt;

use tcpc_lang::source::SourceFile;
use tcpc_lang::{Analysis, analyze};
use tcpc_stdlib::event::Event;
use tcpc_stdlib::unit::Type;

use crate::random::Random;
use crate::tree::{Node, Part, Sort, many, one, text};
pub use files::source;
use scope::{Declared, Site};

/// The name of the file that policies seem to come from.
pub const FILE: &str = "random.tcp";
/// The name of the test that the event sequence is.
pub const SEQUENCE: &str = "what happens";

/// A policy that the checker takes.
#[derive(Debug)]
pub struct Made {
    /// The policy and its sequence, as a tree.
    pub tree: Node,
    /// Its text.
    pub source: SourceFile,
    /// What the front end says of it.
    pub analysis: Analysis,
}

/// What the checker says of a tree; `None` if it refuses it.
pub fn checked(tree: Node) -> Option<Made> {
    let made = checked_text(&tree.to_string()).ok()?;
    Some(Made { tree, ..made })
}

/// What the checker says of a text, its files behind it, as a policy that cannot be cut down.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn checked_text(text: &str) -> Result<Made, String> {
    let source = source(text);
    let analysis = analyze(&source);
    match analysis.diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        Some(wrong) => Err(wrong.message.clone()),
        None => Ok(Made { tree: Node::text(Sort::Other, text), source, analysis }),
    }
}

/// A policy, and how many were refused before it.
pub fn policy(random: &mut Random) -> (Made, u64) {
    let mut refused = 0;
    loop {
        // A source of its own: what is drawn for one policy does not change the next.
        if let Some(made) = checked(tree(&mut random.split())) {
            return (made, refused);
        }
        refused += 1;
    }
}

/// A policy that is meant to be well typed.
pub fn tree(random: &mut Random) -> Node {
    let mut maker = Maker { random, declared: Declared::default(), names: 0, before: None };
    let (declarations, rules) = (maker.declarations(), maker.rules());
    let (mut items, files) = maker.spread(declarations, rules);
    items.push(maker.sequence());
    items.extend(files);
    Node::new(Sort::Other, [many("\n", items), text("\n")])
}

/// Makes a policy.
struct Maker<'r> {
    random: &'r mut Random,
    declared: Declared,
    names: u32,
    /// The events and the condition of a rule before, and what can be said behind it.
    before: Option<(Vec<&'static Event>, Option<Node>, Site)>,
}

impl Maker<'_> {
    /// A name that nothing else has; some differ only behind what the kernel keeps of the name of a map.
    fn fresh(&mut self, first: &str) -> String {
        self.names += 1;
        let long = if self.random.one_in(8) { "_with_a_long_name" } else { "" };
        format!("{first}{long}_{}", self.names)
    }
}

/// `(LEFT OP RIGHT)`
fn operation(ty: Type, left: Node, op: &str, right: Node) -> Node {
    Node::new(Sort::Expr(ty), [text("("), one(left), text(format!(" {op} ")), one(right), text(")")])
}

/// `NAME(ARGS)`
fn call(ty: Type, name: &str, args: Vec<Node>) -> Node {
    let mut parts = vec![text(format!("{name}("))];
    for (index, arg) in args.into_iter().enumerate() {
        if index > 0 {
            parts.push(text(", "));
        }
        parts.push(Part::One(arg));
    }
    parts.push(text(")"));
    Node::new(Sort::Expr(ty), parts)
}

#[cfg(test)]
mod tests;
