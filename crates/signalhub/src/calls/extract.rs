//! Parameters of hub methods that are taken from the call.

use std::sync::Arc;

use super::call::{Call, Occasion};
use super::caller::{Caller, Cancellation};
use crate::clients::groups::Groups;
use crate::clients::targets::Clients;
use crate::error::HubError;
use crate::request::Request;

/// A parameter of hub methods and hooks that is made from the call: who calls, in which hub, with which request.
///
/// Implement it for types of your own. A hub with the state `S` accepts types that implement `Extract<S>`; a type that needs
/// no state implements it for all `S`, and so works in every hub. What the client sends with a call is read by
/// [`Args`](crate::Args) and [`Upload`](crate::Upload) instead.
///
/// # Contract
/// - `extract` runs when the call starts, once per call and parameter, in the order of the parameters: after the arguments
///   are deserialised, after the [policy](crate::require) has admitted the caller, and inside all
///   [filters](crate::HubFilter). So it sees what a filter has stored with [`Caller::insert`].
/// - An error answers the call instead of the method, as if the method had returned it; the remaining parameters are not
///   extracted. In `on_connected` it refuses the client; in `on_disconnected` it is logged.
/// - A panic is answered like a panic of the method.
/// - It is synchronous, so that a call that completes immediately stays one future that is polled once. Do not block:
///   the thread serves other clients. If a value needs to be awaited, extract what is needed to get it, and let the
///   method await it.
///
/// ```
/// use signalhub::{Call, Extract, Hub, HubError};
///
/// /// The tenant of the caller: a claim of its token.
/// struct Tenant(String);
///
/// impl<S> Extract<S> for Tenant {
///     fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
///         match call.client_identity().claims.get("tenant") {
///             Ok(Some(tenant)) => Ok(Self(tenant)),
///             Ok(None) => Err(HubError::new("the token names no tenant")),
///             Err(error) => Err(HubError::internal("InvalidClaim", error)),
///         }
///     }
/// }
///
/// async fn tenant(Tenant(name): Tenant) -> Result<String, HubError> {
///     Ok(name)
/// }
///
/// let hub = Hub::builder().method("Tenant", tenant).build();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a hub method",
    label = "not an extractor",
    note = "hub methods take `Args<(..)>` and `Upload<_>` for what the client sends, and extractors: `Caller`, `Clients`, \
            `Groups`, `Request`, `Cancellation`, `State<_>` of the state given to `HubBuilder::state`",
    note = "arguments of the client are one tuple: `Args((a, b)): Args<(i32, String)>`",
    note = "implement `signalhub::Extract` to make a type an extractor"
)]
pub trait Extract<S>: Sized {
    /// Whether a streaming method with this parameter ends its stream by itself when the client cancels it; the stream
    /// is not dropped then. An extractor that contains a [`Cancellation`] takes over its value.
    const WATCHES_CANCELLATION: bool = false;

    /// Makes the parameter for one call of a hub with this state.
    ///
    /// # Errors
    /// The answer to the call, if the parameter cannot be made.
    fn extract(call: &Call, state: &S) -> Result<Self, HubError>;
}

/// The state that the hub was built with.
#[derive(Clone, Copy, Debug)]
pub struct State<T>(pub T);

impl<S: Clone> Extract<S> for State<S> {
    fn extract(_: &Call, state: &S) -> Result<Self, HubError> {
        Ok(Self(state.clone()))
    }
}

impl<S> Extract<S> for Caller {
    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        Ok(call.caller())
    }
}

impl<S> Extract<S> for Clients {
    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        Ok(call.clients())
    }
}

impl<S> Extract<S> for Groups {
    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        Ok(call.groups())
    }
}

impl<S> Extract<S> for Cancellation {
    const WATCHES_CANCELLATION: bool = true;

    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        Ok(call.cancellation())
    }
}

impl<S> Extract<S> for Request {
    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        let missing = || HubError::internal("InvalidOperationException", "the hub was built without requests");
        call.request().cloned().ok_or_else(missing)
    }
}

/// Why the connection ended, in `on_disconnected`: `None` after an orderly end, as the original's `null` exception.
#[derive(Clone, Debug)]
pub struct Disconnected(pub Option<Arc<str>>);

impl<S> Extract<S> for Disconnected {
    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        Ok(Self(match call.occasion() {
            Occasion::Disconnected(reason) => reason.clone(),
            Occasion::Method(_) | Occasion::Connected => None,
        }))
    }
}
