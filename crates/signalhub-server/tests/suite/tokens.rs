//! What a token must be, wherever it is shown, and what its bearer may publish.

use std::time::{Duration, SystemTime};

use crate::common::{Running, configuration, send, sign_claims};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub::connections::Revocation;
use signalhub_client::{Client, Disconnected};

#[tokio::test]
async fn tokens_in_the_query_publish_nothing() {
    let node = Running::start(configuration("")).await;
    let token = node.token(|token| token.publish = vec!["*".parse().unwrap()]);
    for header in [None, Some("Basic YTpi"), Some("Bearer"), Some("Bearer "), Some("bearer:x"), Some("")] {
        for name in ["access_token", "ACCESS_TOKEN", "access%5Ftoken"] {
            let mut request = Request::post(format!("{}/api/v1/publish?{name}={token}", node.url));
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let body = Full::from(r#"{"e":"portos.licence.activated","p":{}}"#);
            let answer = send(request.body(body).unwrap()).await;
            assert_eq!(answer.verdict(), "401 unauthenticated", "{header:?} {name}");
        }
    }
    assert_eq!(node.counts.published(), 0);
    node.stop().await;
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_makes_a_token_invalid_for_everything() {
    let node = Running::start(configuration("")).await;
    let bad = [
        ("sub", vec![json!(""), json!(null), json!(5), json!(["ann"]), json!({"id": "ann"})]),
        (
            "org",
            vec![json!(""), json!(null), json!(42), json!(true), json!(["acme"]), json!([]), json!({"id": "acme"})],
        ),
        ("grants", vec![json!(null), json!(""), json!("*"), json!({}), json!([5]), json!([{}]), json!([{"e": "a*b"}])]),
        ("grants", vec![json!([{"e": "a", "a": ["x"]}]), json!([{"e": "a", "x": 1}]), json!([{"e": 5}]), json!(true)]),
        (
            "publish",
            vec![
                json!(null),
                json!(""),
                json!("*"),
                json!({}),
                json!([5]),
                json!(["a*b"]),
                json!([["*"]]),
                json!([""]),
            ],
        ),
    ];
    let good = [
        ("org", json!("acme"), "403"),
        ("grants", json!([]), "202"),
        ("grants", json!([{"e": "portos.*", "r": "tickets", "a": ["created"]}]), "202"),
        ("publish", json!([]), "403"),
        ("publish", json!(["portos.*"]), "202"),
        ("other", json!(5), "202"),
    ];
    let bad = bad.into_iter().flat_map(|(claim, values)| values.into_iter().map(move |value| (claim, value, "401")));
    for (claim, value, expected) in bad.chain(good) {
        let mut claims = json!({"sub": "ann", "exp": 4_000_000_000_u64, "publish": ["*"]});
        claims[claim] = value;
        let token = sign_claims(&claims);
        let bearer = format!("Bearer {token}");
        let request = Request::post(format!("{}/api/v1/publish", node.url)).header("authorization", &bearer);
        let answer = send(request.body(Full::from(r#"{"e":"portos.licence.activated","p":{}}"#)).unwrap()).await;
        assert_eq!(answer.status.as_str(), expected, "{claims}: {}", answer.text);
        let hub = if expected == "401" { 401 } else { 200 };
        let request =
            Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub())).header("authorization", &bearer);
        assert_eq!(send(request.body(Full::default()).unwrap()).await.status, hub, "{claims}");
        let request = Request::post(format!("{}/negotiate?negotiateVersion=1&access_token={token}", node.hub()));
        assert_eq!(send(request.body(Full::default()).unwrap()).await.status, hub, "{claims}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_token_without_organisation_publishes_for_all_unless_that_is_forbidden() {
    for (setting, verdict) in [("", "202 -"), ("[auth]\npublish_requires_organisation = true", "403 forbidden")] {
        let node = Running::start(configuration(setting)).await;
        let publish = async |token: String| {
            let request = Request::post(format!("{}/api/v1/publish", node.url));
            let request = request.header("authorization", format!("Bearer {token}"));
            let body = r#"{"e":"portos.licence.activated","p":{},"org":"acme"}"#;
            send(request.body(Full::from(body)).unwrap()).await.verdict()
        };
        let everything = || vec!["*".parse().unwrap()];
        assert_eq!(publish(node.token(|token| token.publish = everything())).await, verdict);
        let of_acme = node.token(|token| {
            token.publish = everything();
            token.organisation = Some("acme".to_owned());
        });
        assert_eq!(publish(of_acme).await, "202 -");
        let with_key = node.publish(r#"{"e":"portos.licence.activated","p":{},"org":"acme"}"#).await;
        assert_eq!(with_key.verdict(), "202 -");
        node.stop().await;
    }
}

#[tokio::test]
async fn publishers_are_told_the_names_of_those_events_that_they_may_publish() {
    let node = Running::start(configuration("[events]\nwithout_resources = [\"shop.secret\", \"shop.open\"]")).await;
    let publish = async |patterns: &[&str], event: &str| {
        let token =
            node.token(|token| token.publish = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect());
        let request = Request::post(format!("{}/api/v1/publish", node.url));
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = send(request.body(Full::from(format!(r#"{{"e":"{event}","p":{{}}}}"#))).unwrap()).await;
        (answer.status.as_u16(), answer.body["detail"].as_str().unwrap().to_owned())
    };
    let unknown = |known: &str| (400, format!("e: unknown event \"shop.x\": expected {known}"));
    assert_eq!(publish(&["shop.x"], "shop.x").await, unknown("no event at all"));
    assert_eq!(publish(&["shop.x", "shop.o*"], "shop.x").await, unknown("\"shop.open\""));
    assert_eq!(publish(&["shop.*"], "shop.x").await, unknown("\"shop.open\" or \"shop.secret\""));
    for event in ["shop.secret", "shop.x"] {
        let (status, detail) = publish(&["shop.open"], event).await;
        assert_eq!((status, detail.contains("shop.open")), (403, false), "{detail}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_the_hub_and_the_publish_api_and_its_clients_may_not_come_back() {
    let node = Running::start(configuration("[auth]\nrefresh_endpoint = true\ntickets = \"all\"")).await;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = |issued: u64, org: &str| {
        sign_claims(&json!({"sub": "ann", "org": org, "iat": issued, "exp": now + 600, "publish": ["*"]}))
    };
    let (old, other, new) = (token(now - 10, "acme"), token(now - 10, "other"), token(now + 10, "acme"));
    let publish = async |token: &str, org: &str| {
        let request = Request::post(format!("{}/api/v1/publish", node.url));
        let request = request.header("authorization", format!("Bearer {token}"));
        let body = json!({"e": "portos.licence.activated", "p": {}, "org": org});
        send(request.body(Full::from(body.to_string())).unwrap()).await.verdict()
    };
    let negotiate = async |token: &str| {
        let request = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()));
        let request = request.header("authorization", format!("Bearer {token}"));
        send(request.body(Full::default()).unwrap()).await
    };
    let ticket = negotiate(&old).await.body["accessToken"].as_str().unwrap().to_owned();
    let client = Client::connect(&node.hub(), Some(&old)).await.unwrap();
    let bystander = Client::connect(&node.hub(), Some(&other)).await.unwrap();
    assert_eq!(publish(&old, "acme").await, "202 -");

    let (user, organisation) = ("ann".to_owned(), Some("acme".to_owned()));
    let revocation = Revocation::User { user, organisation, before: SystemTime::now() };
    node.revocations.revoke(&revocation, Duration::from_secs(600)).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), client.disconnected()).await.unwrap();
    assert_eq!(ended, Disconnected::ByServer { error: None, allow_reconnect: false });
    assert!(Client::connect(&node.hub(), Some(&old)).await.is_err());
    assert_eq!(
        (negotiate(&old).await.status, negotiate(&ticket).await.status),
        (401.try_into().unwrap(), 401.try_into().unwrap())
    );
    assert_eq!(publish(&old, "acme").await, "401 unauthenticated");
    assert_eq!(publish(&other, "other").await, "202 -");
    let again = Client::connect(&node.hub(), Some(&new)).await.unwrap();
    let refused = again.invoke::<serde_json::Value>("Refresh", (&old,)).await.unwrap_err().to_string();
    assert!(refused.ends_with("HubException: the token has been revoked"), "{refused}");
    bystander.invoke::<serde_json::Value>("Refresh", (&other,)).await.unwrap();
    node.stop().await;
}
