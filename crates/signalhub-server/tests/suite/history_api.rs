//! The history over HTTP: who reads which events, from where on, and how a reader goes on.

use crate::common::{Answer, KEY, Running, configuration, send};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::Client;

const EVENTS: &str = "[events]\nwithout_resources = [\"shop.opened\"]\nwith_resources = [\"shop.changed\"]\n";

/// Asks for the history with the API key of the tests, or with another header.
async fn get(node: &Running, query: &str, credentials: Option<(&str, &str)>) -> Answer {
    let (name, value) = credentials.unwrap_or(("X-API-Key", KEY));
    let request = Request::get(format!("{}/api/v1/history?{query}", node.publish_url)).header(name, value);
    send(request.body(Full::default()).unwrap()).await
}

/// The answer to a request that is not refused.
async fn read(node: &Running, query: &str) -> Value {
    let answer = get(node, query, None).await;
    assert_eq!(answer.verdict(), "200 -", "{query}: {}", answer.text);
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/json", "no-store"));
    answer.body
}

async fn publish(node: &Running, body: &Value) -> String {
    let answer = node.publish(&body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.body["position"].as_str().unwrap().to_owned()
}

async fn open(node: &Running, till: u32) -> String {
    publish(node, &json!({ "e": "shop.opened", "p": { "till": till } })).await
}

fn changed(resource: &str, action: u8, organisation: Option<&str>) -> Value {
    json!({ "e": "shop.changed", "p": { "n": resource, "a": action }, "org": organisation })
}

fn positions(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["position"].as_str().unwrap()).collect()
}

fn offsets(answer: &Value) -> Vec<u64> {
    positions(answer).iter().map(|position| position.split_once(':').unwrap().1.parse().unwrap()).collect()
}

#[tokio::test]
async fn the_history_has_what_was_published_as_its_subscribers_got_it() {
    let node = Running::start(configuration(EVENTS)).await;
    let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({ "e": "shop.changed" }),)).await.unwrap();
    let mut body = changed("tickets", 1, None);
    body["ea"] = json!("2099-01-01T01:00:00+01:00");
    body["s"] = json!({ "u": { "u": "1", "d": "2" } });
    let receipt = node.publish(&body.to_string()).await.body;
    let (sent,) = client.next_invocation().await.unwrap().bind::<(Value,)>().unwrap();
    let answer = read(&node, "event=shop.changed").await;
    let position = receipt["position"].clone();
    let expected = json!({
        "event": "shop.changed", "first": position, "last": position, "gap": null, "next": position,
        "events": [{
            "position": position, "id": receipt["id"], "e": "shop.changed", "s": sent["s"], "ca": sent["ca"],
            "ea": "2099-01-01T00:00:00.000Z", "org": null, "p": { "n": "tickets", "a": 1 },
        }],
    });
    assert_eq!(answer, expected);
    assert_eq!((&sent["ea"], &sent["p"]), (&expected["events"][0]["ea"], &expected["events"][0]["p"]));
    node.stop().await;
}

#[tokio::test]
async fn a_reader_goes_on_with_next_and_gets_each_event_once() {
    let node = Running::start(configuration(EVENTS)).await;
    let mut all = Vec::new();
    for till in 0..7 {
        all.push(open(&node, till).await);
    }
    let (mut found, mut since, mut sizes) = (Vec::new(), "earliest".to_owned(), Vec::new());
    while sizes.last() != Some(&0) {
        let answer = read(&node, &format!("event=shop.opened&limit=3&since={since}")).await;
        assert_eq!((&answer["first"], &answer["last"], &answer["gap"]), (&json!(all[0]), &json!(all[6]), &Value::Null));
        sizes.push(positions(&answer).len());
        found.extend(positions(&answer).into_iter().map(str::to_owned));
        since = answer["next"].as_str().unwrap().to_owned();
    }
    assert_eq!((found, sizes, &since), (all.clone(), vec![3, 3, 1, 0], &all[6]));
    // What comes later is found from there.
    let later = open(&node, 7).await;
    assert_eq!(positions(&read(&node, &format!("event=shop.opened&since={since}")).await), [later]);
    node.stop().await;
}

