//! Batches and CloudEvents over a real socket, row by row.

use std::cell::Cell;

use crate::common::{KEY, Running, configuration, send};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::Client;

const ONE: &str = "application/cloudevents+json";
const MANY: &str = "application/cloudevents-batch+json";

const CHANGED: &str = r#"{"u":{"u":"999","d":"BackOffice"},"n":"tickets","a":1,"i":{"i":"x","n":"tickets","v":7}}"#;

#[tokio::test]
async fn a_batch_is_taken_or_refused_item_by_item_in_order() {
    let node = Running::start(configuration("[events]\nwithout_resources = [\"shop.opened\"]")).await;
    let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({ "e": "shop.opened" }),)).await.unwrap();
    let batch = r#"[{"e":"shop.opened","p":1.50}, 17, {"e":"un.declared","p":1},{"p":1},
        {"e":"shop.opened","p":"\ud83d"}, {"e":"shop.opened","p":[1e400]}, {"e":"shop.opened","p":2,"ea":"soon"}, [], null, {"e":"shop.opened","p":{"last":true}}]"#;
    let answer = node.publish(batch).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let expected = [
        "-",
        "invalid_notification",
        "unknown_event",
        "missing_member",
        "invalid_payload",
        "invalid_payload",
        "invalid_member",
        "invalid_notification",
        "invalid_notification",
        "-",
    ];
    assert_eq!(answer.codes(), expected, "{:?}", answer.body);
    assert_eq!(answer.body[0]["matched"], 1);
    assert!(answer.body[9]["position"].as_str().unwrap().ends_with(":2"));
    assert_eq!(
        (&answer.body[1]["status"], &answer.body[1]["detail"]),
        (&json!(400), &json!("expected an object with the members e and p, found a number"),)
    );
    for payload in [r#""p":1.50}]"#, r#""p":{"last":true}}]"#] {
        let event = client.next_invocation().await.unwrap();
        assert!(event.arguments().ends_with(payload), "{}", event.arguments());
    }
    node.stop().await;
}

#[tokio::test]
async fn batches_have_a_limit() {
    let node = Running::start(configuration("[publish]\nmaximum_batch_size = 3")).await;
    let batch = |count: usize| json!(vec![json!({ "e": "portos.licence.activated", "p": {} }); count]).to_string();
    for (count, verdict) in [(0, "200 -"), (1, "200 -"), (3, "200 -"), (4, "413 batch_too_large")] {
        let answer = node.publish(&batch(count)).await;
        assert_eq!(answer.verdict(), verdict, "{count}");
        assert_eq!(answer.codes().len(), if count > 3 { 0 } else { count });
    }
    let detail = node.publish(&batch(4)).await.body["detail"].clone();
    assert_eq!(detail, "a batch may have 3 items (publish.maximum_batch_size), found 4");
    node.stop().await;
}

