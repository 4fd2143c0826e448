use futures_util::FutureExt;

use super::*;
use crate::broker::tests::named::{broker, changed, licence, subscribe};
use crate::{Broker, Scope};

/// Publishes, and waits until the events were offered to all subscribers.
async fn publish(broker: &Broker, events: impl IntoIterator<Item = Event>) {
    for event in events {
        let name = event.name.clone();
        broker.publish(event).await.unwrap();
        while broker.progress(&name).offered < broker.progress(&name).published {
            tokio::task::yield_now().await;
        }
    }
}

/// What a tail has got: the offsets of events, and negative numbers of dropped ones.
fn got(tail: &mut Tail) -> Vec<i64> {
    let mut got = Vec::new();
    while let Some(tailed) = tail.next().now_or_never() {
        got.push(match tailed {
            Tailed::Event(event) => event.position.offset() as i64,
            Tailed::Dropped(count) => -(count as i64),
        });
    }
    got
}

#[tokio::test]
async fn a_tail_gets_what_its_filter_wants() {
    let broker = broker();
    let north = || Scope::new(Some("north".into()), crate::Grants::All);
    let _ann = subscribe(&broker, "ann-1", "ann", Scope::unrestricted());
    let _bob = subscribe(&broker, "bob-1", "bob", north());
    let open = |filter: TailFilter| broker.tail(filter).unwrap();
    let mut all = open(TailFilter::default());
    let mut licences = open(TailFilter { event: Some(licence().name), ..TailFilter::default() });
    let mut of_north = open(TailFilter { organisation: Some("north".into()), ..TailFilter::default() });
    let mut of_ann = open(TailFilter { user: Some("ann".to_owned()), ..TailFilter::default() });
    let mut of_carl = open(TailFilter { user: Some("carl".to_owned()), ..TailFilter::default() });
    let mut sampled = open(TailFilter { sample: NonZeroU64::new(2).unwrap(), ..TailFilter::default() });
    publish(&broker, [changed(), changed().with_organisation("north".into()), licence(), changed()]).await;
    assert_eq!(got(&mut all), [1, 2, 1, 3]);
    assert_eq!(got(&mut licences), [1]);
    assert_eq!(got(&mut of_north), [2]);
    assert_eq!(got(&mut of_ann), [1, 3]);
    assert_eq!(got(&mut of_carl), []);
    assert_eq!(got(&mut sampled), [1, 1]);
}

#[tokio::test]
async fn the_user_of_a_tail_is_looked_for_among_a_thousand_subscribers_and_further_events_count_as_dropped() {
    let broker = broker();
    let add = |user: &str, n: usize| subscribe(&broker, &format!("{user}-{n}"), user, Scope::unrestricted());
    let _first = add("ann", 0);
    let mut others: Vec<_> = (1..LOOKED_AT).map(|n| add("ben", n)).collect();
    let open = |user: &str| broker.tail(TailFilter { user: Some(user.to_owned()), ..TailFilter::default() }).unwrap();
    let (mut of_ann, mut of_carl) = (open("ann"), open("carl"));
    publish(&broker, [changed()]).await;
    others.push(add("carl", LOOKED_AT));
    publish(&broker, [changed(), changed(), licence()]).await;
    assert_eq!(got(&mut of_ann), [1, 2, 3]);
    assert_eq!(got(&mut of_carl), [-2]);
}

#[tokio::test]
async fn a_tail_that_is_not_read_keeps_256_events_and_says_how_many_were_dropped() {
    let broker = broker();
    let mut tail = broker.tail(TailFilter::default()).unwrap();
    publish(&broker, (0..300).map(|_| changed())).await;
    let Tailed::Event(first) = tail.next().await else { panic!("the first event is dropped") };
    assert_eq!(first.position.offset(), 1);
    // There is room for one more, behind those that were dropped.
    publish(&broker, [changed(), changed()]).await;
    let expected: Vec<i64> = (2..=256).chain([-44, 301, -1]).collect();
    assert_eq!(got(&mut tail), expected);
    publish(&broker, [changed()]).await;
    assert_eq!(got(&mut tail), [303]);
}

#[tokio::test]
async fn the_bytes_that_wait_for_a_tail_are_limited() {
    let broker = broker();
    let mut tail = broker.tail(TailFilter::default()).unwrap();
    let large = |bytes: usize| Event { payload: "x".repeat(bytes).into(), ..changed() };
    publish(&broker, [large(BYTES + 1), changed(), large(1)]).await;
    assert_eq!(got(&mut tail), [1, -2]);
    publish(&broker, (0..5).map(|_| large(1 << 20))).await;
    assert_eq!(got(&mut tail), [4, 5, 6, -2]);
    assert_eq!(tail.queue.lock().bytes, 0);
}

#[tokio::test]
async fn ten_tails_may_be_open_and_one_that_is_dropped_makes_room() {
    let broker = broker();
    let mut tails: Vec<Tail> = (0..10).map(|_| broker.tail(TailFilter::default()).unwrap()).collect();
    assert!(broker.tail(TailFilter::default()).is_none());
    tails.pop();
    tails.push(broker.tail(TailFilter::default()).unwrap());
    assert!(broker.tail(TailFilter::default()).is_none());
    drop(tails);
    assert!(!broker.core.tails.is_any_open());
}

#[tokio::test]
async fn a_tail_wakes_its_reader() {
    let broker = broker();
    let mut tail = broker.tail(TailFilter::default()).unwrap();
    let reader = tokio::spawn(async move { tail.next().await });
    tokio::task::yield_now().await;
    broker.publish(changed()).await.unwrap();
    assert!(matches!(reader.await.unwrap(), Tailed::Event(event) if event.position.offset() == 1));
}