#[tokio::test]
async fn filters_choose_and_next_passes_what_they_leave_out() {
    let node = Running::start(configuration(EVENTS)).await;
    for (resource, action) in [("tickets", 1), ("stocks", 1), ("tickets", 2), ("stocks", 3)] {
        publish(&node, &changed(resource, action, None)).await;
    }
    for (filter, expected) in [
        ("", &[1, 2, 3, 4][..]),
        ("&resource=tickets", &[1, 3]),
        ("&resource=stocks&action=deleted", &[4]),
        ("&action=created", &[1, 2]),
        ("&resource=others", &[]),
        ("&resource=tickets&action=deleted", &[]),
    ] {
        let answer = read(&node, &format!("event=shop.changed{filter}")).await;
        assert_eq!(offsets(&answer), expected, "{filter}");
        assert_eq!(answer["next"], answer["last"], "{filter}");
    }
    let answer = read(&node, "event=shop.changed&resource=tickets&limit=1").await;
    let next = answer["next"].as_str().unwrap();
    let rest = read(&node, &format!("event=shop.changed&resource=tickets&since={next}")).await;
    assert_eq!((offsets(&answer), offsets(&rest)), (vec![1], vec![3]));
    node.stop().await;
}

#[tokio::test]
async fn without_events_there_are_the_positions_alone() {
    let node = Running::start(configuration(EVENTS)).await;
    let empty = read(&node, "event=shop.opened").await;
    assert!(empty["last"].as_str().unwrap().ends_with(":0"), "{empty}");
    assert!(empty["first"].as_str().unwrap().ends_with(":1"), "{empty}");
    assert_eq!((&empty["next"], &empty["events"], &empty["gap"]), (&empty["last"], &json!([]), &Value::Null));
    open(&node, 1).await;
    let last = open(&node, 2).await;
    let answer = read(&node, "event=shop.opened&limit=0").await;
    assert_eq!((&answer["last"], &answer["next"], &answer["events"]), (&json!(last), &json!(last), &json!([])));
    // A subscription from there gets what comes next.
    let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    let request = json!({ "e": "shop.opened", "since": answer["next"] });
    let subscribed: Value = client.invoke("Subscribe", (request,)).await.unwrap();
    assert_eq!((&subscribed["replayed"], &subscribed["gap"]), (&json!(0), &Value::Null));
    node.stop().await;
}

