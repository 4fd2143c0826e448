//! A server with the dialect, requests, and WebSocket clients.

#![allow(unreachable_pub, reason = "it is a module of a test")]

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signalhub_connections::*;
use signalhub_dialects::smc::*;
use signalhub_events::{Action, Broker, Catalogue, Event, Receipt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// An API key of the account `client`, which belongs to no organisation and sees all types.
pub const KEY: &str = "the key of a client of the tests";

/// An API key of the account `north`, of the organisation `north`, which sees hosts alone.
pub const NORTH_KEY: &str = "the key of a client of the north";

pub struct Running {
    pub address: SocketAddr,
    pub broker: Broker,
    pub smc: Smc,
    pub counts: ConnectionCounts,
    pub stop: oneshot::Sender<()>,
    pub stopped: tokio::task::JoinHandle<std::io::Result<()>>,
}

pub fn settings() -> Settings {
    let key = |name: &str, key: &str, organisation: Option<&str>, types: Option<&str>| Account {
        name: name.into(),
        organisation: organisation.map(Into::into),
        element_types: types.map(|pattern| vec![pattern.parse().unwrap()]),
        credentials: Credentials::Key(KeyDigest::of(key.as_bytes())),
    };
    let password = PasswordHash::new("pass word&", b"sixteen bytes!!!", 100_000);
    let admin = Account {
        name: "admin".into(),
        organisation: None,
        element_types: None,
        credentials: Credentials::Password(password),
    };
    Settings {
        versions: ["7.2.1", "7.2", "6.5", "7.10"].map(|version| version.parse().unwrap()).into(),
        element_types: ["host", "network", "router"].map(|name| name.parse().unwrap()).into(),
        accounts: vec![
            key("client", KEY, None, None),
            key("north", NORTH_KEY, Some("north"), Some("host")),
            key("short", "short", None, None),
            admin,
        ],
        session_tracking: SessionTracking::Cookies,
        session_idle_time: Duration::from_secs(30 * 60),
        session_limits: SessionLimits { total: 1000, per_account: 1000, per_address: 1000 },
        contexts_per_connection: 100,
        command_rate: None,
        body_bytes: 1024 * 1024,
        public_url: None,
    }
}

pub async fn start() -> Running {
    start_with(|_| {}, |server| server, |endpoint| endpoint).await
}

pub async fn start_with(
    set: impl FnOnce(&mut Settings),
    configure: impl FnOnce(Server) -> Server,
    endpoint: impl Fn(Endpoint) -> Endpoint,
) -> Running {
    let mut settings = settings();
    set(&mut settings);
    let broker = Broker::builder(Smc::declare(Catalogue::new(), &settings.element_types)).build();
    let smc = Smc::new(broker.clone(), settings, Some(GuessLimit::new(3, Duration::from_secs(60))));
    let server = smc.mount(configure(Server::bind("127.0.0.1:0").await.unwrap()), endpoint);
    let (stop, stopping) = oneshot::channel::<()>();
    let (address, counts) = (server.local_addr().unwrap(), server.connections());
    let stopped = tokio::spawn(server.run_until(async { drop(stopping.await) }));
    Running { address, broker, smc, counts, stop, stopped }
}

/// An event about an element, with further members of its payload.
pub fn changed(element_type: &str, action: u8, id: u32, members: &str) -> Event {
    let payload = format!(r#"{{"n":"{element_type}","a":{action},"id":{id}{members}}}"#);
    let action = Action::ALL[usize::from(action) - 1];
    Event::new(ELEMENTS_CHANGED.into(), payload).with_resource(element_type.into()).with_action(action)
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Running {
    pub async fn publish(&self, event: Event) -> Receipt {
        self.broker.publish(event).await.unwrap()
    }

    /// Sends a request on a new socket: a method and a target, header lines, and a body.
    pub async fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        ask_on(&mut socket, line, headers, body).await
    }

    /// Logs in, and returns the cookie.
    pub async fn log_in(&self, key: &str) -> String {
        let body = format!(r#"{{"domain": "Shared Domain", "authenticationkey": "{key}"}}"#);
        let answer = self.ask("POST /7.2/login", &[], &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    /// Opens a socket of version 7.2 with a cookie.
    pub async fn open(&self, cookie: &str) -> Client {
        self.open_with("7.2", &[("Cookie", cookie)]).await.unwrap()
    }

    /// Opens a socket; the error is the status.
    pub async fn open_with(&self, version: &str, headers: &[(&'static str, &str)]) -> Result<Client, u16> {
        let mut request = format!("ws://{}/{version}/notification/socket", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let socket = TcpStream::connect(self.address).await.unwrap();
        match client_async(request, socket).await {
            Ok((socket, _)) => Ok(Client(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The beginning of the links of version 7.2.
    pub fn url(&self) -> String {
        format!("http://{}/7.2", self.address)
    }
}

pub async fn ask_on(socket: &mut TcpStream, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send_on(socket, line, headers, body).await;
    read_answer(socket).await
}

pub async fn send_on(socket: &mut TcpStream, line: &str, headers: &[(&str, &str)], body: &str) {
    let mut request = format!("{line} HTTP/1.1\r\nHost: {}\r\n", socket.peer_addr().unwrap());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    socket.write_all(format!("{request}\r\n{body}").as_bytes()).await.unwrap();
}

pub async fn read_answer(socket: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(socket.read_u8().await.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&bytes))));
    }
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pairs = lines.map(|line| line.split_once(": ").unwrap());
    let head: Vec<_> = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut answer = Answer { status, head, body: String::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.unwrap();
    answer.body = String::from_utf8(body).unwrap();
    answer
}

/// A client on a socket.
pub struct Client(pub WebSocketStream<TcpStream>);

impl Client {
    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message, whatever it is.
    pub async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(20), self.0.next());
        next.await.expect("a message arrives in time").unwrap().unwrap()
    }

    pub async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a message, and returns the answer.
    pub async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.text().await
    }

    /// Subscribes, and returns the number of the subscription.
    pub async fn subscribe(&mut self, context: &str) -> u64 {
        let answer = self.ask(&format!(r#"{{"context": "{context}"}}"#)).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer["success"], &answer["context"]), (&"Subscribed for notification".into(), &context.into()));
        answer["subscription_id"].as_u64().unwrap()
    }

    /// The code and the reason with which the server closes.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// Checks that the next message is the answer to a command, so that no other one came before.
    pub async fn got_nothing(&mut self) {
        assert!(self.ask("nothing").await.starts_with(r#"{"failure":"#));
    }
}

/// Lets seconds pass one by one, because the ticks of connections count them.
pub async fn pass_seconds(seconds: u32) {
    for _ in 0..seconds {
        pass(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
}

/// Moves the clock of the runtime forward. Sockets do not notice; what waits for this time goes on.
pub async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
