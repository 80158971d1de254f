//! `tcpc explain`: the page about a diagnostic code, or what a policy does on a connection, and why.

mod flow;
mod page;
mod question;
mod script;
mod text;

use std::path::{Path, PathBuf};

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use serde_json::json;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::{Program, Role};
use tcpc_lang::source::SourceFile;
use tcpc_runtime::explain::explain;

use question::Question;
use script::Checked;

use crate::completion;
use crate::exit::Exit;
use crate::policy;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
A setting is written as after `given` in a test: a field, an option, a parameter, a cell, what the peer's segments carry;
or it is an argument of the event.

Examples:
  tcpc explain E0101
  tcpc explain policy.tcp --event timeout_init --flow '10.0.0.1:40000 -> 10.0.0.2:443'
  tcpc explain policy.tcp --event rto --role server --set srtt=3ms --set backoff=2
  tcpc explain policy.tcp --event 'transmit syn' --set 'uto { value = 30 }'")]
pub struct Args {
    /// A diagnostic code, such as `E0101`, or a policy; without one all codes are listed
    #[arg(value_name = "CODE|POLICY", add = ArgValueCompleter::new(completion::codes_and_files))]
    what: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
}

/// What is asked about a policy.
#[derive(clap::Args, Debug)]
pub struct Asked {
    /// The event, or `transmit SEGMENT`; all that the policy has rules for if it is left out
    #[arg(long, value_name = "EVENT", add = ArgValueCandidates::new(completion::kernel_events))]
    event: Option<String>,
    /// The connection: `LOCAL -> REMOTE`, with ports or without
    #[arg(long, value_name = "FLOW")]
    flow: Option<String>,
    /// The end that it is seen from
    #[arg(long, value_enum, value_name = "client|server", hide_possible_values = true)]
    role: Option<End>,
    /// How the connection, its kernel or the policy's memory is; can be given several times
    #[arg(long = "set", value_name = "SETTING")]
    settings: Vec<String>,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum End {
    /// It connects.
    Client,
    /// It accepts.
    Server,
}

impl From<End> for Role {
    fn from(end: End) -> Role {
        match end {
            End::Client => Role::Client,
            End::Server => Role::Server,
        }
    }
}

/// Prints the page, the list of codes, or the explanation.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let Asked { event, flow, role, settings } = &args.asked;
    let about_policy = event.is_some() || flow.is_some() || role.is_some() || !settings.is_empty();
    match args.what.as_deref() {
        Some(path) if !page::is_code(path) => connection(path, &args.asked, ui),
        what if about_policy => {
            let what = what.map_or("no policy is named".to_owned(), |code| {
                format!("`{}` is a diagnostic code, and no policy", code.display())
            });
            let help = "name the policy's file: `tcpc explain policy.tcp --event EVENT`";
            ui.problem(&Diagnostic::without_place(Code::NotExplainable, what).help(help));
            Exit::Usage
        }
        Some(code) => page::show(&code.to_string_lossy(), ui),
        None => page::list(ui),
    }
}

/// What a policy does on a connection.
fn connection(path: &Path, asked: &Asked, ui: &mut Ui) -> Exit {
    let source = match policy::read_source(path) {
        Ok(source) => source,
        Err(problem) => return policy::report_unreadable(&problem, ui),
    };
    let analysis = match policy::check(&source, ui) {
        Ok(analysis) => analysis,
        Err(exit) => return exit,
    };
    let (questions, script) = match prepare(&source, &analysis.program, asked) {
        Ok(prepared) => prepared,
        Err(problems) => {
            problems.iter().for_each(|problem| ui.problem(problem));
            return Exit::Usage;
        }
    };
    let paint = ui.paint();
    let mut explained = Vec::new();
    for (question, test) in questions.iter().zip(&script.tests) {
        match explain(&script.program, &script.source, &test.steps) {
            Ok(explanation) => {
                ui.say(text::explanation(&explanation, paint));
                explained.push(json!(explanation));
            }
            Err(why) => {
                ui.say(text::not_raised(&question.name(), &why, paint));
                explained.push(json!({ "step": question.name(), "not_raised": why }));
            }
        }
    }
    ui.set("explanations", explained);
    Exit::Done
}

/// All that is asked, and a checked test for each question.
fn prepare(
    source: &SourceFile,
    program: &Program,
    asked: &Asked,
) -> Result<(Vec<Question>, Checked), Vec<Diagnostic>> {
    let questions = question::questions(program, asked).map_err(|problem| vec![problem])?;
    let checked = script::write(asked, &questions).and_then(|script| script.check(source))?;
    Ok((questions, checked))
}

/// How many steps of a policy can be explained on this connection, with these settings.
///
/// # Errors
/// One of the texts is not what it should be.
pub fn explicable(
    source: &SourceFile,
    program: &Program,
    flow: Option<&str>,
    settings: &[String],
) -> Result<usize, Vec<Diagnostic>> {
    let asked = Asked { event: None, flow: flow.map(str::to_owned), role: None, settings: settings.to_vec() };
    let (_, checked) = prepare(source, program, &asked)?;
    let explained = checked.tests.iter().map(|test| explain(&checked.program, &checked.source, &test.steps));
    Ok(explained.filter(Result::is_ok).count())
}
