//! How calls end, and the Completion messages that answer them.

use std::fmt;
use std::sync::Arc;

use signalhub_protocol::{Completion, HubMessage, Outcome};

use crate::calls::handler::CallResult;
use crate::clients::client::Client;
use crate::error::{ErrorDetails, HubError};
use crate::method_counts::CallOutcome;

/// What the session learns when it polls its calls.
pub(super) enum CallDone {
    /// A call has ended; its answer was sent, unless the client wants none.
    Answered,
    /// A call has ended with an error, which was sent to the client unless it wants no answer.
    Failed(Box<Failure>),
    /// No call has ended, but a slot may be free or an upload may have room, so reading may continue.
    Resumed,
    /// `on_connected` succeeded.
    Connected,
    /// `on_connected` failed.
    Refused(HubError),
    /// The result of a call cannot be serialised, which ends the connection.
    Unserialisable(Box<Failure>),
}

impl CallDone {
    /// How the call ended, for the counters of its method.
    pub(super) fn outcome(&self) -> CallOutcome {
        match self {
            Self::Answered | Self::Resumed | Self::Connected => CallOutcome::Ok,
            Self::Failed(failure) if failure.error.exceeded_limit().is_some() => CallOutcome::Refused,
            Self::Failed(_) | Self::Refused(_) | Self::Unserialisable(_) => CallOutcome::Error,
        }
    }
}

/// Why a call failed, for the log and the counters.
pub(super) struct Failure {
    pub(super) method: Arc<str>,
    pub(super) error: HubError,
}

impl Failure {
    pub(super) fn new(method: &Arc<str>, error: HubError) -> Box<Self> {
        Box::new(Self { method: Arc::clone(method), error })
    }

    /// A result or an item of the method cannot be serialised.
    pub(super) fn unserialisable(method: &Arc<str>, error: impl fmt::Display) -> Box<Self> {
        Self::new(method, HubError::internal("SerializationException", error))
    }
}

/// Answers a call; a call without an id gets no answer.
pub(super) fn answer(
    client: &Client,
    id: &Option<Arc<str>>,
    target: &Arc<str>,
    result: CallResult,
    details: ErrorDetails,
) -> CallDone {
    match (result, id) {
        (CallResult::Unserialisable(error), _) => {
            return CallDone::Unserialisable(Failure::unserialisable(target, error));
        }
        (CallResult::Value(encoded), Some(id)) => {
            let outcome = Outcome::Result(client.protocol().value(&encoded));
            client.send(&HubMessage::Completion(Completion::new(id.as_ref(), outcome)));
        }
        (CallResult::Failed(error), id) => {
            let base = format!("An unexpected error occurred invoking '{target}' on the server.");
            complete_with_error(client, id, error.text_for_client(&base, details));
            return CallDone::Failed(Failure::new(target, error));
        }
        (_, None) => {}
    }
    CallDone::Answered
}

/// Answers a call with an error; a call without an id gets no answer.
pub(super) fn complete_with_error(client: &Client, id: &Option<Arc<str>>, error: String) {
    if let Some(id) = id {
        client.send(&HubMessage::Completion(Completion::new(id.as_ref(), Outcome::Error(error.into()))));
    }
}

/// Completes a stream without an error.
pub(super) fn complete_stream(client: &Client, id: &str) {
    client.send(&HubMessage::Completion(Completion::new(id, Outcome::Void)));
}
