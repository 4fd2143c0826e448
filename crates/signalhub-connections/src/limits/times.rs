//! The times that a client may take for its requests.

use std::time::Duration;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// To send the head of a request.
    pub(crate) header: Duration,
    /// Until it sends another request.
    pub(crate) idle: Duration,
    /// Without reading any more of a response.
    pub(crate) send: Duration,
}

/// What a client took too long for, or why its socket is closed otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overdue {
    #[error("the head of a request did not arrive in time")]
    Head,
    #[error("no request arrived in time")]
    Request,
    #[error("the body of a request did not arrive in time")]
    Body,
    #[error("an answer was not read in time")]
    Answer,
    #[error("file descriptors ran short, and no other socket had been without a request for longer")]
    Evicted,
}

impl Overdue {
    /// A short name for metrics and logs.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Head => "header_timeout",
            Self::Request => "idle_timeout",
            Self::Body => "body_timeout",
            Self::Answer => "send_timeout",
            Self::Evicted => "idle_socket",
        }
    }
}
