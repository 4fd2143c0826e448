//! How a broker is built and started.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::{Semaphore, mpsc};

use super::fan_out::FanOut;
use super::undeclared::Undeclared;
use super::{Broker, Core, IN_FLIGHT, ShardQueue};
use crate::catalogue::Catalogue;
use crate::log::{History, Recent};
use crate::position::Epoch;
use crate::shards::Shards;

/// Builds a [`Broker`].
#[derive(Debug, Clone)]
pub struct BrokerBuilder {
    catalogue: Catalogue,
    node: Option<String>,
    shards: usize,
    shard_queue: usize,
    undeclared: usize,
    history: History,
}

impl BrokerBuilder {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        let shards = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
        Self { catalogue, node: None, shards, shard_queue: 256, undeclared: 10_000, history: History::Off }
    }

    /// Sets the id of this node; random by default.
    #[must_use]
    pub fn node(self, node: impl Into<String>) -> Self {
        Self { node: Some(node.into()), ..self }
    }

    /// Sets the number of tasks that share the event names, at least one; by default one per processor, at most eight.
    #[must_use]
    pub fn shards(self, shards: usize) -> Self {
        Self { shards: shards.max(1), ..self }
    }

    /// Sets how many events may wait in a shard before publishers wait, at least one; 256 by default.
    #[must_use]
    pub fn shard_queue(self, events: usize) -> Self {
        Self { shard_queue: events.max(1), ..self }
    }

    /// Sets for how many undeclared events it counts positions, beside those with subscribers; 10 000 by default. Those that were
    /// not published for the longest time are forgotten. If they are published again, their positions continue behind those of all
    /// forgotten ones.
    #[must_use]
    pub fn undeclared_names(self, most: usize) -> Self {
        Self { undeclared: most, ..self }
    }

    /// Sets where events are kept for subscribers that have missed some; [`History::Off`] by default.
    #[must_use]
    pub fn history(self, history: History) -> Self {
        Self { history, ..self }
    }

    /// Starts the broker.
    ///
    /// # Panics
    /// Panics outside a tokio runtime, which its tasks need, and if the operating system gives no random bytes.
    #[must_use]
    pub fn build(self) -> Broker {
        let random = || getrandom::u64().expect("an operating system gives random bytes, or nothing here can work");
        let epoch = Epoch::new(random());
        let node = self.node.unwrap_or_else(|| format!("{:016x}", random())).into();
        let shards = Arc::new(Shards::new(self.shards));
        let start = |_| {
            let (sender, events) = mpsc::channel(self.shard_queue);
            let offered = Arc::<AtomicU64>::default();
            tokio::spawn(FanOut::new(Arc::clone(&shards), events, Arc::clone(&offered)).run());
            ShardQueue { offsets: Mutex::default(), sender, offered }
        };
        let queues = (0..self.shards).map(start).collect();
        let (catalogue, serial) = (Arc::new(self.catalogue), AtomicU64::new(1));
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        let (published, matched) = (AtomicU64::default(), AtomicU64::default());
        let (payload_checks, undeclared) = (RwLock::default(), Mutex::new(Undeclared::new(self.undeclared)));
        let core = Core {
            node,
            epoch,
            serial,
            catalogue,
            undeclared,
            payload_checks,
            observers: RwLock::default(),
            shards,
            published,
            matched,
            queues,
            in_flight,
            recent: match self.history {
                History::Off => None,
                History::Memory(limits) => Some(Mutex::new(Recent::new(limits))),
            },
        };
        Broker { core: Arc::new(core) }
    }
}
