//! Repeated publishes over a real socket: what is recognised as a repeat, what it is answered, and what a publish waits for.

use crate::common::certificate::Files;
use crate::common::{Answer, Running, configuration, send};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::Client;
use signalhub_server::configuration::ApiKey;

const EVENTS: &str =
    "[events]\nwithout_resources = [\"shop.opened\", \"shop.closed\"]\nwith_resources = [\"shop.changed\"]\n";
const OPENED: &str = r#"{"e":"shop.opened","p":{"till":1}}"#;
const ONE: &str = "application/cloudevents+json";
const MANY: &str = "application/cloudevents-batch+json";

/// Publishes with the first API key of the configuration and these headers.
async fn publish(node: &Running, query: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::post(format!("{}/api/v1/publish{query}", node.publish_url));
    if !headers.iter().any(|(name, _)| matches!(*name, "X-API-Key" | "Authorization")) {
        request = request.header("X-API-Key", crate::common::KEY);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(Full::from(body.to_owned())).unwrap()).await
}

async fn with_key(node: &Running, key: &str, body: &str) -> Answer {
    publish(node, "", &[("Idempotency-Key", key)], body).await
}

/// Status, offset, and whether it is a duplicate.
fn receipt(answer: &Answer) -> (u16, u64, bool) {
    of_item(answer.status.as_u16(), &answer.body)
}

fn of_item(status: u16, receipt: &Value) -> (u16, u64, bool) {
    let position = receipt["position"].as_str().unwrap_or_else(|| panic!("{receipt}"));
    (status, position.split_once(':').unwrap().1.parse().unwrap(), receipt["duplicate"].as_bool().unwrap())
}

#[tokio::test]
async fn a_repeat_publishes_nothing_and_gets_the_first_receipt() {
    for store in ["memory", "off"] {
        let node = Running::start(configuration(&format!("{EVENTS}[history]\nstore = \"{store}\""))).await;
        let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
        client.invoke::<()>("Subscribe", (json!({ "e": "shop.opened" }),)).await.unwrap();
        let first = with_key(&node, "order-1", OPENED).await;
        assert_eq!((receipt(&first), &first.body["matched"]), ((202, 1, false), &json!(1)));
        // The quotes of a structured string are no part of the key, and the space between the members is none of the payload.
        for (key, body) in [
            ("order-1", OPENED),
            ("\"order-1\"", OPENED),
            ("order-1", r#" { "p": {"till":1}, "e":"shop.opened", "ea":null, "org":null, "s":null } "#),
        ] {
            let repeat = with_key(&node, key, body).await;
            let Value::Object(members) = &repeat.body else { panic!("{}", repeat.text) };
            assert_eq!(repeat.status, 202);
            let expected =
                json!({ "id": first.body["id"], "position": first.body["position"], "matched": 0, "duplicate": true });
            assert_eq!(json!(members), expected, "{store}");
        }
        let second = with_key(&node, "order-2", OPENED).await;
        assert_eq!(receipt(&second), (202, 2, false));
        // Without a key nothing is recognised, and the answer is what it was before there were keys.
        let without = node.publish(OPENED).await;
        assert_eq!(receipt(&without), (202, 3, false));
        let members: Vec<&str> = without.body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members.len(), 4, "{members:?}");
        for _ in 0..3 {
            client.next_invocation().await.unwrap();
        }
        assert_eq!(node.counts.published(), 3, "{store}");
        let metrics = metrics(&node).await;
        assert!(metrics.contains("signalhub_publish_duplicates_total 3\n"), "{metrics}");
        node.stop().await;
    }
}

async fn metrics(node: &Running) -> String {
    send(Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap()).await.text
}

