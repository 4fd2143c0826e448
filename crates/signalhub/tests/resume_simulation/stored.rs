//! Runs with a store: events are written when the seed says so, the process crashes, the power fails, and epochs change.

mod ledger;
mod publishers;
mod stepped_log;
mod subscriber;

use std::ops::AddAssign;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signalhub::connections::ConnectionHandler;
use signalhub::events::{
    Broker, Delivery, EventName, Filter, Grants, History, LogUnavailable, Offered, Organisation, Position, Scope,
    Subscriptions,
};
use signalhub::portos::broker::catalogue;
use signalhub::{Connection, Hub};

use self::publishers::Publishers;
use self::stepped_log::{Disk, SteppedLog};
use self::subscriber::Subscriber;
use crate::EVENT;
use crate::seed::Seed;

/// How often something happens in one run.
const STEPS: usize = 90;

/// How many matching events one replay may send.
const MATCHING: usize = 12;

/// How many subscribers a crowd has: more than the broker serves before other tasks get their turn.
const CROWD: usize = 130;

/// What happened in runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) runs: u64,
    /// The events that a subscriber had to get.
    pub(crate) owed: u64,
    pub(crate) delivered: u64,
    pub(crate) replayed: u64,
    pub(crate) gaps: u64,
    /// How often `OnPosition` was sent.
    pub(crate) positions: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) crashes: u64,
    pub(crate) epochs: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        let pairs = [
            (&mut self.runs, other.runs),
            (&mut self.owed, other.owed),
            (&mut self.delivered, other.delivered),
            (&mut self.replayed, other.replayed),
            (&mut self.gaps, other.gaps),
            (&mut self.positions, other.positions),
            (&mut self.lost, other.lost),
            (&mut self.doubled, other.doubled),
            (&mut self.crashes, other.crashes),
            (&mut self.epochs, other.epochs),
        ];
        pairs.into_iter().for_each(|(total, more)| *total += more);
    }
}

impl Totals {
    /// One line, which reports read.
    pub(crate) fn line(&self) -> String {
        let Self { runs, owed, delivered, replayed, gaps, positions, lost, doubled, crashes, epochs } = self;
        format!(
            "runs={runs} crashes={crashes} epochs={epochs} owed={owed} delivered={delivered} replayed={replayed} \
             gaps={gaps} positions={positions} lost={lost} doubled={doubled}"
        )
    }

    /// Whether everything happens in many runs.
    pub(crate) fn are_enough(&self) -> bool {
        let Self { runs, owed, delivered: _, replayed, gaps, positions, lost: _, doubled: _, crashes, epochs } = self;
        [owed, replayed, gaps, positions, crashes, epochs].into_iter().all(|total| *total > *runs / 2)
    }
}

/// A subscriber of the broker that sees every event at the moment at which it is offered.
struct Witness {
    disk: Arc<Mutex<Disk>>,
    latest: Mutex<Option<Position>>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl signalhub::events::Subscriber for Witness {
    fn offer(&self, delivery: &Delivery) -> Offered {
        let (position, ledger) = (delivery.position(), &self.disk.lock().unwrap().ledger);
        let fail = |failure| self.failures.lock().unwrap().push(failure);
        if !ledger.shown(position).is_some_and(|entry| Arc::ptr_eq(&entry.event, delivery.event())) {
            fail(format!("{position} was offered before it was written"));
        }
        let latest = self.latest.lock().unwrap().replace(position);
        let expected = latest.and_then(|latest| ledger.next_live(latest, |event| event.expires.is_none()));
        if latest.is_some() && expected != Some(position) {
            fail(format!("{position} was offered after {latest:?}"));
        }
        Offered::Accepted
    }
}

/// One process.
struct Server {
    log: Arc<SteppedLog>,
    broker: Broker,
    hub: Hub,
    _witnesses: Vec<Subscriptions>,
}

struct Run {
    seed: Seed,
    disk: Arc<Mutex<Disk>>,
    server: Server,
    witnesses: usize,
    failures: Arc<Mutex<Vec<String>>>,
    publishers: Publishers,
    subscribers: Vec<Subscriber>,
    /// How long some of the payloads are. With long ones, a replay waits for its subscriber, and is overtaken by other events.
    length: usize,
    totals: Totals,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut seed = Seed::new(seed);
        let (disk, failures) = (Disk::new(), Arc::default());
        let witnesses = if seed.below(10) == 0 { CROWD } else { 1 };
        let length = if seed.below(8) == 0 { 30_000 } else { 0 };
        let server = start(&disk, &failures, witnesses, &mut seed);
        let subscribers = (0..3).map(|_| Subscriber::new(&mut seed)).collect();
        let (publishers, totals) = (Publishers::default(), Totals { runs: 1, ..Totals::default() });
        Self { seed, disk, server, witnesses, failures, publishers, subscribers, length, totals }
    }

