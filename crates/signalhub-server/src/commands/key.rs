//! `signalhub key`.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;

use crate::commands::error::CommandError;
use crate::configuration::{ClientName, KeyDigest};

/// How the keys begin that this command makes, so that people and scanners of repositories recognise them.
const PREFIX: &str = "shk_";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes an API key and prints it once, with the table for the configuration, which holds its SHA-256 alone
    Create {
        /// The name of the client, for logs and metrics
        #[arg(long, value_parser = client_name)]
        name: ClientName,
    },
}

pub(crate) fn run(command: &Command) -> Result<(), CommandError> {
    let Command::Create { name } = command;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(CommandError::no)?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let (name, digest) = (name.as_str(), KeyDigest::of(key.as_bytes()).to_hex());
    let text = format!(
        "{key}\n\n\
         # The key above is for the client and is not shown again. This is for signalhub.toml:\n\
         [[publish.clients]]\n\
         name = \"{name}\"\n\
         key_sha256 = \"{digest}\"\n"
    );
    io::stdout().write_all(text.as_bytes()).map_err(CommandError::no)
}

fn client_name(text: &str) -> Result<ClientName, String> {
    ClientName::new(text).ok_or_else(|| format!("expected {}", ClientName::EXPECTED_NAME))
}
