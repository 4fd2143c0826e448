//! A listener of its own for publishers.

use crate::common::{Answer, KEY, Running, configuration, send};
use http::Request;
use http_body_util::Full;
use signalhub_server::{Node, StartError};

const EVENT: &str = r#"{"e":"portos.licence.activated","p":{}}"#;

async fn publish(url: &str, key: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::post(format!("{url}/api/v1/publish")).header("X-API-Key", key);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request.body(Full::from(EVENT)).unwrap()).await
}

async fn get(url: &str) -> Answer {
    send(Request::get(url).body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn with_a_listener_of_its_own_the_publish_api_is_there_alone() {
    let node = Running::start(configuration("[publish]\nlisten = \"127.0.0.1:0\"")).await;
    assert_ne!(node.url, node.publish_url);
    for (url, expected) in
        [(&node.publish_url, "202 -"), (&node.url, "404 not_found"), (&node.internal, "404 not_found")]
    {
        assert_eq!(publish(url, KEY, &[]).await.verdict(), expected, "{url}");
    }
    let (publishers, public) = (&node.publish_url, &node.url);
    for (url, path, status) in [
        (publishers, "/openapi.json", 200),
        (public, "/openapi.json", 404),
        (publishers, "/health", 200),
        (public, "/health", 200),
        (publishers, "/signalr/v1/mainHub", 404),
        (public, "/signalr/v1/mainHub", 401),
        (publishers, "/metrics", 404),
    ] {
        assert_eq!(get(&format!("{url}{path}")).await.status, status, "{url}{path}");
    }
    let page = get(&format!("{}/metrics", node.internal)).await.text;
    assert!(page.contains("signalhub_client_errors_total{reason=\"api_not_found\"} 5\n"), "{page}");
    node.stop().await;
}

#[tokio::test]
async fn wrong_keys_at_the_listener_of_publishers_count_with_those_at_the_hub() {
    let settings = "trusted_proxies = [\"127.0.0.1\"]\n[publish]\nlisten = \"127.0.0.1:0\"\n\
                    [limits]\nfailed_authentications = \"2/h\"";
    let node = Running::start(configuration(settings)).await;
    let from = |address| [("x-forwarded-for", address)];
    // On the public listener a key is not looked at.
    for _ in 0..5 {
        assert_eq!(publish(&node.url, "a-wrong-key", &from("192.0.2.1")).await.status, 404);
    }
    assert_eq!(publish(&node.publish_url, "a-wrong-key", &from("192.0.2.1")).await.status, 401);
    let negotiate = Request::post(format!("{}/negotiate", node.hub())).header("authorization", "Bearer a.b.c");
    assert_eq!(send(negotiate.header("x-forwarded-for", "192.0.2.1").body(Full::default()).unwrap()).await.status, 401);
    assert_eq!(publish(&node.publish_url, "a-wrong-key", &from("192.0.2.1")).await.verdict(), "429 too_many_failures");
    assert_eq!(publish(&node.publish_url, "a-wrong-key", &from("192.0.2.2")).await.status, 401);
    node.stop().await;
}

#[tokio::test]
async fn in_development_mode_the_listener_of_publishers_answers_for_local_hosts_alone() {
    let settings = configuration("check_hosts = true\n[publish]\nlisten = \"127.0.0.1:0\"");
    let node = Running::start(settings).await;
    for (host, status) in [("localhost", 202), ("evil.example", 421)] {
        assert_eq!(publish(&node.publish_url, KEY, &[("host", host)]).await.status, status, "{host}");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_address_of_publishers_that_is_taken_prevents_the_start() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = configuration(&format!("[publish]\nlisten = \"{}\"", taken.local_addr().unwrap()));
    let error = Node::bind(&settings).await.unwrap_err();
    assert!(matches!(error, StartError::ListenForPublishers { .. }), "{error}");
    assert!(error.to_string().contains("(publish.listen)"), "{error}");
}
