//! Secrets of the command line: arguments, files and variables, so that none has to stand in the list of processes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::commands::error::CommandError;
use crate::configuration::{ADMIN_TOKEN_VARIABLE, KEY_VARIABLE, TOKEN_VARIABLE};

/// A bearer token.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// The bearer token; else SIGNALHUB_TOKEN
    #[arg(long)]
    token: Option<String>,
    /// A file that holds the bearer token
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

/// An API key.
#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    /// The API key; else SIGNALHUB_KEY
    #[arg(long, conflicts_with_all = ["token", "token_file"], allow_hyphen_values = true)]
    key: Option<String>,
    /// A file that holds the API key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "token", "token_file"])]
    key_file: Option<PathBuf>,
}

impl TokenArguments {
    /// Reads what the arguments say, without the variable.
    pub(crate) fn given(&self) -> Result<Option<String>, CommandError> {
        given(self.token.as_ref(), self.token_file.as_deref())
    }

    /// Reads the token anew, wherever it comes from: a file may hold another one by now.
    pub(crate) fn read(&self) -> Result<Option<String>, CommandError> {
        Ok(self.given()?.or_else(token_variable))
    }
}

impl KeyArguments {
    /// Reads what the arguments say, without the variable.
    pub(crate) fn given(&self) -> Result<Option<String>, CommandError> {
        given(self.key.as_ref(), self.key_file.as_deref())
    }
}

/// The token of the environment.
pub(crate) fn token_variable() -> Option<String> {
    variable(TOKEN_VARIABLE)
}

/// The token of the admin API in the environment.
pub(crate) fn admin_token_variable() -> Option<String> {
    variable(ADMIN_TOKEN_VARIABLE)
}

/// The API key of the environment.
pub(crate) fn key_variable() -> Option<String> {
    variable(KEY_VARIABLE)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads what stands in an argument or in a file.
pub(crate) fn given(value: Option<&String>, file: Option<&Path>) -> Result<Option<String>, CommandError> {
    match file {
        None => Ok(value.cloned()),
        Some(file) => {
            let text = fs::read_to_string(file)
                .map_err(|error| CommandError::No(format!("{} cannot be read: {error}", file.display())))?;
            Ok(Some(text.trim().to_owned()))
        }
    }
}
