//! The SMC dialect of a configured server, beside the hub.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::{Answer, Running, configuration, send};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub_client::Client;
use signalhub_server::{Configuration, parse_grant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

const SMC: &str = r#"
[dialects.smc]
listen = "127.0.0.1:0"
[[dialects.smc.accounts]]
name = "client"
key = "an-api-key-of-a-client-of-smc"
[[dialects.smc.accounts]]
name = "north"
key = "an-api-key-of-the-north-for-smc"
organisation = "north"
element_types = ["host"]
"#;

type Socket = WebSocketStream<TcpStream>;

async fn log_in(node: &Running, key: &str) -> Answer {
    let body = format!(r#"{{"authenticationkey":"{key}"}}"#);
    let login = Request::post(format!("http://{}/7.2/login", node.dialect("smc")));
    send(login.body(Full::from(body)).unwrap()).await
}

/// Logs in, opens a socket, and subscribes to each of the contexts.
async fn subscribe(node: &Running, key: &str, contexts: &[&str]) -> Socket {
    let answer = log_in(node, key).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let target = format!("ws://{}/7.2/notification/socket", node.dialect("smc"));
    let mut socket = open(node.dialect("smc"), &target, "Cookie", &cookie).await;
    for (id, context) in contexts.iter().enumerate() {
        socket.send(Message::text(format!(r#"{{"context":"{context}"}}"#))).await.unwrap();
        let answer =
            format!(r#"{{"success":"Subscribed for notification","context":"{context}","subscription_id":{id}}}"#);
        assert_eq!(text(&mut socket).await, answer);
    }
    socket
}

async fn open(address: SocketAddr, target: &str, header: &'static str, value: &str) -> Socket {
    let mut request = target.into_client_request().unwrap();
    request.headers_mut().insert(header, value.parse().unwrap());
    client_async(request, TcpStream::connect(address).await.unwrap()).await.unwrap().0
}

async fn next(socket: &mut Socket) -> Message {
    tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap().unwrap().unwrap()
}

async fn text(socket: &mut Socket) -> String {
    next(socket).await.into_text().unwrap().to_string()
}

#[tokio::test]
async fn organisations_bound_both_the_hub_and_the_dialect() {
    let node = Running::start(configuration(SMC)).await;
    let mut north = subscribe(&node, "an-api-key-of-the-north-for-smc", &["*"]).await;
    let token = node.token(|token| {
        token.organisation = Some("south".to_owned());
        token.grants = vec![parse_grant("smc.elements.changed:host").unwrap()];
    });
    let south = Client::connect(&node.hub(), Some(&token)).await.unwrap();
    let request = |resource: &str| json!({ "e": "smc.elements.changed", "r": [{ "n": resource, "a": ["created"] }] });
    south.invoke::<()>("Subscribe", (request("host"),)).await.unwrap();
    assert!(south.invoke::<()>("Subscribe", (request("network"),)).await.is_err());
    let publish = async |organisation: &str, element_type: &str| {
        let body = format!(
            r#"{{"e":"smc.elements.changed","org":"{organisation}","p":{{"n":"{element_type}","a":1,"id":1}}}}"#
        );
        node.publish(&body).await.body["matched"].as_u64().unwrap()
    };
    assert_eq!((publish("north", "host").await, publish("north", "network").await), (1, 0));
    assert_eq!((publish("south", "host").await, publish("west", "host").await), (1, 0));
    assert!(text(&mut north).await.contains("/elements/host/1"));
    drop((north, south));
    node.stop().await;
}

#[tokio::test]
async fn a_wrong_change_is_a_problem_and_without_the_dialect_the_event_is_unknown() {
    let node = Running::start(configuration(SMC)).await;
    for (payload, code, detail) in [
        (r#"{"n":"host","a":1,"id":1}"#, "202 -", ""),
        (r#"{"n":"printer","a":1,"id":1}"#, "400 invalid_payload", "unknown element type \"printer\""),
        (r#"{"n":"host","a":1}"#, "400 invalid_payload", "missing field `id`"),
        (r#"{"n":"host","a":1,"id":"a/b"}"#, "400 invalid_payload", "p.id: expected a number, or 1 to 64 letters"),
        (r#"{"n":"host","a":1,"id":1,"type":"delete"}"#, "400 invalid_payload", "belongs to the action \"deleted\""),
        (r#"{"n":"host","a":4,"id":1}"#, "400 invalid_payload", "expected 1 (created), 2 (updated) or 3 (deleted)"),
    ] {
        let answer = node.publish(&format!(r#"{{"e":"smc.elements.changed","p":{payload}}}"#)).await;
        assert_eq!(answer.verdict(), code, "{payload}");
        assert!(answer.text.replace("\\\"", "\"").contains(detail), "{payload}: {}", answer.text);
    }
    node.stop().await;
    let node = Running::start(configuration("")).await;
    let answer = node.publish(r#"{"e":"smc.elements.changed","p":{"n":"host","a":1,"id":1}}"#).await;
    assert_eq!(answer.verdict(), "400 unknown_event");
    node.stop().await;
}

#[tokio::test]
async fn wrong_keys_of_the_dialect_count_towards_the_common_limit() {
    let limit = "[limits]\nfailed_authentications = \"2/h\"\n";
    let node = Running::start(configuration(&format!("{limit}{SMC}"))).await;
    let mut statuses = Vec::new();
    for key in ["wrong", "wrong too", "still wrong", "an-api-key-of-a-client-of-smc"] {
        statuses.push(log_in(&node, key).await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 429, 200]);
    let wrong = Request::post(format!("{}/api/v1/publish", node.publish_url)).header("X-API-Key", "wrong");
    assert_eq!(send(wrong.body(Full::default()).unwrap()).await.status.as_u16(), 429);
    node.stop().await;
}

#[tokio::test]
async fn metrics_count_the_sockets_of_smc_by_its_name() {
    let node = Running::start(configuration(SMC)).await;
    let socket = subscribe(&node, "an-api-key-of-a-client-of-smc", &["*"]).await;
    log_in(&node, "wrong").await;
    let metrics = Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap();
    let page = send(metrics).await.text;
    for line in [
        "signalhub_dialect_connections_active{dialect=\"smc\"} 1",
        "signalhub_dialect_connections_ended_total{dialect=\"smc\",reason=\"credentials_expired\"} 0",
        "signalhub_dialect_client_errors_total{dialect=\"smc\",reason=\"invalid_credentials\"} 1",
        "signalhub_client_errors_total{reason=\"invalid_credentials\"} 1",
        "signalhub_dialect_refusals_total{dialect=\"smc\",limit=\"sessions\"} 0",
        "signalhub_connections_active 0",
    ] {
        assert!(page.lines().any(|known| known == line), "{line}\n{page}");
    }
    drop(socket);
    node.stop().await;
}

#[test]
fn what_is_wrong_with_an_account_is_refused_with_its_place() {
    let account = |keys: &str| format!("[[dialects.smc.accounts]]\n{keys}\n");
    let key = "key = \"an-api-key-of-a-client-of-smc\"";
    let hash = format!("password_hash = \"pbkdf2-sha256:100000:{}:{}\"", "00".repeat(16), "00".repeat(32));
    for (text, expected) in [
        (account(&format!("name = \"a\"\n{key}")), ""),
        (account(&format!("name = \"a\"\n{hash}")), ""),
        (account(key), "accounts[0].name\": expected the name of the account"),
        (account("name = \"a\""), "accounts[0]\": expected exactly one of the keys key_sha256, key and password_hash"),
        (account(&format!("name = \"a\"\n{key}\n{hash}")), "accounts[0]\": expected exactly one of the keys"),
        (account("name = \"a\"\npassword = \"x\""), "accounts[0].password\": expected password_hash"),
        (account("name = \"a\"\npassword_hash = \"x\""), "accounts[0].password_hash\": expected pbkdf2-sha256:"),
        (
            account(&format!("name = \"a\"\n{key}")).repeat(2),
            "accounts[1]\": expected an API key that no other entry has",
        ),
        (
            account(&format!("name = \"a\"\n{hash}")).repeat(2),
            "accounts[1].name\": expected a name that no other entry",
        ),
        (
            account(&format!("name = \"a\"\nelement_types = []\n{key}")),
            "accounts[0].element_types\": expected at least one",
        ),
        ("[dialects.smc]\nversions = [\"7\"]".to_owned(), "\"dialects.smc.versions\": expected a list of versions"),
        ("[dialects.smc]\nother = 1".to_owned(), "unknown key \"dialects.smc.other\": expected dialects.smc.listen"),
        ("[dialects.other]\nlisten = 1".to_owned(), "unknown key \"dialects.other\": expected a key of the sections"),
        ("[dialects]\nsmc = 1".to_owned(), "\"dialects.smc\" is a section"),
        ("dialects = 1".to_owned(), "\"dialects\" is a section"),
    ] {
        let read = Configuration::default().read_toml("file", &text);
        let error = read.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{text}: {error}");
        assert!(!error.contains("an-api-key"), "{error}");
    }
}
