//! What can be wrong with the name of a file, in words.

use std::string::FromUtf8Error;

use tcpc_stdlib::policies::{MODULES, POLICIES};

use super::Unreadable;
use super::find::{BadPath, Mention, symbol};
use crate::ast::ModuleName;
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, SourceFile, Span};
use crate::suggest::closest;

type Problem = Box<Diagnostic>;

/// `use dc`, `use lib::dc`.
pub fn not_std(path: &str, place: Span) -> Problem {
    let diagnostic =
        Diagnostic::new(Code::UnknownModule, format!("there is no module `{path}`"), place, "no such module");
    let name = path.rsplit("::").next().unwrap_or(path);
    let known = MODULES.iter().chain(POLICIES).find(|module| module.name == name);
    Box::new(match known {
        Some(_) => {
            let meant = format!("std::{name}");
            diagnostic.help(format!("the standard library has `{meant}`")).suggest(place, meant)
        }
        None => {
            let file = format!("\"./{name}.tcp\"");
            diagnostic.help(format!(
                "modules of the standard library begin with `std::`; a file is named in quotes: `{file}`"
            ))
        }
    })
}

/// `use std::dcc`.
pub fn unknown_std(name: &str, place: Span) -> Problem {
    let message = format!("the standard library has no module `{name}`");
    let diagnostic = Diagnostic::new(Code::UnknownModule, message, place, "no such module");
    let mut names: Vec<&str> = MODULES.iter().chain(POLICIES).map(|module| module.name).collect();
    Box::new(match closest(name, names.iter().copied()) {
        Some(near) => {
            diagnostic.help(format!("a similar name is `std::{near}`")).suggest(place, format!("std::{near}"))
        }
        None => {
            names.sort_unstable();
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            diagnostic.help(format!("it has {}", names.join(", ")))
        }
    })
}

/// A file that is not there, or not to be read.
pub fn unreadable(name: &str, why: &Unreadable, mention: &Mention, beside: &[String]) -> Problem {
    let (reason, label) = match why {
        Unreadable::Missing => ("there is no such file", "no such file"),
        Unreadable::Because(reason) => (reason.as_str(), "cannot be read"),
    };
    let message = format!("cannot read `{name}`: {reason}");
    let diagnostic = Diagnostic::new(Code::UnreadableModule, message, mention.place, label);
    let ModuleName::File(written) = &mention.module else { return Box::new(diagnostic) };
    let (folder, file) = written.rfind('/').map_or(("", written.as_str()), |at| written.split_at(at + 1));
    let near = match why {
        Unreadable::Missing => closest(file, beside.iter().map(String::as_str)),
        Unreadable::Because(_) => None,
    };
    Box::new(match near {
        Some(near) => {
            let meant = format!("\"{folder}{near}\"");
            diagnostic.help(format!("a similar name is `{near}`")).suggest(mention.place, meant)
        }
        None => diagnostic.help("a path is relative to the file that names it"),
    })
}

/// A file that is not UTF-8.
pub fn not_text(name: &str, error: &FromUtf8Error, place: Span) -> Problem {
    let valid = error.utf8_error().valid_up_to();
    let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
    let message = format!("`{name}` is not a text");
    Box::new(
        Diagnostic::new(Code::UnreadableModule, message, place, "not a text")
            .note(format!("the first byte that is not part of a text is at line {line}"))
            .help("save the file as UTF-8"),
    )
}

/// A path that is not taken.
pub fn bad_path(path: &str, why: BadPath, place: Span) -> Problem {
    let new = |message: String, label: &str| Diagnostic::new(Code::BadPath, message, place, label);
    let relative = "write it relative to the file that names it: `\"./nets.tcp\"`";
    Box::new(match why {
        BadPath::Empty => new(format!("`{path}` names no file"), "not a file").help(relative),
        BadPath::Absolute => new(format!("the path `{path}` is absolute"), "not a relative path")
            .note("a policy is one folder: it means the same wherever that folder is")
            .help(relative),
        BadPath::Outside => new(format!("the path `{path}` leaves the policy's folder"), "leads outside")
            .note("a policy is one folder: it can be reviewed, copied and built as such")
            .help("put what several policies share into a folder below theirs"),
        BadPath::Backslash => new(format!("the path `{path}` has backslashes"), "not a path")
            .help("write `/` between folders")
            .suggest(place, format!("\"{}\"", path.replace('\\', "/"))),
    })
}

/// Files that use one another in a circle: each with the place where it names the next.
pub fn cycle(source: &SourceFile, chain: &[(FileId, Span)]) -> Problem {
    let show = |file: FileId| format!("`{}`", source.file(file).path);
    let (first, last) = match (chain.first(), chain.last()) {
        (Some(first), Some(last)) => (first.0, *last),
        _ => (FileId::POLICY, (FileId::POLICY, Span::default())),
    };
    let message = match chain.len() {
        1 => format!("{} uses itself", show(first)),
        _ => {
            let names: Vec<String> = chain.iter().map(|(file, _)| show(*file)).collect();
            format!("{} uses itself: {} → {}", show(first), names.join(" → "), show(first))
        }
    };
    let mut diagnostic = Diagnostic::new(Code::ModuleCycle, message, last.1, "closes the circle");
    for (_, place) in chain.iter().rev().skip(1).rev() {
        diagnostic = diagnostic.label(*place, "part of the circle");
    }
    Box::new(diagnostic.help("move what both need into a third file"))
}

/// Two modules of one name.
pub fn same_name(name: &str, module: &ModuleName, place: Span, earlier: Span) -> Problem {
    let message = format!("two modules are called `{name}`");
    Box::new(
        Diagnostic::new(Code::DuplicateName, message, place, "this one")
            .label(earlier, "and this one")
            .help(format!("call one of them otherwise: `{module} as {}_2`", symbol(name))),
    )
}

/// More files than anybody needs.
pub fn too_many(place: Span) -> Problem {
    let message = format!("a policy cannot have more than {} files", super::MOST_FILES);
    Box::new(Diagnostic::new(Code::UnreadableModule, message, place, "one too many"))
}

/// More text than places can say.
pub fn too_large(place: Span) -> Problem {
    let message = "the files of the policy are larger than 4 GiB together";
    Box::new(Diagnostic::new(Code::UnreadableModule, message, place, "does not fit"))
}
