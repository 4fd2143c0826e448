//! What a transport can bring to its connection.

use crate::close::CloseReason;

/// What [`Connection::receive`](crate::Connection::receive) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// The input has grown.
    Bytes,
    /// A second has passed: time to look at pings and timeouts. Some can be [spared](crate::Connection::spare_ticks).
    Tick,
    /// The server stops: finish what runs, and close with [`CloseReason::ServerShutdown`].
    Drain,
    /// The application wants the connection to end, by [`Outbound::abort`](crate::Outbound::abort).
    Aborted,
    /// The credentials have expired, on an endpoint that closes then.
    Expired,
    /// The client has brought new credentials: the [identity](crate::Connection::identity) is another one, of the same user and
    /// organisation.
    Renewed,
    /// There is a new transport, on a [resumable](crate::Connection::is_resumable) connection. What came in over the old one and was
    /// not consumed is gone, for the client says it again. Nothing is written before [`Outbound::resume`](crate::Outbound::resume).
    Reconnected,
    /// The transport has ended, or somebody ended the connection.
    Ended(CloseReason),
}
