//! What a client's message asks for. Arguments become typed here, while the input is still at hand.

use std::sync::Arc;

use signalhub_protocol::{Close, DecodeError, HubMessage, Invocation, Protocol};

use super::ending::{Ending, Fault};
use crate::ErrorDetails;
use crate::handler::BoundCall;
use crate::hub::HubCore;
use crate::method::Method;

/// What is to be done about one message; it owns all it needs.
pub(super) enum Action {
    /// The client is alive.
    Ping,
    /// Nothing.
    Ignore,
    /// A call could not even begin.
    Answer { id: Option<Arc<str>>, error: String },
    /// A method is called.
    Call(PendingCall),
    /// The connection ends.
    End(Ending),
}

/// A call whose arguments are typed and which has not begun.
pub(super) struct PendingCall {
    pub(super) method: Arc<Method>,
    /// The name for error texts: as registered, unless the client spelt it with escapes.
    pub(super) target: Arc<str>,
    /// `None` for a call that wants no answer.
    pub(super) id: Option<Arc<str>>,
    pub(super) kind: CallKind,
    /// How many streams the client says it will send.
    pub(super) streams: usize,
    pub(super) bound: BoundCall,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CallKind {
    Invocation,
    StreamInvocation,
}

/// Reads the first message of the input; `None` while it is incomplete.
pub(super) fn next(core: &HubCore, protocol: Protocol, input: &[u8], limit: Option<usize>) -> Option<(Action, usize)> {
    let too_long = |len: usize| limit.filter(|limit| len > *limit);
    match protocol.decode(input) {
        Ok(None) => {
            let limit = too_long(input.len())?;
            Some((Action::End(Ending::Fault(Fault::too_long(limit))), 0))
        }
        Ok(Some((message, consumed))) => Some(match too_long(consumed) {
            Some(limit) => (Action::End(Ending::Fault(Fault::too_long(limit))), 0),
            None => (interpret(core, message), consumed),
        }),
        Err(error) => Some((Action::End(Ending::Fault(Fault::from(error))), 0)),
    }
}

fn interpret(core: &HubCore, message: HubMessage<'_>) -> Action {
    match message {
        HubMessage::Invocation(invocation) => bind(core, &invocation, CallKind::Invocation),
        HubMessage::StreamInvocation(invocation) => bind(core, &invocation, CallKind::StreamInvocation),
        HubMessage::Ping => Action::Ping,
        HubMessage::Close(Close { error, .. }) => {
            Action::End(Ending::ClientSaidClose { error: error.map(|text| text.as_ref().into()) })
        }
        // Items, completions and cancellations of unknown streams mean nothing, nor do the counters of a connection
        // that cannot be resumed. A message of an unknown type must not harm what comes behind it.
        _ => Action::Ignore,
    }
}

fn bind(core: &HubCore, invocation: &Invocation<'_>, kind: CallKind) -> Action {
    // An empty id is as good as none.
    let id: Option<Arc<str>> = invocation.invocation_id.as_deref().filter(|id| !id.is_empty()).map(Into::into);
    let Some(method) = core.methods.find(&invocation.target) else {
        let target = &invocation.target;
        let error =
            format!("Failed to invoke '{target}' due to an error on the server. HubException: Method does not exist.");
        return Action::Answer { id, error };
    };
    let target = match invocation.target_escaped {
        true => invocation.target.as_ref().into(),
        false => Arc::clone(method.name()),
    };
    match method.bind(&invocation.arguments) {
        Err(error) => {
            let base = format!("Failed to invoke '{target}' due to an error on the server.");
            let error = match core.options.error_details {
                ErrorDetails::Hidden => base,
                ErrorDetails::Shown => format!("{base} {}: {error}", error.exception()),
            };
            Action::Answer { id, error }
        }
        // Only a call that could begin is asked for its id (HubProtocol, StreamInvocation).
        Ok(_) if kind == CallKind::StreamInvocation && id.is_none() => {
            Action::End(Ending::Fault(Fault::from(DecodeError::Missing("invocationId"))))
        }
        Ok(bound) => Action::Call(PendingCall {
            method: Arc::clone(method),
            target,
            id,
            kind,
            streams: invocation.stream_ids.len(),
            bound,
        }),
    }
}
