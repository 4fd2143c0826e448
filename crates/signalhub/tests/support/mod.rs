//! A client of a hub without a network, and the state that the hubs of the tests share with them.
//!
//! All tests run with paused time: if a message does not arrive, a test fails as soon as no task can run.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use signalhub::connections::{ConnectionHandler, Peer};
use signalhub::protocol::{Completion, HubMessage, Invocation, Outcome, Protocol, StreamItem};
use signalhub::{CloseReason, Connection, ConnectionId, Hub, HubError, Identity};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

/// How long, on the paused clock, a test waits for an event before it fails.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Waits until every other task waits for something. No real time passes: the clock is paused, and it advances to the end of
/// this sleep only when nothing else can run.
pub(crate) async fn idle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Advances the paused clock by seconds, with one tick of the server in each.
pub(crate) async fn seconds(client: &Client, count: u64) {
    for _ in 0..count {
        tokio::time::advance(Duration::from_secs(1)).await;
        client.peer.tick();
        idle().await;
    }
}

/// Expects that each client receives the message the given number of times, and nothing else.
pub(crate) async fn expect_messages(name: &str, clients: &mut [Client], times: [usize; 4]) {
    idle().await;
    for (i, (client, times)) in clients.iter_mut().zip(times).enumerate() {
        let mut received = Vec::new();
        client.call("end", "Echo", &json!([0]));
        while received.last().is_none_or(|message| *message != result("end", &json!(0))) {
            received.push(client.next().await);
        }
        received.pop();
        assert_eq!(received, vec![called("M", &json!([])); times], "{name}, client {i}");
    }
}

/// Waits for an event, and fails if it does not happen.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, event).await.expect("the event does not happen")
}

/// The client's end of a connection whose handshake is done.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) peer: Peer,
    protocol: Protocol,
    id: ConnectionId,
    session: JoinHandle<()>,
}

impl Client {
    /// Connects as ann.
    pub(crate) async fn connect(hub: &Hub) -> Self {
        Self::connect_as(hub, Identity::user("ann")).await
    }

    pub(crate) async fn connect_as(hub: &Hub, identity: Identity) -> Self {
        Self::connect_speaking(hub, identity, Protocol::Json).await
    }

    /// Connects with a protocol of its choice. The tests write and read JSON; the client transcodes it.
    pub(crate) async fn connect_speaking(hub: &Hub, identity: Identity, protocol: Protocol) -> Self {
        Self::begin(hub, identity).shake_hands(protocol).await
    }

    pub(crate) async fn shake_hands(mut self, protocol: Protocol) -> Self {
        self.peer.send(format!("{}\u{1e}", json!({"protocol": protocol.name(), "version": 1})));
        assert_eq!(self.next().await, json!({}));
        self.protocol = protocol;
        self
    }

    /// Connects without a handshake.
    pub(crate) fn begin(hub: &Hub, identity: Identity) -> Self {
        let (connection, peer) = Connection::pair(identity);
        Self::over(Arc::new(hub.clone()), connection, peer)
    }

    /// Serves a connection without a handshake.
    pub(crate) fn over(hub: Arc<Hub>, connection: Connection, peer: Peer) -> Self {
        let id = connection.id().clone();
        let session = tokio::spawn(hub.handle(connection));
        Self { peer, protocol: Protocol::Json, id, session }
    }

    pub(crate) fn id(&self) -> &ConnectionId {
        &self.id
    }

    pub(crate) fn say(&mut self, message: &Value) {
        let record = format!("{message}\u{1e}");
        self.peer.send(translated(Protocol::Json, record.as_bytes(), self.protocol));
    }

    pub(crate) fn call(&mut self, id: &str, target: &str, arguments: &Value) {
        self.say(&json!({"type": 1, "invocationId": id, "target": target, "arguments": arguments}));
    }

