//! What operators see of events: the tail, the latest events, the counts of subscriptions; publishing and tokens for trying out.

use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use signalhub_client::Client;

use crate::admin::{TOKEN, call, post, start};
use crate::common::Running;

/// A name that would be markup in a page and could break lines of a stream.
const WILD: &str = "<img src=x onerror=alert(1)>\r\n\ndata: {\"x\":1}\u{1b}[31m\u{0}\u{2028}";

async fn get(node: &Running, path: &str) -> Value {
    let answer = call(node, "GET", path, Some(TOKEN), "").await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.body
}

async fn refusal(node: &Running, path: &str) -> String {
    call(node, "GET", path, Some(TOKEN), "").await.verdict()
}

/// Publishes as an operator, and waits until all subscribers were offered the event.
async fn publish(node: &Running, body: Value) -> Value {
    let answer = post(node, "publish?wait=delivered", &body).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    answer.body
}

fn user() -> Value {
    json!({"u": "1", "d": "Back office", "f": null})
}

fn tickets(organisation: Option<&str>) -> Value {
    let body = json!({"e": "portos.resources.changed", "p": {"u": user(), "n": "tickets", "a": 1, "i": {"i": "1", "n": "tickets", "v": 1}}});
    with_organisation(body, organisation)
}

fn with_organisation(mut body: Value, organisation: Option<&str>) -> Value {
    if let Some(organisation) = organisation {
        body["org"] = organisation.into();
    }
    body
}

/// An open tail.
struct Tail {
    body: Incoming,
    text: String,
}

impl Tail {
    async fn open(node: &Running, query: &str) -> Result<Self, u16> {
        let request = Request::get(format!("{}/admin/api/v1/events/tail?{query}", node.internal))
            .header("authorization", format!("Bearer {TOKEN}"));
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut tail = Self { body: response.into_body(), text: String::new() };
        assert_eq!(tail.block().await.unwrap(), ": open");
        Ok(tail)
    }

    /// The lines up to the next empty one; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let frame = self.body.frame().await?.ok()?;
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }

    /// The next event, whose type must be this one.
    async fn next(&mut self, kind: Option<&str>) -> Value {
        let block = tokio::time::timeout(Duration::from_secs(20), self.block()).await.unwrap().unwrap();
        let mut lines: Vec<&str> = block.lines().collect();
        if let Some(kind) = kind {
            assert_eq!(lines.remove(0), format!("event: {kind}"));
        }
        let data: Vec<&str> = lines.iter().map(|line| line.strip_prefix("data: ").unwrap()).collect();
        serde_json::from_str(&data.join("\n")).unwrap()
    }
}

