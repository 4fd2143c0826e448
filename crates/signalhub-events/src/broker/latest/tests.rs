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
async fn a_payload_that_is_too_long_is_not_remembered() {
    let broker = broker();
    for bytes in [LONGEST_PAYLOAD, LONGEST_PAYLOAD + 1] {
        publish(&broker, Event { payload: "x".repeat(bytes).into(), ..changed() }).await;
    }
    let latest = broker.latest_events();
    let lengths: Vec<_> = latest.iter().map(|latest| (latest.event.payload.len(), latest.payload_bytes)).collect();
    assert_eq!(lengths, [(0, LONGEST_PAYLOAD + 1), (LONGEST_PAYLOAD, LONGEST_PAYLOAD)]);
    assert_eq!(latest[0].event.resource, changed().resource);
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
