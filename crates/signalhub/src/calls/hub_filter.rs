//! HubFilters: code that runs around calls, and around the start and the end of connections.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use signalhub_connections::BoxFuture;
use signalhub_protocol::{BindError, EncodeError, Protocol};

use super::call::{Call, Occasion, RawArguments};
use super::handler::{BoundCall, CallResult, ItemStream, RunPlain, catch_panic};
use crate::error::HubError;

/// Runs code around all calls of a hub, and around the start and the end of its connections (`IHubFilter`).
///
/// Add one with [`HubBuilder::filter`](crate::HubBuilder::filter). The filter that is added first is the outermost: it runs
/// first, and gets the result last. Each function continues with [`Next::run`], which runs the filters that are left and
/// then the method or the hook. A filter can run code before and after it, change the result or the error, or answer
/// instead of the method by not calling it. The default of each function only continues.
///
/// A filter sees a call after its arguments are deserialised and its [policy](crate::require) has admitted the caller, and
/// before [extractors](crate::Extract) run. `Subscribe` and `Unsubscribe` of a hub with
/// [events](crate::HubBuilder::events) are calls, too. Calls that are refused earlier reach no filter: of unknown methods,
/// with arguments that do not fit, or over a limit.
///
/// A panic of a filter is answered like a panic of a method.
///
/// ```
/// use signalhub::{Call, Hub, HubError, HubFilter, Next, Reply};
/// use tokio::time::Instant;
///
/// /// Logs how long calls take, and refuses clients without a user.
/// struct Audit;
///
/// impl HubFilter for Audit {
///     async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
///         let begun = Instant::now();
///         let reply = next.run().await;
///         println!("{:?} of {} took {:?}", call.method(), call.client_id(), begun.elapsed());
///         reply
///     }
///
///     async fn connected(&self, call: &Call, next: Next<'_, ()>) -> Result<(), HubError> {
///         if call.client_identity().user.is_none() {
///             return Err(HubError::new("log in first"));
///         }
///         next.run().await
///     }
/// }
///
/// let hub = Hub::builder().filter(Audit).method("Ping", async || Ok("pong")).build();
/// ```
pub trait HubFilter: Send + Sync + 'static {
    /// Runs around a call of a method. For a streaming method, around the start of the stream: the reply is the stream,
    /// whose items are sent after this has returned.
    fn invoke(&self, _call: &Call, next: Next<'_, Reply>) -> impl Future<Output = Result<Reply, HubError>> + Send {
        next.run()
    }

    /// Runs around `on_connected`, also on a hub without this hook. An error refuses the client.
    fn connected(&self, _call: &Call, next: Next<'_, ()>) -> impl Future<Output = Result<(), HubError>> + Send {
        next.run()
    }

    /// Runs around `on_disconnected`, also on a hub without this hook, if the client was not refused.
    /// [`Call::disconnected`] is the reason. An error is logged.
    fn disconnected(&self, _call: &Call, next: Next<'_, ()>) -> impl Future<Output = Result<(), HubError>> + Send {
        next.run()
    }
}

/// A running filter or what it runs around.
type Running<'a, T> = Pin<Box<dyn Future<Output = Result<T, HubError>> + Send + 'a>>;

/// A filter of any type.
trait DynFilter: Send + Sync {
    fn invoke<'a>(&'a self, call: &'a Call, next: Next<'a, Reply>) -> Running<'a, Reply>;
    fn connected<'a>(&'a self, call: &'a Call, next: Next<'a, ()>) -> Running<'a, ()>;
    fn disconnected<'a>(&'a self, call: &'a Call, next: Next<'a, ()>) -> Running<'a, ()>;
}

