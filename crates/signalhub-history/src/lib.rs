//! The history of events on disk: a [`Log`](signalhub_events::Log) that outlives its process.
//!
//! A [`DiskLog`] keeps the events in one SQLite file, in the order in which they were written. One thread writes: it puts everything that
//! waits into one transaction, tells the publishers the positions, and removes what the limits no longer permit. An event is
//! *written* when its transaction is committed, so it survives `kill -9`, and *durable* when the disk has it. Of which events are stored,
//! a sparse index is kept in memory; it is rebuilt at open.
//!
//! ```
//! use signalhub_events::Log;
//! use signalhub_history::{DiskLog, DiskOptions};
//!
//! # let directory = std::env::temp_dir().join(format!("signalhub-history-doctest-{}", std::process::id()));
//! let log = DiskLog::open(DiskOptions::new(&directory))?;
//! assert_eq!(log.report().events, 0);
//! log.close();
//! # std::fs::remove_dir_all(&directory).unwrap();
//! # Ok::<_, signalhub_history::OpenError>(())
//! ```

mod batch;
mod blocks;
mod directory;
mod disk_log;
mod error;
mod load;
mod maintenance;
mod names;
mod options;
mod queue;
mod reader;
mod retention;
mod row;
mod run;
mod schema;
mod shared;
mod shared_pages;
mod store;
#[cfg(test)]
mod testing;
mod writer;

pub use disk_log::DiskLog;
pub use error::OpenError;
pub use maintenance::{Compacted, ExportError, NameStatus, Status, compact, export, reset, restore, status};
pub use options::DiskOptions;
pub use run::{NewEpochs, OpenReport};
