#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::collections::{BTreeMap, BTreeSet};

use tcpc_stdlib::builtin::{BUILTINS, BuiltinId};
use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::field::FIELDS;
use tcpc_stdlib::header::SEGMENTS;
use tcpc_stdlib::option::{OPTIONS, OptionValue};

/// Most of what is generated must be well typed, or the rest would be tried too little.
#[test]
fn the_checker_takes_most_policies() {
    let mut random = Random(11);
    let mut why: BTreeMap<String, (u32, String)> = BTreeMap::new();
    let mut taken = 0;
    for _ in 0..300 {
        let source = source(&tree(&mut random.split()).to_string());
        let analysis = analyze(&source);
        taken += u32::from(analysis.is_valid());
        let first = analysis.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
        if let Some(error) = first {
            let line = error.primary.as_ref().map_or("", |label| source.slice(label.span)).to_string();
            let row = why.entry(error.code.as_str().to_string()).or_default();
            row.0 += 1;
            row.1 = format!("{}: `{line}`", error.message);
        }
    }
    assert!(taken > 250, "{taken} of 300: {why:#?}");
}

/// Whatever the catalogue offers to policies is generated sooner or later.
#[test]
fn all_of_the_catalogue_is_said() {
    let mut random = Random(12);
    let text: String = (0..600).map(|_| tree(&mut random.split()).to_string()).collect();
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let events = EVENTS.iter().filter(|event| event.supported);
    let args = events.clone().flat_map(|event| event.args.iter().map(|arg| arg.name));
    let fields = FIELDS.iter().map(|field| field.name).filter(|name| !name.is_empty());
    let options =
        OPTIONS.iter().filter(|option| option.value != OptionValue::Bytes).map(|option| option.name);
    // Only an expectation asks what was sent.
    let builtins = BUILTINS.iter().filter(|row| row.id != BuiltinId::Sent).map(|row| row.name);
    let segments = SEGMENTS.iter().map(|segment| segment.name);
    let names = events
        .map(|event| event.name)
        .chain(args)
        .chain(fields)
        .chain(options)
        .chain(builtins)
        .chain(segments);
    let missing: Vec<&str> = names.filter(|name| !words.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // And policies in several files.
    for said in [
        "use \"./names.tcp\" {",
        "include \"./names.tcp\"",
        "include \"./rules.tcp\"",
        " from \"./elements.txt\"",
    ] {
        assert!(text.contains(said), "{said}");
    }
}
