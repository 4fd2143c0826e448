//! Longer runs against a `signalhub` binary, whose results are read by people.
//!
//! ```sh
//! cargo build --release -p signalhub-server -p signalhub-bench
//! target/release/signalhub-bench leaks
//! ```
//!
//! It deliberately does not depend on the server's internals: it starts the binary as an operator would, uses it as clients and
//! publishers would, and looks at the process from outside (`/proc`, so on Linux only). What it finds are numbers; only
//! `leaks` and `million` judge, and never by time.

mod address;
mod certificate;
mod http;
mod leaks;
mod load;
mod million;
mod raw_hub;
mod server;
mod session;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Longer runs against a signalhub binary.
#[derive(Debug, Parser)]
#[command(name = "signalhub-bench", version, max_term_width = 120)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connects, subscribes and closes many times, and looks for what the server kept
    Leaks(leaks::Arguments),
    /// Measures deliveries, calls and connections beside raw sockets, and beside another server
    Load(load::Arguments),
    /// Holds a million connections to a cluster on this machine, or as many as there is room for
    Million(million::Arguments),
    /// Holds connections to one node, as a part of `million`
    #[command(hide = true)]
    MillionClients,
    /// Becomes another program, which ends with the process that has started this one
    #[command(hide = true)]
    Guarded {
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Sends what it is told to, as the baseline of deliveries
    #[command(hide = true)]
    RawSend { connections: usize },
    /// Sends everything back, as the baseline of calls
    #[command(hide = true)]
    RawEcho { connections: usize },
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Leaks(arguments) => return look_for_leaks(&arguments),
        Command::Load(arguments) => load::run(&arguments),
        Command::Million(arguments) => return hold_a_million(&arguments),
        Command::MillionClients => million::clients::run(),
        Command::Guarded { program, arguments } => Err(million::children::guarded(&program, &arguments)),
        Command::RawSend { connections } => load::raw::send(connections),
        Command::RawEcho { connections } => load::raw::echo(connections),
    };
    result.map_or_else(|error| complain(&error.to_string()), |()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn look_for_leaks(arguments: &leaks::Arguments) -> ExitCode {
    let outcome = match leaks::run(arguments).await {
        Ok(outcome) => outcome,
        Err(error) => return complain(&error.to_string()),
    };
    // If stderr is closed, the exit code is all that can be reported.
    let _ = write!(io::stdout(), "{outcome}");
    let problems = outcome.problems();
    if problems.is_empty() { ExitCode::SUCCESS } else { complain(&problems.join("; ")) }
}

/// On one thread: the processes that it starts end with it.
#[tokio::main(flavor = "current_thread")]
async fn hold_a_million(arguments: &million::Arguments) -> ExitCode {
    million::run(arguments).await.map_or_else(|error| complain(&error.to_string()), |()| ExitCode::SUCCESS)
}

fn complain(problem: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "signalhub-bench: {problem}");
    ExitCode::FAILURE
}
