//! Tails: operators who watch the events as they are published.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::event::Event;
use crate::index::Found;
use crate::name::{EventName, Organisation};
use crate::position::Position;

/// How many tails may be open.
pub(super) const MOST_TAILS: usize = 10;

/// How many events wait for the reader of a tail.
const EVENTS: usize = 256;

/// How many of the subscribers that an event matched are looked at for the users of tails: the fan-out waits meanwhile.
const LOOKED_AT: usize = 1_000;

/// How many bytes of publishers the events that wait may hold. One that is larger waits alone.
const BYTES: usize = 4 << 20;

/// Which events a [`Tail`] gets. Every condition that is set must hold.
#[derive(Debug, Clone)]
pub struct TailFilter {
    /// The name of the event.
    pub event: Option<EventName>,
    /// The organisation of the event.
    pub organisation: Option<Organisation>,
    /// The user of one of the clients that the event matched. Only the first 1 000 subscribers are looked at. An event that matched more, and none of
    /// this user among those, is told as [dropped](Tailed::Dropped).
    pub user: Option<String>,
    /// One of how many events is taken, of those for which the other conditions hold.
    pub sample: NonZeroU64,
}

impl Default for TailFilter {
    fn default() -> Self {
        Self { event: None, organisation: None, user: None, sample: NonZeroU64::MIN }
    }
}

impl TailFilter {
    /// Tells whether an event meets the conditions beside the user.
    fn wants(&self, event: &Event) -> bool {
        self.event.as_ref().is_none_or(|name| *name == event.name)
            && (self.organisation.is_none() || self.organisation == event.organisation)
    }
}

/// What a tail gets.
#[derive(Debug, Clone)]
pub enum Tailed {
    /// An event that was published.
    Event(TailedEvent),
    /// This many events were left out here, because the reader of the tail is slow, or because they matched too many subscribers, so that it is not known
    /// whether one was of the [user](TailFilter::user).
    Dropped(u64),
}

/// An event that a tail gets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TailedEvent {
    /// The event.
    pub event: Arc<Event>,
    /// Its position among the events of its name.
    pub position: Position,
    /// How many subscribers it matched.
    pub matched: usize,
}

/// Gets the events of all organisations as they are offered to their subscribers, until it is dropped.
///
/// At most 256 events, and 4 MiB of them, wait for a reader that is slow; further ones are dropped and counted. The order is that of the positions of
/// each name.
pub struct Tail {
    tails: Arc<Tails>,
    queue: Arc<TailQueue>,
}

impl Tail {
    /// Waits for the next event.
    pub async fn next(&mut self) -> Tailed {
        loop {
            if let Some(tailed) = self.queue.lock().pop() {
                return tailed;
            }
            // There is one reader, so the permit of a push between the two is not lost.
            self.queue.pushed.notified().await;
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut list = self.tails.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.tails.open.store(list.len(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").field("filter", &self.queue.filter).finish_non_exhaustive()
    }
}

/// The tails of a broker.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    list: RwLock<Vec<Arc<TailQueue>>>,
    /// How many there are, for a look without the lock.
    open: AtomicUsize,
}

impl Tails {
    /// Opens a tail; `None` if too many are open.
    pub(super) fn open(self: &Arc<Self>, filter: TailFilter) -> Option<Tail> {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.len() >= MOST_TAILS {
            return None;
        }
        let queue = Arc::new(TailQueue { filter, waiting: Mutex::default(), pushed: Notify::new() });
        list.push(Arc::clone(&queue));
        self.open.store(list.len(), Ordering::Relaxed);
        Some(Tail { tails: Arc::clone(self), queue })
    }

    pub(super) fn is_any_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Shows the tails an event and the subscribers that it matched.
    pub(super) fn show(&self, event: &Arc<Event>, position: Position, found: &[Found]) {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let mut of_users: Vec<(&str, &TailQueue)> = Vec::new();
        let tailed = || TailedEvent { event: Arc::clone(event), position, matched: found.len() };
        for queue in list.iter().filter(|queue| queue.filter.wants(event)) {
            match &queue.filter.user {
                None => queue.push(tailed()),
                Some(user) => of_users.push((user, queue)),
            }
        }
        for found in found.iter().take(LOOKED_AT) {
            if of_users.is_empty() {
                return;
            }
            let Some(user) = found.attached.client().and_then(|client| client.user) else { continue };
            of_users.retain(|(wanted, queue)| {
                let is_other = **wanted != *user;
                if !is_other {
                    queue.push(tailed());
                }
                is_other
            });
        }
        if found.len() > LOOKED_AT {
            of_users.iter().for_each(|(_, queue)| queue.drop_one());
        }
    }
}

/// What waits for the reader of a tail.
#[derive(Debug)]
struct TailQueue {
    filter: TailFilter,
    waiting: Mutex<Waiting>,
    pushed: Notify,
}

impl TailQueue {
    fn push(&self, event: TailedEvent) {
        self.lock().push(event, self.filter.sample);
        self.pushed.notify_one();
    }

    /// Leaves an event out, and tells the reader.
    fn drop_one(&self) {
        self.lock().dropped += 1;
        self.pushed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each with how many events were dropped before it.
    events: VecDeque<(u64, TailedEvent)>,
    bytes: usize,
    /// How many were dropped behind the last of them.
    dropped: u64,
    /// How many events came, for the sample.
    seen: u64,
}

impl Waiting {
    fn push(&mut self, event: TailedEvent, sample: NonZeroU64) {
        let is_sampled = self.seen.is_multiple_of(sample.get());
        self.seen += 1;
        if !is_sampled {
            return;
        }
        let bytes = event.event.size();
        if self.events.len() >= EVENTS || (self.bytes + bytes > BYTES && !self.events.is_empty()) {
            self.dropped += 1;
            return;
        }
        self.bytes += bytes;
        self.events.push_back((std::mem::take(&mut self.dropped), event));
    }

    fn pop(&mut self) -> Option<Tailed> {
        let dropped = match self.events.front_mut() {
            Some((dropped, _)) => std::mem::take(dropped),
            None => std::mem::take(&mut self.dropped),
        };
        if dropped > 0 {
            return Some(Tailed::Dropped(dropped));
        }
        let (_, event) = self.events.pop_front()?;
        self.bytes -= event.event.size();
        Some(Tailed::Event(event))
    }
}

#[cfg(test)]
mod tests;
