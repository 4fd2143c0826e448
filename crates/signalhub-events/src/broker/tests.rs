pub(crate) mod named;
mod shared;
mod stored;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::mpsc::{self, Receiver, channel};

use super::core::IN_FLIGHT;
use super::*;
use crate::catalogue::tests::shop;
use crate::{
    Action, Audience, Deliveries, Delivery, FanOutSpan, FanOutTracer, Filter, Grants, NameError, Offered, Organisation,
    ResourceName, Scope, SubscribeError, TraceParent, UnknownEvents,
};

/// A subscriber that passes on what it gets, and refuses what it has no room for.
struct Queue(mpsc::Sender<(Arc<Event>, u64)>);

impl Subscriber for Queue {
    fn offer(&self, delivery: &Delivery) -> Offered {
        match self.0.try_send((delivery.event().clone(), delivery.position().offset())) {
            Ok(()) => Offered::Accepted,
            Err(_) => Offered::Refused,
        }
    }
}

fn subscribe(broker: &Broker, scope: Scope, filters: &[Filter]) -> (Subscriptions, Receiver<(Arc<Event>, u64)>) {
    let (sender, receiver) = channel(10_000);
    let mut subscriptions = broker.attach(Arc::new(Queue(sender)), scope);
    for filter in filters {
        subscriptions.add(filter).unwrap();
    }
    (subscriptions, receiver)
}

fn changed() -> Event {
    Event::new("shop.resources.changed".into(), "{}").with_resource("tickets".into()).with_action(Action::Created)
}

fn licence() -> Event {
    Event::new("shop.licence.activated".into(), "{}")
}

fn all() -> Filter {
    Filter::new(changed().name)
}

#[tokio::test]
async fn overlapping_filters_deliver_once_with_the_id_of_the_node() {
    let broker = Broker::builder(shop()).node("node-1").build();
    let filters = [all(), all().with_resource("tickets".into()), all().with_action(Action::Created)];
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &filters);
    let receipt = broker.publish(changed()).await.unwrap();
    assert_eq!((receipt.matched, receipt.position), (1, Position::new(broker.epoch(), 1)));
    let (event, _) = received.recv().await.unwrap();
    assert_eq!((event.sender.as_ref(), event.node.as_deref()), (None, Some("node-1")));
    // The next event follows at once: there was no second copy of the first.
    broker.publish(changed()).await.unwrap();
    assert_eq!(received.recv().await.unwrap().1, 2);
}

#[tokio::test]
async fn an_event_that_its_check_refuses_is_not_published() {
    let is_empty = |event: &Event| match event.payload.as_ref() {
        b"{}" => Ok(()),
        _ => Err(format!("expected {{}} for {}", event.name)),
    };
    let broker = Broker::builder(shop().with_check(licence().name, is_empty)).build();
    let mut wrong = licence();
    wrong.payload = "[]".into();
    let refused = broker.publish(wrong).await.unwrap_err();
    assert_eq!(refused, PublishError::Payload("expected {} for shop.licence.activated".to_owned()));
    let mut other = changed();
    other.payload = "[]".into();
    assert_eq!(broker.publish(other).await.unwrap().position.offset(), 1);
    assert_eq!(broker.publish(licence()).await.unwrap().position.offset(), 1);
}

#[tokio::test]
async fn observers_see_every_event_of_their_name_before_its_subscribers() {
    let broker = Broker::builder(shop()).build();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observed = Arc::clone(&seen);
    broker.observe(changed().name, move |event| observed.lock().unwrap().push(event.organisation.clone()));
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let expired = changed().with_expires(OffsetDateTime::UNIX_EPOCH);
    for event in [changed().with_organisation("north".into()), licence(), expired, changed()] {
        broker.publish(event).await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [Some("north".into()), None]);
    assert_eq!(received.recv().await.unwrap().1, 3);
}

#[tokio::test]
async fn positions_count_per_name_from_one() {
    let broker = Broker::builder(shop()).build();
    let mut offsets = Vec::new();
    for event in [changed(), licence(), changed(), changed().with_resource("stocks".into()), licence()] {
        offsets.push(broker.publish(event).await.unwrap().position.offset());
    }
    assert_eq!(offsets, [1, 1, 2, 3, 2]);
}

