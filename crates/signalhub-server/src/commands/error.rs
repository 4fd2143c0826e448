//! How a command fails.

use crate::configuration::ConfigurationError;

/// Tells why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// It was asked in a way that has no meaning.
    #[error("{0}")]
    Usage(String),
    /// It was answered with no.
    #[error("{0}")]
    No(String),
}

impl CommandError {
    /// Makes a no out of any error.
    pub(crate) fn no(error: impl std::fmt::Display) -> Self {
        Self::No(error.to_string())
    }
}

impl From<ConfigurationError> for CommandError {
    fn from(error: ConfigurationError) -> Self {
        Self::no(error)
    }
}
