//! Errors of clients in their requests, and how often each occurred.

use std::sync::atomic::{AtomicU64, Ordering};

/// Defines the errors, their labels and the list of all of them.
macro_rules! client_errors {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $label:literal, )+) => {
        /// An error of a client for which a request failed. [`LimitRefusals`](crate::LimitRefusals) counts refusals for
        /// limits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ClientError {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl ClientError {
            /// All errors.
            pub const ALL: [Self; [$($label),+].len()] = [$( Self::$variant, )+];

            /// A short name for metrics and logs.
            pub fn label(self) -> &'static str {
                match self {
                    $( Self::$variant => $label, )+
                }
            }
        }
    };
}

client_errors! {
    /// 401: the request has no credentials.
    MissingCredentials = "missing_credentials",
    /// 401: the credentials have expired.
    ExpiredCredentials = "expired_credentials",
    /// 401: the credentials are not valid.
    InvalidCredentials = "invalid_credentials",
    /// 401: the credentials were revoked.
    RevokedCredentials = "revoked_credentials",
    /// 403: the credentials are valid, but a policy does not admit them.
    Forbidden = "forbidden",
    /// A negotiation requested a version that is not supported.
    InvalidNegotiation = "invalid_negotiation",
    /// A connection was negotiated, and its client did not attach a transport in time.
    NegotiationExpired = "negotiation_expired",
    /// A client got a ticket and did not use it in time.
    TicketExpired = "ticket_expired",
    /// 400: the request has no id of a connection.
    MissingConnectionId = "missing_connection_id",
    /// 404: there is no connection with this id, or it belongs to another client.
    UnknownConnection = "unknown_connection",
    /// 404: the endpoint does not offer the transport.
    TransportNotOffered = "transport_not_offered",
    /// 400 or 405: the connection has another transport.
    OtherTransport = "other_transport",
    /// 409: the connection already has its transport.
    AlreadyConnected = "already_connected",
    /// 405: the path does not accept this method.
    MethodNotAllowed = "method_not_allowed",
    /// 404: there is nothing at this path.
    UnknownPath = "unknown_path",
    /// The body of a request ended early or is malformed.
    BrokenBody = "broken_body",
    /// 400: the body is whole, and not what the page expects.
    InvalidBody = "invalid_body",
    /// A message of a client is not a command that its connection accepts.
    InvalidCommand = "invalid_command",
    /// 415: the body has another `Content-Type` than the page accepts.
    UnsupportedMediaType = "unsupported_media_type",
    /// 415: the body has a `Content-Encoding`.
    UnsupportedEncoding = "unsupported_encoding",
    /// 400: the request is not valid HTTP.
    MalformedRequest = "malformed_request",
    /// 421: the request is for a host that is not served.
    ForeignHost = "foreign_host",
    /// The client left in the middle of a request.
    IncompleteRequest = "incomplete_request",
}

/// Counts the errors of clients.
#[derive(Debug, Default)]
pub(crate) struct ClientErrorCounts([AtomicU64; ClientError::ALL.len()]);

impl ClientErrorCounts {
    /// Counts errors. The caller logs them.
    pub(crate) fn count(&self, error: ClientError, times: u64) {
        self.0[error as usize].fetch_add(times, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, error: ClientError) -> u64 {
        self.0[error as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_a_count_and_a_label_of_its_own() {
        let counts = ClientErrorCounts::default();
        for (index, error) in ClientError::ALL.into_iter().enumerate() {
            counts.count(error, 1);
            assert_eq!(counts.of(error), 1, "{error:?}");
            assert_eq!(ClientError::ALL.map(|error| counts.of(error)).iter().sum::<u64>(), 1 + index as u64);
            let namesakes = ClientError::ALL.iter().filter(|other| other.label() == error.label());
            assert_eq!(namesakes.count(), 1, "{error:?}");
        }
    }
}
