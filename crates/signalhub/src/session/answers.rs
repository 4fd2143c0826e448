//! What a client is told about its calls.

use std::sync::Arc;

use signalhub_protocol::{Completion, HubMessage, Outcome};

use super::running::CallDone;
use crate::ErrorDetails;
use crate::calls::handler::CallResult;
use crate::clients::client::Client;

impl Client {
    /// Answers a call; a call without an id gets no answer.
    pub(super) fn answer(
        &self,
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
                let outcome = Outcome::Result(self.protocol().value(&encoded));
                self.send(&HubMessage::Completion(Completion::new(id.as_ref(), outcome)));
            }
            (CallResult::Failed(error), id) => {
                let base = format!("An unexpected error occurred invoking '{target}' on the server.");
                self.complete_with_error(id, error.tell(&base, details));
                return CallDone::Failed(error.call_error());
            }
            (_, None) => {}
        }
        CallDone::Answered
    }

    /// Answers a call with an error; a call without an id gets no answer.
    pub(super) fn complete_with_error(&self, id: &Option<Arc<str>>, error: String) {
        if let Some(id) = id {
            self.send(&HubMessage::Completion(Completion::new(id.as_ref(), Outcome::Error(error.into()))));
        }
    }

    /// Ends a stream without an error.
    pub(super) fn complete_stream(&self, id: &str) {
        self.send(&HubMessage::Completion(Completion::new(id, Outcome::Void)));
    }
}
