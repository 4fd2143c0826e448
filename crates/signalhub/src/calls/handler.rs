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
use super::extract::Extract;
use crate::error::HubError;

/// An async function that can be a hub method.
///
/// Its parameters are extractors in any order ([`Args`](crate::Args), [`Upload`](crate::Upload),
/// [`Caller`](crate::Caller), [`Clients`](crate::Clients), [`Groups`](crate::Groups), [`State`](crate::State),
/// [`Cancellation`](crate::Cancellation)); it returns `Result<T, HubError>` with a `T` that serialises. It is
/// implemented for functions and closures of the right form; there is no need to implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a hub method",
    note = "a hub method is an async function whose parameters are extractors (`Args<(..)>`, `Caller`, `Clients`, `State` …) \
            and which returns `Result<T, HubError>`, where `T: Serialize`",
    note = "the type of `State` must be the one given to `HubBuilder::state`"
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
/// fast as the client takes its items, and dropped when the client cancels it or leaves.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a streaming hub method",
    note = "a streaming hub method is an async function whose parameters are extractors and which returns \
            `Result<impl Stream<Item = Result<T, HubError>>, HubError>`, where `T: Serialize`"
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
    Plain(Box<dyn FnOnce(Call) -> BoxFuture<CallResult> + Send>),
    /// Of a streaming method.
    Stream(Box<dyn FnOnce(Call) -> BoxFuture<Result<ItemStream, HubError>> + Send>),
}

impl fmt::Debug for BoundCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundCall(..)")
    }
}

/// The encoded items of a stream.
pub type ItemStream = Pin<Box<dyn Stream<Item = CallResult> + Send>>;

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
    fn encode<T: Serialize>(result: Result<T, HubError>, protocol: Protocol) -> Self {
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

    fn of_call<T: Serialize>(result: Result<T, HubError>, call: &Call) -> Self {
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

/// The parameters of a method, as a tuple.
trait Parameters<S>: Sized {
    type Bound: Send + 'static;

    const SIGNATURE: Signature;

    fn bind(arguments: &Arguments<'_>, bindings: &mut Bindings<'_>) -> Result<Self::Bound, BindError>;

    fn extract(bound: Self::Bound, call: &Call, state: &S) -> Self;
}

macro_rules! handler {
    ($($P:ident $p:ident),*) => {
        impl<S, $($P: Extract<S>),*> Parameters<S> for ($($P,)*) {
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

            #[allow(unused_variables, clippy::unused_unit, reason = "without parameters, nothing is extracted")]
            fn extract(($($p,)*): Self::Bound, call: &Call, state: &S) -> Self {
                ($($P::extract($p, call, state),)*)
            }
        }

        impl<F, Fut, T, S, $($P),*> Handler<($($P,)*), S> for F
        where
            F: Fn($($P),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<T, HubError>> + Send + 'static,
            T: Serialize + Send + 'static,
            S: Clone + Send + Sync + 'static,
            $($P: Extract<S> + 'static),*
        {
            const SIGNATURE: Signature = <($($P,)*) as Parameters<S>>::SIGNATURE;

            fn bind(
                self: Arc<Self>,
                arguments: &Arguments<'_>,
                bindings: &mut Bindings<'_>,
                state: &S,
            ) -> Result<BoundCall, BindError> {
                let bound = <($($P,)*) as Parameters<S>>::bind(arguments, bindings)?;
                let state = state.clone();
                Ok(BoundCall::Plain(Box::new(move |call| {
                    Box::pin(async move {
                        let result = {
                            let ($($p,)*) = <($($P,)*) as Parameters<S>>::extract(bound, &call, &state);
                            self($($p),*)
                        }
                        .await;
                        CallResult::of_call(result, &call)
                    })
                })))
            }
        }

        impl<F, Fut, St, T, S, $($P),*> StreamHandler<($($P,)*), S> for F
        where
            F: Fn($($P),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<St, HubError>> + Send + 'static,
            St: Stream<Item = Result<T, HubError>> + Send + 'static,
            T: Serialize + Send + 'static,
            S: Clone + Send + Sync + 'static,
            $($P: Extract<S> + 'static),*
        {
            const SIGNATURE: Signature = <($($P,)*) as Parameters<S>>::SIGNATURE;

            fn bind(
                self: Arc<Self>,
                arguments: &Arguments<'_>,
                bindings: &mut Bindings<'_>,
                state: &S,
            ) -> Result<BoundCall, BindError> {
                let bound = <($($P,)*) as Parameters<S>>::bind(arguments, bindings)?;
                let state = state.clone();
                Ok(BoundCall::Stream(Box::new(move |call| {
                    Box::pin(async move {
                        let protocol = call.client().protocol();
                        let items = {
                            let ($($p,)*) = <($($P,)*) as Parameters<S>>::extract(bound, &call, &state);
                            self($($p),*)
                        }
                        .await?;
                        let encoded = items.map(move |item| CallResult::encode(item, protocol));
                        Ok(Box::pin(encoded) as ItemStream)
                    })
                })))
            }
        }
    };
}

handler!();
handler!(A a);
handler!(A a, B b);
handler!(A a, B b, C c);
handler!(A a, B b, C c, D d);
handler!(A a, B b, C c, D d, E e);
handler!(A a, B b, C c, D d, E e, G g);
