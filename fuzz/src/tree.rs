//! A policy as a tree of pieces of text: made by [`crate::generate`], printed for the real front end, cut down by
//! [`crate::shrink`].
//!
//! The tree knows only what shrinking needs: what can be left out ([`Part::Many`]), and what can stand for what
//! ([`Sort`]). Whether a cut-down tree is a policy, the checker says.

use std::fmt;

use tcpc_stdlib::unit::Type;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A statement of a block.
    Statement,
    /// A step of an event sequence.
    Step,
    /// An expression.
    Expr(Type),
    /// A condition behind `when`, or what is not replaced by another.
    Other,
}

/// A node: its text is that of its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub sort: Sort,
    /// What it consists of.
    pub parts: Vec<Part>,
}

/// A part of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Words that belong to the node itself.
    Text(String),
    /// A part that must be there.
    One(Node),
    /// Parts of which each can be left out, with what stands between them.
    Many(&'static str, Vec<Node>),
}

impl Node {
    /// A node of one piece of text.
    pub fn text(sort: Sort, text: impl Into<String>) -> Node {
        Node { sort, parts: vec![Part::Text(text.into())] }
    }

    /// A node of several parts.
    pub fn new(sort: Sort, parts: impl Into<Vec<Part>>) -> Node {
        Node { sort, parts: parts.into() }
    }

    /// The nodes right below it.
    pub fn children(&self) -> impl Iterator<Item = &Node> {
        self.parts.iter().flat_map(|part| match part {
            Part::Text(_) => &[][..],
            Part::One(node) => std::slice::from_ref(node),
            Part::Many(_, nodes) => nodes,
        })
    }

    /// How many nodes it consists of, itself included.
    pub fn size(&self) -> usize {
        1 + self.children().map(Node::size).sum::<usize>()
    }
}

/// Words.
pub fn text(text: impl Into<String>) -> Part {
    Part::Text(text.into())
}

/// A node that must be there.
pub fn one(node: Node) -> Part {
    Part::One(node)
}

/// Nodes of which each can be left out.
pub fn many(separator: &'static str, nodes: Vec<Node>) -> Part {
    Part::Many(separator, nodes)
}

/// Either nothing or a node that can be left out.
pub fn optional(node: Option<Node>) -> Part {
    Part::Many("", node.into_iter().collect())
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::One(node) => node.fmt(f)?,
                Part::Many(separator, nodes) => {
                    for (index, node) in nodes.iter().enumerate() {
                        if index > 0 {
                            f.write_str(separator)?;
                        }
                        node.fmt(f)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_prints_its_parts_in_order() {
        let leaf = |word: &str| Node::text(Sort::Other, word);
        let list = many(", ", vec![leaf("a"), leaf("b")]);
        let node = Node::new(Sort::Statement, [text("count "), list, optional(None), one(leaf(";"))]);
        assert_eq!(node.to_string(), "count a, b;");
        assert_eq!(node.size(), 4);
    }
}