#[tokio::test]
async fn a_tail_shows_the_events_that_its_filter_wants_without_payloads() {
    let node = start("").await;
    let ann = node.token(|content| content.organisation = Some("acme".to_owned()));
    let ann = Client::connect(&node.hub(), Some(&ann)).await.unwrap();
    ann.invoke::<()>("Subscribe", (json!({"e": "portos.resources.changed"}),)).await.unwrap();
    let mut all = Tail::open(&node, "event=&organisation=&user=&sample=1").await.unwrap();
    let mut of_acme = Tail::open(&node, "organisation=acme").await.unwrap();
    let mut of_ann = Tail::open(&node, "user=ann").await.unwrap();
    let mut licences = Tail::open(&node, "event=portos.licence.activated").await.unwrap();
    let mut every_second = Tail::open(&node, "sample=2").await.unwrap();
    publish(&node, tickets(None)).await;
    publish(&node, tickets(Some("other"))).await;
    let receipt = publish(&node, tickets(Some("acme"))).await;

    let first = all.next(None).await;
    assert_eq!((&first["matched"], &first["org"], &first["resource"]), (&json!(1), &Value::Null, &json!("tickets")));
    assert_eq!(all.next(None).await["org"], "other");
    let third = all.next(None).await;
    let sender = json!({"c": third["sender"]["c"], "u": {"u": "SYSTEM", "d": "SYSTEM", "f": null}});
    let expected = json!({
        "position": receipt["position"], "event": "portos.resources.changed", "org": "acme", "resource": "tickets",
        "action": "created", "matched": 1, "bytes": third["bytes"], "sender": sender, "trace_id": null,
    });
    assert_eq!(third, expected);
    assert!(third["bytes"].as_u64().unwrap() > 20);
    assert_eq!(of_acme.next(None).await["position"], receipt["position"]);
    assert_eq!(of_ann.next(None).await["position"], first["position"]);
    assert_eq!(of_ann.next(None).await["position"], receipt["position"]);
    assert_eq!(every_second.next(None).await["position"], first["position"]);
    assert_eq!(every_second.next(None).await["position"], receipt["position"]);
    publish(&node, json!({"e": "portos.licence.activated", "p": {"u": user(), "i": {"m": "MAC"}}})).await;
    assert_eq!(licences.next(None).await["event"], "portos.licence.activated");

    for query in ["sample=0", "sample=x", "sample=1&sample=2", "organization=acme"] {
        assert_eq!(refusal(&node, &format!("events/tail?{query}")).await, "400 invalid_parameter", "{query}");
    }
    // It stops at once, though tails are open, and they end.
    tokio::time::timeout(Duration::from_secs(5), node.stop()).await.unwrap();
    assert_eq!(all.next(None).await["event"], "portos.licence.activated");
    assert_eq!(all.block().await, None);
}

#[tokio::test]
async fn names_full_of_markup_and_control_characters_are_shown_as_correct_json() {
    let node = start("show_payloads = true\n[events]\nallow_unknown = true").await;
    let grants = json!([{"e": "*"}]);
    let ann =
        crate::common::sign_claims(&json!({"sub": WILD, "exp": 4_000_000_000_u64, "grants": grants, "org": WILD}));
    let ann = Client::connect(&node.hub(), Some(&ann)).await.unwrap();
    ann.invoke::<()>("Subscribe", (json!({"e": WILD}),)).await.unwrap();
    let mut tail = Tail::open(&node, "").await.unwrap();
    // The line breaks between the values are the publisher's.
    let raw = json!({"e": WILD, "org": WILD, "p": {"text": WILD}}).to_string().replace("\"p\":{", "\"p\":{\r\n\n");
    let answer = call(&node, "POST", "publish?wait=delivered", Some(TOKEN), &raw).await;
    assert_eq!(answer.body["matched"], 1, "{}", answer.text);
    let event = tail.next(None).await;
    assert_eq!((&event["event"], &event["org"], &event["payload"]["text"]), (&json!(WILD), &json!(WILD), &json!(WILD)));
    let recent = get(&node, "events/recent").await;
    assert_eq!(recent["value"][0]["event"], WILD);
    let top = get(&node, "subscriptions").await;
    assert_eq!(top["value"], json!([{"event": WILD, "subscriptions": 1, "matched_60s": 1}]));
    node.stop().await;
}

#[tokio::test]
async fn ten_tails_may_be_open_and_a_client_that_leaves_makes_room() {
    let node = start("").await;
    let mut tails = Vec::new();
    for _ in 0..10 {
        tails.push(Tail::open(&node, "").await.unwrap());
    }
    assert_eq!(refusal(&node, "events/tail").await, "429 too_many_tails");
    drop(tails.pop());
    // The server learns of it by the end of the socket.
    let opened = async {
        loop {
            match Tail::open(&node, "").await {
                Ok(tail) => return tail,
                Err(status) => assert_eq!(status, 429),
            }
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(20), opened).await.unwrap());
    node.stop().await;
}

