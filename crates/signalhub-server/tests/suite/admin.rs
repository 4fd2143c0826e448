//! The admin API of the internal listener.

use std::time::{Duration, SystemTime};

use crate::common::{Answer, Running, configuration, send, sign_claims};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::{Client, Disconnected};
use signalhub_server::configuration::{Address, Listener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const TOKEN: &str = "a token of operators with enough bytes";

pub(crate) async fn start(more: &str) -> Running {
    Running::start(configuration(&format!("[admin]\ntoken = \"{TOKEN}\"\n{more}"))).await
}

/// Sends a request with a token to the internal listener.
pub(crate) async fn call(node: &Running, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("{}/admin/api/v1/{path}", node.internal));
    let mut request = request.header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    send(request.body(Full::from(body.to_owned())).unwrap()).await
}

pub(crate) async fn post(node: &Running, path: &str, body: &Value) -> Answer {
    call(node, "POST", path, Some(TOKEN), &body.to_string()).await
}

#[tokio::test]
async fn without_its_token_the_admin_api_does_nothing() {
    let off = Running::start(configuration("")).await;
    for token in [None, Some(TOKEN), Some("")] {
        let answer = call(&off, "POST", "revocations", token, r#"{"jti":"a"}"#).await;
        assert_eq!(answer.verdict(), "403 forbidden", "{token:?}");
    }
    off.stop().await;

    let node = start("").await;
    let user = sign_claims(&json!({"sub": "ann", "exp": 4_000_000_000_u64, "publish": ["*"]}));
    for token in [None, Some("wrong"), Some(crate::common::KEY), Some(&user), Some(&TOKEN[1..])] {
        for path in ["revocations", "miskeys", "other"] {
            let answer = call(&node, "POST", path, token, r#"{"jti":"a"}"#).await;
            assert_eq!(answer.verdict(), "401 admin_unauthenticated", "{token:?} {path}");
        }
    }
    let public = Request::post(format!("{}/admin/api/v1/revocations", node.url))
        .header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(send(public.body(Full::from(r#"{"jti":"a"}"#)).unwrap()).await.verdict(), "404 not_found");
    node.stop().await;
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_the_right_one_is_still_accepted() {
    let node = start("[limits]\nfailed_authentications = \"2/h\"").await;
    let mut verdicts = Vec::new();
    for token in ["a", "b", "c", TOKEN] {
        verdicts.push(call(&node, "POST", "revocations", Some(token), r#"{"jti":"a"}"#).await.verdict());
    }
    assert_eq!(verdicts, ["401 admin_unauthenticated", "401 admin_unauthenticated", "429 too_many_failures", "204 -"]);
    node.stop().await;
}

#[tokio::test]
async fn an_operator_revokes_the_tokens_of_a_user_and_one_token() {
    let node = start("").await;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = |user: &str, id: &str| {
        sign_claims(&json!({"sub": user, "org": "acme", "jti": id, "iat": now - 10, "exp": now + 600}))
    };
    let (ann, ben) = (token("ann", "1"), token("ben", "2"));
    let clients = [Client::connect(&node.hub(), Some(&ann)).await, Client::connect(&node.hub(), Some(&ben)).await];
    let [of_ann, of_ben] = clients.map(Result::unwrap);

    let revoked = post(&node, "revocations", &json!({"user": "ann", "organisation": "acme"})).await;
    assert_eq!(revoked.verdict(), "204 -");
    let ended = tokio::time::timeout(Duration::from_secs(20), of_ann.disconnected()).await.unwrap();
    assert_eq!(ended, Disconnected::ByServer { error: None, allow_reconnect: false });
    assert!(Client::connect(&node.hub(), Some(&ann)).await.is_err());
    assert!(Client::connect(&node.hub(), Some(&ben)).await.is_ok());

    assert_eq!(post(&node, "revocations", &json!({"jti": "2"})).await.verdict(), "204 -");
    let ended = tokio::time::timeout(Duration::from_secs(20), of_ben.disconnected()).await.unwrap();
    assert_eq!(ended, Disconnected::ByServer { error: None, allow_reconnect: false });
    // Tokens that were issued after the time are not concerned.
    let carl = token("carl", "3");
    let before = json!({"user": "carl", "before": "2020-01-01T00:00:00+01:00"});
    assert_eq!(post(&node, "revocations", &before).await.verdict(), "204 -");
    assert!(Client::connect(&node.hub(), Some(&carl)).await.is_ok());
    node.stop().await;
}

#[tokio::test]
async fn wrong_requests_of_operators_are_refused() {
    let node = start("").await;
    for (body, expected) in [
        ("", "400 invalid_json"),
        ("{", "400 invalid_json"),
        ("[]", "400 invalid_member"),
        ("{}", "400 invalid_member"),
        (r#"{"user":""}"#, "400 invalid_member"),
        (r#"{"jti":""}"#, "400 invalid_member"),
        (r#"{"jti":5}"#, "400 invalid_member"),
        (r#"{"jti":"a","user":"b"}"#, "400 invalid_member"),
        (r#"{"organisation":"acme"}"#, "400 invalid_member"),
        (r#"{"user":"a","before":"yesterday"}"#, "400 invalid_member"),
        (r#"{"user":"a","before":"2999-01-01T00:00:00Z"}"#, "400 invalid_member"),
        (r#"{"user":"a","more":1}"#, "400 invalid_member"),
    ] {
        assert_eq!(call(&node, "POST", "revocations", Some(TOKEN), body).await.verdict(), expected, "{body}");
    }
    let long = json!({"user": "a".repeat(20_000)});
    assert_eq!(post(&node, "revocations", &long).await.verdict(), "413 body_too_large");
    assert_eq!(call(&node, "GET", "revocations", Some(TOKEN), "").await.verdict(), "405 method_not_allowed");
    assert_eq!(call(&node, "POST", "other", Some(TOKEN), "").await.verdict(), "404 not_found");
    // PrintFactory is off.
    assert_eq!(call(&node, "GET", "miskeys", Some(TOKEN), "").await.verdict(), "404 not_found");
    node.stop().await;
}

#[tokio::test]
async fn the_admin_api_refuses_foreign_hosts_and_pages() {
    let mut settings = configuration(&format!("[admin]\ntoken = \"{TOKEN}\"\nhosts = [\"ops.example.com\"]"));
    settings.listen.check_hosts = true;
    let node = Running::start(settings).await;
    let ask = async |url: &str, host: &str, origin: Option<&str>, content_type: &str| {
        let request = Request::post(format!("{url}/admin/api/v1/revocations")).header("host", host);
        let request = request.header("authorization", format!("Bearer {TOKEN}")).header("content-type", content_type);
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        send(request.body(Full::from(r#"{"jti":"a"}"#)).unwrap()).await
    };
    let own = node.internal.strip_prefix("http://").unwrap();
    for (host, origin, content_type, expected) in [
        (own, None, "application/json", "204 -"),
        (own, Some(node.internal.as_str()), "application/json", "204 -"),
        ("ops.example.com", Some("http://ops.example.com"), "application/json", "204 -"),
        ("rebound.example", None, "application/json", "421 -"),
        ("rebound.example", Some("http://rebound.example"), "application/json", "421 -"),
        (own, Some("http://evil.example"), "application/json", "403 forbidden"),
        (own, Some("null"), "text/plain", "403 forbidden"),
        (own, Some(node.url.as_str()), "application/json", "403 forbidden"),
        (own, None, "text/plain", "415 unsupported_media_type"),
    ] {
        let answer = ask(&node.internal, host, origin, content_type).await;
        assert_eq!(answer.verdict(), expected, "{host} {origin:?} {content_type}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    // The name is for the internal listener alone.
    assert_eq!(ask(&node.url, "ops.example.com", None, "application/json").await.verdict(), "421 -");
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_answered_as_elsewhere() {
    let node = start("[limits]\nbody_timeout = \"100ms\"").await;
    let mut socket = TcpStream::connect(node.internal.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /admin/api/v1/revocations HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
    node.stop().await;
}

#[tokio::test]
async fn an_operator_changes_the_keys_of_printfactory_and_a_change_counts_at_once() {
    let file = std::env::temp_dir().join(format!("signalhub-admin-{}.json", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let node =
        start(&format!("[dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = {:?}", file.display().to_string()))
            .await;
    let change = async |change: &str| {
        post(&node, "miskeys", &json!({"organisation": "acme", "user": "mis", "change": change})).await
    };
    let produce = async |key: &str| {
        let url = format!("http://{}/api/v2/job/status", node.dialect("printfactory"));
        let body = Full::from(r#"{"JobGUID":"dd6bddf6-74ba-4bd0-ac48-94a251a8eca6","StatusSpooler":"Ready"}"#);
        let request = Request::post(url).header("miskey", key).header("content-type", "application/json");
        send(request.body(body).unwrap()).await.status.as_u16()
    };
    let first = change("generate").await;
    assert_eq!((first.status.as_u16(), &first.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    let first = first.body["key"].as_str().unwrap().to_owned();
    assert_eq!(produce(&first).await, 200);
    assert_eq!(change("generate").await.verdict(), "400 invalid_member");
    let second = change("regenerate").await.body["key"].as_str().unwrap().to_owned();
    assert_eq!((produce(&first).await, produce(&second).await), (401, 200));

    assert_eq!(change("notifications_off").await.verdict(), "204 -");
    let listed = call(&node, "GET", "miskeys", Some(TOKEN), "").await.body;
    assert_eq!((listed[0]["organisation"].as_str(), listed[0]["user"].as_str()), (Some("acme"), Some("mis")));
    assert_eq!(listed[0]["notifications"], json!("off"));
    assert!(!listed.to_string().contains(&second), "a list shows no key");
    assert_eq!(change("cancel").await.verdict(), "204 -");
    assert_eq!(produce(&second).await, 401);
    assert_eq!(change("cancel").await.verdict(), "400 invalid_member");
    assert_eq!(change("other").await.verdict(), "400 invalid_member");
    node.stop().await;
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_drained_server_closes_its_connections_is_not_ready_and_still_answers_operators() {
    let node = start("").await;
    let client = Client::connect(&node.hub(), Some(&node.token(|_| {}))).await.unwrap();
    assert_eq!(call(&node, "POST", "drain", None, "").await.verdict(), "401 admin_unauthenticated");
    assert_eq!(post(&node, "drain", &json!({})).await.status, 202);
    let ended = tokio::time::timeout(Duration::from_secs(20), client.disconnected()).await.unwrap();
    assert!(matches!(ended, Disconnected::Lost(_) | Disconnected::ByServer { .. }), "{ended:?}");
    let ready = Request::get(format!("{}/health/ready", node.internal)).body(Full::default()).unwrap();
    assert_eq!(send(ready).await.status, 503);
    assert!(Client::connect(&node.hub(), Some(&node.token(|_| {}))).await.is_err());
    let event = json!({"e": "portos.licence.activated", "p": null}).to_string();
    assert_eq!(node.publish(&event).await.status, 503);
    // It can be asked for again, and the server still stops.
    assert_eq!(post(&node, "drain", &json!({})).await.status, 202);
    assert_eq!(call(&node, "GET", "connections", Some(TOKEN), "").await.body, json!({"value": []}));
    node.stop().await;
}

#[tokio::test]
async fn a_reload_reads_changed_keys_at_once() {
    let file = std::env::temp_dir().join(format!("signalhub-admin-reload-{}.json", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let path = file.display().to_string();
    let node = start(&format!(
        "[dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = {path:?}\n[tls]\nreload_interval = \"1h\""
    ))
    .await;
    let keys = signalhub_dialects::printfactory::MisKeyFile::new(&file);
    keys.change("acme", "mis", signalhub_dialects::printfactory::KeyChange::Generate).unwrap();
    assert_eq!(post(&node, "reload", &json!({})).await.status, 202);
    let listed = async {
        while call(&node, "GET", "miskeys", Some(TOKEN), "").await.body.as_array().is_none_or(Vec::is_empty) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), listed).await.unwrap();
    let _ = std::fs::remove_file(&file);
    node.stop().await;
}

#[tokio::test]
async fn an_operator_sees_the_configuration_that_is_used_and_where_it_comes_from() {
    let node = start("[limits]\nconnections = 12").await;
    let answer = call(&node, "GET", "config", Some(TOKEN), "").await;
    let entries = answer.body["value"].as_array().unwrap();
    let entry = |key: &str| entries.iter().find(|entry| entry["key"] == key).unwrap();
    assert_eq!(entry("admin.token"), &json!({"key": "admin.token", "value": "***", "source": "test, line 5"}));
    assert_eq!(
        entry("limits.connections"),
        &json!({"key": "limits.connections", "value": 12, "source": "test, line 7"})
    );
    let default = json!({"key": "hub.keep_alive_interval", "value": "15s", "source": "default"});
    assert_eq!(entry("hub.keep_alive_interval"), &default);
    assert_eq!(entry("listen.public_url")["value"], Value::Null);
    for secret in [TOKEN, crate::common::SECRET, crate::common::KEY] {
        assert!(!answer.text.contains(secret), "{}", answer.text);
    }
    node.stop().await;
}

#[tokio::test]
async fn no_answer_to_operators_is_kept_or_has_its_type_guessed() {
    let node = start("").await;
    for (method, path, token, status) in [
        ("GET", "overview", Some(TOKEN), 200),
        ("GET", "../openapi.json", Some(TOKEN), 200),
        ("GET", "overview", None, 401),
        ("GET", "../openapi.json", None, 401),
        ("POST", "revocations", Some(TOKEN), 400),
        ("GET", "none", Some(TOKEN), 404),
        ("PATCH", "overview", Some(TOKEN), 405),
    ] {
        let path = path.strip_prefix("../").map_or(format!("api/v1/{path}"), str::to_owned);
        let request = Request::builder().method(method).uri(format!("{}/admin/{path}", node.internal));
        let mut request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = send(request.body(Full::from("{}")).unwrap()).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let headers = ["cache-control", "x-content-type-options"].map(|name| answer.header(name));
        assert_eq!(headers, ["no-store", "nosniff"], "{method} {path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn on_another_address_and_without_a_token_the_internal_listener_shows_and_does_nothing() {
    let mut settings = configuration("");
    settings.listen.internal = Listener::At(Address::new("0.0.0.0:0"));
    let mut node = Running::start(settings).await;
    node.internal = node.internal.replace("0.0.0.0", "127.0.0.1");
    for (method, path) in [
        ("GET", "overview"),
        ("GET", "connections"),
        ("GET", "events/tail"),
        ("POST", "publish"),
        ("POST", "drain"),
        ("DELETE", "connections/none"),
        ("GET", "../../openapi.json"),
        ("GET", "../../../"),
        ("GET", "../../../console/console.js"),
    ] {
        let answer = call(&node, method, path, Some(TOKEN), "{}").await;
        assert_eq!(answer.verdict(), "403 forbidden", "{method} {path}");
        assert!(answer.body["detail"].as_str().unwrap().starts_with("admin token not configured"), "{}", answer.text);
    }
    // What monitoring asks for stays.
    for path in ["metrics", "health/ready"] {
        let request = Request::get(format!("{}/{path}", node.internal)).body(Full::default()).unwrap();
        assert_eq!(send(request).await.status, 200, "{path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_page_of_another_origin_gets_no_metrics_and_may_ask_whether_the_server_is_alive() {
    let node = start("").await;
    for (path, site, mode, expected) in [
        ("metrics", "cross-site", "no-cors", 403),
        ("metrics", "same-site", "cors", 403),
        ("metrics", "cross-site", "navigate", 200),
        ("metrics", "none", "navigate", 200),
        ("metrics", "same-origin", "cors", 200),
        ("metrics", "", "", 200),
        ("health/live", "cross-site", "no-cors", 200),
        ("health/ready", "cross-site", "no-cors", 200),
    ] {
        let mut request = Request::get(format!("{}/{path}", node.internal));
        for (name, value) in [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", "document")] {
            if !site.is_empty() {
                request = request.header(name, value);
            }
        }
        let answer = send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status, expected, "{path} {site} {mode}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    node.stop().await;
}