#[tokio::test]
async fn each_item_of_a_batch_needs_its_grant() {
    let node = Running::start(configuration("[events]\nallow_unknown = true")).await;
    let token = node.token(|token| {
        token.organisation = Some("shop".to_owned());
        token.publish = vec!["shop.*".parse().unwrap()];
    });
    let event = |name: &str, organisation: Value| json!({ "specversion": "1.0", "id": "1", "source": "/till", "type": name, "org": organisation, "data": 1 });
    let own = |name: &str, organisation: Value| json!({ "e": name, "p": 1, "org": organisation });
    let rows = [
        ("shop.opened", json!("shop"), "-"),
        ("shop.opened", json!("other"), "forbidden"),
        ("shop.opened", Value::Null, "forbidden"),
        ("bank.opened", json!("shop"), "forbidden"),
    ];
    for (content_type, make) in [(MANY, &event as &dyn Fn(&str, Value) -> Value), ("application/json", &own)] {
        let items: Vec<Value> = rows.iter().map(|(name, organisation, _)| make(name, organisation.clone())).collect();
        let request = Request::post(format!("{}/api/v1/publish", node.url))
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", content_type);
        let answer = send(request.body(Full::from(json!(items).to_string())).unwrap()).await;
        assert_eq!(answer.codes(), rows.each_ref().map(|row| row.2), "{content_type}: {:?}", answer.body);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_cloud_event_is_taken_or_refused_for_a_reason() {
    let node = Running::start(configuration("[events]\nwith_resources = [\"shop.changed\"]")).await;
    // Two events with the same source and id would be one.
    let ids = Cell::new(0);
    let id = || ids.replace(ids.get() + 1);
    let event = |more: &str| {
        let id = id();
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/till","type":"portos.licence.activated","data":{{}}{more}}}"#
        )
    };
    let typed = |name: &str, data: &str| {
        let id = id();
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"urn:till","type":"{name}","data":{data}}}"#)
    };
    let rows: &[(String, &str, &str)] = &[
        (event(""), "202 -", ""),
        (
            event(r#","datacontenttype":"application/vnd.x+json; charset=utf-8","subject":"x","dataschema":"y""#),
            "202 -",
            "",
        ),
        (
            event(
                r#","time":"2024-07-01T12:51:52Z","expirytime":"2099-01-01T00:00:00Z","org":"shop","traceparent":"00-x","n1":7"#,
            ),
            "202 -",
            "",
        ),
        (typed("portos.resources.changed", CHANGED), "202 -", ""),
        (typed("shop.changed", r#"{"n":"x","a":1}"#), "202 -", ""),
        ("{}".to_owned(), "400 missing_member", "specversion: expected \"1.0\", found nothing"),
        (event(r#","specversion":"0.3""#), "400 invalid_member", "specversion: expected \"1.0\""),
        (event(r#","specversion":1.0"#), "400 invalid_member", "found a number"),
        (event(r#","id":"""#), "400 invalid_member", "id: expected the id of the event"),
        (event(r#","source":null"#), "400 invalid_member", "source: expected"),
        (event(r#","type":7"#), "400 invalid_member", "type: expected the name of an event"),
        (
            event(r#","datacontenttype":"text/xml""#),
            "400 invalid_member",
            "datacontenttype: expected a content type of JSON",
        ),
        (event(r#","time":"noon""#), "400 invalid_member", "time: expected a time"),
        (event(r#","expirytime":5"#), "400 invalid_member", "expirytime: expected a time"),
        (event(r#","org":"""#), "400 invalid_member", "org: expected"),
        (event(r#","data_base64":"AA==""#), "400 invalid_member", "data_base64: binary data is not supported"),
        (event(r#","Subject":"x""#), "400 unknown_member", "\"Subject\""),
        (typed("un.declared", "1"), "400 unknown_event", "type: "),
        (typed("portos.licence.activated", "null"), "400 invalid_payload", "data: expected a licence object"),
        (typed("portos.resources.changed", r#"{"u":{}}"#), "400 invalid_payload", "data.u.u: expected"),
        (typed("shop.changed", r#"{"n":"x","a":4}"#), "400 invalid_payload", "data.a: expected 1 (created)"),
        (typed(&"x".repeat(257), "1"), "400 invalid_member", "type: a name may have 256 bytes, found 257"),
        (typed("shop.changed", "[1]"), "400 invalid_payload", "data: expected an object"),
        (
            typed("portos.licence.activated", r#"{"a":"\ud83d"}"#),
            "400 invalid_payload",
            "data: a string has half a surrogate pair",
        ),
        (typed("portos.licence.activated", r#"{"a":1e999}"#), "400 invalid_payload", "data: a number is not finite"),
        ("7".to_owned(), "400 invalid_notification", "expected a CloudEvent, an object, found a number"),
        ("[]".to_owned(), "400 invalid_notification", "expected one CloudEvent, an object, found an array"),
        (r#"{"e":"portos.licence.activated","p":{}}"#.to_owned(), "400 missing_member", "specversion"),
    ];
    for (body, verdict, detail) in rows {
        let answer = node.publish_as(ONE, body).await;
        assert_eq!(answer.verdict(), *verdict, "{body}: {:?}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap_or_default().contains(detail), "{body}: {:?}", answer.body);
    }
    let all: Vec<&str> = rows[..19].iter().map(|row| row.0.as_str()).collect();
    let answer = node.publish_as(MANY, &format!("[{}]", all.join(","))).await;
    let expected: Vec<&str> = rows[..19].iter().map(|row| row.1.split_once(' ').unwrap().1).collect();
    assert_eq!((answer.status.as_u16(), answer.codes()), (200, expected));
    let answer = node.publish_as(MANY, &event("")).await;
    assert_eq!(answer.verdict(), "400 invalid_notification");
    node.stop().await;
}

#[tokio::test]
async fn a_cloud_event_reaches_its_subscribers_as_a_notification() {
    let node = Running::start(configuration("")).await;
    let client = Client::connect(&node.hub(), Some(&node.token(|token| token.organisation = Some("shop".to_owned()))))
        .await
        .unwrap();
    client.invoke::<()>("Subscribe", (json!({ "e": "portos.resources.changed" }),)).await.unwrap();
    let event = |organisation: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{organisation}","source":"/till","type":"portos.resources.changed","time":"1999-01-01T00:00:00Z",
                "expirytime":"2099-01-01T00:00:00Z","org":"{organisation}","data":{CHANGED}}}"#
        )
    };
    let answer = node.publish_as(MANY, &format!("[{},{}]", event("other"), event("shop"))).await;
    assert_eq!((&answer.body[0]["matched"], &answer.body[1]["matched"]), (&json!(0), &json!(1)));
    let (arrived,) = client.next_invocation().await.unwrap().bind::<(Value,)>().unwrap();
    assert_eq!(
        (&arrived["e"], &arrived["ea"]),
        (&json!("portos.resources.changed"), &json!("2099-01-01T00:00:00.000Z"))
    );
    assert_eq!(arrived["p"]["i"]["v"], 7);
    // The server sets the time of creation.
    assert!(!arrived["ca"].as_str().unwrap().starts_with("1999"));
    node.stop().await;
}

#[tokio::test]
async fn without_a_key_a_client_does_not_learn_what_is_wrong_with_a_batch() {
    let node = Running::start(configuration("")).await;
    let request = Request::post(format!("{}/api/v1/publish", node.url)).header("X-API-Key", format!("{KEY}x"));
    assert_eq!(send(request.body(Full::from("[")).unwrap()).await.verdict(), "401 unauthenticated");
    node.stop().await;
}
