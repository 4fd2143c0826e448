//! The command line: reads the arguments and runs the command that they name.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::commands::{
    bench, completions, config, connections, explain, health, history, key, listen, manual, miskey, publish, serve,
    token, top,
};
use crate::log;

/// What `--version` prints behind the name: whatever a report of an error needs.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nrevision: ",
    env!("SIGNALHUB_REVISION"),
    "\nfeatures: ",
    env!("SIGNALHUB_FEATURES"),
    "\ntarget:   ",
    env!("SIGNALHUB_TARGET"),
    "\nrustc:    ",
    env!("SIGNALHUB_RUSTC"),
);

/// A hub for the official SignalR clients, with a publish API.
#[derive(Debug, Parser)]
#[command(name = "signalhub", version, long_version = LONG_VERSION, max_term_width = 120)]
struct CommandLine {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server; the same as no command
    Serve(serve::Arguments),
    /// Signs and checks tokens with the configured key
    #[command(subcommand)]
    Token(token::Command),
    /// Makes API keys for clients that publish
    #[command(subcommand)]
    Key(key::Command),
    /// Makes and cancels the keys of PrintFactory clients, in the configured file
    #[command(subcommand)]
    Miskey(miskey::Command),
    /// Looks at the history on disk, exports, compacts and restores it
    #[command(subcommand)]
    History(history::Command),
    /// Checks and explains the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Lists the connections of a running server, through its admin API
    Connections(Box<connections::ListArguments>),
    /// Ends connections of a running server, through its admin API: one, or those of a user, an organisation or an event
    Disconnect(Box<connections::DisconnectArguments>),
    /// Publishes one notification through the HTTP API of a server; without a key or a token, with the configured key
    Publish(publish::Arguments),
    /// Subscribes to an event and prints what arrives, one JSON object a line
    Listen(listen::Arguments),
    /// Loads a SignalR server with events, measures how long they take, and proves that each arrived once and in order
    Bench(Box<bench::Arguments>),
    /// Tells why a client gets an event, or does not: exits with 0 if it is delivered, with 1 if it is not
    Explain(explain::Arguments),
    /// Shows a node and its connections in the terminal, again and again
    Top(top::Arguments),
    /// Asks a running server whether it is ready: exits with 0 if it is, with 1 if it is not or does not answer
    Health(health::Arguments),
    /// Prints the script with which a shell completes this command line
    Completions(completions::Arguments),
    /// Prints the manual page of this program, for man
    Manual(manual::Arguments),
}

/// Runs the program. It exits with 0 when all went well, 1 when the answer is no, and 2 on wrong usage or when there
/// is no answer.
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
        None => serve::run(&sources, &serve::Arguments::default()).await,
        Some(Command::Serve(arguments)) => serve::run(&sources, &arguments).await,
        Some(Command::Token(command)) => token::run(&sources, command).await,
        Some(Command::Key(command)) => key::run(&command),
        Some(Command::Miskey(command)) => miskey::run(&sources, &command).await,
        Some(Command::History(command)) => history::run(&sources, &command),
        Some(Command::Config(command)) => config::run(&sources, &command).await,
        Some(Command::Connections(arguments)) => connections::list(&sources, &arguments).await,
        Some(Command::Disconnect(arguments)) => connections::disconnect(&sources, &arguments).await,
        Some(Command::Publish(arguments)) => publish::run(&sources, arguments).await,
        Some(Command::Listen(arguments)) => listen::run(&arguments).await,
        Some(Command::Bench(arguments)) => bench::run(&sources, &arguments).await,
        Some(Command::Explain(arguments)) => explain::run(&sources, arguments).await,
        Some(Command::Top(arguments)) => top::run(&sources, arguments).await,
        Some(Command::Health(arguments)) => health::run(&sources, &arguments).await,
        Some(Command::Completions(arguments)) => completions::run(CommandLine::command(), &arguments),
        Some(Command::Manual(arguments)) => manual::run(CommandLine::command(), &arguments),
    };
    let (error, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error @ CommandError::No(_)) => (error, 1),
        Err(error @ (CommandError::Usage(_) | CommandError::NoAnswer(_))) => (error, 2),
    };
    log::write_with_timeout(io::stderr(), format!("signalhub: {}\n", log::escaped_lines(&error.to_string())));
    ExitCode::from(code)
}