    /// Calls a method and announces streams to it.
    pub(crate) fn call_with(&mut self, id: &str, target: &str, streams: &[&str]) {
        self.say(&json!({"type": 1, "invocationId": id, "target": target, "arguments": [], "streamIds": streams}));
    }

    pub(crate) fn stream(&mut self, id: &str, target: &str, arguments: &Value) {
        self.say(&json!({"type": 4, "invocationId": id, "target": target, "arguments": arguments}));
    }

    pub(crate) fn item(&mut self, id: &str, item: &Value) {
        self.say(&item_of(id, item));
    }

    /// Calls a method with one argument that is spelt in the client's own protocol.
    pub(crate) fn call_spelt(&mut self, id: &str, target: &str, argument: &[u8]) {
        let (array, end): (&[u8], &[u8]) = match self.protocol {
            Protocol::Json => (b"[", b"]"),
            Protocol::MessagePack => (b"\x91", b""),
        };
        let array = [array, argument, end].concat();
        let mut call = Invocation::new(target, self.protocol.arguments(&array));
        call.invocation_id = Some(id.into());
        self.say_encoded(&HubMessage::Invocation(call));
    }

    pub(crate) fn item_spelt(&mut self, id: &str, item: &[u8]) {
        self.say_encoded(&HubMessage::StreamItem(StreamItem::new(id, self.protocol.value(item))));
    }

    pub(crate) fn result_spelt(&mut self, id: &str, result: &[u8]) {
        let outcome = Outcome::Result(self.protocol.value(result));
        self.say_encoded(&HubMessage::Completion(Completion::new(id, outcome)));
    }

    fn say_encoded(&mut self, message: &HubMessage<'_>) {
        let mut bytes = Vec::new();
        self.protocol.encode(message, &mut bytes);
        self.peer.send(bytes);
    }

    /// Ends a stream of the client.
    pub(crate) fn complete(&mut self, id: &str) {
        self.say(&ended(id));
    }

    pub(crate) fn cancel(&mut self, id: &str) {
        self.say(&json!({"type": 5, "invocationId": id}));
    }

    /// Calls `Echo` and waits for its result, so everything that was sent before has been read.
    pub(crate) async fn round_trip(&mut self) {
        self.call("alive", "Echo", &json!(["alive"]));
        self.receives([result("alive", &json!("alive"))]).await;
    }

    pub(crate) async fn next(&mut self) -> Value {
        let message = soon(self.peer.receive()).await.expect("the connection has ended");
        let record = translated(self.protocol, &message, Protocol::Json);
        let (end, json) = record.split_last().unwrap();
        assert_eq!(*end, 0x1e);
        serde_json::from_slice(json).unwrap()
    }

    /// Expects this record, byte for byte.
    pub(crate) async fn receives_text(&mut self, record: &str) {
        let message = soon(self.peer.receive()).await.expect("the connection has ended");
        assert_eq!(std::str::from_utf8(&message), Ok(&*format!("{record}\u{1e}")));
    }

    /// Expects these messages, and no others between them.
    pub(crate) async fn receives(&mut self, messages: impl IntoIterator<Item = Value>) {
        for message in messages {
            assert_eq!(self.next().await, message);
        }
    }

    /// Expects that no message comes by itself.
    pub(crate) async fn receives_nothing(&mut self) {
        if let Ok(message) = tokio::time::timeout(TIMEOUT, self.peer.receive()).await {
            panic!("received {message:?}");
        }
    }

    /// Expects an invocation by the server that asks for a result, and returns its id.
    pub(crate) async fn is_asked(&mut self, method: &str) -> String {
        let question = self.next().await;
        assert_eq!(question["type"], 1);
        assert_eq!(question["target"], method);
        question["invocationId"].as_str().expect("a question has an id").to_owned()
    }

    /// Ends the transport without a Close message.
    pub(crate) fn vanish(&mut self) {
        self.peer.end(CloseReason::ClientGone);
    }

    /// Whether the task of the session has ended.
    pub(crate) fn session_has_ended(&self) -> bool {
        self.session.is_finished()
    }

