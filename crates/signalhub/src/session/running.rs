//! The calls of one client that are running.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use signalhub_connections::{BoxFuture, Connection, TokenBucket};
use signalhub_protocol::Completion;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::answers::{self, CallDone};
use super::ending::Fault;
use super::pending::{CallKind, PendingCall};
use super::reading::ReadState;
use super::streaming::{OnCancel, Streaming};
use super::uploads::{CallNumber, Uploads};
use crate::calls::call::{Call, Occasion, WantsResult};
use crate::calls::handler::{BoundCall, CallResult, catch_panic};
use crate::calls::method::Purpose;
use crate::clients::call_slots::{CallSlot, CallSlots};
use crate::clients::client::Client;
use crate::clients::results::{Delivery, ForeignAnswer};
use crate::clients::targets::CalledFrom;
use crate::counters::CallError;
use crate::definition::HubDefinition;
use crate::error::HubError;
use crate::flag::Flag;
use crate::method_counts::MethodCounts;
use crate::panics;
use crate::state::HubState;

type RunningCall = BoxFuture<(OwnStreams, CallDone)>;

/// The ids of the streams of one call. They are removed when the call ends, without a search through those of other calls.
struct OwnStreams {
    call: CallNumber,
    /// The streams that the client sends.
    uploads: Vec<Arc<str>>,
    /// The id of the stream that it returns, if it returns one.
    cancel: Option<Arc<str>>,
}

/// Calls that did not complete when they were first polled. It allocates nothing while it is empty, as it is for most clients.
#[derive(Default)]
struct Unfinished(Option<FuturesUnordered<RunningCall>>);

/// The running calls of a client. They are polled in the task of the session: a call has no task of its own.
pub(super) struct RunningCalls {
    definition: Arc<HubDefinition>,
    state: Arc<HubState>,
    client: Arc<Client>,
    plain: Unfinished,
    streams: Unfinished,
    /// For each running stream, by its invocation id: the flag that cancels it.
    cancels: HashMap<Arc<str>, (CallNumber, Arc<Flag>)>,
    uploads: Uploads,
    slots: Arc<CallSlots>,
    resume: Arc<Notify>,
    rate: Option<TokenBucket>,
    last: CallNumber,
}

impl RunningCalls {
    pub(super) fn new(definition: Arc<HubDefinition>, state: Arc<HubState>, client: Arc<Client>) -> Self {
        let resume = Arc::new(Notify::new());
        let slots = CallSlots::new(state.options.maximum_parallel_invocations_per_client, Arc::clone(&resume));
        Self {
            plain: Unfinished::default(),
            streams: Unfinished::default(),
            cancels: HashMap::new(),
            uploads: Uploads::new(state.options.error_details),
            slots: Arc::new(slots),
            resume,
            rate: state.options.invocation_rate.map(|rate| TokenBucket::new(rate, Instant::now())),
            last: CallNumber::default(),
            definition,
            state,
            client,
        }
    }

    pub(super) fn definition(&self) -> &Arc<HubDefinition> {
        &self.definition
    }

