//! Parameters of hub methods, and how those that the client sends are bound.

use serde::de::DeserializeOwned;
use signalhub_protocol::{BindError, Binder};

use super::binding::Bindings;
use super::call::Call;
use super::extract::Extract;
use crate::error::HubError;

/// What a hub method can have as a parameter, in any order: each [extractor](Extract), [`Args`] and [`Upload`](crate::Upload).
///
/// Implement [`Extract`] for parameters of your own; this trait follows. `M` tells the two kinds of parameters apart, and
/// the compiler finds it.
// Parameters are made in two steps. What the client sent is bound while its message is read; the rest is taken from the
// call when it starts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a hub method",
    label = "not an extractor",
    note = "hub methods take `Args<(..)>` and `Upload<_>` for what the client sends, and extractors: `Caller`, `Clients`, \
            `Groups`, `Request`, `Cancellation`, and `State<_>` of the hub's state",
    note = "for `State<_>`, call `HubBuilder::state(…)` first, before methods and hooks are added",
    note = "arguments of the client are one tuple: `Args((a, b)): Args<(i32, String)>`",
    note = "implement `signalhub::Extract` to make a type an extractor"
)]
pub trait Parameter<S, M>: Sized {
    /// What binding produces and `take` gets.
    #[doc(hidden)]
    type Bound: Send + 'static;

    /// How many arguments of the client it consumes.
    #[doc(hidden)]
    const ARGUMENTS: usize = 0;

    /// How many streams of the client it consumes.
    #[doc(hidden)]
    const STREAMS: usize = 0;

    #[doc(hidden)]
    const WATCHES_CANCELLATION: bool = false;

    #[doc(hidden)]
    fn bind(arguments: &mut Binder<'_>, bindings: &mut Bindings<'_>) -> Result<Self::Bound, BindError>;

    #[doc(hidden)]
    fn take(bound: Self::Bound, call: &Call, state: &S) -> Result<Self, HubError>;
}

/// Marks parameters that are made from the call.
#[derive(Debug)]
pub enum FromCall {}

/// Marks parameters that the client sends.
#[derive(Debug)]
pub enum FromClient {}

impl<S, T: Extract<S>> Parameter<S, FromCall> for T {
    type Bound = ();
    const WATCHES_CANCELLATION: bool = T::WATCHES_CANCELLATION;

    fn bind(_: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<(), BindError> {
        Ok(())
    }

    fn take((): (), call: &Call, state: &S) -> Result<Self, HubError> {
        T::extract(call, state)
    }
}

/// What the client sent: a tuple with one element per argument, `Args((a, b)): Args<(i32, String)>`.
///
/// Several `Args` in one method take the arguments in their order. When the arguments of a client do not fit,
/// its error text says only that the call failed, unless the hub shows [error details](crate::ErrorDetails). The log has a
/// warning with the method, the argument and the reason; beyond one per second, further ones are logged at debug.
#[derive(Clone, Copy, Debug)]
pub struct Args<T>(pub T);

macro_rules! args {
    ($count:expr; $($T:ident),*) => {
        impl<S, $($T),*> Parameter<S, FromClient> for Args<($($T,)*)>
        where
            $($T: DeserializeOwned + Send + 'static),*
        {
            type Bound = ($($T,)*);
            const ARGUMENTS: usize = $count;

            #[allow(unused_variables, reason = "without arguments, nothing is bound")]
            fn bind(arguments: &mut Binder<'_>, _: &mut Bindings<'_>) -> Result<Self::Bound, BindError> {
                Ok(($(arguments.next::<$T>()?,)*))
            }

            fn take(bound: Self::Bound, _: &Call, _: &S) -> Result<Self, HubError> {
                Ok(Self(bound))
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
args!(9; A, B, C, D, E, F, G, H, I);
args!(10; A, B, C, D, E, F, G, H, I, J);
args!(11; A, B, C, D, E, F, G, H, I, J, K);
args!(12; A, B, C, D, E, F, G, H, I, J, K, L);
