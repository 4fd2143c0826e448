//! From a publish to a subscriber, through a node in this process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::Duration;

use common::{Running, configuration};
use serde_json::{Value, json};
use signalhub_client::{Client, ConnectError, Disconnected, InvokeError};
use signalhub_server::{Configuration, Node, StartError};

async fn connect(node: &Running, organisation: Option<&str>, grants: &[&str]) -> Client {
    let token = node.token(|token| {
        token.organisation = organisation.map(str::to_owned);
        token.grants = grants.iter().map(|grant| grant.parse().unwrap()).collect();
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
async fn nobody_connects_without_a_good_token() {
    let node = Running::start(configuration("")).await;
    for token in [None, Some("bad")] {
        let refused = Client::connect(&node.hub(), token).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Unauthorized), "{refused:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn clients_are_sent_away_when_the_server_stops_and_may_come_back() {
    let node = Running::start(configuration("")).await;
    let client = connect(&node, None, &[]).await;
    node.stop().await;
    let goodbye = Disconnected::ByServer { error: None, allow_reconnect: true };
    assert_eq!(client.next_invocation().await, Err(goodbye));
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
