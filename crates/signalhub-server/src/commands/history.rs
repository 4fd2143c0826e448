//! `signalhub history`.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use signalhub::events::EventName;
use signalhub_history::{Compacted, NameStatus, Status};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::http_api::history::entry;
use crate::progress::Progress;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints what a history on disk has, one JSON object a line; a server may use it meanwhile
    Status(Place),
    /// Prints the kept events of a name, one JSON object a line, also of a damaged history as far as it can be read
    Export {
        /// The name of the event
        event: EventName,
        /// Only events behind this offset
        #[arg(long, default_value_t = 0)]
        after: u64,
        #[command(flatten)]
        place: Place,
    },
    /// Gives the room of removed events back to the operating system
    Compact(Place),
    /// Puts a backup in the place of the history, which is moved aside; clients with later positions are told of a gap
    Restore {
        /// The copy of a `history.sqlite`
        backup: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The directory of the history; the configured one by default
    #[arg(long)]
    directory: Option<PathBuf>,
}

impl Place {
    fn directory(&self, sources: &Sources) -> Result<PathBuf, CommandError> {
        if let Some(directory) = &self.directory {
            return Ok(directory.clone());
        }
        let configured = sources.configuration()?.history.directory;
        let configured = configured.map(|directory| directory.path().to_owned());
        configured.ok_or_else(|| {
            CommandError::Usage("expected --directory, or history.directory in the configuration".into())
        })
    }
}

#[derive(Serialize)]
struct StatusLine {
    format: u32,
    closed: bool,
    file_bytes: u64,
    wal_bytes: u64,
    used_bytes: u64,
    names: usize,
}

#[derive(Serialize)]
struct NameLine<'a> {
    event: &'a str,
    position: String,
    first: u64,
    events: u64,
    bytes: u64,
    oldest: Option<String>,
    newest: Option<String>,
}

/// Looks at the history on disk, or changes it. All but the status needs a server that has stopped.
pub(crate) fn run(sources: &Sources, command: &Command) -> Result<(), CommandError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match command {
        Command::Status(place) => {
            let status = signalhub_history::status(place.directory(sources)?).map_err(CommandError::no)?;
            write_status(&mut out, &status).map_err(CommandError::no)?;
        }
        Command::Export { event, after, place } => {
            let (mut progress, mut events) = (Progress::beside_output(), 0_u64);
            let each = |position, event| match entry(position, &event) {
                Some(line) => {
                    events += 1;
                    progress.show(|| format!("exported {events} events"));
                    writeln!(out, "{line}")
                }
                None => Err(io::Error::other(format!("the event at {position} cannot be written as JSON"))),
            };
            let directory = place.directory(sources)?;
            let exported = signalhub_history::export(directory, event, *after, each);
            drop(progress);
            // What was read of a damaged history comes out before the error.
            out.flush().map_err(CommandError::no)?;
            exported.map_err(CommandError::no)?;
        }
        Command::Compact(place) => {
            let directory = place.directory(sources)?;
            let compacted = Progress::on_stderr().during("compacting", || signalhub_history::compact(directory));
            let Compacted { before, after } = compacted.map_err(CommandError::no)?;
            writeln!(out, "{before} bytes before, {after} bytes now").map_err(CommandError::no)?;
        }
        Command::Restore { backup, place } => {
            let directory = place.directory(sources)?;
            let restored = Progress::on_stderr().during("restoring", || signalhub_history::restore(directory, backup));
            match restored.map_err(CommandError::no)? {
                Some(aside) => writeln!(out, "restored; the history before it is now {}", aside.display()),
                None => writeln!(out, "restored"),
            }
            .map_err(CommandError::no)?;
        }
    }
    out.flush().map_err(CommandError::no)
}

fn write_status(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let Status { format, closed, file_bytes, wal_bytes, used_bytes, ref names, .. } = *status;
    let line = StatusLine { format, closed, file_bytes, wal_bytes, used_bytes, names: names.len() };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)?;
    for NameStatus { name, latest, first, events, bytes, oldest, newest, .. } in names {
        let line = NameLine {
            event: name.as_str(),
            position: latest.to_string(),
            first: *first,
            events: *events,
            bytes: *bytes,
            oldest: oldest.and_then(written),
            newest: newest.and_then(written),
        };
        serde_json::to_writer(&mut *out, &line)?;
        writeln!(out)?;
    }
    Ok(())
}

fn written(time: OffsetDateTime) -> Option<String> {
    time.format(&Rfc3339).ok()
}
