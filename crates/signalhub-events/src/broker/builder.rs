//! How a broker is built and started.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::Broker;
use super::core::{Core, IN_FLIGHT};
use super::fan_out::FanOut;
use super::fan_out_times::FanOutTimes;
use super::kept::Kept;
use super::latest::LatestEvents;
use super::shard_queue::ShardQueue;
use super::sharing::Incoming;
use super::tails::Tails;
use super::traced::FanOutTracer;
use super::undeclared::Undeclared;
use crate::catalogue::Catalogue;
use crate::idempotency::{IdempotencyLimits, Keys};
use crate::log::{History, SharedEvents};
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
    idempotency: IdempotencyLimits,
    tracer: Option<Arc<dyn FanOutTracer>>,
}

impl BrokerBuilder {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        let shards = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
        Self {
            catalogue,
            node: None,
            shards,
            shard_queue: 256,
            undeclared: 10_000,
            history: History::Off,
            idempotency: IdempotencyLimits::default(),
            tracer: None,
        }
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

    /// Sets how many publishes with [idempotency keys](crate::Idempotency) are remembered, and how long.
    #[must_use]
    pub fn idempotency(self, limits: IdempotencyLimits) -> Self {
        Self { idempotency: limits, ..self }
    }

    /// Sets what records the fan-outs of events whose trace is sampled; nothing by default.
    #[must_use]
    pub fn fan_out_tracer(self, tracer: Arc<dyn FanOutTracer>) -> Self {
        Self { tracer: Some(tracer), ..self }
    }

    /// Starts the broker. A store of its history must be open.
    ///
    /// # Panics
    /// Panics outside a tokio runtime, which its tasks need, and if the operating system gives no random bytes.
    #[must_use]
    pub fn build(self) -> Broker {
        let random = || getrandom::u64().expect("an operating system gives random bytes, or nothing here can work");
        let run = Epoch::new(random());
        let node = self.node.unwrap_or_else(|| format!("{:016x}", random())).into();
        let shards = Arc::new(Shards::new(self.shards));
        let (tails, times) = (Arc::<Tails>::default(), Arc::<FanOutTimes>::default());
        let start = |_| {
            let (sender, events) = mpsc::channel(self.shard_queue);
            let offered = Arc::<AtomicU64>::default();
            let observers = (Arc::clone(&tails), Arc::clone(&times));
            let fan_out = FanOut::new(Arc::clone(&shards), observers, events, Arc::clone(&offered));
            tokio::spawn(fan_out.traced_by(self.tracer.clone()).run());
            ShardQueue::new(sender, offered)
        };
        let queues = (0..self.shards).map(start).collect();
        let core = Arc::new(Core {
            node,
            run,
            serial: AtomicU64::new(1),
            catalogue: Arc::new(self.catalogue),
            undeclared: Mutex::new(Undeclared::new(self.undeclared)),
            payload_checks: RwLock::default(),
            observers: RwLock::default(),
            shards,
            published: AtomicU64::default(),
            matched: AtomicU64::default(),
            queues,
            times,
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT as usize)),
            keys: Keys::new(self.idempotency, Instant::now()),
            kept: Kept::new(self.history),
            latest: LatestEvents::default(),
            tails,
        });
        let weak = Arc::downgrade(&core);
        let events = SharedEvents::new(Arc::new(Incoming(weak.clone())));
        let reset = Box::new(move |names| {
            if let Some(core) = weak.upgrade() {
                core.reset(names);
            }
        });
        let opened = core.kept.open(reset, events);
        core.reset(opened.names);
        core.keys.restore(opened.publishes, Instant::now());
        Broker { core }
    }
}
