//! Nodes of a cluster on a real Redis server.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_redis::test_server::TestServer;
use signalhub_server::{Configuration, HUB_PATH, Node};

#[cfg(unix)]
use crate::common::process::{Server, program};
use crate::common::{Answer, KEY, Running, SECRET, configuration, send};

/// The configuration of a node of the cluster on this server.
fn member(server: &TestServer, name: &str, more: &str) -> Configuration {
    configuration(&format!(
        "[cluster]\nredis = [\"{}\"]\nsecret = [\"{SECRET}\"]\nlisten = \"127.0.0.1:0\"\nnode = \"{name}\"\n{more}",
        server.url()
    ))
}

/// A client that sends each request to another node than the one before.
struct Roaming<'a> {
    nodes: Vec<&'a Running>,
    token: String,
    sent: usize,
}

impl Roaming<'_> {
    async fn send(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let node = self.nodes[self.sent % self.nodes.len()];
        self.sent += 1;
        let request = Request::builder().method(method).uri(format!("{}{HUB_PATH}{path}", node.url));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        send(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await
    }
}

async fn cluster(node: &Running) -> Value {
    send(Request::get(format!("{}/admin/api/v1/cluster", node.internal)).body(Full::default()).unwrap()).await.body
}

async fn ready(node: &Running) -> StatusCode {
    send(Request::get(format!("{}/health/ready", node.internal)).body(Full::default()).unwrap()).await.status
}

