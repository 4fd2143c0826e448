//! The limits for which a server refuses a connection, a socket or a request.

use http::StatusCode;

use super::quota::QuotaExceeded;

/// The limit that a refused connection, socket or request exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Draining,
    Negotiations,
    NegotiationsPerUser,
    NegotiationsPerAddress,
    Connections,
    PerUser,
    PerAddress,
    SocketsPerAddress,
    Descriptors,
    HeadSize,
    Guesses,
    ForeignOrigin,
}

impl Limit {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Draining | Self::Negotiations | Self::Connections | Self::Descriptors => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NegotiationsPerUser
            | Self::NegotiationsPerAddress
            | Self::PerUser
            | Self::PerAddress
            | Self::SocketsPerAddress
            | Self::Guesses => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadSize => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
        }
    }

    pub(crate) fn of_negotiations(exceeded: QuotaExceeded) -> Self {
        match exceeded {
            QuotaExceeded::User => Self::NegotiationsPerUser,
            QuotaExceeded::Address => Self::NegotiationsPerAddress,
        }
    }

    pub(crate) fn of_connections(exceeded: QuotaExceeded) -> Self {
        match exceeded {
            QuotaExceeded::User => Self::PerUser,
            QuotaExceeded::Address => Self::PerAddress,
        }
    }

    /// A short name for metrics and logs.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Negotiations => "pending_negotiations",
            Self::NegotiationsPerUser => "pending_negotiations_per_user",
            Self::NegotiationsPerAddress => "pending_negotiations_per_address",
            Self::Connections => "connections",
            Self::PerUser => "connections_per_user",
            Self::PerAddress => "connections_per_address",
            Self::SocketsPerAddress => "sockets_per_address",
            Self::Descriptors => "file_descriptors",
            Self::HeadSize => "head_size",
            Self::Guesses => "failed_authentications",
            Self::ForeignOrigin => "foreign_origin",
        }
    }
}
