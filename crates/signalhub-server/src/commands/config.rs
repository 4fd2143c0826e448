//! `signalhub config`.

use std::io::{self, Write};

use clap::Subcommand;

use crate::command_line::{CommandError, Sources};
use crate::configuration::Configuration;
use crate::development::Development;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks the file, the variables and the flags, and prints what they change
    Check,
    /// Prints a configuration file that holds every key with its default
    Defaults,
    /// Prints the reference page of all keys
    Doc,
}

pub(crate) async fn run(sources: &Sources, command: &Command) -> Result<(), CommandError> {
    let text = match command {
        Command::Check => {
            let mut configuration = sources.configuration()?;
            let changed = configuration.changed();
            // What a server without a key would refuse is refused here too.
            Development::begin(&mut configuration).await.map_err(CommandError::no)?;
            let lines: String = changed.iter().map(|line| format!("{line}\n")).collect();
            format!("{lines}the configuration is good\n")
        }
        Command::Defaults => Configuration::defaults_text(),
        Command::Doc => Configuration::reference_page(),
    };
    io::stdout().write_all(text.as_bytes()).map_err(CommandError::no)
}
