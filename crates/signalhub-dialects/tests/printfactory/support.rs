//! A server with the dialect, and its clients.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signalhub_connections::{ConnectionCounts, Endpoint, Server};
use signalhub_dialects::printfactory::{self, KeyChange, MisKey, MisKeyFile, MisKeys, PrintFactory};
use signalhub_events::{Broker, Catalogue, Event, EventName, Organisation, Receipt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("printfactory-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn keys(&self) -> MisKeyFile {
        MisKeyFile::new(self.0.join("keys.json"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub(crate) struct Dialect {
    pub(crate) address: SocketAddr,
    pub(crate) keys: MisKeys,
    pub(crate) broker: Broker,
    pub(crate) counts: ConnectionCounts,
    pub(crate) folder: Folder,
    pub(crate) stop: oneshot::Sender<()>,
}

pub(crate) async fn start() -> Dialect {
    start_with(|dialect| dialect, |endpoint| endpoint).await
}

pub(crate) async fn start_with(
    configure: impl FnOnce(PrintFactory) -> PrintFactory,
    limit: impl FnOnce(Endpoint) -> Endpoint,
) -> Dialect {
    let folder = Folder::new();
    let keys = MisKeys::open(folder.keys()).unwrap();
    let broker = Broker::builder(printfactory::declare(Catalogue::new())).build();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let (address, counts) = (server.local_addr().unwrap(), server.connections());
    let server = configure(PrintFactory::new(broker.clone(), keys.clone())).mount(server, limit);
    let (stop, stopping) = oneshot::channel::<()>();
    tokio::spawn(server.run_until(async { drop(stopping.await) }));
    Dialect { address, keys, broker, counts, folder, stop }
}

impl Dialect {
    /// Makes a key.
    pub(crate) fn key(&self, organisation: &str, user: &str) -> MisKey {
        let key = self.folder.keys().change(organisation, user, KeyChange::Generate).unwrap().unwrap();
        self.keys.reload().unwrap();
        key
    }

    /// Connects, and waits until the connection gets events: it subscribes before it reads.
    pub(crate) async fn connect(&self, key: &MisKey) -> Client {
        let mut client = self.try_connect(Some(key.reveal())).await.unwrap();
        client.0.send(Message::Ping(Bytes::new())).await.unwrap();
        assert!(matches!(client.next().await, Some(Ok(Message::Pong(_)))));
        client
    }

    pub(crate) async fn try_connect(&self, key: Option<&str>) -> Result<Client, Error> {
        let mut request = format!("ws://{}", self.address).into_client_request()?;
        if let Some(key) = key {
            request.headers_mut().insert("MisKey", key.parse()?);
        }
        let socket = TcpStream::connect(self.address).await?;
        client_async(request, socket).await.map(|(stream, _)| Client(stream))
    }

    /// The status and the body with which a connection is refused.
    pub(crate) async fn refusal(&self, key: Option<&str>) -> (u16, String) {
        match self.try_connect(key).await {
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                (response.status().as_u16(), String::from_utf8(body).unwrap())
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was accepted"),
        }
    }

    /// Publishes an event of an organisation.
    pub(crate) async fn publish(&self, name: &str, payload: impl Into<String>, organisation: &str) -> Receipt {
        let event = Event::new(EventName::new(name), payload.into());
        self.broker.publish(event.with_organisation(Organisation::new(organisation))).await.unwrap()
    }

    /// Sends a request, and returns its answer as text.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Posts JSON, and returns the status and the body of the answer.
    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: &str) -> (u16, String) {
        let key = key.map_or_else(String::new, |key| format!("MisKey: {key}\r\n"));
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n{key}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.ask(&request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

/// A listener.
pub(crate) struct Client(pub(crate) WebSocketStream<TcpStream>);

impl Client {
    /// The text of the next message.
    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The code and the reason with which the server closes.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn next(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.unwrap()
    }
}

/// Waits for a condition that no event reports.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let looking = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
}
