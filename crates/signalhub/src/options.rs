//! The settings of a hub, named as the original's.

use std::time::Duration;

use crate::error::ErrorDetails;
use crate::rate::Rate;

/// The settings of a hub (HubOptions); the defaults are the original's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubOptions {
    /// How often a silent connection is pinged; looked at once a second. 15 s.
    pub keep_alive_interval: Duration,
    /// How long a client that has pinged once may then be silent. 30 s.
    pub client_timeout_interval: Duration,
    /// How long a client may take for its handshake. 15 s.
    pub handshake_timeout: Duration,
    /// The longest message of a client in bytes, its framing included. 32 KiB; `None` is no limit.
    pub maximum_receive_message_size: Option<usize>,
    /// How many calls of one client run side by side; the next one waits. 1.
    pub maximum_parallel_invocations_per_client: usize,
    /// How many items of a client's stream may wait for their method; one more holds the client up. 10.
    pub stream_buffer_capacity: usize,
    /// How many bytes of messages a client may leave unconfirmed, before its streams and its answers wait for it; for
    /// clients with stateful reconnect. 100 000.
    pub stateful_reconnect_buffer_size: usize,
    /// How many streams one client may have open at once, in both directions; a further one is refused. 1 000.
    pub maximum_streams_per_client: usize,
    /// How many subscriptions one connection may have; a further one is refused. 1 000.
    pub maximum_subscriptions_per_client: usize,
    /// How many bytes the names in the subscriptions of one connection may have together; of each count its event, and its
    /// resource if it has one. 128 KiB.
    pub maximum_subscription_bytes_per_client: usize,
    /// How many calls one client may make; what is above is refused. No limit.
    pub invocation_rate: Option<Rate>,
    /// How long running calls may go on when the server stops, before their client is sent away. 3 s.
    pub shutdown_grace: Duration,
    /// Whether clients read a Close message when the server stops. Omitted.
    pub shutdown_message: ShutdownMessage,
    /// Whether clients read the texts of internal failures. Hidden.
    pub error_details: ErrorDetails,
}

/// Whether a server that stops tells its clients by a Close message, before their connections end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShutdownMessage {
    /// It does not. Clients with automatic reconnect take the end for a failure of the network and come back.
    #[default]
    Omitted,
    /// It sends a Close message with `allowReconnect`, for clients that wait for one. Old clients, such as @microsoft/signalr
    /// 3.0, do not come back after any Close message.
    Close,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            keep_alive_interval: Duration::from_secs(15),
            client_timeout_interval: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(15),
            maximum_receive_message_size: Some(32 * 1024),
            maximum_parallel_invocations_per_client: 1,
            stream_buffer_capacity: 10,
            stateful_reconnect_buffer_size: 100_000,
            maximum_streams_per_client: 1000,
            maximum_subscriptions_per_client: 1000,
            maximum_subscription_bytes_per_client: 128 * 1024,
            invocation_rate: None,
            shutdown_grace: Duration::from_secs(3),
            shutdown_message: ShutdownMessage::Omitted,
            error_details: ErrorDetails::Hidden,
        }
    }
}
