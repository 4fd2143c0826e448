//! `signalhub miskey`.

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use signalhub_dialects::printfactory::{KeyChange, KeyEntry, MisKeyFile, Notifications};
use time::format_description::well_known::Rfc3339;

use crate::commands::error::CommandError;
use crate::commands::sources::Sources;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes the key of a user and prints it; it cannot be printed again
    Generate(Owner),
    /// Replaces the key of a user and prints the new one; the old one is no longer accepted
    Regenerate(Owner),
    /// Removes the key of a user
    Cancel(Owner),
    /// Allows or forbids the owner of a key to connect for notifications
    Notifications {
        /// Whether the owner may connect
        state: Switch,
        #[command(flatten)]
        owner: Owner,
    },
    /// Prints whose keys there are, one JSON object a line
    List,
}

#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// The organisation
    #[arg(long)]
    org: String,
    /// The user
    #[arg(long)]
    user: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Serialize)]
struct Line<'a> {
    organisation: &'a str,
    user: &'a str,
    notifications: Notifications,
    created: String,
}

/// Changes or lists the keys in the configured file. A running server uses a change when it looks at the file again.
pub(crate) fn run(sources: &Sources, command: &Command) -> Result<(), CommandError> {
    let file = MisKeyFile::new(sources.configuration()?.printfactory.keys.path());
    let (change, owner) = match command {
        Command::List => {
            let entries = file.list().map_err(CommandError::no)?;
            let lines = entries.iter().map(line).collect::<Result<String, _>>()?;
            return io::stdout().write_all(lines.as_bytes()).map_err(CommandError::no);
        }
        Command::Generate(owner) => (KeyChange::Generate, owner),
        Command::Regenerate(owner) => (KeyChange::Regenerate, owner),
        Command::Cancel(owner) => (KeyChange::Cancel, owner),
        Command::Notifications { state: Switch::On, owner } => (KeyChange::Notifications(Notifications::On), owner),
        Command::Notifications { state: Switch::Off, owner } => (KeyChange::Notifications(Notifications::Off), owner),
    };
    match file.change(&owner.org, &owner.user, change).map_err(CommandError::no)? {
        Some(key) => writeln!(io::stdout(), "{}", key.reveal()).map_err(CommandError::no),
        None => Ok(()),
    }
}

fn line(entry: &KeyEntry) -> Result<String, CommandError> {
    let KeyEntry { organisation, user, notifications, created, .. } = entry;
    let created = created.format(&Rfc3339).map_err(CommandError::no)?;
    let line = Line { organisation, user, notifications: *notifications, created };
    Ok(serde_json::to_string(&line).map_err(CommandError::no)? + "\n")
}
