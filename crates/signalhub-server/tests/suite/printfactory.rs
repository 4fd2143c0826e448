//! The PrintFactory dialect of a configured server, beside the hub.

mod nodes;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Running, configuration};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use signalhub_client::Client;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const JOB: &str = "{\"JobGUID\":\"DD6BDDF6-74BA-4BD0-AC48-94A251A8ECA6\",\"Status\":\"Created\"}";

/// A file of keys in a folder that is removed with it.
struct Keys(PathBuf);

impl Keys {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("signalhub-printfactory-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn setting(&self) -> String {
        format!("dialects.printfactory.keys={}", self.0.join("keys.json").display())
    }

    /// Runs `signalhub` with the file of keys.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_signalhub"));
        program.args(["--set", &self.setting()]).args(arguments).env_clear().current_dir(&self.0);
        program.output().unwrap()
    }

    /// What it prints when it succeeds.
    fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn generate(&self, organisation: &str, user: &str) -> String {
        self.told(&["miskey", "generate", "--org", organisation, "--user", user]).trim().to_owned()
    }

    /// Starts a server that uses them.
    async fn serve(&self, more: &str) -> Running {
        let keys = self.0.join("keys.json").display().to_string();
        let listen = "listen = \"127.0.0.1:0\"";
        Running::start(configuration(&format!("{more}\n[dialects.printfactory]\n{listen}\nkeys = \"{keys}\""))).await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Connects, and waits until the connection gets events.
async fn connect(node: &Running, key: &str) -> Result<WebSocketStream<TcpStream>, Error> {
    let address = node.dialect("printfactory");
    let mut request = format!("ws://{address}").into_client_request()?;
    request.headers_mut().insert("MisKey", key.parse()?);
    let (mut socket, _) = client_async(request, TcpStream::connect(address).await?).await?;
    socket.send(Message::Ping(Bytes::new())).await?;
    assert!(matches!(next(&mut socket).await, Some(Message::Pong(_))));
    Ok(socket)
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Message> {
    tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap()?.ok()
}

/// The code and the reason with which the server closes.
async fn closed(socket: &mut WebSocketStream<TcpStream>) -> (u16, String) {
    match next(socket).await {
        Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_publish_reaches_a_signalr_client_and_a_printfactory_socket() {
    let keys = Keys::new();
    let key = keys.generate("acme", "ann");
    let node = keys.serve("").await;
    let mut socket = connect(&node, &key).await.unwrap();
    let clients =
        ["acme", "other"].map(|organisation| node.token(|token| token.organisation = Some(organisation.to_owned())));
    let client = Client::connect(&node.hub(), Some(&clients[0])).await.unwrap();
    let foreign = Client::connect(&node.hub(), Some(&clients[1])).await.unwrap();
    for client in [&client, &foreign] {
        client.invoke::<()>("Subscribe", (json!({ "e": "printfactory.job.changed" }),)).await.unwrap();
    }
    let published = node.publish(&format!(r#"{{"e":"printfactory.job.changed","org":"acme","p":{JOB}}}"#)).await;
    assert_eq!((published.status.as_u16(), &published.body["matched"]), (202, &json!(2)));
    assert_eq!(next(&mut socket).await, Some(Message::text(JOB)));
    let event = client.next_invocation().await.unwrap();
    assert!(event.arguments().ends_with(&format!(r#""p":{JOB}}}]"#)), "{}", event.arguments());
    node.stop().await;
    assert_eq!(closed(&mut socket).await, (1001, "the server stops".to_owned()));
}

#[tokio::test]
async fn a_grant_and_its_absence_hold_for_the_events_of_the_dialect() {
    let keys = Keys::new();
    let node = keys.serve("").await;
    let token = node.token(|token| token.grants = vec![signalhub_server::parse_grant("printfactory.job.*").unwrap()]);
    let client = Client::connect(&node.hub(), Some(&token)).await.unwrap();
    let subscribe = async |event: &str| client.invoke::<()>("Subscribe", (json!({ "e": event }),)).await;
    subscribe("printfactory.job.changed").await.unwrap();
    subscribe("printfactory.device.changed").await.unwrap_err();
    node.stop().await;
}

#[tokio::test]
async fn a_wrong_payload_is_a_problem_and_without_the_dialect_the_event_is_unknown() {
    let keys = Keys::new();
    let body = |payload: &str| format!(r#"{{"e":"printfactory.job.changed","p":{payload}}}"#);
    let off = Running::start(configuration("")).await;
    assert_eq!(off.publish(&body(JOB)).await.verdict(), "400 unknown_event");
    off.stop().await;
    let node = keys.serve("").await;
    assert_eq!(node.publish(&body(JOB)).await.status, 202);
    let refused = node.publish(&body(&JOB.replace("Created", "created"))).await;
    assert_eq!(refused.verdict(), "400 invalid_payload");
    assert_eq!(refused.body["detail"], "p: \"Status\": expected one of \"Created\", \"ReRoute\"");
    node.stop().await;
}

#[tokio::test]
async fn a_running_server_uses_what_the_command_changes() {
    let keys = Keys::new();
    let key = keys.generate("acme", "ann");
    let node = keys.serve("[tls]\nreload_interval = \"1h\"").await;
    let mut socket = connect(&node, &key).await.unwrap();
    let new = keys.told(&["miskey", "regenerate", "--org", "acme", "--user", "ann"]);
    node.reload.send();
    assert_eq!(closed(&mut socket).await, (1008, "the MisKey is no longer valid".to_owned()));
    assert!(matches!(connect(&node, &key).await, Err(Error::Http(response)) if response.status() == 401));
    let mut socket = connect(&node, new.trim()).await.unwrap();
    keys.told(&["miskey", "notifications", "off", "--org", "acme", "--user", "ann"]);
    node.reload.send();
    assert_eq!(closed(&mut socket).await, (1008, "Notifications are disabled".to_owned()));
    assert!(matches!(connect(&node, new.trim()).await, Err(Error::Http(response)) if response.status() == 403));
    node.stop().await;
    // The keys survive a restart.
    keys.told(&["miskey", "notifications", "on", "--org", "acme", "--user", "ann"]);
    let node = keys.serve("").await;
    connect(&node, new.trim()).await.unwrap();
    node.stop().await;
}

#[test]
fn the_command_tells_whose_keys_there_are_and_what_is_not_possible() {
    let keys = Keys::new();
    assert_eq!(keys.told(&["miskey", "list"]), "");
    let key = keys.generate("acme", "bob");
    keys.generate("acme", "ann");
    keys.told(&["miskey", "notifications", "off", "--org", "acme", "--user", "ann"]);
    let list = keys.told(&["miskey", "list"]);
    let starts: Vec<_> = list.lines().map(|line| line.split(",\"created\"").next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            r#"{"organisation":"acme","user":"ann","notifications":"off""#,
            r#"{"organisation":"acme","user":"bob","notifications":"on""#
        ]
    );
    assert!(!list.contains(&key));
    let refused = keys.run(&["miskey", "generate", "--org", "acme", "--user", "bob"]);
    let error = "signalhub: user \"bob\" of organisation \"acme\" has a key already: regenerate it to replace it\n";
    assert_eq!((refused.status.code(), String::from_utf8(refused.stderr).unwrap().as_str()), (Some(1), error));
    keys.told(&["miskey", "cancel", "--org", "acme", "--user", "bob"]);
    assert_eq!(keys.told(&["miskey", "list"]).lines().count(), 1);
}

#[test]
fn a_command_that_is_killed_at_any_moment_leaves_a_whole_file() {
    let keys = Keys::new();
    let first = keys.generate("acme", "first");
    for delay in 0..20 {
        let mut program = Command::new(env!("CARGO_BIN_EXE_signalhub"));
        let user = delay.to_string();
        program.args(["--set", &keys.setting(), "miskey", "generate", "--org", "acme", "--user", &user]);
        program.env_clear().current_dir(&keys.0).stdout(std::process::Stdio::null());
        let mut running = program.spawn().unwrap();
        // Somewhere between its start and its end, which is no event that could be awaited.
        std::thread::sleep(Duration::from_millis(delay));
        running.kill().unwrap();
        running.wait().unwrap();
        let list = keys.told(&["miskey", "list"]);
        assert!(list.contains("\"user\":\"first\""), "{delay} ms: {list}");
    }
    let last = keys.generate("acme", "last");
    assert_ne!(first, last);
}

#[tokio::test]
async fn a_file_that_holds_no_keys_is_found_before_the_server_starts() {
    let keys = Keys::new();
    std::fs::write(keys.0.join("keys.json"), "[]").unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_signalhub"));
    check.args(["--set", &keys.setting(), "--set", "dialects.printfactory.listen=127.0.0.1:0", "config", "check"]);
    let output = check.env_clear().current_dir(&keys.0).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("signalhub: \"dialects.printfactory.keys\": "), "{error}");
    assert!(error.contains("it is not a file of keys: line 1, column "), "{error}");
}

#[tokio::test]
async fn metrics_count_the_connections_of_the_dialect_by_its_name() {
    let keys = Keys::new();
    let (first, second) = (keys.generate("acme", "ann"), keys.generate("other", "ann"));
    let node = keys.serve("[limits]\nconnections = 1").await;
    let socket = connect(&node, &first).await.unwrap();
    assert!(matches!(connect(&node, &second).await, Err(Error::Http(response)) if response.status() == 503));
    let page =
        crate::common::send(http::Request::get(format!("{}/metrics", node.internal)).body(Default::default()).unwrap());
    let page = page.await.text;
    for line in [
        "signalhub_dialect_connections_active{dialect=\"printfactory\"} 1",
        "signalhub_dialect_connections_ended_total{dialect=\"printfactory\",reason=\"aborted\"} 0",
        "signalhub_refusals_total{limit=\"connections\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in {page}");
    }
    drop(socket);
    node.stop().await;
}
