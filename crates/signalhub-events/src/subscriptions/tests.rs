use super::*;
use crate::catalogue::tests::shop;
use crate::{Action, Broker, Delivery, Grant, Offered};

struct Accepting;

impl Subscriber for Accepting {
    fn offer(&self, _: &Delivery) -> Offered {
        Offered::Accepted
    }
}

fn tickets() -> Filter {
    Filter::new("shop.resources.changed".into()).with_resource("tickets".into())
}

#[tokio::test]
async fn set_of_filters_follows_the_rules_of_unsubscribe() {
    let broker = Broker::builder(shop()).build();
    let mut subscriptions = broker.attach(Arc::new(Accepting), Scope::unrestricted());
    let (created, all) = (tickets().with_action(Action::Created), Filter::new(tickets().event));
    assert_eq!(subscriptions.add(&all), Ok(Added::New));
    assert_eq!(subscriptions.add(&created), Ok(Added::New));
    assert_eq!(subscriptions.add(&created), Ok(Added::AlreadyThere));
    assert_eq!(subscriptions.add(&Filter::new("shop.licence.activated".into())), Ok(Added::New));
    assert_eq!((subscriptions.len(), broker.subscription_count()), (3, 3));

    // Nothing is removed that is wider, and nothing that is not there.
    assert_eq!(subscriptions.remove(&tickets().with_action(Action::Deleted)), 0);
    assert_eq!(subscriptions.remove(&tickets()), 1);
    assert_eq!(subscriptions.remove(&tickets()), 0);
    assert_eq!(subscriptions.add(&created), Ok(Added::New));
    assert_eq!(subscriptions.remove(&all), 2);
    assert_eq!((subscriptions.len(), subscriptions.is_empty()), (1, false));
}

#[tokio::test]
async fn refusals_name_the_missing_grant_or_the_unknown_event() {
    let broker = Broker::builder(shop()).build();
    let grant = Grant::new("shop.*".parse().unwrap()).with_resource("stock*".parse().unwrap());
    let grant = grant.with_actions([Action::Created]);
    let mut subscriptions = broker.attach(Arc::new(Accepting), Scope::new(None, Grants::Only(vec![grant])));
    let mut check = |filter: Filter, error: &str| {
        assert_eq!(subscriptions.add(&filter).unwrap_err().to_string(), error);
    };
    check(tickets(), r#"missing grant for event "shop.resources.changed", resource "tickets""#);
    check(
        Filter::new("shop.resources.changed".into()).with_action(Action::Deleted),
        r#"missing grant for event "shop.resources.changed", action "deleted""#,
    );
    // A subscriber without a grant is not told whether there is such an event.
    check(Filter::new("other".into()), r#"missing grant for event "other""#);
    let known = r#"expected "shop.licence.activated" or "shop.resources.changed""#;
    check(Filter::new("shop.other".into()), &format!(r#"unknown event "shop.other": {known}"#));
    assert_eq!(broker.subscription_count(), 0);
}

#[tokio::test]
async fn errors_name_only_events_that_are_granted() {
    let broker = Broker::builder(shop()).build();
    let check = |granted: &[&str], filter: &Filter, error: &str| {
        let grants = granted.iter().map(|pattern| Grant::new(pattern.parse().unwrap())).collect();
        let mut subscriptions = broker.attach(Arc::new(Accepting), Scope::new(None, Grants::Only(grants)));
        assert_eq!(subscriptions.add(filter).unwrap_err().to_string(), error, "{granted:?}");
    };
    let (unknown, activated) = (Filter::new("other".into()), Filter::new("shop.licence.activated".into()));
    let activated = activated.with_resource("tickets".into());
    check(&[], &unknown, r#"missing grant for event "other""#);
    check(&[], &activated, r#"missing grant for event "shop.licence.activated", resource "tickets""#);
    check(&["oth*"], &unknown, r#"unknown event "other": expected no event at all"#);
    check(&["oth*", "shop.l*"], &unknown, r#"unknown event "other": expected "shop.licence.activated""#);
    let no_resources = r#"event "shop.licence.activated" has no resources: resources and actions are allowed for "#;
    check(&["shop.l*"], &activated, &format!("{no_resources}no event at all"));
    check(&["*"], &activated, &format!(r#"{no_resources}"shop.resources.changed""#));
}

#[tokio::test]
async fn nothing_is_left_of_a_thousand_subscribers() {
    let broker = Broker::builder(shop()).build();
    let mut all = Vec::new();
    for number in 0..1000 {
        let mut subscriptions = broker.attach(Arc::new(Accepting), Scope::unrestricted());
        for resource in 0..number % 7 {
            let filter = Filter::new("shop.resources.changed".into()).with_resource(format!("r{resource}").into());
            subscriptions.add(&filter).unwrap();
        }
        all.push(subscriptions);
    }
    assert_eq!((broker.subscriber_count(), broker.subscription_count() > 2000), (1000, true));
    drop(all);
    assert_eq!((broker.subscriber_count(), broker.subscription_count()), (0, 0));
}
