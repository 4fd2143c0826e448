//! Decodes the messages of a client in place, and turns each into an [`Action`] of the session. Arguments of calls are bound
//! here.

use std::sync::Arc;

use signalhub_events::TraceParent;
use signalhub_protocol::{BindError, Close, DecodeError, Headers, HubMessage, Invocation, StreamItem};
use tokio::time::Instant;

use super::ending::{Ending, Fault};
use super::numbering::Novelty;
use super::pending::{CallKind, PendingCall};
use super::resumption::Resumption;
use super::running::RunningCalls;
use super::uploads::{Received, Unbound};
use crate::calls::binding::{Bindings, UploadSink};
use crate::calls::method::Method;
use crate::counters::CallError;
use crate::error::HubError;
use crate::panics;

/// What the session does after a message. It owns its data, so the input can be consumed.
pub(super) enum Action {
    /// The client sent a ping, which restarts its timeout.
    Ping,
    /// Nothing.
    Ignore,
    /// A call cannot be bound, and is answered with an error.
    Answer { id: Option<Arc<str>>, error: String },
    /// A call is bound and can start.
    Call(PendingCall),
    /// Reading is blocked until this upload has room.
    Block(Arc<dyn UploadSink>),
    /// The connection ends.
    End(Ending),
}

/// Decodes the first message of the input and handles it; returns how many bytes it had, or `None` while it is incomplete.
///
/// The first `searched` bytes are known not to contain its end.
pub(super) fn next(
    calls: &mut RunningCalls,
    resumption: Option<&mut Resumption>,
    input: &[u8],
    searched: usize,
) -> Option<(Action, usize)> {
    let limit = calls.state().options.maximum_receive_message_size;
    let too_long = |len: usize| limit.filter(|limit| len > *limit);
    match calls.client().protocol().decode_grown(input, searched) {
        Ok(None) => {
            let limit = too_long(input.len())?;
            Some((Action::End(Ending::Fault(Fault::too_long(limit))), 0))
        }
        Ok(Some((message, consumed))) => Some(match too_long(consumed) {
            Some(limit) => (Action::End(Ending::Fault(Fault::too_long(limit))), 0),
            None => (take(calls, resumption, message), consumed),
        }),
        Err(error) => Some((Action::End(Ending::Fault(Fault::from(error))), 0)),
    }
}

/// Handles a message, unless it was received before.
fn take(calls: &mut RunningCalls, resumption: Option<&mut Resumption>, message: HubMessage<'_>) -> Action {
    let Some(resumption) = resumption else { return interpret(calls, None, message) };
    if resumption.on_message(&message) == Novelty::Repeated {
        return Action::Ignore;
    }
    match message {
        HubMessage::Ack(through) => resumption.on_ack(through),
        HubMessage::Sequence(next) => {
            if let Err(gap) = resumption.on_sequence(next) {
                return Action::End(Ending::Fault(Fault::from(gap)));
            }
        }
        message => return interpret(calls, Some(resumption), message),
    }
    Action::Ignore
}

fn interpret(calls: &mut RunningCalls, resumption: Option<&mut Resumption>, message: HubMessage<'_>) -> Action {
    match message {
        HubMessage::Invocation(invocation) => bind(calls, &invocation, CallKind::Invocation),
        HubMessage::StreamInvocation(invocation) => bind(calls, &invocation, CallKind::StreamInvocation),
        HubMessage::StreamItem(item) => push(calls, resumption, &item),
        // A completion is offered to the client's uploads first, then to the calls that wait for the client.
        HubMessage::Completion(completion) => match calls.complete(completion) {
            Ok(()) => Action::Ignore,
            Err(fault) => Action::End(Ending::Fault(fault)),
        },
        HubMessage::CancelInvocation(cancel) => {
            calls.cancel(&cancel.invocation_id);
            Action::Ignore
        }
        HubMessage::Ping => Action::Ping,
        HubMessage::Close(Close { error, .. }) => {
            Action::End(Ending::ClientSaidClose { error: error.map(|text| text.as_ref().into()) })
        }
        // Without stateful reconnect, Ack and Sequence are ignored. A message of an unknown type is ignored, so that the
        // messages after it are still read.
        HubMessage::Ack(_) | HubMessage::Sequence(_) | HubMessage::Unknown(_) => Action::Ignore,
    }
}

