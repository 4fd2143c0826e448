use super::*;
use crate::broker::tests::named::{Named, broker, changed, subscribe};
use crate::{EventName, Scope};

async fn publish(broker: &crate::Broker, event: Event) -> Position {
    broker.publish(event).await.unwrap().position
}

fn connections(clients: &MatchedClients) -> Vec<String> {
    let mut connections: Vec<String> = clients.clients.iter().map(|client| client.connection.to_string()).collect();
    connections.sort();
    connections
}

#[tokio::test]
async fn the_latest_hundred_events_are_remembered_the_latest_first() {
    let broker = broker();
    for _ in 0..120 {
        publish(&broker, changed()).await;
    }
    let offsets: Vec<u64> = broker.latest_events().iter().map(|latest| latest.position.offset()).collect();
    assert_eq!(offsets, (21..=120).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_that_is_too_large_is_remembered_without_its_sender_and_its_payload() {
    let broker = broker();
    let names = changed().size() - changed().payload.len();
    let text = |bytes: usize| Bytes::from("x".repeat(bytes));
    let largest = LARGEST - names - 10;
    for (sender, payload) in [(10, largest), (10, largest + 1), (largest, 10), (1 << 20, 10)] {
        publish(&broker, Event { payload: text(payload), ..changed().with_sender(text(sender)) }).await;
    }
    let latest = broker.latest_events();
    let bytes = |latest: &LatestEvent| {
        let LatestEvent { event, extent, payload_bytes, .. } = latest;
        assert_eq!(event.resource, changed().resource);
        (*extent, event.sender.as_ref().map(Bytes::len), event.payload.len(), *payload_bytes)
    };
    let expected = [
        (LatestExtent::WithoutContent, None, 0, 10),
        (LatestExtent::Whole, Some(largest), 10, 10),
        (LatestExtent::WithoutContent, None, 0, largest + 1),
        (LatestExtent::Whole, Some(10), largest, largest),
    ];
    assert_eq!(latest.iter().map(bytes).collect::<Vec<_>>(), expected);
}

#[test]
fn an_event_that_is_added_late_does_not_replace_a_later_one() {
    let (events, event) = (LatestEvents::default(), Arc::new(changed()));
    let push = |offset: u64| {
        let position = Position::new(crate::Epoch::new(1), offset);
        events.push(LatestEvent::new(&event, position, OffsetDateTime::UNIX_EPOCH, 0), 0, Serial::default(), &[]);
    };
    (0..=EVENTS as u64).for_each(push);
    // A publisher that has taken the first number adds its event only now.
    events.next.store(0, Ordering::Relaxed);
    push(1_000);
    let offsets: Vec<u64> = events.all().iter().map(|latest| latest.position.offset()).collect();
    assert_eq!(offsets, (1..=EVENTS as u64).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_is_remembered_with_the_clients_that_it_matched() {
    let broker = broker();
    let _ann = subscribe(&broker, "ann-1", "ann", Scope::unrestricted());
    let bob = subscribe(&broker, "bob-1", "bob", Scope::unrestricted());
    let position = publish(&broker, changed()).await;
    let (latest, clients) = broker.latest_event(&changed().name, position).unwrap();
    assert_eq!((latest.matched, connections(&clients)), (2, vec!["ann-1".to_owned(), "bob-1".to_owned()]));
    assert_eq!((clients.others, clients.not_remembered), (0, 0));
    assert!(broker.latest_event(&EventName::new("other"), position).is_none());
    assert!(broker.latest_event(&changed().name, Position::new(position.epoch(), 2)).is_none());
    // The number of a subscriber that has ended goes to another one, which did not get the event.
    drop(bob);
    let _carl = subscribe(&broker, "carl-1", "carl", Scope::unrestricted());
    let (_, clients) = broker.latest_event(&changed().name, position).unwrap();
    assert_eq!((connections(&clients), clients.others), (vec!["ann-1".to_owned()], 1));
}

#[tokio::test]
async fn a_thousand_of_the_subscribers_are_remembered() {
    let broker = broker();
    let subscribers: Vec<_> =
        (0..1_010).map(|n| subscribe(&broker, &n.to_string(), "ann", Scope::unrestricted())).collect();
    let position = publish(&broker, changed()).await;
    let (latest, clients) = broker.latest_event(&changed().name, position).unwrap();
    assert_eq!((latest.matched, clients.clients.len(), clients.not_remembered), (1_010, 1_000, 10));
    drop(subscribers);
    let (_, clients) = broker.latest_event(&changed().name, position).unwrap();
    assert_eq!((clients.clients.len(), clients.others, clients.not_remembered), (0, 1_000, 10));
}

#[tokio::test]
async fn subscribers_without_a_client_and_expired_events_have_no_clients() {
    let broker = broker();
    let mut subscriptions = broker.attach(Named(None), Scope::unrestricted());
    subscriptions.add(&crate::Filter::new(changed().name)).unwrap();
    let position = publish(&broker, changed()).await;
    let (_, clients) = broker.latest_event(&changed().name, position).unwrap();
    assert_eq!((clients.clients.len(), clients.others), (0, 1));
    let position = publish(&broker, changed().with_expires(OffsetDateTime::UNIX_EPOCH)).await;
    let (latest, clients) = broker.latest_event(&changed().name, position).unwrap();
    assert_eq!((latest.matched, clients), (0, MatchedClients::default()));
}
