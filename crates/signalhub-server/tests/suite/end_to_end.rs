//! From a publish to a subscriber, through a node in this process.

use std::time::Duration;

use crate::common::certificate::Files;
use crate::common::{Running, configuration, send};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use signalhub_client::{Client, ConnectError, Disconnected, InvokeError};
use signalhub_server::{Configuration, Node, StartError};

async fn connect(node: &Running, organisation: Option<&str>, grants: &[&str]) -> Client {
    let token = node.token(|token| {
        token.organisation = organisation.map(str::to_owned);
        token.grants = grants.iter().map(|grant| signalhub_server::parse_grant(grant).unwrap()).collect();
    });
    Client::connect(&node.hub(), Some(&token)).await.unwrap()
}

async fn subscribe(client: &Client, request: Value) -> Result<(), InvokeError> {
    client.invoke::<()>("Subscribe", (request,)).await
}

/// The payload of the next notification.
async fn next(client: &Client) -> Value {
    let invocation = client.next_invocation().await.unwrap();
    assert_eq!(invocation.target, "OnEvent");
    invocation.bind::<(Value,)>().unwrap().0["p"].clone()
}

#[tokio::test]
async fn a_published_event_reaches_its_subscribers_in_the_documented_form() {
    let node = Running::start(configuration("")).await;
    let client = connect(&node, None, &[]).await;
    let request = json!({ "e": "portos.resources.changed", "r": [{ "n": "tickets", "a": ["created"] }] });
    subscribe(&client, request).await.unwrap();
    let body = |action: u8| {
        format!(
            r#"{{"p":{{"a":{action},"i":{{"v":7,"i":"x","n":"tickets"}},"n":"tickets","u":{{"d":"BackOffice","u":"999"}}}},
               "e":"portos.resources.changed","ea":"2099-01-01T00:00:00Z","s":{{"u":{{"u":"7","d":"Till"}}}}}}"#
        )
    };
    assert_eq!(node.publish(&body(2)).await.body["matched"], 0);
    assert_eq!(node.publish(&body(1)).await.body["matched"], 1);
    let event = client.next_invocation().await.unwrap();
    let (before, rest) = event.arguments().split_once(r#""s":{"c":""#).unwrap();
    assert_eq!(before, r#"[{"e":"portos.resources.changed","#);
    let (_, rest) = rest.split_once('"').unwrap();
    let (user, rest) = rest.split_once(r#","ca":"#).unwrap();
    assert_eq!(user, r#","u":{"u":"7","d":"Till","f":null}},"r":null"#);
    assert_eq!(
        rest.split_once(',').unwrap().1,
        concat!(
            r#""ea":"2099-01-01T00:00:00.000Z","p":{"u":{"u":"999","d":"BackOffice","f":null},"n":"tickets","a":1,"#,
            r#""i":{"i":"x","n":"tickets","v":7},"r":[]}}]"#
        )
    );
    node.stop().await;
}

#[tokio::test]
async fn payloads_of_other_events_go_out_as_they_were_spelt() {
    let node = Running::start(configuration("[events]\nwithout_resources = [\"shop.opened\"]")).await;
    let client = connect(&node, None, &[]).await;
    subscribe(&client, json!({ "e": "shop.opened" })).await.unwrap();
    let payload = r#"{"z":1.50,"a":123456789012345678901234567890,"e":1E+2,"s":"\u00e9\/"}"#;
    assert_eq!(node.publish(&format!(r#"{{"e":"shop.opened","p":{payload}}}"#)).await.body["matched"], 1);
    let event = client.next_invocation().await.unwrap();
    assert!(event.arguments().ends_with(&format!(r#""p":{payload}}}]"#)), "{}", event.arguments());
    node.stop().await;
}

#[tokio::test]
async fn organisations_and_grants_bound_what_is_seen() {
    let node = Running::start(configuration("[events]\nwith_resources = [\"shop.changed\"]")).await;
    let everyone = connect(&node, None, &[]).await;
    let of_a = connect(&node, Some("a"), &[]).await;
    let of_b = connect(&node, Some("b"), &["shop.*:tickets"]).await;
    for client in [&everyone, &of_a, &of_b] {
        subscribe(client, json!({ "e": "shop.changed" })).await.unwrap();
    }
    assert!(matches!(subscribe(&of_b, json!({ "e": "portos.licence.activated" })).await, Err(InvokeError::Hub(_))));
    let rows = [("a", "tickets", 1), ("b", "orders", 0), ("b", "tickets", 1), ("", "orders", 2), ("", "tickets", 3)];
    for (organisation, resource, matched) in rows {
        let organisation = if organisation.is_empty() { Value::Null } else { organisation.into() };
        let body =
            json!({ "e": "shop.changed", "p": { "n": resource, "a": 1, "o": organisation }, "org": organisation });
        assert_eq!(node.publish(&body.to_string()).await.body["matched"], matched, "{body}");
    }
    assert_eq!(next(&everyone).await["n"], "orders");
    assert_eq!(next(&of_a).await["o"], "a");
    assert_eq!(next(&of_b).await["o"], "b");
    node.stop().await;
}

#[tokio::test]
async fn without_default_grants_a_token_has_to_bring_its_own() {
    let node = Running::start(configuration("[auth]\ndefault_grants = \"none\"")).await;
    let request = json!({ "e": "portos.licence.activated" });
    assert!(subscribe(&connect(&node, None, &[]).await, request.clone()).await.is_err());
    assert!(subscribe(&connect(&node, None, &["portos.*"]).await, request).await.is_ok());
    node.stop().await;
}

#[tokio::test]
async fn no_client_connects_without_a_valid_token() {
    let node = Running::start(configuration("")).await;
    for token in [None, Some("bad")] {
        let refused = Client::connect(&node.hub(), token).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Unauthorized), "{refused:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn version_0_of_negotiation_can_be_forbidden() {
    for (setting, refused) in [("", false), ("[hub]\nminimum_protocol_version = 1", true)] {
        let node = Running::start(configuration(setting)).await;
        for version in ["", "?negotiateVersion=0"] {
            let request = Request::post(format!("{}/negotiate{version}", node.hub()));
            let request = request.header("Authorization", format!("Bearer {}", node.token(|_| ())));
            let answer = send(request.body(Full::default()).unwrap()).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.body["error"].is_string(), refused, "{setting} {version}");
            assert_eq!(answer.body["connectionId"].is_string(), !refused, "{setting} {version}");
        }
        node.stop().await;
    }
}

#[tokio::test]
async fn negotiate_offers_every_transport() {
    let node = Running::start(configuration("")).await;
    let request = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()))
        .header("Authorization", format!("Bearer {}", node.token(|_| ())));
    let answer = send(request.body(Full::default()).unwrap()).await;
    let offered = answer.body["availableTransports"].as_array().unwrap();
    let expected = [
        ("WebSockets", json!(["Text", "Binary"])),
        ("ServerSentEvents", json!(["Text"])),
        ("LongPolling", json!(["Text", "Binary"])),
    ];
    assert_eq!(offered.len(), expected.len());
    for (offer, (name, formats)) in offered.iter().zip(expected) {
        assert_eq!(offer, &json!({ "transport": name, "transferFormats": formats }));
    }
    node.stop().await;
}

/// Posts to a connection that has polled or streams.
async fn post(url: &str, token: &str, body: &str) {
    let request = Request::post(url).header("Authorization", format!("Bearer {token}"));
    assert_eq!(send(request.body(Full::from(body.to_owned())).unwrap()).await.status, 200, "{body}");
}

#[tokio::test]
async fn an_event_reaches_a_client_that_streams_and_one_that_polls() {
    let node = Running::start(configuration("")).await;
    for accept in ["text/event-stream", "*/*"] {
        let token = node.token(|_| ());
        let authorization = format!("Bearer {token}");
        let request = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()));
        let request = request.header("Authorization", &authorization).body(Full::<Bytes>::default());
        let negotiated = send(request.unwrap()).await.body;
        let url = format!("{}?id={}", node.hub(), negotiated["connectionToken"].as_str().unwrap());
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        let get = || Request::get(&url).header("Authorization", &authorization).header("Accept", accept);
        // The first answer to a poll is empty; a stream begins.
        let mut response = client.request(get().body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        post(&url, &token, "{\"protocol\":\"json\",\"version\":1}\u{1e}").await;
        let subscribe =
            r#"{"type":1,"invocationId":"0","target":"Subscribe","arguments":[{"e":"portos.licence.activated"}]}"#;
        post(&url, &token, &format!("{subscribe}\u{1e}")).await;
        let (mut arrived, mut published) = (String::new(), false);
        while !arrived.contains("\"OnEvent\"") {
            match response.body_mut().frame().await {
                Some(frame) => arrived.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap()),
                None => response = client.request(get().body(Full::default()).unwrap()).await.unwrap(),
            }
            if !published && arrived.contains(r#""invocationId":"0""#) {
                published = true;
                // Neither ends a line of an event stream.
                let payload = "{\r\"streamed\":\n\r\n\r\ntrue}";
                let receipt = node.publish(&format!("{{\"e\":\"portos.licence.activated\",\"p\":{payload}}}")).await;
                assert_eq!(receipt.body["matched"], 1);
            }
        }
        assert!(arrived.contains(r#""p":{ "streamed":     true}"#), "{arrived}");
        let request = Request::delete(&url).header("Authorization", &authorization);
        let _ = client.request(request.body(Full::default()).unwrap()).await.unwrap();
    }
    node.stop().await;
}

#[tokio::test]
async fn clients_are_sent_away_when_the_server_stops_and_may_come_back() {
    let node = Running::start(configuration("")).await;
    let client = connect(&node, None, &[]).await;
    node.stop().await;
    let end = client.next_invocation().await.unwrap_err();
    assert!(matches!(end, Disconnected::Lost(_)), "{end:?}");
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let node = Running::start(configuration("[auth]\nleeway = \"0s\"")).await;
    let token = node.token(|token| token.lifetime = Duration::from_secs(1));
    let client = Client::connect(&node.hub(), Some(&token)).await.unwrap();
    assert_eq!(client.disconnected().await, Disconnected::ByServer { error: None, allow_reconnect: true });
    node.stop().await;
}

#[tokio::test]
async fn a_node_without_a_key_does_not_start() {
    assert!(matches!(Node::bind(&Configuration::default()).await, Err(StartError::NoSecret)));
}

#[tokio::test]
async fn a_node_whose_history_cannot_be_opened_names_the_key_and_does_not_start() {
    let files = Files::new();
    let directory = files.folder().join("none/history");
    let settings = format!("[history]\nstore = \"disk\"\ndirectory = \"{}\"", directory.display());
    let error = Node::bind(&configuration(&settings)).await.err().unwrap().to_string();
    let expected = "the history (history.directory) cannot be opened: ";
    assert!(error.starts_with(expected) && error.contains("the directory above it does not exist"), "{error}");
}
