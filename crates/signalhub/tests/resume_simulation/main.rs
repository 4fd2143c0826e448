//! `Subscribe` with `since` while connections are cut, events are trimmed and servers restart: many runs, each from a seed, with an
//! oracle that knows every event.
//!
//! Each subscriber gets the events that match, from its position on, each once and in order, or is told of a gap. A run that fails names
//! its seed; `SIGNALHUB_SEED` runs that one alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/seed.rs"]
mod seed;
mod subscriber;

use std::sync::Arc;

use seed::Seed;
use signalhub::connections::ConnectionHandler;
use signalhub::events::{
    Action, Broker, Event, EventName, History, HistoryLimits, Organisation, Position, ResourceName,
};
use signalhub::portos::broker::catalogue;
use signalhub::{Connection, Hub};
use subscriber::Subscriber;

const RUNS: u64 = 400;

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
    let seeds = match std::env::var("SIGNALHUB_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).expect("SIGNALHUB_SEED is a number"),
        Err(_) => 0..RUNS,
    };
    let alone = seeds.end - seeds.start == 1;
    let (mut replayed, mut gaps) = (0, 0);
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let run = std::panic::AssertUnwindSafe(|| runtime.block_on(check(seed)));
        match std::panic::catch_unwind(run) {
            Ok(run) => (replayed, gaps) = (replayed + run.0, gaps + run.1),
            Err(panic) => {
                eprintln!("the run of seed {seed} failed");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(alone || (replayed > RUNS && gaps > RUNS), "{replayed} replayed events and {gaps} gaps test little");
}
