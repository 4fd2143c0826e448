//! `Subscribe` with `since` while connections are cut, events are trimmed and servers restart: many runs, each from a seed, with an
//! oracle that knows every event. The events are kept in memory, or in a store that the seed lets write, fail and crash.
//!
//! Each subscriber gets the events that match, from its position on, each once and in order, or is told of a gap. A run that fails names
//! its seed; `SIGNALHUB_SEED` runs that one alone, and `SIGNALHUB_RUNS` says how many there are.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/seed.rs"]
mod seed;
mod stored;
mod subscriber;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use seed::Seed;
use signalhub::connections::ConnectionHandler;
use signalhub::events::{
    Action, Broker, Event, EventName, History, HistoryLimits, Organisation, Position, ResourceName,
};
use signalhub::portos::broker::catalogue;
use signalhub::{Connection, Hub};
use stored::Totals;
use subscriber::Subscriber;

const RUNS: u64 = 400;
const RUNS_WITH_A_STORE: u64 = 3_000;

/// How often something happens in one run.
const STEPS: usize = 250;

const EVENT: &str = "portos.resources.changed";
const RESOURCES: [&str; 3] = ["a", "b", "c"];

/// An event that was published.
struct Published {
    position: Position,
    resource: &'static str,
    organisation: Option<&'static str>,
}

struct Run {
    seed: Seed,
    history: HistoryLimits,
    broker: Broker,
    hub: Hub,
    published: Vec<Published>,
    subscribers: Vec<Subscriber>,
}

fn server(history: &HistoryLimits) -> (Broker, Hub) {
    let broker = Broker::builder(catalogue()).shards(1).history(History::Memory(history.clone())).build();
    let hub = Hub::builder().events(broker.clone()).configure(|options| options.maximum_replayed_events = 12).build();
    (broker, hub)
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut seed = Seed::new(seed);
        let mut history = HistoryLimits::default();
        history.each.events = 5 + seed.below(30);
        let (broker, hub) = server(&history);
        let subscribers = (0..4).map(|_| Subscriber::new(&mut seed)).collect();
        Self { seed, history, broker, hub, published: Vec::new(), subscribers }
    }

    async fn step(&mut self) {
        let number = self.seed.below(self.subscribers.len() as u64) as usize;
        match self.seed.below(40) {
            0..16 => {
                for _ in 0..=self.seed.below(3) {
                    self.publish().await;
                }
            }
            16..26 => self.subscribers[number].take_some(self.seed.below(5), &self.published),
            26..31 => self.connect(number),
            31..36 => self.subscribers[number].cut(),
            36..39 => self.subscribers[number].unsubscribe(),
            _ if self.seed.below(4) == 0 => {
                self.subscribers.iter_mut().for_each(Subscriber::cut);
                (self.broker, self.hub) = server(&self.history);
            }
            _ => {}
        }
        for _ in 0..self.seed.below(8) {
            tokio::task::yield_now().await;
        }
    }

    async fn publish(&mut self) {
        let resource = RESOURCES[self.seed.below(3) as usize];
        let organisation = (self.seed.below(3) == 0).then_some("acme");
        // With a few long payloads, a replay waits for its subscriber, and is overtaken by other events.
        let length = if self.seed.below(4) == 0 { 30_000 } else { 0 };
        let payload = format!("{{\"x\":\"{}\"}}", "x".repeat(length));
        let mut event = Event::new(EventName::new(EVENT), payload)
            .with_resource(ResourceName::new(resource))
            .with_action(Action::Created);
        event.organisation = organisation.map(Organisation::new);
        let position = self.broker.publish(event).await.unwrap().position;
        self.published.push(Published { position, resource, organisation });
    }

    /// Connects a subscriber that has no connection, and subscribes from its position on.
    fn connect(&mut self, number: usize) {
        let subscriber = &mut self.subscribers[number];
        if !subscriber.is_connected() {
            let (connection, peer) = Connection::pair(subscriber.identity());
            tokio::spawn(Arc::new(self.hub.clone()).handle(connection));
            subscriber.connect(peer);
        }
        subscriber.subscribe();
    }

    /// Lets every subscriber get what it has missed, and compares that with what was published.
    async fn settle(&mut self) {
        for number in 0..self.subscribers.len() {
            self.connect(number);
        }
        for _ in 0..20 {
            for _ in 0..40 {
                tokio::task::yield_now().await;
            }
            for subscriber in &mut self.subscribers {
                subscriber.take_some(u64::MAX, &self.published);
            }
        }
        let top = self.broker.bounds(&EventName::new(EVENT)).position();
        for subscriber in &self.subscribers {
            subscriber.assert_complete(top, &self.published);
        }
    }
}

async fn check(seed: u64) -> (u64, u64) {
    let mut run = Run::new(seed);
    for _ in 0..STEPS {
        run.step().await;
    }
    run.settle().await;
    run.subscribers.iter().fold((0, 0), |(events, gaps), each| (events + each.replayed, gaps + each.gaps))
}

#[test]
fn every_event_comes_once_in_order_or_a_gap_is_told() {
    let runs = Runs::new(RUNS);
    let (replayed, gaps) = runs.all(check).into_iter().fold((0, 0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
    assert!(
        runs.are_few() || (replayed > RUNS && gaps > RUNS),
        "{replayed} replayed events and {gaps} gaps test little"
    );
}

#[test]
fn nothing_is_lost_or_doubled_whatever_happens_to_the_store_and_its_process() {
    let runs = Runs::new(RUNS_WITH_A_STORE);
    let mut totals = Totals::default();
    runs.all(stored::check).into_iter().for_each(|run| totals += run);
    println!("simulation of histories: {}", totals.line());
    assert!(runs.are_few() || totals.are_enough(), "{totals:?} test little");
}

/// Which seeds are run.
struct Runs(Range<u64>);

impl Runs {
    /// The first seeds: as many as `SIGNALHUB_RUNS` says, or else `usual` ones. With `SIGNALHUB_SEED`, that one alone.
    fn new(usual: u64) -> Self {
        let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("it is a number"));
        Self(match number("SIGNALHUB_SEED") {
            Some(seed) => seed..seed + 1,
            None => 0..number("SIGNALHUB_RUNS").unwrap_or(usual),
        })
    }

    /// Whether there are too few of them to judge them together.
    fn are_few(&self) -> bool {
        self.0.end - self.0.start < 100
    }

    /// Runs all of them, on two threads.
    fn all<T: Send, F: Future<Output = T>>(&self, check: impl Fn(u64) -> F + Sync) -> Vec<T> {
        let (next, failed) = (AtomicU64::new(self.0.start), AtomicBool::new(false));
        let some = || {
            let mut results = Vec::new();
            while let seed = next.fetch_add(1, Ordering::Relaxed)
                && seed < self.0.end
                && !failed.load(Ordering::Relaxed)
            {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
                let run = std::panic::AssertUnwindSafe(|| runtime.block_on(check(seed)));
                match std::panic::catch_unwind(run) {
                    Ok(result) => results.push(result),
                    Err(panic) => {
                        failed.store(true, Ordering::Relaxed);
                        eprintln!("the run of seed {seed} failed");
                        std::panic::resume_unwind(panic);
                    }
                }
            }
            results
        };
        let mut results = Vec::new();
        std::thread::scope(|scope| {
            let threads = [scope.spawn(some), scope.spawn(some)];
            threads.into_iter().for_each(|thread| results.extend(thread.join().expect("no run failed")));
        });
        results
    }
}
