//! The flags that every command has: where the configuration comes from.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::configuration::{Configuration, ConfigurationError};

/// Where the configuration comes from, beside the environment.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// The configuration file; signalhub.toml when it exists
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one key of the configuration, such as listen.public=127.0.0.1:5200
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

impl Sources {
    /// Reads the configuration.
    pub(crate) fn configuration(&self) -> Result<Configuration, ConfigurationError> {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
        Configuration::load(self.config.as_deref(), variables, &self.set)
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
