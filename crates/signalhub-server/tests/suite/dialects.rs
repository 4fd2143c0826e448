//! One publish reaches the clients of the hub and of both dialects, each in its own words.

use std::time::Duration;

#[cfg(target_os = "linux")]
use crate::common::process::Server as Process;
use crate::common::{Running, configuration, send};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::Client;
use signalhub_dialects::printfactory::{KeyChange, MisKeyFile};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

const JOB: &str = "{\"JobGUID\":\"DD6BDDF6-74BA-4BD0-AC48-94A251A8ECA6\",\"Status\":\"Created\"}";
const SMC_KEY: &str = "a-long-key-of-an-smc-client";

/// Opens a WebSocket of a dialect with one further header.
async fn open(node: &Running, dialect: &str, path: &str, header: (&str, &str)) -> WebSocketStream<TcpStream> {
    let address = node.dialect(dialect);
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    let name: HeaderName = header.0.parse().unwrap();
    request.headers_mut().insert(name, HeaderValue::from_str(header.1).unwrap());
    client_async(request, TcpStream::connect(address).await.unwrap()).await.unwrap().0
}

async fn text(socket: &mut WebSocketStream<TcpStream>) -> String {
    loop {
        match tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The cookie of a session of an SMC client.
async fn log_in(node: &Running) -> String {
    let body = json!({ "domain": "Shared Domain", "authenticationkey": SMC_KEY }).to_string();
    let request = Request::post(format!("http://{}/7.2/login", node.dialect("smc")));
    let answer =
        send(request.header("Content-Type", "application/json").body(Full::<Bytes>::from(body)).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn one_publish_reaches_a_signalr_client_a_printfactory_socket_and_two_smc_channels() {
    let keys = std::env::temp_dir().join(format!("signalhub-dialects-{}.json", std::process::id()));
    let key = MisKeyFile::new(&keys).change("acme", "ann", KeyChange::Generate).unwrap().unwrap();
    let node = Running::start(configuration(&format!(
        "[dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = \"{}\"\n\
         [dialects.smc]\nlisten = \"127.0.0.1:0\"\naccounts = [{{ name = \"client\", key = \"{SMC_KEY}\" }}]",
        keys.display()
    )))
    .await;
    let token = node.token(|token| token.organisation = Some("acme".to_owned()));
    let signalr = Client::connect(&node.hub(), Some(&token)).await.unwrap();
    for event in ["printfactory.job.changed", "smc.elements.changed"] {
        signalr.invoke::<()>("Subscribe", (json!({ "e": event }),)).await.unwrap();
    }
    let mut printfactory = open(&node, "printfactory", "/", ("MisKey", key.reveal())).await;
    printfactory.send(Message::Ping(Bytes::new())).await.unwrap();
    assert!(matches!(printfactory.next().await, Some(Ok(Message::Pong(_)))));
    let cookie = log_in(&node).await;
    let mut smc = open(&node, "smc", "/7.2/notification/socket", ("Cookie", &cookie)).await;
    for context in ["*", "host"] {
        smc.send(Message::text(json!({ "context": context }).to_string())).await.unwrap();
        assert!(text(&mut smc).await.contains("\"success\""));
    }

    let body = format!(
        "[{{\"e\":\"printfactory.job.changed\",\"org\":\"acme\",\"p\":{JOB}}},\
         {{\"e\":\"smc.elements.changed\",\"p\":{{\"n\":\"host\",\"a\":1,\"id\":1732}}}}]"
    );
    let receipts = node.publish(&body).await;
    let matched: Vec<&Value> = receipts.body.as_array().unwrap().iter().map(|receipt| &receipt["matched"]).collect();
    // Two channels of one socket are two subscribers.
    assert_eq!(matched, [2, 3], "{}", receipts.text);
    println!("publish          {body}\n                 {}", receipts.text);
    for _ in 0..2 {
        let event = signalr.next_invocation().await.unwrap();
        let event: Value = event.bind::<(Value,)>().unwrap().0;
        println!("SignalR client   {event}");
        let expected = match event["e"].as_str().unwrap() {
            "printfactory.job.changed" => serde_json::from_str(JOB).unwrap(),
            _ => json!({ "n": "host", "a": 1, "id": 1732 }),
        };
        assert_eq!(event["p"], expected);
    }
    let message = text(&mut printfactory).await;
    println!("PrintFactory     {message}");
    assert_eq!(message, JOB);
    let mut channels = Vec::new();
    for _ in 0..2 {
        let message = text(&mut smc).await;
        println!("SMC              {message}");
        let message: Value = serde_json::from_str(&message).unwrap();
        let element = format!("http://{}/7.2/elements/host/1732", node.dialect("smc"));
        assert_eq!(message["event"], json!({ "type": "create", "element": element }));
        channels.push(message["subscription_id"].as_u64().unwrap());
    }
    channels.sort_unstable();
    assert_eq!(channels, [0, 1]);
    node.stop().await;
    for suffix in ["", ".lock"] {
        std::fs::remove_file(format!("{}{suffix}", keys.display())).unwrap();
    }
}

/// The memory that a process has, in KiB.
#[cfg(target_os = "linux")]
fn resident(server: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_printfactory_connection_takes_little_memory() {
    // About 4 KiB are meant. The limit is twice as much, because a process grows in steps.
    const WARM: usize = 50;
    const HELD: usize = 400;
    const MOST: u64 = 8;
    let keys = std::env::temp_dir().join(format!("signalhub-idle-{}.json", std::process::id()));
    let file = MisKeyFile::new(&keys);
    let mut made = Vec::new();
    for number in 0..WARM + HELD {
        made.push(file.change(&format!("organisation {number}"), "ann", KeyChange::Generate).unwrap().unwrap());
    }
    let server = Process::start(&[
        ("SIGNALHUB_AUTH__SECRET", crate::common::SECRET),
        ("SIGNALHUB_DIALECTS__PRINTFACTORY__LISTEN", "127.0.0.1:0"),
        ("SIGNALHUB_DIALECTS__PRINTFACTORY__KEYS", keys.to_str().unwrap()),
    ])
    .await;
    let line = server.log.lines().find(|line| line.contains("serving a dialect")).unwrap();
    let address = line.rsplit_once("address=").unwrap().1.trim().to_owned();
    let open = async |key: &str| {
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        request.headers_mut().insert("MisKey", key.parse().unwrap());
        let mut socket = client_async(request, TcpStream::connect(&address).await.unwrap()).await.unwrap().0;
        socket.send(Message::Ping(Bytes::new())).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Pong(_)))));
        socket
    };
    let mut sockets = Vec::new();
    for key in &made[..WARM] {
        sockets.push(open(key.reveal()).await);
    }
    let before = resident(&server);
    for key in &made[WARM..] {
        sockets.push(open(key.reveal()).await);
    }
    let each = resident(&server).saturating_sub(before) / HELD as u64;
    assert!(each < MOST, "{each} KiB");
    drop((sockets, server));
    for suffix in ["", ".lock"] {
        std::fs::remove_file(format!("{}{suffix}", keys.display())).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_access_log_names_the_dialect_of_a_connection_as_its_protocol() {
    let keys = std::env::temp_dir().join(format!("signalhub-access-{}.json", std::process::id()));
    let key = MisKeyFile::new(&keys).change("acme", "ann", KeyChange::Generate).unwrap().unwrap();
    let accounts = json!([{ "name": "client", "key": SMC_KEY }]).to_string();
    let server = Process::start(&[
        ("SIGNALHUB_AUTH__SECRET", crate::common::SECRET),
        ("SIGNALHUB_LOG__ACCESS", "true"),
        ("SIGNALHUB_DIALECTS__PRINTFACTORY__LISTEN", "127.0.0.1:0"),
        ("SIGNALHUB_DIALECTS__PRINTFACTORY__KEYS", keys.to_str().unwrap()),
        ("SIGNALHUB_DIALECTS__SMC__LISTEN", "127.0.0.1:0"),
        ("SIGNALHUB_DIALECTS__SMC__ACCOUNTS", &accounts),
    ])
    .await;
    let address = |dialect: &str| {
        let of_dialect = |line: &&str| line.contains("serving a dialect") && line.contains(dialect);
        let line = server.log.lines().find(of_dialect).unwrap_or_else(|| panic!("{}", server.log));
        line.rsplit_once("address=").unwrap().1.trim().to_owned()
    };
    let login = Request::post(format!("http://{}/7.2/login", address("smc")));
    let body = json!({ "authenticationkey": SMC_KEY }).to_string();
    let answer = send(login.body(Full::<Bytes>::from(body)).unwrap()).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let mut sockets = Vec::new();
    for (dialect, path, name, value) in
        [("printfactory", "/", "MisKey", key.reveal()), ("smc", "/7.2/notification/socket", "Cookie", &cookie)]
    {
        let address = address(dialect);
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        sockets.push(client_async(request, TcpStream::connect(&address).await.unwrap()).await.unwrap().0);
    }
    let (_, _, log) = server.terminate().await;
    for dialect in ["printfactory", "smc"] {
        let protocol = format!("protocol=\"{dialect}\"");
        assert!(log.lines().any(|line| line.contains("connection ended") && line.contains(&protocol)), "{log}");
    }
    for suffix in ["", ".lock"] {
        std::fs::remove_file(format!("{}{suffix}", keys.display())).unwrap();
    }
}
