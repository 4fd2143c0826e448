//! The numbers of connections, as the application reads them.

use std::sync::Arc;

use super::Registry;
use crate::close::CloseReason;
use crate::counts::client_errors::ClientError;
use crate::counts::refusals::LimitRefusals;

/// Counts the connections of a running server.
#[derive(Clone, Debug)]
pub struct ConnectionCounts(pub(crate) Arc<Registry>);

impl ConnectionCounts {
    /// Connections that are live: all but those that wait for their first transport.
    pub fn active(&self) -> usize {
        self.0.active()
    }

    /// Those of them that have lost their transport and wait for their client to come back.
    pub fn suspended(&self) -> usize {
        self.0.suspended()
    }

    /// How often a client has come back to its connection so far, with a new transport.
    pub fn resumed(&self) -> u64 {
        self.0.resumed()
    }

    /// How many connections have ended so far while they waited for their client to come back.
    pub fn given_up(&self) -> u64 {
        self.0.given_up()
    }

    /// Negotiated connections that wait for a transport.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// What was refused so far.
    pub fn refusals(&self) -> LimitRefusals {
        self.0.refusals().so_far()
    }

    /// How many requests so far failed for what their clients did wrong.
    pub fn client_errors(&self, error: ClientError) -> u64 {
        self.0.client_errors().of(error)
    }

    /// How many live connections have ended so far for this reason.
    pub fn ended(&self, reason: CloseReason) -> u64 {
        self.0.ends().of(reason)
    }

    /// Tells whether the server stops, so that it is not to be sent new clients.
    pub fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    /// Waits until the server stops.
    pub async fn draining(&self) {
        self.0.draining().await;
    }

    /// Waits until no connection is live.
    pub async fn emptied(&self) {
        self.0.emptied().await;
    }
}
