use crate::broker::tests::named::{broker, changed, licence, subscribe};
use crate::{AttachedClient, Broker, Filter, Grant, Grants, Scope};

async fn find(broker: &Broker, most: usize, user: &str) -> Vec<AttachedClient> {
    broker.attached_clients(most, |client| client.user.as_deref() == Some(user)).await
}

#[tokio::test]
async fn clients_are_found_with_their_scope_and_the_filters_of_all_shards() {
    let broker = broker();
    let scope = Scope::new(Some("north".into()), Grants::Only(vec![Grant::new("shop.*".parse().unwrap())]));
    let mut ann = subscribe(&broker, "ann-1", "ann", scope.clone());
    // With enough names, some are in other shards.
    let _others: Vec<_> = (0..2_000).map(|n| subscribe(&broker, &n.to_string(), "bob", scope.clone())).collect();
    ann.add(&Filter::new(licence().name)).unwrap();
    let tickets = Filter::new(changed().name).with_resource("tickets".into());
    ann.add(&tickets).unwrap();
    let [found] = &find(&broker, 10, "ann").await[..] else { panic!("one client of ann") };
    assert_eq!((&*found.client.connection, &found.scope), ("ann-1", &scope));
    assert_eq!(found.filters.len(), 3);
    assert!(found.filters.contains(&tickets) && found.filters.contains(&Filter::new(licence().name)));
    assert!(found.filters.contains(&Filter::new(changed().name)));
    assert_eq!(find(&broker, 10, "bob").await.len(), 10);
    drop(ann);
    assert_eq!(find(&broker, 10, "ann").await, []);
}
