//! The metrics of a cluster and of its backplane have the values that what has happened gives them.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::Client;
use signalhub_redis::test_server::TestServer;

use crate::cluster_operators::{get, redis, silent_node, two_nodes};
use crate::common::{Running, send};

async fn page(node: &Running) -> String {
    send(Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap()).await.text
}

/// The value of a sample, whose name has its labels; `None` if it is not there.
fn value(page: &str, name: &str) -> Option<u64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.parse().ok()
}

/// Waits until samples of a node have these values, and no others.
async fn check(node: &Running, expected: &[(&str, u64)]) {
    let reached = async {
        loop {
            let page = page(node).await;
            if expected.iter().all(|(name, wanted)| value(&page, name) == Some(*wanted)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(10), reached).await.is_err() {
        let page = page(node).await;
        let found: Vec<_> = expected.iter().map(|(name, _)| (*name, value(&page, name))).collect();
        panic!("{found:?} is not {expected:?}");
    }
}

async fn ask(node: &Running, method: &str, query: &str, body: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(format!("{}{query}", node.hub()));
    let request = request.header("authorization", format!("Bearer {}", node.token(|_| ())));
    send(request.body(Full::from(body.to_owned())).unwrap()).await.status
}

/// Negotiates at a node, and returns the token and the id of the connection.
async fn negotiate(node: &Running) -> (String, String) {
    let request = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()));
    let request = request.header("authorization", format!("Bearer {}", node.token(|_| ())));
    let body = send(request.body(Full::default()).unwrap()).await.body;
    let text = |member: &str| body[member].as_str().unwrap().to_owned();
    (text("connectionToken"), text("connectionId"))
}

#[tokio::test]
async fn forwards_refusals_claims_and_events_are_counted() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    for node in [&a, &b] {
        let links = ["commands", "reader", "channels"]
            .map(|link| format!("signalhub_cluster_connected{{link=\"{link}\",shard=\"0\"}}"));
        let links: Vec<_> = links.iter().map(|link| (link.as_str(), 1)).collect();
        check(node, &links).await;
        check(node, &[("signalhub_cluster_nodes", 2), ("signalhub_cluster_claims", 0)]).await;
        let unused = [("signalhub_cluster_may_evict{shard=\"0\"}", 0), ("signalhub_cluster_unavailable_total", 0)];
        check(node, &unused).await;
    }

    let (token, _) = negotiate(&a).await;
    let connection = format!("?id={token}");
    assert_eq!(ask(&a, "GET", &connection, "").await, 200);
    assert_eq!(ask(&b, "POST", &connection, "{\"protocol\":\"json\",\"version\":1}\u{1e}").await, 200);
    assert_eq!(ask(&b, "GET", &connection, "").await, 200);
    check(
        &b,
        &[
            ("signalhub_cluster_forwards_total{kind=\"send\"}", 1),
            ("signalhub_cluster_forwards_total{kind=\"poll\"}", 1),
            ("signalhub_cluster_forwards_total{kind=\"events\"}", 0),
            ("signalhub_cluster_forwards_total{kind=\"socket\"}", 0),
            ("signalhub_cluster_claims", 0),
        ],
    )
    .await;
    check(&a, &[("signalhub_cluster_claims", 1), ("signalhub_cluster_forwards_total{kind=\"poll\"}", 0)]).await;
    assert_eq!(ask(&b, "DELETE", &connection, "").await, 202);
    check(&b, &[("signalhub_cluster_forwards_total{kind=\"poll\"}", 2)]).await;
    check(&a, &[("signalhub_cluster_claims", 0), ("signalhub_cluster_unclaimed", 0)]).await;

    assert_eq!(ask(&a, "GET", "?id=none", "").await, 404);
    let address = get(&a, "cluster").await["nodes"][0]["address"].as_str().unwrap().to_owned();
    assert_eq!(send(Request::get(format!("http://{address}/")).body(Full::default()).unwrap()).await.status, 403);
    let counted = [
        ("signalhub_cluster_refused_tokens_total{reason=\"malformed\"}", 1),
        ("signalhub_cluster_refused_tokens_total{reason=\"forged\"}", 0),
        ("signalhub_cluster_refused_forwards_total{reason=\"missing\"}", 1),
        ("signalhub_cluster_refused_forwards_total{reason=\"forged\"}", 0),
        ("signalhub_cluster_lost_claims_total", 0),
    ];
    check(&a, &counted).await;

    // A connection of a node that is gone, and that the others do not miss yet.
    let (token, id) = negotiate(&a).await;
    drop(silent_node(&server, "c").await);
    redis(&server, &[b"SET", format!("signalhub:c:{id}").as_bytes(), b"c/another"]).await;
    assert_eq!(ask(&a, "POST", &format!("?id={token}"), "x").await, 502);
    check(&a, &[("signalhub_cluster_forward_failures_total{node=\"c\"}", 1)]).await;

    let event = json!({"e": "portos.licence.activated", "p": {}}).to_string();
    for node in [&a, &a, &a, &b, &b] {
        assert_eq!(node.publish(&event).await.status, 202);
    }
    for (node, published) in [(&a, 3), (&b, 2)] {
        let counted = [
            ("signalhub_cluster_read_events_total", 5),
            ("signalhub_cluster_lag_seconds_count", 5),
            ("signalhub_cluster_publish_seconds_count", published),
            ("signalhub_cluster_publish_retries_total", 0),
            ("signalhub_cluster_forks_total", 0),
            ("signalhub_cluster_gaps_total", 0),
        ];
        check(node, &counted).await;
        let events = get(node, "cluster").await["events"].clone();
        assert_eq!((&events["names"], &events["read"]), (&json!(1), &json!(5)), "{events}");
    }
    a.stop().await;
    b.stop().await;
}

/// A message to all clients, as ASP.NET Core writes it, with a copy for one protocol.
fn to_all(protocol: &str, copy: &[u8]) -> Vec<u8> {
    let short = |length: usize| u8::try_from(length).unwrap();
    let mut message = vec![0x92, 0x90, 0x81, 0xa0 + short(protocol.len())];
    message.extend(protocol.as_bytes());
    message.extend([0xc4, short(copy.len())]);
    message.extend(copy);
    message
}

#[tokio::test]
async fn messages_of_other_servers_are_counted_also_those_that_cannot_be_read() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    let client = Client::connect(&a.hub(), Some(&a.token(|_| ()))).await.unwrap();
    client.invoke::<Value>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.unwrap();
    let call = b"{\"type\":1,\"target\":\"OfAnother\",\"arguments\":[]}\x1e";
    for message in [to_all("json", call), to_all("messagepack", &[0x90]), vec![0xc1]] {
        redis(&server, &[b"PUBLISH", b"Signalhub.MainHub:all", &message]).await;
    }
    assert_eq!(client.next_invocation().await.unwrap().target, "OfAnother");
    let received =
        |channel| format!("signalhub_cluster_backplane_messages_total{{direction=\"received\",channel=\"{channel}\"}}");
    let (all, group) = (received("all"), received("group"));
    for (node, missing) in [(&a, 1), (&b, 0)] {
        let counted = [
            ("signalhub_cluster_backplane_malformed_total", 1),
            (&*all, 2),
            (&*group, 0),
            ("signalhub_cluster_backplane_missing_copies_total", missing),
            ("signalhub_cluster_backplane_unsent_total", 0),
        ];
        check(node, &counted).await;
    }
    a.stop().await;
    b.stop().await;
}
