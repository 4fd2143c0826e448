//! How calls end, and the Completion messages that answer them.

use std::sync::Arc;

use signalhub_protocol::{Completion, HubMessage, Outcome};

use crate::calls::handler::CallResult;
use crate::clients::client::Client;
use crate::counters::CallError;
use crate::error::{ErrorDetails, HubError};

/// What the session learns when it polls its calls.
pub(super) enum CallDone {
    /// A call has ended; its answer was sent, unless the client wants none.
    Answered,
    /// A call has ended with an error, which was sent to the client unless it wants no answer.
    Failed(CallError),
    /// No call has ended, but a slot may be free or an upload may have room, so reading may continue.
    Resumed,
    /// `on_connected` succeeded.
    Connected,
    /// `on_connected` failed.
    Refused(HubError),
    /// The result of a call cannot be serialised, which ends the connection.
    Unserialisable(String),
}

/// Answers a call; a call without an id gets no answer.
pub(super) fn answer(
    client: &Client,
    id: &Option<Arc<str>>,
    target: &str,
    result: CallResult,
    details: ErrorDetails,
) -> CallDone {
    if let CallResult::Failed(error) = &result {
        error.call_error().log(target, error);
    }
    match (result, id) {
        (CallResult::Unserialisable(error), _) => return CallDone::Unserialisable(error.to_string()),
        (CallResult::Value(encoded), Some(id)) => {
            let outcome = Outcome::Result(client.protocol().value(&encoded));
            client.send(&HubMessage::Completion(Completion::new(id.as_ref(), outcome)));
        }
        (CallResult::Failed(error), id) => {
            let base = format!("An unexpected error occurred invoking '{target}' on the server.");
            complete_with_error(client, id, error.text_for_client(&base, details));
            return CallDone::Failed(error.call_error());
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
