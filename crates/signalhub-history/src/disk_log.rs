//! The history on disk, as the broker uses it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use signalhub_events::{
    Append, Bounds, Declared, EventName, Log, LogCounts, LogFuture, LogUnavailable, Opened, Page, Position, ReadRange,
    Reset, StoredPublish,
};
use tokio::time::Instant;

use crate::directory::Directory;
use crate::error::OpenError;
use crate::options::DiskOptions;
use crate::reader::Readers;
use crate::run::OpenReport;
use crate::shared::{Shared, wall_clock};
use crate::store::{self, Store};
use crate::writer::Writer;

/// A history on disk. When it is dropped, it writes what waits, and closes the file.
#[derive(Debug)]
pub struct DiskLog {
    shared: Arc<Shared>,
    readers: Readers,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Those that the file had when it was opened, until the broker takes them.
    publishes: Mutex<Vec<StoredPublish>>,
    report: OpenReport,
}

impl DiskLog {
    /// Opens the history of a directory, and starts the thread that writes it. It reads the whole index, which takes about a second per
    /// million events.
    ///
    /// # Errors
    /// If the file cannot be used, is used by another process, is damaged, or was written by a newer version.
    pub fn open(options: DiskOptions) -> Result<Self, OpenError> {
        let begin = Instant::now();
        let directory = Directory::new(&options.directory);
        directory.create()?;
        let lock = directory.lock()?;
        let store::Opened { store, mut loaded, last_run } =
            Store::open(&directory, &lock, &options, wall_clock(), None)?;
        if let Some(reason) = last_run.new_epochs {
            tracing::warn!(file = %directory.file().display(), "the positions of all events begin anew: {reason}");
        }
        let publishes = std::mem::take(&mut loaded.publishes);
        let (names, runs) = (std::mem::take(&mut loaded.names), std::mem::take(&mut loaded.runs));
        let counts = names.counts();
        let shared = Arc::new(Shared::new(options, names, runs));
        let readers = Readers::new(Arc::clone(&shared));
        readers.open()?;
        let writer = Writer::new(Arc::clone(&shared), store, loaded, lock);
        let thread = thread::Builder::new().name("history writer".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(OpenError::unusable(&directory.file()))?;
        Ok(Self {
            shared,
            readers,
            writer: Mutex::new(Some(thread)),
            publishes: Mutex::new(publishes),
            report: OpenReport {
                events: counts.events,
                names: counts.names,
                took: begin.elapsed(),
                clean: last_run.clean,
                new_epochs: last_run.new_epochs,
            },
        })
    }

    /// Returns what was found at open.
    #[must_use]
    pub fn report(&self) -> OpenReport {
        self.report
    }

    /// Refuses further events, writes those that wait, and closes the file. It blocks until that is done.
    pub fn close(&self) {
        self.readers.close();
        self.shared.queue.close();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The outcome of an append may drop the last clone of the log on the thread itself, which ends by itself then.
        if let Some(thread) = thread.filter(|writer| writer.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the history has panicked");
        }
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Log for DiskLog {
    fn open(&self, reset: Reset) -> Opened {
        // There is one broker; a second one would be told of nothing.
        let _ = self.shared.reset.set(reset);
        let mut opened = Opened::empty();
        opened.names = self.shared.state().names.positions();
        opened.publishes = std::mem::take(&mut *self.publishes.lock().unwrap_or_else(PoisonError::into_inner));
        opened
    }

    fn admit(&self, name: &EventName, declared: Declared) -> Option<Position> {
        self.shared.admit(name, declared)
    }

    fn append(&self, append: Append) -> LogFuture<'_, Result<(), LogUnavailable>> {
        Box::pin(async move {
            if self.shared.is_failed() {
                return Err(LogUnavailable);
            }
            self.shared.queue.push(append).await
        })
    }

    fn bounds(&self, name: &EventName, declared: Declared) -> Option<Bounds> {
        self.shared.bounds(name, declared)
    }

    fn read(&self, range: ReadRange) -> LogFuture<'_, Result<Page, LogUnavailable>> {
        Box::pin(self.readers.read(range))
    }

    fn sync(&self) -> LogFuture<'_, Result<(), LogUnavailable>> {
        Box::pin(async {
            if self.shared.is_failed() {
                return Err(LogUnavailable);
            }
            self.shared.queue.sync().await
        })
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn counts(&self) -> LogCounts {
        self.shared.counts()
    }
}

#[cfg(test)]
mod tests;
