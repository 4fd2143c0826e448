//! Async functions as hub methods.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{FutureExt, Stream, StreamExt};
use serde::Serialize;
use signalhub_connections::{BoxFuture, Policy};
use signalhub_protocol::{Arguments, BindError, EncodeError, Protocol};

use super::binding::Bindings;
use super::call::{Call, WantsResult};
use super::parameter::Parameter;
use crate::error::HubError;

/// An async function that can be a hub method.
///
/// It has up to 12 parameters, which are extractors in any order: [`Args`](crate::Args), [`Upload`](crate::Upload),
/// [`Caller`](crate::Caller), [`Clients`](crate::Clients), [`Groups`](crate::Groups), [`Request`](crate::Request),
/// [`State`](crate::State), [`Cancellation`](crate::Cancellation), and what implements [`Extract`](crate::Extract). It returns
/// `Result<T, HubError>` with a `T` that serde serialises.
///
/// Functions and closures of this form implement the trait. A closure that captures values is cloned for each call, so capture
/// what is cheap to clone, such as an `Arc`:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use signalhub::Hub;
///
/// let calls = Arc::new(AtomicUsize::new(0));
/// let count = async move || Ok(calls.fetch_add(1, Ordering::Relaxed));
/// let hub = Hub::builder().method("Count", count).build();
/// ```
///
/// A method that returns a stream is a [`StreamHandler`]:
///
/// ```compile_fail,E0277
/// # use signalhub::{Hub, HubError};
/// # use futures_util::{Stream, stream};
/// async fn ones() -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
///     Ok(stream::repeat_with(|| Ok(1)))
/// }
/// Hub::builder().method("Ones", ones); // must be `.stream("Ones", ones)`
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hub method",
    label = "not a hub method of a hub with the state `{S}`",
    note = "a hub method is an async function that returns `Result<T, HubError>`, where `T: Serialize`",
    note = "a method that returns a stream is added with `HubBuilder::stream`",
    note = "it has at most 12 parameters",
    note = "each parameter is an extractor: `Args<(..)>` for the arguments of the client, `Upload<_>`, `Caller`, `Clients`, \
            `Groups`, `Request`, `Cancellation`, `State<{S}>`, or a type that implements `signalhub::Extract<{S}>`",
    note = "for another state than `{S}`, call `HubBuilder::state(…)` first, before methods and hooks are added",
    note = "arguments of the client are one tuple of at most 12 types that implement `serde::Deserialize`: \
            `Args((room, text)): Args<(String, String)>`",
    note = "the future of a method must be `Send`: hold no `MutexGuard` or `Rc` across an `.await`",
    note = "a closure must be `Clone`, `Send` and `Sync`: it is cloned for each call"
)]
pub trait Handler<P, S>: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    const SIGNATURE: Signature;

    #[doc(hidden)]
    fn bind(
        self: Arc<Self>,
        arguments: &Arguments<'_>,
        bindings: &mut Bindings<'_>,
        state: &S,
    ) -> Result<BoundCall, BindError>;

    #[doc(hidden)]
    fn policy(&self) -> Option<Policy> {
        None
    }
}

/// An async function that can be a streaming hub method.
///
/// Like [`Handler`], but it returns `Result<impl Stream<Item = Result<T, HubError>>, HubError>`. The stream is polled as
/// fast as the client takes its items, and dropped when the client cancels it or disconnects.
///
/// ```compile_fail,E0277
/// # use signalhub::Hub;
/// Hub::builder().stream("One", async || Ok(1)); // must be `.method("One", …)`
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a streaming hub method",
    label = "not a streaming hub method of a hub with the state `{S}`",
    note = "a streaming hub method is an async function that returns \
            `Result<impl Stream<Item = Result<T, HubError>>, HubError>`, where `T: Serialize`",
    note = "a method that returns a single value is added with `HubBuilder::method`",
    note = "it has at most 12 parameters",
    note = "each parameter is an extractor: `Args<(..)>` for the arguments of the client, `Upload<_>`, `Caller`, `Clients`, \
            `Groups`, `Request`, `Cancellation`, `State<{S}>`, or a type that implements `signalhub::Extract<{S}>`",
    note = "for another state than `{S}`, call `HubBuilder::state(…)` first, before methods and hooks are added",
    note = "the future of a method and its stream must be `Send`: hold no `MutexGuard` or `Rc` across an `.await`",
    note = "a closure must be `Clone`, `Send` and `Sync`: it is cloned for each call"
)]
pub trait StreamHandler<P, S>: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    const SIGNATURE: Signature;

    #[doc(hidden)]
    fn bind(
        self: Arc<Self>,
        arguments: &Arguments<'_>,
        bindings: &mut Bindings<'_>,
        state: &S,
    ) -> Result<BoundCall, BindError>;

    #[doc(hidden)]
    fn policy(&self) -> Option<Policy> {
        None
    }
}

