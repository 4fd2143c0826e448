//! `ConnectionCounts`: the numbers of connections and refusals, for metrics and readiness checks.

use std::sync::Arc;

use signalhub_counters::Observed;

use super::Registry;
use crate::close::CloseReason;
use crate::counts::client_errors::ClientError;
use crate::counts::lives::ConnectionStatus;
use crate::counts::negotiations::NegotiationOutcome;
use crate::counts::refusals::{ApplicationLimit, LimitRefusals};
use crate::counts::traffic::DeliveryOutcome;
use crate::transport_kind::TransportKind;

/// The numbers of connections of a running server, for metrics, and its readiness for a load balancer.
#[derive(Clone, Debug)]
pub struct ConnectionCounts(pub(crate) Arc<Registry>);

impl ConnectionCounts {
    /// The number of live connections: all but those that wait for their first transport.
    pub fn active(&self) -> usize {
        self.0.active()
    }

    /// The number of live connections that have lost their transport and wait for their client to reconnect.
    pub fn suspended(&self) -> usize {
        self.0.suspended()
    }

    /// How often a client has resumed its connection so far.
    pub fn resumed(&self) -> u64 {
        self.0.resumed()
    }

    /// How many connections have ended so far because their client did not reconnect in time.
    pub fn given_up(&self) -> u64 {
        self.0.given_up()
    }

    /// The number of negotiated connections that wait for their first transport.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// How many requests and sockets were refused so far, by limit.
    pub fn refusals(&self) -> LimitRefusals {
        self.0.refusals().so_far()
    }

    /// How many requests have failed so far for this error of their client.
    pub fn client_errors(&self, error: ClientError) -> u64 {
        self.0.client_errors().of(error)
    }

    /// Counts an error of a client that an application has found, in a page of its own.
    pub fn count_client_error(&self, error: ClientError) {
        self.0.client_errors().count(error, 1);
    }

    /// Counts a request or a command that an application has refused because of a limit of its own.
    pub fn count_refusal(&self, limit: ApplicationLimit) {
        self.0.refusals().count_of_application(limit);
    }

    /// The bytes that clients have sent so far over this transport.
    pub fn received_bytes(&self, kind: TransportKind) -> u64 {
        self.0.traffic().received(kind)
    }

    /// The bytes that were sent to clients so far over this transport.
    pub fn sent_bytes(&self, kind: TransportKind) -> u64 {
        self.0.traffic().sent(kind)
    }

    /// How many deliveries of events had this outcome so far.
    pub fn deliveries(&self, outcome: DeliveryOutcome) -> u64 {
        self.0.traffic().deliveries(outcome)
    }

    /// How long deliveries took from their publish until they were written, of those that were queued first. One of 64 is
    /// timed, and counts for all of them.
    pub fn queued_latency(&self) -> Observed {
        self.0.traffic().queued_latency()
    }

    /// The number of live connections of a transport.
    pub fn active_by_transport(&self, kind: TransportKind) -> usize {
        self.0.lives().active(kind)
    }

    /// How long connections of a transport were live that ended in this way.
    pub fn durations(&self, kind: TransportKind, status: ConnectionStatus) -> Observed {
        self.0.lives().durations(kind, status)
    }

    /// How many negotiations were answered in this way so far.
    pub fn negotiations(&self, outcome: NegotiationOutcome) -> u64 {
        self.0.negotiations().of(outcome)
    }

    /// The bytes that are queued for clients, within about a second.
    pub fn queued_bytes(&self) -> usize {
        self.0.queues().bytes()
    }

    /// The number of connections with more than a quarter of their [limit](crate::Endpoint::queue_limit) queued, within about
    /// a second.
    pub fn slow(&self) -> usize {
        self.0.queues().slow()
    }

    /// How late the tick of each second came. An overloaded server has late ticks.
    pub fn tick_lag(&self) -> Observed {
        self.0.lag()
    }

    /// How many connections have ended so far for this reason.
    pub fn ended(&self, reason: CloseReason) -> u64 {
        self.0.ends().of(reason)
    }

    /// Tells whether the server stops. A load balancer must not send it new clients then.
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
