//! The queue of events in front of the task of one shard, and the offsets of its names.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::fan_out::Matched;
use crate::name::EventName;
use crate::position::Position;

/// The queue of events in front of the task of one shard.
#[derive(Debug)]
pub(super) struct ShardQueue {
    /// Events are sent and kept while the lock is held, so that the order of the offsets is the order of the deliveries and of the
    /// history, also of undeclared names.
    offsets: Mutex<Offsets>,
    pub(super) sender: mpsc::Sender<Matched>,
    /// How many events were offered to all subscribers that they matched.
    pub(super) offered: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
pub(super) struct Offsets {
    /// The offset of the latest event of each declared name whose events no store keeps.
    pub(super) declared: HashMap<EventName, u64>,
    /// The position of the latest event that was offered, of each name whose events a store keeps.
    pub(super) stored: HashMap<EventName, Position>,
    /// How many events were sent to the task of the shard.
    pub(super) sent: u64,
}

impl ShardQueue {
    pub(super) fn new(sender: mpsc::Sender<Matched>, offered: Arc<AtomicU64>) -> Self {
        Self { offsets: Mutex::default(), sender, offered }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
