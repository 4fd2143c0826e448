//! A cluster whose user of Redis may do no more than the documentation names.

use std::time::{Duration, SystemTime};

use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub_client::Client;
use signalhub_redis::test_server::TestServer;

use crate::common::{Running, SECRET, configuration, send, sign_claims};

/// The token of the admin API.
const TOKEN: &str = "a token of the admin API with enough bytes";

const EVENT: &str = "portos.licence.activated";

async fn node(server: &TestServer, name: &str) -> Running {
    Running::start(configuration(&format!(
        "[admin]\ntoken = \"{TOKEN}\"\n[cluster]\nredis = [\"{}\"]\nsecret = [\"{SECRET}\"]\nlisten = \"127.0.0.1:0\"\nnode = \"{name}\"\n\
         [dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = \"unused.json\"\n",
        server.url()
    )))
    .await
}

async fn admin(node: &Running, method: &str, path: &str, body: &str) -> u16 {
    let request = Request::builder().method(method).uri(format!("{}/admin/api/v1/{path}", node.internal));
    let request = request.header("authorization", format!("Bearer {TOKEN}")).header("content-type", "application/json");
    send(request.body(Full::from(body.to_owned())).unwrap()).await.status.as_u16()
}

#[tokio::test]
async fn the_documented_user_of_redis_may_do_all_that_a_node_needs() {
    let Some(server) = TestServer::for_documented_user() else { return };
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = sign_claims(&json!({"sub": "ann", "jti": "1", "iat": now - 10, "exp": now + 600}));
    let client = Client::connect(&b.hub(), Some(&token)).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({"e": EVENT}),)).await.unwrap();
    // Until node a is subscribed to the answers of the other one.
    let publishing = async {
        let mut number = 0;
        loop {
            number += 1;
            let body = format!(r#"{{"e":"{EVENT}","p":{{"number":{number}}}}}"#);
            let receipt = a.publish_with("?wait=delivered", &format!("key-{number}"), &body).await;
            assert_eq!(receipt.status, 202, "{}", receipt.text);
            if receipt.body["delivered"]["written"] == 1 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), publishing).await.expect("the other node counts its client");
    client.next_invocation().await.unwrap();

    let negotiated = send(
        Request::post(format!("{}{}/negotiate?negotiateVersion=1", a.url, signalhub_server::HUB_PATH))
            .header("authorization", format!("Bearer {token}"))
            .body(Full::default())
            .unwrap(),
    )
    .await;
    let id = negotiated.body["connectionToken"].as_str().unwrap().to_owned();
    for node in [&b, &a] {
        let request = Request::get(format!("{}{}?id={id}", node.url, signalhub_server::HUB_PATH));
        let request = request.header("authorization", format!("Bearer {token}")).body(Full::default()).unwrap();
        let status = send(request).await.status;
        assert!(status == 200 || status == 204, "the claim of a long polling connection: {status}");
    }

    assert_eq!(admin(&a, "POST", "miskeys", r#"{"organisation":"acme","user":"ann","change":"generate"}"#).await, 200);
    assert_eq!(admin(&b, "GET", "miskeys", "").await, 200);
    assert_eq!(admin(&a, "POST", "revocations", r#"{"jti":"1"}"#).await, 204);
    let ended = tokio::time::timeout(Duration::from_secs(20), client.disconnected()).await;
    ended.expect("the other node reads the revocation");
    a.stop().await;
    b.stop().await;
}
