//! The parameters of hub methods.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use signalhub_protocol::{BindError, Binder};

use super::binding::Bindings;
use super::call::Call;
use crate::clients::groups::Groups;
use crate::clients::targets::Clients;

/// A type that a hub method can have as a parameter. Parameters may be in any order.
///
/// Binding comes in two steps: what the client sent becomes typed at once, while the message is read; the rest is taken
/// when the call starts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a hub method",
    note = "hub methods take `Args<(..)>` and `Upload<_>` for what the client sends, `Caller`, `Clients`, `Groups`, \
            `Cancellation`, and `State` of the hub's state"
)]
pub trait Extract<S>: Sized + Send {
    /// What binding produces and `extract` takes.
    #[doc(hidden)]
    type Bound: Send + 'static;

    /// How many arguments of the client it consumes.
    #[doc(hidden)]
    const ARGUMENTS: usize = 0;

    /// How many streams of the client it consumes.
    #[doc(hidden)]
    const STREAMS: usize = 0;

    /// Whether it lets the method see that its stream is cancelled. The stream is then not dropped; the method ends it.
    #[doc(hidden)]
    const WATCHES_CANCELLATION: bool = false;

    #[doc(hidden)]
    fn bind(arguments: &mut Binder<'_>, bindings: &mut Bindings<'_>) -> Result<Self::Bound, BindError>;

    #[doc(hidden)]
    fn extract(bound: Self::Bound, call: &Call, state: &S) -> Self;
}

/// What the client sent: a tuple with one element per argument, `Args((a, b)): Args<(i32, String)>`.
///
/// Several `Args` in one method take the arguments in their order. When the arguments of a client do not fit,
/// its error text says only that the call failed, unless the hub shows [error details](crate::ErrorDetails). The log has a
/// warning with the method, the argument and the reason; beyond one per second, further ones are logged at debug.
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

impl<S> Extract<S> for Clients {
    type Bound = ();

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        Self::of_caller(Arc::clone(&call.state().clients), Arc::clone(call.client()), call.called_from().clone())
    }
}

impl<S> Extract<S> for Groups {
    type Bound = ();

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn extract((): (), call: &Call, _: &S) -> Self {
        Self::new(Arc::clone(&call.state().clients))
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
        Self(call.disconnected().cloned())
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
