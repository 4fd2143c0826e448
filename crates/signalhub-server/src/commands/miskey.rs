//! `signalhub miskey`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use signalhub_dialects::printfactory::{KeyChange, KeyEntry, MisKeyFile, MisKeys, Notifications};
use signalhub_redis::link::Instances;
use signalhub_redis::mis_keys::RedisMisKeys;
use time::format_description::well_known::Rfc3339;

use crate::cluster;
use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::configuration::Configuration;

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
    /// Adds the keys of a file, such as those that a node had before it joined a cluster, and prints how many; users who have a key keep it
    Import {
        /// The file with the keys
        file: PathBuf,
    },
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

/// Changes or lists the keys in the configured file, which a running server looks at again; or those of the cluster, if one is configured.
pub(crate) async fn run(sources: &Sources, command: &Command) -> Result<(), CommandError> {
    let configuration = sources.configuration()?;
    let (keys, _instances) = open(&configuration).await?;
    let (change, owner) = match command {
        Command::List => {
            let entries = keys.list().await.map_err(CommandError::no)?;
            let lines = entries.iter().map(line).collect::<Result<String, _>>()?;
            return print(&lines);
        }
        Command::Import { file } => {
            let entries = MisKeyFile::new(file).list().map_err(CommandError::no)?;
            let count = entries.len();
            let added = keys.import(entries).await.map_err(CommandError::no)?;
            return print(&format!("added {added} of {count} keys\n"));
        }
        Command::Generate(owner) => (KeyChange::Generate, owner),
        Command::Regenerate(owner) => (KeyChange::Regenerate, owner),
        Command::Cancel(owner) => (KeyChange::Cancel, owner),
        Command::Notifications { state: Switch::On, owner } => (KeyChange::Notifications(Notifications::On), owner),
        Command::Notifications { state: Switch::Off, owner } => (KeyChange::Notifications(Notifications::Off), owner),
    };
    match keys.change(&owner.org, &owner.user, change).await.map_err(CommandError::no)? {
        Some(key) => print(&format!("{}\n", key.reveal())),
        None => Ok(()),
    }
}

/// The keys, and the links to Redis if they are there, which must be kept until the end.
async fn open(configuration: &Configuration) -> Result<(MisKeys, Option<Instances>), CommandError> {
    let cluster = &configuration.cluster;
    if cluster.redis.is_empty() {
        let file = MisKeyFile::new(configuration.printfactory.keys.path());
        return Ok((MisKeys::open(file).map_err(CommandError::no)?, None));
    }
    let instances = cluster::reach(cluster).await.map_err(CommandError::no)?;
    let store = RedisMisKeys::new(&instances, cluster.prefix.as_str());
    let keys = MisKeys::open_shared(Arc::new(store)).await.map_err(CommandError::no)?;
    Ok((keys, Some(instances)))
}

fn print(text: &str) -> Result<(), CommandError> {
    io::stdout().write_all(text.as_bytes()).map_err(CommandError::no)
}

fn line(entry: &KeyEntry) -> Result<String, CommandError> {
    let KeyEntry { organisation, user, notifications, created, .. } = entry;
    let created = created.format(&Rfc3339).map_err(CommandError::no)?;
    let line = Line { organisation, user, notifications: *notifications, created };
    Ok(serde_json::to_string(&line).map_err(CommandError::no)? + "\n")
}
