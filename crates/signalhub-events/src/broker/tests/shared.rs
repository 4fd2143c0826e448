//! Brokers that share their events.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use tokio::time::Instant;

use super::*;
use crate::{
    Arrival, Arrived, Bounds, BrokerClosed, Epoch, EventId, Fingerprint, Gap, GapReason, History, Idempotency,
    IdempotencyKey, LogCounts, LogFuture, LogUnavailable, Missed, Opened, Reach, ReadRange, Repeat, SharedEvents,
    SharedLog, SharedPublish, SharedPublishError, SharedPublished, TailFilter, Tailed, Told,
};

type Written = Result<SharedPublished, SharedPublishError>;

/// A shared log whose test answers the publishes.
#[derive(Debug, Default)]
struct Stub {
    events: Mutex<Option<SharedEvents>>,
    published: Mutex<Vec<(Arc<Event>, tokio::sync::oneshot::Sender<Written>)>>,
    /// How often the broker has said that something waits for events.
    awaited: AtomicUsize,
    is_replicated: AtomicBool,
}

impl SharedLog for Stub {
    fn open(&self, events: SharedEvents) -> Opened {
        *self.events.lock().unwrap() = Some(events);
        let mut opened = Opened::empty();
        opened.names.push((changed().name, at(1, 40)));
        opened
    }

    fn publish(&self, publish: SharedPublish) -> LogFuture<'_, Written> {
        let (sender, answer) = tokio::sync::oneshot::channel();
        self.published.lock().unwrap().push((publish.event, sender));
        Box::pin(async { answer.await.unwrap() })
    }

    fn is_awaited(&self, _: &EventName) {
        self.awaited.fetch_add(1, Ordering::Relaxed);
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn bounds(&self, _: &EventName) -> Option<Bounds> {
        Some(Bounds { epoch: Epoch::new(1), first: Some(31), top: 99 })
    }

    fn first_epoch(&self, _: &EventName) -> Epoch {
        Epoch::new(1)
    }

    fn read(&self, _: ReadRange) -> LogFuture<'_, Result<Page, LogUnavailable>> {
        Box::pin(async { Err(LogUnavailable) })
    }

    fn sync(&self) -> LogFuture<'_, Result<(), LogUnavailable>> {
        Box::pin(async { Ok(()) })
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn tells_of_replicas(&self) -> bool {
        self.is_replicated.load(Ordering::Relaxed)
    }

    fn counts(&self) -> LogCounts {
        LogCounts::default()
    }
}

