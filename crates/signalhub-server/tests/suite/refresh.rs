//! A client replaces the token of its connection with the hub's method `Refresh`.

use std::time::{Duration, SystemTime};

use crate::common::{Running, configuration, sign_claims};
use serde_json::{Value, json};
use signalhub_client::{Client, Disconnected, InvokeError};

const CHANGED: &str = "portos.resources.changed";

/// A token that expires in a number of seconds, with further claims.
fn token(seconds: u64, more: &Value) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut claims = json!({"sub": "ann", "exp": now + seconds});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sign_claims(&claims)
}

async fn refresh(client: &Client, token: &str) -> Result<Value, String> {
    match client.invoke("Refresh", (token,)).await {
        Err(InvokeError::Hub(error)) => Err(error),
        result => Ok(result.unwrap()),
    }
}

async fn matched(node: &Running, resource: &str) -> Value {
    let info = json!({"i": "x", "n": resource, "v": 1});
    let user = json!({"u": "1", "d": "Till", "f": null});
    let body = json!({"e": CHANGED, "p": {"u": user, "n": resource, "a": 1, "i": info, "r": []}, "ea": null});
    node.publish(&body.to_string()).await.body["matched"].clone()
}

#[tokio::test]
async fn a_refresh_ends_the_subscriptions_that_the_new_token_does_not_permit_and_names_them() {
    let node = Running::start(configuration("")).await;
    let client = Client::connect(&node.hub(), Some(&token(60, &json!({})))).await.unwrap();
    for request in [
        json!({"e": CHANGED, "r": [{"n": "tickets"}, {"n": "devices", "a": ["updated", "created"]}]}),
        json!({"e": "portos.licence.activated"}),
    ] {
        client.invoke::<()>("Subscribe", (request,)).await.unwrap();
    }
    assert_eq!(matched(&node, "devices").await, 1);
    let tickets = json!({"exp": 4_000_000_000_u64, "grants": [{"e": CHANGED, "r": "tickets"}]});
    let devices = json!({"e": CHANGED, "r": [{"n": "devices", "a": ["created", "updated"]}]});
    let ended = json!([{"e": "portos.licence.activated"}, devices]);
    let expected = json!({"expires": "2096-10-02T07:06:40.000Z", "ended": ended});
    assert_eq!(refresh(&client, &token(60, &tickets)).await, Ok(expected));
    assert_eq!((matched(&node, "devices").await, matched(&node, "tickets").await), (json!(0), json!(1)));
    let error = client.invoke::<()>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.unwrap_err();
    assert!(error.to_string().contains("missing grant"), "{error}");
    // What has ended does not come back with a token that permits it.
    assert_eq!(refresh(&client, &token(60, &json!({}))).await.unwrap()["ended"], json!([]));
    assert_eq!(matched(&node, "devices").await, 0);
    node.stop().await;
}

#[tokio::test]
async fn a_refused_token_changes_nothing_and_the_client_reads_why() {
    let node = Running::start(configuration("[limits]\nfailed_authentications = \"3/h\"")).await;
    let old = token(60, &json!({"org": "acme"}));
    let client = Client::connect(&node.hub(), Some(&old)).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({"e": CHANGED}),)).await.unwrap();
    let failed = "An unexpected error occurred invoking 'Refresh' on the server. HubException: ";
    for (token, error) in [
        (token(60, &json!({"org": "acme", "exp": 1})), "the token has expired"),
        (token(60, &json!({"org": "acme", "nbf": 4_000_000_000_u64})), "the token is not valid yet"),
        (token(60, &json!({"org": "acme", "sub": ""})), "the token names no user"),
        (token(60, &json!({"org": "acme", "grants": 5})), "the claim \"grants\" of the token must be a list of grants"),
        (token(60, &json!({"org": "acme", "sub": "eve"})), "the token is of another user"),
        (token(60, &json!({"org": "other"})), "the token is of another user"),
        (token(60, &json!({})), "the token is of another user"),
        (format!("{old}x"), "the signature does not match"),
        ("x".to_owned(), "the token is malformed"),
        ("a\nb".to_owned(), "the token is malformed"),
        // The third wrong one; a text that no header can hold is no guess.
        (format!("{old}y"), "the signature does not match"),
        (format!("{old}z"), "too many wrong tokens came from this address: try again in"),
        (token(60, &json!({"org": "acme", "sub": "eve"})), "the token is of another user"),
    ] {
        let answer = refresh(&client, &token).await.unwrap_err();
        assert!(answer.starts_with(&format!("{failed}{error}")), "{error}: {answer}");
    }
    for arguments in [json!([]), json!([{"token": old}]), json!([[old]]), json!([old, old]), json!([null]), json!([5])]
    {
        let Err(InvokeError::Hub(answer)) = client.invoke::<Value>("Refresh", &arguments).await else { panic!() };
        assert!(answer.contains("HubException: expected one argument, a token: "), "{answer}");
        assert!(!answer.contains(&old), "{answer}");
    }
    assert_eq!(matched(&node, "tickets").await, 1);
    assert!(refresh(&client, &token(60, &json!({"org": "acme"}))).await.is_ok());
    node.stop().await;
}

#[tokio::test]
async fn a_connection_ends_when_its_newest_token_does() {
    let node = Running::start(configuration("[auth]\nleeway = \"0s\"")).await;
    let short = token(2, &json!({}));
    let left_alone = Client::connect(&node.hub(), Some(&short)).await.unwrap();
    let prolonged = Client::connect(&node.hub(), Some(&short)).await.unwrap();
    let shortened = Client::connect(&node.hub(), Some(&token(60, &json!({})))).await.unwrap();
    refresh(&prolonged, &token(60, &json!({}))).await.unwrap();
    refresh(&shortened, &short).await.unwrap();
    let ended = async { (left_alone.disconnected().await, shortened.disconnected().await) };
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    let by_server = |end: &Disconnected| matches!(end, Disconnected::ByServer { error: None, allow_reconnect: true });
    assert!(by_server(&ended.0) && by_server(&ended.1), "{ended:?}");
    prolonged.invoke::<()>("Subscribe", (json!({"e": CHANGED}),)).await.unwrap();
    node.stop().await;
}
