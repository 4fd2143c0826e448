//! The transports of SignalR, and which of them an endpoint offers.

/// A way in which a connection's bytes travel over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// One WebSocket in both directions.
    WebSockets,
    /// An event stream out, POSTs in.
    ServerSentEvents,
    /// Polls out, POSTs in.
    LongPolling,
}

impl TransportKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::WebSockets, Self::ServerSentEvents, Self::LongPolling];

    /// The name in negotiate's answer and in error texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSockets => "WebSockets",
            Self::ServerSentEvents => "ServerSentEvents",
            Self::LongPolling => "LongPolling",
        }
    }

    /// A short name for metrics and logs, as OpenTelemetry's conventions spell it.
    pub fn label(self) -> &'static str {
        match self {
            Self::WebSockets => "web_sockets",
            Self::ServerSentEvents => "server_sent_events",
            Self::LongPolling => "long_polling",
        }
    }
}

/// A set of transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transports(u8);

impl Transports {
    /// No transport at all.
    pub const NONE: Self = Self(0);
    /// WebSockets alone.
    pub const WEB_SOCKETS: Self = Self::NONE.and(TransportKind::WebSockets);

    /// Every transport.
    pub const ALL: Self = Self::WEB_SOCKETS.and(TransportKind::ServerSentEvents).and(TransportKind::LongPolling);

    /// The set with one more.
    #[must_use]
    pub const fn and(self, kind: TransportKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Tells whether a transport is in the set.
    pub const fn contains(self, kind: TransportKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// The transports of the set in the order in which clients try them.
    pub fn offered(self) -> impl Iterator<Item = TransportKind> {
        TransportKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}
