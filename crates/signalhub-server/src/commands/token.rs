//! `signalhub token`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use portos_notifications::GrantClaim;
use signalhub::connections::TokenError;
use signalhub::events::Pattern;

use crate::commands::credentials;
use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::configuration::parse_duration;
use crate::token::{self, SignError, TokenContent};
use crate::{grant, token_verifier};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Signs a token and prints it
    Create(CreateArguments),
    /// Checks a token as the server would, and prints its claims
    Check {
        /// The token; else --token-file or SIGNALHUB_TOKEN
        #[arg(conflicts_with = "token_file")]
        token: Option<String>,
        /// A file that holds the token
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The user
    #[arg(long)]
    user: String,
    /// How long the token is valid, such as 15m, 1h or 7d
    #[arg(long, default_value = "1h", value_parser = lifetime)]
    ttl: Duration,
    /// The organisation
    #[arg(long)]
    org: Option<String>,
    /// What it may subscribe to: EVENT[:RESOURCE[:ACTION,…]], names may end in *, or JSON such as {"e":"portos.*"}; repeatable
    #[arg(long, value_name = "GRANT", value_parser = grant::parse_grant)]
    grant: Vec<GrantClaim>,
    /// The events that it may publish, names may end in *; repeatable
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    publish: Vec<Pattern>,
}

pub(crate) async fn run(sources: &Sources, command: Command) -> Result<(), CommandError> {
    let auth = sources.configuration()?.auth;
    let line = match command {
        Command::Create(arguments) => {
            let CreateArguments { user, ttl, org, grant, publish } = arguments;
            if user.is_empty() || org.as_deref() == Some("") {
                return Err(CommandError::Usage("--user and --org must not be empty".to_owned()));
            }
            let content = TokenContent { user, lifetime: ttl, organisation: org, grants: grant, publish };
            token::sign(&auth, &content).map_err(CommandError::no)?
        }
        Command::Check { token, token_file } => {
            let token = credentials::given(token.as_ref(), token_file.as_deref())?.or_else(credentials::token_variable);
            let token = token.ok_or_else(|| CommandError::Usage("no token was given".to_owned()))?;
            let verifier = token_verifier::configured(&auth).map_err(CommandError::no)?;
            let verifier = verifier.ok_or_else(|| CommandError::no(SignError::NoSecret))?;
            let identity = match verifier.tokens.verify(&token) {
                Err(TokenError::KeysNotLoaded) => {
                    let errors = verifier.fetches.fetch_all().await;
                    verifier.tokens.verify(&token).map_err(|error| match error {
                        TokenError::KeysNotLoaded => CommandError::no(errors.join("; ")),
                        error => CommandError::no(error),
                    })?
                }
                verified => verified.map_err(CommandError::no)?,
            };
            identity.claims.to_string()
        }
    };
    writeln!(io::stdout(), "{line}").map_err(CommandError::no)
}

fn lifetime(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "expected a time such as 15m, 1h or 7d".to_owned())
}
