//! The trees of all files as one policy.
//!
//! The rules of an included module stand where its `include` does. Declarations of modules stand somewhere: their
//! place says whose they are. The tests of a module are its own business, as are the rules of one that is
//! only used.

use crate::ast::{Expr, ExprKind, Item, MutableSet, Policy, Set, Use};
use crate::diag::{Code, Diagnostic};
use crate::parse::parse_file;
use crate::source::{FileId, SourceFile, Span};

/// Parses and joins all files of a source.
pub fn join(source: &SourceFile) -> (Policy, Vec<Diagnostic>) {
    let mut diagnostics = source.problems().to_vec();
    let mut is_module = vec![false; source.files().len()];
    is_module[FileId::POLICY.index()] = true;
    let links = source.links().iter().filter_map(|(_, file)| *file);
    links.for_each(|file| is_module[file.index()] |= !source.file(file).module.is_empty());
    let ids = (0..source.files().len()).map(|index| source.file_at(source.files()[index].span.start));
    let trees = ids.map(|id| {
        if !is_module[id.index()] {
            return None;
        }
        let (mut policy, found) = parse_file(source, id);
        diagnostics.extend(found);
        policy.items.iter_mut().for_each(|item| fill(item, source, &mut diagnostics));
        Some(policy)
    });
    let trees: Vec<Option<Policy>> = trees.collect();
    let mut joiner = Joiner { source, trees, included: Vec::new(), items: Vec::new(), diagnostics };
    joiner.take(FileId::POLICY, true);
    for tree in std::mem::take(&mut joiner.trees).into_iter().flatten() {
        let declares = |item: &Item| !matches!(item, Item::Rule(_) | Item::Experiment(_) | Item::Test(_));
        let items = tree.items.into_iter().filter(declares).map(|item| match item {
            // What it includes are no rules of the policy.
            Item::Use(item) => Item::Use(Use { include: false, ..item }),
            item => item,
        });
        joiner.items.extend(items);
    }
    (Policy { items: joiner.items }, joiner.diagnostics)
}

/// Gives a set the elements that stand in its file. Without that file it is nothing to talk about.
fn fill(item: &mut Item, source: &SourceFile, diagnostics: &mut Vec<Diagnostic>) {
    let (from, elements) = match item {
        Item::Set(Set { from: Some(from), elements, .. }) => (from, elements),
        Item::MutableSet(set) => match &mut **set {
            MutableSet { from: Some(from), elements, .. } => (from, elements),
            _ => return,
        },
        _ => return,
    };
    match source.link(from.span) {
        Some(file) => {
            let (read, found) = crate::parse::elements(source, file);
            *elements = read;
            diagnostics.extend(found);
        }
        None => *elements = vec![Expr { kind: ExprKind::Error, span: from.span }],
    }
}

struct Joiner<'s> {
    source: &'s SourceFile,
    /// What is left of them.
    trees: Vec<Option<Policy>>,
    included: Vec<(FileId, Span)>,
    items: Vec<Item>,
    diagnostics: Vec<Diagnostic>,
}

impl Joiner<'_> {
    fn take(&mut self, file: FileId, tests: bool) {
        let Some(tree) = self.trees.get_mut(file.index()).and_then(Option::take) else { return };
        for item in tree.items {
            let included = match &item {
                Item::Test(_) if !tests => continue,
                Item::Use(item) if item.include => {
                    self.source.link(item.place).map(|file| (file, item.place))
                }
                _ => None,
            };
            self.items.push(item);
            if let Some((file, place)) = included {
                self.include(file, place);
            }
        }
    }

    fn include(&mut self, file: FileId, place: Span) {
        if let Some((_, earlier)) = self.included.iter().find(|(known, _)| *known == file) {
            let name = &self.source.file(file).path;
            let message = format!("the rules of `{name}` are part of the policy already");
            self.diagnostics.push(
                Diagnostic::new(Code::IncludedTwice, message, place, "adds nothing")
                    .label(*earlier, "included here")
                    .help("remove one of them; to have only its names, `use` it"),
            );
            return;
        }
        self.included.push((file, place));
        self.take(file, false);
    }
}
