use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use time::macros::datetime;

use super::*;
use crate::index::tests::{all_grants, events, filters, scopes};
use crate::{Action, Broker, Delivery, EventName, Offered, Subscriber, UnknownEvents};

struct Accepting;

impl Subscriber for Accepting {
    fn offer(&self, _: &Delivery) -> Offered {
        Offered::Accepted
    }
}

/// Catalogues in which each of the names of the events is declared with resources, declared without, or not declared.
fn catalogues() -> impl Strategy<Value = Catalogue> {
    let declared = prop::option::weighted(0.8, prop_oneof![3 => Just(Resources::With), 1 => Just(Resources::Without)]);
    let unknown = select(vec![UnknownEvents::Refused, UnknownEvents::Allowed]);
    (vec(declared, 3), unknown).prop_map(|(declared, unknown)| {
        let names = ["changed", "changing", "tickets"].into_iter().zip(declared);
        names.fold(Catalogue::new().with_unknown(unknown), |catalogue, (name, resources)| match resources {
            Some(resources) => catalogue.with_event(name.into(), resources),
            None => catalogue,
        })
    })
}

/// Events of which some have expired, some will, and the name of some is too long.
fn all_events() -> impl Strategy<Value = Event> {
    let expires =
        prop_oneof![4 => Just(None), 1 => Just(Some(Duration::from_secs(3600))), 1 => Just(Some(Duration::ZERO))];
    (events(), expires, prop::bool::weighted(0.05)).prop_map(|(mut event, expires, is_too_long)| {
        event.expires = expires.map(|after| OffsetDateTime::now_utc() + after);
        if is_too_long {
            event.name = EventName::new("changed".repeat(50));
        }
        event
    })
}

/// Publishes events to a subscriber that asked for these filters and then got other grants. Returns of each event whether it was delivered,
/// and the explanation.
async fn publish(
    catalogue: Catalogue,
    scope: Scope,
    filters: Vec<Filter>,
    later: Option<Grants>,
    events: Vec<Event>,
) -> Vec<(bool, Vec<Explained>)> {
    let broker = Broker::builder(catalogue.clone()).shards(1).build();
    let mut subscriptions = broker.attach(Arc::new(Accepting), scope);
    let mut taken: Vec<Filter> = filters.into_iter().filter(|filter| subscriptions.add(filter).is_ok()).collect();
    if let Some(grants) = later {
        let ended = subscriptions.set_grants(grants);
        taken.retain(|filter| !ended.contains(filter));
    }
    let mut results = Vec::new();
    for event in events {
        let mut explained = vec![explain_event(&event, &catalogue)];
        if !explained[0].is_failed() {
            explained.extend(explain_subscriber(&event, subscriptions.scope(), &taken, OffsetDateTime::now_utc()));
        }
        let delivered = broker.publish(event).await.is_ok_and(|receipt| receipt.matched == 1);
        results.push((delivered, explained));
    }
    results
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn explain_says_delivered_if_and_only_if_the_broker_delivers(
        catalogue in catalogues(),
        scope in scopes(),
        filters in vec(filters(), 0..8),
        later in prop::option::weighted(0.2, all_grants()),
        events in vec(all_events(), 16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (delivered, explained) in runtime.block_on(publish(catalogue, scope, filters, later, events)) {
            prop_assert_eq!(!explained.iter().any(Explained::is_failed), delivered, "{:#?}", explained);
            for step in explained {
                prop_assert_eq!(step.detail.is_none(), step.outcome == Skip);
            }
        }
    }
}

fn tickets() -> Event {
    Event::new("portos.resources.changed".into(), "{}")
        .with_resource("tickets".into())
        .with_action(Action::Updated)
        .with_organisation("acme".into())
}

/// The event, the resource and the actions of a grant.
type GrantParts<'a> = (&'a str, Option<&'a str>, Option<&'a [Action]>);

