//! Publishing through a store.

use std::collections::VecDeque;

use super::*;
use crate::{
    Append, Bounds, Declared, DeliveredCounts, Durability, GapReason, GoLive, History, Idempotency, Log, LogCounts,
    LogFuture, LogUnavailable, Opened, ReadRange, Replay, ReplayLimits, Reset, Since, Step, Tracking,
};

/// A store of one name whose test writes when it wants to.
#[derive(Default)]
struct Store(Mutex<State>);

#[derive(Default)]
struct State {
    epoch: u64,
    queue: VecDeque<Append>,
    written: Vec<Arc<Event>>,
    reads: usize,
    reset: Option<Reset>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl State {
    fn top(&self) -> Position {
        Position::new(Epoch::new(self.epoch), self.written.len() as u64)
    }
}

impl Store {
    /// A store with this number of events.
    fn with(events: usize) -> Arc<Self> {
        let written = std::iter::repeat_with(|| Arc::new(changed())).take(events).collect();
        Arc::new(Self(Mutex::new(State { written, ..State::default() })))
    }

    /// Stores the next event that waits, or fails to.
    fn finish(&self, result: Result<(), LogUnavailable>) {
        let mut state = self.0.lock().unwrap();
        let append = state.queue.pop_front().expect("an event waits");
        let result = result.map(|()| {
            state.written.push(Arc::clone(&append.event));
            state.top()
        });
        drop(state);
        (append.done)(result);
    }

    fn begin_new_epoch(&self) {
        let mut state = self.0.lock().unwrap();
        state.epoch += 1;
        let (reset, position) = (state.reset.take().unwrap(), state.top());
        drop(state);
        reset(vec![(changed().name, position)]);
        self.0.lock().unwrap().reset = Some(reset);
    }
}

impl Log for Store {
    fn open(&self, reset: Reset) -> Opened {
        let mut state = self.0.lock().unwrap();
        state.reset = Some(reset);
        let mut opened = Opened::empty();
        opened.names.push((changed().name, state.top()));
        opened
    }

    fn admit(&self, name: &EventName, _: Declared) -> Option<Position> {
        (*name == changed().name).then(|| self.0.lock().unwrap().top())
    }

    fn append(&self, append: Append) -> LogFuture<'_, Result<(), LogUnavailable>> {
        Box::pin(async {
            self.0.lock().unwrap().queue.push_back(append);
            Ok(())
        })
    }

    fn bounds(&self, name: &EventName, _: Declared) -> Option<Bounds> {
        let top = self.0.lock().unwrap().top();
        (*name == changed().name).then(|| Bounds { epoch: top.epoch(), first: Some(1), top: top.offset() })
    }

    fn read(&self, range: ReadRange) -> LogFuture<'_, Result<Page, LogUnavailable>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut state = self.0.lock().unwrap();
            state.reads += 1;
            let events = (1..).zip(state.written.iter().map(Arc::clone));
            let events = events.filter(|(offset, _)| range.after < *offset && *offset <= range.through);
            let events: Vec<_> = events.take(range.most).collect();
            let through =
                events.last().filter(|_| events.len() == range.most).map_or(range.through, |(offset, _)| *offset);
            Ok(Page { events, first: 1, through })
        })
    }

    fn sync(&self) -> LogFuture<'_, Result<(), LogUnavailable>> {
        Box::pin(async { Ok(()) })
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn counts(&self) -> LogCounts {
        LogCounts::default()
    }
}

fn broker_on(store: &Arc<Store>) -> Broker {
    Broker::builder(shop()).history(History::Log(Arc::clone(store) as _)).build()
}

fn at(epoch: u64, offset: u64) -> Position {
    Position::new(Epoch::new(epoch), offset)
}

type Publishing = tokio::task::JoinHandle<Result<Receipt, PublishError>>;

async fn begin(broker: &Broker, store: &Store) -> Publishing {
    begin_with(broker, store, PublishOptions::default()).await
}

/// Begins to publish, and returns when the event waits in the store.
async fn begin_with(broker: &Broker, store: &Store, options: PublishOptions) -> Publishing {
    let waiting = store.0.lock().unwrap().queue.len();
    let broker = broker.clone();
    let publish = async move { broker.publish_with(changed(), options).await.map(|published| published.receipt) };
    let publish = tokio::spawn(publish);
    while store.0.lock().unwrap().queue.len() == waiting {
        tokio::task::yield_now().await;
    }
    publish
}

