use std::collections::HashSet;

use serde_json::value::RawValue;
use signalhub_events::UnknownEvents;
use time::macros::datetime;

use super::*;
use crate::subscription_request::SubscriptionRequestResource;

fn custom() -> Broker {
    let catalogue = catalogue()
        .with_event(EventName::new("shop.changed"), Resources::With)
        .with_event(EventName::new("shop.opened"), Resources::Without);
    Broker::builder(catalogue).node("node").build()
}

fn body(json: &str) -> PublishBody {
    PublishBody::read(&RawValue::from_string(json.to_owned()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_body_becomes_the_event_that_its_name_asks_for() {
    let broker = custom();
    let changed = r#"{"e":"portos.resources.changed","org":"north","ea":"2030-01-01T00:00:00Z","s":{"c":"me"},"p":{"n":"tickets","a":2,"u":{"u":"9","d":"B"},"i":{"i":"x","n":"tickets","v":7}}}"#;
    let event = event(body(changed), &broker).unwrap();
    assert_eq!((event.resource, event.action), (Some("tickets".into()), Some(events::Action::Updated)));
    assert_eq!((event.organisation, event.expires), (Some("north".into()), Some(datetime!(2030-01-01 0:00 UTC))));
    assert_eq!(event.sender.unwrap(), r#"{"c":"me","u":{"u":"SYSTEM","d":"SYSTEM","f":null}}"#);
    let canonical = r#"{"u":{"u":"9","d":"B","f":null},"n":"tickets","a":2,"i":{"i":"x","n":"tickets","v":7},"r":[]}"#;
    assert_eq!(event.payload, canonical);

    let opened = super::event(body(r#"{"e":"shop.opened","p":{ "n":"tickets","a":1 }}"#), &broker).unwrap();
    assert_eq!((opened.resource, opened.action, opened.sender), (None, None, None));
    assert_eq!(opened.payload, r#"{ "n":"tickets","a":1 }"#);
    let changed = super::event(body(r#"{"e":"shop.changed","p":{"n":"tickets","a":3}}"#), &broker).unwrap();
    assert_eq!((changed.resource, changed.action), (Some("tickets".into()), Some(events::Action::Deleted)));
}

#[tokio::test]
async fn what_the_event_does_not_allow_is_refused() {
    let broker = custom();
    let long = "n".repeat(LONGEST_NAME + 1);
    let changed =
        |name: &str| format!(r#"{{"n":"{name}","a":2,"u":{{"u":"9","d":"B"}},"i":{{"i":"x","n":"tickets","v":7}}}}"#);
    for (name, payload, error) in [
        ("portos.licence.activated", "[]", "p: expected a licence object, found an array"),
        ("shop.changed", "[]", "p: expected an object, found an array"),
        ("shop.changed", r#"{"a":1}"#, "p.n: expected the name of a resource, found nothing"),
        ("shop.changed", r#"{"n":"x","a":4}"#, "p.a: expected 1 (created), 2 (updated) or 3 (deleted), found a number"),
        ("portos.resources.changed", &changed(&long), "p.n: a name may have 256 bytes, found 257"),
        (
            "shop.closed",
            "1",
            r#"unknown event "shop.closed": expected "portos.licence.activated", "portos.resources.changed", "shop.changed" or "shop.opened""#,
        ),
    ] {
        let body = body(&format!(r#"{{"e":"{name}","p":{payload}}}"#));
        assert_eq!(event(body, &broker).unwrap_err().to_string(), error);
    }
}

#[tokio::test]
async fn an_undeclared_event_has_a_resource_if_its_payload_names_one() {
    let broker = Broker::builder(catalogue().with_unknown(UnknownEvents::Allowed)).build();
    let resource = |payload: &str| {
        let event = event(body(&format!(r#"{{"e":"other","p":{payload}}}"#)), &broker).unwrap();
        event.resource.map(|name| name.to_string())
    };
    assert_eq!(resource(r#"{"n":"tickets","a":1}"#).as_deref(), Some("tickets"));
    for without in ["1", "{}", r#"{"n":"tickets"}"#, &format!(r#"{{"n":"{}","a":1}}"#, "n".repeat(LONGEST_NAME + 1))] {
        assert_eq!(resource(without), None, "{without}");
    }
}

#[test]
fn a_notification_has_the_documented_members() {
    let mut event = Event::new(EventName::new(LICENCE_ACTIVATED), "{}").with_created(datetime!(2024-07-01 12:00 UTC));
    event.node = Some("node".into());
    let payload = RawValue::from_string("{}".to_owned()).unwrap();
    let write = |event: &Event| serde_json::to_string(&notification(event, &payload).unwrap()).unwrap();
    let documented = |sender: &str| {
        format!(
            r#"{{"e":"portos.licence.activated","s":{sender},"r":null,"ca":"2024-07-01T12:00:00.000Z","ea":null,"p":{{}}}}"#
        )
    };
    assert_eq!(write(&event), documented(r#"{"c":"node","u":{"u":"SYSTEM","d":"SYSTEM","f":null}}"#));
    let sender = r#"{"c":"me","u":{"u":"999","d":"BackOffice","f":"stock"}}"#;
    let event = event.with_sender(sender.into());
    assert_eq!(write(&event), documented(sender));
    assert!(notification(&event.with_sender("7".into()), ()).is_err());
}

#[test]
fn requests_stand_for_filters() {
    let changed = || Filter::new(EventName::new(RESOURCES_CHANGED));
    let tickets = || changed().with_resource("tickets".into());
    let request = SubscriptionRequest::new(RESOURCES_CHANGED);
    assert_eq!(filters(request.clone()), Ok(vec![changed()]));
    let both = request.with_resource("tickets", ["created", "deleted"]).with_resource("devices", [""; 0]);
    let expected = vec![
        tickets().with_action(events::Action::Created),
        tickets().with_action(events::Action::Deleted),
        changed().with_resource("devices".into()),
    ];
    assert_eq!(filters(both), Ok(expected));
}

#[test]
fn requests_that_name_nothing_are_refused() {
    let long = "n".repeat(LONGEST_NAME + 1);
    let request = SubscriptionRequest::new(RESOURCES_CHANGED);
    let nameless =
        SubscriptionRequest { resources: Some(vec![SubscriptionRequestResource::default()]), ..request.clone() };
    for (request, error) in [
        (
            SubscriptionRequest::default(),
            "\"e\" is missing: expected the name of an event, as \"portos.resources.changed\"",
        ),
        (SubscriptionRequest::new(&*long), "\"e\": a name may have 256 bytes, found 257"),
        (nameless, "\"n\" is missing: expected the name of a resource, as \"tickets\""),
        (request.clone().with_resource(&*long, [""; 0]), "\"n\": a name may have 256 bytes, found 257"),
        (
            request.with_resource("tickets", ["renamed"]),
            "unknown action \"renamed\": expected \"created\", \"updated\" or \"deleted\"",
        ),
    ] {
        assert_eq!(filters(request).unwrap_err().to_string(), error);
    }
}

#[test]
fn claims_stand_for_grants() {
    let read = |json: &str| grant(&serde_json::from_str(json).unwrap()).map_err(|error| error.to_string());
    let portos = || Grant::new("portos.*".parse().unwrap());
    assert_eq!(read(r#"{"e":"portos.*"}"#), Ok(portos()));
    let narrow = portos().with_resource("tickets".parse().unwrap()).with_actions([events::Action::Created]);
    assert_eq!(read(r#"{"e":"portos.*","r":"tickets","a":["created"]}"#), Ok(narrow));
    assert_eq!(read(r#"{"e":"portos.*","a":[]}"#), Ok(portos().with_actions([])));
    assert_eq!(read(r#"{"e":"*x"}"#), Err("\"*x\" is no pattern: a * may only stand at the end".to_owned()));
    assert_eq!(
        read(r#"{"e":"x","a":["renamed"]}"#),
        Err("unknown action \"renamed\": expected \"created\", \"updated\" or \"deleted\"".to_owned())
    );
}

#[test]
fn filters_become_the_requests_that_ask_for_them() {
    let request = |text: &str| serde_json::from_str::<SubscriptionRequest>(text).unwrap();
    for (asked, expected) in [
        (vec![], "[]"),
        (vec![r#"{"e":"b"}"#, r#"{"e":"a"}"#], r#"[{"e":"a"},{"e":"b"}]"#),
        (
            vec![r#"{"e":"a","r":[{"n":"y","a":["updated","created"]},{"n":"x"}]}"#, r#"{"e":"a"}"#],
            r#"[{"e":"a"},{"e":"a","r":[{"n":"x"},{"n":"y","a":["created","updated"]}]}]"#,
        ),
        (
            vec![r#"{"e":"a","r":[{"n":"x","a":["deleted"]},{"n":"x"}]}"#, r#"{"e":"b","r":[{"n":"x"}]}"#],
            r#"[{"e":"a","r":[{"n":"x"},{"n":"x","a":["deleted"]}]},{"e":"b","r":[{"n":"x"}]}]"#,
        ),
    ] {
        let all: Vec<_> = asked.iter().rev().flat_map(|text| filters(request(text)).unwrap()).collect();
        let made = requests(all.clone());
        assert_eq!(serde_json::to_string(&made).unwrap(), expected);
        let again: HashSet<_> = made.into_iter().flat_map(|request| filters(request).unwrap()).collect();
        assert_eq!(again, all.into_iter().collect());
    }
}
