//! The pages about diagnostic codes.

use std::path::Path;

use serde_json::json;
use tcpc_lang::diag::{Code, Diagnostic};

use crate::exit::Exit;
use crate::ui::Ui;

/// Whether this is a code, or is written like one and is no file: files have folders or endings.
pub fn is_code(what: &Path) -> bool {
    let text = what.to_string_lossy();
    find(&text).is_some() || (!text.contains(['/', '.', ':']) && text != "-" && !what.exists())
}

fn find(wanted: &str) -> Option<&'static Code> {
    Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(wanted))
}

/// All codes.
pub fn list(ui: &mut Ui) -> Exit {
    for code in Code::ALL {
        ui.say(format!("{}  {}", code.as_str(), code.summary()));
    }
    let codes: Vec<_> =
        Code::ALL.iter().map(|code| json!({"code": code.as_str(), "summary": code.summary()})).collect();
    ui.set("codes", codes);
    Exit::Done
}

/// The page about a code.
pub fn show(wanted: &str, ui: &mut Ui) -> Exit {
    match find(wanted) {
        Some(code) => {
            ui.say(format!("{}: {}\n\n{}", code.as_str(), code.summary(), code.explanation()));
            ui.set("code", code.as_str());
            ui.set("text", code.explanation());
            Exit::Done
        }
        None => {
            let what = format!("there is no diagnostic code `{wanted}`");
            let problem = Diagnostic::without_place(Code::UnknownCode, what)
                .help("`tcpc explain` lists all codes; a policy is named by its file, `policy.tcp`");
            ui.problem(&problem);
            Exit::Usage
        }
    }
}