/// Passes an item to its upload. An item without an upload is ignored, and excluded from the acknowledgements.
///
/// An empty id is a fault, except if the item does not convert to the type of its upload, as in the original.
fn push(calls: &mut RunningCalls, resumption: Option<&mut Resumption>, item: &StreamItem<'_>) -> Action {
    let received = calls.uploads().push(item);
    if let (Received::Unknown | Received::Refused { .. }, Some(resumption)) = (&received, resumption) {
        resumption.leave_out();
    }
    match &received {
        Received::Refused { method, cause: Unbound::Mismatch(reason) } => {
            warn_of_wrong_arguments(calls, method, &shorten(reason));
        }
        Received::Refused { method, cause: Unbound::Panicked } => {
            let error = HubError::panicked("the `Deserialize` of an item panicked");
            calls.state().log_failure(calls.client().id(), method, &error);
        }
        Received::Taken | Received::Full(_) | Received::Unknown => {}
    }
    match received {
        Received::Unknown if item.invocation_id.is_empty() => {
            Action::End(Ending::Fault(Fault::from(DecodeError::EmptyStreamId)))
        }
        Received::Taken | Received::Full(_) if item.invocation_id.is_empty() => {
            Action::End(Ending::Fault(Fault::from(DecodeError::Missing("invocationId"))))
        }
        Received::Full(upload) => Action::Block(upload),
        Received::Taken | Received::Unknown | Received::Refused { .. } => Action::Ignore,
    }
}

fn bind(calls: &mut RunningCalls, invocation: &Invocation<'_>, kind: CallKind) -> Action {
    // An empty id counts as none.
    let id: Option<Arc<str>> = invocation.invocation_id.as_deref().filter(|id| !id.is_empty()).map(Into::into);
    let Some(method) = calls.definition().methods.find(&invocation.target).cloned() else {
        let target = &invocation.target;
        let error =
            format!("Failed to invoke '{target}' due to an error on the server. HubException: Method does not exist.");
        calls.state().unknown_methods.count_error();
        calls.note(CallError::UnknownMethod, target, "the hub has no such method");
        return Action::Answer { id, error };
    };
    let target = match invocation.target_escaped {
        true => invocation.target.as_ref().into(),
        false => Arc::clone(method.name()),
    };
    if !calls.allows_call() {
        method.counts().count_refused();
        tracing::debug!(reason = "invocation_rate", method = &*target, "a call was refused");
        let error = format!("Failed to invoke '{target}' due to an error on the server. HubException: Too many calls.");
        return Action::Answer { id, error };
    }
    let options = &calls.state().options;
    let mut bindings =
        Bindings { capacity: options.stream_buffer_capacity, resume: calls.resume(), uploads: Vec::new() };
    let bound = panics::catch(|| {
        let bound = method.bind(&invocation.arguments, &mut bindings);
        bound.map_err(|error| refuse_arguments(calls, &method, &error))
    })
    .unwrap_or_else(|| {
        let error = HubError::panicked("the `Deserialize` of an argument panicked");
        calls.fail(method.name(), &error);
        Err(error)
    });
    match bound {
        Err(error) => {
            method.counts().count_error();
            let base = format!("Failed to invoke '{target}' due to an error on the server.");
            Action::Answer { id, error: error.text_for_client(&base, options.error_details) }
        }
        // In JSON, a missing id is a fault only if the call could be bound (HubProtocol, StreamInvocation).
        Ok(_) if kind == CallKind::StreamInvocation && id.is_none() => {
            Action::End(Ending::Fault(Fault::from(DecodeError::Missing("invocationId"))))
        }
        Ok(bound) => Action::Call(PendingCall {
            method,
            target,
            id,
            kind,
            stream_ids: invocation.stream_ids.iter().map(|id| id.as_ref().into()).collect(),
            uploads: bindings.uploads,
            bound,
            trace: trace(&invocation.headers),
        }),
    }
}

/// Reads the trace in the headers of a call, which clients in .NET 9 and newer send. One that is malformed is ignored.
fn trace(headers: &Headers<'_>) -> Option<TraceParent> {
    if headers.is_empty() {
        return None;
    }
    let (_, text) = headers.iter().find(|(name, _)| *name == "traceparent")?;
    TraceParent::from_traceparent(text.as_bytes())
}

/// Makes the error for arguments that cannot be bound. If the method describes what it expects, the error contains the reason.
/// Otherwise the reason is logged as a warning, because the client reads only that the call failed.
fn refuse_arguments(calls: &RunningCalls, method: &Method, error: &BindError) -> HubError {
    let reason = match error {
        BindError::Conversion { reason } => shorten(reason),
        other => other.to_string(),
    };
    let name = method.name();
    if let Some(usage) = method.usage() {
        calls.note(CallError::WrongArguments, name, &reason);
        return HubError::new(format!("expected {usage}: {reason}"));
    }
    warn_of_wrong_arguments(calls, name, &reason);
    HubError::internal(error.exception(), error)
}

/// Logs a warning that what a client sent cannot be bound to a method. Above a rate, the level is debug.
fn warn_of_wrong_arguments(calls: &RunningCalls, method: &str, reason: &str) {
    let error = CallError::WrongArguments;
    let Some(skipped) = calls.state().argument_warnings.admit(Instant::now()) else {
        return calls.note(error, method, reason);
    };
    calls.state().call_errors.count(error);
    let (label, id) = (error.label(), calls.client().id().for_log());
    tracing::warn!(
        reason = label,
        connection = id,
        method,
        detail = reason,
        skipped,
        "what a client sent does not fit the method"
    );
}

/// Shortens a reason, because it quotes what the client sent.
fn shorten(reason: &str) -> String {
    const MOST_CHARACTERS: usize = 200;
    match reason.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}
