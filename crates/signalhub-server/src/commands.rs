//! The commands, one a module.

pub(crate) mod config;
pub(crate) mod credentials;
pub(crate) mod listen;
pub(crate) mod publish;
pub(crate) mod serve;
pub(crate) mod token;

/// Where a server is that nobody configured.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:3000";