impl<F: HubFilter> DynFilter for F {
    fn invoke<'a>(&'a self, call: &'a Call, next: Next<'a, Reply>) -> Running<'a, Reply> {
        Box::pin(HubFilter::invoke(self, call, next))
    }

    fn connected<'a>(&'a self, call: &'a Call, next: Next<'a, ()>) -> Running<'a, ()> {
        Box::pin(HubFilter::connected(self, call, next))
    }

    fn disconnected<'a>(&'a self, call: &'a Call, next: Next<'a, ()>) -> Running<'a, ()> {
        Box::pin(HubFilter::disconnected(self, call, next))
    }
}

/// What a filter runs around: the filters that are left, and then the method or the hook.
///
/// A filter that drops it answers instead of the method: it does not run, and streams that the client sends for it are discarded.
#[must_use = "the method does not run without `run`"]
pub struct Next<'a, T> {
    filters: &'a [Box<dyn DynFilter>],
    call: &'a Call,
    enter: Enter<T>,
    innermost: Innermost<T>,
}

/// The function of a filter that runs.
type Enter<T> = for<'a> fn(&'a dyn DynFilter, &'a Call, Next<'a, T>) -> Running<'a, T>;

/// The method or the hook.
type Innermost<T> = Box<dyn FnOnce() -> BoxFuture<Result<T, HubError>> + Send>;

impl<T> Next<'_, T> {
    /// Continues with the next filter, or with the method or the hook after the last one.
    ///
    /// # Errors
    /// The error of the filters that are left, or of the method or the hook; that of a method that panicked, too.
    pub async fn run(self) -> Result<T, HubError> {
        let Self { filters, call, enter, innermost } = self;
        match filters.split_first() {
            Some((filter, filters)) => enter(filter.as_ref(), call, Next { filters, call, enter, innermost }).await,
            None => innermost().await,
        }
    }
}

impl<T> fmt::Debug for Next<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Next({} filters)", self.filters.len())
    }
}

/// How a method answers a call: with a value or with a stream.
///
/// A value is encoded already, in the protocol of the client that calls.
pub struct Reply(Content);

enum Content {
    /// The client waits for no result.
    Omitted,
    Value {
        protocol: Protocol,
        encoded: Vec<u8>,
    },
    Unserialisable(EncodeError),
    Stream(ItemStream),
}

impl Reply {
    /// Answers a call with a value. A value that serde cannot serialise ends the connection, as one that a method returns.
    pub fn value<T: Serialize>(call: &Call, value: T) -> Self {
        let encoded = CallResult::of_call(Ok(value), call);
        // Only a method fails; a value is encoded or unserialisable.
        Self::of_result(call, encoded).unwrap_or(Self(Content::Omitted))
    }

    /// Answers a call of a streaming method with a stream.
    pub fn stream<St, T>(call: &Call, items: St) -> Self
    where
        St: Stream<Item = Result<T, HubError>> + Send + 'static,
        T: Serialize + 'static,
    {
        let protocol = call.client().protocol();
        Self(Content::Stream(Box::pin(items.map(move |item| CallResult::encode(item, protocol)))))
    }

    /// Whether it is a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.0, Content::Stream(_))
    }

    /// Deserialises the value. It is `None` if there is no value to read: for a stream, and if the client waits for no
    /// result, because the result is not encoded then.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, BindError> {
        match &self.0 {
            Content::Value { protocol, encoded } => protocol.value(encoded).bind().map(Some),
            Content::Omitted | Content::Unserialisable(_) | Content::Stream(_) => Ok(None),
        }
    }

    fn of_result(call: &Call, result: CallResult) -> Result<Self, HubError> {
        let protocol = call.client().protocol();
        Ok(Self(match result {
            CallResult::Value(encoded) if encoded.is_empty() => Content::Omitted,
            CallResult::Value(encoded) => Content::Value { protocol, encoded },
            CallResult::Unserialisable(error) => Content::Unserialisable(error),
            CallResult::Failed(error) => return Err(error),
        }))
    }

    fn into_result(self) -> CallResult {
        match self.0 {
            Content::Omitted => CallResult::Value(Vec::new()),
            Content::Value { encoded, .. } => CallResult::Value(encoded),
            Content::Unserialisable(error) => CallResult::Unserialisable(error),
            Content::Stream(_) => {
                CallResult::Failed(HubError::internal("InvalidOperationException", "a filter returned a stream"))
            }
        }
    }

    fn into_stream(self) -> Result<ItemStream, HubError> {
        match self.0 {
            Content::Stream(items) => Ok(items),
            Content::Omitted | Content::Value { .. } | Content::Unserialisable(_) => {
                Err(HubError::internal("InvalidOperationException", "a filter returned a value instead of a stream"))
            }
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Content::Omitted => "Reply(omitted)",
            Content::Value { .. } => "Reply(value)",
            Content::Unserialisable(_) => "Reply(unserialisable)",
            Content::Stream(_) => "Reply(stream)",
        })
    }
}

