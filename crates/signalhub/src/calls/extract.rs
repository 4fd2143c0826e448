//! The parameters of hub methods.

use std::any::Any;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use signalhub_connections::{ConnectionId, Identity};
use signalhub_protocol::{BindError, Binder};
use tokio::sync::Notify;

use crate::calls::upload::UploadSink;
use crate::clients::client::Client;
use crate::clients::groups::Groups;
use crate::clients::targets::{Clients, Origin};
use crate::flag::Flag;
use crate::state::HubCore;

/// What a hub method can have as a parameter, in any order.
///
/// Binding comes in two steps: what the client sent becomes typed at once, while the message is read; the rest is taken
/// when the call starts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parameter of a hub method",
    note = "hub methods take `Args<(..)>` and `Upload<_>` for what the client sends, `Caller`, `Clients`, `Groups`, \
            `Cancellation`, and `State` of the hub's state"
)]
pub trait Extract<S>: Sized + Send {
    /// What the first step leaves for the second.
    #[doc(hidden)]
    type Bound: Send + 'static;

    /// How many arguments of the client it takes.
    #[doc(hidden)]
    const ARGUMENTS: usize = 0;

    /// How many streams of the client it takes.
    #[doc(hidden)]
    const STREAMS: usize = 0;

    /// Whether it tells the method that its stream is cancelled, so that nobody else needs to end it.
    #[doc(hidden)]
    const WATCHES_CANCELLATION: bool = false;

    #[doc(hidden)]
    fn bind(arguments: &mut Binder<'_>, bindings: &mut Bindings<'_>) -> Result<Self::Bound, BindError>;

    #[doc(hidden)]
    fn extract(bound: Self::Bound, call: &Call, state: &S) -> Self;
}

/// One call on its way to a method: who calls, in which hub.
#[derive(Clone)]
pub struct Call {
    pub(crate) client: Arc<Client>,
    pub(crate) core: Arc<HubCore>,
    pub(crate) disconnected: Option<Arc<str>>,
    pub(crate) wants_result: WantsResult,
    pub(crate) origin: Origin,
    /// Raised when the client cancels the stream that the call gives.
    pub(crate) cancelled: Option<Arc<Flag>>,
}

/// What binding leaves for the session: the streams that the client will send.
pub struct Bindings<'a> {
    pub(crate) capacity: usize,
    pub(crate) resume: &'a Arc<Notify>,
    pub(crate) uploads: Vec<Arc<dyn UploadSink>>,
}

impl std::fmt::Debug for Bindings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bindings({} uploads)", self.uploads.len())
    }
}

/// Whether somebody waits for the result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WantsResult {
    Yes,
    No,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("client", &self.client.id()).finish_non_exhaustive()
    }
}

/// What the client sent: a tuple with one element per argument, `Args((a, b)): Args<(i32, String)>`.
///
/// Several `Args` in one method take the arguments in their order. A client whose arguments do not fit is told no more than that
/// its call failed, unless the hub shows [error details](crate::ErrorDetails); the log of the program has a warning with
/// the method, the argument and the reason, and beyond one a second the rest at debug.
#[derive(Clone, Copy, Debug)]
pub struct Args<T>(pub T);

/// The state that the hub was built with.
#[derive(Clone, Copy, Debug)]
pub struct State<T>(pub T);

impl<S: Clone + Send + 'static> Extract<S> for State<S> {
    type Bound = ();

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), _: &Call, state: &S) -> Self {
        Self(state.clone())
    }
}

/// The client that calls.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Arc<Client>,
    /// As it was when the call began.
    identity: Arc<Identity>,
    core: Arc<HubCore>,
}

impl Caller {
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(crate) fn core(&self) -> &HubCore {
        &self.core
    }

    /// The id of its connection.
    pub fn id(&self) -> &ConnectionId {
        self.client.id()
    }