/// Waits until this is the state of the node.
async fn state(node: &Running, expected: &str) {
    let waiting = async {
        while cluster(node).await["state"] != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the state changes in time");
}

#[tokio::test]
async fn every_request_of_a_client_may_reach_another_node() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (Running::start(member(&server, "a", "")).await, Running::start(member(&server, "b", "")).await);
    let mut client = Roaming { nodes: vec![&a, &b], token: a.token(|_| ()), sent: 0 };
    for turn in 0..2 {
        client.sent = turn;
        let negotiated = client.send("POST", "/negotiate?negotiateVersion=1", "").await.body;
        let token = negotiated["connectionToken"].as_str().unwrap().to_owned();
        let path = format!("?id={token}");
        assert_eq!(client.send("GET", &path, "").await.status, 200);
        assert_eq!(client.send("POST", &path, "{\"protocol\":\"json\",\"version\":1}\u{1e}").await.status, 200);
        assert_eq!(client.send("GET", &path, "").await.text, "{}\u{1e}");
        client.sent += 1;
        let call = "{\"type\":1,\"invocationId\":\"1\",\"target\":\"Subscribe\",\"arguments\":[{\"e\":\"portos.licence.activated\"}]}\u{1e}";
        assert_eq!(client.send("POST", &path, call).await.status, 200);
        let text = client.send("GET", &path, "").await.text;
        assert!(text.contains("\"type\":3,\"invocationId\":\"1\""), "{text}");
        assert_eq!(client.send("DELETE", &path, "").await.status, 202);
    }
    let shown = [cluster(&a).await, cluster(&b).await];
    for shown in &shown {
        let names: Vec<_> = shown["nodes"].as_array().unwrap().iter().map(|node| node["name"].clone()).collect();
        assert_eq!((&shown["state"], names.len()), (&json!("member"), names.len()), "{shown}");
        assert!(names.contains(&json!("a")), "{shown}");
        assert_eq!(shown["links"][0]["commands"], "connected");
    }
    let forwards = |kind: &str| shown.iter().map(|shown| shown["forwards"][kind].as_u64().unwrap()).sum::<u64>();
    assert!(forwards("poll") > 0 && forwards("send") > 0, "{shown:?}");
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_node_without_redis_keeps_its_clients_and_says_that_it_is_severed() {
    let Some(mut server) = TestServer::start() else { return };
    let ready_when_severed = Running::start(member(&server, "a", "")).await;
    let unready_when_severed = Running::start(member(&server, "b", "ready_when_severed = false")).await;
    let client = signalhub_client::Client::connect(&ready_when_severed.hub(), Some(&ready_when_severed.token(|_| ())))
        .await
        .unwrap();
    for node in [&ready_when_severed, &unready_when_severed] {
        assert_eq!(ready(node).await, 200);
    }
    server.kill();
    for node in [&ready_when_severed, &unready_when_severed] {
        state(node, "severed").await;
    }
    assert_eq!(ready(&ready_when_severed).await, 200);
    assert_eq!(ready(&unready_when_severed).await, 503);
    client.invoke::<()>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.unwrap();
    let metrics =
        send(Request::get(format!("{}/metrics", ready_when_severed.internal)).body(Full::default()).unwrap()).await;
    assert!(metrics.text.contains("signalhub_cluster_connected{link=\"commands\",shard=\"0\"} 0"), "{}", metrics.text);
    server.restart();
    for node in [&ready_when_severed, &unready_when_severed] {
        state(node, "member").await;
        assert_eq!(ready(node).await, 200);
    }
    ready_when_severed.stop().await;
    unready_when_severed.stop().await;
}

#[tokio::test]
async fn events_of_each_node_reach_the_clients_of_all() {
    let Some(mut server) = TestServer::start() else { return };
    let (a, b) = (Running::start(member(&server, "a", "")).await, Running::start(member(&server, "b", "")).await);
    let mut clients = Vec::new();
    for node in [&a, &b] {
        let client = signalhub_client::Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
        client.invoke::<Value>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.unwrap();
        clients.push(client);
    }
    let event = |number: usize| json!({"e": "portos.licence.activated", "p": {"number": number}}).to_string();
    for number in 0..10 {
        let receipt = [&a, &b][number % 2].publish(&event(number)).await;
        assert_eq!(receipt.status, 202, "{}", receipt.text);
    }
    for client in &clients {
        for number in 0..10 {
            let invocation = client.next_invocation().await.unwrap();
            let event = serde_json::from_str::<Value>(invocation.arguments()).unwrap()[0].take();
            assert_eq!(event["p"]["number"], number, "{event}");
        }
    }
    server.kill();
    let refused = a.publish(&event(10)).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{}", refused.text);
    a.stop().await;
    b.stop().await;
}

/// An event for the clients of [`subscribed`].
fn event(number: usize) -> String {
    json!({"e": "portos.licence.activated", "p": {"number": number}}).to_string()
}

async fn subscribed(node: &Running) -> signalhub_client::Client {
    let client = signalhub_client::Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    client.invoke::<Value>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.unwrap();
    client
}

/// Expects an event with this number, after others perhaps.
async fn received(client: &signalhub_client::Client, number: usize) {
    let receiving = async {
        loop {
            let invocation = client.next_invocation().await.unwrap();
            if serde_json::from_str::<Value>(invocation.arguments()).unwrap()[0]["p"]["number"] == number {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), receiving).await.expect("the event arrives");
}

#[tokio::test]
async fn a_publish_that_asks_for_it_counts_the_subscribers_of_all_nodes() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (Running::start(member(&server, "a", "")).await, Running::start(member(&server, "b", "")).await);
    let clients = [subscribed(&a).await, subscribed(&b).await, subscribed(&b).await];
    // Until node a knows that there is another one, and is subscribed to the answers.
    let waiting = async {
        let mut number = 0;
        loop {
            number += 1;
            let receipt = a.publish_with("?wait=matched", &format!("try-{number}"), &event(0)).await.body;
            if receipt["nodes"] == json!({"answered": 2, "expected": 2}) {
                return receipt;
            }
        }
    };
    let receipt = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("both nodes answer");
    assert_eq!((&receipt["matched"], &receipt["scope"]), (&json!(3), &json!("cluster")), "{receipt}");
    let receipt = b.publish_with("?wait=delivered", "one", &event(1)).await.body;
    assert_eq!((&receipt["matched"], &receipt["scope"]), (&json!(3), &json!("cluster")), "{receipt}");
    assert_eq!(receipt["nodes"], json!({"answered": 2, "expected": 2}));
    assert_eq!(receipt["delivered"], json!({"written": 3, "ended": 0, "waiting": 0}), "{receipt}");
    let repeat = a.publish_with("?wait=matched", "one", &event(1)).await.body;
    assert_eq!((&repeat["matched"], &repeat["duplicate"]), (&json!(0), &json!(true)), "{repeat}");
    let own = b.publish(&event(2)).await.body;
    assert_eq!((&own["matched"], &own["scope"], &own["nodes"]), (&json!(2), &json!("node"), &Value::Null), "{own}");
    for client in &clients {
        received(client, 2).await;
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn publishes_are_refused_while_redis_hangs_and_their_repeats_are_published_once() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (Running::start(member(&server, "a", "")).await, Running::start(member(&server, "b", "")).await);
    let clients = [subscribed(&a).await, subscribed(&b).await];
    assert_eq!(a.publish(&event(0)).await.status, 202);
    server.hang();
    let begun = tokio::time::Instant::now();
    let unknown = a.publish_with("", "one", &event(1)).await;
    assert_eq!((unknown.verdict().as_str(), unknown.header("retry-after")), ("503 publish_unknown", "1"));
    state(&a, "severed").await;
    let refused = a.publish_with("", "two", &event(2)).await;
    assert_eq!((refused.verdict().as_str(), refused.header("retry-after")), ("503 backplane_unavailable", "1"));
    // The sockets of the server stay open all the time.
    tokio::time::sleep_until(begun + Duration::from_secs(12)).await;
    server.go_on();
    for node in [&a, &b] {
        state(node, "member").await;
    }
    let mut positions = Vec::new();
    for (key, number) in [("one", 1), ("two", 2)] {
        for node in [&b, &a] {
            let published = node.publish_with("", key, &event(number)).await;
            assert_eq!(published.status, 202, "{}", published.text);
            positions.push(published.body["position"].clone());
        }
    }
    assert!(positions[0] == positions[1] && positions[2] == positions[3], "{positions:?}");
    assert_ne!(positions[0], positions[2]);
    assert_eq!(a.publish(&event(3)).await.status, 202);
    for client in &clients {
        for number in 0..4 {
            let invocation = client.next_invocation().await.unwrap();
            assert_eq!(serde_json::from_str::<Value>(invocation.arguments()).unwrap()[0]["p"]["number"], number);
        }
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_client_that_changes_its_node_before_the_first_event_of_a_name_is_told_of_no_gap() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (Running::start(member(&server, "a", "")).await, Running::start(member(&server, "b", "")).await);
    let since = async |node: &Running, since: &Value| {
        let client = signalhub_client::Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
        let request = json!({"e": "portos.licence.activated", "since": since});
        client.invoke::<Value>("Subscribe", (request,)).await.unwrap()
    };
    let first = since(&a, &Value::Null).await;
    let second = since(&b, &first["position"]).await;
    assert_eq!((&second["gap"], &second["position"]), (&Value::Null, &first["position"]));
    assert_eq!(a.publish(&event(0)).await.status, 202);
    let waiting = async {
        loop {
            let third = since(&b, &first["position"]).await;
            assert_eq!(third["gap"], Value::Null);
            if third["replayed"] == 1 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the event is replayed at the other node");
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_reader_of_the_history_that_changes_its_node_behind_an_event_is_told_of_no_gap() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (Running::start(member(&server, "a", "")).await, Running::start(member(&server, "b", "")).await);
    for number in 0..5 {
        // The other node has no subscribers, so it reads the event up to 50 ms later.
        let receipt = a.publish(&event(number)).await;
        let position = receipt.body["position"].as_str().unwrap();
        let uri = format!("{}/api/v1/history?event=portos.licence.activated&since={position}", b.publish_url);
        let answer = send(Request::get(uri).header("X-API-Key", KEY).body(Full::default()).unwrap()).await;
        assert_eq!((answer.status, &answer.body["gap"]), (StatusCode::OK, &Value::Null), "{}", answer.text);
        assert_eq!(answer.body["last"], position);
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn nodes_that_do_not_fit_together_are_refused() {
    let (Some(server), Some(other)) = (TestServer::start(), TestServer::start()) else { return };
    let node = Running::start(member(&server, "a", "")).await;
    let mut two = member(&server, "b", "");
    two.read_toml("test", &format!("[cluster]\nredis = [\"{}\", \"{}\"]", server.url(), other.url())).unwrap();
    let error = Node::bind(&two).await.unwrap_err().to_string();
    assert!(error.contains("node a has another list of Redis servers"), "{error}");
    let error = Node::bind(&member(&server, "a", "")).await.unwrap_err().to_string();
    assert!(error.contains("another node has the name a"), "{error}");
    node.stop().await;
}

#[tokio::test]
async fn a_node_starts_though_redis_does_not_answer_in_time_at_first() {
    let Some(server) = TestServer::start() else { return };
    // Commands that write wait for longer than a node does; what it looks at first is answered.
    server.run(&["CLIENT", "PAUSE", "2500", "WRITE"]);
    let node = Running::start(member(&server, "a", "")).await;
    state(&node, "member").await;
    node.stop().await;
}

#[tokio::test]
async fn receipts_count_a_node_that_has_just_started() {
    let Some(server) = TestServer::start() else { return };
    let first = Running::start(member(&server, "a", "")).await;
    let mut others = Vec::new();
    for name in ["b", "c", "d"] {
        others.push(Running::start(member(&server, name, "")).await);
        let all = json!({"answered": 1 + others.len(), "expected": 1 + others.len()});
        let counted = async {
            for number in 0.. {
                let key = format!("{name}-{number}");
                let receipt = first.publish_with("?wait=matched", &key, &event(number)).await.body;
                if receipt["nodes"] == all {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(1), counted).await.expect("the first node knows the other one");
    }
    let mut all = vec![first];
    all.append(&mut others);
    for node in all {
        node.stop().await;
    }
}

/// What makes the binary a node of a cluster, and one more variable.
#[cfg(unix)]
fn variables<'a>(redis: &'a str, further: (&'a str, &'a str)) -> [(&'a str, &'a str); 5] {
    [
        ("SIGNALHUB_AUTH__SECRET", SECRET),
        ("SIGNALHUB_CLUSTER__REDIS", redis),
        ("SIGNALHUB_CLUSTER__SECRET", SECRET),
        ("SIGNALHUB_CLUSTER__LISTEN", "127.0.0.1:0"),
        further,
    ]
}

#[cfg(unix)]
#[tokio::test]
async fn a_normal_start_and_end_in_a_cluster_have_no_warning() {
    let Some(redis) = TestServer::start() else { return };
    let url = redis.url();
    // No more connections than every machine has files for.
    let variables = variables(&url, ("SIGNALHUB_LIMITS__CONNECTIONS", "10"));
    let server = Server::start(&variables).await;
    let (code, _, log) = server.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    for link in ["commands", "reader", "channels"] {
        let connected = format!("connected to Redis redis={url} link=\"{link}\"");
        assert_eq!(log.matches(&connected).count(), 1, "{connected}: {log}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn keys_of_the_history_that_a_cluster_does_not_use_are_named_at_the_start() {
    let Some(redis) = TestServer::start() else { return };
    let url = redis.url();
    let variables = variables(&url, ("SIGNALHUB_HISTORY__STORE", "disk"));
    let expected = "cluster.redis is set: history.store will not be used, because a cluster keeps its events in Redis";
    let checked = program(&["config", "check"]).envs(variables).output().await.unwrap();
    let printed = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success() && printed.contains(&format!("warning: {expected}")), "{printed}");
    let (code, _, log) = Server::start(&variables).await.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(expected), "{log}");
}
