//! The access log, and what operators change about the log while the server runs.

#![cfg(unix)]
use std::time::Duration;

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::Client;
use signalhub_server::HUB_PATH;

use crate::common::process::{Server, program};
use crate::common::{Answer, KEY, SECRET, send, sign_claims};

const ADMIN: &str = "a token of operators that has enough bytes";
const EVENT: &str = r#"{"e":"portos.licence.activated","p":{"secret":"payload"},"org":"acme"}"#;

/// A user name that would begin lines, steer terminals and close objects.
const FORGED: &str =
    "ann\r\n2026-01-01T00:00:00Z ERROR forged \u{1b}[31m\u{202e}\",\"level\":\"ERROR\",\"user\":\"root";

async fn serve(format: &str, variables: &[(&str, &str)]) -> Server {
    let common = [
        ("SIGNALHUB_AUTH__SECRET", SECRET),
        ("SIGNALHUB_PUBLISH__KEYS", KEY),
        ("SIGNALHUB_ADMIN__TOKEN", ADMIN),
        ("SIGNALHUB_LOG__FORMAT", format),
    ];
    let mut server = Server::spawn(&[&common, variables].concat());
    // The addresses stand in the log in both formats.
    server.listening().await;
    server
}

fn token(user: &str) -> String {
    sign_claims(&json!({ "sub": user, "org": "acme", "exp": 4_000_000_000_u64 }))
}

async fn publish(server: &Server, body: &str) -> Answer {
    let request = Request::post(format!("{}/api/v1/publish", server.url)).header("X-API-Key", KEY);
    let request = request.header("Content-Type", "application/json").header("X-Request-Id", "r-7");
    let request = request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    send(request.body(Full::from(body.to_owned())).unwrap()).await
}

