//! The connections in the admin API: lists, one of them, and their end.

use std::time::Duration;

use crate::common::{Answer, Running, configuration, send, sign_claims};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::{Client, Disconnected};
use signalhub_dialects::printfactory::{KeyChange, MisKeyFile};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const TOKEN: &str = "a token of operators with enough bytes";
const EVENT: &str = "portos.resources.changed";

/// A user that a page or a terminal must not take for its own text.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{1b}[31m\u{202e}\"\\\r\n";

async fn start(more: &str) -> Running {
    Running::start(configuration(&format!("[admin]\ntoken = \"{TOKEN}\"\n{more}"))).await
}

async fn call(node: &Running, method: &str, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("{}/admin/api/v1/{path}", node.internal));
    let request = request.header("authorization", format!("Bearer {TOKEN}")).header("content-type", "application/json");
    send(request.body(Full::from(body.to_owned())).unwrap()).await
}

/// The rows of a list.
async fn rows(node: &Running, query: &str) -> Vec<Value> {
    let answer = call(node, "GET", &format!("connections?{query}"), "").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.body["value"].as_array().unwrap().clone()
}

async fn users(node: &Running, query: &str) -> Vec<String> {
    rows(node, query).await.iter().map(|row| row["user"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a list is as wanted. A connection is counted before its end is over.
async fn until(node: &Running, query: &str, count: usize) {
    let listed = async {
        while rows(node, query).await.len() != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), listed).await.unwrap();
}

fn token(user: &str, organisation: &str) -> String {
    let grants = json!([{"e": "portos.*", "r": "tickets", "a": ["created"]}, {"e": EVENT}]);
    sign_claims(
        &json!({"sub": user, "org": organisation, "exp": 4_000_000_000_u64, "grants": grants, "secret": "claim"}),
    )
}

async fn connect(node: &Running, user: &str, organisation: &str) -> Client {
    Client::connect(&node.hub(), Some(&token(user, organisation))).await.unwrap()
}

async fn subscribe(client: &Client, event: &str, resource: &str) {
    let request = json!({"e": event, "r": [{"n": resource}, {"n": "users", "a": ["created", "deleted"]}]});
    client.invoke::<()>("Subscribe", (request,)).await.unwrap();
}

#[tokio::test]
async fn an_operator_sees_who_is_connected_and_neither_tokens_nor_claims() {
    let node = start("").await;
    let (ann, hostile) = (connect(&node, "ann", "acme").await, connect(&node, HOSTILE, "other").await);
    subscribe(&ann, EVENT, "tickets<b>\u{7}").await;
    let payload = json!({"u": {"u": "9", "d": "d", "f": null}, "n": "users", "a": 1, "i": {"i": "1", "n": "users", "v": 1}, "r": []});
    let received = node.publish(&json!({"e": EVENT, "p": payload, "org": "acme"}).to_string()).await;
    assert_eq!(received.status, 202, "{}", received.text);
    ann.next_invocation().await.unwrap();

    let all = rows(&node, "").await;
    assert_eq!(all.len(), 2);
    let row = &all[0];
    assert_eq!((row["user"].as_str(), row["organisation"].as_str()), (Some("ann"), Some("acme")));
    assert_eq!((&row["transport"], &row["protocol"]), (&json!("web_sockets"), &json!("json")));
    assert_eq!(
        (&row["address"], &row["subscriptions"], &row["stateful"]),
        (&json!("127.0.0.1"), &json!(3), &json!(false))
    );
    assert_eq!((&row["queued_bytes"], &row["queued_oldest_seconds"]), (&json!(0), &Value::Null));
    assert_eq!(row["deliveries"], 1);
    assert!(row["sent"].as_u64().unwrap() > 100 && row["received"].as_u64().unwrap() > 100, "{row}");
    assert!(row["idle_seconds"].is_number() && row["since"].as_str().unwrap().ends_with('Z'), "{row}");
    assert_eq!(row["expires"], "2096-10-02T07:06:40Z");
    assert_eq!(all[1]["user"], HOSTILE);

    let id = row["id"].as_str().unwrap();
    let one = call(&node, "GET", &format!("connections/{id}"), "").await;
    assert_eq!(one.header("content-type"), "application/json");
    assert_eq!(one.body["id"], row["id"]);
    assert_eq!(
        one.body["subscriptions"],
        json!([{"e": EVENT, "n": "tickets<b>\u{7}"}, {"e": EVENT, "n": "users", "a": ["created", "deleted"]}])
    );
    assert_eq!(one.body["grants"], json!([{"e": "portos.*", "r": "tickets", "a": ["created"]}, {"e": EVENT}]));
    assert_eq!(one.body["groups"], json!([]));
    let list = call(&node, "GET", "connections", "").await;
    for text in [&one.text, &list.text] {
        assert!(!text.contains("claim") && !text.contains("eyJ"), "{text}");
        assert!(!text.trim_end().contains(|character: char| character.is_ascii_control()), "{text}");
    }
    drop(hostile);
    node.stop().await;
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let node = start("").await;
    let mut clients = Vec::new();
    for (user, organisation) in [("ann", "acme"), ("ben", "acme"), ("ann", "other"), ("carl", "other")] {
        clients.push(connect(&node, user, organisation).await);
    }
    subscribe(&clients[2], EVENT, "tickets").await;
    for (query, expected) in [
        ("", &["ann", "ben", "ann", "carl"][..]),
        ("user=ann", &["ann", "ann"]),
        ("user=ann&organisation=acme", &["ann"]),
        ("organisation=other", &["ann", "carl"]),
        ("user=&organisation=", &["ann", "ben", "ann", "carl"]),
        ("user=absent", &[]),
        ("event=portos.resources.changed", &["ann"]),
        ("event=portos.licence.activated", &[]),
        ("transport=web_sockets&user=carl", &["carl"]),
        ("transport=long_polling", &[]),
        ("slow=true", &[]),
        ("slow=false&limit=2", &["ann", "ben"]),
        ("sort=subscriptions&limit=1", &["ann"]),
        ("sort=sent&limit=1", &["ann"]),
    ] {
        assert_eq!(users(&node, query).await, expected, "{query}");
    }
    assert_eq!(rows(&node, "sort=queued").await.len(), 4);
    let (mut seen, mut query) = (Vec::new(), "limit=1".to_owned());
    loop {
        let answer = call(&node, "GET", &format!("connections?{query}"), "").await;
        seen.push(answer.body["value"][0]["user"].as_str().unwrap().to_owned());
        let Some(next) = answer.body["next"].as_str() else { break };
        query = format!("limit=1&after={next}");
    }
    assert_eq!(seen, ["ann", "ben", "ann", "carl"]);
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "sort=user",
        "slow=2",
        "after=x",
        "transport=carrier",
        "user=a&user=b",
        "more=1",
    ] {
        let answer = call(&node, "GET", &format!("connections?{query}"), "").await;
        assert_eq!(answer.verdict(), "400 invalid_parameter", "{query}");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_operator_ends_one_connection_and_its_client_is_told_why() {
    let node = start("").await;
    for (query, error, allow_reconnect) in [
        ("", None, false),
        ("?reconnect=true", None, true),
        ("?reconnect=false&reason=moving%20%3Cb%3E%0A", Some("moving <b>\n".to_owned()), false),
    ] {
        let client = connect(&node, "ann", "acme").await;
        let id = rows(&node, "").await[0]["id"].as_str().unwrap().to_owned();
        let answer = call(&node, "DELETE", &format!("connections/{id}{query}"), "").await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, ""));
        let ended = tokio::time::timeout(Duration::from_secs(20), client.disconnected()).await.unwrap();
        assert_eq!(ended, Disconnected::ByServer { error, allow_reconnect });
        until(&node, "", 0).await;
        for method in ["GET", "DELETE"] {
            let answer = call(&node, method, &format!("connections/{id}"), "").await;
            assert_eq!(answer.verdict(), "404 unknown_connection");
        }
    }
    for query in ["reconnect=maybe", "reason=a&reason=b", "more=1", &format!("reason={}", "a".repeat(257))] {
        let answer = call(&node, "DELETE", &format!("connections/none?{query}"), "").await;
        assert_eq!(answer.verdict(), "400 invalid_parameter", "{query}");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_operator_ends_the_connections_of_a_selection_and_no_others() {
    let node = start("").await;
    let mut clients = Vec::new();
    for (user, organisation) in [("ann", "acme"), ("ben", "acme"), ("ann", "other"), ("carl", "other")] {
        clients.push(connect(&node, user, organisation).await);
    }
    subscribe(&clients[3], EVENT, "tickets").await;
    for body in ["{}", r#"{"reconnect":true,"over":"30s"}"#, r#"{"user":null}"#] {
        let answer = call(&node, "POST", "connections:disconnect", body).await;
        assert_eq!(answer.verdict(), "400 missing_selection", "{body}");
    }
    for body in [
        r#"{"user":""}"#,
        r#"{"user":5}"#,
        r#"{"user":"ann","more":1}"#,
        r#"{"user":"ann","over":"2h"}"#,
        r#"{"user":"ann","over":"soon"}"#,
        r#"{"event":""}"#,
    ] {
        let answer = call(&node, "POST", "connections:disconnect", body).await;
        assert_eq!(answer.verdict(), "400 invalid_member", "{body}");
    }
    assert_eq!(rows(&node, "").await.len(), 4);
    for (body, matched, left) in [
        (r#"{"user":"absent"}"#, 0, 4),
        (r#"{"user":"ann","organisation":"acme"}"#, 1, 3),
        (r#"{"event":"portos.resources.changed","reconnect":false}"#, 1, 2),
        (r#"{"organisation":"other","over":"0s"}"#, 1, 1),
        (r#"{"user":"ben","over":"50ms"}"#, 1, 0),
    ] {
        let answer = call(&node, "POST", "connections:disconnect", body).await;
        assert_eq!(answer.body, json!({"matched": matched}), "{body}");
        until(&node, "", left).await;
    }
    let mut endings = Vec::new();
    for client in &clients {
        let ended = tokio::time::timeout(Duration::from_secs(20), client.disconnected()).await.unwrap();
        let Disconnected::ByServer { error: None, allow_reconnect } = ended else { panic!("{ended:?}") };
        endings.push(allow_reconnect);
    }
    assert_eq!(endings, [true, true, true, false]);
    node.stop().await;
}

#[tokio::test]
async fn connections_of_a_dialect_are_listed_with_its_name_and_end_with_a_close_code() {
    let keys = std::env::temp_dir().join(format!("signalhub-admin-dialects-{}.json", std::process::id()));
    let _ = std::fs::remove_file(&keys);
    let key = MisKeyFile::new(&keys).change("acme", "mis", KeyChange::Generate).unwrap().unwrap();
    let dialect = format!("[dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = {:?}", keys.display().to_string());
    let node = start(&dialect).await;
    let address = node.dialect("printfactory");
    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    request.headers_mut().insert("miskey", key.reveal().parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let mut socket = tokio_tungstenite::client_async(request, stream).await.unwrap().0;
    until(&node, "organisation=acme", 1).await;
    let row = rows(&node, "").await.remove(0);
    assert_eq!((&row["protocol"], &row["transport"]), (&json!("printfactory"), &json!("web_sockets")));
    assert!(!row.to_string().contains(key.reveal()), "{row}");
    assert!(rows(&node, "event=portos.resources.changed").await.is_empty());
    let id = row["id"].as_str().unwrap();
    let one = call(&node, "GET", &format!("connections/{id}"), "").await;
    assert_eq!((&one.body["subscriptions"], &one.body["grants"]), (&json!([]), &json!([])));
    assert_eq!(call(&node, "DELETE", &format!("connections/{id}"), "").await.status, 202);
    let code = loop {
        let message = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap();
        match message.unwrap().unwrap() {
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            _ => socket.flush().await.unwrap(),
        }
    };
    assert_eq!(code, 1008);
    let _ = std::fs::remove_file(&keys);
    node.stop().await;
}

#[tokio::test]
async fn a_connection_without_a_transport_or_whose_id_is_its_token_opens_nothing() {
    let node = start("[hub]\nminimum_protocol_version = 0").await;
    let negotiate = async |query: &str| {
        let request = Request::post(format!("{}/negotiate?{query}", node.hub()));
        let request = request.header("authorization", format!("Bearer {}", token("ann", "acme")));
        send(request.body(Full::from("")).unwrap()).await.body
    };
    let connection = negotiate("negotiateVersion=1").await;
    assert!(rows(&node, "").await.is_empty());
    let (id, connection_token) = (connection["connectionId"].clone(), connection["connectionToken"].clone());
    for text in [id, connection_token] {
        let path = format!("connections/{}", text.as_str().unwrap());
        assert_eq!(call(&node, "GET", &path, "").await.verdict(), "404 unknown_connection");
    }
    let old = negotiate("").await["connectionId"].as_str().unwrap().to_owned();
    let url = format!("{}?id={old}", node.hub()).replacen("http", "ws", 1);
    let mut request = url.into_client_request().unwrap();
    let bearer = format!("Bearer {}", token("ann", "acme"));
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let address = node.url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let _socket = tokio_tungstenite::client_async(request, stream).await.unwrap();
    until(&node, "", 1).await;
    assert!(!rows(&node, "").await[0].to_string().contains(&old));
    assert_eq!(call(&node, "DELETE", &format!("connections/{old}"), "").await.verdict(), "404 unknown_connection");
    node.stop().await;
}

#[tokio::test]
async fn the_overview_shows_the_node_in_numbers() {
    let node = start("").await;
    let empty = call(&node, "GET", "overview", "").await.body;
    assert_eq!((&empty["connections"]["active"], &empty["phase"]), (&json!(0), &json!("serving")));
    assert_eq!((&empty["latency"]["10s"]["p99"], &empty["rates"]["60s"]["published"]), (&Value::Null, &json!(0.0)));
    let ann = connect(&node, "ann", "acme").await;
    subscribe(&ann, EVENT, "tickets").await;
    let payload = json!({"u": {"u": "9", "d": "d", "f": null}, "n": "tickets", "a": 2, "i": {"i": "1", "n": "tickets", "v": 1}, "r": []});
    assert_eq!(node.publish(&json!({"e": EVENT, "p": payload, "org": "acme"}).to_string()).await.status, 202);
    ann.next_invocation().await.unwrap();
    // What is summed over all connections is at most a second old.
    let counted = async {
        loop {
            let overview = call(&node, "GET", "overview", "").await.body;
            if overview["connections"]["by_protocol"] == json!({"json": 1})
                && overview["rates"]["10s"]["published"] != 0.0
            {
                break overview;
            }
            tokio::task::yield_now().await;
        }
    };
    let overview = tokio::time::timeout(Duration::from_secs(20), counted).await.unwrap();
    let connections = &overview["connections"];
    let by_transport = json!({"long_polling": 0, "server_sent_events": 0, "web_sockets": 1});
    assert_eq!((&connections["active"], &connections["by_transport"]), (&json!(1), &by_transport));
    assert_eq!((&overview["published_total"], &overview["matched_total"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&overview["subscriptions"], &overview["queued_bytes"], &overview["slow"]),
        (&json!(3), &json!(0), &json!(0))
    );
    assert!(overview["latency"]["60s"]["max"].as_f64().unwrap() > 0.0, "{overview}");
    assert!(overview["rates"]["10s"]["connects"].as_f64().unwrap() >= 0.0);
    assert_eq!(overview["refusals"]["connections"], 0);
    assert_eq!(overview["version"], env!("CARGO_PKG_VERSION"));
    #[cfg(target_os = "linux")]
    assert!(overview["memory"].as_u64() > Some(1 << 20) && overview["fds"]["open"].as_u64() > Some(3), "{overview}");
    node.stop().await;
}

/// Runs a command against the internal listener of a node, and returns its exit code and what it has printed.
async fn run(node: &Running, arguments: &[&str], token: Option<&str>) -> (Option<i32>, String, String) {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_signalhub"));
    program.args(arguments).args(["--url", &node.internal]).env_clear().current_dir(std::env::temp_dir());
    program.envs(token.map(|token| ("SIGNALHUB_ADMIN_TOKEN", token)));
    let output = program.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_command_line_lists_and_ends_connections() {
    let node = start("").await;
    let clients = [connect(&node, "ann", "acme").await, connect(&node, HOSTILE, "acme").await];
    let (code, out, error) = run(&node, &["connections", "--organisation", "acme"], Some(TOKEN)).await;
    assert_eq!((code, out.lines().count()), (Some(0), 3), "{out}{error}");
    assert!(out.contains("ann") && out.contains("web_sockets") && !out.contains('\u{1b}'), "{out}");
    let (_, out, _) = run(&node, &["connections", "--json", "--user", "ann"], Some(TOKEN)).await;
    let row: Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(row["user"], "ann");
    let id = row["id"].as_str().unwrap();
    let (code, out, error) = run(&node, &["disconnect", "--reconnect", id], Some(TOKEN)).await;
    assert_eq!((code, out.as_str()), (Some(0), "1 connection is told to end\n"), "{error}");
    let (code, out, error) = run(&node, &["disconnect", "--organisation", "other"], Some(TOKEN)).await;
    assert_eq!((code, out.as_str()), (Some(0), "0 connections are told to end\n"), "{error}");
    // Public ids are base64url, so some begin with a hyphen.
    let (code, _, error) = run(&node, &["disconnect", "-QkJ1PLu0mXw2TnB4yZ5Aw"], Some(TOKEN)).await;
    assert!(code == Some(1) && error.contains("unknown_connection"), "{code:?} {error}");
    until(&node, "", 1).await;
    let (code, _, error) = run(&node, &["disconnect"], Some(TOKEN)).await;
    assert_eq!(code, Some(2), "{error}");
    for token in [None, Some("wrong")] {
        let (code, _, error) = run(&node, &["connections"], token).await;
        assert_eq!(code, Some(1));
        assert!(error.contains("admin_unauthenticated") && error.contains("SIGNALHUB_ADMIN_TOKEN"), "{error}");
    }
    drop(clients);
    node.stop().await;
}

#[tokio::test]
async fn the_command_line_lets_selected_clients_reconnect_unless_it_is_told_not_to() {
    let node = start("").await;
    for (arguments, reconnects) in [
        (["--user", "ann"].as_slice(), true),
        (&["--user", "ann", "--reconnect"], true),
        (&["--user", "ann", "--no-reconnect"], false),
    ] {
        let client = connect(&node, "ann", "acme").await;
        let (code, out, error) = run(&node, &[&["disconnect"], arguments].concat(), Some(TOKEN)).await;
        assert_eq!((code, out.as_str()), (Some(0), "1 connection is told to end\n"), "{error}");
        let ended = tokio::time::timeout(Duration::from_secs(20), client.disconnected()).await.unwrap();
        let Disconnected::ByServer { allow_reconnect, .. } = ended else { panic!("{ended:?}") };
        assert_eq!(allow_reconnect, reconnects, "{arguments:?}");
        until(&node, "", 0).await;
    }
    let (code, _, error) = run(&node, &["disconnect", "--reconnect", "--no-reconnect", "id"], Some(TOKEN)).await;
    assert_eq!(code, Some(2), "{error}");
    node.stop().await;
}
