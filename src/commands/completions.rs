//! `tcpc completions`: what a shell needs to complete commands, options and names.

use clap::builder::PossibleValuesParser;

use crate::completion;
use crate::exit::Exit;
use crate::ui::Ui;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The script asks tcpc itself for what can stand where the cursor is: commands, options, files, and, for those who may
look into attached policies, the names of policies, cgroups, parameters, sets, tables, experiments, events and fields.
Read it when the shell starts, so that it fits the tcpc that is installed.

Examples:
  source <(tcpc completions bash)            # in ~/.bashrc
  source <(tcpc completions zsh)             # in ~/.zshrc, after `compinit`
  tcpc completions fish | source             # in ~/.config/fish/completions/tcpc.fish
  eval (tcpc completions elvish | slurp)     # in ~/.config/elvish/rc.elv
  tcpc completions powershell | Out-String | Invoke-Expression")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = PossibleValuesParser::new(completion::shells()))]
    shell: String,
}

/// Prints the script.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    // A command that was called by its path is asked by it; one that the shell has found will be found again.
    let called = std::env::args().next().unwrap_or_default();
    let command = match called.contains('/') {
        true => std::path::absolute(&called).map_or(called, |path| path.display().to_string()),
        false => "tcpc".to_owned(),
    };
    let script = completion::script(&args.shell, &command).unwrap_or_default();
    ui.say(script.trim_end());
    ui.set("script", script);
    Exit::Done
}
