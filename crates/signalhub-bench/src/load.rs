//! `signalhub-bench load`: what deliveries, calls and connections cost, beside raw sockets and another server.

mod cluster;
mod event_stream;
mod figures;
pub(crate) mod frames;
mod history;
mod internal;
pub(crate) mod peers;
pub(crate) mod publisher;
pub(crate) mod raw;
pub(crate) mod report;
mod rows;
mod scenarios;
mod suite;
pub(crate) mod target;
mod wire;

use std::fs;
use std::io::{self, Write};
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
    /// How many events the history has whose replays and start are measured
    #[arg(long, value_name = "COUNT", default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..))]
    history_events: u64,
    /// Where histories lie on a disk; the directory for temporary files by default
    #[arg(long, value_name = "DIRECTORY")]
    history_directory: Option<PathBuf>,
    /// For how many seconds each measurement of a cluster lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    cluster_seconds: f64,
    /// For how many seconds a node of a cluster is cut off from Redis
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    cluster_cut: f64,
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

/// Runs the scenarios and prints their tables.
pub(crate) fn run(arguments: &Arguments) -> io::Result<()> {
    let figures = suite::run(arguments)?;
    let history = rows::measure(arguments, &history::SCENARIOS);
    let cluster = cluster::run(arguments);
    if let Some(path) = &arguments.json {
        let figures = figures.iter().map(serde_json::to_value);
        let rows = history.rows.iter().chain(&cluster.rows);
        let all = figures.chain(rows.map(serde_json::to_value)).collect::<Result<Vec<_>, _>>()?;
        fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?;
    }
    if let Some(path) = &arguments.svg {
        fs::write(path, report::picture(&figures, &arguments.reference_name))?;
    }
    let judgement = if arguments.unjudged { Judgement::None } else { Judgement::ByGoals };
    let tables = [
        report::table(&figures, judgement),
        rows::table(&history.rows, &history::COLUMNS, judgement),
        rows::table(&cluster.rows, &cluster::COLUMNS, judgement),
    ];
    let measured = [!figures.is_empty(), !history.rows.is_empty(), !cluster.rows.is_empty()];
    let tables = tables.iter().zip(measured).filter(|(_, measured)| *measured).map(|(table, _)| table.as_str());
    writeln!(io::stdout(), "{}", tables.collect::<Vec<_>>().join("\n"))?;
    let failures = [history.failures, cluster.failures].concat();
    if failures.is_empty() { Ok(()) } else { Err(io::Error::other(failures.join("; "))) }
}
