//! `signalhub completions`.

use std::io::{self, Write};

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use crate::commands::error::CommandError;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell that completes words
    shell: CompletingShell,
}

/// The shells that a script is written for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompletingShell {
    Bash,
    Zsh,
    Fish,
}

/// The generator for fish leaves out the values of arguments without a name, of which this command has the only one.
const SHELLS_IN_FISH: &str =
    "complete -c signalhub -n \"__fish_signalhub_using_subcommand completions\" -f -a \"bash zsh fish\"\n";

/// Prints the script with which a shell completes the words of `command`.
pub(crate) fn run(mut command: Command, arguments: &Arguments) -> Result<(), CommandError> {
    let shell = match arguments.shell {
        CompletingShell::Bash => Shell::Bash,
        CompletingShell::Zsh => Shell::Zsh,
        CompletingShell::Fish => Shell::Fish,
    };
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    if shell == Shell::Fish {
        script.extend_from_slice(SHELLS_IN_FISH.as_bytes());
    }
    io::stdout().write_all(&script).map_err(CommandError::no)
}
