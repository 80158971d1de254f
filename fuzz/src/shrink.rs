//! Cuts a tree down to what still shows something: delta debugging on lists, then on what is in them.
//!
//! A step leaves nodes of a list out (many at once, then fewer), puts what stands in a statement in its place, or puts
//! something smaller of its type in the place of an expression. A step stays if the tree still `shows` it.

use tcpc_stdlib::unit::Type;

use crate::tree::{Node, Part, Sort};

/// The way to a node: the index of the part, and of the node in it, at each level.
type Path = Vec<(usize, usize)>;

/// The smallest tree found that still shows what `tree` shows; at most `most` trees are asked.
pub fn shrink(tree: Node, most: usize, mut shows: impl FnMut(&Node) -> bool) -> Node {
    let mut search = Search { best: tree, left: most, shows: &mut shows };
    loop {
        let before = search.best.size();
        search.lists();
        search.replace(&hoists);
        search.replace(&smaller);
        search.replace(&plain);
        if search.left == 0 || search.best.size() >= before {
            return search.best;
        }
    }
}

struct Search<'s> {
    best: Node,
    left: usize,
    shows: &'s mut dyn FnMut(&Node) -> bool,
}

impl Search<'_> {
    /// Takes a tree over if it still shows it.
    fn accept(&mut self, candidate: Node) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let holds = (self.shows)(&candidate);
        if holds {
            self.best = candidate;
        }
        holds
    }

    /// Leaves out what can be left out, in every list: halves, quarters, and so on.
    fn lists(&mut self) {
        let mut paths = list_paths(&self.best);
        // The longest first, as those in it vanish with it.
        paths.sort_by_key(|(path, _)| path.len());
        for (path, part) in paths {
            let Some(mut length) = list_at(&self.best, &path, part).map(Vec::len) else { continue };
            let mut size = length.max(1);
            while size > 0 {
                let mut start = 0;
                while start < length {
                    let end = (start + size).min(length);
                    let mut candidate = self.best.clone();
                    let Some(list) = list_at_mut(&mut candidate, &path, part) else { return };
                    list.drain(start..end);
                    if self.accept(candidate) {
                        length -= end - start;
                    } else {
                        start = end;
                    }
                }
                size /= 2;
            }
        }
    }

    /// Puts others in the place of nodes, wherever `others` has some.
    fn replace(&mut self, others: &dyn Fn(&Node) -> Vec<Vec<Node>>) {
        let mut index = 0;
        // The tree changes on the way; a position that was passed over stays so.
        while let Some(path) = node_paths(&self.best).into_iter().nth(index) {
            let candidates = node_at(&self.best, &path).map(others).unwrap_or_default();
            let taken = candidates.into_iter().any(|nodes| {
                let mut candidate = self.best.clone();
                put(&mut candidate, &path, nodes)
                    && candidate.size() <= self.best.size()
                    && candidate != self.best
                    && self.accept(candidate)
            });
            index += usize::from(!taken);
            if self.left == 0 {
                return;
            }
        }
    }
}

/// The statements in a statement, the steps in a step.
fn hoists(node: &Node) -> Vec<Vec<Node>> {
    if !matches!(node.sort, Sort::Statement | Sort::Step) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let lists = list_paths(node);
    for (path, part) in lists {
        if let Some(list) = list_at(node, &path, part)
            && !list.is_empty()
            && list.iter().all(|inner| inner.sort == node.sort)
        {
            found.push(list.clone());
        }
    }
    found
}

/// Expressions of its type in an expression.
fn smaller(node: &Node) -> Vec<Vec<Node>> {
    if !matches!(node.sort, Sort::Expr(_)) {
        return Vec::new();
    }
    let mut inner: Vec<&Node> = Vec::new();
    let mut rest: Vec<&Node> = node.children().collect();
    while let Some(next) = rest.pop() {
        if next.sort == node.sort {
            inner.push(next);
        }
        rest.extend(next.children());
    }
    inner.sort_by_key(|node| node.size());
    inner.into_iter().map(|node| vec![node.clone()]).collect()
}

