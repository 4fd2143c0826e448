//! `signalhub config`.

use std::io::{self, Write};

use clap::Subcommand;
use signalhub::connections::raise_file_descriptor_limit;

use crate::cluster;
use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::configuration;
use crate::development::Development;
use crate::listener_tls;
use crate::node::{StartError, history, keys};
use crate::token_verifier;
use crate::traces::Traces;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks the file, the variables and the flags, and prints what they change and what will go wrong with it
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
            let changed = configuration::changed(&configuration);
            // What a server without a key would refuse is refused here too.
            Development::begin(&mut configuration).await.map_err(CommandError::no)?;
            let verifier = token_verifier::configured(&configuration.auth).map_err(CommandError::no)?;
            let tls = listener_tls::configured(&configuration.tls).map_err(CommandError::no)?;
            keys::mis_keys(&configuration).map_err(StartError::from).map_err(CommandError::no)?;
            history::check(&configuration).map_err(CommandError::no)?;
            if !configuration.cluster.redis.is_empty() {
                cluster::check(&configuration).map_err(CommandError::no)?;
            }
            Traces::check().map_err(CommandError::no)?;
            let mut warnings = configuration::warnings(&configuration, raise_file_descriptor_limit());
            warnings.extend(verifier.into_iter().flat_map(|verifier| verifier.warnings));
            warnings.extend(tls.and_then(|tls| tls.warning()));
            let verdict = match warnings.len() {
                0 => "the configuration is good".to_owned(),
                1 => "the configuration can be used, with 1 warning".to_owned(),
                count => format!("the configuration can be used, with {count} warnings"),
            };
            let warnings = warnings.into_iter().map(|warning| format!("warning: {warning}"));
            changed.into_iter().chain(warnings).chain([verdict]).map(|line| line + "\n").collect()
        }
        Command::Defaults => configuration::defaults_text(),
        Command::Doc => configuration::reference_page(),
    };
    io::stdout().write_all(text.as_bytes()).map_err(CommandError::no)
}
