//! The only place that prints. Text goes out as it comes; JSON is one document at the end.

mod paint;
mod progress;

use std::io::{IsTerminal, Write};
use std::time::Instant;

use indicatif::ProgressDrawTarget;
use serde_json::{Map, Value, json};
use tcpc_lang::diag::{Diagnostic, Severity};
use tcpc_lang::source::SourceFile;

use crate::cli::{Color, Format};
use crate::exit::Exit;
use crate::render;

pub use paint::Paint;
use progress::Progress;

/// Where a command reports to.
pub struct Ui {
    format: Format,
    color: bool,
    /// On the results.
    paint: Paint,
    diagnostics: Vec<Value>,
    result: Map<String, Value>,
    /// Whether what is printed goes nowhere any more.
    deaf: bool,
    /// Whether documents were printed one after another: then there is none at the end unless there are problems.
    streamed: bool,
    /// What was reported, a line for each.
    reported: Vec<String>,
    progress: Option<(Progress, Instant)>,
}

impl Ui {
    /// Reads the terminal and `NO_COLOR` where the colour is not said.
    pub fn new(format: Format, color: Color) -> Ui {
        let wanted = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none(),
        };
        Ui {
            format,
            color: wanted(std::io::stderr().is_terminal()),
            paint: Paint(wanted(std::io::stdout().is_terminal())),
            diagnostics: Vec::new(),
            result: Map::new(),
            deaf: false,
            streamed: false,
            reported: Vec::new(),
            progress: None,
        }
    }

    /// Whether the output is for programs.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// How results are coloured.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// A line or more of the result, for people only.
    pub fn say(&mut self, text: impl AsRef<str>) {
        if !self.is_json() {
            self.deaf |= !self.beside(|| write_out(text.as_ref()));
        }
    }

    /// One of several documents, as a line of its own, for programs only.
    pub fn stream(&mut self, value: &Value) {
        if self.is_json() {
            self.streamed = true;
            self.deaf |= !write_out(&value.to_string());
        }
    }

    /// Lines that were put together, for people or for programs.
    pub fn lines(&mut self, text: &str) {
        self.streamed |= self.is_json();
        if !text.is_empty() {
            self.deaf |= !write_out(text);
        }
    }

    /// Something beside the result, for people only.
    pub fn note(&mut self, text: impl AsRef<str>) {
        if !self.is_json() {
            self.beside(|| write_err(text.as_ref()));
        }
    }

    /// Whether nobody reads any more: a command that goes on for ever ends then.
    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// A part of the result, for programs only.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.result.insert(key.to_owned(), value.into());
    }

    /// Reports problems of a policy; returns whether one of them is an error.
    pub fn report(&mut self, source: &SourceFile, diagnostics: &[Diagnostic]) -> bool {
        self.reported.extend(diagnostics.iter().map(|diagnostic| render::line(diagnostic, Some(source))));
        if self.is_json() {
            self.diagnostics
                .extend(diagnostics.iter().map(|diagnostic| render::json(diagnostic, Some(source))));
        } else {
            for diagnostic in diagnostics {
                let text = render::text(diagnostic, Some(source), self.color);
                self.beside(|| write_err(&format!("{}\n\n", text.trim_end())));
            }
            self.summarize(source, diagnostics);
        }
        diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Reports one problem that is not in a policy.
    pub fn problem(&mut self, diagnostic: &Diagnostic) {
        self.reported.push(render::line(diagnostic, None));
        if self.is_json() {
            self.diagnostics.push(render::json(diagnostic, None));
        } else {
            self.beside(|| write_err(&render::text(diagnostic, None, self.color)));
        }
    }

    /// All that was reported up to now, a line for each problem.
    pub fn reported(&self) -> &[String] {
        &self.reported
    }

    /// Something begins that can last: while it does, a terminal shows how far it is.
    pub fn begin_progress(&mut self) {
        if !self.is_json() && std::io::stderr().is_terminal() {
            self.progress = Some((Progress::new(ProgressDrawTarget::stderr()), Instant::now()));
        }
    }

    /// There are so many steps more.
    pub fn expect_steps(&self, more: usize) {
        if let Some((progress, _)) = &self.progress {
            progress.expect(more as u64);
        }
    }

    /// A step of this is done.
    pub fn step(&mut self, what: &str) {
        if let Some((progress, begun)) = &mut self.progress {
            progress.step(what, begun.elapsed());
        }
    }

    /// It has ended.
    pub fn end_progress(&mut self) {
        self.progress = None;
    }

    fn beside<R>(&self, print: impl FnOnce() -> R) -> R {
        match &self.progress {
            Some((progress, _)) => progress.beside(print),
            None => print(),
        }
    }

    /// Ends one of several documents, for programs only: all that was set and reported since the last one.
    pub fn end_document(&mut self, exit: Exit) {
        self.reported.clear();
        if self.is_json() {
            let mut result = std::mem::take(&mut self.result);
            result.insert("diagnostics".into(), Value::Array(std::mem::take(&mut self.diagnostics)));
            result.insert("exit".into(), json!(exit as u8));
            self.stream(&Value::Object(result));
        }
    }

    fn summarize(&self, source: &SourceFile, diagnostics: &[Diagnostic]) {
        let count = |severity| diagnostics.iter().filter(|one| one.code.severity() == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let plural =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let counts: Vec<String> = [(errors, "error"), (warnings, "warning")]
            .into_iter()
            .filter(|&(number, _)| number > 0)
            .map(|(number, what)| plural(number, what))
            .collect();
        if !counts.is_empty() {
            let name = source.name();
            let code = diagnostics.first().map_or("CODE", |first| first.code.as_str());
            let text = format!("{name}: {}; `tcpc explain {code}` tells more\n", counts.join(", "));
            self.beside(|| write_err(&text));
        }
    }

    /// Prints what is left to print.
    pub fn finish(mut self, exit: Exit) -> Exit {
        if self.is_json() && self.streamed {
            // The last line of several documents.
            if !self.diagnostics.is_empty() {
                let last = json!({ "diagnostics": self.diagnostics, "exit": exit as u8 });
                write_out(&last.to_string());
            }
        } else if self.is_json() {
            self.result.insert("diagnostics".into(), Value::Array(std::mem::take(&mut self.diagnostics)));
            self.result.insert("exit".into(), json!(exit as u8));
            write_out(&format!("{:#}", Value::Object(self.result)));
        }
        exit
    }
}

/// A reader that went away, as in `tcpc list | head -1`, is no error. Returns whether it is there.
fn write_out(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    write!(out, "{text}{newline}").and_then(|()| out.flush()).is_ok()
}

fn write_err(text: &str) {
    let mut out = std::io::stderr().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{newline}");
}
