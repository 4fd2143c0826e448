//! The line of the access log about a connection that has ended.

use tokio::time::Instant;
use tracing::field;

use super::Connection;
use crate::close::CloseReason;

/// The target of the lines, which a server logs only if it is asked to.
const ACCESS: &str = "signalhub::access";

/// What is remembered for the line.
#[derive(Debug, Clone, Copy)]
pub(super) struct AccessLine {
    begun: Instant,
    /// What the handler calls the protocol of the client.
    pub(super) protocol: Option<&'static str>,
}

impl AccessLine {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), protocol: None }
    }

    /// Logs the end of the connection.
    pub(super) fn end(&self, connection: &Connection) {
        if !tracing::enabled!(target: ACCESS, tracing::Level::INFO) {
            return;
        }
        let (identity, traffic) = (connection.identity(), connection.outbound().traffic());
        // A connection without a reason was dropped by its handler.
        let reason = connection.send_queue.ended().unwrap_or(CloseReason::HandlerFailed);
        tracing::info!(
            target: ACCESS,
            connection = connection.id.for_log(),
            user = identity.user.as_deref(),
            organisation = identity.organisation.as_deref(),
            transport = connection.transport_kind().label(),
            protocol = self.protocol,
            address = connection.remote.map(field::display),
            seconds = (self.begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            reason = reason.label(),
            received = traffic.received,
            sent = traffic.sent,
            deliveries = traffic.deliveries,
            "connection ended"
        );
    }
}
