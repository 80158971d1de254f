//! `tcpc explain`: the page about a diagnostic code.

use clap_complete::engine::ArgValueCandidates;
use serde_json::json;
use tcpc_lang::diag::{Code, Diagnostic};

use crate::completion;
use crate::exit::Exit;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  tcpc explain E0101")]
pub struct Args {
    /// A code, such as `E0101`; without one all codes are listed
    #[arg(value_name = "CODE", add = ArgValueCandidates::new(completion::codes))]
    code: Option<String>,
}

/// Prints the page, or the list.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let Some(wanted) = &args.code else {
        for code in Code::ALL {
            ui.say(format!("{}  {}", code.as_str(), code.summary()));
        }
        let codes: Vec<_> =
            Code::ALL.iter().map(|code| json!({"code": code.as_str(), "summary": code.summary()})).collect();
        ui.set("codes", codes);
        return Exit::Done;
    };
    match Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(wanted)) {
        Some(code) => {
            ui.say(format!("{}: {}\n\n{}", code.as_str(), code.summary(), code.explanation()));
            ui.set("code", code.as_str());
            ui.set("text", code.explanation());
            Exit::Done
        }
        None => {
            let what = format!("there is no diagnostic code `{wanted}`");
            ui.problem(
                &Diagnostic::without_place(Code::UnknownCode, what).help("`tcpc explain` lists all codes"),
            );
            Exit::Usage
        }
    }
}
