//! Completion in bash.
//!
//! bash takes words apart at `:` and `=`, so that `base::window` and `syn_rto=20ms` are several to it. Here they are one:
//! the function takes the line apart at blanks, and gives bash only that part of a candidate that it would put in.

use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::EnvCompleter;

/// The function; names in capitals are put in.
const SCRIPT: &str = r#"_NAME() {
    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t' head="" breaks="" words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local word=${words[${#words[@]} - 1]}
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
    [[ -n $breaks ]] && head=${word%"${word##*[$breaks]}"}
    IFS=$'\n'
    COMPREPLY=($(VARIABLE=bash COMMAND -- "${words[@]}" 2> /dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$head"}")
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/:] ]] && compopt -o nospace 2> /dev/null
    return 0
}
complete -o bashdefault -o nosort -F _NAME NAME
"#;

/// The shell.
pub struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        _bin: &str,
        command: &str,
        to: &mut dyn Write,
    ) -> Result<(), Error> {
        let quoted = format!("'{}'", command.replace('\'', r"'\''"));
        let script = SCRIPT.replace("NAME", name).replace("VARIABLE", variable).replace("COMMAND", &quoted);
        to.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        to: &mut dyn Write,
    ) -> Result<(), Error> {
        let last = words.len().saturating_sub(1);
        let begun = words.last().is_some_and(|word| !word.is_empty());
        let found = clap_complete::engine::complete(command, words, last, folder)?;
        let mut found: Vec<_> = found.iter().map(|one| one.get_value().to_string_lossy()).collect();
        // Options stand anywhere: they come when nothing else can, or with their first letter.
        if !begun && found.iter().any(|one| !one.starts_with('-')) {
            found.retain(|one| !one.starts_with('-'));
        }
        for one in found {
            writeln!(to, "{one}")?;
        }
        Ok(())
    }
}
