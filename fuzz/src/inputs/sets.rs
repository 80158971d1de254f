//! Short texts of an operator: elements of sets, values of parameters, filters, durations, connections and settings that
//! are asked about, files of elements.
//!
//! An input is a file of elements as a whole, and each of its lines is all of the others.

use tcpc::{Filter, duration, elements, explicable, parameter_values, render};
use tcpc_lang::diag::Diagnostic;
use tcpc_lang::modules::{NoFiles, load};
use tcpc_lang::read;
use tcpc_lang::source::SourceFile;
use tcpc_loader::{Emitted, Key};
use tcpc_stdlib::manifest::state::{CellInfo, ParamInfo, RecordInfo};
use tcpc_stdlib::unit::Type;

use super::features::Features;
use super::places::{files_of, repository};

/// So many lines of an input are looked at one by one.
const LINES: usize = 16;

/// Of those, so many are asked about.
const EXPLAINED_LINES: usize = 2;

/// A policy with sets from a file.
const POLICY: &str = r#"set NETS from "nets.txt"
mutable set BLOCKED: prefix max 100 from "nets.txt"
on timeout_init when remote_ip in NETS or remote_ip in BLOCKED -> 10ms
"#;

/// A policy that is asked about.
const EXPLAINED: &str = r#"param port: int = 443 in 1..65535
on timeout_init when remote_port == port and srtt < 10ms -> 10ms
on rto when backoff > 2 and same_prefix(44) { congestion = "cubic" }
"#;

/// What people write.
const TEXTS: &str = include_str!("sets.txt");

pub fn seeds() -> Vec<Vec<u8>> {
    let files = files_of(&repository("tests/wrong/modules")).into_iter();
    let files = files.filter(|(name, _)| name.ends_with(".txt")).map(|(_, bytes)| bytes);
    files
        .chain(TEXTS.lines().map(|line| line.as_bytes().to_vec()))
        .chain([TEXTS.as_bytes().to_vec()])
        .collect()
}

pub fn run(input: &[u8], features: &mut Features) {
    let text = String::from_utf8_lossy(input);
    for ty in [Type::Prefix, Type::Ip, Type::Port] {
        match elements(ty, "nets.txt", &text) {
            Ok(elements) => features.amount("elements", elements.len()),
            Err(problem) => show(&problem, features),
        }
    }
    let source = load(SourceFile::new("policy.tcp", POLICY), &[("nets.txt", input)][..]);
    for diagnostic in tcpc_lang::analyze(&source).diagnostics {
        features.said(diagnostic.code.as_str(), &diagnostic.message);
        let _ = render::text(&diagnostic, Some(&source), false);
    }
    for line in text.lines().take(LINES) {
        one(line, features);
    }
    // Each is a policy to be checked.
    for line in text.lines().take(EXPLAINED_LINES) {
        explain(Some(line), &[], features);
        explain(None, &[line.to_owned()], features);
    }
}

fn one(text: &str, features: &mut Features) {
    for ty in Type::NUMBERS {
        match read::number(*ty, text) {
            Ok(_) => features.said("number", ty.name()),
            Err(unreadable) => features.said("no number", &unreadable.why),
        }
    }
    match parameter_values(&[text.to_owned()], "web", &parameters()) {
        Ok(values) => features.amount("values", values.len()),
        Err(problem) => show(&problem, features),
    }
    let records = records();
    match Filter::new(&[], &[text.to_owned()], &records) {
        Ok(filter) => {
            let fields = records.first().map_or(0, |record| record.cells.len());
            let zeros = Emitted { event: 0, time: 0, fields: vec![Key::Number(0); fields] };
            features.amount("holds", usize::from(filter.holds(&zeros)));
        }
        Err(problem) => show(&problem, features),
    }
    if let Err(why) = duration(text) {
        features.said("no duration", &why);
    }
}

fn explain(flow: Option<&str>, settings: &[String], features: &mut Features) {
    let source = load(SourceFile::new("policy.tcp", EXPLAINED), &NoFiles);
    let program = tcpc_lang::analyze(&source).program;
    match explicable(&source, &program, flow, settings) {
        Ok(count) => features.amount("explained", count),
        Err(problems) => problems.iter().for_each(|problem| show(problem, features)),
    }
}

fn show(problem: &Diagnostic, features: &mut Features) {
    features.said(problem.code.as_str(), &problem.message);
    assert!(!render::text(problem, None, false).is_empty(), "a problem without a text");
}

/// A parameter of each type, named after it.
fn parameters() -> Vec<ParamInfo> {
    let parameter = |ty: &Type| ParamInfo {
        name: ty.name().to_owned(),
        symbol: String::new(),
        ty: ty.name().to_owned(),
        default: 1,
        range: read::natural_range(*ty),
        line: 1,
    };
    Type::NUMBERS.iter().map(parameter).collect()
}

/// A record with a field of each type, named after it.
fn records() -> Vec<RecordInfo> {
    let cell =
        |ty: &Type| CellInfo { name: ty.name().to_owned(), ty: ty.name().to_owned(), offset: 0, default: 0 };
    let cells = Type::ALL.iter().map(cell).collect();
    vec![RecordInfo { name: "closed".into(), cells, size: 0, lost: String::new(), line: 1 }]
}