/// A plain constant for an expression.
fn plain(node: &Node) -> Vec<Vec<Node>> {
    let Sort::Expr(ty) = node.sort else { return Vec::new() };
    let text = match ty {
        Type::Bool => "true",
        Type::Int | Type::Packets | Type::Port => "1",
        Type::Duration => "1ms",
        Type::Size => "1KB",
        Type::Rate => "1KB/s",
        Type::Percent => "1%",
        Type::Ip => "10.0.0.1",
        Type::Name => "\"cubic\"",
        Type::State => "ESTABLISHED",
        Type::Family => "ipv4",
        Type::Prefix | Type::Role => return Vec::new(),
    };
    vec![vec![Node::text(node.sort, text)]]
}

/// Every list: the way to its node, and the index of its part there.
fn list_paths(tree: &Node) -> Vec<(Path, usize)> {
    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut |path, node| {
        for (at, part) in node.parts.iter().enumerate() {
            if matches!(part, Part::Many(..)) {
                found.push((path.clone(), at));
            }
        }
    });
    found
}

fn node_paths(tree: &Node) -> Vec<Path> {
    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut |path, _| found.push(path.clone()));
    found
}

fn walk(node: &Node, path: &mut Path, visit: &mut dyn FnMut(&Path, &Node)) {
    visit(path, node);
    for (at, part) in node.parts.iter().enumerate() {
        let nodes = match part {
            Part::Text(_) => &[][..],
            Part::One(node) => std::slice::from_ref(node),
            Part::Many(_, nodes) => nodes,
        };
        for (index, inner) in nodes.iter().enumerate() {
            path.push((at, index));
            walk(inner, path, visit);
            path.pop();
        }
    }
}

fn node_at<'n>(tree: &'n Node, path: &[(usize, usize)]) -> Option<&'n Node> {
    path.iter().try_fold(tree, |node, (part, index)| match node.parts.get(*part)? {
        Part::Text(_) => None,
        Part::One(node) => Some(node),
        Part::Many(_, nodes) => nodes.get(*index),
    })
}

fn node_at_mut<'n>(tree: &'n mut Node, path: &[(usize, usize)]) -> Option<&'n mut Node> {
    path.iter().try_fold(tree, |node, (part, index)| match node.parts.get_mut(*part)? {
        Part::Text(_) => None,
        Part::One(node) => Some(node),
        Part::Many(_, nodes) => nodes.get_mut(*index),
    })
}

fn list_at<'n>(tree: &'n Node, path: &[(usize, usize)], part: usize) -> Option<&'n Vec<Node>> {
    match node_at(tree, path)?.parts.get(part)? {
        Part::Many(_, nodes) => Some(nodes),
        _ => None,
    }
}

fn list_at_mut<'n>(tree: &'n mut Node, path: &[(usize, usize)], part: usize) -> Option<&'n mut Vec<Node>> {
    match node_at_mut(tree, path)?.parts.get_mut(part)? {
        Part::Many(_, nodes) => Some(nodes),
        _ => None,
    }
}

/// Puts nodes in the place of one; more than one only fit into a list.
fn put(tree: &mut Node, path: &[(usize, usize)], mut nodes: Vec<Node>) -> bool {
    let Some(((part, index), parent)) = path.split_last() else { return false };
    match node_at_mut(tree, parent).and_then(|node| node.parts.get_mut(*part)) {
        Some(Part::Many(_, list)) if *index < list.len() => {
            list.splice(*index..=*index, nodes);
            true
        }
        Some(Part::One(node)) if nodes.len() == 1 => {
            std::mem::swap(node, &mut nodes[0]);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use crate::random::Random;

    /// Whatever a policy shows, the smallest one that shows it is small.
    #[test]
    fn what_shows_nothing_is_cut_away() {
        let mut random = Random(3);
        for wanted in ["count c0", "fire rto", "remote_ip"] {
            let has = |tree: &Node| tree.to_string().contains(wanted);
            let tree = loop {
                let tree = generate::tree(&mut random);
                if has(&tree) && tree.size() > 100 {
                    break tree;
                }
            };
            let small = shrink(tree, 100_000, has);
            assert!(has(&small) && small.size() < 30, "{} nodes: {small}", small.size());
        }
    }

    #[test]
    fn no_more_trees_are_asked_than_allowed() {
        let mut asked = 0;
        shrink(generate::tree(&mut Random(4)), 50, |_| {
            asked += 1;
            true
        });
        assert!(asked <= 50);
    }
}
