//! The runs of a history: how the last one ended, and whether its positions still hold.

use std::fmt;
use std::time::Duration;

use rusqlite::Connection;
use signalhub_events::{Epoch, EventName};

use crate::directory::{Directory, boot_id};
use crate::options::DiskOptions;
use crate::schema::{meta, set_meta};

/// What was found when a history was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// How many events are stored.
    pub events: u64,
    /// How many names have a history.
    pub names: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether the last run closed it.
    pub clean: bool,
    /// Why all names begin new epochs, if they do.
    pub new_epochs: Option<NewEpochs>,
}

/// Why all names of a history begin new epochs: positions that were given before are answered with a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NewEpochs {
    /// The machine was restarted while the history was open, so the events of the last moments may be missing.
    MachineRestarted,
    /// The file is a copy of another one, which may have gone on.
    Copied,
    /// The file was restored from a backup.
    Restored,
    /// A sync failed, so events that were written may be missing on the disk.
    SyncFailed,
    /// Events that were written are missing in the file.
    EventsMissing,
}

impl fmt::Display for NewEpochs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MachineRestarted => {
                "the machine was restarted while the history was open, so the events of the last moments may be missing"
            }
            Self::Copied => "the file is a copy of another one, which may have gone on",
            Self::Restored => "the file was restored from a backup",
            Self::SyncFailed => "a sync failed, so events that were written may be missing on the disk",
            Self::EventsMissing => "events that were written are missing in the file",
        })
    }
}

/// Says in the table `meta` that the next open gives new epochs.
const RESTORED: &str = "restored";

/// How the file was left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastRun {
    pub(crate) clean: bool,
    pub(crate) new_epochs: Option<NewEpochs>,
}

/// What identifies this run.
#[derive(Debug)]
pub(crate) struct ThisRun {
    boot_id: Option<String>,
    file: Option<String>,
    sync: &'static str,
}

/// The value of `sync` of a run in which every commit was durable before it was visible.
const EVERY_COMMIT: &str = "every commit";

impl ThisRun {
    pub(crate) fn new(options: &DiskOptions, directory: &Directory) -> Self {
        let sync = if options.sync_interval.is_zero() { EVERY_COMMIT } else { "interval" };
        Self { boot_id: boot_id(&options.boot_id), file: directory.file_identity().ok(), sync }
    }

    /// Reads how the last run left the file.
    pub(crate) fn last_run(&self, connection: &Connection) -> rusqlite::Result<LastRun> {
        let Some(clean) = meta(connection, "clean")? else {
            // The file is new.
            return Ok(LastRun { clean: true, new_epochs: None });
        };
        let clean = clean == "1";
        let (boot_id, file) = (meta(connection, "boot_id")?, meta(connection, "file")?);
        let synced = meta(connection, "sync")?.as_deref() == Some(EVERY_COMMIT);
        let same_boot = boot_id.is_some() && boot_id == self.boot_id;
        let new_epochs = if meta(connection, RESTORED)?.is_some() {
            Some(NewEpochs::Restored)
        } else if file != self.file {
            Some(NewEpochs::Copied)
        } else if !clean && !same_boot && !synced {
            Some(NewEpochs::MachineRestarted)
        } else {
            None
        };
        Ok(LastRun { clean, new_epochs })
    }

    /// Writes that this run has the file open.
    pub(crate) fn begin(&self, connection: &Connection) -> rusqlite::Result<()> {
        set_meta(connection, "clean", Some("0"))?;
        set_meta(connection, "boot_id", self.boot_id.as_deref())?;
        set_meta(connection, "file", self.file.as_deref())?;
        set_meta(connection, "sync", Some(self.sync))?;
        connection.execute("DELETE FROM meta WHERE k = ?1", [RESTORED]).map(drop)
    }
}

/// Writes that the run closed the file.
pub(crate) fn end(connection: &Connection) -> rusqlite::Result<()> {
    set_meta(connection, "clean", Some("1"))
}

/// Writes that the file was restored from a backup.
pub(crate) fn mark_restored(connection: &Connection) -> rusqlite::Result<()> {
    set_meta(connection, RESTORED, Some("1"))
}

/// Gives each name a new epoch, whether it is in the file or not.
pub(crate) fn renew_epochs(connection: &Connection) -> rusqlite::Result<()> {
    let mut numbers = connection.prepare("SELECT n FROM name")?;
    let numbers = numbers.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut update = connection.prepare("UPDATE name SET epoch = ?2 WHERE n = ?1")?;
    for number in numbers {
        update.execute((number, random().cast_signed()))?;
    }
    FirstEpochs::renew(connection).map(drop)
}

/// Gives names that are not in the file their epochs. They hold across runs, so a client that subscribed to a name before its first
/// event can go on after a restart, without a row for each name that a client may ask for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FirstEpochs {
    seed: u64,
}

/// The key of the seed in the table `meta`.
const SEED: &str = "seed";

impl FirstEpochs {
    /// Reads the seed of the file, which gets one if it has none.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let seed = meta(connection, SEED)?.and_then(|seed| u64::from_str_radix(&seed, 16).ok());
        seed.map_or_else(|| Self::renew(connection), |seed| Ok(Self { seed }))
    }

    /// Gives the file a new seed.
    fn renew(connection: &Connection) -> rusqlite::Result<Self> {
        let seed = random();
        set_meta(connection, SEED, Some(&format!("{seed:016x}")))?;
        Ok(Self { seed })
    }

    /// The epoch of a name: a hash of the seed and the name, FNV-1a with the last steps of SplitMix64, which no later version may change.
    pub(crate) fn of(self, name: &EventName) -> Epoch {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        let mut hash = name.as_str().bytes().fold(0xCBF2_9CE4_8422_2325 ^ self.seed, step);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Epoch::new(hash ^ (hash >> 31))
    }
}

fn random() -> u64 {
    getrandom::u64().expect("an operating system gives random bytes, or nothing here can work")
}
