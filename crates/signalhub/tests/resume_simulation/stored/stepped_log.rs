//! A store whose writer does what the seed decides, when the seed decides it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use signalhub::events::{
    Append, Bounds, Declared, Durability, EventName, Log, LogCounts, LogFuture, LogUnavailable, Opened, Page, Position,
    ReadRange, Reset, StoredPublish,
};
use tokio::sync::{Semaphore, oneshot};

use super::ledger::Ledger;
use crate::EVENT;
use crate::seed::Seed;

/// How many events may wait to be written.
const QUEUE: usize = 6;

/// What the store keeps when its process ends.
pub(crate) struct Disk {
    pub(crate) ledger: Ledger,
    /// Events below this offset were removed.
    pub(crate) first: u64,
    /// How many events survive a power cut.
    synced: u64,
}

/// The store of one process.
pub(crate) struct SteppedLog {
    disk: Arc<Mutex<Disk>>,
    process: Mutex<Process>,
    room: Semaphore,
}

struct Process {
    seed: Seed,
    queue: VecDeque<Append>,
    /// Events that are written, whose publishers were not told.
    untold: VecDeque<(Position, Append)>,
    reads: Vec<Read>,
    syncs: Vec<oneshot::Sender<()>>,
    refuses: bool,
    reset: Option<Reset>,
}

/// A read whose page comes late.
struct Read {
    range: ReadRange,
    /// The page as it was when the read began, if it is read then.
    early: Option<Page>,
    page: oneshot::Sender<Result<Page, LogUnavailable>>,
}

impl Disk {
    pub(crate) fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { ledger: Ledger::new(), first: 1, synced: 0 }))
    }

    /// Loses some of what is not synced, and begins a new epoch.
    pub(crate) fn lose(&mut self, seed: &mut Seed) {
        let top = self.ledger.top().offset();
        let kept = self.synced + seed.below(top - self.synced + 1);
        self.ledger.begin_epoch(kept);
        (self.synced, self.first) = (kept, self.first.min(kept + 1));
    }

    fn page(&self, range: &ReadRange) -> Page {
        let entries = (1..).zip(self.ledger.entries());
        let from = self.first.max(range.after + 1);
        let stored = entries.skip(usize::try_from(from - 1).unwrap());
        let events: Vec<_> = stored
            .take_while(|(offset, _)| *offset <= range.through)
            .take(range.most)
            .map(|(offset, entry)| (offset, Arc::clone(&entry.event)))
            .collect();
        let is_full = events.len() == range.most;
        let through = events.last().filter(|_| is_full).map_or(range.through, |(offset, _)| *offset);
        Page { events, first: self.first, through }
    }
}

