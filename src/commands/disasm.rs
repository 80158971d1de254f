//! `tcpc disasm`: what is in an object file.

use std::path::PathBuf;

use tcpc_compiler::{disasm, object};
use tcpc_lang::diag::{Code, Diagnostic};

use crate::exit::Exit;
use crate::policy;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  tcpc build policy.tcp -o policy.o\n  tcpc disasm policy.o")]
pub struct Args {
    /// Object file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Prints the instructions.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let bytes = match policy::read_bytes(&args.file) {
        Ok(bytes) => bytes,
        Err(problem) => {
            ui.problem(&problem);
            return Exit::Host;
        }
    };
    match object::read(&bytes) {
        Ok(object) => {
            let text = disasm::disassemble(&object);
            ui.say(&text);
            ui.set("text", text);
            Exit::Done
        }
        Err(error) => {
            let what = format!("`{}` is no sock_ops object: {error}", args.file.display());
            ui.problem(&Diagnostic::without_place(Code::BadObject, what).help("build one with `tcpc build`"));
            Exit::Policy
        }
    }
}
