//! Which channels a server listens on at one Redis server, and which it should.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

/// How many channels one command names at most.
const MOST_IN_A_BATCH: usize = 1_000;

/// The channels that are wanted, and what Redis has confirmed. Changes are made by batches: one command is under way at a time, and
/// names all channels that were changed meanwhile.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    table: Mutex<Table>,
    /// Wakes the task that sends the batches.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    channels: HashMap<Arc<str>, Channel>,
    /// Channels whose state may differ from what is wanted, the one that was changed first in front.
    changed: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Channel {
    is_wanted: bool,
    state: State,
    /// It was confirmed since it is wanted. A lost connection does not change that.
    was_confirmed: bool,
    waiters: Vec<oneshot::Sender<()>>,
}

/// What this connection to Redis has confirmed of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    Subscribing,
    On,
    Unsubscribing,
}

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Batch {
    Subscribe(Vec<Arc<str>>),
    Unsubscribe(Vec<Arc<str>>),
}

/// Ends when a change is confirmed; `None` if there is nothing to wait for.
pub(super) type Confirmed = Option<oneshot::Receiver<()>>;

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants a channel.
    pub(super) fn join(&self, name: &str) -> Confirmed {
        let mut table = self.lock();
        let channel = match table.channels.get_mut(name) {
            Some(channel) => channel,
            None => {
                let off = Channel { is_wanted: false, state: State::Off, was_confirmed: false, waiters: Vec::new() };
                table.channels.entry(name.into()).or_insert(off)
            }
        };
        let was_wanted = std::mem::replace(&mut channel.is_wanted, true);
        if channel.was_confirmed {
            return None;
        }
        let confirmed = channel.wait();
        if !was_wanted {
            table.changed.push_back(name.into());
            drop(table);
            self.changed.notify_one();
        }
        Some(confirmed)
    }

    /// Wants a channel no longer.
    pub(super) fn leave(&self, name: &str) -> Confirmed {
        let mut table = self.lock();
        let Place::Occupied(mut place) = table.channels.entry(name.into()) else { return None };
        let channel = place.get_mut();
        channel.is_wanted = false;
        channel.was_confirmed = false;
        if channel.state == State::Off {
            place.remove();
            return None;
        }
        let confirmed = channel.wait();
        table.changed.push_back(name.into());
        drop(table);
        self.changed.notify_one();
        Some(confirmed)
    }

    /// The next command to send, if something is to be changed.
    pub(super) fn next_batch(&self) -> Option<Batch> {
        let mut table = self.lock();
        let Table { channels, changed } = &mut *table;
        let mut batch: Option<Batch> = None;
        while let Some(name) = changed.pop_front() {
            let Some(channel) = channels.get_mut(&name) else { continue };
            match (channel.is_wanted, channel.state, &mut batch) {
                (true, State::Off, None) => {
                    channel.state = State::Subscribing;
                    batch = Some(Batch::Subscribe(vec![name]));
                }
                (true, State::Off, Some(Batch::Subscribe(names))) if names.len() < MOST_IN_A_BATCH => {
                    channel.state = State::Subscribing;
                    names.push(name);
                }
                (false, State::On, None) => {
                    channel.state = State::Unsubscribing;
                    batch = Some(Batch::Unsubscribe(vec![name]));
                }
                (false, State::On, Some(Batch::Unsubscribe(names))) if names.len() < MOST_IN_A_BATCH => {
                    channel.state = State::Unsubscribing;
                    names.push(name);
                }
                (true, State::Off, Some(_)) | (false, State::On, Some(_)) => {
                    changed.push_front(name);
                    break;
                }
                // It was left and joined again before a command was sent.
                (true, State::On, _) => {
                    channel.was_confirmed = true;
                    channel.settle();
                }
                // It will be looked at when the command under way is confirmed.
                (_, State::Subscribing | State::Unsubscribing, _) | (false, State::Off, _) => {}
            }
        }
        batch
    }

    /// Redis has confirmed a command.
    pub(super) fn confirm(&self, batch: &Batch) {
        let (Batch::Subscribe(names) | Batch::Unsubscribe(names)) = batch;
        let mut table = self.lock();
        let Table { channels, changed } = &mut *table;
        for name in names {
            let Some(channel) = channels.get_mut(name) else { continue };
            channel.state = match batch {
                Batch::Subscribe(_) => State::On,
                Batch::Unsubscribe(_) => State::Off,
            };
            match (channel.is_wanted, channel.state) {
                (true, State::On) => {
                    channel.was_confirmed = true;
                    channel.settle();
                }
                (false, State::Off) => {
                    // Dropping the waiters wakes them.
                    channels.remove(name);
                }
                _ => changed.push_back(Arc::clone(name)),
            }
        }
    }

    /// The connection is lost: what is wanted has to be subscribed again on the next one, and what was left is gone with it.
    pub(super) fn lost(&self) {
        let mut table = self.lock();
        table.channels.retain(|_, channel| channel.is_wanted);
        for channel in table.channels.values_mut() {
            channel.state = State::Off;
        }
        table.changed = table.channels.keys().cloned().collect();
    }

    /// Waits until something may have been changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Channel {
    fn wait(&mut self) -> oneshot::Receiver<()> {
        // Waits that were given up during an outage must not pile up.
        self.waiters.retain(|waiter| !waiter.is_closed());
        let (waiter, confirmed) = oneshot::channel();
        self.waiters.push(waiter);
        confirmed
    }

    fn settle(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            let _ = waiter.send(());
        }
    }
}

#[cfg(test)]
mod tests;
