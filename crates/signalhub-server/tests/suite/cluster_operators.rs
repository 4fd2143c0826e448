//! What operators see and do of the nodes of a cluster, at any of them.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::{Client, Disconnected};
use signalhub_redis::test_server::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::admin::{TOKEN, call, post};
use crate::admin_description::{check_answer, description};
use crate::common::{Answer, KEY, Running, SECRET, configuration, send, sign_claims};

const EVENT: &str = "portos.licence.activated";

async fn node(redis: &TestServer, name: &str) -> Running {
    Running::start(configuration(&format!(
        "[admin]\ntoken = \"{TOKEN}\"\n[cluster]\nredis = [\"{}\"]\nsecret = [\"{SECRET}\"]\nlisten = \"127.0.0.1:0\"\nnode = \"{name}\"\n",
        redis.url()
    )))
    .await
}

/// Two nodes that know each other.
pub(crate) async fn two_nodes(redis: &TestServer) -> (Running, Running) {
    let (a, b) = (node(redis, "a").await, node(redis, "b").await);
    present(&a, &["a", "b"]).await;
    (a, b)
}

/// Waits until a node has seen these nodes.
async fn present(node: &Running, names: &[&str]) {
    let waiting = async {
        loop {
            let nodes = get(node, "cluster").await["nodes"].as_array().unwrap().clone();
            let present: Vec<_> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
            if present == names {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the nodes see each other in time");
}

/// Reads a path of the admin API, whose answer must be as it is described.
pub(crate) async fn get(node: &Running, path: &str) -> Value {
    let answer = call(node, "GET", path, Some(TOKEN), "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.body
}

async fn connect(node: &Running, user: &str) -> Client {
    let token = sign_claims(&json!({"sub": user, "org": "acme", "exp": 4_000_000_000_u64}));
    let client = Client::connect(&node.hub(), Some(&token)).await.unwrap();
    client.invoke::<Value>("Subscribe", (json!({"e": EVENT}),)).await.unwrap();
    client
}

/// The users and nodes in a list.
fn rows(list: &Value) -> BTreeSet<(String, String)> {
    let text = |row: &Value, member: &str| row[member].as_str().unwrap().to_owned();
    list["value"].as_array().unwrap().iter().map(|row| (text(row, "user"), text(row, "node"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    expected.iter().map(|(user, node)| ((*user).to_owned(), (*node).to_owned())).collect()
}

/// The id of the connection of a user.
async fn id_of(node: &Running, user: &str) -> String {
    get(node, &format!("connections?user={user}")).await["value"][0]["id"].as_str().unwrap().to_owned()
}

async fn ended(client: &Client) -> Disconnected {
    tokio::time::timeout(Duration::from_secs(20), client.disconnected()).await.expect("it ends in time")
}

/// Sends a command to Redis, and returns the first bytes of the answer.
pub(crate) async fn redis(server: &TestServer, words: &[&[u8]]) -> String {
    let mut socket = TcpStream::connect(server.url().strip_prefix("redis://").unwrap()).await.unwrap();
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend(format!("${}\r\n", word.len()).as_bytes());
        command.extend([word, &b"\r\n"[..]].concat());
    }
    socket.write_all(&command).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = socket.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// Makes Redis say that there is a node at the address of this listener, which answers nothing.
pub(crate) async fn silent_node(server: &TestServer, name: &str) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let entry = redis(server, &[b"GET", b"signalhub:node:b"]).await;
    let mut entry: Value = serde_json::from_str(entry.lines().nth(1).unwrap()).unwrap();
    entry["address"] = listener.local_addr().unwrap().to_string().into();
    entry["boot"] = "another".into();
    redis(server, &[b"SET", format!("signalhub:node:{name}").as_bytes(), entry.to_string().as_bytes(), b"EX", b"60"])
        .await;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 50;
    redis(server, &[b"ZADD", b"signalhub:nodes", now.to_string().as_bytes(), name.as_bytes()]).await;
    listener
}

#[tokio::test]
async fn the_connections_of_all_nodes_are_listed_filtered_and_paged_at_each() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    let _clients = [connect(&a, "ann").await, connect(&b, "bob").await, connect(&b, "carl").await];
    let all = pairs(&[("ann", "a"), ("bob", "b"), ("carl", "b")]);
    for node in [&a, &b] {
        let list = get(node, "connections").await;
        assert_eq!((rows(&list), &list["missing"]), (all.clone(), &json!([])), "{list}");
        assert_eq!(rows(&get(node, "connections?user=bob").await), pairs(&[("bob", "b")]));
        assert_eq!(rows(&get(node, &format!("connections?event={EVENT}&organisation=acme")).await), all);
        assert_eq!(rows(&get(node, "connections?node=b").await), pairs(&[("bob", "b"), ("carl", "b")]));
        assert_eq!(rows(&get(node, "connections?node=a").await), pairs(&[("ann", "a")]));
        for sort in ["age", "queued", "sent", "subscriptions"] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = get(node, &format!("connections?sort={sort}&limit=1&after={after}")).await;
                assert_eq!(page["value"].as_array().unwrap().len(), 1, "{page}");
                seen.extend(rows(&page));
                match page["next"].as_str() {
                    Some(next) => after = next.to_owned(),
                    None => break,
                }
            }
            let order: Vec<_> = seen.iter().map(|(user, _)| user.as_str()).collect();
            assert!(sort != "age" || order == ["ann", "bob", "carl"], "{order:?}");
            assert_eq!((seen.len(), seen.iter().cloned().collect::<BTreeSet<_>>()), (3, all.clone()), "{sort}");
        }
    }
    let unknown = call(&a, "GET", "connections?node=none", Some(TOKEN), "").await;
    assert_eq!(unknown.verdict(), "400 invalid_parameter");
    assert!(unknown.text.contains("no node \\\"none\\\" is present"), "{}", unknown.text);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn one_connection_of_another_node_is_shown_explained_and_ended() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    let (bob, carl, dora) = (connect(&b, "bob").await, connect(&b, "carl").await, connect(&b, "dora").await);
    let id = id_of(&a, "bob").await;
    for claimed in [true, false] {
        if !claimed {
            // As when the claim of a WebSocket has expired.
            redis(&server, &[b"DEL", format!("signalhub:c:{id}").as_bytes()]).await;
        }
        let shown = get(&a, &format!("connections/{id}")).await;
        assert_eq!((&shown["user"], &shown["node"]), (&json!("bob"), &json!("b")), "{shown}");
        assert_eq!(shown["subscriptions"][0]["e"], EVENT);
        let explained = post(&a, "explain", &json!({"event": EVENT, "connection": id})).await.body;
        assert_eq!((&explained["delivered"], &explained["missing"]), (&json!(true), &json!([])), "{explained}");
        let steps = explained["steps"].as_array().unwrap();
        assert_eq!((&steps[0]["step"], &steps[0]["node"]), (&json!("catalogue"), &Value::Null));
        assert!(steps[1..].iter().all(|step| step["node"] == "b" && step["outcome"] == "pass"), "{explained}");
    }
    let receipt = a.publish(&json!({"e": EVENT, "p": {}}).to_string()).await.body;
    let position = json!({"event": EVENT, "connection": id, "position": receipt["position"]});
    bob.next_invocation().await.unwrap();
    assert_eq!(post(&a, "explain", &position).await.body["delivered"], true);

    let gone = call(&a, "DELETE", &format!("connections/{id}?reason=enough"), Some(TOKEN), "").await;
    assert_eq!(gone.verdict(), "202 -");
    assert!(matches!(ended(&bob).await, Disconnected::ByServer { allow_reconnect: false, .. }));
    let matched = post(&a, "connections:disconnect", &json!({"user": "carl"})).await.body;
    assert_eq!(matched, json!({"matched": 1, "missing": []}));
    ended(&carl).await;
    for (method, path) in [("GET", "connections/none"), ("DELETE", "connections/none")] {
        assert_eq!(call(&a, method, path, Some(TOKEN), "").await.verdict(), "404 unknown_connection");
    }
    assert_eq!(rows(&get(&a, "connections").await), pairs(&[("dora", "b")]));
    drop(dora);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn the_connections_of_a_user_are_explained_by_all_nodes() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    let _clients = [connect(&a, "ann").await, connect(&b, "ann").await];
    let explain =
        async |node: &Running, user: &str| post(node, "explain", &json!({"event": EVENT, "user": user})).await;
    let explained = explain(&a, "ann").await.body;
    let nodes = |step: &str| -> Vec<String> {
        let of_step = explained["steps"].as_array().unwrap().iter().filter(|known| known["step"] == step);
        of_step.map(|step| step["node"].to_string()).collect()
    };
    assert_eq!(explained["delivered"], true);
    assert_eq!((nodes("catalogue"), nodes("connections")), (vec!["null".into()], vec!["\"a\"".into(), "\"b\"".into()]));
    let none = explain(&a, "none").await.body;
    assert_eq!(
        (&none["delivered"], &none["steps"][1]["detail"]),
        (&json!(false), &json!("user none has no connection"))
    );
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_named_and_nothing_else_breaks() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    let _clients = [connect(&a, "ann").await, connect(&b, "bob").await];
    let id = id_of(&a, "bob").await;
    let _silent = silent_node(&server, "c").await;
    present(&a, &["a", "b", "c"]).await;
    let list = get(&a, "connections").await;
    assert_eq!((rows(&list), &list["missing"]), (pairs(&[("ann", "a"), ("bob", "b")]), &json!(["c"])));
    assert_eq!(get(&a, "connections?node=c").await, json!({"value": [], "missing": ["c"]}));
    assert_eq!(get(&a, &format!("connections/{id}")).await["node"], "b");
    let unknown = call(&a, "GET", "connections/none", Some(TOKEN), "").await;
    assert_eq!(unknown.verdict(), "404 unknown_connection");
    assert!(unknown.text.contains("node c did not answer"), "{}", unknown.text);
    let cluster = get(&a, "cluster").await;
    assert_eq!(cluster["missing"], json!(["c"]));
    assert_eq!((&cluster["nodes"][1]["connections"], &cluster["nodes"][2]["connections"]), (&json!(1), &Value::Null));
    let explained = post(&a, "explain", &json!({"event": EVENT, "user": "bob"})).await.body;
    assert_eq!((&explained["delivered"], &explained["missing"]), (&json!(true), &json!(["c"])));
    let matched = post(&a, "connections:disconnect", &json!({"user": "none"})).await.body;
    assert_eq!(matched, json!({"matched": 0, "missing": ["c"]}));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn the_answers_of_nodes_in_a_cluster_are_as_described() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    let _clients = [connect(&a, "ann").await, connect(&b, "bob").await];
    let (document, id) = (description(&a).await, id_of(&a, "bob").await);
    let one = format!("connections/{id}");
    for (method, path, route, body) in [
        ("GET", "overview", "overview", json!(null)),
        ("GET", "cluster", "cluster", json!(null)),
        ("GET", "connections", "connections", json!(null)),
        ("GET", &one, "connections/{id}", json!(null)),
        ("POST", "explain", "explain", json!({"event": EVENT, "connection": id})),
        ("POST", "connections:disconnect", "connections:disconnect", json!({"user": "bob"})),
    ] {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = call(&a, method, path, Some(TOKEN), &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        check_answer(&document, method, route, &answer);
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn what_nodes_ask_each_other_is_answered_to_no_client() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    let nodes = get(&a, "cluster").await["nodes"].clone();
    let address = format!("http://{}", nodes[1]["address"].as_str().unwrap());
    for url in [&address, &b.url, &b.internal] {
        for (method, path) in [(Method::GET, "state"), (Method::GET, "connections"), (Method::DELETE, "connections/x")]
        {
            let request = Request::builder().method(method).uri(format!("{url}/node/v1/{path}"));
            let request = request.header("authorization", format!("Bearer {TOKEN}"));
            let answer = send(request.body(Full::default()).unwrap()).await;
            assert_eq!(answer.status, if *url == address { 403 } else { 404 }, "{url} {path}");
        }
    }
    a.stop().await;
    b.stop().await;
}

/// Asks, as a publisher, what an event would match.
async fn interest(node: &Running, query: &str) -> Answer {
    let request = Request::get(format!("{}/api/v1/interest?{query}", node.publish_url)).header("X-API-Key", KEY);
    send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn a_publisher_learns_how_many_subscribers_of_all_nodes_an_event_would_match() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = two_nodes(&server).await;
    let _clients = [connect(&a, "ann").await, connect(&b, "bob").await, connect(&b, "carl").await];
    for node in [&a, &b] {
        for (query, matched) in [("organisation=acme", 3), ("organisation=other", 0), ("", 3)] {
            let answer = interest(node, &format!("event={EVENT}&{query}")).await;
            let nodes = json!({"answered": 2, "expected": 2});
            assert_eq!(answer.body, json!({"matched": matched, "scope": "cluster", "nodes": nodes}), "{query}");
        }
    }
    let _silent = silent_node(&server, "c").await;
    present(&a, &["a", "b", "c"]).await;
    let answer = interest(&a, &format!("event={EVENT}")).await.body;
    assert_eq!((&answer["matched"], &answer["nodes"]), (&json!(3), &json!({"answered": 2, "expected": 3})));
    let overview = get(&a, "overview").await;
    assert_eq!((&overview["published_total"], &overview["matched_total"]), (&json!(0), &json!(0)));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn interest_is_told_to_those_alone_who_may_publish_the_event() {
    let node = Running::start(configuration("")).await;
    let changed = "portos.resources.changed";
    let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    client
        .invoke::<Value>("Subscribe", (json!({"e": changed, "r": [{"n": "tickets", "a": ["created"]}]}),))
        .await
        .unwrap();
    for (query, expected) in [
        (format!("event={changed}&resource=tickets&action=created"), json!({"matched": 1})),
        (format!("event={changed}&resource=tickets&action=deleted"), json!({"matched": 0})),
        (format!("event={changed}&resource=others"), json!({"matched": 0})),
    ] {
        assert_eq!(interest(&node, &query).await.body, expected, "{query}");
    }
    for (query, verdict) in [
        ("", "400 invalid_parameter"),
        ("event=none", "400 unknown_event"),
        ("event=portos.resources.changed&action=made", "400 invalid_parameter"),
        ("event=portos.resources.changed&x=1", "400 invalid_parameter"),
    ] {
        assert_eq!(interest(&node, query).await.verdict(), verdict, "{query}");
    }
    let url = format!("{}/api/v1/interest?event={changed}", node.url);
    let with = async |token: &str| {
        let request = Request::get(&url).header("authorization", format!("Bearer {token}"));
        send(request.body(Full::default()).unwrap()).await.verdict()
    };
    assert_eq!(with("x").await, "401 unauthenticated");
    assert_eq!(with(&node.token(|_| ())).await, "403 forbidden");
    assert_eq!(with(&node.token(|content| content.publish.push("portos.*".parse().unwrap()))).await, "200 -");
    assert_eq!(with(&node.token(|content| content.publish.push("other.*".parse().unwrap()))).await, "403 forbidden");
    let post = Request::post(&url).header("X-API-Key", KEY);
    assert_eq!(send(post.body(Full::default()).unwrap()).await.verdict(), "405 method_not_allowed");
    node.stop().await;
}
