//! How a command fails.

use crate::configuration::ConfigurationError;

/// Tells why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The arguments are wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The command was refused or could not be carried out: exit code 1.
    #[error("{0}")]
    No(String),
    /// A question could not be asked, or a measurement not made, so that there is no answer: exit code 2.
    #[error("{0}")]
    NoAnswer(String),
}

impl CommandError {
    /// Makes a failure of any error.
    pub(crate) fn no(error: impl std::fmt::Display) -> Self {
        Self::No(error.to_string())
    }
}

impl From<ConfigurationError> for CommandError {
    fn from(error: ConfigurationError) -> Self {
        Self::no(error)
    }
}
