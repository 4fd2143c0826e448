//! Tickets: who gets one, where it leads, and that it opens the hub alone.

use crate::common::{Running, configuration, send};
use http::Request;
use http_body_util::Full;
use signalhub_server::HUB_PATH;

/// Negotiates as a page of this origin, or as another client.
async fn negotiate(node: &Running, token: &str, origin: Option<&str>) -> crate::common::Answer {
    let request = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()))
        .header("authorization", format!("Bearer {token}"));
    let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
    send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn the_configuration_decides_who_gets_a_ticket_and_for_which_address() {
    const BROWSER: Option<&str> = Some("https://app.example");
    for (settings, origin, expected) in [
        ("", BROWSER, Some("http://{host}/signalr/v1/mainHub")),
        ("", None, None),
        ("[auth]\ntickets = \"all\"", None, Some("http://{host}/signalr/v1/mainHub")),
        ("[auth]\ntickets = \"off\"", BROWSER, None),
        (
            "public_url = \"https://hub.example/realtime\"",
            BROWSER,
            Some("https://hub.example/realtime/signalr/v1/mainHub"),
        ),
    ] {
        let node = Running::start(configuration(settings)).await;
        let answer = negotiate(&node, &node.token(|_| {}), origin).await;
        let expected = expected.map(|url| url.replace("{host}", node.url.strip_prefix("http://").unwrap()));
        assert_eq!(answer.body["url"].as_str(), expected.as_deref(), "{settings}: {}", answer.text);
        assert_eq!(answer.body["connectionToken"].is_string(), expected.is_none(), "{settings}: {}", answer.text);
        node.stop().await;
    }
}

#[tokio::test]
async fn a_ticket_publishes_nothing() {
    let node = Running::start(configuration("")).await;
    let token = node.token(|token| token.publish = vec!["*".parse().unwrap()]);
    let answer = negotiate(&node, &token, Some(&node.url)).await;
    let ticket = answer.body["accessToken"].as_str().unwrap();
    assert_eq!(negotiate(&node, ticket, None).await.status, 200, "it opens the hub");
    let query = format!("?access_token={ticket}");
    for (name, value, query) in [
        ("authorization", format!("Bearer {ticket}"), ""),
        ("x-api-key", ticket.to_owned(), ""),
        ("authorization", String::new(), query.as_str()),
    ] {
        let request = Request::post(format!("{}/api/v1/publish{query}", node.url)).header(name, value);
        let answer = send(request.body(Full::from(r#"{"e":"portos.licence.activated","p":{}}"#)).unwrap()).await;
        assert_eq!(answer.verdict(), "401 unauthenticated", "{name} {query}");
    }
    assert_eq!(node.counts.published(), 0);
    node.stop().await;
}

#[tokio::test]
async fn tickets_are_counted_with_the_errors_of_clients_when_they_expire() {
    let node = Running::start(configuration("[auth]\nticket_lifetime = \"1ms\"")).await;
    let answer = negotiate(&node, &node.token(|_| {}), Some(&node.url)).await;
    let ticket = answer.body["accessToken"].as_str().unwrap();
    let metrics = format!("{}/metrics", node.internal);
    let counted = async || {
        let answer = send(Request::get(&metrics).body(Full::default()).unwrap()).await;
        answer.text.contains("signalhub_client_errors_total{reason=\"ticket_expired\"} 1\n")
    };
    let expired = async {
        while !counted().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), expired).await.unwrap();
    assert_eq!(negotiate(&node, ticket, None).await.status, 401);
    assert!(node.hub().ends_with(HUB_PATH));
    node.stop().await;
}
