//! The options of a hub, named as the original's.

use std::time::Duration;

use signalhub_connections::Rate;

use crate::error::ErrorDetails;

/// The options of a hub (HubOptions), set with [`HubBuilder::configure`](crate::HubBuilder::configure). The defaults are
/// those of the original.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubOptions {
    /// The interval between the pings that a client is sent; checked once a second. Default: 15 s.
    pub keep_alive_interval: Duration,
    /// How long a client may send nothing before its connection ends. The timeout begins with the first ping of the client.
    /// Default: 30 s.
    pub client_timeout_interval: Duration,
    /// How long a client may take for its handshake, before its connection ends. Default: 15 s.
    pub handshake_timeout: Duration,
    /// The longest message of a client in bytes, including its framing; a longer one ends the connection. `None`: no limit.
    /// Default: 32 KiB.
    pub maximum_receive_message_size: Option<usize>,
    /// How many calls of one client run at the same time; further calls wait. 0 counts as 1. Default: 1.
    pub maximum_parallel_invocations_per_client: usize,
    /// How many items of a client's stream are buffered for its method. After one more item, no message of the client is read
    /// until the method takes an item. Default: 10.
    pub stream_buffer_capacity: usize,
    /// How many bytes of messages a client with stateful reconnect may leave unacknowledged before streams and answers wait
    /// for its acknowledgements. Its endpoint must
    /// [allow](signalhub_connections::Endpoint::allow_stateful_reconnects) stateful reconnect. Default: 100 000.
    pub stateful_reconnect_buffer_size: usize,
    /// How many streams one client may have open at the same time, in both directions together. A call that would open more
    /// is answered with an error. Default: 1 000.
    pub maximum_streams_per_client: usize,
    /// How many subscriptions one connection may have. A `Subscribe` that would exceed it is answered with an error.
    /// Default: 1 000.
    pub maximum_subscriptions_per_client: usize,
    /// How many bytes the names in the subscriptions of one connection may have together: of each subscription, the name of
    /// its event, and of its resource if it names one. Default: 128 KiB.
    pub maximum_subscription_bytes_per_client: usize,
    /// How many matching events one `Subscribe` with `since` replays. If a client has missed more, it gets none of them, and is told so.
    /// Default: 10 000.
    pub maximum_replayed_events: usize,
    /// How many events one `Subscribe` with `since` looks at, whether they match or not. If more came since the position of the client, it
    /// gets none of them, and is told so. Default: 1 000 000.
    pub maximum_scanned_events: usize,
    /// How often one client may call methods; calls above the rate are answered with an error. Default: no limit.
    pub invocation_rate: Option<Rate>,
    /// Whether the invocations of `OnEvent` have the header `traceparent`, for events with a [trace](signalhub_events::Event::trace).
    /// Default: they do not.
    pub trace_header: TraceHeader,
    /// How long a call waits for the result of a client that is connected to another server of the cluster. Default: 30 s.
    pub remote_result_timeout: Duration,
    /// How long [`Groups::add`](crate::Groups::add) and [`Groups::remove`](crate::Groups::remove) wait for the server that has the
    /// connection, in a cluster. Default: 30 s.
    pub group_command_timeout: Duration,
    /// How long running calls may continue when the server stops, before their connections end. Default: 3 s.
    pub shutdown_grace: Duration,
    /// Whether clients get a Close message when the server stops. Default: they do not.
    pub shutdown_message: ShutdownMessage,
    /// Whether clients get the texts of internal failures (`EnableDetailedErrors`). Default: they do not.
    pub error_details: ErrorDetails,
}

/// Whether clients get a Close message when the server stops, before their connections end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShutdownMessage {
    /// No Close message. Clients with automatic reconnect treat the end as a network failure and reconnect.
    #[default]
    Omitted,
    /// A Close message with `allowReconnect`, for clients that need one. Old clients, such as @microsoft/signalr 3.0, do not
    /// reconnect after any Close message.
    Close,
}

/// Whether clients get the trace of an event, in the header `traceparent` of its invocation (HubProtocol, Message Headers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceHeader {
    /// They do not: the original never sends headers.
    #[default]
    Omitted,
    /// They do. Official clients ignore it.
    Sent,
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
            maximum_replayed_events: 10_000,
            maximum_scanned_events: 1_000_000,
            invocation_rate: None,
            trace_header: TraceHeader::Omitted,
            remote_result_timeout: Duration::from_secs(30),
            group_command_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(3),
            shutdown_message: ShutdownMessage::Omitted,
            error_details: ErrorDetails::Hidden,
        }
    }
}
