//! The thread that writes: what waits goes into one transaction, and what the limits do not permit is removed between transactions.

use std::sync::Arc;
use std::time::Duration;

use signalhub_events::Append;
use tokio::time::Instant;

use crate::batch::{Batch, refuse};
use crate::blocks::millis;
use crate::directory::DirectoryLock;
use crate::load::Loaded;
use crate::queue::{Taken, Waiting};
use crate::retention::Retention;
use crate::run::NewEpochs;
use crate::shared::{Shared, wall_clock};
use crate::store::{Checkpoint, Earlier, Opened, Store, WriteError};

/// After this number of bytes of new rows, the writer looks how much of the file is used.
const CHECK_BYTES: u64 = 64 << 10;

/// Writes the file. It lives on a thread of its own.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    lock: DirectoryLock,
    health: Health,
    retention: Retention,
    /// The row of the next event.
    next_row: i64,
    /// How many events were written since the history began.
    written: u64,
    /// When the first transaction was committed that the disk may not have yet.
    unsynced: Option<Instant>,
    /// When the ages of events are looked at next.
    next_age_check: Instant,
    /// The bytes of new rows since the use of the file was looked at.
    unchecked_bytes: u64,
}

/// Whether the file can be written.
#[derive(Debug)]
enum Health {
    Working(Box<Store>),
    Failed {
        retry: Instant,
        /// Why new epochs are needed, if that is clear already.
        new_epochs: Option<NewEpochs>,
    },
}

/// Refuses events when the thread ends, however it ends.
struct RefuseAtEnd(Arc<Shared>);

impl Drop for RefuseAtEnd {
    fn drop(&mut self) {
        self.0.set_failed(true);
        self.0.queue.close();
        refuse(self.0.queue.drain());
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, store: Store, loaded: Loaded, lock: DirectoryLock) -> Self {
        let window = millis(shared.options.idempotency_window);
        let mut retention = Retention::new(window, loaded.latest, loaded.below);
        retention.trim_names(&mut shared.state().names);
        let written = shared.state().names.written();
        Self {
            health: Health::Working(Box::new(store)),
            retention,
            next_row: loaded.next_row,
            shared,
            lock,
            written,
            unsynced: None,
            next_age_check: Instant::now(),
            unchecked_bytes: CHECK_BYTES,
        }
    }