/// What a method takes from the client.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    pub(crate) arguments: usize,
    pub(crate) streams: usize,
    pub(crate) watches_cancellation: bool,
}

/// A call whose arguments are bound; it runs when it gets its [`Call`].
pub enum BoundCall {
    /// Of a method with one result.
    Plain(RunPlain),
    /// Of a streaming method.
    Stream(Box<dyn FnOnce(Call) -> BoxFuture<Result<ItemStream, HubError>> + Send>),
}

impl fmt::Debug for BoundCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundCall(..)")
    }
}

/// Runs a method with one result, or a hook.
pub(crate) type RunPlain = Box<dyn FnOnce(Call) -> BoxFuture<CallResult> + Send>;

/// The encoded items of a stream.
pub(crate) type ItemStream = Pin<Box<dyn Stream<Item = CallResult> + Send>>;

/// The result of a call, or an item of its stream.
#[derive(Debug)]
pub enum CallResult {
    /// A value, already encoded; empty when the client does not wait for it.
    Value(Vec<u8>),
    /// A failure.
    Failed(HubError),
    /// A value that cannot be serialised.
    Unserialisable(EncodeError),
}

impl CallResult {
    pub(super) fn encode<T: Serialize>(result: Result<T, HubError>, protocol: Protocol) -> Self {
        let value = match result {
            Ok(value) => value,
            Err(error) => return Self::Failed(error),
        };
        let mut encoded = Vec::new();
        match protocol.encode_value(&value, &mut encoded) {
            Ok(()) => Self::Value(encoded),
            Err(error) => Self::Unserialisable(error),
        }
    }

    pub(super) fn of_call<T: Serialize>(result: Result<T, HubError>, call: &Call) -> Self {
        match result {
            Ok(_) if call.wants_result() == WantsResult::No => Self::Value(Vec::new()),
            result => Self::encode(result, call.client().protocol()),
        }
    }
}

/// Runs a call. A panic ends the call and nothing else.
pub(crate) async fn catch_panic(call: BoxFuture<CallResult>) -> CallResult {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| CallResult::Failed(panicked()))
}

/// What a client is answered when the method panics.
pub(crate) fn panicked() -> HubError {
    HubError::internal("Panic", "the method panicked")
}

/// Allows only clients that the policy admits to call a method; others get an error that says that they are unauthorized.
///
/// Policies can be nested; then each of them must admit the client.
///
/// ```
/// use signalhub::{Hub, HubError, Policy, require};
///
/// async fn secret() -> Result<&'static str, HubError> {
///     Ok("secret")
/// }
///
/// let hub = Hub::builder().method("Secret", require(Policy::authenticated(), secret)).build();
/// ```
pub fn require<H>(policy: Policy, handler: H) -> Required<H> {
    Required { handler: Arc::new(handler), policy }
}

/// A method that only some clients may call, made by [`require`].
#[derive(Debug)]
pub struct Required<H> {
    handler: Arc<H>,
    policy: Policy,
}

macro_rules! required {
    ($handler:ident) => {
        #[diagnostic::do_not_recommend]
        impl<P, S, H: $handler<P, S>> $handler<P, S> for Required<H> {
            const SIGNATURE: Signature = H::SIGNATURE;

            fn bind(
                self: Arc<Self>,
                arguments: &Arguments<'_>,
                bindings: &mut Bindings<'_>,
                state: &S,
            ) -> Result<BoundCall, BindError> {
                Arc::clone(&self.handler).bind(arguments, bindings, state)
            }

            fn policy(&self) -> Option<Policy> {
                let outer = self.policy.clone();
                Some(match self.handler.policy() {
                    None => outer,
                    Some(inner) => Policy::new(move |identity| outer.admits(identity) && inner.admits(identity)),
                })
            }
        }
    };
}

required!(Handler);
required!(StreamHandler);

/// The parameters of a method and their [markers](super::parameter), as a tuple of pairs.
trait Parameters<S>: Sized {
    /// The parameters.
    type Values;

    type Bound: Send + 'static;

    const SIGNATURE: Signature;

    fn bind(arguments: &Arguments<'_>, bindings: &mut Bindings<'_>) -> Result<Self::Bound, BindError>;

    fn take(bound: Self::Bound, call: &Call, state: &S) -> Result<Self::Values, HubError>;
}

