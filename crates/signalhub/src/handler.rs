//! Async functions as hub methods.

use std::sync::Arc;

use serde::Serialize;
use signalhub_connections::{BoxFuture, Policy};
use signalhub_protocol::{Arguments, BindError, EncodeError};

use crate::HubError;
use crate::extract::{Call, Extract, WantsResult};

/// An async function that can be a hub method.
///
/// Its parameters are extractors in any order ([`Args`](crate::Args), [`Caller`](crate::Caller),
/// [`Clients`](crate::Clients), [`State`](crate::State)); it returns `Result<T, HubError>` with a `T` that serialises.
/// It is written by nobody: functions and closures of the right form have it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no hub method",
    note = "a hub method is an async function whose parameters are extractors (`Args<(..)>`, `Caller`, `Clients`, `State`) \
            and which returns `Result<T, HubError>`, where `T: Serialize`",
    note = "the type of `State` must be the one given to `HubBuilder::state`"
)]
pub trait Handler<P, S>: Send + Sync + Sized + 'static {
    /// How many arguments of the client it takes.
    #[doc(hidden)]
    const ARGUMENTS: usize;

    #[doc(hidden)]
    fn bind(self: Arc<Self>, arguments: &Arguments<'_>, state: &S) -> Result<BoundCall, BindError>;

    #[doc(hidden)]
    fn policy(&self) -> Option<Policy> {
        None
    }
}

/// A call whose arguments are typed; it runs when it is given the rest.
pub type BoundCall = Box<dyn FnOnce(Call) -> BoxFuture<CallResult> + Send>;

/// How a call ended.
#[derive(Debug)]
pub enum CallResult {
    /// With a result, already encoded; nothing is encoded when nobody waits for it.
    Value(Vec<u8>),
    /// With a failure.
    Failed(HubError),
    /// With a result that cannot be sent.
    Unserialisable(EncodeError),
}

/// Lets only those clients call a method whom the policy admits; others read that they are unauthorized.
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

impl<P, S, H: Handler<P, S>> Handler<P, S> for Required<H> {
    const ARGUMENTS: usize = H::ARGUMENTS;

    fn bind(self: Arc<Self>, arguments: &Arguments<'_>, state: &S) -> Result<BoundCall, BindError> {
        Arc::clone(&self.handler).bind(arguments, state)
    }

    fn policy(&self) -> Option<Policy> {
        Some(self.policy.clone())
    }
}

fn encode_result<T: Serialize>(result: Result<T, HubError>, call: &Call) -> CallResult {
    match result {
        Err(error) => CallResult::Failed(error),
        Ok(_) if call.wants_result == WantsResult::No => CallResult::Value(Vec::new()),
        Ok(value) => {
            let mut encoded = Vec::new();
            match call.client.protocol().encode_value(&value, &mut encoded) {
                Ok(()) => CallResult::Value(encoded),
                Err(error) => CallResult::Unserialisable(error),
            }
        }
    }
}

macro_rules! handler {
    ($($P:ident $p:ident),*) => {
        impl<F, Fut, T, S, $($P),*> Handler<($($P,)*), S> for F
        where
            F: Fn($($P),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<T, HubError>> + Send + 'static,
            T: Serialize + Send + 'static,
            S: Clone + Send + Sync + 'static,
            $($P: Extract<S> + 'static),*
        {
            const ARGUMENTS: usize = 0 $(+ $P::ARGUMENTS)*;

            #[allow(unused_mut)]
            fn bind(self: Arc<Self>, arguments: &Arguments<'_>, state: &S) -> Result<BoundCall, BindError> {
                let mut binder = arguments.bind(<Self as Handler<($($P,)*), S>>::ARGUMENTS)?;
                $(let $p = $P::bind(&mut binder)?;)*
                binder.finish()?;
                let state = state.clone();
                Ok(Box::new(move |call| {
                    Box::pin(async move {
                        let result = self($($P::extract($p, &call, &state)),*).await;
                        drop(state);
                        encode_result(result, &call)
                    })
                }))
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