#[tokio::test]
async fn another_event_with_the_same_key_is_refused() {
    let node = Running::start(configuration(EVENTS)).await;
    let body = r#"{"e":"shop.changed","p":{"n":"tickets","a":1,"x":1.5},"ea":"2099-01-01T00:00:00Z","org":"north","s":{"c":"till"}}"#;
    assert_eq!(receipt(&with_key(&node, "k", body).await), (202, 1, false));
    for (from, to) in [
        ("shop.changed", "shop.opened"),
        ("\"tickets\"", "\"stocks\""),
        ("\"a\":1", "\"a\":2"),
        ("1.5", "1.50"),
        ("2099", "2098"),
        ("north", "south"),
        ("\"org\":\"north\"", "\"org\":null"),
        ("\"c\":\"till\"", "\"c\":\"desk\""),
        ("{\"c\":\"till\"}", "null"),
    ] {
        let other = body.replacen(from, to, 1);
        assert_ne!(other, body);
        let answer = with_key(&node, "k", &other).await;
        assert_eq!(answer.verdict(), "422 idempotency_key_reused", "{other}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(receipt(&with_key(&node, "k", body).await), (202, 1, true));
    // What is refused is refused with a known key as well.
    assert_eq!(with_key(&node, "k", r#"{"e":"un.declared","p":1}"#).await.verdict(), "400 unknown_event");
    assert!(metrics(&node).await.contains("reason=\"api_idempotency_key_reused\"} 9\n"));
    node.stop().await;
}

#[tokio::test]
async fn a_refused_publish_leaves_no_key() {
    let node = Running::start(configuration(EVENTS)).await;
    let refused = [
        ("{", "400 invalid_json"),
        (r#"{"e":"un.declared","p":1}"#, "400 unknown_event"),
        (r#"{"e":"shop.opened"}"#, "400 missing_member"),
        (r#"{"e":"shop.opened","p":1e400}"#, "400 invalid_payload"),
        (r#"{"e":"shop.changed","p":1}"#, "400 invalid_payload"),
    ];
    for (body, verdict) in refused {
        assert_eq!(with_key(&node, "k", body).await.verdict(), verdict);
    }
    assert_eq!(receipt(&with_key(&node, "k", OPENED).await), (202, 1, false));
    node.stop().await;
}

#[tokio::test]
async fn a_bad_key_is_refused_and_nothing_is_published() {
    let node = Running::start(configuration(EVENTS)).await;
    let longest = "k".repeat(255);
    assert_eq!(receipt(&with_key(&node, &longest, OPENED).await), (202, 1, false));
    let too_long = "k".repeat(256);
    for key in ["", "\"\"", "\"", "a b", "\"a\"b", "k\u{e9}", &too_long] {
        let answer = with_key(&node, key, OPENED).await;
        assert_eq!(answer.verdict(), "400 invalid_idempotency_key", "{key}");
    }
    let two = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")];
    assert_eq!(publish(&node, "", &two, OPENED).await.verdict(), "400 invalid_idempotency_key");
    for media in [ONE, MANY] {
        let headers = [("Idempotency-Key", "a"), ("Content-Type", media)];
        assert_eq!(publish(&node, "", &headers, "{}").await.verdict(), "400 invalid_idempotency_key");
    }
    // Credentials come first.
    let headers = [("X-API-Key", "wrong-key-of-this-test"), ("Idempotency-Key", "")];
    assert_eq!(publish(&node, "", &headers, OPENED).await.verdict(), "401 unauthenticated");
    assert_eq!(node.counts.published(), 1);
    node.stop().await;
}

#[tokio::test]
async fn each_item_of_a_batch_has_a_key_of_its_own() {
    let node = Running::start(configuration(EVENTS)).await;
    let item = |number: u32| json!({ "e": "shop.opened", "p": number });
    let refused = json!({ "e": "un.declared", "p": 1 });
    let codes = |answer: &Answer| -> Vec<String> {
        let items = answer.body.as_array().unwrap().iter();
        let code = |item: &Value| match item["code"].as_str() {
            Some(code) => code.to_owned(),
            None => format!("{} {}", of_item(200, item).1, of_item(200, item).2),
        };
        items.map(code).collect()
    };
    let batch = json!([item(0), refused, item(2)]).to_string();
    let first = with_key(&node, "b", &batch).await;
    assert_eq!(codes(&first), ["1 false", "unknown_event", "2 false"]);
    assert_eq!(codes(&with_key(&node, "b", &batch).await), ["1 true", "unknown_event", "2 true"]);
    // The publisher has mended the item that was refused, and changed another one.
    let mended = json!([item(0), item(1), item(3)]).to_string();
    assert_eq!(codes(&with_key(&node, "b", &mended).await), ["1 true", "3 false", "idempotency_key_reused"]);
    // The same item in another place is another publish; alone it has the key of its place.
    assert_eq!(codes(&with_key(&node, "c", &json!([item(0), item(0)]).to_string()).await), ["4 false", "5 false"]);
    assert_eq!(receipt(&with_key(&node, "c/1", &item(0).to_string()).await), (202, 5, true));
    assert_eq!(receipt(&with_key(&node, "c", &item(0).to_string()).await), (202, 6, false));
    node.stop().await;
}

#[tokio::test]
async fn a_cloud_event_is_recognised_by_its_source_and_id() {
    let node = Running::start(configuration(EVENTS)).await;
    let event = |source: &str, id: &str, data: u32| json!({ "specversion": "1.0", "source": source, "id": id, "type": "shop.opened", "data": data });
    let one = async |event: Value| node.publish_as(ONE, &event.to_string()).await;
    assert_eq!(receipt(&one(event("/till", "1", 7)).await), (202, 1, false));
    assert_eq!(receipt(&one(event("/till", "1", 7)).await), (202, 1, true));
    let later = event("/till", "1", 7).as_object().unwrap().clone();
    let mut later = Value::Object(later);
    later["time"] = json!("2024-07-01T12:51:52Z");
    later["subject"] = json!("x");
    assert_eq!(receipt(&one(later).await), (202, 1, true));
    let reused = one(event("/till", "1", 8)).await;
    assert_eq!(reused.verdict(), "422 idempotency_key_reused");
    assert_eq!(reused.body["detail"], "source, id: another event was published with them");
    assert_eq!(receipt(&one(event("/til", "l1", 7)).await), (202, 2, false));
    assert_eq!(receipt(&one(event("/desk", "1", 7)).await), (202, 3, false));
    let many = json!([event("/desk", "1", 7), event("/desk", "2", 7), event("/desk", "2", 7)]).to_string();
    let answer = node.publish_as(MANY, &many).await;
    let items: Vec<_> = answer.body.as_array().unwrap().iter().map(|item| of_item(200, item)).collect();
    assert_eq!(items, [(200, 3, true), (200, 4, false), (200, 4, true)]);
    // A key of the header is another one.
    assert_eq!(receipt(&with_key(&node, "/desk1", r#"{"e":"shop.opened","p":7}"#).await), (202, 5, false));
    node.stop().await;
}

#[tokio::test]
async fn publishers_do_not_meet_each_others_keys() {
    let mut settings = configuration(EVENTS);
    let named = |name: &str, key: &str| format!("[[publish.clients]]\nname = \"{name}\"\nkey = \"{key}\"\n");
    let clients = [
        named("till", "key-of-the-first-till"),
        named("till", "key-of-the-till-anew"),
        named("desk", "key-of-the-desk-alone"),
    ];
    settings.read_toml("test", &clients.concat()).unwrap();
    settings.publish.keys.push(ApiKey::new("another-long-key-of-the-tests").unwrap());
    let node = Running::start(settings).await;
    let token = |user: &str, organisation: Option<&str>| {
        let token = node.token(|token| {
            token.user = user.to_owned();
            token.organisation = organisation.map(str::to_owned);
            token.publish = vec!["*".parse().unwrap()];
        });
        format!("Bearer {token}")
    };
    let north = r#"{"e":"shop.opened","p":{"till":1},"org":"north"}"#;
    let south = north.replace("north", "south");
    let publishers = [
        ("X-API-Key", crate::common::KEY.to_owned(), north),
        ("X-API-Key", "another-long-key-of-the-tests".to_owned(), north),
        ("X-API-Key", "key-of-the-first-till".to_owned(), north),
        ("X-API-Key", "key-of-the-desk-alone".to_owned(), north),
        ("Authorization", token("ann", None), north),
        ("Authorization", token("ann", Some("north")), north),
        ("Authorization", token("ann", Some("south")), &south),
        ("Authorization", token("bob", Some("north")), north),
    ];
    for repeat in [false, true] {
        for (place, (header, credentials, body)) in publishers.iter().enumerate() {
            let answer = publish(&node, "", &[(header, credentials), ("Idempotency-Key", "k")], body).await;
            assert_eq!(receipt(&answer), (202, place as u64 + 1, repeat), "{place}");
        }
    }
    // A client keeps its keys when it gets another API key, and a user with another token.
    let renewed = [("X-API-Key", "key-of-the-till-anew"), ("Idempotency-Key", "k")];
    assert_eq!(receipt(&publish(&node, "", &renewed, north).await), (202, 3, true));
    // In the counter of a client, a repeat is none.
    assert!(metrics(&node).await.contains("signalhub_api_client_publishes_total{publisher=\"till\"} 1\n"));
    node.stop().await;
}

#[tokio::test]
async fn of_many_concurrent_repeats_one_is_published() {
    let node = Running::start(configuration(EVENTS)).await;
    let answers = futures_util::future::join_all((0..20).map(|_| with_key(&node, "k", OPENED))).await;
    let receipts: Vec<_> = answers.iter().map(receipt).collect();
    assert!(receipts.iter().all(|(status, offset, _)| (*status, *offset) == (202, 1)), "{receipts:?}");
    assert_eq!(receipts.iter().filter(|(.., duplicate)| !duplicate).count(), 1);
    let ids: Vec<_> = answers.iter().map(|answer| answer.body["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(node.counts.published(), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_key_is_forgotten_early_when_there_are_too_many() {
    let node = Running::start(configuration(&format!("{EVENTS}[publish]\nidempotency_keys = 2"))).await;
    for (key, expected) in
        [("a", (202, 1, false)), ("b", (202, 2, false)), ("a", (202, 1, true)), ("c", (202, 3, false))]
    {
        assert_eq!(receipt(&with_key(&node, key, OPENED).await), expected, "{key}");
    }
    assert_eq!(receipt(&with_key(&node, "b", OPENED).await), (202, 2, true));
    assert_eq!(receipt(&with_key(&node, "a", OPENED).await), (202, 4, false));
    assert!(metrics(&node).await.contains("signalhub_publish_idempotency_evicted_total 2\n"));
    node.stop().await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_window() {
    let node = Running::start(configuration(&format!("{EVENTS}[publish]\nidempotency_window = \"1ms\""))).await;
    assert_eq!(receipt(&with_key(&node, "a", OPENED).await), (202, 1, false));
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    assert_eq!(receipt(&with_key(&node, "a", r#"{"e":"shop.opened","p":2}"#).await), (202, 2, false));
    node.stop().await;
}

#[tokio::test]
async fn what_a_publish_waits_for_is_known_and_possible() {
    for store in ["memory", "off"] {
        let node = Running::start(configuration(&format!("{EVENTS}[history]\nstore = \"{store}\""))).await;
        for (query, verdict) in [
            ("?wait=accepted", "202 -"),
            ("?wait=acc%65pted", "202 -"),
            ("?x=1", "202 -"),
            ("?Wait=durable", "202 -"),
            ("?wait=", "400 invalid_wait"),
            ("?wait", "400 invalid_wait"),
            ("?wait=forever", "400 invalid_wait"),
            ("?wait=accepted&wait=accepted", "400 invalid_wait"),
            ("?wait=durable", "400 invalid_wait"),
            ("?wait=delivered", "202 -"),
        ] {
            let answer = publish(&node, query, &[], OPENED).await;
            assert_eq!(answer.verdict(), verdict, "{store} {query}: {}", answer.text);
            let batch = publish(&node, query, &[], &format!("[{OPENED}]")).await;
            let expected = verdict.replace("202", "200");
            assert_eq!(batch.verdict(), expected, "{store} {query}: {}", batch.text);
        }
        // Nothing more is said of a publish that waits for nothing more.
        let accepted = publish(&node, "?wait=accepted", &[], OPENED).await;
        assert_eq!(accepted.body.as_object().unwrap().len(), 4, "{}", accepted.text);
        node.stop().await;
    }
}

#[tokio::test]
async fn a_publish_may_wait_until_its_clients_have_it() {
    let node = Running::start(configuration(EVENTS)).await;
    let unmatched = publish(&node, "?wait=delivered", &[], OPENED).await;
    assert_eq!(unmatched.body["delivered"], json!({ "written": 0, "ended": 0, "waiting": 0 }));
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
        client.invoke::<()>("Subscribe", (json!({ "e": "shop.opened" }),)).await.unwrap();
        clients.push(client);
    }
    let all = json!({ "written": 3, "ended": 0, "waiting": 0 });
    let key = [("Idempotency-Key", "k")];
    let first = publish(&node, "?wait=delivered", &key, OPENED).await;
    assert_eq!((receipt(&first), &first.body["delivered"]), ((202, 2, false), &all));
    // A repeat is delivered to no client.
    let repeat = publish(&node, "?wait=delivered", &key, OPENED).await;
    assert_eq!((receipt(&repeat), repeat.body.get("delivered")), ((202, 2, true), None));
    let batch = format!(r#"[{OPENED},{{"e":"un.declared","p":1}},{OPENED}]"#);
    let batch = publish(&node, "?wait=delivered", &[], &batch).await;
    assert_eq!(batch.codes(), ["-", "unknown_event", "-"]);
    for item in [0, 2] {
        assert_eq!((&batch.body[item]["matched"], &batch.body[item]["delivered"]), (&json!(3), &all), "{item}");
    }
    node.stop().await;
}

#[tokio::test]
async fn on_a_disk_a_key_outlives_a_restart_together_with_its_event() {
    let files = Files::new();
    let settings = format!("{EVENTS}[history]\nstore = \"disk\"\ndirectory = \"{}\"", files.folder().display());
    let key = [("Idempotency-Key", "k")];
    let node = Running::start(configuration(&settings)).await;
    let first = publish(&node, "?wait=durable", &key, OPENED).await;
    assert_eq!((receipt(&first), &first.body["durable"]), ((202, 1, false), &json!(true)), "{}", first.text);
    assert_eq!(publish(&node, "", &[], OPENED).await.body.get("durable"), None);
    let batch = publish(&node, "?wait=durable", &[], &format!("[{OPENED}]")).await;
    assert_eq!(batch.body[0]["durable"], true);
    node.stop().await;
    let node = Running::start(configuration(&settings)).await;
    let repeat = publish(&node, "?wait=durable", &key, OPENED).await;
    assert_eq!((receipt(&repeat), &repeat.body["durable"]), ((202, 1, true), &json!(true)));
    assert_eq!((&repeat.body["id"], &repeat.body["position"]), (&first.body["id"], &first.body["position"]));
    let other = with_key(&node, "k", r#"{"e":"shop.opened","p":2}"#).await;
    assert_eq!(other.verdict(), "422 idempotency_key_reused");
    let url = format!("{}/api/v1/history?event=shop.opened", node.publish_url);
    let history = send(Request::get(url).header("X-API-Key", crate::common::KEY).body(Full::default()).unwrap()).await;
    let ids: Vec<_> = history.body["events"].as_array().unwrap().iter().map(|event| &event["id"]).collect();
    assert_eq!((ids.len(), ids[0]), (3, &first.body["id"]), "{}", history.text);
    node.stop().await;
}