#[tokio::test]
async fn scope_decides_before_the_filter() {
    let broker = Broker::builder(shop()).build();
    let scope = |organisation: &str| Scope::new(Some(Organisation::from(organisation)), Grants::All);
    let (_north, mut north) = subscribe(&broker, scope("north"), &[all()]);
    let (_south, _) = subscribe(&broker, scope("south"), &[all()]);
    let (_subscriber, _) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let bounded = changed().with_organisation("north".into());
    assert_eq!(broker.publish(bounded.clone()).await.unwrap().matched, 1);
    assert_eq!(north.recv().await.unwrap().0.organisation, bounded.organisation);
    assert_eq!(broker.publish(changed().with_organisation("west".into())).await.unwrap().matched, 0);
}

#[tokio::test]
async fn expired_event_takes_a_position_and_reaches_no_subscriber() {
    let broker = Broker::builder(shop()).build();
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let now = OffsetDateTime::now_utc();
    let late = broker.publish(changed().with_expires(now)).await.unwrap();
    assert_eq!((late.matched, late.position.offset()), (0, 1));
    let timely = broker.publish(changed().with_expires(now + Duration::from_secs(60))).await.unwrap();
    assert_eq!((timely.matched, received.recv().await.unwrap().1), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_name_arrive_in_the_order_of_their_positions() {
    let broker = Broker::builder(shop()).shards(2).shard_queue(4).build();
    let receivers: Vec<_> =
        (0..300).map(|_| subscribe(&broker, Scope::unrestricted(), &[all(), Filter::new(licence().name)])).collect();
    let publishers: Vec<_> = (0..8)
        .map(|number| {
            let broker = broker.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    let event = if number % 2 == 0 { changed() } else { licence() };
                    assert_eq!(broker.publish(event).await.unwrap().matched, 300);
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    for (_subscriptions, mut received) in receivers {
        let mut offsets = HashMap::new();
        for _ in 0..200 {
            let (event, offset) = received.recv().await.unwrap();
            let last = offsets.insert(event.name.clone(), offset).unwrap_or(0);
            assert_eq!(offset, last + 1, "{}", event.name);
        }
    }
}

#[tokio::test]
async fn subscriptions_count_from_add_until_remove() {
    let broker = Broker::builder(shop()).build();
    let (mut subscriptions, _received) = subscribe(&broker, Scope::unrestricted(), &[]);
    assert_eq!(broker.publish(changed()).await.unwrap().matched, 0);
    subscriptions.add(&all()).unwrap();
    assert_eq!(broker.publish(changed()).await.unwrap().matched, 1);
    subscriptions.remove(&all());
    assert_eq!(broker.publish(changed()).await.unwrap().matched, 0);
    subscriptions.add(&all()).unwrap();
    drop(subscriptions);
    assert_eq!(broker.publish(changed()).await.unwrap().matched, 0);
}

#[tokio::test]
async fn refusing_ends_all_subscriptions_of_that_subscriber_only() {
    let broker = Broker::builder(shop()).shards(8).build();
    let (mut refusing, receiver) = subscribe(&broker, Scope::unrestricted(), &[all(), Filter::new(licence().name)]);
    drop(receiver);
    let (_accepting, mut accepted) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    assert_eq!(broker.publish(changed()).await.unwrap().matched, 2);
    // The one that refuses was offered it before.
    assert_eq!(accepted.recv().await.unwrap().1, 1);
    assert_eq!(broker.publish(changed()).await.unwrap().matched, 1);
    assert_eq!((broker.subscriber_count(), broker.subscription_count(), refusing.len()), (1, 1, 0));
    assert_eq!(refusing.add(&all()), Err(SubscribeError::Ended));
    assert_eq!(refusing.remove(&all()), 0);
    drop(refusing);
    assert_eq!(broker.subscriber_count(), 1);
}

struct Panicking;

impl Subscriber for Panicking {
    fn offer(&self, _: &Delivery) -> Offered {
        panic!("this subscriber is broken")
    }

    fn prefetch(&self) {
        panic!("this, too")
    }
}

#[tokio::test]
async fn panicking_subscriber_counts_as_refused_and_the_shard_lives_on() {
    let broker = Broker::builder(shop()).build();
    let mut broken = broker.attach(Arc::new(Panicking), Scope::unrestricted());
    broken.add(&all()).unwrap();
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    assert_eq!(broker.publish(changed()).await.unwrap().matched, 2);
    assert_eq!(received.recv().await.unwrap().1, 1);
    assert_eq!(broker.publish(changed()).await.unwrap().matched, 1);
    assert_eq!(received.recv().await.unwrap().1, 2);
}

/// Passes on the offsets of each offer.
struct Diary(mpsc::Sender<Vec<u64>>);

impl Subscriber for Diary {
    fn offer(&self, delivery: &Delivery) -> Offered {
        self.0.try_send(vec![delivery.position().offset()]).unwrap();
        Offered::Accepted
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        self.0.try_send(deliveries.each().iter().map(|delivery| delivery.position().offset()).collect()).unwrap();
        Offered::Accepted
    }
}

#[tokio::test]
async fn events_that_wait_are_offered_together() {
    let broker = Broker::builder(shop()).build();
    let (sender, mut offers) = channel(100);
    let (other_sender, mut other_offers) = channel(100);
    let mut subscriptions = broker.attach(Arc::new(Diary(sender)), Scope::unrestricted());
    let mut other = broker.attach(Arc::new(Diary(other_sender)), Scope::unrestricted());
    subscriptions.add(&all()).unwrap();
    other.add(&all().with_resource("stocks".into())).unwrap();
    broker.publish(changed()).await.unwrap();
    assert_eq!(offers.recv().await.unwrap(), [1]);
    // No other task runs before this one waits.
    for resource in ["tickets", "stocks", "tickets", "stocks"] {
        broker.publish(changed().with_resource(resource.into())).await.unwrap();
    }
    assert_eq!((offers.recv().await.unwrap(), other_offers.recv().await.unwrap()), (vec![2, 3, 4, 5], vec![3, 5]));
    broker.publish(changed()).await.unwrap();
    assert_eq!(offers.recv().await.unwrap(), [6]);
}

#[tokio::test]
async fn events_that_come_while_others_are_served_go_along() {
    let broker = Broker::builder(shop()).shards(1).build();
    let (sender, mut offers) = channel(1000);
    let attach = |_| {
        let mut subscriptions = broker.attach(Arc::new(Diary(sender.clone())), Scope::unrestricted());
        subscriptions.add(&all()).unwrap();
        subscriptions
    };
    let _subscriptions: Vec<_> = (0..300).map(attach).collect();
    broker.publish(changed()).await.unwrap();
    // The first chunk is served, and the others get their turn: this test.
    assert_eq!(offers.recv().await.unwrap(), [1]);
    broker.publish(changed()).await.unwrap();
    let mut seen: Vec<Vec<u64>> = vec![vec![1]];
    while seen.iter().map(Vec::len).sum::<usize>() < 600 {
        seen.push(offers.recv().await.unwrap());
    }
    let count = |wanted: &[u64]| seen.iter().filter(|offer| *offer == wanted).count();
    assert_eq!((count(&[1]), count(&[1, 2]), count(&[2])), (128, 172, 128));
}

#[tokio::test]
async fn a_batch_has_an_end_however_many_events_wait() {
    let broker = Broker::builder(shop()).shards(1).build();
    let (sender, mut offers) = channel(1000);
    let mut subscriptions = broker.attach(Arc::new(Diary(sender)), Scope::unrestricted());
    subscriptions.add(&all()).unwrap();
    for _ in 0..150 {
        broker.publish(changed()).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 150 {
        seen.extend(offers.recv().await.unwrap());
    }
    assert_eq!(seen, (1..=150).collect::<Vec<u64>>());
}

/// A subscriber that tells what it is offered, and then holds the shard's task until the test lets it go.
struct Gate(Mutex<std::sync::mpsc::Receiver<()>>, mpsc::Sender<u64>);

impl Subscriber for Gate {
    fn offer(&self, delivery: &Delivery) -> Offered {
        self.1.try_send(delivery.position().offset()).unwrap();
        self.0.lock().unwrap().recv().unwrap();
        Offered::Accepted
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_publishers_lose_nothing() {
    let broker = Broker::builder(shop()).shards(1).shard_queue(1).build();
    let (open, gate) = std::sync::mpsc::sync_channel(100);
    let (sender, mut received) = channel(100);
    let mut subscriptions = broker.attach(Arc::new(Gate(Mutex::new(gate), sender)), Scope::unrestricted());
    subscriptions.add(&all()).unwrap();
    // The first is answered after matching although its subscriber holds the task; the others wait for room.
    assert_eq!(broker.publish(changed()).await.unwrap().position.offset(), 1);
    assert_eq!(received.recv().await, Some(1));
    let publishers: Vec<_> = (0..20)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.publish(changed()).await.unwrap() })
        })
        .collect();
    // The queue has room for one event while the task is held.
    assert!(publishers.iter().filter(|publisher| publisher.is_finished()).count() <= 1);
    for _ in 0..21 {
        open.send(()).unwrap();
    }
    for offset in 2..=21 {
        assert_eq!(received.recv().await, Some(offset));
    }
    for publisher in publishers {
        assert_eq!(publisher.await.unwrap().matched, 1);
    }
}

#[tokio::test]
async fn a_large_sender_counts_among_the_bytes_in_flight() {
    let broker = Broker::builder(shop()).build();
    let (_subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    let sender = vec![b' '; IN_FLIGHT as usize];
    broker.publish(changed().with_sender(sender.into())).await.unwrap();
    // The test's thread runs the broker's tasks as well, so the first event has not been offered yet.
    let mut second = std::pin::pin!(broker.publish(changed()));
    tokio::select! {
        biased;
        receipt = &mut second => panic!("published beside an event that uses all bytes: {receipt:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(second.await.unwrap().matched, 1);
    assert_eq!((received.recv().await.unwrap().1, received.recv().await.unwrap().1), (1, 2));
}

#[tokio::test]
async fn tasks_end_with_the_last_broker_though_subscriptions_remain() {
    let broker = Broker::builder(shop()).shards(2).build();
    let shards = Arc::downgrade(&broker.core.shards);
    let (subscriptions, mut received) = subscribe(&broker, Scope::unrestricted(), &[all()]);
    broker.publish(changed()).await.unwrap();
    drop(broker);
    assert_eq!(received.recv().await.unwrap().1, 1);
    drop(subscriptions);
    // Each task holds the shards for as long as it runs.
    while shards.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(received.recv().await.is_none());
}

#[tokio::test]
async fn unknown_events_are_not_published() {
    let broker = Broker::builder(shop()).build();
    for event in [Event::new("other".into(), "{}"), licence().with_resource("tickets".into())] {
        assert!(matches!(broker.publish(event).await, Err(PublishError::Catalogue(_))));
    }
    assert_eq!(broker.publish(licence()).await.unwrap().position.offset(), 1);
}

/// Passes on for how many subscribers each offer is put together.
struct Counted(mpsc::Sender<Audience>);

impl Subscriber for Counted {
    fn offer(&self, _delivery: &Delivery) -> Offered {
        Offered::Accepted
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        self.0.try_send(deliveries.audience()).unwrap();
        Offered::Accepted
    }
}

/// Joint encodings are copies. Their number must not grow with the number of different sets of subscriptions.
#[tokio::test]
async fn events_are_joined_for_sets_that_several_subscribers_get_and_for_few_of_those() {
    const NAMES: usize = 40;
    // How many subscribers have each set, how many sets there are, and how many offers are of joined events.
    for (same, sets, joined) in [(10, 1, 9), (1, 30, 0), (2, 30, 8), (3, 4, 8)] {
        let broker = Broker::builder(shop()).build();
        let (sender, mut offers) = channel(1000);
        let mut kept = Vec::new();
        for set in 0..sets {
            for _ in 0..same {
                let mut subscriptions = broker.attach(Arc::new(Counted(sender.clone())), Scope::unrestricted());
                for resource in [set, set + 1] {
                    subscriptions.add(&all().with_resource(format!("r{resource}").as_str().into())).unwrap();
                }
                kept.push(subscriptions);
            }
        }
        for resource in 0..NAMES {
            broker.publish(changed().with_resource(format!("r{resource}").as_str().into())).await.unwrap();
        }
        let mut several = 0;
        for _ in 0..same * sets {
            several += usize::from(offers.recv().await.unwrap() == Audience::Several);
        }
        assert_eq!(several, joined, "{sets} sets of {same} subscribers each");
    }
}

#[tokio::test]
async fn names_of_more_than_256_bytes_are_refused() {
    let broker = Broker::builder(shop().with_unknown(UnknownEvents::Allowed)).build();
    let long = "é".repeat(129);
    assert_eq!(long.parse::<EventName>(), Err(NameError::TooLong(258)));
    for event in [
        Event::new(EventName::new(&*long), "{}"),
        changed().with_resource(ResourceName::new(&*long)),
        changed().with_organisation(Organisation::new(&*long)),
    ] {
        assert_eq!(broker.publish(event).await, Err(PublishError::Name(NameError::TooLong(258))));
    }
    let (mut subscriptions, _received) = subscribe(&broker, Scope::unrestricted(), &[]);
    for filter in [Filter::new(EventName::new(&*long)), all().with_resource(ResourceName::new(&*long))] {
        assert_eq!(subscriptions.add(&filter), Err(SubscribeError::Name(NameError::TooLong(258))));
    }
    let longest = "x".repeat(256);
    let filter = all().with_resource(ResourceName::new(&*longest));
    subscriptions.add(&filter).unwrap();
    assert_eq!(subscriptions.name_bytes(), "shop.resources.changed".len() + 256);
    let event = changed().with_resource(longest.parse().unwrap());
    assert_eq!(broker.publish(event).await.unwrap().matched, 1);
    subscriptions.remove(&filter);
    assert_eq!(subscriptions.name_bytes(), 0);
}

#[tokio::test]
async fn positions_of_undeclared_names_without_subscriptions_are_forgotten_and_never_given_twice() {
    let catalogue = shop().with_unknown(UnknownEvents::Allowed);
    let broker = Broker::builder(catalogue).undeclared_names(10).build();
    let publish =
        async |name: &str| broker.publish(Event::new(EventName::new(name), "{}")).await.unwrap().position.offset();
    let (_subscriptions, mut received) =
        subscribe(&broker, Scope::unrestricted(), &[Filter::new(EventName::new("wanted"))]);
    for expected in 1..=3 {
        assert_eq!([publish("wanted").await, publish("old").await], [expected; 2]);
    }
    assert_eq!(publish("shop.licence.activated").await, 1);
    for number in 0..9 {
        assert_eq!(publish(&format!("new-{number}")).await, 1);
    }
    // That was one too many. What was forgotten had offsets up to 3.
    assert_eq!(publish("new-9").await, 4);
    assert_eq!((publish("new-1").await, publish("old").await, publish("wanted").await), (2, 4, 4));
    assert_eq!(publish("shop.licence.activated").await, 2);
    for expected in 1..=4 {
        assert_eq!(received.recv().await.unwrap().1, expected);
    }
}

/// Notes what happens to the fan-outs of sampled events.
#[derive(Debug)]
struct Notes(mpsc::Sender<String>);

struct Note(mpsc::Sender<String>, String);

impl FanOutTracer for Notes {
    fn begin(&self, event: &Event, position: Position, matched: usize) -> Box<dyn FanOutSpan> {
        let name = format!("{} {}", event.name, position.offset());
        self.0.try_send(format!("{name} begins with {matched}")).unwrap();
        Box::new(Note(self.0.clone(), name))
    }
}

impl FanOutSpan for Note {
    fn first_write(&mut self) {
        self.0.try_send(format!("{} first", self.1)).unwrap();
    }

    fn last_write(&mut self) {
        self.0.try_send(format!("{} last", self.1)).unwrap();
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = self.0.try_send(format!("{} ends", self.1));
    }
}

#[tokio::test]
async fn the_fan_out_of_a_sampled_event_is_traced_once_whatever_is_delivered_beside_it() {
    let (sender, mut notes) = channel(100);
    let broker = Broker::builder(shop()).shards(1).fan_out_tracer(Arc::new(Notes(sender))).build();
    let subscribers =
        [(); 300].map(|()| subscribe(&broker, Scope::unrestricted(), &[all(), Filter::new(licence().name)]));
    let traced = |event: Event, flags: &str| {
        let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        event.with_trace(TraceParent::from_traceparent(text.as_bytes()))
    };
    // All join one batch, since nothing here waits.
    for event in [changed(), traced(changed(), "00"), traced(changed(), "01"), traced(licence(), "01")] {
        broker.publish(event).await.unwrap();
    }
    let [changed, licence] = ["shop.resources.changed 3", "shop.licence.activated 1"];
    let mut seen = Vec::new();
    while seen.len() < 8 {
        seen.push(notes.recv().await.unwrap());
    }
    let of = |name: &str| seen.iter().filter_map(|note| note.strip_prefix(name)).collect::<Vec<_>>();
    for name in [changed, licence] {
        assert_eq!(of(name), [" begins with 300", " first", " last", " ends"]);
    }
    drop(subscribers);
    // An event that matches no subscriber begins and ends.
    broker.publish(traced(Event::new("shop.licence.activated".into(), "{}"), "01")).await.unwrap();
    let rest = [notes.recv().await.unwrap(), notes.recv().await.unwrap()];
    assert_eq!(rest, ["shop.licence.activated 2 begins with 0", "shop.licence.activated 2 ends"]);
    assert!(notes.try_recv().is_err());
}