#[tokio::test]
async fn a_tail_that_does_not_read_loses_events_and_harms_no_subscriber() {
    // A client that reads nothing for this long is disconnected, which a slow machine must not come to.
    let node =
        start("show_payloads = true\n[publish]\nmaximum_batch_size = 1000\n[hub]\ntransport_send_timeout = \"10m\"")
            .await;
    let ann = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    ann.invoke::<()>("Subscribe", (json!({"e": "portos.resources.changed"}),)).await.unwrap();
    let mut tail = Tail::open(&node, "").await.unwrap();
    let mut body = tickets(None);
    body["p"]["r"] = json!([{"note": "x".repeat(16 * 1024)}]);
    let batch = Value::Array(vec![body; 50]);
    for _ in 0..40 {
        publish(&node, batch.clone()).await;
        for _ in 0..50 {
            ann.next_invocation().await.unwrap();
        }
    }
    // Whatever lies in the buffers of the sockets comes first, then what waited, then how many were left out.
    let (mut events, mut dropped) = (0, 0);
    while events + dropped < 2_000 {
        let block = tail.block().await.unwrap();
        match block.strip_prefix("event: dropped\ndata: ") {
            Some(data) => dropped += serde_json::from_str::<Value>(data).unwrap()["dropped"].as_u64().unwrap(),
            None => events += 1,
        }
    }
    assert!(dropped > 100 && events > 256, "{events} events, {dropped} dropped");
    node.stop().await;
}