    pub(super) fn state(&self) -> &Arc<HubState> {
        &self.state
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(super) fn resume(&self) -> &Arc<Notify> {
        &self.resume
    }

    pub(super) fn uploads(&mut self) -> &mut Uploads {
        &mut self.uploads
    }

    /// Counts a call against `invocation_rate`, and returns whether it is allowed.
    pub(super) fn allows_call(&mut self) -> bool {
        let allowed = self.rate.as_mut().is_none_or(|rate| rate.take(1, Instant::now()).is_ok());
        if !allowed {
            self.state.refused.invocations.fetch_add(1, Ordering::Relaxed);
        }
        allowed
    }

    /// Counts and logs that a call is answered with an error.
    pub(super) fn note(&self, error: CallError, method: &str, detail: &str) {
        self.state.call_errors.count(error);
        error.log(method, detail);
    }

    /// Counts and logs that a call failed. A refusal by a limit was counted where the limit is checked.
    pub(super) fn fail(&self, method: &str, error: &HubError) {
        if let Some(limit) = error.exceeded_limit() {
            return tracing::debug!(reason = limit, method, detail = %error, "a call was refused");
        }
        self.state.call_errors.count(error.call_error());
        self.state.log_failure(self.client.id(), method, error);
    }

    /// Whether no call runs. Calls of streaming methods do not count.
    pub(super) fn is_idle(&self) -> bool {
        self.plain.is_empty()
    }

    pub(super) fn take_slot(&self) -> Option<Arc<CallSlot>> {
        self.slots.take()
    }

    /// Waits until a call ends, or, if reading is blocked, until a slot may be free or an upload may have room.
    pub(super) fn next<'a>(&'a mut self, reading: &ReadState) -> impl Future<Output = CallDone> + use<'a> {
        // Each call frees its slot when it ends, which concerns only a session that waits for one.
        let is_blocked = reading.is_blocked();
        async move {
            let Self { plain, streams, resume, .. } = self;
            let ended = {
                let mut resumed = pin!(is_blocked.then(|| resume.notified()));
                poll_fn(|cx| {
                    for running in [&mut *plain, &mut *streams] {
                        if let Poll::Ready(ended) = running.poll_next(cx) {
                            return Poll::Ready(Some(ended));
                        }
                    }
                    resumed.as_mut().as_pin_mut().map_or(Poll::Pending, |resumed| resumed.poll(cx).map(|()| None))
                })
                .await
            };
            let Some((streams, done)) = ended else { return CallDone::Resumed };
            self.forget(&streams);
            done
        }
    }

    fn forget(&mut self, streams: &OwnStreams) {
        self.uploads.forget(streams.call, &streams.uploads);
        if let Some(id) = &streams.cancel
            && self.cancels.get(id).is_some_and(|(owner, _)| *owner == streams.call)
        {
            self.cancels.remove(id);
        }
    }

    /// Starts `on_connected`. Returns [`CallDone::Connected`] if the hub has no such hook, `None` while it runs.
    pub(super) fn start_on_connected(&mut self) -> Option<CallDone> {
        let Some(hook) = &self.definition.on_connected else { return Some(CallDone::Connected) };
        let future = catch_panic(hook.run(self.call(CalledFrom::OnConnected, Occasion::Connected)));
        let done = async move {
            match future.await {
                CallResult::Failed(error) => CallDone::Refused(error),
                CallResult::Value(_) | CallResult::Unserialisable(_) => CallDone::Connected,
            }
        };
        let streams = OwnStreams { call: self.next_number(), uploads: Vec::new(), cancel: None };
        self.run(CallKind::Invocation, streams, None, done)
    }

    /// Starts a call, or answers it with an error. Returns `None` while the call runs.
    pub(super) fn start(
        &mut self,
        pending: PendingCall,
        slot: Option<Arc<CallSlot>>,
        connection: &Connection,
    ) -> Option<CallDone> {
        if let Err(error) = self.admit(&pending) {
            pending.method.counts().count_refused();
            answers::complete_with_error(&self.client, &pending.id, error);
            return Some(CallDone::Answered);
        }
        let PendingCall { method, target, id, kind, stream_ids, uploads, bound, trace } = pending;
        let number = self.next_number();
        self.uploads.open((number, method.name()), &stream_ids, uploads);
        let mut streams = OwnStreams { call: number, uploads: stream_ids, cancel: None };
        let details = self.state.options.error_details;
        let counts = Some(Arc::clone(method.counts()));
        match (bound, id) {
            (BoundCall::Plain(begin), id) => {
                let wants_result = if id.is_some() { WantsResult::Yes } else { WantsResult::No };
                let call = self.call(CalledFrom::Method(slot.clone()), Occasion::Method(Arc::clone(method.name())));
                let call = call.with_wants_result(wants_result).with_trace(trace);
                let call = match method.purpose() {
                    Purpose::Any => call,
                    Purpose::TokenRefresh => call.with_token_refresher(connection.token_refresher()),
                };
                let call = catch_panic(begin(call));
                let client = Arc::clone(&self.client);
                self.run(kind, streams, counts, async move {
                    let result = call.await;
                    client.outbound().ready().await;
                    if let Some(slot) = slot {
                        slot.release();
                    }
                    answers::answer(&client, &id, &target, result, details)
                })
            }
            (BoundCall::Stream(begin), Some(id)) => {
                let cancelled = Arc::new(Flag::default());
                self.cancels.insert(Arc::clone(&id), (number, Arc::clone(&cancelled)));
                streams.cancel = Some(Arc::clone(&id));
                let on_cancel = if method.signature().watches_cancellation { OnCancel::Leave } else { OnCancel::Drop };
                let call = self.call(CalledFrom::Method(None), Occasion::Method(Arc::clone(method.name())));
                let call =
                    call.with_wants_result(WantsResult::Yes).with_cancelled(Arc::clone(&cancelled)).with_trace(trace);
                let client = Arc::clone(&self.client);
                let streaming = Streaming { client, id, target, details, cancelled, on_cancel };
                self.run(kind, streams, counts, streaming.run(begin(call)))
            }
            (BoundCall::Stream(_), None) => None,
        }
    }

    /// The checks between binding and the call, in the original's order.
    fn admit(&self, pending: &PendingCall) -> Result<(), String> {
        let target = &pending.target;
        self.authorize(pending)?;
        match (&pending.bound, pending.kind) {
            (BoundCall::Plain(_), CallKind::StreamInvocation) => {
                self.note(CallError::WrongCallKind, target, "the method does not stream");
                return Err(format!(
                    "The client attempted to invoke the non-streaming '{target}' method with a streaming invocation."
                ));
            }
            (BoundCall::Stream(_), CallKind::Invocation) => {
                self.note(CallError::WrongCallKind, target, "the method streams");
                return Err(format!(
                    "The client attempted to invoke the streaming '{target}' method with a non-streaming invocation."
                ));
            }
            _ => {}
        }
        let (sent, expected) = (pending.stream_ids.len(), pending.method.signature().streams);
        if sent != expected {
            self.note(CallError::WrongStreams, target, "the number of streams differs from that of the method");
            return Err(format!(
                "An unexpected error occurred invoking '{target}' on the server. HubException: Client sent {sent} \
                 stream(s), Hub method expects {expected}."
            ));
        }
        let opens = sent + usize::from(pending.kind == CallKind::StreamInvocation);
        let open = self.cancels.len() + self.uploads.len();
        if opens > 0 && open + opens > self.state.options.maximum_streams_per_client {
            self.state.refused.streams.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(reason = "streams", method = &**target, "a call was refused");
            return Err(format!(
                "An unexpected error occurred invoking '{target}' on the server. HubException: Too many streams."
            ));
        }
        match &pending.id {
            Some(id) if pending.kind == CallKind::StreamInvocation && self.cancels.contains_key(id) => {
                self.note(CallError::IdInUse, target, "a call with this id still runs");
                Err(format!("Invocation ID '{id}' is already in use."))
            }
            _ => Ok(()),
        }
    }

    /// Asks the policy of the method.
    fn authorize(&self, pending: &PendingCall) -> Result<(), String> {
        let (target, Some(policy)) = (&pending.target, pending.method.policy()) else { return Ok(()) };
        match panics::catch(|| policy.admits(&self.client.identity())) {
            Some(true) => Ok(()),
            Some(false) => {
                self.note(CallError::UnauthorizedCall, target, "the policy of the method does not admit the user");
                Err(format!("Failed to invoke '{target}' because user is unauthorized"))
            }
            None => {
                let error = HubError::panicked("the policy of the method panicked");
                self.fail(target, &error);
                let base = format!("An unexpected error occurred invoking '{target}' on the server.");
                Err(error.text_for_client(&base, self.state.options.error_details))
            }
        }
    }

    /// Polls a call once; most calls are complete then. A call that is not is polled from then on by [`next`](Self::next).
    /// The next message of the client is read only after this first poll, as in the original.
    fn run(
        &mut self,
        kind: CallKind,
        streams: OwnStreams,
        counts: Option<Arc<MethodCounts>>,
        call: impl Future<Output = CallDone> + Send + 'static,
    ) -> Option<CallDone> {
        let mut future: BoxFuture<_> = Box::pin(async move {
            let begun = Instant::now();
            let done = call.await;
            if let Some(counts) = counts {
                counts.count_ended(begun, done.outcome());
            }
            (streams, done)
        });
        match (&mut future).now_or_never() {
            Some((streams, done)) => {
                self.forget(&streams);
                return Some(done);
            }
            None if kind == CallKind::StreamInvocation => self.streams.push(future),
            None => self.plain.push(future),
        }
        None
    }

    fn next_number(&mut self) -> CallNumber {
        self.last = self.last.next();
        self.last
    }

    fn call(&self, called_from: CalledFrom, occasion: Occasion) -> Call {
        Call::new(Arc::clone(&self.client), Arc::clone(&self.state), called_from, occasion)
    }

    /// Handles a Completion message of the client: the end of an upload, or the result of a client method that a call waits for.
    pub(super) fn complete(&mut self, completion: Completion<'_>) -> Result<(), Fault> {
        if self.uploads.complete(&completion).is_some() {
            return Ok(());
        }
        let id = &completion.invocation_id;
        match self.state.clients.complete(&self.client, id, completion.outcome) {
            Ok(Delivery::Done) => {}
            Ok(Delivery::Panicked) => {
                let error = HubError::panicked("the `Deserialize` of the client's result panicked");
                self.state.log_failure(self.client.id(), "invoke", &error);
            }
            Err(ForeignAnswer) => return Err(Fault::foreign_answer(self.client.id(), id)),
        }
        Ok(())
    }

    /// Cancels a stream; any other id is ignored.
    pub(super) fn cancel(&self, id: &str) {
        if let Some((_, cancelled)) = self.cancels.get(id) {
            cancelled.raise();
        }
    }

    /// Ends the streams in both directions. Other calls run to their end in a task of their own, and their results are
    /// dropped.
    pub(super) fn detach(mut self) {
        self.uploads.disconnect();
        for (_, cancelled) in self.cancels.values() {
            cancelled.raise();
        }
        if let Some(plain) = self.plain.0 {
            let (state, client) = (self.state, self.client);
            tokio::spawn(plain.for_each(move |(_, done)| {
                if let CallDone::Failed(failure) | CallDone::Unserialisable(failure) = done {
                    state.log_failure(client.id(), &failure.method, &failure.error);
                }
                std::future::ready(())
            }));
        }
    }
}

impl Unfinished {
    fn push(&mut self, call: RunningCall) {
        self.0.get_or_insert_default().push(call);
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Polls for the next call that ends; pending as long as there is none.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(OwnStreams, CallDone)> {
        let Some(calls) = &mut self.0 else { return Poll::Pending };
        let polled = calls.poll_next_unpin(cx);
        if calls.is_empty() {
            self.0 = None;
        }
        match polled {
            Poll::Ready(Some(ended)) => Poll::Ready(ended),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
