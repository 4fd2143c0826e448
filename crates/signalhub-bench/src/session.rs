//! One connection from its beginning to its end.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use signalhub_client::{Client, ConnectError, Disconnected, InvokeError};
use tokio::time::timeout;

use crate::http;
use crate::raw_hub::RawHub;
use crate::server::{API_KEY, Server};

/// Each so-manieth connection negotiates first.
const NEGOTIATED: u64 = 10;

/// Each so-manieth connection that can publishes, and waits for its own event.
const PUBLISHING: u64 = 50;

/// So many names of resources are shared by all connections.
const RESOURCES: u64 = 64;

/// Nothing takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a connection does.
#[derive(Debug)]
pub(crate) struct Session {
    number: u64,
    farewell: Farewell,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
enum Farewell {
    /// A Close message of the hub protocol, then a close frame.
    CloseMessage,
    /// A close frame alone.
    CloseFrame,
    /// The socket ends.
    Leave,
    /// The socket breaks.
    Reset,
}

/// Tells why a connection was not what it should be.
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
    #[error("a connection took longer than {} s", PATIENCE.as_secs())]
    TooLong,
}

impl Session {
    /// Makes the session of a number: neighbours end differently.
    pub(crate) fn numbered(number: u64) -> Self {
        use Farewell::{CloseFrame, CloseMessage, Leave, Reset};
        let farewells = [CloseFrame, CloseMessage, Leave, CloseFrame, CloseMessage, Reset];
        // Divided first, so that each way of connecting meets each way of ending.
        let turn = (number + number / NEGOTIATED) % farewells.len() as u64;
        Self { number, farewell: farewells[turn as usize] }
    }

    /// Runs it to its end.
    pub(crate) async fn run(self, server: &Server) -> Result<(), SessionError> {
        timeout(PATIENCE, self.live(server)).await.map_err(|_| SessionError::TooLong)?
    }

    async fn live(self, server: &Server) -> Result<(), SessionError> {
        let token = server.token(self.number);
        let mut path = server.hub_path().to_owned();
        if self.number.is_multiple_of(NEGOTIATED) {
            path = format!("{path}?id={}", negotiate(server, token).await?);
        }
        let resource = format!("bench-{}", self.number % RESOURCES);
        let subscription = json!({
            "e": "portos.resources.changed",
            "r": [{ "n": "tickets", "a": ["created", "updated"] }, { "n": resource }],
        });
        if let Farewell::Leave | Farewell::Reset = self.farewell {
            let mut hub = RawHub::connect(server.address(), &path, token).await?;
            hub.call("Subscribe", &subscription.to_string()).await?;
            match self.farewell {
                Farewell::Reset => hub.reset()?,
                Farewell::Leave | Farewell::CloseFrame | Farewell::CloseMessage => hub.leave(),
            }
            return Ok(());
        }
        let client = Client::connect(&format!("http://{}{path}", server.address()), Some(token)).await?;
        client.invoke::<()>("Subscribe", (subscription,)).await?;
        if (self.number / NEGOTIATED).is_multiple_of(PUBLISHING / NEGOTIATED) {
            publish(server, &resource).await?;
            client.next_invocation().await?;
        }
        if let Farewell::CloseMessage = self.farewell {
            client.close().await;
        }
        // Dropping the client closes the WebSocket.
        Ok(())
    }
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