    /// Aborts the task of the session, as the end of a runtime does.
    pub(crate) async fn kill(&mut self) {
        self.session.abort();
        assert!(soon(&mut self.session).await.is_err());
    }

    /// Expects the end of the connection without another message, and returns its reason.
    pub(crate) async fn ends(mut self) -> CloseReason {
        assert_eq!(soon(self.peer.receive()).await, None);
        soon(self.session).await.expect("the session does not panic");
        self.peer.close_reason().unwrap()
    }
}

/// Transcodes a message to another protocol; a message in that protocol is not changed.
fn translated(from: Protocol, message: &[u8], to: Protocol) -> Vec<u8> {
    if from == to {
        return message.to_vec();
    }
    let (decoded, consumed) = from.decode(message).unwrap().unwrap();
    assert_eq!(consumed, message.len(), "one message at a time");
    let mut translated = Vec::new();
    to.encode(&decoded, &mut translated);
    translated
}

pub(crate) fn item_of(id: &str, item: &Value) -> Value {
    json!({"type": 2, "invocationId": id, "item": item})
}

pub(crate) fn result(id: &str, result: &Value) -> Value {
    json!({"type": 3, "invocationId": id, "result": result})
}

pub(crate) fn failed(id: &str, error: &str) -> Value {
    json!({"type": 3, "invocationId": id, "error": error})
}

/// The end of a stream.
pub(crate) fn ended(id: &str) -> Value {
    json!({"type": 3, "invocationId": id})
}

/// An invocation of a client method without an id.
pub(crate) fn called(target: &str, arguments: &Value) -> Value {
    json!({"type": 1, "target": target, "arguments": arguments})
}

/// The error of a method that failed, as all clients read it.
pub(crate) fn invoking(target: &str, detail: &str) -> String {
    format!("An unexpected error occurred invoking '{target}' on the server.{detail}")
}

/// What the methods of a test's hub share with the test.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    gate: Arc<Semaphore>,
    pub(crate) alive: Alive,
    produced: Arc<AtomicUsize>,
    events: mpsc::Sender<String>,
}

impl Shared {
    pub(crate) fn new() -> (Self, Events) {
        let (events, reported) = mpsc::channel(64);
        let shared =
            Self { gate: Arc::new(Semaphore::new(0)), alive: Alive::default(), produced: Arc::default(), events };
        (shared, Events(reported))
    }

    /// Waits until the test lets one through.
    pub(crate) async fn wait(&self) -> Result<(), HubError> {
        self.gate.acquire().await.map_err(|error| HubError::internal("Closed", error))?.forget();
        Ok(())
    }

    pub(crate) fn let_through(&self, count: usize) {
        self.gate.add_permits(count);
    }

    pub(crate) fn produce(&self) -> usize {
        self.produced.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn produced(&self) -> usize {
        self.produced.load(Ordering::SeqCst)
    }

    /// Reports an event to the test.
    pub(crate) fn record(&self, event: impl Into<String>) {
        self.events.try_send(event.into()).expect("a test takes its events");
    }
}

/// The events that methods reported.
#[derive(Debug)]
pub(crate) struct Events(mpsc::Receiver<String>);

impl Events {
    pub(crate) async fn next(&mut self) -> String {
        soon(self.0.recv()).await.expect("the hub is still there")
    }

    pub(crate) fn none(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

/// Counts the guards that are alive.
#[derive(Clone, Debug)]
pub(crate) struct Alive(Arc<watch::Sender<usize>>);

impl Default for Alive {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Alive {
    /// Counts as alive until the guard is dropped.
    pub(crate) fn guard(&self) -> Guard {
        self.0.send_modify(|count| *count += 1);
        Guard(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    pub(crate) async fn becomes(&self, count: usize) {
        soon(self.0.subscribe().wait_for(|alive| *alive == count)).await.expect("the sender is here");
    }
}

/// Counts as alive until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard(Alive);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
