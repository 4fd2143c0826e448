//! The error type of hub methods.

use std::fmt;

use signalhub_protocol::BindError;

use crate::counters::CallError;

/// The error of a hub method or hook.
///
/// Its kind decides what the client reads: the text of [`HubError::new`] always, the text of
/// [`HubError::internal`] only from a hub with detailed errors (HubOptions, `EnableDetailedErrors`).
#[derive(Debug)]
pub struct HubError {
    kind: Kind,
    text: String,
}

#[derive(Debug)]
enum Kind {
    /// The original's `HubException`.
    Refused,
    /// As [`Self::Refused`], because of the limit with this name in metrics. What checks the limit has counted it.
    OverLimit(&'static str),
    /// Any other exception, by its name.
    Internal(&'static str),
    /// A client has gone. Clients read it as an internal failure, but the server did not fail.
    Disconnected,
}

impl HubError {
    /// Refuses a call with a text that is always shown to the client, as the original's `HubException`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, text: text.into() }
    }

    /// Reports an internal failure; `kind` and text reach only clients of hubs with detailed errors.
    ///
    /// In the original's texts the kind is the name of an exception's type, as `InvalidOperationException`.
    pub fn internal(kind: &'static str, source: impl fmt::Display) -> Self {
        Self { kind: Kind::Internal(kind), text: source.to_string() }
    }

    /// What a call is answered when the application's code panics.
    pub(crate) fn panicked(what: impl fmt::Display) -> Self {
        Self::internal("Panic", what)
    }

    /// The failure of a call because a client has gone.
    pub(crate) fn disconnected(source: impl fmt::Display) -> Self {
        Self { kind: Kind::Disconnected, text: source.to_string() }
    }

    /// Refuses a call that would exceed a limit of the hub, with a text that is shown to the client. The caller counts it.
    pub(crate) fn over_limit(limit: &'static str, text: impl Into<String>) -> Self {
        Self { kind: Kind::OverLimit(limit), text: text.into() }
    }

    /// The name of the limit that the call would have exceeded.
    pub(crate) fn exceeded_limit(&self) -> Option<&'static str> {
        match self.kind {
            Kind::OverLimit(limit) => Some(limit),
            _ => None,
        }
    }

    /// The kind that was given to [`HubError::internal`]: the failure of the server that its log must show.
    pub(crate) fn server_failure(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Internal(kind) => Some(kind),
            Kind::Refused | Kind::OverLimit(_) | Kind::Disconnected => None,
        }
    }

    /// The name of the exception that the original would throw, such as `HubException`.
    pub fn exception(&self) -> &'static str {
        match self.kind {
            Kind::Refused | Kind::OverLimit(_) => "HubException",
            Kind::Internal(kind) => kind,
            Kind::Disconnected => "IOException",
        }
    }

    /// The category under which a failed call is counted.
    pub(crate) fn call_error(&self) -> CallError {
        match self.kind {
            Kind::Refused | Kind::OverLimit(_) => CallError::CallRefused,
            Kind::Internal(_) | Kind::Disconnected => CallError::CallFailed,
        }
    }

    /// The text that the client gets: the base text, followed by the text of the error if the client may see it.
    pub(crate) fn text_for_client(&self, base: &str, details: ErrorDetails) -> String {
        match (&self.kind, details) {
            (Kind::Refused | Kind::OverLimit(_), _) => format!("{base} HubException: {}", self.text),
            (Kind::Internal(kind), ErrorDetails::Shown) => format!("{base} {kind}: {}", self.text),
            (Kind::Disconnected, ErrorDetails::Shown) => format!("{base} IOException: {}", self.text),
            (Kind::Internal(_) | Kind::Disconnected, ErrorDetails::Hidden) => base.to_owned(),
        }
    }
}

impl From<BindError> for HubError {
    fn from(error: BindError) -> Self {
        Self::internal(error.exception(), error)
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for HubError {}

/// Whether clients get the texts of internal failures (HubOptions, `EnableDetailedErrors`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorDetails {
    /// Clients get a general text. This is the default.
    #[default]
    Hidden,
    /// Clients get the kind and the text of the failure.
    Shown,
}
