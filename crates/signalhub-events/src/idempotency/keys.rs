//! The publishes that a repeat is recognised by: those that are under way, and the latest of those that succeeded.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Fingerprint, Idempotency, IdempotencyKey, StoredPublish};
use crate::event::EventId;
use crate::position::{Epoch, Position};

/// How long and how many publishes with idempotency keys are remembered. Whichever limit is reached first holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdempotencyLimits {
    /// How long after a publish a repeat of it is recognised. Default: 10 minutes.
    pub window: Duration,
    /// How many publishes are remembered. Beyond that the oldest is forgotten early. Each takes about 100 bytes. Default: 100 000.
    pub keys: usize,
}

impl Default for IdempotencyLimits {
    fn default() -> Self {
        Self { window: Duration::from_secs(10 * 60), keys: 100_000 }
    }
}

/// What happened to publishes with idempotency keys, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct IdempotencyCounts {
    /// The repeats that published nothing.
    pub duplicates: u64,
    /// The publishes that were forgotten early because of [`IdempotencyLimits::keys`].
    pub evicted: u64,
}

/// Another publish has the same key, and other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the idempotency key was used for another event")]
pub(crate) struct KeyReused;

/// Tells repeats of publishes from first ones. Clones share what is remembered. It has no clock of its own.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Mutex<State>>);

/// What a publisher does next.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It publishes, because this is no repeat.
    First(Attempt),
    /// It publishes nothing: the event was published with this result.
    Repeat { id: EventId, position: Position },
}

/// The result of a publish.
type Outcome = (EventId, Position);

/// How many expired publishes are forgotten at once, so that no publisher waits for the removal of very many.
const FORGET_AT_ONCE: usize = 16;

struct State {
    limits: IdempotencyLimits,
    /// Expiry times are counted from here, in milliseconds, because an `Instant` takes twice the memory.
    start: Instant,
    under_way: HashMap<IdempotencyKey, UnderWay>,
    /// The latest publishes that succeeded, in the order in which they expire.
    published: VecDeque<Published>,
    /// Where in `published` the publish of a key is: its index, and how many were removed from the front so far.
    places: HashMap<IdempotencyKey, u64>,
    /// How many were removed from the front of `published`.
    removed: u64,
    counts: IdempotencyCounts,
}

struct UnderWay {
    fingerprint: Fingerprint,
    /// Tells repeats the outcome; none waits if there is no sender. It is dropped without a value if the publish fails.
    waiting: Option<watch::Sender<Option<Outcome>>>,
}

#[derive(Clone, Copy)]
struct Published {
    idempotency: Idempotency,
    outcome: Outcome,
    expires: u64,
}

/// A publish that is under way. Dropping it means that nothing was published: its key is forgotten, and a repeat that waits takes its
/// place.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// `None` when the publish has succeeded.
    keys: Option<Keys>,
    idempotency: Idempotency,
}

impl Keys {
    /// Remembers nothing yet.
    pub(crate) fn new(limits: IdempotencyLimits, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State {
            limits,
            start: now,
            under_way: HashMap::new(),
            published: VecDeque::new(),
            places: HashMap::new(),
            removed: 0,
            counts: IdempotencyCounts::default(),
        })))
    }

    /// Remembers publishes of an earlier process, the oldest first. It must be called before all publishes.
    pub(crate) fn restore(&self, publishes: Vec<StoredPublish>, now: Instant) {
        let mut state = self.lock();
        let now = state.millis(now);
        for publish in publishes {
            let left = state.limits.window.saturating_sub(publish.age);
            state.remember(publish.idempotency, (publish.id, publish.position), now, left);
        }
    }

    /// Tells whether a publish is a repeat. A repeat of one that is under way waits for its outcome, and if that fails takes its place;
    /// it is judged by the time at which it came.
    ///
    /// # Errors
    /// The key was used, or is being used, for a publish with other content.
    pub(crate) async fn begin(&self, idempotency: Idempotency, now: Instant) -> Result<Begun, KeyReused> {
        loop {
            let found = self.lock().look_up(idempotency, now)?;
            let mut outcome = match found {
                Found::New => return Ok(Begun::First(Attempt { keys: Some(self.clone()), idempotency })),
                Found::Published((id, position)) => return Ok(Begun::Repeat { id, position }),
                Found::UnderWay(outcome) => outcome,
            };
            let waited = outcome.wait_for(Option::is_some).await;
            if let Some((id, position)) = waited.ok().and_then(|outcome| *outcome) {
                self.lock().counts.duplicates += 1;
                return Ok(Begun::Repeat { id, position });
            }
        }
    }

    /// Continues behind a position of a new epoch, which replaces an earlier one. A publish whose event is lost is forgotten, so that a
    /// repeat publishes it again.
    pub(crate) fn begin_epoch(&self, earlier: Epoch, latest: Position) {
        let mut state = self.lock();
        for publish in &mut state.published {
            let position = &mut publish.outcome.1;
            if position.epoch() == earlier && position.offset() <= latest.offset() {
                *position = Position::new(latest.epoch(), position.offset());
            } else if position.epoch() == earlier {
                publish.expires = 0;
            }
        }
    }

    /// Counts a repeat of a publish at another node.
    pub(crate) fn count_duplicate(&self) {
        self.lock().counts.duplicates += 1;
    }

    /// Returns what happened so far.
    pub(crate) fn counts(&self) -> IdempotencyCounts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state half changed in a way that matters: at worst a key is forgotten early.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("limits", &self.lock().limits).finish_non_exhaustive()
    }
}