#[tokio::test]
async fn an_event_is_offered_once_it_is_written() {
    let store = Store::with(2);
    let broker = broker_on(&store);
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let publish = begin(&broker, &store).await;
    assert!(!publish.is_finished() && received.try_recv().is_err());
    assert_eq!(broker.bounds(&changed().name).top, 2, "the next one is not visible");
    store.finish(Ok(()));
    let receipt = publish.await.unwrap().unwrap();
    assert_eq!((receipt.position, receipt.matched), (at(0, 3), 1));
    assert_eq!(received.recv().await.unwrap().1, 3);
    assert_eq!(broker.bounds(&changed().name).top, 3);
}

#[tokio::test]
async fn an_event_that_is_not_written_takes_no_position_and_reaches_no_subscriber() {
    let store = Store::with(0);
    let broker = broker_on(&store);
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let refused = begin(&broker, &store).await;
    store.finish(Err(LogUnavailable));
    assert_eq!(refused.await.unwrap(), Err(PublishError::Unavailable(LogUnavailable)));
    let publish = begin(&broker, &store).await;
    store.finish(Ok(()));
    assert_eq!(publish.await.unwrap().unwrap().position, at(0, 1));
    assert_eq!(received.recv().await.unwrap().1, 1);
    assert!(received.try_recv().is_err());
    assert_eq!(broker.core.in_flight.available_permits(), IN_FLIGHT as usize, "and holds no bytes");
}

#[tokio::test]
async fn a_publisher_that_leaves_does_not_take_its_written_event_back() {
    let store = Store::with(0);
    let broker = broker_on(&store);
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let publish = begin(&broker, &store).await;
    publish.abort();
    assert!(publish.await.unwrap_err().is_cancelled());
    store.finish(Ok(()));
    assert_eq!(received.recv().await.unwrap().1, 1);
}

