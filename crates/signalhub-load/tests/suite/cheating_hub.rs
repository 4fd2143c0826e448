//! A hub that broadcasts what it is called with, and does one thing wrong. It is as small as a hub can be: WebSockets without a
//! negotiation, JSON, and a publish path.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

/// What the hub does with the event of this number, counted from 0 and with those of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One connection does not get it.
    Lose(usize),
    /// One connection gets it twice.
    Double(usize),
    /// One connection gets it after the next one.
    Swap(usize),
    /// The receipt comes a second late, and with it the event.
    Stall(usize),
    /// The hub ends all connections, and takes no more.
    Die(usize),
    /// The hub ends one connection.
    EndOne(usize),
    /// Receipts tell one subscriber too few.
    Miscount,
    /// The hub takes no call and no publish.
    Refuse,
}

/// How many events at most wait for a connection: more than any test sends.
const EVENTS: usize = 100_000;

/// How long a stall is.
pub(crate) const STALL: Duration = Duration::from_secs(1);

/// A hub that listens.
pub(crate) struct CheatingHub {
    pub(crate) url: String,
    pub(crate) publish_url: String,
}

struct State {
    fault: Fault,
    events: AtomicUsize,
    /// The connections in the order of their coming; `None` ends one.
    connections: Mutex<Vec<mpsc::Sender<Option<String>>>>,
    /// What one connection gets after the next event.
    held: Mutex<Option<String>>,
}

impl CheatingHub {
    pub(crate) async fn start(fault: Fault) -> Self {
        let state = Arc::new(State {
            fault,
            events: AtomicUsize::new(0),
            connections: Mutex::default(),
            held: Mutex::default(),
        });
        let hub = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let publish = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hub", hub.local_addr().unwrap());
        let publish_url = format!("http://{}/publish", publish.local_addr().unwrap());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = hub.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        tokio::spawn(async move {
            while let Ok((socket, _)) = publish.accept().await {
                tokio::spawn(serve_publishes(socket, Arc::clone(&state)));
            }
        });
        Self { url, publish_url }
    }
}

impl State {
    /// Sends an event to all connections, as the fault says; tells how many there are.
    async fn broadcast(&self, payload: &str) -> usize {
        let event = self.events.fetch_add(1, Ordering::SeqCst);
        if self.fault == Fault::Stall(event) {
            sleep(STALL).await;
        }
        let record = format!("{}\u{1e}", json!({"type": 1, "target": "Bench", "arguments": [payload]}));
        let connections = self.connections.lock().unwrap();
        for (number, connection) in connections.iter().enumerate() {
            let send = |record: String| drop(connection.try_send(Some(record)));
            match self.fault {
                Fault::Lose(at) if at == event && number == 1 => {}
                Fault::Double(at) if at == event && number == 1 => send(record.repeat(2)),
                Fault::Swap(at) if at == event && number == 1 => *self.held.lock().unwrap() = Some(record.clone()),
                Fault::Swap(at) if at + 1 == event && number == 1 => {
                    send(record.clone());
                    send(self.held.lock().unwrap().take().unwrap());
                }
                Fault::Die(at) if at == event => drop(connection.try_send(None)),
                Fault::EndOne(at) if at == event && number == 1 => drop(connection.try_send(None)),
                _ => send(record.clone()),
            }
        }
        connections.len() - usize::from(self.fault == Fault::Miscount && event == 30)
    }

    fn is_dead(&self) -> bool {
        matches!(self.fault, Fault::Die(at) if self.events.load(Ordering::SeqCst) > at)
    }
}

/// Serves one WebSocket.
async fn serve(socket: TcpStream, state: Arc<State>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(socket).await else { return };
    let Some(Ok(_handshake)) = socket.next().await else { return };
    let (sender, mut records) = mpsc::channel(EVENTS);
    state.connections.lock().unwrap().push(sender);
    socket.send(Message::text("{}\u{1e}")).await.unwrap();
    loop {
        tokio::select! {
            record = records.recv() => match record {
                Some(Some(record)) => if socket.send(Message::text(record)).await.is_err() { return },
                _ => return,
            },
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) => {
                    for record in text.split_terminator('\u{1e}') {
                        let message: Value = serde_json::from_str(record).unwrap();
                        if message["type"] != 1 {
                            continue;
                        }
                        let mut answer = json!({"type": 3, "invocationId": message["invocationId"]});
                        if state.fault == Fault::Refuse {
                            answer["error"] = "not today".into();
                        } else {
                            state.broadcast(message["arguments"][0].as_str().unwrap()).await;
                        }
                        if socket.send(Message::text(format!("{answer}\u{1e}"))).await.is_err() {
                            return;
                        }
                    }
                }
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    }
}

/// Serves publishes, one after another.
async fn serve_publishes(mut socket: TcpStream, state: Arc<State>) {
    let mut request = String::new();
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = socket.read(&mut bytes).await {
        request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase().split_once("content-length: ").unwrap().1.lines().next().unwrap().to_owned();
        if body.len() < length.parse().unwrap() {
            continue;
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let payload = body["p"]["r"][0]["bench"].as_str().unwrap().to_owned();
        request.clear();
        if state.is_dead() {
            return;
        }
        let answer = if state.fault == Fault::Refuse {
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot today".to_owned()
        } else {
            let receipt = json!({"matched": state.broadcast(&payload).await}).to_string();
            format!("HTTP/1.1 202 Accepted\r\nContent-Length: {}\r\n\r\n{receipt}", receipt.len())
        };
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
}