#[tokio::test]
async fn a_position_that_is_not_followed_by_what_is_kept_is_a_gap() {
    let node = Running::start(configuration(&format!("{EVENTS}[history]\nevents = 2"))).await;
    let mut all = Vec::new();
    for till in 0..4 {
        all.push(open(&node, till).await);
    }
    let (epoch, _) = all[0].split_once(':').unwrap();
    let rows = [
        (all[0].clone(), Some("trimmed"), &[][..]),
        (format!("{epoch}:0"), Some("trimmed"), &[]),
        (all[1].clone(), None, &[3, 4]),
        (all[3].clone(), None, &[]),
        (format!("{epoch}:5"), Some("future"), &[]),
        ("0123456789abcdef:3".to_owned(), Some("epoch"), &[]),
        ("earliest".to_owned(), None, &[3, 4]),
    ];
    for (since, reason, expected) in rows {
        for limit in ["", "&limit=0"] {
            let answer = read(&node, &format!("event=shop.opened&since={since}{limit}")).await;
            let gap = reason.map(|reason| json!({ "from": since, "first": all[2], "reason": reason }));
            assert_eq!(answer["gap"], json!(gap), "{since}");
            assert_eq!(offsets(&answer), if limit.is_empty() { expected } else { &[] }, "{since}");
            assert_eq!((&answer["first"], &answer["next"]), (&json!(all[2]), &json!(all[3])), "{since}");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn expired_events_are_left_out() {
    let node = Running::start(configuration(EVENTS)).await;
    let expiring = |at: &str| json!({ "e": "shop.opened", "p": 1, "ea": at });
    publish(&node, &expiring("2001-01-01T00:00:00Z")).await;
    publish(&node, &expiring("2099-01-01T00:00:00Z")).await;
    let soon = time::OffsetDateTime::now_utc() + std::time::Duration::from_millis(300);
    publish(&node, &expiring(&portos_notifications::format_timestamp(soon))).await;
    let mut found = vec![2, 3];
    // The clock of the system decides, which a test cannot move.
    while found != [2] {
        assert_eq!(found, [2, 3]);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        found = offsets(&read(&node, "event=shop.opened").await);
    }
    node.stop().await;
}

#[tokio::test]
async fn credentials_bound_what_is_read() {
    let mut settings = configuration(EVENTS);
    settings
        .read_toml(
            "test",
            "[[publish.clients]]\nname = \"changes\"\nkey = \"key-of-the-changes-client\"\nevents = [\"shop.changed\"]\n\
             [[publish.clients]]\nname = \"north\"\nkey = \"key-of-the-north-client\"\norganisations = [\"north\"]\n\
             [[publish.clients]]\nname = \"late\"\nkey = \"key-of-the-expired-client\"\nexpires = 2001-01-01\n",
        )
        .unwrap();
    let node = Running::start(settings).await;
    for (resource, organisation) in
        [("tickets", None), ("tickets", Some("north")), ("stocks", Some("south")), ("stocks", Some("north"))]
    {
        publish(&node, &changed(resource, 1, organisation)).await;
    }
    open(&node, 1).await;
    let token = |organisation: Option<&str>, grants: &[&str]| {
        let token = node.token(|token| {
            token.organisation = organisation.map(str::to_owned);
            token.grants = grants.iter().map(|grant| signalhub_server::parse_grant(grant).unwrap()).collect();
        });
        format!("Bearer {token}")
    };
    let (none, north) = (token(None, &[]), token(Some("north"), &[]));
    let (stocks, others) = (token(Some("north"), &["shop.changed:stocks"]), token(Some("north"), &["other.*"]));
    let (tickets, revoked) = (token(Some("north"), &["shop.changed:tickets"]), token(None, &["*"]) + "x");
    let key = |key: &'static str| ("X-API-Key", key);
    let rows = [
        (key(KEY), "shop.changed", Ok(&[1, 2, 3, 4][..])),
        (key(KEY), "shop.opened", Ok(&[1])),
        (key("key-of-the-changes-client"), "shop.changed", Ok(&[1, 2, 3, 4])),
        (key("key-of-the-changes-client"), "shop.opened", Err("403 forbidden")),
        (key("key-of-the-changes-client"), "un.declared", Err("403 forbidden")),
        (key("key-of-the-north-client"), "shop.changed", Ok(&[2, 4])),
        (key("key-of-the-north-client"), "shop.opened", Ok(&[])),
        (key("key-of-the-expired-client"), "shop.changed", Err("401 unauthenticated")),
        (key("a-key-that-is-not-known"), "shop.changed", Err("401 unauthenticated")),
        (("Authorization", &none), "shop.changed", Ok(&[1])),
        (("Authorization", &north), "shop.changed", Ok(&[1, 2, 4])),
        (("Authorization", &stocks), "shop.changed", Ok(&[4])),
        (("Authorization", &tickets), "shop.changed", Ok(&[1, 2])),
        (("Authorization", &stocks), "shop.opened", Err("403 forbidden")),
        (("Authorization", &others), "shop.changed", Err("403 forbidden")),
        (("Authorization", &revoked), "shop.changed", Err("401 unauthenticated")),
        (("Accept", "*/*"), "shop.changed", Err("401 unauthenticated")),
        (key(KEY), "un.declared", Err("400 unknown_event")),
        (("Authorization", &north), "un.declared", Err("400 unknown_event")),
    ];
    for (credentials, event, expected) in rows {
        let answer = get(&node, &format!("event={event}"), Some(credentials)).await;
        match expected {
            Ok(expected) => assert_eq!(offsets(&answer.body), expected, "{credentials:?} {event}: {}", answer.text),
            Err(verdict) => assert_eq!(answer.verdict(), verdict, "{credentials:?} {event}: {}", answer.text),
        }
    }
    // What a reader may not see does not stop it: the next request goes on behind it.
    let answer = get(&node, "event=shop.changed", Some(("Authorization", &tickets))).await;
    assert!(answer.body["next"].as_str().unwrap().ends_with(":4"), "{}", answer.text);
    let answer = get(&node, "event=shop.changed&resource=stocks", Some(("Authorization", &tickets))).await;
    assert_eq!(answer.verdict(), "403 forbidden");
    // Errors name only events that the reader may read.
    let answer = get(&node, "event=shop.opened&resource=x", Some(("Authorization", &north))).await;
    assert_eq!(answer.verdict(), "400 unknown_event");
    assert!(answer.body["detail"].as_str().unwrap().starts_with("event: event \"shop.opened\" has no resources"));
    // A token in the query is none.
    let answer =
        get(&node, &format!("event=shop.changed&access_token={}", &north["Bearer ".len()..]), Some(("Accept", "*/*")))
            .await;
    assert_eq!(answer.verdict(), "401 unauthenticated");
    node.stop().await;
}

#[tokio::test]
async fn a_request_that_is_not_understood_is_refused() {
    let node = Running::start(configuration(EVENTS)).await;
    for (query, verdict) in [
        ("", "400 invalid_parameter"),
        ("event=", "400 invalid_parameter"),
        ("event=shop.opened&event=shop.opened", "400 invalid_parameter"),
        ("event=shop.opened&limit=1001", "400 invalid_parameter"),
        ("event=shop.opened&limit=x", "400 invalid_parameter"),
        ("event=shop.changed&action=1", "400 invalid_parameter"),
        ("event=shop.changed&resource=", "400 invalid_parameter"),
        ("event=shop.opened&x=1", "400 invalid_parameter"),
        ("event=shop.opened&since=1", "400 invalid_position"),
        ("event=shop.opened&since=", "400 invalid_position"),
        ("event=shop.opened&resource=x", "400 unknown_event"),
    ] {
        let answer = get(&node, query, None).await;
        assert_eq!(answer.verdict(), verdict, "{query}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let post = Request::post(format!("{}/api/v1/history", node.url)).header("X-API-Key", KEY);
    let answer = send(post.body(Full::default()).unwrap()).await;
    assert_eq!((answer.verdict().as_str(), answer.header("allow")), ("405 method_not_allowed", "GET, HEAD"));
    let metrics = send(Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap()).await.text;
    assert!(metrics.contains("reason=\"api_invalid_parameter\"} 8\n"), "{metrics}");
    node.stop().await;
}

#[tokio::test]
async fn without_a_store_there_is_no_history() {
    let node = Running::start(configuration(&format!("{EVENTS}[history]\nstore = \"off\""))).await;
    open(&node, 1).await;
    for query in ["event=shop.opened", "event=shop.opened&limit=0", "event=shop.opened&since=0123456789abcdef:1"] {
        assert_eq!(get(&node, query, None).await.verdict(), "404 no_history", "{query}");
    }
    assert_eq!(get(&node, "event=un.declared", None).await.verdict(), "400 unknown_event");
    node.stop().await;
}

#[tokio::test]
async fn an_undeclared_event_beyond_the_limit_has_no_history() {
    let node = Running::start(configuration("[events]\nallow_unknown = true\n[history]\nnames = 1")).await;
    for event in ["any.one", "any.other"] {
        publish(&node, &json!({ "e": event, "p": 1 })).await;
    }
    assert_eq!(offsets(&read(&node, "event=any.one").await), [1]);
    assert_eq!(get(&node, "event=any.other", None).await.verdict(), "404 no_history");
    node.stop().await;
}

#[tokio::test]
async fn an_answer_is_bounded_and_an_event_is_whole() {
    let node = Running::start(configuration(EVENTS)).await;
    let large = json!({ "e": "shop.opened", "p": "x".repeat(600 << 10) });
    publish(&node, &large).await;
    publish(&node, &large).await;
    // With its sender and times, this one alone is more than an answer may have.
    publish(&node, &json!({ "e": "shop.opened", "p": "x".repeat((1 << 20) - 40) })).await;
    let mut since = "earliest".to_owned();
    for offset in 1..=3 {
        let answer = read(&node, &format!("event=shop.opened&since={since}")).await;
        assert_eq!(offsets(&answer), [offset]);
        since = answer["next"].as_str().unwrap().to_owned();
    }
    node.stop().await;
}

#[tokio::test]
async fn readers_have_the_rate_of_publishers() {
    let node = Running::start(configuration(&format!("{EVENTS}[publish]\nrate = \"2/h\""))).await;
    open(&node, 1).await;
    assert_eq!(get(&node, "event=shop.opened", None).await.verdict(), "200 -");
    let answer = get(&node, "event=shop.opened", None).await;
    assert_eq!(answer.verdict(), "429 rate_limited");
    assert!(!answer.header("retry-after").is_empty());
    node.stop().await;
}

#[tokio::test]
async fn the_history_is_where_the_publish_api_is() {
    let node = Running::start(configuration(&format!("{EVENTS}[publish]\nlisten = \"127.0.0.1:0\""))).await;
    assert_eq!(read(&node, "event=shop.opened").await["events"], json!([]));
    let request = Request::get(format!("{}/api/v1/history?event=shop.opened", node.url)).header("X-API-Key", KEY);
    assert_eq!(send(request.body(Full::default()).unwrap()).await.verdict(), "404 not_found");
    node.stop().await;
}