impl SteppedLog {
    /// Opens what an earlier process has left.
    pub(crate) fn open(disk: &Arc<Mutex<Disk>>, seed: Seed) -> Arc<Self> {
        disk.lock().unwrap().ledger.tell_all();
        let process = Process {
            seed,
            queue: VecDeque::new(),
            untold: VecDeque::new(),
            reads: Vec::new(),
            syncs: Vec::new(),
            refuses: false,
            reset: None,
        };
        Arc::new(Self { disk: Arc::clone(disk), process: Mutex::new(process), room: Semaphore::new(QUEUE) })
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    /// Writes some of the events that wait. Their publishers are told later.
    pub(crate) fn write(&self, most: u64) {
        let mut process = self.process();
        for _ in 0..most {
            let Some(append) = process.queue.pop_front() else { return };
            self.room.add_permits(1);
            let position = self.disk().ledger.write(Arc::clone(&append.event), append.idempotency);
            process.untold.push_back((position, append));
        }
    }

    /// Tells some publishers that their events are written.
    pub(crate) fn tell(&self, most: u64) {
        for _ in 0..most {
            let Some((position, append)) = self.process().untold.pop_front() else { return };
            if append.durability == Durability::Durable {
                self.sync_now();
            }
            self.disk().ledger.tell(position);
            (append.done)(Ok(position));
        }
    }

    /// Fails to write some of the events that wait.
    pub(crate) fn fail(&self, most: u64) {
        self.tell(u64::MAX);
        for _ in 0..most {
            let Some(append) = self.process().queue.pop_front() else { return };
            self.room.add_permits(1);
            (append.done)(Err(LogUnavailable));
        }
    }

    pub(crate) fn sync_now(&self) {
        let mut disk = self.disk();
        disk.synced = disk.ledger.top().offset();
        drop(disk);
        for waiting in self.process().syncs.drain(..) {
            // The publisher may have left.
            let _ = waiting.send(());
        }
    }

    /// Removes some of the oldest events.
    pub(crate) fn trim(&self, most: u64) {
        let mut disk = self.disk();
        disk.first = (disk.first + most).min(disk.ledger.top().offset() + 1);
    }

    /// Finds that events may be lost, as after a sync that failed, and begins a new epoch while the process runs.
    pub(crate) fn reset(&self) {
        self.fail(u64::MAX);
        let mut process = self.process();
        process.syncs.clear();
        let mut disk = self.disk();
        disk.lose(&mut process.seed);
        let position = disk.ledger.top();
        drop(disk);
        let reset = process.reset.take().unwrap();
        drop(process);
        reset(vec![(EventName::new(EVENT), position)]);
        self.process().reset = Some(reset);
    }

    /// Lets reads end, with a page or without one.
    pub(crate) fn end_reads(&self, result: Result<(), LogUnavailable>) {
        for Read { range, early, page } in std::mem::take(&mut self.process().reads) {
            let result = result.map(|()| early.unwrap_or_else(|| self.disk().page(&range)));
            // The connection may have ended.
            drop(page.send(result));
        }
    }

    /// Refuses further events, or takes them again.
    pub(crate) fn toggle_refusal(&self) {
        let mut process = self.process();
        process.refuses = !process.refuses;
    }

    /// Works as it should from now on.
    pub(crate) fn settle(&self) {
        self.process().refuses = false;
        self.write(u64::MAX);
        self.tell(u64::MAX);
        self.sync_now();
        self.end_reads(Ok(()));
    }
}

impl fmt::Debug for SteppedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SteppedLog")
    }
}

impl Log for SteppedLog {
    fn open(&self, reset: Reset) -> Opened {
        self.process().reset = Some(reset);
        let disk = self.disk();
        let (epoch, mut opened) = (disk.ledger.epoch(), Opened::empty());
        opened.names.push((EventName::new(EVENT), disk.ledger.top()));
        for (offset, entry) in (1..).zip(disk.ledger.entries()) {
            let position = Position::new(epoch, offset);
            let id = entry.event.id.expect("the broker sets it");
            let publish = entry.idempotency.map(|key| StoredPublish::new(key, id, position, Duration::ZERO));
            opened.publishes.extend(publish);
        }
        opened
    }

    fn admit(&self, _: &EventName, _: Declared) -> Option<Position> {
        Some(self.disk().ledger.top())
    }

    fn append(&self, append: Append) -> LogFuture<'_, Result<(), LogUnavailable>> {
        Box::pin(async {
            self.room.acquire().await.unwrap().forget();
            let mut process = self.process();
            if process.refuses {
                self.room.add_permits(1);
                return Err(LogUnavailable);
            }
            process.queue.push_back(append);
            Ok(())
        })
    }

    fn bounds(&self, _: &EventName, _: Declared) -> Option<Bounds> {
        let disk = self.disk();
        let top = disk.ledger.top();
        Some(Bounds { epoch: top.epoch(), first: Some(disk.first), top: top.offset() })
    }

    fn read(&self, range: ReadRange) -> LogFuture<'_, Result<Page, LogUnavailable>> {
        Box::pin(async {
            let page = {
                let mut process = self.process();
                let early = match process.seed.below(4) {
                    0 => return Ok(self.disk().page(&range)),
                    1 => Some(self.disk().page(&range)),
                    _ => None,
                };
                let (sender, page) = oneshot::channel();
                process.reads.push(Read { range, early, page: sender });
                page
            };
            page.await.unwrap_or(Err(LogUnavailable))
        })
    }

    fn sync(&self) -> LogFuture<'_, Result<(), LogUnavailable>> {
        let (sender, synced) = oneshot::channel();
        self.process().syncs.push(sender);
        Box::pin(async { synced.await.map_err(|_| LogUnavailable) })
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn counts(&self) -> LogCounts {
        LogCounts::default()
    }
}
