//! The flag that says which servers a command trusts.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::commands::error::CommandError;

/// Which servers at `https` URLs are trusted.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// A file with the certificate authorities to trust for https instead of those of the system, in PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What to add to the message for a server that is not trusted.
pub(crate) const CA_HINT: &str = "; --ca FILE names the certificate of its authority";

impl TrustArguments {
    /// Reads the file, if there is one, and passes its content on.
    pub(crate) fn apply<T, E: std::fmt::Display>(
        &self,
        to: T,
        with_ca: impl FnOnce(T, &[u8]) -> Result<T, E>,
    ) -> Result<T, CommandError> {
        let Some(file) = &self.ca else { return Ok(to) };
        let unusable = |error: &dyn std::fmt::Display| CommandError::No(format!("--ca: {}: {error}", file.display()));
        let pem = fs::read(file).map_err(|error| unusable(&format_args!("it cannot be read: {error}")))?;
        with_ca(to, &pem).map_err(|error| unusable(&error))
    }
}