/// The filters of a hub while it is built.
#[derive(Default)]
pub(crate) struct HubFilterList(Vec<Box<dyn DynFilter>>);

impl HubFilterList {
    pub(crate) fn push(&mut self, filter: impl HubFilter) {
        self.0.push(Box::new(filter));
    }

    /// The filters, if there are any.
    pub(crate) fn finish(self) -> Option<HubFilters> {
        (!self.0.is_empty()).then(|| HubFilters(self.0.into()))
    }
}

/// The filters of a hub, the outermost first.
#[derive(Clone)]
pub(crate) struct HubFilters(Arc<[Box<dyn DynFilter>]>);

impl HubFilters {
    /// Runs them around a call with these arguments.
    pub(crate) fn around_call(self, bound: BoundCall, arguments: RawArguments) -> BoundCall {
        match bound {
            BoundCall::Plain(begin) => BoundCall::Plain(Box::new(move |call| {
                let call = call.with_arguments(arguments);
                let inner = call.clone();
                let method: Innermost<Reply> = Box::new(move || {
                    Box::pin(async move {
                        let result = catch_panic(begin(inner.clone())).await;
                        Reply::of_result(&inner, result)
                    })
                });
                let reply = self.run(call, |filter, call, next| filter.invoke(call, next), method);
                Box::pin(async move { reply.await.map_or_else(CallResult::Failed, Reply::into_result) })
            })),
            BoundCall::Stream(begin) => BoundCall::Stream(Box::new(move |call| {
                let call = call.with_arguments(arguments);
                let inner = call.clone();
                let method: Innermost<Reply> = Box::new(move || {
                    Box::pin(async move { begin(inner).await.map(|items| Reply(Content::Stream(items))) })
                });
                let reply = self.run(call, |filter, call, next| filter.invoke(call, next), method);
                Box::pin(async move { reply.await?.into_stream() })
            })),
        }
    }

    /// Runs them around a hook, or around nothing on a hub without it.
    pub(crate) fn around_hook(self, call: Call, hook: Option<RunPlain>) -> BoxFuture<CallResult> {
        let enter: Enter<()> = match call.occasion() {
            Occasion::Disconnected(_) => |filter, call, next| filter.disconnected(call, next),
            Occasion::Connected | Occasion::Method(_) => |filter, call, next| filter.connected(call, next),
        };
        let inner = call.clone();
        let innermost: Innermost<()> = Box::new(move || {
            Box::pin(async move {
                let Some(hook) = hook else { return Ok(()) };
                match catch_panic(hook(inner)).await {
                    CallResult::Failed(error) => Err(error),
                    CallResult::Value(_) | CallResult::Unserialisable(_) => Ok(()),
                }
            })
        });
        let done = self.run(call, enter, innermost);
        Box::pin(async move { done.await.map_or_else(CallResult::Failed, |()| CallResult::Value(Vec::new())) })
    }

    fn run<T: 'static>(self, call: Call, enter: Enter<T>, innermost: Innermost<T>) -> BoxFuture<Result<T, HubError>> {
        Box::pin(async move { Next { filters: &self.0, call: &call, enter, innermost }.run().await })
    }
}
