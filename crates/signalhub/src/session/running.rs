//! The calls of one client that are running.

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use signalhub_connections::BoxFuture;
use signalhub_protocol::Completion;
use tokio::sync::Notify;

use super::ending::Fault;
use super::inbound::{CallKind, PendingCall};
use super::streaming::{OnCancel, Streaming};
use super::uploads::Uploads;
use crate::calls::extract::{Call, WantsResult};
use crate::calls::handler::{BoundCall, CallResult};
use crate::calls::method::Hook;
use crate::clients::client::Client;
use crate::clients::slots::{Slot, Slots};
use crate::clients::targets::Origin;
use crate::flag::Flag;
use crate::rate::TokenBucket;
use crate::state::HubCore;
use crate::{CallError, HubError};

/// How a running call ended for the session.
pub(super) enum CallDone {
    /// What there was to say to the client was said.
    Answered,
    /// The same, and it was an error.
    Failed(CallError),
    /// Nothing ended, but something that held up the loop may be over.
    Resumed,
    /// `on_connected` went well.
    Connected,
    /// `on_connected` failed.
    Refused(HubError),
    /// The result of a call cannot be sent, which ends the connection.
    Unserialisable(String),
}

/// Tells the calls of a session apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallNumber(u64);

type RunningCall = BoxFuture<(OwnStreams, CallDone)>;

/// The streams of a call. It carries them along, so that its end costs no look at those of others.
struct OwnStreams {
    call: CallNumber,
    /// What the client sends for it.
    uploads: Vec<Arc<str>>,
    /// The id of the stream that it gives, if it gives one.
    cancel: Option<Arc<str>>,
}

/// Calls that did not end by themselves. Most clients have none at most times, and then it holds no memory.
#[derive(Default)]
struct Unfinished(Option<FuturesUnordered<RunningCall>>);

/// The running calls. They live in the session's task: a call costs no task of its own.
pub(super) struct RunningCalls {
    core: Arc<HubCore>,
    client: Arc<Client>,
    plain: Unfinished,
    streams: Unfinished,
    /// How to cancel the streams, by their invocation ids.
    cancels: HashMap<Arc<str>, (CallNumber, Arc<Flag>)>,
    uploads: Uploads,
    slots: Arc<Slots>,
    resume: Arc<Notify>,
    rate: Option<TokenBucket>,
    last: CallNumber,
}

impl RunningCalls {
    pub(super) fn new(core: Arc<HubCore>, client: Arc<Client>) -> Self {
        let resume = Arc::new(Notify::new());
        let slots = Slots::new(core.options.maximum_parallel_invocations_per_client, Arc::clone(&resume));
        Self {
            plain: Unfinished::default(),
            streams: Unfinished::default(),
            cancels: HashMap::new(),
            uploads: Uploads::new(core.options.error_details),
            slots: Arc::new(slots),
            resume,
            rate: core.options.invocation_rate.map(|rate| TokenBucket::new(rate, Instant::now())),
            last: CallNumber(0),
            core,
            client,
        }
    }

