//! What the nodes of a cluster share beside events and connections.

use std::time::{Duration, SystemTime};

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::{Client, Disconnected};
use signalhub_redis::test_server::TestServer;

use crate::common::{Answer, Running, SECRET, configuration, send, sign_claims};

/// The token of the admin API.
const TOKEN: &str = "a token of the admin API with enough bytes";

async fn node(server: &TestServer, name: &str) -> Running {
    Running::start(configuration(&format!(
        "[admin]\ntoken = \"{TOKEN}\"\n[cluster]\nredis = [\"{}\"]\nsecret = [\"{SECRET}\"]\nlisten = \"127.0.0.1:0\"\nnode = \"{name}\"\n",
        server.url()
    )))
    .await
}

async fn revoke(node: &Running, body: &Value) -> Answer {
    let request = Request::post(format!("{}/admin/api/v1/revocations", node.internal))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json");
    send(request.body(Full::from(body.to_string())).unwrap()).await
}

/// Waits until a node refuses a token.
async fn refused(node: &Running, token: &str) {
    let waiting = async {
        while Client::connect(&node.hub(), Some(token)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the token is refused in time");
}

#[tokio::test]
async fn a_token_that_is_revoked_at_one_node_is_refused_at_all() {
    let Some(mut server) = TestServer::start() else { return };
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = |user: &str, id: &str| {
        sign_claims(&json!({"sub": user, "org": "acme", "jti": id, "iat": now - 10, "exp": now + 600}))
    };
    let (ann, ben, carl) = (token("ann", "1"), token("ben", "2"), token("carl", "3"));
    let client = Client::connect(&b.hub(), Some(&ann)).await.unwrap();
    assert_eq!(revoke(&a, &json!({"user": "ann", "organisation": "acme"})).await.verdict(), "204 -");
    let ended = tokio::time::timeout(Duration::from_secs(20), client.disconnected()).await.unwrap();
    assert_eq!(ended, Disconnected::ByServer { error: None, allow_reconnect: false });
    refused(&b, &ann).await;
    assert!(Client::connect(&b.hub(), Some(&ben)).await.is_ok());
    let later = node(&server, "c").await;
    assert!(Client::connect(&later.hub(), Some(&ann)).await.is_err());
    assert!(Client::connect(&later.hub(), Some(&carl)).await.is_ok());
    assert_eq!(revoke(&a, &json!({"user": "u".repeat(2_000)})).await.verdict(), "400 invalid_member");

    server.kill();
    let answer = revoke(&a, &json!({"jti": "2"})).await;
    assert_eq!((answer.verdict().as_str(), answer.header("retry-after")), ("503 unavailable", "1"), "{}", answer.text);
    assert!(answer.text.contains("revoked at this node alone"), "{}", answer.text);
    assert!(Client::connect(&a.hub(), Some(&ben)).await.is_err());
    server.restart();
    refused(&b, &ben).await;
    for node in [a, b, later] {
        node.stop().await;
    }
}