#[tokio::test]
async fn the_latest_events_tell_who_got_one() {
    let node = start("").await;
    let connect = async |user: &str| {
        let token = node.token(|content| content.user = user.to_owned());
        let client = Client::connect(&node.hub(), Some(&token)).await.unwrap();
        client.invoke::<()>("Subscribe", (json!({"e": "portos.resources.changed"}),)).await.unwrap();
        client
    };
    let (_ann, ben) = (connect("ann").await, connect("ben").await);
    let receipt = publish(&node, tickets(None)).await;
    publish(&node, tickets(Some("acme"))).await;
    let recent = get(&node, "events/recent").await;
    let recent = recent["value"].as_array().unwrap();
    assert_eq!(recent.iter().map(|event| event["matched"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 2]);
    assert!(recent[0]["published"].as_str().unwrap().ends_with('Z') && recent[0].get("payload").is_none());

    let path =
        format!("events/recent?event=portos.resources.changed&position={}", receipt["position"].as_str().unwrap());
    let one = get(&node, &path).await;
    let mut users: Vec<&str> =
        one["connections"].as_array().unwrap().iter().map(|client| client["user"].as_str().unwrap()).collect();
    users.sort_unstable();
    assert_eq!((users, &one["ended"], &one["not_remembered"]), (vec!["ann", "ben"], &json!(0), &json!(0)));
    ben.close().await;
    let ended = async {
        while get(&node, &path).await["ended"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();

    assert_eq!(refusal(&node, "events/recent?event=portos.resources.changed").await, "400 invalid_parameter");
    assert_eq!(refusal(&node, "events/recent?event=a&position=x").await, "400 invalid_position");
    assert_eq!(refusal(&node, &path.replace("resources.changed", "other")).await, "404 not_found");
    node.stop().await;
}

#[tokio::test]
async fn subscriptions_are_counted_by_event_and_by_resource() {
    let node = start("").await;
    let ann = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    let request =
        json!({"e": "portos.resources.changed", "r": [{"n": "tickets"}, {"n": "plus", "a": ["created", "updated"]}]});
    ann.invoke::<()>("Subscribe", (request,)).await.unwrap();
    publish(&node, tickets(None)).await;
    let event = json!({"event": "portos.resources.changed", "subscriptions": 3, "matched_60s": 1});
    assert_eq!(get(&node, "subscriptions").await, json!({"value": [event]}));
    let [plus, tickets] = [("plus", 2, 0), ("tickets", 1, 1)].map(|(resource, subscriptions, matched)| {
        json!({"event": "portos.resources.changed", "resource": resource, "subscriptions": subscriptions, "matched_60s": matched})
    });
    assert_eq!(get(&node, "subscriptions?by=resource").await, json!({"value": [plus, tickets]}));
    assert_eq!(get(&node, "subscriptions?by=resource&limit=1").await, json!({"value": [plus]}));
    for query in ["by=user", "limit=0", "limit=1001", "limit=x", "other=1"] {
        assert_eq!(refusal(&node, &format!("subscriptions?{query}")).await, "400 invalid_parameter", "{query}");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_operator_publishes_as_the_system_with_the_answers_of_the_publish_api() {
    let node = start("").await;
    let mut body = tickets(Some("acme"));
    body["s"] = json!({"c": "1", "u": {"u": "1", "d": "Someone else", "f": null}});
    let answer = post(&node, "publish", &body).await;
    assert_eq!((answer.status.as_u16(), &answer.body["matched"]), (202, &json!(0)), "{}", answer.text);
    assert_eq!(get(&node, "events/recent").await["value"][0]["sender"]["u"]["u"], "SYSTEM");
    let batch = post(&node, "publish", &json!([tickets(None), {"e": "other", "p": {}}])).await;
    assert_eq!(batch.codes(), ["-", "unknown_event"]);
    assert_eq!(post(&node, "publish", &json!({"e": "portos.resources.changed"})).await.verdict(), "400 missing_member");
    assert_eq!(call(&node, "POST", "publish", None, &body.to_string()).await.verdict(), "401 admin_unauthenticated");
    node.stop().await;
}

#[tokio::test]
async fn an_operator_gets_a_token_for_trying_out_that_is_short_lived_and_publishes_nothing() {
    let node = start("").await;
    let grants = json!([{"e": "portos.resources.changed", "r": "tickets"}]);
    let signed = post(&node, "tokens", &json!({"user": "console", "ttl": "10m", "grants": grants})).await;
    let token = signed.body["token"].as_str().unwrap();
    assert!(signed.body["expires"].as_str().unwrap().ends_with('Z'));
    let client = Client::connect(&node.hub(), Some(token)).await.unwrap();
    client
        .invoke::<()>("Subscribe", (json!({"e": "portos.resources.changed", "r": [{"n": "tickets"}]}),))
        .await
        .unwrap();
    let other = json!({"e": "portos.licence.activated"});
    assert!(client.invoke::<()>("Subscribe", (other,)).await.is_err());
    let publish = Request::post(format!("{}/api/v1/publish", node.publish_url))
        .header("authorization", format!("Bearer {token}"));
    let publish = publish.header("content-type", "application/json").body(tickets(None).to_string().into()).unwrap();
    assert_eq!(crate::common::send(publish).await.verdict(), "403 forbidden");
    for (body, verdict) in [
        (json!({"user": "console"}), "200 -"),
        (json!({"user": "console", "ttl": "1h"}), "200 -"),
        (json!({"user": "console", "ttl": "61m"}), "400 invalid_member"),
        (json!({"user": "console", "ttl": "0s"}), "400 invalid_member"),
        (json!({"user": "console", "ttl": "long"}), "400 invalid_member"),
        (json!({"user": ""}), "400 invalid_member"),
        (json!({"user": "console", "organisation": ""}), "400 invalid_member"),
        (json!({"user": "console", "grants": []}), "400 invalid_member"),
        (json!({"user": "console", "grants": [{"e": "a*b"}]}), "400 invalid_member"),
        (json!({"user": "console", "publish": ["*"]}), "400 invalid_member"),
        (json!({}), "400 invalid_member"),
    ] {
        assert_eq!(post(&node, "tokens", &body).await.verdict(), verdict, "{body}");
    }
    assert_eq!(call(&node, "POST", "tokens", None, r#"{"user":"a"}"#).await.verdict(), "401 admin_unauthenticated");
    node.stop().await;
}

#[tokio::test]
async fn without_a_secret_no_token_is_signed() {
    let mut configuration = crate::common::configuration(&format!(
        "[admin]\ntoken = \"{TOKEN}\"\n[[auth.issuers]]\nissuer = \"https://issuer.example\"\nsecret = \"{}\"",
        crate::common::SECRET
    ));
    configuration.auth.secret = None;
    let node = Running::start(configuration).await;
    assert_eq!(post(&node, "tokens", &json!({"user": "console"})).await.verdict(), "404 not_found");
    node.stop().await;
}