impl Stub {
    /// Waits for a publish, and returns its event and what answers it.
    async fn taken(&self) -> (Arc<Event>, tokio::sync::oneshot::Sender<Written>) {
        loop {
            if let Some(taken) = self.published.lock().unwrap().pop() {
                return taken;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn bring(&self, event: impl Into<Arc<Event>>, position: Position) -> Arrived {
        let events = self.events.lock().unwrap().clone().unwrap();
        events.arrived(Arrival::new(event.into(), position)).await.unwrap()
    }

    async fn miss(&self, from: Position, now: Position, reason: GapReason) {
        let events = self.events.lock().unwrap().clone().unwrap();
        events.missed(Missed::new(changed().name, from, now, reason)).await.unwrap();
    }
}

fn at(epoch: u64, offset: u64) -> Position {
    Position::new(Epoch::new(epoch), offset)
}

fn foreign() -> Event {
    Event { id: Some(EventId::new(Epoch::new(77), 1)), node: Some("other".into()), ..changed() }
}

fn shared() -> (Arc<Stub>, Broker) {
    let stub = Arc::<Stub>::default();
    let broker = Broker::builder(shop()).shards(1).shard_queue(1).history(History::Shared(stub.clone())).build();
    (stub, broker)
}

type Publishing = tokio::task::JoinHandle<Result<Receipt, PublishError>>;

fn publish(broker: &Broker, options: PublishOptions) -> Publishing {
    let broker = broker.clone();
    tokio::spawn(async move { broker.publish_with(changed(), options).await.map(|published| published.receipt) })
}

fn keyed(fingerprint: u64) -> PublishOptions {
    let (key, fingerprint) = (IdempotencyKey::new([7; 16]), Fingerprint::new(fingerprint));
    PublishOptions { idempotency: Some(Idempotency { key, fingerprint }), ..PublishOptions::default() }
}

#[tokio::test]
async fn an_event_is_offered_when_it_comes_back_from_the_store() {
    let (stub, broker) = shared();
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let publishing = publish(&broker, PublishOptions::default());
    let (event, answer) = stub.taken().await;
    stub.bring(foreign(), at(1, 41)).await;
    answer.send(Ok(SharedPublished::at(at(1, 42)))).unwrap();
    assert_eq!(received.recv().await.unwrap().1, 41);
    tokio::task::yield_now().await;
    assert!(received.try_recv().is_err() && !publishing.is_finished(), "it has not come back");
    stub.bring(event, at(1, 42)).await;
    let receipt = publishing.await.unwrap().unwrap();
    assert_eq!((receipt.position, receipt.matched, receipt.repeat), (at(1, 42), 1, Repeat::No));
    assert_eq!(received.recv().await.unwrap().1, 42);
    assert_eq!((broker.published_count(), broker.matched_count()), (1, 2), "the other one was published elsewhere");
}

#[tokio::test]
async fn a_publish_ends_when_its_event_comes_back_unless_it_asks_for_what_only_the_answer_tells() {
    let (stub, broker) = shared();
    let publishing = publish(&broker, PublishOptions::default());
    let (event, _answer) = stub.taken().await;
    stub.bring(event, at(1, 41)).await;
    assert_eq!(publishing.await.unwrap().unwrap().position, at(1, 41), "without the answer");
    let reach = PublishOptions { reach: Reach::Cluster(Duration::from_secs(1)), ..PublishOptions::default() };
    for (offset, is_replicated, options) in
        [(42, true, PublishOptions::default()), (43, false, keyed(1)), (44, false, reach)]
    {
        stub.is_replicated.store(is_replicated, Ordering::Relaxed);
        let publishing = publish(&broker, options);
        let (event, answer) = stub.taken().await;
        stub.bring(event, at(1, offset)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!publishing.is_finished(), "{offset}");
        answer.send(Ok(SharedPublished::at(at(1, offset)))).unwrap();
        assert_eq!(publishing.await.unwrap().unwrap().position, at(1, offset));
    }
}

#[tokio::test]
async fn events_that_no_subscriber_wants_hold_up_neither_the_reader_nor_a_gap() {
    let (stub, broker) = shared();
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[]);
    // The queue of the shard has room for one, and its task does not run meanwhile.
    for offset in 41..50 {
        assert_eq!(stub.bring(foreign(), at(1, offset)).now_or_never().unwrap().matched, 0);
    }
    let gap = stub.miss(at(1, 49), at(1, 60), GapReason::Trimmed);
    tokio::time::timeout(Duration::from_secs(5), gap).await.expect("nothing is to be offered before");
    assert_eq!(broker.bounds(&changed().name).top, 60);
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn events_of_other_nodes_are_observed_kept_and_tailed() {
    let (stub, broker) = shared();
    let seen = Arc::new(Mutex::new(0));
    let observed = Arc::clone(&seen);
    broker.observe(changed().name, move |_| *observed.lock().unwrap() += 1);
    let mut tail = broker.tail(TailFilter::default()).unwrap();
    assert_eq!(stub.bring(foreign(), at(1, 41)).await.matched, 0);
    assert_eq!(*seen.lock().unwrap(), 1);
    assert_eq!(broker.bounds(&changed().name), Bounds { epoch: Epoch::new(1), first: Some(31), top: 41 });
    let page = broker.read(&changed().name, at(1, 40), 10).await.unwrap();
    assert_eq!((page.events[0].0, page.events[0].1.node.as_deref()), (41, Some("other")));
    let Tailed::Event(tailed) = tail.next().await else { panic!("an event") };
    assert_eq!((tailed.position, broker.latest_events().len()), (at(1, 41), 1));
}

#[tokio::test]
async fn a_reader_waits_while_the_queue_of_its_shard_is_full() {
    let (stub, broker) = shared();
    let (_subscriptions, _received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    stub.bring(foreign(), at(1, 41)).await;
    let mut second = std::pin::pin!(stub.bring(foreign(), at(1, 42)));
    let waits = second.as_mut().now_or_never().is_none();
    assert!(waits && broker.bounds(&changed().name).top == 41);
    second.await;
    assert_eq!(broker.bounds(&changed().name).top, 42);
}

#[tokio::test]
async fn publishers_that_wait_for_the_store_leave_room_for_what_it_brings() {
    let (stub, broker) = shared();
    let publishers: Vec<_> = (0..3).map(|_| publish(&broker, PublishOptions::default())).collect();
    let mut taken = Vec::new();
    for offset in 43..46 {
        let (event, answer) = stub.taken().await;
        answer.send(Ok(SharedPublished::at(at(1, offset)))).unwrap();
        taken.push((event, offset));
    }
    stub.bring(foreign(), at(1, 41)).await;
    stub.bring(foreign(), at(1, 42)).await;
    for (event, offset) in taken {
        stub.bring(event, at(1, offset)).await;
    }
    for publishing in publishers {
        assert!(publishing.await.unwrap().unwrap().position.offset() > 42);
    }
}

#[tokio::test]
async fn a_publish_whose_answer_is_lost_succeeds_if_its_event_has_come_back() {
    let (stub, broker) = shared();
    let publishing = publish(&broker, PublishOptions::default());
    let (event, answer) = stub.taken().await;
    stub.bring(event, at(1, 41)).await;
    answer.send(Err(SharedPublishError::Unknown)).unwrap();
    assert_eq!(publishing.await.unwrap().unwrap().position, at(1, 41));
    let publishing = publish(&broker, PublishOptions::default());
    let (_, answer) = stub.taken().await;
    answer.send(Err(SharedPublishError::Unknown)).unwrap();
    assert_eq!(publishing.await.unwrap().unwrap_err(), PublishError::Shared(SharedPublishError::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_publish_whose_event_does_not_come_back_in_time_has_matched_nothing() {
    let (stub, broker) = shared();
    let publishing = publish(&broker, PublishOptions::default());
    let (_, answer) = stub.taken().await;
    answer.send(Ok(SharedPublished::at(at(1, 41)))).unwrap();
    let receipt = publishing.await.unwrap().unwrap();
    assert_eq!((receipt.position, receipt.matched), (at(1, 41), 0));
}

#[tokio::test]
async fn a_repeat_of_a_publish_at_another_node_has_its_result() {
    let (stub, broker) = shared();
    let first = EventId::new(Epoch::new(77), 5);
    for (fingerprint, is_repeat) in [(2, false), (1, true)] {
        let publishing = publish(&broker, keyed(1));
        let (_, answer) = stub.taken().await;
        let repeat_of = Some((first, Fingerprint::new(fingerprint)));
        answer.send(Ok(SharedPublished { repeat_of, ..SharedPublished::at(at(1, 12)) })).unwrap();
        let result = publishing.await.unwrap();
        if is_repeat {
            let receipt = result.unwrap();
            assert_eq!((receipt.id, receipt.position, receipt.repeat), (first, at(1, 12), Repeat::Yes));
        } else {
            assert_eq!(result.unwrap_err(), PublishError::KeyReused);
        }
    }
    let again = publish(&broker, keyed(1)).await.unwrap().unwrap();
    assert_eq!((again.id, broker.idempotency_counts().duplicates), (first, 2), "it is remembered here, too");
}

/// What a subscriber gets.
#[derive(Debug, PartialEq)]
enum Got {
    Event(u64),
    Gap(Gap),
}

struct WithGaps(mpsc::Sender<Got>);

impl Subscriber for WithGaps {
    fn offer(&self, delivery: &Delivery) -> Offered {
        self.0.try_send(Got::Event(delivery.position().offset())).unwrap();
        Offered::Accepted
    }

    fn missed(&self, missed: &Missed) -> Told {
        self.0.try_send(Got::Gap(missed.gap())).unwrap();
        Told::Yes
    }
}

#[tokio::test]
async fn a_gap_is_told_between_the_events_before_and_behind_it() {
    let (stub, broker) = shared();
    let (sender, mut got) = channel(100);
    let mut told = broker.attach(WithGaps(sender), Scope::unrestricted());
    told.add(&all()).unwrap();
    let (_untold, _received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let (_other, _received) = subscribe(&broker, Scope::unrestricted(), &[Filter::new(licence().name)]);
    stub.bring(foreign(), at(1, 41)).await;
    stub.miss(at(1, 41), at(2, 0), GapReason::Epoch).await;
    assert_eq!(broker.bounds(&changed().name).position(), at(2, 0));
    assert_eq!(broker.read(&changed().name, at(1, 40), 10).await, Err(LogUnavailable));
    stub.bring(foreign(), at(2, 1)).await;
    let gap = Gap { from: at(1, 41), first: Some(at(2, 1)), reason: GapReason::Epoch };
    let expected = [Got::Event(41), Got::Gap(gap), Got::Event(1)];
    for expected in expected {
        assert_eq!(got.recv().await.unwrap(), expected);
    }
    let counts = broker.missed_counts();
    assert_eq!((counts.gaps, counts.told, counts.untold), (1, 1, 1));
}

#[tokio::test]
async fn a_name_that_another_node_begins_has_the_positions_of_the_store() {
    let (stub, broker) = shared();
    let name = licence().name;
    assert_eq!(broker.bounds(&name), Bounds { epoch: Epoch::new(1), first: Some(1), top: 0 });
    let events = stub.events.lock().unwrap().clone().unwrap();
    events.begun(name.clone(), at(9, 0)).unwrap();
    assert_eq!(broker.bounds(&name).position(), at(9, 0));
    drop(broker);
    tokio::task::yield_now().await;
    assert!(events.begun(name, at(9, 0)).is_err(), "the broker has ended");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_ahead_of_its_node_waits_a_short_time_for_the_event_that_it_has() {
    let (stub, broker) = shared();
    let name = changed().name;
    let begun = Instant::now();
    broker.wait_for(&name, at(1, 40)).await;
    broker.wait_for(&name, at(2, 90)).await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "it is there, or another epoch");
    let bring = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        stub.bring(foreign(), at(1, 41)).await;
    };
    tokio::join!(broker.wait_for(&name, at(1, 41)), bring);
    assert!(begun.elapsed() < Duration::from_millis(40), "{:?}", begun.elapsed());
    assert!(stub.awaited.load(Ordering::Relaxed) > 0, "the log is told");
    let begun = Instant::now();
    broker.wait_for(&name, at(1, 99)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn a_node_has_receivers_while_it_has_a_subscriber_or_a_tail() {
    let (stub, broker) = shared();
    let events = stub.events.lock().unwrap().clone().unwrap();
    assert_eq!(events.has_receivers(), Ok(false));
    let subscribed = subscribe(&broker, Scope::unrestricted(), &[all()]);
    assert_eq!(events.has_receivers(), Ok(true));
    drop(subscribed);
    assert_eq!(events.has_receivers(), Ok(false));
    let tail = broker.tail(TailFilter::default());
    assert_eq!(events.has_receivers(), Ok(true));
    drop((tail, broker));
    assert_eq!(events.has_receivers(), Err(BrokerClosed));
}
