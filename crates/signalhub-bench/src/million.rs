//! `signalhub-bench million`: as many connections to a cluster on one machine as it has room for, and what they take.

pub(crate) mod children;
pub(crate) mod clients;
mod cluster;
mod generators;
mod machine;
mod orders;
mod report;
mod run;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use self::children::Children;

/// The options.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many connections are opened; fewer are held if memory ends before
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    connections: u64,
    /// How many nodes share them; as many as the limit of open files needs when it is absent
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=200))]
    nodes: Option<u64>,
    /// How often a node pings a client, and a client its node, in seconds; either is given up after twice this time
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    keep_alive: u64,
    /// For how many seconds the connections are held before events are published; four keep-alive intervals when it is absent
    #[arg(long, value_name = "SECONDS")]
    hold: Option<u64>,
    /// How often each of the two events is published
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// How many connections are being opened at a time; with few, processes wake up for each of them
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    concurrency: u64,
    /// How many threads each node has for its connections
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    worker_threads: u64,
    /// No more connections are opened when less memory is available, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 700)]
    spare_memory: u64,
    /// The server's binary; the one beside this program when it is absent
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Writes the result as one line of JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Why there is no result, or not the one that was expected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MillionError {
    #[error("stopped by a signal")]
    Interrupted,
    #[error(transparent)]
    Failed(#[from] io::Error),
    #[error("{0}")]
    Wrong(String),
}

/// Measures, and prints a table and a line of JSON. No process that it has started is left when it returns.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), MillionError> {
    if !cluster::redis_is_installed().await? {
        writeln!(io::stdout(), "not run: redis-server is not installed")?;
        return Ok(());
    }
    let mut children = Children::default();
    let result = tokio::select! {
        result = run::run(arguments, &mut children) => result.map_err(MillionError::Failed),
        result = interrupted() => Err(result.map_or_else(MillionError::Failed, |()| MillionError::Interrupted)),
    };
    note("stopping all processes");
    children.stop().await;
    let outcome = result?;
    let line = serde_json::to_string(&outcome).map_err(io::Error::from)?;
    writeln!(io::stdout(), "{}\n{line}", report::table(&outcome))?;
    if let Some(path) = &arguments.json {
        std::fs::write(path, line + "\n")?;
    }
    let problems = outcome.problems();
    if problems.is_empty() { Ok(()) } else { Err(MillionError::Wrong(problems.join("; "))) }
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

/// Tells on stderr how far it is.
fn note(text: &str) {
    // If stderr is closed, the exit code is all that can be reported.
    let _ = writeln!(io::stderr(), "{text}");
}

impl Arguments {
    fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive)
    }

    fn hold(&self) -> Duration {
        self.hold.map_or(self.keep_alive() * 4, Duration::from_secs)
    }
}
