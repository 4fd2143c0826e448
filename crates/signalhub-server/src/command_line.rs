//! The command line: one file per command, and what they share.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::commands::{config, listen, publish, serve, token};
use crate::configuration::{Configuration, ConfigurationError};
use crate::log;

/// A hub for the official SignalR clients, with a publish API.
#[derive(Debug, Parser)]
#[command(name = "signalhub", version, max_term_width = 120)]
struct CommandLine {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    command: Option<Command>,
}

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

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server; the same as no command
    Serve,
    /// Signs and checks tokens with the configured key
    #[command(subcommand)]
    Token(token::Command),
    /// Checks and explains the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Publishes one notification through the HTTP API of a server; without a key or a token, with the configured key
    Publish(publish::Arguments),
    /// Subscribes to an event and prints what arrives, one JSON object a line
    Listen(listen::Arguments),
}

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

impl Sources {
    /// Reads the configuration.
    pub(crate) fn configuration(&self) -> Result<Configuration, ConfigurationError> {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
        Configuration::load(self.config.as_deref(), variables, &self.set)
    }
}

/// Runs the program. It exits with 0 when all went well, 1 when the answer is no, and 2 on wrong usage.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command_line = match CommandLine::try_parse_from(arguments) {
        Ok(command_line) => command_line,
        Err(error) => {
            // Help goes to stdout and counts as success; a closed stream takes nothing from either.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let CommandLine { sources, command } = command_line;
    let result = match command {
        None | Some(Command::Serve) => serve::run(&sources).await,
        Some(Command::Token(command)) => token::run(&sources, command),
        Some(Command::Config(command)) => config::run(&sources, &command).await,
        Some(Command::Publish(arguments)) => publish::run(&sources, arguments).await,
        Some(Command::Listen(arguments)) => listen::run(&arguments).await,
    };
    let (error, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error @ CommandError::No(_)) => (error, 1),
        Err(error @ CommandError::Usage(_)) => (error, 2),
    };
    log::write_patiently(io::stderr(), format!("signalhub: {error}\n"));
    ExitCode::from(code)
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