fn acme(grants: &[GrantParts<'_>]) -> Scope {
    let grants = grants.iter().map(|(event, resource, actions)| {
        let grant = Grant::new(event.parse().unwrap());
        let grant = match resource {
            Some(resource) => grant.with_resource(resource.parse().unwrap()),
            None => grant,
        };
        match actions {
            Some(actions) => grant.with_actions(actions.iter().copied()),
            None => grant,
        }
    });
    Scope::new(Some("acme".into()), Grants::Only(grants.collect()))
}

fn all() -> Scope {
    Scope::new(Some("acme".into()), Grants::All)
}

const NOW: OffsetDateTime = datetime!(2026-11-28 16:00 UTC);

#[track_caller]
fn check(step: ExplainedStep, expected: (StepOutcome, &str), event: &Event, scope: &Scope, filters: &[Filter]) {
    let explained = explain_subscriber(event, scope, filters, NOW);
    let found = explained.iter().find(|explained| explained.step == step).unwrap();
    assert_eq!((found.outcome, found.detail.as_deref().unwrap_or_default()), expected);
}

use StepOutcome::{Fail, Pass, Skip};

#[test]
fn a_missing_grant_is_told_with_what_is_needed_and_what_there_is() {
    let check = |expected: (StepOutcome, &str), grants: &[GrantParts<'_>]| {
        check(ExplainedStep::Grants, expected, &tickets(), &acme(grants), &[]);
    };
    let needs = "needs portos.resources.changed on tickets (updated); has ";
    let fails = |has: &str, grants: &[GrantParts<'_>]| {
        check((Fail, &format!("{needs}{has}")), grants);
    };
    let changed = "portos.resources.changed";
    fails("portos.resources.changed on plus (grants[0])", &[(changed, Some("plus"), None)]);
    fails("an empty list of grants", &[]);
    fails(
        "portos.* on tickets (created, deleted) (grants[0])",
        &[("portos.*", Some("tickets"), Some(&[Action::Created, Action::Deleted]))],
    );
    fails("* (no action) (grants[0])", &[("*", None, Some(&[]))]);
    // The nearest come first, and the index is the one in the token.
    fails(
        "portos.resources.changed on tick (grants[3]), portos.resources.changed on plus (grants[4]), other (grants[0]), and 2 more",
        &[
            ("other", None, None),
            ("other", None, None),
            ("other", None, None),
            (changed, Some("tick"), None),
            (changed, Some("plus"), None),
        ],
    );
    check((Pass, "portos.* on tick* (grants[1])"), &[("other", None, None), ("portos.*", Some("tick*"), None)]);
    check((Pass, "* (grants[0])"), &[("*", None, None)]);
}

#[test]
fn a_grant_of_resources_does_not_grant_events_without_one() {
    let licence = Event::new("portos.licence.activated".into(), "{}");
    let fails = "needs portos.licence.activated; has * on * (grants[0])";
    check(ExplainedStep::Grants, (Fail, fails), &licence, &acme(&[("*", Some("*"), None)]), &[]);
}

#[test]
fn without_a_list_of_grants_every_event_is_granted() {
    let passes = "every event is granted: the connection has no list of grants";
    check(ExplainedStep::Grants, (Pass, passes), &tickets(), &all(), &[]);
}

#[test]
fn the_organisation_decides_first_and_later_steps_are_skipped() {
    let north = Scope::new(Some("north".into()), Grants::All);
    let filters = [Filter::new(tickets().name)];
    check(ExplainedStep::Organisation, (Fail, "event of acme, connection of north"), &tickets(), &north, &filters);
    check(ExplainedStep::Grants, (Skip, ""), &tickets(), &north, &filters);
    check(ExplainedStep::Subscriptions, (Skip, ""), &tickets(), &north, &filters);
    let none = Scope::unrestricted();
    let fails = "event of acme, connection without an organisation";
    check(ExplainedStep::Organisation, (Fail, fails), &tickets(), &none, &filters);
    check(ExplainedStep::Organisation, (Pass, "event of acme, connection of acme"), &tickets(), &all(), &filters);
    let common = Event { organisation: None, ..tickets() };
    let passes = "event without an organisation, connection of north";
    check(ExplainedStep::Organisation, (Pass, passes), &common, &north, &filters);
}

#[test]
fn the_subscription_that_matches_is_told_or_the_nearest_one_and_what_differs() {
    let check = |expected: (StepOutcome, &str), filters: &[Filter]| {
        check(ExplainedStep::Subscriptions, expected, &tickets(), &all(), filters);
    };
    let changed = Filter::new(tickets().name);
    let plus = changed.clone().with_resource("plus".into());
    let created = changed.clone().with_resource("tickets".into()).with_action(Action::Created);
    check((Fail, "the connection has no subscription"), &[]);
    check((Pass, "the subscription to portos.resources.changed matches"), &[plus.clone(), changed]);
    let fails = "the only subscription is to portos.resources.changed on plus: it wants the resource plus, and the event has tickets";
    check((Fail, fails), std::slice::from_ref(&plus));
    let fails = "the nearest of 2 subscriptions is to portos.resources.changed on tickets (created): it wants the action created, \
        and the event has updated";
    check((Fail, fails), &[created, plus]);
    let fails = "the nearest of 2 subscriptions is to portos.resources.change: it is not to portos.resources.changed";
    check((Fail, fails), &[Filter::new("portos.resources.change".into()), Filter::new("other".into())]);
}

#[test]
fn a_filter_with_a_resource_does_not_match_an_event_without_one() {
    let event = Event { resource: None, action: None, ..tickets() };
    let filter = Filter::new(tickets().name).with_resource("tickets".into()).with_action(Action::Updated);
    let fails = "the only subscription is to portos.resources.changed on tickets (updated): it wants the resource tickets, and the event has \
        none, and it wants the action updated, and the event has none";
    check(ExplainedStep::Subscriptions, (Fail, fails), &event, &all(), &[filter]);
}

#[test]
fn an_expired_event_ends_at_the_last_step() {
    let expires = |at| tickets().with_expires(at);
    let at = datetime!(2026-11-28 15:59:59 UTC);
    check(ExplainedStep::Expiry, (Fail, "the event expired at 2026-11-28T15:59:59Z"), &expires(at), &all(), &[]);
    let at = datetime!(2026-11-28 16:00:01 UTC);
    check(ExplainedStep::Expiry, (Pass, "the event expires at 2026-11-28T16:00:01Z"), &expires(at), &all(), &[]);
    check(ExplainedStep::Expiry, (Pass, "the event does not expire"), &tickets(), &all(), &[]);
}

#[test]
fn the_catalogue_says_what_it_takes() {
    let shop = crate::catalogue::tests::shop();
    let check = |event: Event, catalogue: &Catalogue, expected: (StepOutcome, &str)| {
        let explained = explain_event(&event, catalogue);
        assert_eq!((explained.outcome, explained.detail.as_deref().unwrap()), expected);
    };
    let changed = Event::new("shop.resources.changed".into(), "{}");
    check(changed.clone().with_resource("tickets".into()), &shop, (Pass, "declared, with resources"));
    check(changed, &shop, (Pass, "declared, with resources, but none is named"));
    let licence = Event::new("shop.licence.activated".into(), "{}");
    check(licence.clone(), &shop, (Pass, "declared, without resources"));
    let fails = "event \"shop.licence.activated\" has no resources: resources and actions are allowed for \"shop.resources.changed\"";
    check(licence.with_resource("tickets".into()), &shop, (Fail, fails));
    let unknown = Event::new("other".into(), "{}");
    let fails = "unknown event \"other\": expected \"shop.licence.activated\" or \"shop.resources.changed\"";
    check(unknown.clone(), &shop, (Fail, fails));
    let passes = "not declared, but undeclared events are allowed";
    check(unknown, &shop.with_unknown(UnknownEvents::Allowed), (Pass, passes));
}