/// One client that subscribes, gets an event and goes; then a publish that is refused, and one that is not.
async fn use_it(server: &Server, user: &str) {
    let client = Client::connect(&format!("{}{HUB_PATH}", server.url), Some(&token(user))).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({ "e": "portos.licence.activated" }),)).await.unwrap();
    assert_eq!(publish(server, EVENT).await.body["matched"], 1);
    client.next_invocation().await.unwrap();
    client.close().await;
    assert_eq!(publish(server, r#"{"e":"no.such","p":1}"#).await.status, 400);
}

#[tokio::test]
async fn each_connection_that_ends_and_each_publish_is_one_line_of_the_access_log() {
    let server =
        serve("json", &[("SIGNALHUB_LOG__ACCESS", "true"), ("SIGNALHUB_LOG__LEVEL", "warn,signalhub_server=info")])
            .await;
    use_it(&server, "ann").await;
    let (code, _, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let access: Vec<&Value> = lines.iter().filter(|line| line["target"] == "signalhub::access").collect();
    let names = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let of = |message: &str| access.iter().filter(|line| line["message"] == message).copied().collect::<Vec<_>>();
    let [ended] = of("connection ended")[..] else { panic!("{log}") };
    let mut members = names(ended);
    members.sort_unstable();
    assert_eq!(
        members,
        [
            "address",
            "connection",
            "deliveries",
            "level",
            "message",
            "organisation",
            "protocol",
            "reason",
            "received",
            "seconds",
            "sent",
            "target",
            "timestamp",
            "transport",
            "user",
        ]
    );
    let texts =
        ["user", "organisation", "protocol", "transport", "address", "level"].map(|name| ended[name].as_str().unwrap());
    assert_eq!(texts, ["ann", "acme", "json", "web_sockets", "127.0.0.1", "INFO"]);
    assert_eq!(ended["deliveries"], 1);
    assert!(ended["received"].as_u64().unwrap() > 50 && ended["sent"].as_u64().unwrap() > 50, "{ended}");
    assert!(ended["reason"].as_str().unwrap().starts_with("client_"), "{ended}");
    let [published, refused] = of("publish")[..] else { panic!("{log}") };
    assert_eq!((&published["outcome"], &published["matched"]), (&json!("published"), &json!(1)));
    assert_eq!((&published["request_id"], &published["organisation"]), (&json!("r-7"), &json!("acme")));
    assert_eq!(published["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&refused["outcome"], &refused["event"]), (&json!("unknown_event"), &json!("no.such")));
    for secret in ["payload", KEY, SECRET, &token("ann")] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn without_log_access_no_filter_shows_it() {
    let server = serve("text", &[("SIGNALHUB_LOG__LEVEL", "debug"), ("RUST_LOG", "signalhub=debug")]).await;
    use_it(&server, "ann").await;
    let (_, _, log) = server.terminate().await;
    assert!(log.contains("an event was published") && !log.contains("signalhub::access"), "{log}");
}

#[tokio::test]
async fn a_user_whose_name_looks_like_lines_forges_none() {
    for format in ["text", "json"] {
        let server = serve(format, &[("SIGNALHUB_LOG__ACCESS", "true"), ("SIGNALHUB_LOG__LEVEL", "debug")]).await;
        use_it(&server, FORGED).await;
        let (_, _, log) = server.terminate().await;
        assert!(!log.contains(['\u{1b}', '\u{202e}', '\r']), "{log}");
        for line in log.lines() {
            assert!(!line.starts_with("2026-01-01T00:00:00Z"), "{line}");
            match format {
                "text" => assert!(!line.contains("ERROR forged") || line.contains("user=\"ann\\r\\n"), "{line}"),
                _ => assert_ne!(serde_json::from_str::<Value>(line).unwrap()["level"], "ERROR"),
            }
        }
        let ended = |line: &&str| line.contains("signalhub::access") && line.contains("connection ended");
        assert_eq!(log.lines().filter(ended).count(), 1, "{log}");
    }
}

#[tokio::test]
async fn a_rust_log_without_a_directive_counts_as_none_and_log_level_needs_one() {
    for value in ["", ",", " ,"] {
        // It waits for lines at `info`.
        let server = tokio::time::timeout(Duration::from_secs(20), Server::start(&[("RUST_LOG", value)])).await;
        let (code, _, _) = server.unwrap_or_else(|_| panic!("{value:?} silences the log")).terminate().await;
        assert_eq!(code, Some(0));
        let refused = program(&["--set", &format!("log.level={value}")]).output().await.unwrap();
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && error.contains("log.level"), "{value:?}: {error}");
    }
}

async fn change_filter(server: &Server, body: &str) -> Answer {
    let request = Request::put(format!("{}/admin/api/v1/log", server.internal));
    let request = request.header("Authorization", format!("Bearer {ADMIN}")).header("Content-Type", "application/json");
    send(request.body(Full::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn an_operator_changes_the_filter_for_some_time_and_it_falls_back() {
    let mut server = serve("text", &[]).await;
    for (body, detail) in [
        (r#"{"filter":"verbose","for":"10m"}"#, "filter: expected \"error\""),
        (r#"{"filter":"info,=","for":"10m"}"#, "filter: expected"),
        (r#"{"filter":"","for":"10m"}"#, "filter: expected"),
        (r#"{"filter":",","for":"10m"}"#, "filter: expected"),
        (r#"{"filter":" , ","for":"10m"}"#, "filter: expected"),
        (r#"{"filter":"debug","for":"2d"}"#, "for: expected a time from 1s to 24h"),
        (r#"{"filter":"debug","for":"0s"}"#, "for: expected"),
        (r#"{"filter":"debug"}"#, "missing field `for`"),
        (r#"{"filter":"debug","for":"1s","level":1}"#, "unknown field"),
    ] {
        let answer = change_filter(&server, body).await;
        assert_eq!(answer.verdict(), "400 invalid_member", "{body}");
        assert!(answer.body["detail"].as_str().unwrap().contains(detail), "{body}: {:?}", answer.body);
    }
    assert_eq!(publish(&server, EVENT).await.status, 202);
    // A later change replaces an earlier one, whose end changes nothing.
    assert_eq!(change_filter(&server, r#"{"filter":"signalhub=trace","for":"1s"}"#).await.status, 204);
    assert_eq!(change_filter(&server, r#"{"filter":"info,signalhub=debug","for":"2s"}"#).await.status, 204);
    assert_eq!(publish(&server, EVENT).await.status, 202);
    server.logged("an event was published").await;
    tokio::time::timeout(Duration::from_secs(20), server.logged("the log has its configured filter again"))
        .await
        .unwrap();
    assert_eq!(publish(&server, EVENT).await.status, 202);
    let (_, _, log) = server.terminate().await;
    assert_eq!(log.matches("an event was published").count(), 1, "{log}");
    assert_eq!(log.matches("has its configured filter again").count(), 1, "{log}");
    assert!(!log.contains(ADMIN), "{log}");
}
