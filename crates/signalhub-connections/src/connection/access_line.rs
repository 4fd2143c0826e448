//! The line of the access log about a connection that has ended.

use tracing::field;

use super::Connection;
use crate::close::CloseReason;
use crate::registry::Registration;

/// The target of the lines, which a server logs only if it is asked to.
const ACCESS: &str = "signalhub::access";

/// What is remembered for the line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AccessLine {
    /// What the handler calls the protocol of the client.
    pub(super) protocol: Option<&'static str>,
}

impl AccessLine {
    /// Logs the end of the connection.
    pub(super) fn end(&self, connection: &Connection, registration: &Registration) {
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
            seconds = (registration.since().elapsed().as_secs_f64() * 10.0).round() / 10.0,
            reason = reason.label(),
            received = traffic.received,
            sent = traffic.sent,
            deliveries = traffic.deliveries,
            "connection ended"
        );
    }
}
