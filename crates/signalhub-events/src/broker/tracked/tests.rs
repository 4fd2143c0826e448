use std::future::{poll_fn, ready};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::time::{Instant, sleep};

use super::*;
use crate::broker::{Broker, PublishOptions};
use crate::catalogue::tests::shop;
use crate::subscriber::{Flushing, SubscriberId};
use crate::{Delivery, Event, Filter, Offered, Scope, Subscriber, Subscriptions};

const MOST: Duration = Duration::from_secs(5);

/// A subscriber that answers as it is told. It has no client if it has no answer to `flushed`.
struct Client {
    offered: Offered,
    flushed: Mutex<Option<Flushing>>,
    offers: AtomicUsize,
}

impl Client {
    fn new(offered: Offered, flushed: Option<Flushing>) -> Self {
        Self { offered, flushed: Mutex::new(flushed), offers: AtomicUsize::new(0) }
    }
}

impl Subscriber for Client {
    fn offer(&self, _: &Delivery) -> Offered {
        self.offers.fetch_add(1, Ordering::Relaxed);
        self.offered
    }

    fn flushed(&self) -> Option<Flushing> {
        assert_eq!(self.offers.load(Ordering::Relaxed), 1, "it is asked once it was offered the event");
        self.flushed.lock().unwrap().take()
    }
}

fn changed() -> Event {
    Event::new("shop.resources.changed".into(), "{}").with_resource("tickets".into())
}

fn attach(broker: &Broker, client: Client) -> Subscriptions {
    let mut subscriptions = broker.attach(Arc::new(client), Scope::unrestricted());
    subscriptions.add(&Filter::new(changed().name)).unwrap();
    subscriptions
}

fn taking(flushed: impl Future<Output = Flushed> + Send + 'static) -> Client {
    Client::new(Offered::Accepted, Some(Box::pin(flushed)))
}

async fn track(broker: &Broker) -> Tracked {
    let options = PublishOptions { tracking: Tracking::On, ..PublishOptions::default() };
    broker.publish_with(changed(), options).await.unwrap().tracked.unwrap()
}

#[tokio::test(start_paused = true)]
async fn subscribers_are_counted_by_what_became_of_the_event() {
    let broker = Broker::builder(shop()).build();
    let clients = [
        taking(ready(Flushed::Written)),
        taking(std::future::pending()),
        taking(ready(Flushed::Ended)),
        Client::new(Offered::Accepted, None),
        Client::new(Offered::Refused, None),
        taking(async {
            sleep(Duration::from_secs(1)).await;
            Flushed::Written
        }),
    ];
    let _subscriptions = clients.map(|client| attach(&broker, client));
    let begun = Instant::now();
    let counts = track(&broker).await.wait(MOST).await;
    assert_eq!(counts, DeliveredCounts { written: 3, ended: 2, waiting: 1 });
    assert_eq!(begun.elapsed(), MOST);
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_over_when_nothing_is_left_to_wait_for() {
    let broker = Broker::builder(shop()).build();
    let slow = Duration::from_secs(2);
    let subscriptions = attach(
        &broker,
        taking(async move {
            sleep(slow).await;
            Flushed::Written
        }),
    );
    let begun = Instant::now();
    let counts = track(&broker).await.wait(MOST).await;
    assert_eq!((counts, begun.elapsed()), (DeliveredCounts { written: 1, ended: 0, waiting: 0 }, slow));
    drop(subscriptions);
    let counts = track(&broker).await.wait(MOST).await;
    assert_eq!((counts, begun.elapsed()), (DeliveredCounts::default(), slow), "no subscriber matched");
}

/// More than what the runtime lets a task do in one turn.
const MANY: usize = 500;

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_hides_no_other() {
    let broker = Broker::builder(shop()).build();
    let mut kept = vec![attach(&broker, taking(std::future::pending()))];
    for _ in 0..MANY {
        kept.push(attach(
            &broker,
            taking(async {
                sleep(Duration::from_secs(1)).await;
                Flushed::Written
            }),
        ));
    }
    let counts = track(&broker).await.wait(MOST).await;
    assert_eq!(counts, DeliveredCounts { written: MANY, ended: 0, waiting: 1 });
}

#[tokio::test(start_paused = true)]
async fn each_of_ten_thousand_subscribers_is_polled_once() {
    let broker = Broker::builder(shop()).build();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut kept = vec![attach(
        &broker,
        taking(async {
            sleep(Duration::from_secs(1)).await;
            Flushed::Written
        }),
    )];
    for _ in 0..10_000 {
        let polls = Arc::clone(&polls);
        kept.push(attach(
            &broker,
            taking(poll_fn(move |_| {
                polls.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(Flushed::Written)
            })),
        ));
    }
    let counts = track(&broker).await.wait(MOST).await;
    assert_eq!(counts, DeliveredCounts { written: 10_001, ended: 0, waiting: 0 });
    assert_eq!(polls.load(Ordering::Relaxed), 10_000);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_will_not_be_offered_is_not_waited_for() {
    let client = taking(ready(Flushed::Written));
    let attached = Arc::new(AttachedSubscriber::new(client, None));
    let (tracked, tracker) = start(Tracking::On, &[Found { id: SubscriberId(0), attached }]);
    drop(tracker);
    let begun = Instant::now();
    let counts = tracked.unwrap().wait(MOST).await;
    assert_eq!(counts, DeliveredCounts { written: 0, ended: 0, waiting: 1 });
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn publishers_that_do_not_ask_are_told_nothing() {
    let broker = Broker::builder(shop()).build();
    let published = broker.publish_with(changed(), PublishOptions::default()).await.unwrap();
    assert!(published.tracked.is_none());
}