#[tokio::test]
async fn reads_leave_out_what_was_not_offered() {
    let store = Store::with(3);
    let broker = broker_on(&store);
    store.0.lock().unwrap().written.push(Arc::new(changed()));
    let page = broker.read(&changed().name, at(0, 1), 10).await.unwrap();
    assert_eq!(page.events.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((page.first, page.through), (1, 3));
}

#[tokio::test]
async fn the_latest_events_are_read_from_memory() {
    let store = Store::with(3);
    let broker = broker_on(&store);
    let publish = begin(&broker, &store).await;
    store.finish(Ok(()));
    publish.await.unwrap().unwrap();
    let page = broker.read(&changed().name, at(0, 3), 10).await.unwrap();
    assert_eq!((page.events.len(), page.first, page.through), (1, 1, 4));
    assert_eq!(store.0.lock().unwrap().reads, 0);
    let page = broker.read(&changed().name, at(0, 2), 10).await.unwrap();
    assert_eq!((page.events.len(), page.through), (2, 4));
    assert_eq!(store.0.lock().unwrap().reads, 1, "the third is in the store only");
}

#[tokio::test]
async fn a_subscriber_goes_live_where_the_events_that_were_offered_end() {
    let store = Store::with(3);
    let broker = broker_on(&store);
    let publish = begin(&broker, &store).await;
    // It is written, but its subscribers are not offered it yet.
    let (mut subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[]);
    let behind = |after| GoLive::Behind { after, most: 0 };
    let name = changed().name;
    let mut live =
        |when| broker.go_live(&mut subscriptions, &name, &[all()], when, |_, _| panic!("nothing to send")).unwrap();
    assert_eq!(live(behind(at(0, 2))), None, "an event is missing");
    assert_eq!(live(behind(at(7, 3))), None, "of another epoch");
    assert_eq!(live(behind(at(0, 3))), Some(at(0, 3)));
    store.finish(Ok(()));
    publish.await.unwrap().unwrap();
    assert_eq!(received.recv().await.unwrap().1, 4);
}

#[tokio::test]
async fn the_last_events_are_sent_from_memory_while_publishers_wait() {
    let store = Store::with(3);
    let broker = broker_on(&store);
    for _ in 0..2 {
        let publish = begin(&broker, &store).await;
        store.finish(Ok(()));
        publish.await.unwrap().unwrap();
    }
    let (mut subscriptions, _received) = subscribe(&broker, Scope::unrestricted(), &[]);
    let mut sent = Vec::new();
    let mut live = |after, sent: &mut Vec<_>| {
        let when = GoLive::Behind { after, most: 64 };
        broker.go_live(&mut subscriptions, &changed().name, &[all()], when, |position, _| sent.push(position)).unwrap()
    };
    assert_eq!((live(at(0, 2), &mut sent), sent.len()), (None, 0), "the third is not in memory");
    assert_eq!(live(at(0, 3), &mut sent), Some(at(0, 5)));
    assert_eq!(sent, [at(0, 4), at(0, 5)]);
}

#[tokio::test]
async fn after_a_new_epoch_old_positions_read_nothing() {
    let store = Store::with(3);
    let broker = broker_on(&store);
    let publish = begin(&broker, &store).await;
    store.finish(Ok(()));
    publish.await.unwrap().unwrap();
    store.begin_new_epoch();
    let name = changed().name;
    assert_eq!(broker.bounds(&name), Bounds { epoch: Epoch::new(1), first: Some(1), top: 4 });
    assert_eq!(broker.read(&name, at(0, 1), 10).await, Err(LogUnavailable));
    assert_eq!(broker.read(&name, at(1, 1), 10).await.unwrap().events.len(), 3, "the events stay");
    let publish = begin(&broker, &store).await;
    store.finish(Ok(()));
    assert_eq!(publish.await.unwrap().unwrap().position, at(1, 5));
}

#[tokio::test]
async fn names_without_a_history_are_published_at_once() {
    let store = Store::with(0);
    let broker = broker_on(&store);
    let receipt = broker.publish(licence()).await.unwrap();
    assert_eq!(receipt.position, Position::new(broker.epoch(), 1));
    assert_eq!(broker.bounds(&licence().name), Bounds { epoch: broker.epoch(), first: None, top: 1 });
    let durable = PublishOptions { durability: Durability::Durable, ..PublishOptions::default() };
    assert_eq!(broker.publish_with(licence(), durable).await.unwrap_err(), PublishError::NotDurable);
}

#[tokio::test]
async fn the_key_of_a_publish_is_stored_with_its_event_and_forgotten_if_that_is_not_written() {
    let store = Store::with(0);
    let broker = broker_on(&store);
    let options = keyed(Durability::Written);
    let refused = begin_with(&broker, &store, options).await;
    assert_eq!(store.0.lock().unwrap().queue[0].idempotency, options.idempotency);
    store.finish(Err(LogUnavailable));
    assert_eq!(refused.await.unwrap(), Err(PublishError::Unavailable(LogUnavailable)));
    let first = begin_with(&broker, &store, options).await;
    store.finish(Ok(()));
    assert_eq!(first.await.unwrap().unwrap().repeat, Repeat::No);
    let repeat = broker.publish_with(changed(), options).await.unwrap().receipt;
    assert_eq!((repeat.position, repeat.matched, repeat.repeat), (at(0, 1), 0, Repeat::Yes));
}

#[tokio::test]
async fn an_event_that_a_store_keeps_is_tracked_once() {
    let store = Store::with(0);
    let broker = broker_on(&store);
    let (_subscriptions, _received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let idempotency = Idempotency { key: crate::IdempotencyKey::new([7; 16]), fingerprint: crate::Fingerprint::new(1) };
    let options =
        PublishOptions { idempotency: Some(idempotency), tracking: Tracking::On, ..PublishOptions::default() };
    let mut publishing = std::pin::pin!(broker.publish_with(changed(), options));
    tokio::select! {
        biased;
        published = &mut publishing => panic!("it is not written: {published:?}"),
        () = tokio::task::yield_now() => {}
    }
    store.finish(Ok(()));
    let tracked = publishing.await.unwrap().tracked.unwrap();
    let counts = tracked.wait(Duration::from_secs(5)).await;
    assert_eq!(counts, DeliveredCounts { written: 1, ended: 0, waiting: 0 });
    let repeat = broker.publish_with(changed(), options).await.unwrap();
    assert!(repeat.tracked.is_none());
}

#[tokio::test]
async fn a_page_that_comes_in_a_later_epoch_is_not_used() {
    let store = Store::with(3);
    let broker = broker_on(&store);
    let name = changed().name;
    // The store loses an event, and writes another one in its place, before it reads.
    let replace = async {
        store.0.lock().unwrap().written.pop();
        store.begin_new_epoch();
        store.0.lock().unwrap().written.push(Arc::new(changed()));
    };
    let (page, ()) = tokio::join!(broker.read(&name, at(0, 1), 10), replace);
    assert_eq!((page, store.0.lock().unwrap().reads), (Err(LogUnavailable), 1));
}

#[tokio::test]
async fn the_first_event_of_a_new_epoch_during_a_replay_comes_after_a_gap() {
    let store = Store::with(3);
    let broker = broker_on(&store);
    let (mut subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[]);
    let name = changed().name;
    let limits = ReplayLimits { matching: 10, scanned: 10 };
    let mut replay = Replay::new(Since::Position(at(0, 1)), broker.bounds(&name), limits);
    let (mut sent, mut is_reset) = (Vec::new(), false);
    let live = loop {
        match replay.poll() {
            Step::Read { after, most } => match broker.read(&name, after, most).await {
                Ok(page) => replay.on_page(page, |_| true),
                Err(LogUnavailable) => replay.on_unavailable(),
            },
            Step::Send(position, _) => sent.push(position),
            Step::GoLive(when) => {
                if !std::mem::replace(&mut is_reset, true) {
                    store.0.lock().unwrap().written.pop();
                    store.begin_new_epoch();
                    let first = begin(&broker, &store).await;
                    store.finish(Ok(()));
                    assert_eq!(
                        first.await.unwrap().unwrap().position,
                        at(1, 3),
                        "the offset of the last one that was sent"
                    );
                }
                match broker.go_live(&mut subscriptions, &name, &[all()], when, |_, _| {}).unwrap() {
                    Some(position) => break position,
                    None => replay.on_behind(),
                }
            }
        }
    };
    let gap = replay.gap().unwrap();
    assert_eq!((sent, gap.from, gap.reason), (vec![at(0, 2), at(0, 3)], at(0, 3), GapReason::Unavailable));
    assert_eq!(live, at(1, 3));
    let next = begin(&broker, &store).await;
    store.finish(Ok(()));
    assert_eq!((next.await.unwrap().unwrap().matched, received.recv().await.unwrap().1), (1, 4));
}

fn keyed(durability: Durability) -> PublishOptions {
    let idempotency = Idempotency { key: crate::IdempotencyKey::new([7; 16]), fingerprint: crate::Fingerprint::new(1) };
    PublishOptions { idempotency: Some(idempotency), durability, ..PublishOptions::default() }
}

#[tokio::test]
async fn a_repeat_in_a_new_epoch_is_published_again_only_if_the_event_is_lost() {
    let store = Store::with(0);
    let broker = broker_on(&store);
    let first = begin_with(&broker, &store, keyed(Durability::Written)).await;
    store.finish(Ok(()));
    assert_eq!(first.await.unwrap().unwrap().position, at(0, 1));
    for epoch in 1..=2 {
        store.begin_new_epoch();
        let repeat = broker.publish_with(changed(), keyed(Durability::Durable)).await.unwrap().receipt;
        assert_eq!((repeat.position, repeat.repeat), (at(epoch, 1), Repeat::Yes), "it has a position of the epoch");
    }
    store.0.lock().unwrap().written.clear();
    store.begin_new_epoch();
    let again = begin_with(&broker, &store, keyed(Durability::Written)).await;
    store.finish(Ok(()));
    let again = again.await.unwrap().unwrap();
    assert_eq!((again.position, again.repeat), (at(3, 1), Repeat::No));
}

#[tokio::test]
async fn a_repeat_is_not_durable_if_the_event_was_lost_before_the_sync() {
    let store = Store::with(0);
    let broker = broker_on(&store);
    let first = begin_with(&broker, &store, keyed(Durability::Written)).await;
    let repeat = {
        let broker = broker.clone();
        tokio::spawn(async move { broker.publish_with(changed(), keyed(Durability::Durable)).await })
    };
    tokio::task::yield_now().await;
    // No other task runs before the event is lost.
    store.finish(Ok(()));
    store.0.lock().unwrap().written.clear();
    store.begin_new_epoch();
    assert_eq!(repeat.await.unwrap().unwrap_err(), PublishError::Unavailable(LogUnavailable));
    assert_eq!(first.await.unwrap().unwrap().position, at(0, 1));
}