impl Attempt {
    /// Remembers the result of the publish, and tells it to the repeats that wait.
    pub(crate) fn published(mut self, id: EventId, position: Position, now: Instant) {
        let Some(keys) = self.keys.take() else { return };
        let mut state = keys.lock();
        let now = state.millis(now);
        let window = state.limits.window;
        state.remember(self.idempotency, (id, position), now, window);
        let under_way = state.under_way.remove(&self.idempotency.key);
        drop(state);
        if let Some(waiting) = under_way.and_then(|under_way| under_way.waiting) {
            waiting.send_replace(Some((id, position)));
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(keys) = self.keys.take() {
            keys.lock().under_way.remove(&self.idempotency.key);
        }
    }
}

/// What is known of a key whose content is the same.
enum Found {
    /// Nothing; from now on it is under way.
    New,
    Published(Outcome),
    UnderWay(watch::Receiver<Option<Outcome>>),
}

impl State {
    fn look_up(&mut self, Idempotency { key, fingerprint }: Idempotency, now: Instant) -> Result<Found, KeyReused> {
        let now = self.millis(now);
        self.forget_expired(now);
        let check = |known: Fingerprint| if known == fingerprint { Ok(()) } else { Err(KeyReused) };
        if let Some(under_way) = self.under_way.get_mut(&key) {
            check(under_way.fingerprint)?;
            let waiting = under_way.waiting.get_or_insert_with(|| watch::channel(None).0);
            return Ok(Found::UnderWay(waiting.subscribe()));
        }
        if let Some(published) = self.published(&key)
            && published.expires > now
        {
            check(published.idempotency.fingerprint)?;
            self.counts.duplicates += 1;
            return Ok(Found::Published(published.outcome));
        }
        self.under_way.insert(key, UnderWay { fingerprint, waiting: None });
        Ok(Found::New)
    }

    fn published(&self, key: &IdempotencyKey) -> Option<Published> {
        let place = *self.places.get(key)?;
        usize::try_from(place - self.removed).ok().and_then(|index| self.published.get(index)).copied()
    }

    /// Adds a publish behind all others, for `left` from `now` on.
    fn remember(&mut self, idempotency: Idempotency, outcome: Outcome, now: u64, left: Duration) {
        self.forget_expired(now);
        if self.limits.keys == 0 || left.is_zero() {
            return;
        }
        while self.published.len() >= self.limits.keys {
            let expired = self.published.front().is_some_and(|oldest| oldest.expires <= now);
            self.counts.evicted += u64::from(!expired);
            self.forget_oldest();
        }
        if self.published.len() == self.published.capacity() {
            // At most doubled, as usual, and never beyond the limit.
            let room = self.limits.keys - self.published.len();
            self.published.reserve_exact(self.published.len().max(64).min(room));
        }
        let expires = now.saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        self.places.insert(idempotency.key, self.removed + self.published.len() as u64);
        self.published.push_back(Published { idempotency, outcome, expires });
    }

    fn forget_expired(&mut self, now: u64) {
        for _ in 0..FORGET_AT_ONCE {
            if self.published.front().is_none_or(|oldest| oldest.expires > now) {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.published.pop_front() else { return };
        // A key that was used again after it was forgotten early has a later place.
        if self.places.get(&oldest.idempotency.key) == Some(&self.removed) {
            self.places.remove(&oldest.idempotency.key);
        }
        self.removed += 1;
        // What was needed for many keys once is not kept.
        if self.published.len() < self.published.capacity() / 4 {
            self.published.shrink_to(self.published.len() * 2);
            self.places.shrink_to(self.published.len() * 2);
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
