//! `signalhub bench`.

mod arguments;
mod credentials;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use signalhub::connections::raise_file_descriptor_limit;
use signalhub_load::{Live, LoadError, Report, Snapshot, Stage};

pub(crate) use self::arguments::Arguments;
use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::log::escaped_lines;
use crate::progress::Progress;
use crate::shutdown;

/// How often is looked how far the run is.
const LOOK: Duration = Duration::from_millis(100);

/// How many descriptors are open beside those of the connections: of senders, of requests, and the program's own.
const OTHER_DESCRIPTORS: usize = 64;

pub(crate) async fn run(sources: &Sources, arguments: &Arguments) -> Result<(), CommandError> {
    let shutdown = shutdown::requested().map_err(not_measured)?;
    let plan = arguments.plan(sources)?;
    // A file that cannot be written is told before the run, not after it.
    let json = arguments.json.as_deref().map(File::create).transpose();
    let json = json.map_err(|error| CommandError::NoAnswer(format!("--json: the file cannot be written: {error}")))?;
    let connections = plan.connections.get();
    if let Some(limit) = raise_file_descriptor_limit()
        && limit < connections as usize + OTHER_DESCRIPTORS
    {
        let needed = connections as usize + OTHER_DESCRIPTORS;
        say(&format!("this process may open {limit} files and needs about {needed}: raise the limit with ulimit -n"));
    }
    let live = Arc::new(Live::default());
    let watching = tokio::spawn(watch(Arc::clone(&live), connections));
    let report = signalhub_load::run(plan, live, shutdown).await;
    watching.abort();
    // Its end removes the line of the terminal.
    let _ = watching.await;
    let report = report.map_err(|error| match error {
        LoadError::Plan(_) => CommandError::Usage(error.to_string()),
        error => CommandError::NoAnswer(format!("{error}{}", hint(&error))),
    })?;
    let mut out = io::stdout();
    write!(out, "{report}").and_then(|()| out.flush()).map_err(not_measured)?;
    if let Some(file) = json {
        write_json(&report, file).map_err(not_measured)?;
    }
    if report.passed() { Ok(()) } else { Err(CommandError::No(report.problems().join("; "))) }
}

fn not_measured(error: impl std::fmt::Display) -> CommandError {
    CommandError::NoAnswer(error.to_string())
}

fn write_json(report: &Report, file: File) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    serde_json::to_writer_pretty(&mut out, report)?;
    writeln!(out)?;
    out.flush()
}

/// What a user can do about an error.
fn hint(error: &LoadError) -> &'static str {
    let text = error.to_string();
    match error {
        LoadError::Refused(_) if text.contains(" 401") => "; give a valid --publish-key, or a --token that may publish",
        _ if text.contains(" 401") => "; give a valid --token, or the --secret that signs tokens",
        _ if text.contains("not from an authority that is trusted") => crate::commands::server_trust::CA_HINT,
        _ => "",
    }
}

/// Shows how far the run is, until it is aborted.
async fn watch(live: Arc<Live>, connections: u32) {
    let mut progress = Progress::on_stderr();
    loop {
        tokio::time::sleep(LOOK).await;
        progress.show(|| line(&live.snapshot(), connections));
    }
}

fn line(snapshot: &Snapshot, connections: u32) -> String {
    let Snapshot { stage, connected, connection_failures, ended, published, delivered } = *snapshot;
    let problems = match (connection_failures, ended) {
        (0, 0) => String::new(),
        (failed, ended) => format!(", {failed} connections failed, {ended} ended"),
    };
    let counts = format!("{published} published, {delivered} delivered{problems}");
    match stage {
        Stage::Connecting => format!("connecting: {connected} of {connections}{problems}"),
        Stage::WarmingUp { since, of } => format!("warm-up {} s of {} s: {counts}", since.as_secs(), of.as_secs()),
        Stage::Measuring { since, of } => format!("measuring {} s of {} s: {counts}", since.as_secs(), of.as_secs()),
        Stage::Waiting => format!("waiting for the last deliveries: {counts}"),
    }
}

/// Writes to stderr, so that stdout holds nothing but the report.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "signalhub: {}", escaped_lines(text));
}
