//! One connection from its beginning to its end.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use signalhub_client::{ConnectError, Disconnected, InvokeError};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::address::Address;
use crate::http;
use crate::raw_hub::RawHub;
use crate::server::{API_KEY, Server};

/// One of this number of connections negotiates first.
const NEGOTIATED: u64 = 10;

/// One of this number of connections publishes, and waits for its own event.
const PUBLISHING: u64 = 50;

/// One of this number of connections to a server with TLS ends during the TLS handshake.
const HALF_OPEN: u64 = 7;

/// The beginning of a TLS record with a ClientHello whose rest does not come.
const HALF_A_HELLO: [u8; 9] = [22, 3, 1, 2, 0, 1, 0, 1, 252];

/// How many resource names all connections share.
const RESOURCES: u64 = 64;

/// The time limit for one connection.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What a connection does.
#[derive(Debug)]
pub(crate) struct Session {
    number: u64,
    ending: Ending,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// A Close message of the hub protocol, then a close frame.
    CloseMessage,
    /// A close frame alone.
    CloseFrame,
    /// The client closes the socket without a close frame.
    Leave,
    /// The client resets the socket.
    Reset,
}

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    #[error(transparent)]
    Disconnected(#[from] Disconnected),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("negotiation was answered with {0}")]
    Negotiation(String),
    #[error("a connection took longer than {} s", TIME_LIMIT.as_secs())]
    TooLong,
}

impl Session {
    /// Makes the session with this number. Sessions with consecutive numbers end in different ways.
    pub(crate) fn numbered(number: u64) -> Self {
        use Ending::{CloseFrame, CloseMessage, Leave, Reset};
        let endings = [CloseFrame, CloseMessage, Leave, CloseFrame, CloseMessage, Reset];
        // Divided first, so that each way of connecting meets each way of ending.
        let turn = (number + number / NEGOTIATED) % endings.len() as u64;
        Self { number, ending: endings[turn as usize] }
    }

    /// Runs it to its end.
    pub(crate) async fn run(self, server: &Server) -> Result<(), SessionError> {
        timeout(TIME_LIMIT, self.live(server)).await.map_err(|_| SessionError::TooLong)?
    }

    async fn live(self, server: &Server) -> Result<(), SessionError> {
        if server.address().speaks_tls() && self.number.is_multiple_of(HALF_OPEN) {
            return Ok(self.end_during_handshake(server.address()).await?);
        }
        let token = server.token(self.number);
        let mut path = server.hub_path().to_owned();
        if self.number.is_multiple_of(NEGOTIATED) {
            path = format!("{path}?id={}", negotiate(server, token).await?);
        }
        let resource = resource(self.number);
        let subscription = subscription(&resource);
        if let Ending::Leave | Ending::Reset = self.ending {
            let hub = subscribed(server, &path, token, &subscription).await?;
            match self.ending {
                Ending::Reset => hub.reset()?,
                Ending::Leave | Ending::CloseFrame | Ending::CloseMessage => hub.leave(),
            }
            return Ok(());
        }
        let client = server.client(&path, token)?.connect().await?;
        client.invoke::<()>("Subscribe", (subscription,)).await?;
        if (self.number / NEGOTIATED).is_multiple_of(PUBLISHING / NEGOTIATED) {
            publish(server, &resource).await?;
            client.next_invocation().await?;
        }
        if let Ending::CloseMessage = self.ending {
            client.close().await;
        }
        // Dropping the client closes the WebSocket.
        Ok(())
    }

    async fn end_during_handshake(self, address: &Address) -> io::Result<()> {
        let mut socket = address.connect_tcp().await?;
        socket.write_all(&HALF_A_HELLO).await?;
        match self.ending {
            Ending::Reset => socket.set_zero_linger(),
            Ending::Leave | Ending::CloseFrame | Ending::CloseMessage => Ok(()),
        }
    }
}

/// Opens a connection with a subscription that stays idle.
pub(crate) async fn open_idle(server: &Server, number: u64) -> io::Result<RawHub> {
    let subscription = subscription(&resource(number));
    subscribed(server, server.hub_path(), server.token(number), &subscription).await
}

async fn subscribed(server: &Server, path: &str, token: &str, subscription: &Value) -> io::Result<RawHub> {
    let mut hub = RawHub::connect(server.address(), path, token).await?;
    hub.call("Subscribe", &subscription.to_string()).await?;
    Ok(hub)
}

/// The resource that a connection subscribes to.
fn resource(number: u64) -> String {
    format!("bench-{}", number % RESOURCES)
}

fn subscription(resource: &str) -> Value {
    json!({
        "e": "portos.resources.changed",
        "r": [{ "n": "tickets", "a": ["created", "updated"] }, { "n": resource }],
    })
}

/// Gives the token of a negotiated connection.
async fn negotiate(server: &Server, token: &str) -> Result<String, SessionError> {
    let path = format!("{}/negotiate?negotiateVersion=1", server.hub_path());
    let authorization = format!("Authorization: Bearer {token}");
    let answer = http::post(server.address(), &path, &authorization, "").await?;
    let parsed: Option<Value> = serde_json::from_str(&answer).ok();
    let connection = parsed.as_ref().and_then(|answer| answer["connectionToken"].as_str());
    connection.map(str::to_owned).ok_or(SessionError::Negotiation(answer))
}

/// Publishes a change of a resource.
async fn publish(server: &Server, resource: &str) -> io::Result<()> {
    let notification = json!({
        "e": "portos.resources.changed",
        "p": {
            "u": { "u": "999", "d": "bench", "f": null },
            "n": resource,
            "a": 1,
            "i": { "i": "1", "n": resource, "v": 1 },
            "r": [{ "state": "open" }],
        },
    });
    let key = format!("X-API-Key: {API_KEY}");
    http::post(server.address(), "/api/v1/publish", &key, &notification.to_string()).await.map(drop)
}
