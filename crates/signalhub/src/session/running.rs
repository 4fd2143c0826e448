//! The calls of one client that are running.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use signalhub_connections::BoxFuture;
use signalhub_protocol::{Completion, HubMessage, Outcome};

use super::inbound::{CallKind, PendingCall};
use crate::HubError;
use crate::client::Client;
use crate::extract::{Call, WantsResult};
use crate::handler::CallResult;
use crate::hub::HubCore;
use crate::method::Method;

/// How a running call ended for the session.
pub(super) enum CallDone {
    /// What there was to say to the client was said.
    Answered,
    /// `on_connected` went well.
    Connected,
    /// `on_connected` failed.
    Refused(HubError),
    /// The result of a call cannot be sent, which ends the connection.
    Unserialisable(String),
}

/// The running calls. They live in the session's task: a call costs no task of its own.
pub(super) struct RunningCalls {
    core: Arc<HubCore>,
    client: Arc<Client>,
    running: FuturesUnordered<BoxFuture<CallDone>>,
}

impl RunningCalls {
    pub(super) fn new(core: Arc<HubCore>, client: Arc<Client>) -> Self {
        Self { core, client, running: FuturesUnordered::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Tells whether a further call may begin beside those that run.
    pub(super) fn has_slot(&self) -> bool {
        self.running.len() < self.core.options.maximum_parallel_invocations_per_client
    }

    pub(super) async fn next(&mut self) -> Option<CallDone> {
        self.running.next().await
    }

    pub(super) fn start_on_connected(&mut self, method: &Method) -> Option<CallDone> {
        let future = guard((method.bind_nothing())(self.call(WantsResult::No)));
        self.run(Box::pin(async move {
            match future.await {
                CallResult::Failed(error) => CallDone::Refused(error),
                CallResult::Value(_) | CallResult::Unserialisable(_) => CallDone::Connected,
            }
        }))
    }

    /// Begins a call, or answers at once why it may not begin.
    pub(super) fn start(&mut self, pending: PendingCall) -> Option<CallDone> {
        if let Err(error) = self.admit(&pending) {
            self.client.complete_with_error(&pending.id, error);
            return Some(CallDone::Answered);
        }
        let wants_result = if pending.id.is_some() { WantsResult::Yes } else { WantsResult::No };
        let call = self.call(wants_result);
        let PendingCall { target, id, bound, .. } = pending;
        let (client, details) = (Arc::clone(&self.client), self.core.options.error_details);
        self.run(Box::pin(async move {
            match guard(bound(call)).await {
                CallResult::Value(encoded) => client.complete(&id, &encoded),
                CallResult::Failed(error) => {
                    let base = format!("An unexpected error occurred invoking '{target}' on the server.");
                    client.complete_with_error(&id, error.tell(&base, details));
                }
                CallResult::Unserialisable(error) => return CallDone::Unserialisable(error.to_string()),
            }
            CallDone::Answered
        }))
    }

    /// Runs a call as far as it goes by itself; most are done then. What the client sent behind it comes after that, as
    /// in the original.
    fn run(&mut self, mut future: BoxFuture<CallDone>) -> Option<CallDone> {
        let done = (&mut future).now_or_never();
        if done.is_none() {
            self.running.push(future);
        }
        done
    }

    /// The checks between binding and the call, in the original's order.
    fn admit(&self, pending: &PendingCall) -> Result<(), String> {
        let target = &pending.target;
        if let Some(policy) = pending.method.policy()
            && !policy.admits(self.client.identity())
        {
            return Err(format!("Failed to invoke '{target}' because user is unauthorized"));
        }
        if pending.kind == CallKind::StreamInvocation {
            return Err(format!(
                "The client attempted to invoke the non-streaming '{target}' method with a streaming invocation."
            ));
        }
        if pending.streams != 0 {
            let streams = pending.streams;
            return Err(format!(
                "An unexpected error occurred invoking '{target}' on the server. HubException: Client sent {streams} \
                 stream(s), Hub method expects 0."
            ));
        }
        Ok(())
    }

    fn call(&self, wants_result: WantsResult) -> Call {
        Call { client: Arc::clone(&self.client), core: Arc::clone(&self.core), disconnected: None, wants_result }
    }

    /// Lets the calls that still run end without their client: nobody hears their results.
    pub(super) fn detach(self) {
        if !self.running.is_empty() {
            tokio::spawn(self.running.for_each(|_| std::future::ready(())));
        }
    }
}

/// A panic ends its call and nothing else.
pub(super) async fn guard(call: BoxFuture<CallResult>) -> CallResult {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result,
        Err(_) => CallResult::Failed(HubError::internal("Panic", "the method panicked")),
    }
}

impl Client {
    /// Answers a call with its encoded result; a call without an id gets no answer.
    pub(super) fn complete(&self, id: &Option<Arc<str>>, encoded: &[u8]) {
        if let Some(id) = id {
            let outcome = Outcome::Result(self.protocol().value(encoded));
            self.send(&HubMessage::Completion(Completion::new(id.as_ref(), outcome)));
        }
    }

    /// Answers a call with an error; a call without an id gets no answer.
    pub(super) fn complete_with_error(&self, id: &Option<Arc<str>>, error: String) {
        if let Some(id) = id {
            self.send(&HubMessage::Completion(Completion::new(id.as_ref(), Outcome::Error(error.into()))));
        }
    }
}