    /// Writes until the queue is closed and empty; then it closes the file.
    pub(crate) fn run(mut self) {
        let _refuse_at_end = RefuseAtEnd(Arc::clone(&self.shared));
        loop {
            match self.shared.queue.take(self.deadline()) {
                Taken::Batch(appends) => self.write(appends),
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            self.maintain();
        }
        if let Health::Working(store) = self.health
            && let Err(error) = store.close()
        {
            tracing::error!(file = %self.shared.directory.file().display(), "the history was not closed cleanly: {error}");
        }
    }

    /// Until when it may wait for events.
    fn deadline(&self) -> Instant {
        match self.health {
            Health::Failed { retry, .. } => retry,
            Health::Working(_) if self.retention.is_due() => Instant::now(),
            Health::Working(_) => {
                let sync = self.unsynced.map(|since| since + self.shared.options.sync_interval);
                sync.map_or(self.next_age_check, |sync| sync.min(self.next_age_check))
            }
        }
    }

    /// Writes events, and tells their publishers.
    fn write(&mut self, appends: Vec<Append>) {
        let Health::Working(store) = &mut self.health else { return refuse(appends) };
        let batch = Batch::new(appends, &self.shared, self.next_row, wall_clock());
        let mut result = batch.write(store);
        if matches!(result, Err(WriteError::Full(_))) {
            let limit = self.shared.options.maximum_bytes;
            let room = make_room(store, &mut self.retention, &self.shared, limit - limit / 10);
            result = room.and_then(|()| batch.write(store));
        }
        if result.is_ok() {
            let since = *self.unsynced.get_or_insert_with(Instant::now);
            if batch.wants_durable() || since.elapsed() >= self.shared.options.sync_interval {
                result = store.sync();
                self.unsynced = None;
            }
        }
        if let Err(error) = result {
            return self.fail(&error, batch.into_appends());
        }
        self.next_row = self.next_row.saturating_add_unsigned(batch.len() as u64);
        self.written = self.written.saturating_add(batch.len() as u64);
        // Before the publishers are told, so that the next open notices if one of these is missing.
        self.lock.set_written(self.written);
        self.unchecked_bytes += batch.bytes();
        self.shared.state().add_costs(&store.take_costs());
        batch.finish(&self.shared, &mut self.retention);
    }

    /// Does what is due between transactions.
    fn maintain(&mut self) {
        if let Health::Failed { retry, new_epochs } = self.health {
            drop(self.shared.queue.take_syncs());
            if retry <= Instant::now() {
                self.recover(new_epochs);
            }
            return;
        }
        if let Err(error) = self.try_maintain() {
            self.fail(&error, Vec::new());
        }
    }

    fn try_maintain(&mut self) -> Result<(), WriteError> {
        let Health::Working(store) = &mut self.health else { return Ok(()) };
        let options = &self.shared.options;
        let now = Instant::now();
        let waiting = self.shared.queue.take_syncs();
        let is_due = |since: Instant| !waiting.is_empty() || now.duration_since(since) >= options.sync_interval;
        if self.unsynced.is_some_and(is_due) {
            store.sync()?;
            self.unsynced = None;
        }
        waiting.into_iter().for_each(Waiting::tell);
        self.retention.trim_names(&mut self.shared.state().names);
        if now >= self.next_age_check {
            self.next_age_check = now + age_interval(&self.shared);
            self.retention.trim_age(&mut self.shared.state().names, wall_clock());
        }
        if self.unchecked_bytes >= CHECK_BYTES {
            let excess = store.used_bytes()?.saturating_sub(options.maximum_bytes);
            if excess == 0 || !self.retention.trim_total(&mut self.shared.state().names, excess) {
                self.unchecked_bytes = 0;
            }
        }
        if self.retention.is_due() {
            let step = self.retention.step(&self.shared.state().names);
            store.commit(|transaction| step.run(transaction))?;
            self.unsynced.get_or_insert(now);
        }
        if store.checkpoint_if_long()? {
            self.unsynced = None;
        }
        self.shared.state().add_costs(&store.take_costs());
        Ok(())
    }

    /// Closes a file that cannot be written. Until it could be opened anew, events are refused.
    fn fail(&mut self, error: &WriteError, appends: Vec<Append>) {
        tracing::error!(
            file = %self.shared.directory.file().display(),
            "the history cannot be written, so events are refused until it can: {error}"
        );
        let new_epochs = error.is_sync().then_some(NewEpochs::SyncFailed);
        let failed = Health::Failed { retry: Instant::now() + self.shared.options.retry_interval, new_epochs };
        if let Health::Working(store) = std::mem::replace(&mut self.health, failed) {
            store.abandon();
        }
        if error.is_sync() {
            // Without a connection, the next open reads the WAL from its beginning, and finds where it is damaged.
            self.shared.readers().clear();
        }
        self.shared.set_failed(true);
        self.unsynced = None;
        refuse(appends);
        refuse(self.shared.queue.drain());
    }

    /// Opens the file anew, and reads what it has.
    fn recover(&mut self, new_epochs: Option<NewEpochs>) {
        let shared = &self.shared;
        let earlier = Earlier { row: self.next_row, new_epochs, positions: shared.state().names.positions() };
        match Store::open(&shared.directory, &self.lock, &shared.options, wall_clock(), Some(earlier)) {
            Ok(opened) => self.resume(opened),
            Err(error) => {
                tracing::debug!("the history still cannot be written: {error}");
                self.health = Health::Failed { retry: Instant::now() + self.shared.options.retry_interval, new_epochs };
            }
        }
    }

    fn resume(&mut self, opened: Opened) {
        let Opened { store, loaded, last_run } = opened;
        let Loaded { mut names, runs, next_row, latest, below, publishes: _ } = loaded;
        let mut state = self.shared.state();
        names.take_over(&state.names);
        let positions = names.positions();
        self.written = names.written();
        (state.names, state.runs) = (names, runs);
        drop(state);
        self.retention = Retention::new(millis(self.shared.options.idempotency_window), latest, below);
        self.next_row = next_row.max(self.next_row);
        self.health = Health::Working(Box::new(store));
        if last_run.new_epochs.is_some()
            && let Some(reset) = self.shared.reset.get()
        {
            reset(positions);
        }
        self.shared.set_failed(false);
        let file = self.shared.directory.file();
        match last_run.new_epochs {
            Some(reason) => tracing::info!(
                file = %file.display(), "the history can be written again; the positions of all events begin anew: {reason}"
            ),
            None => tracing::info!(file = %file.display(), "the history can be written again"),
        }
    }
}

/// Removes the oldest events until the file uses this number of bytes, so that new events need no room on the disk.
fn make_room(store: &mut Store, retention: &mut Retention, shared: &Shared, most: u64) -> Result<(), WriteError> {
    // The WAL begins anew, so that removing needs no room either.
    store.checkpoint(Checkpoint::Passive)?;
    loop {
        let excess = store.used_bytes()?.saturating_sub(most);
        if excess == 0 || !retention.trim_total(&mut shared.state().names, excess) {
            return store.checkpoint(Checkpoint::Passive);
        }
        let step = retention.step(&shared.state().names);
        store.commit(|transaction| step.run(transaction))?;
    }
}

/// How often the ages of events are looked at.
fn age_interval(shared: &Shared) -> Duration {
    let options = &shared.options;
    let ages = options.overrides.values().chain([&options.limits]).map(|limits| limits.age);
    let shortest = ages.min().unwrap_or(Duration::MAX).min(options.idempotency_window);
    (shortest / 16).clamp(Duration::from_secs(1), Duration::from_secs(60))
}
