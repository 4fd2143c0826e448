//! How much time a client has for its requests.

use std::time::Duration;

/// How much time a client has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// For the head of a request.
    pub(crate) header: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// How long it may take nothing of an answer.
    pub(crate) send: Duration,
}

/// What a client took too long with, or why it has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overdue {
    #[error("the head of a request did not arrive in time")]
    Head,
    #[error("no request came in time")]
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