    async fn step(&mut self) {
        let number = self.seed.below(self.subscribers.len() as u64) as usize;
        match self.seed.below(100) {
            0..22 => {
                for _ in 0..=self.seed.below(4) {
                    let length = if self.seed.below(4) == 0 { self.length } else { 0 };
                    self.publishers.publish(&self.server.broker, &mut self.seed, length);
                }
            }
            22..26 => self.publishers.repeat(&self.server.broker, &mut self.seed),
            26..28 => self.publishers.leave(&mut self.seed),
            28..42 => self.server.log.write(1 + self.seed.below(5)),
            42..56 => self.server.log.tell(1 + self.seed.below(6)),
            56..58 => self.server.log.fail(1 + self.seed.below(3)),
            58..60 => self.server.log.sync_now(),
            60..62 => self.server.log.trim(self.seed.below(12)),
            62..70 => self.server.log.end_reads(Ok(())),
            70 => self.server.log.end_reads(Err(LogUnavailable)),
            71 => self.server.log.toggle_refusal(),
            72..80 => self.subscribers[number].take_some(self.seed.below(6), &self.disk.lock().unwrap()),
            80..88 => self.connect(number),
            88..92 => self.subscribers[number].cut(),
            92..96 => self.tick().await,
            96 => {
                self.server.log.reset();
                self.totals.epochs += 1;
            }
            97 | 98 => self.crash(),
            _ if self.seed.below(2) == 0 => self.cut_power(),
            _ => {}
        }
        for _ in 0..self.seed.below(6) {
            tokio::task::yield_now().await;
        }
        self.publishers.collect(&self.disk);
        assert_eq!(self.failures.lock().unwrap().first(), None);
    }

    /// Connects a subscriber that has no connection, and subscribes from its position on.
    fn connect(&mut self, number: usize) {
        let subscriber = &mut self.subscribers[number];
        if subscriber.peer.is_none() {
            let (connection, peer) = Connection::pair(subscriber.identity());
            tokio::spawn(Arc::new(self.server.hub.clone()).handle(connection));
            subscriber.connect(peer);
        }
        subscriber.subscribe();
    }

    /// Lets all connections be pinged, or be told their positions.
    async fn tick(&mut self) {
        tokio::time::advance(Duration::from_millis(11)).await;
        for peer in self.subscribers.iter().filter_map(|subscriber| subscriber.peer.as_ref()) {
            peer.tick();
        }
    }

    /// Ends the process: what it has not written is lost.
    fn crash(&mut self) {
        self.totals.crashes += 1;
        self.publishers.on_crash(&self.disk);
        self.subscribers.iter_mut().for_each(Subscriber::cut);
        self.server = start(&self.disk, &self.failures, self.witnesses, &mut self.seed);
    }

    /// Ends the process and the machine: some of what is not synced is lost.
    fn cut_power(&mut self) {
        self.publishers.on_crash(&self.disk);
        self.disk.lock().unwrap().lose(&mut self.seed);
        self.totals.epochs += 1;
        self.crash();
    }

    /// Lets every publisher and every subscriber get what it waits for, and compares that with what was published.
    async fn settle(&mut self) {
        for number in 0..self.subscribers.len() {
            self.connect(number);
        }
        let mut quiet_rounds = 0;
        for _ in 0..100 {
            self.publishers.repeat(&self.server.broker, &mut self.seed);
            self.server.log.settle();
            for _ in 0..12 {
                tokio::task::yield_now().await;
            }
            self.publishers.collect(&self.disk);
            self.tick().await;
            let disk = self.disk.lock().unwrap();
            self.subscribers.iter_mut().for_each(|subscriber| subscriber.take_some(u64::MAX, &disk));
            quiet_rounds = if self.publishers.are_waiting() { 0 } else { quiet_rounds + 1 };
            if quiet_rounds == 12 {
                break;
            }
        }
        assert!(!self.publishers.are_waiting(), "a publisher gets no answer");
        assert_eq!(self.failures.lock().unwrap().first(), None);
        let top = self.server.broker.bounds(&EventName::new(EVENT)).position();
        let disk = self.disk.lock().unwrap();
        assert_eq!(top, disk.ledger.top());
        self.publishers.assert_complete(&disk);
        for subscriber in &self.subscribers {
            self.totals += subscriber.assert_complete(&disk);
        }
    }
}

fn start(disk: &Arc<Mutex<Disk>>, failures: &Arc<Mutex<Vec<String>>>, witnesses: usize, seed: &mut Seed) -> Server {
    let log = SteppedLog::open(disk, Seed::new(seed.below(u64::MAX)));
    let broker = Broker::builder(catalogue()).shards(1).history(History::Log(log.clone())).build();
    let options = |options: &mut signalhub::HubOptions| {
        options.maximum_replayed_events = MATCHING;
        options.keep_alive_interval = Duration::from_millis(10);
    };
    let hub = Hub::builder().events(broker.clone()).configure(options).build();
    let attach = |_| {
        let witness = Witness { disk: disk.clone(), latest: Mutex::default(), failures: failures.clone() };
        let mut subscriptions =
            broker.attach(Arc::new(witness), Scope::new(Some(Organisation::new("acme")), Grants::All));
        subscriptions.add(&Filter::new(EventName::new(EVENT))).unwrap();
        subscriptions
    };
    let witnesses = (0..witnesses).map(attach).collect();
    Server { log, broker, hub, _witnesses: witnesses }
}

pub(crate) async fn check(seed: u64) -> Totals {
    let mut run = Run::new(seed);
    for _ in 0..STEPS {
        run.step().await;
    }
    run.settle().await;
    run.totals
}