    pub(super) fn core(&self) -> &HubCore {
        &self.core
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn resume(&self) -> &Arc<Notify> {
        &self.resume
    }

    pub(super) fn uploads(&mut self) -> &mut Uploads {
        &mut self.uploads
    }

    /// Tells whether the client may call once more, and counts it.
    pub(super) fn allows_call(&mut self) -> bool {
        let allowed = self.rate.as_mut().is_none_or(|rate| rate.take(Instant::now()));
        if !allowed {
            self.core.refused.invocations.fetch_add(1, Ordering::Relaxed);
        }
        allowed
    }

    /// Counts and logs that a call is answered with an error.
    pub(super) fn note(&self, error: CallError, method: &str, detail: &str) {
        self.core.call_errors.count(error);
        error.log(method, detail);
    }

    /// Tells whether calls run that their client waits for.
    pub(super) fn is_idle(&self) -> bool {
        self.plain.is_empty()
    }

    pub(super) fn take_slot(&self) -> Option<Arc<Slot>> {
        self.slots.take()
    }

    /// Waits until a call ends, or until something that held up the loop may be over.
    pub(super) async fn next(&mut self) -> CallDone {
        let Self { plain, streams, resume, .. } = self;
        let ended = {
            let mut resumed = pin!(resume.notified());
            poll_fn(|cx| {
                for running in [&mut *plain, &mut *streams] {
                    if let Poll::Ready(ended) = running.poll_next(cx) {
                        return Poll::Ready(Some(ended));
                    }
                }
                resumed.as_mut().poll(cx).map(|()| None)
            })
            .await
        };
        let Some((streams, done)) = ended else { return CallDone::Resumed };
        self.forget(&streams);
        done
    }

    fn forget(&mut self, streams: &OwnStreams) {
        self.uploads.forget(streams.call, &streams.uploads);
        if let Some(id) = &streams.cancel
            && self.cancels.get(id).is_some_and(|(owner, _)| *owner == streams.call)
        {
            self.cancels.remove(id);
        }
    }

    pub(super) fn start_on_connected(&mut self, hook: &Hook) -> Option<CallDone> {
        let future = guard(hook.run(self.call(WantsResult::No, Origin::Connecting, None)));
        let done = async move {
            match future.await {
                CallResult::Failed(error) => CallDone::Refused(error),
                CallResult::Value(_) | CallResult::Unserialisable(_) => CallDone::Connected,
            }
        };
        let streams = OwnStreams { call: self.next_number(), uploads: Vec::new(), cancel: None };
        self.run(CallKind::Invocation, streams, done)
    }

    /// Begins a call, or answers at once why it may not begin.
    pub(super) fn start(&mut self, pending: PendingCall, slot: Option<Arc<Slot>>) -> Option<CallDone> {
        if let Err(error) = self.admit(&pending) {
            self.client.complete_with_error(&pending.id, error);
            return Some(CallDone::Answered);
        }
        let PendingCall { method, target, id, kind, stream_ids, uploads, bound } = pending;
        let number = self.next_number();
        self.uploads.open((number, method.name()), &stream_ids, uploads);
        let mut streams = OwnStreams { call: number, uploads: stream_ids, cancel: None };
        let details = self.core.options.error_details;
        match (bound, id) {
            (BoundCall::Plain(begin), id) => {
                let wants_result = if id.is_some() { WantsResult::Yes } else { WantsResult::No };
                let call = guard(begin(self.call(wants_result, Origin::Call(slot.clone()), None)));
                let client = Arc::clone(&self.client);
                self.run(kind, streams, async move {
                    let result = call.await;
                    client.outbound().ready().await;
                    if let Some(slot) = slot {
                        slot.release();
                    }
                    client.answer(&id, &target, result, details)
                })
            }
            (BoundCall::Stream(begin), Some(id)) => {
                let cancelled = Arc::new(Flag::default());
                self.cancels.insert(Arc::clone(&id), (number, Arc::clone(&cancelled)));
                streams.cancel = Some(Arc::clone(&id));
                let call = self.call(WantsResult::Yes, Origin::Call(None), Some(Arc::clone(&cancelled)));
                let on_cancel = if method.signature().watches_cancellation { OnCancel::Leave } else { OnCancel::Drop };
                let client = Arc::clone(&self.client);
                let streaming = Streaming { client, id, target, details, cancelled, on_cancel };
                self.run(kind, streams, streaming.run(begin(call)))
            }
            (BoundCall::Stream(_), None) => None,
        }
    }

    /// The checks between binding and the call, in the original's order.
    fn admit(&self, pending: &PendingCall) -> Result<(), String> {
        let target = &pending.target;
        if let Some(policy) = pending.method.policy()
            && !policy.admits(&self.client.identity())
        {
            self.note(CallError::UnauthorizedCall, target, "the policy of the method does not admit the user");
            return Err(format!("Failed to invoke '{target}' because user is unauthorized"));
        }
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
            self.note(CallError::WrongStreams, target, "the client sends another number of streams");
            return Err(format!(
                "An unexpected error occurred invoking '{target}' on the server. HubException: Client sent {sent} \
                 stream(s), Hub method expects {expected}."
            ));
        }
        let opens = sent + usize::from(pending.kind == CallKind::StreamInvocation);
        let open = self.cancels.len() + self.uploads.len();
        if opens > 0 && open + opens > self.core.options.maximum_streams_per_client {
            self.core.refused.streams.fetch_add(1, Ordering::Relaxed);
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

    /// Runs a call as far as it goes by itself; most are done then. What the client sent behind it comes after that, as
    /// in the original.
    fn run(
        &mut self,
        kind: CallKind,
        streams: OwnStreams,
        call: impl Future<Output = CallDone> + Send + 'static,
    ) -> Option<CallDone> {
        let mut future: BoxFuture<_> = Box::pin(async move {
            let done = call.await;
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
        self.last.0 += 1;
        self.last
    }

    fn call(&self, wants_result: WantsResult, origin: Origin, cancelled: Option<Arc<Flag>>) -> Call {
        Call {
            client: Arc::clone(&self.client),
            core: Arc::clone(&self.core),
            disconnected: None,
            wants_result,
            origin,
            cancelled,
        }
    }

    /// Takes a completion of the client: the end of an upload, or the answer that a call waits for.
    pub(super) fn complete(&mut self, completion: Completion<'_>) -> Result<(), Fault> {
        if self.uploads.complete(&completion).is_some() {
            return Ok(());
        }
        let id = &completion.invocation_id;
        let answered = self.core.results.complete(&self.client, id, completion.outcome);
        answered.map_err(|_| Fault::foreign_answer(self.client.id(), id))
    }

    /// Cancels a stream; any other id is ignored.
    pub(super) fn cancel(&self, id: &str) {
        if let Some((_, cancelled)) = self.cancels.get(id) {
            cancelled.raise();
        }
    }

    /// Ends the streams in both directions, and lets the other calls end without their client: nobody hears their
    /// results.
    pub(super) fn detach(mut self) {
        self.uploads.disconnect();
        for (_, cancelled) in self.cancels.values() {
            cancelled.raise();
        }
        if let Some(plain) = self.plain.0 {
            tokio::spawn(plain.for_each(|_| std::future::ready(())));
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

    /// Waits for the next one that ends; without any, for ever.
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

/// A panic ends its call and nothing else.
pub(super) async fn guard(call: BoxFuture<CallResult>) -> CallResult {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result,
        Err(_) => CallResult::Failed(HubError::internal("Panic", "the method panicked")),
    }
}
