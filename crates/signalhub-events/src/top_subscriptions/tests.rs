use crate::broker::tests::named::{broker, changed, licence, subscribe};
use crate::{Broker, CountedBy, Filter, Grants, Scope};

/// Counts as `event resource subscriptions matched`.
async fn counts(broker: &Broker, by: CountedBy, most: usize) -> Vec<String> {
    let counts = broker.largest_subscription_counts(by, most).await;
    let line = |count: &crate::SubscriptionCount| {
        let resource = count.resource.as_ref().map_or("-", |resource| resource.as_str());
        format!("{} {resource} {} {}", count.event, count.subscriptions, count.matched_last_minute)
    };
    counts.iter().map(line).collect()
}

#[tokio::test]
async fn subscriptions_are_counted_by_event_and_by_resource_with_what_they_matched() {
    let broker = broker();
    let north = Scope::new(Some("north".into()), Grants::All);
    let mut ann = subscribe(&broker, "ann-1", "ann", Scope::unrestricted());
    let mut bob = subscribe(&broker, "bob-1", "bob", north);
    let tickets = Filter::new(changed().name).with_resource("tickets".into());
    bob.add(&tickets).unwrap();
    bob.add(&tickets.clone().with_action(crate::Action::Created)).unwrap();
    bob.add(&Filter::new(changed().name).with_resource("plus".into())).unwrap();
    ann.add(&Filter::new(licence().name)).unwrap();
    // Matches ann and bob.
    broker.publish(changed()).await.unwrap();
    // Matches bob.
    broker.publish(changed().with_organisation("north".into())).await.unwrap();
    let all = ["shop.resources.changed - 5 3", "shop.licence.activated - 1 0"];
    assert_eq!(counts(&broker, CountedBy::Event, 10).await, all);
    assert_eq!(counts(&broker, CountedBy::Event, 1).await, all[..1]);
    let by_resource = [
        "shop.resources.changed - 2 3",
        "shop.resources.changed tickets 2 0",
        "shop.licence.activated - 1 0",
        "shop.resources.changed plus 1 0",
    ];
    assert_eq!(counts(&broker, CountedBy::Resource, 10).await, by_resource);
    assert_eq!(counts(&broker, CountedBy::Resource, 3).await, by_resource[..3]);
    drop((ann, bob));
    assert!(counts(&broker, CountedBy::Event, 10).await.is_empty());
}
