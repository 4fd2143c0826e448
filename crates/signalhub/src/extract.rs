//! The parameters of hub methods.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use signalhub_connections::{ConnectionId, Identity};
use signalhub_protocol::{BindError, Binder};

use crate::client::Client;
use crate::clients::Clients;
use crate::hub::HubCore;

/// What a hub method can have as a parameter, in any order.
///
/// Binding comes in two steps: what the client sent becomes typed at once, while the message is read; the rest is taken
/// when the call starts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parameter of a hub method",
    note = "hub methods take `Args<(..)>` for what the client sends, `Caller`, `Clients`, and `State` of the hub's state"
)]
pub trait Extract<S>: Sized + Send {
    /// What the first step leaves for the second.
    #[doc(hidden)]
    type Bound: Send + 'static;

    /// How many arguments of the client it takes.
    #[doc(hidden)]
    const ARGUMENTS: usize = 0;

    #[doc(hidden)]
    fn bind(arguments: &mut Binder<'_>) -> Result<Self::Bound, BindError>;

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
/// Several `Args` in one method take the arguments in their order.
#[derive(Clone, Copy, Debug)]
pub struct Args<T>(pub T);

/// The state that the hub was built with.
#[derive(Clone, Copy, Debug)]
pub struct State<T>(pub T);

impl<S: Clone + Send + 'static> Extract<S> for State<S> {
    type Bound = ();

    fn bind(_: &mut Binder<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), _: &Call, state: &S) -> Self {
        Self(state.clone())
    }
}

/// The client that calls.
#[derive(Clone, Debug)]
pub struct Caller(pub(crate) Arc<Client>);

impl Caller {
    /// The id of its connection.
    pub fn id(&self) -> &ConnectionId {
        self.0.id()
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        self.0.identity()
    }

    /// The user, if known.
    pub fn user(&self) -> Option<&str> {
        self.0.identity().user.as_deref()
    }

    /// Ends its connection: it gets a Close message without error.
    pub fn abort(&self) {
        self.0.outbound().abort();
    }
}

impl<S> Extract<S> for Caller {
    type Bound = ();

    fn bind(_: &mut Binder<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        Self(Arc::clone(&call.client))
    }
}

impl<S> Extract<S> for Clients {
    type Bound = ();

    fn bind(_: &mut Binder<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        Self::of_caller(Arc::clone(&call.core), Arc::clone(&call.client))
    }
}

/// Why the connection ended, in `on_disconnected`: `None` after an orderly end, as the original's `null` exception.
#[derive(Clone, Debug)]
pub struct Disconnected(pub Option<Arc<str>>);

impl<S> Extract<S> for Disconnected {
    type Bound = ();

    fn bind(_: &mut Binder<'_>) -> Result<(), BindError> {
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
            fn bind(arguments: &mut Binder<'_>) -> Result<Self::Bound, BindError> {
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
