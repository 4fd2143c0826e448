//! `signalhub-differential`: holds random conversations with two servers and says what differs.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use protocol_tests::{Address, Differential};

/// Compares a SignalR server with another one that has the same hubs
#[derive(Debug, Parser)]
#[command(name = "signalhub-differential", version)]
struct CommandLine {
    /// The reference server, such as http://127.0.0.1:5001
    original: Address,
    /// The server that is compared with it
    other: Address,
    /// The seed of the random conversations
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many conversations are held
    #[arg(long, value_name = "N", default_value_t = 1000)]
    count: u64,
    /// How many are held at once
    #[arg(long, value_name = "N", default_value_t = 24)]
    jobs: usize,
    /// How long the server must send nothing before a conversation continues, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 100)]
    idle_ms: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let CommandLine { original, other, seed, count, jobs, idle_ms } = CommandLine::parse();
    let differential = Differential { seed, count, jobs, idle: Duration::from_millis(idle_ms) };
    match differential.run(&original, &other).await {
        Ok(comparison) => {
            // If stdout is closed, the exit code still reports the result.
            let _ = writeln!(io::stdout(), "{comparison}");
            ExitCode::from(u8::from(!comparison.differing.is_empty()))
        }
        Err(error) => {
            let error: &dyn Error = &error;
            let _ = writeln!(io::stderr(), "signalhub-differential: {error}");
            ExitCode::from(1)
        }
    }
}
