//! `signalhub-bench load`: what deliveries, calls and connections cost, beside raw sockets and another server.

mod event_stream;
mod figures;
mod frames;
mod peers;
mod publisher;
pub(crate) mod raw;
mod report;
mod scenarios;
mod suite;
mod target;
mod wire;

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;

use report::Judgement;

/// The options.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only scenarios whose names begin so
    #[arg(long, value_name = "PREFIX", default_value = "")]
    only: String,
    /// A program that starts another SignalR server at the URL that it is given
    #[arg(long, value_name = "PROGRAM")]
    reference: Option<String>,
    /// How often each measurement is taken; the middle one counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// The server's binary; the one beside this program when it is absent
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the figures that both servers have
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What the picture calls the other server
    #[arg(long, value_name = "NAME", default_value = "the other server")]
    reference_name: String,
    /// Does not say whether the figures meet their goals, as in a debug build or beside other work
    #[arg(long)]
    unjudged: bool,
}

/// Runs the suite and gives the table.
pub(crate) fn run(arguments: &Arguments) -> io::Result<String> {
    let figures = suite::run(arguments)?;
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    if let Some(path) = &arguments.svg {
        fs::write(path, report::picture(&figures, &arguments.reference_name))?;
    }
    Ok(report::table(&figures, if arguments.unjudged { Judgement::None } else { Judgement::ByGoals }))
}
