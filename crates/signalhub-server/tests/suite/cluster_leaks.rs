//! What clients of a cluster leave behind in Redis and at the nodes: nothing.

use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use futures_util::StreamExt;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub_client::Client;
use signalhub_redis::test_server::TestServer;
use signalhub_server::HUB_PATH;

use crate::common::{Answer, Running, SECRET, configuration, send};

/// How many clients come and go. With another number in the variable `SIGNALHUB_LEAK_CLIENTS`, such as 100000, the test also waits until
/// Redis has no claim, which takes more than a minute.
const CLIENTS: usize = 60;

/// The channels of two nodes without clients: two of the hub, two of each node at it, one for the counts of each node, and the one on which
/// nodes come and go.
const OWN_CHANNELS: u64 = 9;

/// How many of them at a time.
const CONCURRENCY: usize = 16;

async fn node(server: &TestServer, name: &str) -> Running {
    Running::start(configuration(&format!(
        "[cluster]\nredis = [\"{}\"]\nsecret = [\"{SECRET}\"]\nlisten = \"127.0.0.1:0\"\nnode = \"{name}\"\n",
        server.url()
    )))
    .await
}

/// The number in the answer of Redis: itself, or the length of a list.
fn number(server: &TestServer, command: &[&str]) -> u64 {
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let parts: String = command.iter().map(|part| format!("${}\r\n{part}\r\n", part.len())).collect();
    socket.write_all(format!("*{}\r\n{parts}", command.len()).as_bytes()).unwrap();
    let line = BufReader::new(socket).lines().next().unwrap().unwrap();
    line[1..].parse().unwrap_or_else(|_| panic!("{command:?}: {line}"))
}

fn claims(server: &TestServer) -> u64 {
    number(server, &["EVAL", "return #redis.call('keys', 'signalhub:c:*')", "0"])
}

/// The claims that do not end within two minutes when no node renews them.
fn lasting_claims(server: &TestServer) -> u64 {
    let count = "local count = 0
        for _, key in ipairs(redis.call('keys', 'signalhub:c:*')) do
            local left = redis.call('pttl', key)
            if left < 0 or left > 120000 then count = count + 1 end
        end
        return count";
    number(server, &["EVAL", count, "0"])
}

/// Waits until a node has no connection and no claim.
async fn emptied(node: &Running) {
    let lines = ["signalhub_cluster_claims 0", "signalhub_cluster_unclaimed 0", "signalhub_connections_active 0"];
    loop {
        let request = Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap();
        let page = send(request).await.text;
        if lines.iter().all(|line| page.lines().any(|found| found == *line)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn channels(server: &TestServer) -> u64 {
    number(server, &["PUBSUB", "CHANNELS"])
}

async fn wait_for(is_so: impl Fn() -> bool, what: &str) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn request(node: &Running, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("{}{HUB_PATH}{path}", node.url));
    let request = request.header("authorization", format!("Bearer {token}"));
    send(request.body(Full::from(body.to_owned())).unwrap()).await
}

/// A client of long polling whose requests go to two nodes in turn.
async fn poll(nodes: [&Running; 2], token: &str) {
    let negotiated = request(nodes[0], token, "POST", "/negotiate?negotiateVersion=1", "").await;
    let path = format!("?id={}", negotiated.body["connectionToken"].as_str().unwrap());
    assert_eq!(request(nodes[1], token, "GET", &path, "").await.status, 200);
    let handshake = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
    assert_eq!(request(nodes[0], token, "POST", &path, handshake).await.status, 200);
    assert_eq!(request(nodes[0], token, "GET", &path, "").await.text, "{}\u{1e}");
    assert_eq!(request(nodes[0], token, "DELETE", &path, "").await.status, 202);
}

async fn open_socket(node: &Running, token: &str) {
    let client = Client::connect(&node.hub(), Some(token)).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.unwrap();
}

#[tokio::test]
async fn clients_that_come_and_go_at_two_nodes_leave_nothing_in_redis() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    wait_for(|| channels(&server) == OWN_CHANNELS, "the nodes listen").await;
    let given = std::env::var("SIGNALHUB_LEAK_CLIENTS").ok().map(|count| count.parse().unwrap());
    let (is_by_hand, count) = (given.is_some(), given.unwrap_or(CLIENTS));
    futures_util::stream::iter(0..count)
        .for_each_concurrent(CONCURRENCY, |number| {
            let (a, b) = (&a, &b);
            async move {
                let token = a.token(|content| content.user = format!("user-{}", number % 100));
                match number % 4 {
                    0 => poll([a, b], &token).await,
                    1 => poll([b, a], &token).await,
                    2 => open_socket(a, &token).await,
                    _ => open_socket(b, &token).await,
                }
            }
        })
        .await;
    wait_for(|| channels(&server) == OWN_CHANNELS, "no channel of a client is left").await;
    for node in [&a, &b] {
        tokio::time::timeout(Duration::from_secs(20), emptied(node)).await.expect("the node holds nothing");
    }
    // Ends are remembered for as long as a token could be used, and what is not renewed expires.
    assert_eq!(lasting_claims(&server), 0);
    if is_by_hand {
        wait_for(|| claims(&server) == 0, "no claim is left").await;
    }
    a.stop().await;
    b.stop().await;
    assert_eq!(channels(&server), 0);
}
