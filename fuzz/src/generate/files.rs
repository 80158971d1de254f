//! A policy in several files, as one text: that of the policy, then each module behind a line with its name.
//!
//! What is declared is often a module's, and so are some rules; the policy uses its names and includes it.

use tcpc_lang::modules::load;
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::unit::Type;

use super::{FILE, Maker};
use crate::tree::{Node, Sort, many, text};

/// What a line begins with that has the name of the file that follows.
const MARK: &str = "#== ";
/// The module with the declarations.
const NAMES: &str = "names.tcp";
/// Another one with rules.
const RULES: &str = "rules.tcp";
/// The elements of a set.
const ELEMENTS: &str = "elements.txt";

/// The source of a policy that stands in one text with its files.
pub fn source(text: &str) -> SourceFile {
    let mut files: Vec<(&str, String)> = Vec::new();
    let mut policy = String::new();
    for line in text.split_inclusive('\n') {
        match (line.strip_prefix(MARK), files.last_mut()) {
            (Some(name), _) => files.push((name.trim(), String::new())),
            (None, Some((_, file))) => file.push_str(line),
            (None, None) => policy.push_str(line),
        }
    }
    load(SourceFile::new(FILE, policy), files.as_slice())
}

impl Maker<'_> {
    /// Declarations and rules, and the files of modules that they are in.
    pub fn spread(&mut self, declarations: Vec<Node>, rules: Vec<Node>) -> (Vec<Node>, Vec<Node>) {
        let (own, mut shared): (Vec<Node>, Vec<Node>) =
            declarations.into_iter().partition(|item| item.to_string().starts_with("flow "));
        let mut files = Vec::new();
        let elements = self.random.one_in(8).then(|| self.elements());
        if let Some((set, file)) = elements {
            shared.push(set);
            files.push(file);
        }
        let names = self.declared.names();
        if names.is_empty() || !self.random.one_in(4) {
            shared.extend(own);
            shared.extend(rules);
            return (shared, files);
        }
        let mut policy = vec![names_of(NAMES, &names)];
        policy.extend(own);
        let mut others = vec![names_of(NAMES, &names)];
        for (index, rule) in rules.into_iter().enumerate() {
            // What only the policy has stays with it: its memory, and its experiments.
            let text = rule.to_string();
            let movable = !text.contains("flow.")
                && !text.contains("experiment ")
                && self.declared.experiments.iter().all(|(name, ..)| !text.contains(name.as_str()));
            match self.random.below(3) {
                0 if movable => shared.push(rule),
                1 if movable => others.push(rule),
                _ => policy.push(rule),
            }
            if index == 1 && self.random.one_in(2) {
                policy.push(include(NAMES));
            }
        }
        if self.random.one_in(2) {
            policy.push(include(NAMES));
        }
        if others.len() > 1 {
            policy.push(include(RULES));
            files.push(file(RULES, others));
        }
        files.push(file(NAMES, shared));
        (policy, files)
    }

    /// A set with its elements in a file.
    fn elements(&mut self) -> (Node, Node) {
        let ty = self.random.pick(&[Type::Ip, Type::Port]);
        let name = self.fresh("S");
        let elements = (0..1 + self.random.below(20)).map(|_| self.element(ty)).collect();
        self.declared.sets.push((name.clone(), if ty == Type::Port { Type::Int } else { ty }, 0xffff));
        let set = Node::text(Sort::Other, format!("set {name} from \"./{ELEMENTS}\""));
        (set, file(ELEMENTS, elements))
    }
}

/// `#== NAME`, and what follows.
fn file(name: &str, items: Vec<Node>) -> Node {
    Node::new(Sort::Other, [text(format!("{MARK}{name}\n")), many("\n", items)])
}

fn names_of(module: &str, names: &[String]) -> Node {
    let names = names.iter().map(|name| Node::text(Sort::Other, name)).collect();
    Node::new(Sort::Other, [text(format!("use \"./{module}\" {{ ")), many(", ", names), text(" }")])
}

fn include(module: &str) -> Node {
    Node::text(Sort::Other, format!("include \"./{module}\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tcpc_lang::analyze;

    #[test]
    fn files_stand_behind_their_policy() {
        let text = "use \"./names.tcp\" { K }\non rwnd_init when remote_port in S -> K\n\
                    set S from \"./elements.txt\"\n#== names.tcp\nconst K = 20\n#== elements.txt\n443\n8000..8010\n";
        let analysis = analyze(&source(text));
        assert!(analysis.is_valid(), "{:#?}", analysis.diagnostics);
        assert_eq!(analysis.program.sets.first().unwrap().ranges, [(443, 443), (8000, 8010)]);
    }
}
