//! Which files a file names, and where they are.

use crate::ast::ModuleName;
use crate::parse::build::unescape;
use crate::source::{FileId, SourceFile, Span};
use crate::token::{Soft, Token, lex_from};

/// A place that names a file.
#[derive(Clone, Debug)]
pub struct Mention {
    /// What kind of file it is.
    pub kind: Kind,
    /// Its name.
    pub module: ModuleName,
    /// What it is to be called.
    pub alias: Option<String>,
    /// The place of the name.
    pub place: Span,
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text in the language.
    Module,
    /// The elements of a set.
    Data,
}

/// Everything that a file names.
pub fn mentions(source: &SourceFile, file: FileId) -> Vec<Mention> {
    let place = source.file(file).span;
    let text = source.slice(place);
    // Most policies name no file: they are not cut into tokens twice.
    if !["use", "include", "from"].iter().any(|word| text.contains(word)) {
        return Vec::new();
    }
    let (tokens, _) = lex_from(source.text_up_to(file), place.start as usize);
    let token = |at: usize| tokens.get(at).map(|(token, _)| *token);
    let found = (0..tokens.len()).filter_map(|at| {
        let kind = match token(at)? {
            Token::Soft(Soft::Use | Soft::Include) => Kind::Module,
            Token::Soft(Soft::From) => Kind::Data,
            _ => return None,
        };
        let (name, place) = *tokens.get(at + 1)?;
        let module = match (name, kind) {
            (Token::Str(path), _) => ModuleName::File(unescape(path)),
            (Token::Path(path) | Token::Name(path), Kind::Module) => ModuleName::Std(path.to_owned()),
            _ => return None,
        };
        let alias = match (token(at + 2), token(at + 3)) {
            (Some(Token::Soft(Soft::As)), Some(Token::Name(alias))) => Some(alias.to_owned()),
            _ => None,
        };
        Some(Mention { kind, module, alias, place })
    });
    found.collect()
}

/// Why a path is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// It says nothing.
    Empty,
    /// It begins at the root of a file system.
    Absolute,
    /// It leads out of the policy's folder.
    Outside,
    /// It has `\` between its parts.
    Backslash,
}

/// The path from the policy's folder that a file there means by `path`.
pub fn resolve(file: &str, path: &str) -> Result<String, BadPath> {
    if path.starts_with(['/', '~']) || path.contains(':') {
        return Err(BadPath::Absolute);
    }
    if path.contains('\\') {
        return Err(BadPath::Backslash);
    }
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or(BadPath::Outside)?),
            part => parts.push(part),
        }
    }
    match parts.is_empty() || path.trim().is_empty() || path.ends_with('/') {
        true => Err(BadPath::Empty),
        false => Ok(parts.join("/")),
    }
}

/// A file's name as a name of the language: `my-nets` is `my_nets`.
pub fn symbol(stem: &str) -> String {
    let digit = stem.is_empty() || stem.starts_with(|c: char| c.is_ascii_digit());
    let letters = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    digit.then_some('_').into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        assert_eq!(resolve("wan.tcp", "./nets.tcp").as_deref(), Ok("nets.tcp"));
        assert_eq!(resolve("wan.tcp", "nets.tcp").as_deref(), Ok("nets.tcp"));
        assert_eq!(resolve("wan.tcp", "lib//nets.tcp").as_deref(), Ok("lib/nets.tcp"));
        assert_eq!(resolve("lib/a.tcp", "./b.tcp").as_deref(), Ok("lib/b.tcp"));
        assert_eq!(resolve("lib/a.tcp", "../b.tcp").as_deref(), Ok("b.tcp"));
    }

    #[test]
    fn paths_do_not_leave_the_policys_folder() {
        assert_eq!(resolve("wan.tcp", "../nets.tcp"), Err(BadPath::Outside));
        assert_eq!(resolve("lib/a.tcp", "../../b.tcp"), Err(BadPath::Outside));
        assert_eq!(resolve("wan.tcp", "a/../../b.tcp"), Err(BadPath::Outside));
        assert_eq!(resolve("wan.tcp", "/etc/nets.tcp"), Err(BadPath::Absolute));
        assert_eq!(resolve("wan.tcp", "~/nets.tcp"), Err(BadPath::Absolute));
        assert_eq!(resolve("wan.tcp", "http://host/nets.tcp"), Err(BadPath::Absolute));
        assert_eq!(resolve("wan.tcp", "lib\\nets.tcp"), Err(BadPath::Backslash));
        assert_eq!(resolve("wan.tcp", ""), Err(BadPath::Empty));
        assert_eq!(resolve("wan.tcp", "lib/.."), Err(BadPath::Empty));
        assert_eq!(resolve("wan.tcp", "lib/"), Err(BadPath::Empty));
    }
}