    /// Who it is, by the credentials that it had when the call began.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The user, if known.
    pub fn user(&self) -> Option<&str> {
        self.identity.user.as_deref()
    }

    /// Ends its connection: it gets a Close message without error, and nothing else any more.
    pub fn abort(&self) {
        self.client.outbound().abort();
    }

    /// Waits until its connection has ended.
    pub async fn aborted(&self) {
        self.client.ended().raised().await;
    }

    /// Tells whether its connection has ended.
    pub fn is_aborted(&self) -> bool {
        self.client.ended().is_raised()
    }

    /// Keeps a value with the connection, one of each type, and gives back the earlier one.
    pub fn insert<T: Any + Send>(&self, item: T) -> Option<T> {
        self.client.items().insert(item)
    }

    /// Gives a clone of the value of this type that is kept with the connection.
    pub fn get<T: Any + Send + Clone>(&self) -> Option<T> {
        self.client.items().get().cloned()
    }

    /// Takes the value of this type that is kept with the connection.
    pub fn remove<T: Any + Send>(&self) -> Option<T> {
        self.client.items().remove()
    }
}

impl<S> Extract<S> for Caller {
    type Bound = ();

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        let (client, identity) = (Arc::clone(&call.client), call.client.identity());
        Self { client, identity, core: Arc::clone(&call.core) }
    }
}

impl<S> Extract<S> for Clients {
    type Bound = ();

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        Self::of_caller(Arc::clone(&call.core), Arc::clone(&call.client), call.origin.clone())
    }
}

impl<S> Extract<S> for Groups {
    type Bound = ();

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        Self::new(Arc::clone(&call.core))
    }
}

/// Tells a method that its client has lost interest: it cancelled the stream, or its connection ended.
///
/// A stream method without it is simply dropped when its stream is cancelled. One that takes it ends by itself, and its
/// items go on until it does.
#[derive(Clone, Debug)]
pub struct Cancellation {
    stream: Option<Arc<Flag>>,
    client: Arc<Client>,
}

impl Cancellation {
    /// Waits for it.
    pub async fn cancelled(&self) {
        match &self.stream {
            None => self.client.ended().raised().await,
            Some(stream) => {
                tokio::select! {
                    () = stream.raised() => {}
                    () = self.client.ended().raised() => {}
                }
            }
        }
    }

    /// Tells whether it has happened.
    pub fn is_cancelled(&self) -> bool {
        self.client.ended().is_raised() || self.stream.as_ref().is_some_and(|stream| stream.is_raised())
    }
}

impl<S> Extract<S> for Cancellation {
    type Bound = ();
    const WATCHES_CANCELLATION: bool = true;

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        Self { stream: call.cancelled.clone(), client: Arc::clone(&call.client) }
    }
}

/// Why the connection ended, in `on_disconnected`: `None` after an orderly end, as the original's `null` exception.
#[derive(Clone, Debug)]
pub struct Disconnected(pub Option<Arc<str>>);

impl<S> Extract<S> for Disconnected {
    type Bound = ();

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        Self(call.disconnected.clone())
    }
}

macro_rules! args {
    ($count:expr; $($T:ident),*) => {
        impl<S, $($T),*> Extract<S> for Args<($($T,)*)>
        where
            $($T: DeserializeOwned + Send + 'static),*
        {
            type Bound = ($($T,)*);
            const ARGUMENTS: usize = $count;

            #[allow(unused_variables)]
            fn bind(arguments: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<Self::Bound, BindError> {
                Ok(($(arguments.next::<$T>()?,)*))
            }

            fn extract(bound: Self::Bound, _: &Call, _: &S) -> Self {
                Self(bound)
            }
        }
    };
}

args!(0;);
args!(1; A);
args!(2; A, B);
args!(3; A, B, C);
args!(4; A, B, C, D);
args!(5; A, B, C, D, E);
args!(6; A, B, C, D, E, F);
args!(7; A, B, C, D, E, F, G);
args!(8; A, B, C, D, E, F, G, H);