macro_rules! handler {
    ($($P:ident $M:ident $p:ident),*) => {
        impl<S, $($P: Parameter<S, $M>, $M),*> Parameters<S> for ($(($P, $M),)*) {
            type Values = ($($P,)*);

            type Bound = ($($P::Bound,)*);

            const SIGNATURE: Signature = Signature {
                arguments: 0 $(+ $P::ARGUMENTS)*,
                streams: 0 $(+ $P::STREAMS)*,
                watches_cancellation: false $(|| $P::WATCHES_CANCELLATION)*,
            };

            #[allow(unused_variables, reason = "without parameters, nothing is bound")]
            fn bind(arguments: &Arguments<'_>, bindings: &mut Bindings<'_>) -> Result<Self::Bound, BindError> {
                #[allow(unused_mut, reason = "without parameters, nothing is bound")]
                let mut binder = arguments.bind(<Self as Parameters<S>>::SIGNATURE.arguments)?;
                $(let $p = $P::bind(&mut binder, bindings)?;)*
                binder.finish()?;
                Ok(($($p,)*))
            }

            #[allow(unused_variables, clippy::unused_unit, reason = "without parameters, nothing is taken")]
            fn take(($($p,)*): Self::Bound, call: &Call, state: &S) -> Result<Self::Values, HubError> {
                Ok(($($P::take($p, call, state)?,)*))
            }
        }

        impl<F, Fut, T, S, $($P, $M),*> Handler<($(($P, $M),)*), S> for F
        where
            F: FnOnce($($P),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Result<T, HubError>> + Send + 'static,
            T: Serialize + Send + 'static,
            S: Clone + Send + Sync + 'static,
            $($P: Parameter<S, $M>,)*
        {
            const SIGNATURE: Signature = <($(($P, $M),)*) as Parameters<S>>::SIGNATURE;

            fn bind(
                self: Arc<Self>,
                arguments: &Arguments<'_>,
                bindings: &mut Bindings<'_>,
                state: &S,
            ) -> Result<BoundCall, BindError> {
                let bound = <($(($P, $M),)*) as Parameters<S>>::bind(arguments, bindings)?;
                let state = state.clone();
                Ok(BoundCall::Plain(Box::new(move |call| {
                    Box::pin(async move {
                        let running = match <($(($P, $M),)*) as Parameters<S>>::take(bound, &call, &state) {
                            Ok(($($p,)*)) => Self::clone(&self)($($p),*),
                            Err(error) => return CallResult::Failed(error),
                        };
                        let result = running.await;
                        CallResult::of_call(result, &call)
                    })
                })))
            }
        }

        impl<F, Fut, St, T, S, $($P, $M),*> StreamHandler<($(($P, $M),)*), S> for F
        where
            F: FnOnce($($P),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Result<St, HubError>> + Send + 'static,
            St: Stream<Item = Result<T, HubError>> + Send + 'static,
            T: Serialize + Send + 'static,
            S: Clone + Send + Sync + 'static,
            $($P: Parameter<S, $M>,)*
        {
            const SIGNATURE: Signature = <($(($P, $M),)*) as Parameters<S>>::SIGNATURE;

            fn bind(
                self: Arc<Self>,
                arguments: &Arguments<'_>,
                bindings: &mut Bindings<'_>,
                state: &S,
            ) -> Result<BoundCall, BindError> {
                let bound = <($(($P, $M),)*) as Parameters<S>>::bind(arguments, bindings)?;
                let state = state.clone();
                Ok(BoundCall::Stream(Box::new(move |call| {
                    Box::pin(async move {
                        let protocol = call.client().protocol();
                        let ($($p,)*) = <($(($P, $M),)*) as Parameters<S>>::take(bound, &call, &state)?;
                        let items = Self::clone(&self)($($p),*).await?;
                        let encoded = items.map(move |item| CallResult::encode(item, protocol));
                        Ok(Box::pin(encoded) as ItemStream)
                    })
                })))
            }
        }
    };
}

handler!();
handler!(P1 M1 p1);
handler!(P1 M1 p1, P2 M2 p2);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4, P5 M5 p5);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4, P5 M5 p5, P6 M6 p6);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4, P5 M5 p5, P6 M6 p6, P7 M7 p7);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4, P5 M5 p5, P6 M6 p6, P7 M7 p7, P8 M8 p8);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4, P5 M5 p5, P6 M6 p6, P7 M7 p7, P8 M8 p8, P9 M9 p9);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4, P5 M5 p5, P6 M6 p6, P7 M7 p7, P8 M8 p8, P9 M9 p9, P10 M10 p10);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4, P5 M5 p5, P6 M6 p6, P7 M7 p7, P8 M8 p8, P9 M9 p9, P10 M10 p10,
    P11 M11 p11);
handler!(P1 M1 p1, P2 M2 p2, P3 M3 p3, P4 M4 p4, P5 M5 p5, P6 M6 p6, P7 M7 p7, P8 M8 p8, P9 M9 p9, P10 M10 p10,
    P11 M11 p11, P12 M12 p12);
