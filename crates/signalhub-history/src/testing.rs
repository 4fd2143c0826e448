//! What the tests of several modules need.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use signalhub_events::{
    Append, Declared, Durability, Epoch, Event, EventId, EventName, Fingerprint, Idempotency, IdempotencyKey, Log,
    LogUnavailable, Page, Position, ReadRange,
};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::disk_log::DiskLog;
use crate::options::DiskOptions;

/// A directory that is removed when it is dropped.
pub(crate) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("signalhub-history-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The options of a history in it, with a boot id of its own.
    pub(crate) fn options(&self) -> DiskOptions {
        let mut options = DiskOptions::new(self.0.join("history"));
        options.boot_id = self.0.join("boot_id");
        if !options.boot_id.exists() {
            self.set_boot_id("first");
        }
        options
    }

    pub(crate) fn set_boot_id(&self, id: &str) {
        fs::write(self.0.join("boot_id"), id).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("history/history.sqlite")
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn open(options: DiskOptions) -> DiskLog {
    DiskLog::open(options).unwrap()
}

/// An event of the run 7.
pub(crate) fn event(name: &str, serial: u64, payload: &str) -> Event {
    let mut event = Event::new(EventName::from(name), payload.to_owned());
    event.id = Some(EventId::new(Epoch::new(7), serial));
    event.node = Some(Arc::from("node"));
    event.created = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(serial);
    event
}

pub(crate) fn idempotency(key: u8) -> Idempotency {
    Idempotency { key: IdempotencyKey::new([key; 16]), fingerprint: Fingerprint::new(u64::MAX - u64::from(key)) }
}

/// Appends an event, and waits for its outcome.
pub(crate) async fn append(
    log: &DiskLog,
    event: Event,
    idempotency: Option<Idempotency>,
    durability: Durability,
) -> Result<Position, LogUnavailable> {
    log.admit(&event.name, Declared::Yes);
    let (sender, outcome) = oneshot::channel();
    let done = |result| sender.send(result).unwrap();
    log.append(Append::new(Arc::new(event), idempotency, durability, done)).await?;
    outcome.await.map_err(|_| LogUnavailable)?
}

/// Appends some events of a name, and returns the position of the last one.
pub(crate) async fn append_some(log: &DiskLog, name: &str, count: u64) -> Position {
    let mut last = None;
    for serial in 0..count {
        last = Some(append(log, event(name, serial, "{}"), None, Durability::Written).await.unwrap());
    }
    last.unwrap()
}

pub(crate) async fn read(log: &DiskLog, name: &str, after: u64, most: usize) -> Page {
    log.read(ReadRange::new(EventName::from(name), after, u64::MAX, most)).await.unwrap()
}

/// All events of a name that are stored.
pub(crate) async fn read_all(log: &DiskLog, name: &str) -> Vec<(u64, Event)> {
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let page = read(log, name, after, 100).await;
        if page.events.is_empty() {
            return all;
        }
        after = page.through;
        all.extend(page.events.into_iter().map(|(offset, event)| (offset, Event::clone(&event))));
    }
}
